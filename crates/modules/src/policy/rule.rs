//! What rules are made of: conditions on the client and on the question, and actions.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dns::{ExtendedErrorCode, Name, Rdatas, Rtype};
use resolve::Forward;
use resolve::flags::QueryFlags;

use super::names::NameSet;
use super::pattern::Pattern;
use super::rpz::Zone;

/// A function of the operator, by the number that its keeper knows it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionId(pub u32);

/// Addresses with a common prefix, of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

impl Network {
    /// A network. IPv4-mapped IPv6 addresses become IPv4 ones; lengths beyond the address count
    /// as the whole address.
    pub fn new(address: IpAddr, length: u8) -> Network {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let mapped = address.is_ipv6();
                let length = if mapped { length.saturating_sub(96) } else { length };
                Network { address: v4.into(), length: length.min(32) }
            }
            IpAddr::V6(v6) => Network { address: v6.into(), length: length.min(128) },
        }
    }

    /// Is the address in it? IPv4-mapped addresses count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(mine), IpAddr::V4(theirs)) => {
                let differing = u32::from(mine) ^ u32::from(theirs);
                differing.checked_shr(32 - u32::from(self.length)).unwrap_or(0) == 0
            }
            (IpAddr::V6(mine), IpAddr::V6(theirs)) => {
                let differing = u128::from(mine) ^ u128::from(theirs);
                differing.checked_shr(128 - u32::from(self.length)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// The first and the last address as numbers.
    pub(super) fn bounds(&self) -> (u128, u128) {
        let (address, width) = match self.address {
            IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
            IpAddr::V6(v6) => (u128::from(v6), 128),
        };
        let host = width - u32::from(self.length);
        let rest = 1u128.checked_shl(host).map_or(u128::MAX, |size| size - 1);
        (address & !rest, address | rest)
    }

    /// Is it a network of IPv4 addresses?
    pub(super) fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    /// The address of `target`'s network that has the host part of `address`.
    pub(super) fn translate(&self, address: IpAddr, target: IpAddr) -> Option<IpAddr> {
        if !self.contains(address) {
            return None;
        }
        match (address.to_canonical(), target) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let host = u32::MAX.checked_shr(self.length.into()).unwrap_or(0);
                let number = u32::from(to) & !host | u32::from(from) & host;
                Some(std::net::Ipv4Addr::from(number).into())
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let host = u128::MAX.checked_shr(self.length.into()).unwrap_or(0);
                let number = u128::from(to) & !host | u128::from(from) & host;
                Some(std::net::Ipv6Addr::from(number).into())
            }
            _ => None,
        }
    }
}

/// A condition on the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// Its query carries a TSIG with this key name (RFC 8945; the signature is not verified).
    Tsig(Name),
    /// Its address is in this network.
    Source(Network),
    /// It asked an address of ours in this network.
    Destination(Network),
}

/// The place of a zone that is replaced as a whole.
#[derive(Clone, Debug, Default)]
pub struct ZoneSlot(RefCell<Option<Arc<Zone>>>);

impl ZoneSlot {
    pub(super) fn new(zone: Option<Arc<Zone>>) -> ZoneSlot {
        ZoneSlot(RefCell::new(zone))
    }

    pub(super) fn replace(&self, zone: Arc<Zone>) {
        *self.0.borrow_mut() = Some(zone);
    }

    pub(super) fn zone(&self) -> Option<Arc<Zone>> {
        self.0.borrow().clone()
    }
}

/// Which questions a rule selects. Names are compared without regard to case.
#[derive(Clone, Debug)]
pub enum Filter {
    /// Every question.
    All,
    /// These names and everything below them.
    Suffix(Arc<NameSet>),
    /// Exactly these names.
    Domains(Arc<NameSet>),
    /// A Lua pattern on the QNAME in lower-case wire format.
    Pattern(Pattern),
    /// The triggers of a response policy zone; the rule's action is that of `CNAME .`.
    Rpz(ZoneSlot),
    /// A function that returns an action or nothing; the rule's own action is not used.
    Function(FunctionId),
}

/// The records of a synthesised answer, of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerRecords {
    /// The type.
    pub rtype: Rtype,
    /// Seconds.
    pub ttl: u32,
    pub rdatas: Rdatas,
}

/// What happens to a selected request. "Chain" actions let the evaluation go on with the next rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Resolve as usual; look at no further rule.
    Pass,
    /// NXDOMAIN, optionally with an explanation (at most 255 octets) in ADDITIONAL.
    Deny { message: Option<String>, extended_error: ExtendedErrorCode },
    /// SERVFAIL.
    Drop,
    /// REFUSED.
    Refuse,
    /// No message at all.
    NoAnswer,
    /// TC=1 over UDP; over streams like [`Action::Pass`].
    Truncate,
    /// These records; for other types NODATA if `nodata`, else the next rule.
    Answer { records: Vec<AnswerRecords>, nodata: bool },
    /// An alias to another name, which is looked up.
    Redirect { target: Name, ttl: u32 },
    /// Ask these servers instead of the authoritative ones.
    Forward(Arc<Forward>),
    /// Chain: send a copy there.
    Mirror(SocketAddr),
    /// Chain: set and clear switches of the request.
    Flags { set: QueryFlags, clear: QueryFlags },
    /// Chain: rewrite addresses of the answer, as the first network that fits says.
    Reroute(Vec<(Network, IpAddr)>),
    /// Chain: trace the request.
    DebugAlways,
    /// Chain: trace the request unless it is answered from the cache.
    DebugCacheMiss,
    /// Chain: trace the request if the function says so at its end.
    DebugIf(FunctionId),
    /// Chain: log replies from upstream.
    QTrace,
    /// Chain: log the client's message and the response.
    ReqTrace,
    /// Chain: log the client's address.
    IpTrace,
    /// A function that returns a state or nothing.
    Function(FunctionId),
}

/// A rule: condition on the client, condition on the question, action.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The clients it is for; `None` = all.
    pub client: Option<Client>,
    /// The questions it selects.
    pub filter: Filter,
    /// What happens to them.
    pub action: Action,
}
