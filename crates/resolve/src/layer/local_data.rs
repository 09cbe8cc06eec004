//! Names that are answered here and never leak upstream: the special-use names of RFC 6761, RFC
//! 6303, RFC 7686, RFC 7793, RFC 8375, RFC 9462, RFC 9476 and RFC 9665, and ANY (RFC 8482).
//!
//! `localhost` and the loopback addresses have data, as upstream answers them; the other names do
//! not exist. An operator may except names ([`crate::Settings::local_data_except`]).

use dns::{Class, ExtendedErrorCode, Name, Rcode, Rdatas, Rrset, Rtype};
use hashbrown::HashMap;
use store::cache::Rank;
use store::cache::entry::SignedSet;

use super::{Hooks, Layer, RequestContext};
use crate::request::Request;
use crate::state::State;

/// The name in the stack.
pub const NAME: &str = "local_data";

/// TTL of the data that there is, in seconds.
const TTL: u32 = 900;
/// TTL of denials, in seconds.
const SOA_TTL: u32 = 10_800;
/// TTL of the answer to ANY, in seconds.
const ANY_TTL: u32 = 3_600;

/// What stands in the additional section of a denial.
const EXPLANATION: &str =
    "a special-use name, see https://www.iana.org/assignments/special-use-domain-names/";

/// Names that do not exist, with everything below.
const EMPTY: &[&str] = &[
    "alt.",
    "home.arpa.",
    "invalid.",
    "local.",
    "onion.",
    "resolver.arpa.",
    "service.arpa.",
    "test.",
    "0.in-addr.arpa.",
    "10.in-addr.arpa.",
    "254.169.in-addr.arpa.",
    "168.192.in-addr.arpa.",
    "2.0.192.in-addr.arpa.",
    "100.51.198.in-addr.arpa.",
    "113.0.203.in-addr.arpa.",
    "255.255.255.255.in-addr.arpa.",
    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.",
    "d.f.ip6.arpa.",
    "8.e.f.ip6.arpa.",
    "9.e.f.ip6.arpa.",
    "a.e.f.ip6.arpa.",
    "b.e.f.ip6.arpa.",
    "8.b.d.0.1.0.0.2.ip6.arpa.",
];
/// The name of `::1`.
const LOOPBACK_IPV6: &str =
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.";

/// What is known about the names below one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Empty,
    /// Every name is the machine itself.
    Localhost,
    /// The reverse of 127.0.0.0/8, where only 127.0.0.1 has a name.
    Loopback,
    /// The reverse of `::1`.
    LoopbackIpv6,
}

/// The layer.
pub struct LocalData {
    zones: HashMap<Name, Kind, foldhash::fast::FixedState>,
    /// The last labels of those names, in wire form and lower case. Most names have another one.
    tops: Vec<Vec<u8>>,
    localhost: Name,
    loopback: Name,
    explanation: SignedSet,
}

impl Default for LocalData {
    fn default() -> LocalData {
        LocalData::new()
    }
}

impl LocalData {
    /// The layer with the registered names.
    pub fn new() -> LocalData {
        // A name that does not parse would be missing; a test counts them.
        let name = |text: &str| text.parse::<Name>().unwrap_or_else(|_| Name::root());
        let mut zones = HashMap::default();
        for text in EMPTY {
            zones.insert(name(text), Kind::Empty);
        }
        // RFC 6303 §4.2 and RFC 7793: 172.16.0.0/12 and 100.64.0.0/10.
        for octet in 16..32 {
            zones.insert(name(&format!("{octet}.172.in-addr.arpa.")), Kind::Empty);
        }
        for octet in 64..128 {
            zones.insert(name(&format!("{octet}.100.in-addr.arpa.")), Kind::Empty);
        }
        zones.insert(name("localhost."), Kind::Localhost);
        zones.insert(name("127.in-addr.arpa."), Kind::Loopback);
        zones.insert(name(LOOPBACK_IPV6), Kind::LoopbackIpv6);
        let mut tops: Vec<Vec<u8>> = zones
            .keys()
            .map(|zone: &Name| zone.suffix(1).to_lowercase().as_wire().to_vec())
            .collect();
        tops.sort();
        tops.dedup();
        let mut text = vec![EXPLANATION.len() as u8];
        text.extend_from_slice(EXPLANATION.as_bytes());
        LocalData {
            zones,
            tops,
            localhost: name("localhost."),
            loopback: name("1.0.0.127.in-addr.arpa."),
            explanation: local(&name("explanation.invalid."), Rtype::TXT, SOA_TTL, &text),
        }
    }

    /// The special-use name that a name is or is below.
    fn find(&self, name: &Name) -> Option<(Name, Kind)> {
        let last = name.suffixes().take_while(|wire| wire.len() > 1).last()?;
        if !self.tops.iter().any(|top| last.eq_ignore_ascii_case(top)) {
            return None;
        }
        name.suffixes().find_map(|suffix| {
            let suffix = Name::from_wire(suffix).ok()?;
            let kind = *self.zones.get(&suffix)?;
            Some((suffix, kind))
        })
    }

    fn respond(&self, request: &mut Request, apex: &Name, kind: Kind) {
        let (name, rtype) = (request.question.name.clone(), request.question.rtype);
        let response = &mut request.response;
        response.authoritative = true;
        if kind == Kind::Empty {
            response.rcode = Rcode::NXDOMAIN;
            response.authority.push(soa(&name, &name));
            response.additional.push(self.explanation.clone());
            response.add_extended_error(ExtendedErrorCode::NOT_SUPPORTED, "SPUN");
            return;
        }
        let is_apex = name == *apex;
        let exists = match kind {
            Kind::Loopback => is_apex || self.loopback.is_at_or_below(&name),
            _ => true,
        };
        let has_name = kind == Kind::LoopbackIpv6 || name == self.loopback;
        let host = self.localhost.as_wire();
        let found = match rtype {
            Rtype::A if kind == Kind::Localhost => Some(local(&name, rtype, TTL, &[127, 0, 0, 1])),
            Rtype::AAAA if kind == Kind::Localhost => {
                let octets = std::net::Ipv6Addr::LOCALHOST.octets();
                Some(local(&name, rtype, TTL, &octets))
            }
            Rtype::PTR if has_name => Some(local(&name, rtype, TTL, host)),
            Rtype::NS if is_apex => Some(local(&name, rtype, TTL, host)),
            Rtype::SOA if is_apex => Some(soa(apex, &self.localhost)),
            _ => None,
        };
        match found {
            Some(signed) => response.answer.push(signed),
            None => response.authority.push(soa(apex, &self.localhost)),
        }
        if !exists {
            response.rcode = Rcode::NXDOMAIN;
        }
    }
}

impl Layer for LocalData {
    fn name(&self) -> &str {
        NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::BEGIN
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn begin(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        if state == State::Fail || state == State::Done || ctx.request.question.class != Class::IN {
            return state;
        }
        let name = &ctx.request.question.name;
        let is_excepted = |except: &Name| name.is_at_or_below(except);
        let is_excepted =
            ctx.request.ruled || ctx.core.settings.local_data_except.iter().any(is_excepted);
        if !is_excepted && let Some((apex, kind)) = self.find(name) {
            self.respond(ctx.request, &apex, kind);
            return State::Done;
        }
        if ctx.request.question.rtype == Rtype::ANY {
            // RFC 8482 §4.2: one small record that says why.
            let hinfo = local(name, Rtype::HINFO, ANY_TTL, b"\x07RFC8482\x00");
            ctx.request.response.answer.push(hinfo);
            return State::Done;
        }
        state
    }
}

fn local(owner: &Name, rtype: Rtype, ttl: u32, rdata: &[u8]) -> SignedSet {
    let mut set = Rrset::new(owner.clone(), rtype, Class::IN, ttl);
    set.rdatas.push(rdata);
    SignedSet { set, signatures: Rdatas::new(), rank: Rank::INSECURE.with_auth() }
}

/// A SOA as upstream makes them: nobody answers for it, and it never changes.
fn soa(owner: &Name, mname: &Name) -> SignedSet {
    let mut rdata = mname.as_wire().to_vec();
    rdata.extend_from_slice(b"\x06nobody\x07invalid\x00");
    for number in [1u32, 3600, 1200, 604_800, SOA_TTL] {
        rdata.extend_from_slice(&number.to_be_bytes());
    }
    local(owner, Rtype::SOA, SOA_TTL, &rdata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_parse() {
        let zones = LocalData::new().zones;
        assert_eq!(zones.len(), EMPTY.len() + 16 + 64 + 3);
        assert!(!zones.contains_key(&Name::root()));
        assert_eq!(LocalData::new().tops.len(), 7);
    }

    #[test]
    fn the_deepest_special_name_counts() {
        let layer = LocalData::new();
        let kind = |text: &str| layer.find(&text.parse().expect("a name")).map(|(_, kind)| kind);
        assert_eq!(kind("a.b.Test."), Some(Kind::Empty));
        assert_eq!(kind("www.localhost."), Some(Kind::Localhost));
        assert_eq!(kind("3.2.20.172.in-addr.arpa."), Some(Kind::Empty));
        assert_eq!(kind("3.2.33.172.in-addr.arpa."), None);
        assert_eq!(kind("1.0.0.127.in-addr.arpa."), Some(Kind::Loopback));
        assert_eq!(kind("example."), None);
        assert_eq!(kind("."), None);
    }
}
