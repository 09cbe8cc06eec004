//! The choice of the next target of a round.
//!
//! Addresses come in tiers: what has to go over TCP at once, what was not tried yet, what was tried
//! once, what is said to be dead, and the last attempt over TCP. Inside a tier the fastest wins,
//! and one time in twenty another one, so that estimates do not rot.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use smallvec::SmallVec;

use super::table::Servers;
use crate::action::{Target, Via};
use crate::chance::Chance;
use crate::limits::{
    SENDS_PER_ROUND_MAX, STREAM_TIME_MAX, TCP_PER_ADDRESS_MAX, TIMEOUT_MAX, TIMEOUT_UNKNOWN,
    UDP_PER_ADDRESS_MAX,
};
use crate::query::Round;
use crate::time::Mono;

/// One time in so many another server than the fastest is asked.
const EXPLORE_ONE_IN: usize = 20;

/// An address that could be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    pub address: SocketAddr,
    /// Protocol that is set for it; UDP may become TCP when there is reason to.
    pub via: Via,
    /// Place of its server in the zone cut.
    pub server: usize,
}

/// What may be chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope {
    /// TCP only.
    pub force_tcp: bool,
    /// Also the last attempts at servers that were of no use.
    pub last: bool,
}

/// What to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    pub target: Target,
    pub timeout: Duration,
    pub server: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tier {
    /// It said that it wants TCP, or somebody forges its replies.
    TcpNow,
    Untried,
    TriedOnce,
    Resting,
    LastTcp,
}

/// The next target of a round, or none if everything was tried.
pub fn choose(
    servers: &Servers,
    chance: &mut Chance,
    now: Mono,
    round: &Round,
    candidates: &[Candidate],
    scope: Scope,
) -> Option<Choice> {
    if round.sends >= SENDS_PER_ROUND_MAX {
        return None;
    }
    let mut best: SmallVec<[(&Candidate, Via); 8]> = SmallVec::new();
    let mut best_tier = Tier::LastTcp;
    for candidate in candidates {
        let Some((tier, via)) = tier(servers, now, round, candidate, scope.force_tcp) else {
            continue;
        };
        if tier == Tier::LastTcp && !scope.last {
            continue;
        }
        if tier < best_tier {
            best.clear();
            best_tier = tier;
        }
        if tier == best_tier {
            best.push((candidate, via));
        }
    }
    let (candidate, via) = pick(servers, chance, &best)?;
    Some(Choice {
        timeout: timeout(servers, round, candidate.address, &via),
        target: Target { address: candidate.address, via },
        server: candidate.server,
    })
}

fn tier(
    servers: &Servers,
    now: Mono,
    round: &Round,
    candidate: &Candidate,
    force_tcp: bool,
) -> Option<(Tier, Via)> {
    let address = candidate.address;
    let tried = round.tried(address);
    let state = servers.state(address);
    if tried.is_none() && state.is_being_probed(now) {
        return None;
    }
    let (udp, tcp) = tried.map_or((0, 0), |tried| (tried.udp, tried.tcp));
    if candidate.via != Via::Udp || force_tcp {
        let via = if candidate.via == Via::Udp { Via::Tcp } else { candidate.via.clone() };
        let tier = match tcp {
            0 if state.is_resting(now) => Tier::Resting,
            0 => Tier::Untried,
            1 => Tier::LastTcp,
            _ => return None,
        };
        return Some((tier, via));
    }
    // Without EDNS is another attempt.
    let tcp_max = TCP_PER_ADDRESS_MAX + u8::from(tried.is_some_and(|tried| tried.no_edns));
    let tcp_left = tcp < tcp_max;
    if tried.is_some_and(|tried| tried.wants_tcp) {
        return tcp_left.then_some((Tier::TcpNow, Via::Tcp));
    }
    if tried.is_some_and(|tried| tried.useless > 0) || udp >= UDP_PER_ADDRESS_MAX {
        return tcp_left.then_some((Tier::LastTcp, Via::Tcp));
    }
    if state.is_resting(now) {
        // One message shows whether it is back.
        return (udp == 0 && tcp == 0).then_some((Tier::Resting, Via::Udp));
    }
    let broken = servers.families.is_broken(address.ip(), now);
    let tier = match udp {
        0 if broken => Tier::Resting,
        0 => Tier::Untried,
        _ => Tier::TriedOnce,
    };
    Some((tier, Via::Udp))
}

fn pick<'c>(
    servers: &Servers,
    chance: &mut Chance,
    best: &[(&'c Candidate, Via)],
) -> Option<(&'c Candidate, Via)> {
    if best.len() <= 1 {
        return best.first().cloned();
    }
    let explore = chance.once_in(EXPLORE_ONE_IN);
    let fastest = best
        .iter()
        .filter_map(|(candidate, via)| {
            let state = servers.state(candidate.address);
            let rtt = state.rtt.filter(|_| state.silences == 0)?;
            Some((rtt.smoothed(), candidate, via))
        })
        .min_by_key(|(smoothed, ..)| *smoothed);
    match fastest {
        // A server slower than a guess about an unknown one is no reason not to look around.
        Some((smoothed, candidate, via)) if !explore && smoothed < TIMEOUT_UNKNOWN => {
            Some((candidate, via.clone()))
        }
        _ => best.get(chance.below(best.len())).cloned(),
    }
}

fn timeout(servers: &Servers, round: &Round, address: SocketAddr, via: &Via) -> Duration {
    if *via != Via::Udp {
        return STREAM_TIME_MAX;
    }
    let state = servers.state(address);
    let base = state.rtt.map_or(TIMEOUT_UNKNOWN, |rtt| rtt.timeout());
    let doublings = round.tried(address).map_or(0, |tried| u32::from(tried.udp));
    (base * 2u32.pow(doublings.min(4))).min(TIMEOUT_MAX)
}

/// May a question be sent to this address at all? Never to ourselves or to everybody
/// (CVE-2026-50251): unspecified, loopback (unless allowed), multicast, broadcast, and IPv4 inside
/// IPv6 (RFC 6890).
pub fn is_usable_address(address: IpAddr, allow_local: bool) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !(v4.octets()[0] == 0
                || v4.is_multicast()
                || v4.is_broadcast()
                || (v4.is_loopback() && !allow_local))
        }
        IpAddr::V6(v6) => {
            !(v6.is_unspecified()
                || v6.is_multicast()
                || v6.to_ipv4_mapped().is_some()
                || (v6.is_loopback() && !allow_local))
        }
    }
}
