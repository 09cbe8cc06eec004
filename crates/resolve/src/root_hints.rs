//! The built-in list of root servers (IANA, named.root of 2024-12-20).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;

use dns::Name;

/// Name and addresses of a root server.
type Hint = (Name, Vec<IpAddr>);

const ADDRESSES: [(char, [u8; 4], [u16; 8]); 13] = [
    ('a', [198, 41, 0, 4], [0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30]),
    ('b', [170, 247, 170, 2], [0x2801, 0x1b8, 0x10, 0, 0, 0, 0, 0xb]),
    ('c', [192, 33, 4, 12], [0x2001, 0x500, 2, 0, 0, 0, 0, 0xc]),
    ('d', [199, 7, 91, 13], [0x2001, 0x500, 0x2d, 0, 0, 0, 0, 0xd]),
    ('e', [192, 203, 230, 10], [0x2001, 0x500, 0xa8, 0, 0, 0, 0, 0xe]),
    ('f', [192, 5, 5, 241], [0x2001, 0x500, 0x2f, 0, 0, 0, 0, 0xf]),
    ('g', [192, 112, 36, 4], [0x2001, 0x500, 0x12, 0, 0, 0, 0, 0xd0d]),
    ('h', [198, 97, 190, 53], [0x2001, 0x500, 1, 0, 0, 0, 0, 0x53]),
    ('i', [192, 36, 148, 17], [0x2001, 0x7fe, 0, 0, 0, 0, 0, 0x53]),
    ('j', [192, 58, 128, 30], [0x2001, 0x503, 0xc27, 0, 0, 0, 2, 0x30]),
    ('k', [193, 0, 14, 129], [0x2001, 0x7fd, 0, 0, 0, 0, 0, 1]),
    ('l', [199, 7, 83, 42], [0x2001, 0x500, 0x9f, 0, 0, 0, 0, 0x42]),
    ('m', [202, 12, 27, 33], [0x2001, 0xdc3, 0, 0, 0, 0, 0, 0x35]),
];

/// The built-in hints.
pub fn builtin() -> &'static Vec<Hint> {
    static HINTS: OnceLock<Vec<Hint>> = OnceLock::new();
    HINTS.get_or_init(|| {
        ADDRESSES
            .iter()
            .filter_map(|(letter, ipv4, ipv6)| {
                let name =
                    format!("{}.ROOT-SERVERS.NET.", letter.to_ascii_uppercase()).parse().ok()?;
                let ipv4 = IpAddr::from(Ipv4Addr::from(*ipv4));
                let ipv6 = IpAddr::from(Ipv6Addr::from(*ipv6));
                Some((name, vec![ipv4, ipv6]))
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn thirteen_servers_with_two_addresses() {
        assert_eq!(super::builtin().len(), 13);
        assert!(super::builtin().iter().all(|(_, addresses)| addresses.len() == 2));
    }
}
