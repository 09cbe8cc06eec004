//! The names and addresses of `hints`, forward and backward.

use std::collections::BTreeMap;
use std::net::IpAddr;

use dns::Name;
use hashbrown::HashMap;

/// Addresses of one name; an operator who gives more has mistaken a name for a list.
const ADDRESSES_MAX: usize = 1024;

/// A line of a hosts file that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct BadLine {
    /// From 1.
    pub(super) number: usize,
    pub(super) why: String,
}

/// Names with their addresses, and the name of each address. Operators choose what is in here,
/// strangers only what is looked up, so the hash needs no key.
#[derive(Default)]
pub(super) struct Table {
    forward: HashMap<Name, Vec<IpAddr>, foldhash::fast::FixedState>,
    /// By the name below `in-addr.arpa` or `ip6.arpa`.
    reverse: HashMap<Name, Name, foldhash::fast::FixedState>,
}

impl Table {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.forward.clear();
        self.reverse.clear();
    }

    /// The addresses of a name.
    pub(super) fn addresses(&self, name: &Name) -> Option<&[IpAddr]> {
        self.forward.get(name).map(Vec::as_slice)
    }

    /// The name of an address, by its reverse name.
    pub(super) fn pointer(&self, reverse: &Name) -> Option<&Name> {
        self.reverse.get(reverse)
    }

    /// Adds an address to a name. The name is the address's from now on. False if the name has too
    /// many already.
    pub(super) fn add(&mut self, name: &Name, address: IpAddr) -> bool {
        let addresses = self.forward.entry(name.clone()).or_default();
        if !addresses.contains(&address) {
            if addresses.len() >= ADDRESSES_MAX {
                return false;
            }
            addresses.push(address);
        }
        self.reverse.insert(reverse_name(address), name.clone());
        true
    }

    /// Takes an address from a name, or all of them. False if nothing was there.
    pub(super) fn remove(&mut self, name: &Name, address: Option<IpAddr>) -> bool {
        let Some(addresses) = self.forward.get_mut(name) else { return false };
        let gone: Vec<IpAddr> = match address {
            Some(address) => match addresses.iter().position(|known| *known == address) {
                Some(at) => vec![addresses.remove(at)],
                None => return false,
            },
            None => std::mem::take(addresses),
        };
        if addresses.is_empty() {
            self.forward.remove(name);
        }
        for address in gone {
            let reverse = reverse_name(address);
            if self.reverse.get(&reverse) == Some(name) {
                self.reverse.remove(&reverse);
            }
        }
        true
    }

    /// All names with their addresses, in order.
    pub(super) fn all(&self) -> BTreeMap<&Name, &[IpAddr]> {
        self.forward.iter().map(|(name, addresses)| (name, addresses.as_slice())).collect()
    }

    /// Adds what a file in the format of `/etc/hosts` says: an address, its name and other names of
    /// it. Lines that cannot be used are left out and returned.
    pub(super) fn add_hosts(&mut self, text: &[u8]) -> Vec<BadLine> {
        let mut bad = Vec::new();
        for (index, line) in text.split(|octet| *octet == b'\n').enumerate() {
            if let Err(why) = self.add_line(line) {
                bad.push(BadLine { number: index + 1, why });
            }
        }
        bad
    }

    fn add_line(&mut self, line: &[u8]) -> Result<(), String> {
        let line = line.split(|octet| *octet == b'#').next().unwrap_or_default();
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let Some(first) = words.next() else { return Ok(()) };
        let text = String::from_utf8_lossy(first);
        let address = text.parse().map_err(|_| format!("'{text}' is not an address"))?;
        let names: Vec<&[u8]> = words.collect();
        if names.is_empty() {
            return Err(format!("'{text}' has no name"));
        }
        // The first name is the one that the address is to have, so it is added last.
        for word in names.iter().rev() {
            let name = Name::from_text(word, &Name::root())
                .map_err(|_| format!("'{}' is not a name", String::from_utf8_lossy(word)))?;
            if !self.add(&name, address) {
                return Err(format!("'{name}' has too many addresses"));
            }
        }
        Ok(())
    }
}

/// The name of an address in the tree of addresses (RFC 1035 §3.5, RFC 3596 §2.5).
pub(super) fn reverse_name(address: IpAddr) -> Name {
    let text = match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(v6) => {
            let octets = v6.octets();
            let mut text = String::with_capacity(73);
            for octet in octets.iter().rev() {
                for nibble in [octet & 0xf, octet >> 4] {
                    text.push(char::from_digit(nibble.into(), 16).unwrap_or('0'));
                    text.push('.');
                }
            }
            text + "ip6.arpa."
        }
    };
    // Such a name is always well-formed.
    text.parse().unwrap_or_else(|_| Name::root())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_have_reverse_names() {
        assert_eq!(reverse_name("192.0.2.1".parse().unwrap()), name("1.2.0.192.in-addr.arpa."));
        assert_eq!(
            reverse_name("2001:db8::1".parse().unwrap()),
            name("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.")
        );
    }

    #[test]
    fn a_hosts_file_with_everything() {
        let mut table = Table::default();
        let text = b"# comment\n192.0.2.1 canonical.test alias.test # more\n\n\
            2001:db8::1\talias.test\r\nnonsense a.test\n192.0.2.2\n192.0.2.3 x..y\n\
            fe80::1%lo0 scoped.test\n192.0.2.4 last.test";
        let bad: Vec<String> = table
            .add_hosts(text)
            .into_iter()
            .map(|line| format!("{}: {}", line.number, line.why))
            .collect();
        assert_eq!(
            bad,
            [
                "5: 'nonsense' is not an address",
                "6: '192.0.2.2' has no name",
                "7: 'x..y' is not a name",
                "8: 'fe80::1%lo0' is not an address",
            ]
        );
        let addresses = |text: &str| table.addresses(&name(text)).unwrap().to_vec();
        assert_eq!(
            addresses("Alias.Test."),
            ["192.0.2.1".parse::<IpAddr>().unwrap(), "2001:db8::1".parse().unwrap()]
        );
        assert_eq!(addresses("last.test.").len(), 1);
        let pointer = |text: &str| table.pointer(&name(text)).unwrap().to_string();
        assert_eq!(pointer("1.2.0.192.in-addr.arpa."), "canonical.test.");
    }

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let mut table = Table::default();
        let (one, two) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        table.add(&name("a."), one);
        table.add(&name("a."), two);
        table.add(&name("b."), two);
        assert!(!table.remove(&name("a."), Some("192.0.2.9".parse().unwrap())));
        assert!(!table.remove(&name("c."), None));
        assert!(table.remove(&name("a."), Some(one)));
        assert!(table.pointer(&reverse_name(one)).is_none());
        assert!(table.remove(&name("a."), None));
        assert_eq!(table.pointer(&reverse_name(two)), Some(&name("b.")), "b has it now");
        assert_eq!(table.all().len(), 1);
    }
}
