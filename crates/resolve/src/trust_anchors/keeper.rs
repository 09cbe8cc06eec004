//! Keeps the anchors of all trust points, and says when to look at which zone's keys again.
//!
//! A state machine beside the resolver: its owner asks the questions of [`Keeper::handle_deadline`]
//! with DO, validated and not from the cache, hands in the answers, writes files and puts
//! [`Keeper::in_force`] in force. Here are neither clocks nor files.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dns::rdata::view::RrsigView;
use dns::rrset::{Rdatas, covered};
use dns::{Message, Name, Rcode, Rrset, Rtype};

use super::TrustAnchors;
use super::file;
use super::roll::{AnchorSet, Change, Drift, Pace, original_ttl};
use crate::limits::ANCHOR_REFRESH_MIN;
use crate::time::{Mono, Now};

/// What is done for the anchors of a zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Upkeep {
    /// Nothing: the operator wrote them down.
    None,
    /// The zone's keys are looked at, and who has to change the anchors is told when it is time.
    Watch,
    /// They follow the zone's keys by RFC 5011.
    Follow,
}

/// What can be tuned.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tuning {
    pub pace: Pace,
    /// The period of looking at keys. `None`: as RFC 5011 §2.3 says.
    pub refresh: Option<Duration>,
}

/// A question to ask: the DNSKEY set of `zone`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Look {
    /// Names the answer.
    pub number: u32,
    pub zone: Name,
}

/// Why a look at a zone's keys told nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LookFault {
    /// There was no answer at all.
    Silence,
    /// The answer is an error.
    Refused(Rcode),
    /// The answer was not validated, or has no keys.
    Unvalidated,
}

/// What an answer meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    pub zone: Name,
    /// States that changed, or why nothing could.
    pub changes: Result<Vec<Change>, LookFault>,
    /// Anchors that are only watched are not what the zone publishes.
    pub drift: Drift,
    /// What the file of the anchors has to hold now, if that is something else than before.
    pub file: Option<String>,
    /// Time until the next look.
    pub next: Duration,
}

struct Entry {
    set: AnchorSet,
    upkeep: Upkeep,
    /// When to look; not while a question is on its way.
    look_at: Option<Mono>,
    /// The question that is on its way.
    asked: Option<u32>,
    /// When the signatures of the keys expire, in seconds since 1970, as seen last.
    expiration: Option<u64>,
}

/// The anchors of all trust points.
#[derive(Default)]
pub struct Keeper {
    entries: BTreeMap<Name, Entry>,
    negative: BTreeSet<Name>,
    tuning: Tuning,
    last: u32,
}

impl Keeper {
    /// No anchors.
    pub fn new() -> Keeper {
        Keeper::default()
    }

    /// Puts anchors in the place of those that their zone had, and looks at its keys soon.
    pub fn put(&mut self, now: Now, set: AnchorSet, upkeep: Upkeep) {
        let look_at = (upkeep != Upkeep::None).then_some(now.mono);
        let entry = Entry { upkeep, look_at, asked: None, expiration: None, set };
        self.entries.insert(entry.set.zone.clone(), entry);
    }

    /// Adds anchors to those of their zone.
    pub fn extend(&mut self, set: AnchorSet) {
        let entry = self.entries.entry(set.zone.clone()).or_insert_with(|| Entry {
            set: AnchorSet { zone: set.zone, keys: Vec::new() },
            upkeep: Upkeep::None,
            look_at: None,
            asked: None,
            expiration: None,
        });
        let known = std::mem::take(&mut entry.set.keys);
        let new = set.keys.into_iter().filter(|key| known.iter().all(|k| k.voucher != key.voucher));
        let new: Vec<_> = new.collect();
        entry.set.keys = known.into_iter().chain(new).collect();
    }

    /// Forgets the anchors of a zone; false if it had none.
    pub fn remove(&mut self, zone: &Name) -> bool {
        self.entries.remove(zone).is_some()
    }

    /// What is done for the anchors of a zone; `None` if it has none.
    pub fn upkeep(&self, zone: &Name) -> Option<Upkeep> {
        self.entries.get(zone).map(|entry| entry.upkeep)
    }

    /// Changes what is done for the anchors of a zone; false if it has none. Looks at its keys soon
    /// if anything is.
    pub fn set_upkeep(&mut self, now: Now, zone: &Name, upkeep: Upkeep) -> bool {
        let Some(entry) = self.entries.get_mut(zone) else { return false };
        entry.upkeep = upkeep;
        entry.asked = None;
        entry.look_at = (upkeep != Upkeep::None).then_some(now.mono);
        true
    }

    /// The anchors of all zones, in canonical order of the zones.
    pub fn sets(&self) -> impl Iterator<Item = &AnchorSet> {
        self.entries.values().map(|entry| &entry.set)
    }

    /// The anchors of a zone.
    pub fn set(&self, zone: &Name) -> Option<&AnchorSet> {
        self.entries.get(zone).map(|entry| &entry.set)
    }

    /// Replaces the names below which nothing is validated.
    pub fn set_negative(&mut self, names: impl IntoIterator<Item = Name>) {
        self.negative = names.into_iter().collect();
    }

    /// The anchors as the resolver takes them.
    pub fn in_force(&self) -> TrustAnchors {
        let mut anchors = TrustAnchors::new();
        for entry in self.entries.values() {
            for voucher in entry.set.trusted() {
                anchors.add(&entry.set.zone, voucher.clone());
            }
        }
        anchors.set_negative(self.negative.iter().cloned());
        anchors
    }

    /// The tuning in force.
    pub fn tuning(&self) -> Tuning {
        self.tuning
    }

    /// Tunes. A shorter period holds at once.
    pub fn tune(&mut self, now: Now, tuning: Tuning) {
        self.tuning = tuning;
        let Some(period) = tuning.refresh else { return };
        let soon = now.mono + period.max(ANCHOR_REFRESH_MIN);
        for entry in self.entries.values_mut() {
            entry.look_at = entry.look_at.map(|at| at.min(soon));
        }
    }

    /// When to call [`Keeper::handle_deadline`].
    pub fn poll_deadline(&self) -> Option<Mono> {
        self.entries.values().filter_map(|entry| entry.look_at).min()
    }

    /// Time has passed. Returns what to ask now; each question has to come back to
    /// [`Keeper::handle_answer`].
    pub fn handle_deadline(&mut self, now: Now) -> Vec<Look> {
        let mut looks = Vec::new();
        for (zone, entry) in &mut self.entries {
            if entry.look_at.is_some_and(|at| at <= now.mono) {
                self.last = self.last.wrapping_add(1);
                entry.look_at = None;
                entry.asked = Some(self.last);
                looks.push(Look { number: self.last, zone: zone.clone() });
            }
        }
        looks
    }

    /// The answer to a question, or `None` if there is none. `None` is returned if nobody waits for
    /// it any more.
    pub fn handle_answer(
        &mut self,
        now: Now,
        number: u32,
        answer: Option<&[u8]>,
    ) -> Option<Report> {
        let entry = self.entries.values_mut().find(|entry| entry.asked == Some(number))?;
        entry.asked = None;
        let zone = entry.set.zone.clone();
        let seconds = now.unix.seconds();
        let (mut drift, mut text) = (Drift::default(), None);
        let changes = validated_keys(&zone, answer).map(|(set, signatures)| {
            entry.expiration = expiration(seconds, &signatures);
            if entry.upkeep == Upkeep::Watch {
                drift = entry.set.drift(&set, &signatures);
                return (Vec::new(), original_ttl(&set, &signatures));
            }
            let before = file::write(&entry.set);
            let changes = entry.set.observe(seconds, &set, &signatures, &self.tuning.pace);
            let after = file::write(&entry.set);
            text = (before != after).then_some(after);
            (changes, original_ttl(&set, &signatures))
        });
        let ttl = match &changes {
            Ok((_, ttl)) => *ttl,
            Err(_) => entry.set.keys.iter().map(|key| key.ttl).min().unwrap_or_default(),
        };
        let life = entry.expiration.map(|at| at.saturating_sub(seconds));
        let by_rule = interval(changes.is_ok(), ttl, life);
        let next = self.tuning.refresh.unwrap_or(by_rule).max(ANCHOR_REFRESH_MIN);
        entry.look_at = Some(now.mono + next);
        let changes = changes.map(|(changes, _)| changes);
        Some(Report { zone, changes, drift, file: text, next })
    }
}

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// RFC 5011 §2.3: half of the TTL or of what is left of the signatures, a tenth after a failure.
fn interval(fine: bool, ttl: u32, life: Option<u64>) -> Duration {
    let (part, most) = if fine { (2, 15 * DAY) } else { (10, DAY) };
    let least = u64::from(ttl).min(life.unwrap_or(u64::MAX)) / part;
    Duration::from_secs(least.clamp(HOUR, most))
}

/// When the first of the signatures that are valid now expires.
fn expiration(now: u64, signatures: &Rdatas) -> Option<u64> {
    let left = |rrsig: RrsigView<'_>| {
        // Serial numbers (RFC 4034 §3.1.5).
        let left = rrsig.expiration().wrapping_sub(now as u32) as i32;
        u64::try_from(left).ok().filter(|left| *left > 0)
    };
    signatures.iter().filter_map(RrsigView::new).filter_map(left).min().map(|left| now + left)
}

/// The keys in an answer, if it was validated.
fn validated_keys(zone: &Name, answer: Option<&[u8]>) -> Result<(Rrset, Rdatas), LookFault> {
    let wire = answer.ok_or(LookFault::Silence)?;
    let message = Message::parse(wire).map_err(|_| LookFault::Unvalidated)?;
    if message.rcode() != Rcode::NOERROR {
        return Err(LookFault::Refused(message.rcode()));
    }
    if !message.header().ad() {
        return Err(LookFault::Unvalidated);
    }
    let mut keys: Option<Rrset> = None;
    let mut signatures = Rdatas::new();
    for record in message.answer().filter(|record| record.is_owned_by(zone)) {
        match record.rtype() {
            Rtype::DNSKEY => match &mut keys {
                Some(set) => set.add(&record),
                None => keys = Some(Rrset::from_record(&record)),
            },
            Rtype::RRSIG if covered(record.rdata_wire()) == Some(Rtype::DNSKEY) => {
                signatures.push(&record.rdata());
            }
            _ => {}
        }
    }
    keys.map(|set| (set, signatures)).ok_or(LookFault::Unvalidated)
}

#[cfg(test)]
mod tests;
