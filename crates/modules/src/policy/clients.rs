//! Which clients the rules of `view` can tell apart.
//!
//! The networks that rules name cut the address space into pieces; two addresses in one piece are in
//! the same networks. A pair of pieces, that of the client's address and that of ours, is the tag
//! under which finished answers are shared.

use std::net::IpAddr;

use super::rule::{Client, Network};

/// The pieces of one address space.
#[derive(Clone, Debug, Default)]
struct Pieces {
    /// Where a piece begins, ascending; the first piece begins at zero and is not listed.
    ipv4: Vec<u128>,
    ipv6: Vec<u128>,
}

impl Pieces {
    fn new<'r>(networks: impl Iterator<Item = &'r Network>) -> Pieces {
        let mut pieces = Pieces::default();
        for network in networks {
            let (first, last) = network.bounds();
            let starts = if network.is_ipv4() { &mut pieces.ipv4 } else { &mut pieces.ipv6 };
            starts.extend((first > 0).then_some(first));
            starts.extend(last.checked_add(1));
        }
        for starts in [&mut pieces.ipv4, &mut pieces.ipv6] {
            starts.sort_unstable();
            starts.dedup();
        }
        pieces
    }

    fn count(&self) -> usize {
        self.ipv4.len() + self.ipv6.len() + 2
    }

    fn find(&self, address: IpAddr) -> usize {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let number = u128::from(u32::from(v4));
                self.ipv4.partition_point(|start| *start <= number)
            }
            IpAddr::V6(v6) => {
                let number = u128::from(v6);
                self.ipv4.len() + 1 + self.ipv6.partition_point(|start| *start <= number)
            }
        }
    }
}

/// How clients differ.
#[derive(Clone, Debug, Default)]
pub struct ClientClasses {
    sources: Pieces,
    destinations: Pieces,
}

impl ClientClasses {
    /// The classes that these conditions make. Conditions on keys are none: a signed query is
    /// never answered from finished answers.
    pub fn new<'r>(conditions: impl Iterator<Item = &'r Client> + Clone) -> ClientClasses {
        let sources = conditions.clone().filter_map(|client| match client {
            Client::Source(network) => Some(network),
            Client::Destination(_) | Client::Tsig(_) => None,
        });
        let destinations = conditions.filter_map(|client| match client {
            Client::Destination(network) => Some(network),
            Client::Source(_) | Client::Tsig(_) => None,
        });
        ClientClasses { sources: Pieces::new(sources), destinations: Pieces::new(destinations) }
    }

    /// The tag of a client that came from one address to the other; none if there are more pairs
    /// of pieces than tags.
    pub fn tag(&self, source: IpAddr, destination: IpAddr) -> Option<u32> {
        let source = self.sources.find(source);
        let destination = self.destinations.find(destination);
        u32::try_from(source * self.destinations.count() + destination).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn network(text: &str) -> Network {
        let (address, length) = text.split_once('/').expect("a network");
        Network::new(address.parse().expect("an address"), length.parse().expect("a length"))
    }

    #[test]
    fn clients_in_the_same_networks_share_a_tag() {
        let conditions = [
            Client::Source(network("10.0.0.0/8")),
            Client::Source(network("10.1.0.0/16")),
            Client::Source(network("::/0")),
            Client::Destination(network("192.0.2.1/32")),
        ];
        let classes = ClientClasses::new(conditions.iter());
        let tag = |from: &str, to: &str| classes.tag(address(from), address(to));
        let ours = "192.0.2.9";
        assert_eq!(tag("10.1.2.3", ours), tag("10.1.255.255", ours));
        assert_eq!(tag("10.1.2.3", ours), tag("::ffff:10.1.2.3", ours));
        let different = [
            tag("9.255.255.255", ours),
            tag("10.0.0.0", ours),
            tag("10.1.0.0", ours),
            tag("10.2.0.0", ours),
            tag("11.0.0.0", ours),
            tag("::", ours),
            tag("10.1.0.0", "192.0.2.1"),
        ];
        for (at, one) in different.iter().enumerate() {
            assert!(!different[at + 1..].contains(one), "{at}: {different:?}");
        }
        assert_eq!(tag("::1", ours), tag("ffff::1", ours));
    }

    #[test]
    fn without_conditions_families_alone_differ() {
        let classes = ClientClasses::default();
        let ours = address("192.0.2.1");
        assert_eq!(
            classes.tag(address("192.0.2.7"), ours),
            classes.tag(address("198.51.100.1"), ours)
        );
    }

    #[test]
    fn networks_end_where_their_prefix_says() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("0.0.0.0/0", "255.0.0.1", "::1"),
            ("192.0.2.1/32", "192.0.2.1", "192.0.2.2"),
            ("2001:db8::/32", "2001:db8:ffff::", "2001:db9::"),
            ("::/0", "2001::", "192.0.2.1"),
            ("::ffff:10.0.0.0/104", "10.3.0.0", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::10.0.0.1"),
        ] {
            assert!(network(text).contains(address(inside)), "{text} {inside}");
            assert!(!network(text).contains(address(outside)), "{text} {outside}");
        }
    }
}
