//! Health of the two address families: a host whose IPv6 leads nowhere must not pay a time-out for
//! each server that has an IPv6 address.
//!
//! A family counts as broken when servers in several networks stayed silent and none answered. It
//! is tried again now and then, and any reply heals it.

use std::net::IpAddr;
use std::time::Duration;

use smallvec::SmallVec;

use crate::time::Mono;

/// Networks whose silence makes a family broken, as upstream.
const NETWORKS_SILENT: usize = 6;
/// A broken family is given another chance after this.
const RETRY_AFTER: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Family {
    silent: SmallVec<[u64; NETWORKS_SILENT]>,
    broken_until: Option<Mono>,
}

/// Health of IPv4 and IPv6.
#[derive(Debug, Default)]
pub struct Families {
    ipv4: Family,
    ipv6: Family,
}

impl Families {
    /// Does the family of this address lead nowhere, as far as is known?
    pub fn is_broken(&self, address: IpAddr, now: Mono) -> bool {
        let family = if address.is_ipv4() { &self.ipv4 } else { &self.ipv6 };
        family.broken_until.is_some_and(|until| now < until)
    }

    /// A server answered.
    pub fn on_reply(&mut self, address: IpAddr) {
        let family = self.family(address);
        family.silent.clear();
        family.broken_until = None;
    }

    /// A server stayed silent, or could not be reached.
    pub fn on_silence(&mut self, address: IpAddr, now: Mono) {
        let network = network(address);
        let family = self.family(address);
        if !family.silent.contains(&network) && family.silent.len() < NETWORKS_SILENT {
            family.silent.push(network);
        }
        if family.silent.len() >= NETWORKS_SILENT {
            family.broken_until = Some(now + RETRY_AFTER);
        }
    }

    fn family(&mut self, address: IpAddr) -> &mut Family {
        if address.is_ipv4() { &mut self.ipv4 } else { &mut self.ipv6 }
    }
}

/// The /24 or /48 of an address.
fn network(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => u64::from(u32::from(v4) >> 8),
        IpAddr::V6(v6) => (u128::from(v6) >> 80) as u64,
    }
}
