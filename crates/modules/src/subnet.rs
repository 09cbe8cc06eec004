//! Ranges of addresses as configurations write them: `192.0.2.0/24`, `2001:db8::/32`, or a single
//! address.

use std::net::IpAddr;

/// A range of addresses of one family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subnet {
    address: IpAddr,
    bits: u8,
}

impl Subnet {
    /// Reads one; `None` if it is none. Bits behind the prefix do not matter.
    pub fn parse(text: &str) -> Option<Subnet> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        // `::ffff` and the like are addresses; a shorter form without `::` is not.
        let address: IpAddr = address.parse().ok()?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(widest);
        (bits <= widest).then_some(Subnet { address, bits })
    }

    /// Is it a range of IPv4 addresses?
    pub fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    /// Is the address of these octets in it?
    pub fn contains(&self, octets: &[u8]) -> bool {
        let own = Octets::of(self.address);
        let own = own.as_slice();
        own.len() == octets.len()
            && (0..own.len()).all(|at| (own[at] ^ octets[at]) & mask(self.bits, at) == 0)
    }

    /// The address that has its network part from `target` and its other bits from `octets`.
    pub fn merge(&self, target: &mut [u8], octets: &[u8]) {
        for (at, (octet, host)) in target.iter_mut().zip(octets).enumerate() {
            let mask = mask(self.bits, at);
            *octet = *octet & mask | host & !mask;
        }
    }
}

/// The bits of octet number `at` that belong to a prefix of so many bits.
fn mask(bits: u8, at: usize) -> u8 {
    match usize::from(bits).saturating_sub(at * 8) {
        0 => 0,
        left @ 1..8 => !(0xff >> left),
        _ => 0xff,
    }
}

/// The octets of an address.
pub enum Octets {
    V4([u8; 4]),
    V6([u8; 16]),
}

impl Octets {
    /// Those of this address.
    pub fn of(address: IpAddr) -> Octets {
        match address {
            IpAddr::V4(v4) => Octets::V4(v4.octets()),
            IpAddr::V6(v6) => Octets::V6(v6.octets()),
        }
    }

    pub fn as_slice(&self) -> &[u8] {
        match self {
            Octets::V4(octets) => octets,
            Octets::V6(octets) => octets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(subnet: &str, address: &str) -> bool {
        let octets = Octets::of(address.parse().unwrap());
        Subnet::parse(subnet).unwrap().contains(octets.as_slice())
    }

    #[test]
    fn ranges_hold_what_their_prefix_says() {
        assert!(contains("10.0.0.0/8", "10.255.0.1"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("167.81.255.0/19", "167.81.224.1"));
        assert!(!contains("167.81.255.0/19", "167.81.223.1"));
        assert!(contains("192.0.2.1", "192.0.2.1"));
        assert!(!contains("192.0.2.1", "192.0.2.2"));
        assert!(contains("0.0.0.0/0", "9.9.9.9"));
        assert!(!contains("0.0.0.0/0", "::1"));
        assert!(contains("fe80::/10", "febf::1"));
        assert!(!contains("fe80::/10", "fec0::1"));
        assert!(contains("::ffff/96", "::5"));
    }

    #[test]
    fn nonsense_is_no_range() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "x", "10.0.0.0/", "10.0.0.0/-1"] {
            assert_eq!(Subnet::parse(text), None, "{text}");
        }
    }

    #[test]
    fn host_bits_stay() {
        let mut target = [127, 0, 0, 0];
        Subnet::parse("167.81.255.0/19").unwrap().merge(&mut target, &[167, 81, 254, 221]);
        assert_eq!(target, [127, 0, 30, 221]);
    }
}
