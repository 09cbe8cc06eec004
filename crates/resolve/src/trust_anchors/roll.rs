//! How the keys of a trust point change: the state table of RFC 5011 §4, run over each validated
//! DNSKEY set of the zone.
//!
//! It sees only sets that were validated by keys trusted before; what is unsigned or bogus never
//! comes here and changes nothing. The clock is the caller's, in seconds since 1970: a state that
//! ends at a time further away than any hold-down time began under a wrong clock, and begins again.

use std::time::Duration;

use dns::dnssec::crypto::digest;
use dns::dnssec::keys::is_signed_by;
use dns::dnssec::{Algorithm, DigestType, Voucher, key_tag};
use dns::rdata::view::{DnskeyView, DsView, RrsigView};
use dns::rrset::Rdatas;
use dns::{Name, Rrset};

use super::key::{AnchorKey, KeyState, without_revocation};
use crate::limits::{ANCHOR_CHECK, ANCHOR_KEYS_MAX};

/// RFC 5011 §2.4.1: a new key is watched for thirty days before it is trusted.
pub const HOLD_DOWN_TIME: Duration = Duration::from_secs(30 * 86_400);
/// A key that the zone stopped publishing stays trusted for so many hold-down times. RFC 5011 §4.2
/// would keep it for ever; upstream drops it after this time.
const MISSING_HOLD_DOWNS: u64 = 4;

/// How fast keys change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pace {
    /// How long a key is watched before it is trusted or forgotten. `None`: thirty days, or the TTL
    /// of the keys if that is longer (RFC 5011 §2.4.1).
    pub hold_down: Option<Duration>,
    /// How many removed keys stay in the record.
    pub keep_removed: usize,
}

impl Pace {
    /// In whole seconds, begun ones included.
    fn hold_down(&self, ttl: u32) -> u64 {
        match self.hold_down {
            Some(time) => time.as_secs() + u64::from(time.subsec_nanos() > 0),
            None => HOLD_DOWN_TIME.as_secs().max(u64::from(ttl)),
        }
    }
}

/// A key went from one state to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    pub tag: u16,
    pub from: KeyState,
    pub to: KeyState,
}

/// How a published set differs from anchors that nobody keeps up to date.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Drift {
    /// Key tags of new keys that are fit for an anchor.
    pub new: Vec<u16>,
    /// Key tags of anchors that are revoked.
    pub revoked: Vec<u16>,
    /// Key tags of anchors that are not published.
    pub missing: Vec<u16>,
}

impl Drift {
    /// Are the anchors what the zone publishes?
    pub fn is_none(&self) -> bool {
        self.new.is_empty() && self.revoked.is_empty() && self.missing.is_empty()
    }
}

/// The keys of one trust point with their states.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnchorSet {
    pub zone: Name,
    pub keys: Vec<AnchorKey>,
}

/// A key of the published set that could be an anchor.
struct Published {
    tag: u16,
    algorithm: Algorithm,
    /// The rdata without the REVOKE bit.
    rdata: Vec<u8>,
    /// Has the bit, and its own signature over the set (RFC 5011 §2.1).
    revoked: bool,
    /// Has the SEP bit (RFC 5011 §3: only such keys become anchors).
    entry_point: bool,
    /// Stands for an anchor that is known.
    known: bool,
}

impl AnchorSet {
    /// What may vouch for the zone's keys now.
    pub fn trusted(&self) -> impl Iterator<Item = &Voucher> {
        self.keys.iter().filter(|key| key.state.is_trusted()).map(|key| &key.voucher)
    }

    /// Takes in a validated DNSKEY set of the zone with its signatures. Returns what changed.
    pub fn observe(
        &mut self,
        now: u64,
        set: &Rrset,
        signatures: &Rdatas,
        pace: &Pace,
    ) -> Vec<Change> {
        let ttl = original_ttl(set, signatures);
        let hold_down = pace.hold_down(ttl);
        let mut published = published(set, signatures);
        let mut changes = Vec::new();
        for key in &mut self.keys {
            let from = key.state;
            restart_if_unreal(key, now, hold_down);
            match recognise(&mut published, &self.zone, &key.voucher) {
                Found::Present(seen) => present(key, seen, ttl, now, hold_down),
                Found::Absent => absent(key, now, hold_down),
                Found::Unknowable => {}
            }
            if key.state != from {
                changes.push(Change { tag: key.tag(), from, to: key.state });
            }
        }
        self.unite();
        self.forget(pace.keep_removed);
        for key in published {
            let fit = key.entry_point && !key.revoked && key.algorithm.is_supported();
            if !fit || key.known || self.keys.len() >= ANCHOR_KEYS_MAX {
                continue;
            }
            let voucher = Voucher::Key(key.rdata);
            let timer = Some(now + hold_down);
            self.keys.push(AnchorKey { voucher, ttl, state: KeyState::AddPend, timer });
            changes.push(Change { tag: key.tag, from: KeyState::Start, to: KeyState::AddPend });
        }
        changes
    }

    /// Compares with a validated DNSKEY set of the zone without changing anything.
    pub fn drift(&self, set: &Rrset, signatures: &Rdatas) -> Drift {
        let mut published = published(set, signatures);
        let mut drift = Drift::default();
        for key in &self.keys {
            match recognise(&mut published, &self.zone, &key.voucher) {
                Found::Present(seen) if seen.revoked => drift.revoked.push(key.tag()),
                Found::Absent => drift.missing.push(key.tag()),
                Found::Present(_) | Found::Unknowable => {}
            }
        }
        let is_new = |key: &&Published| {
            key.entry_point && !key.revoked && !key.known && key.algorithm.is_supported()
        };
        drift.new.extend(published.iter().filter(is_new).map(|key| key.tag));
        drift
    }

    /// Several DS of a key have become the same DNSKEY: the first stays, unless another one brings
    /// the news of a revocation.
    fn unite(&mut self) {
        let mut kept: Vec<AnchorKey> = Vec::with_capacity(self.keys.len());
        for key in self.keys.drain(..) {
            match kept.iter_mut().find(|other| other.voucher == key.voucher) {
                Some(other) if key.state == KeyState::Revoked => *other = key,
                Some(_) => {}
                None => kept.push(key),
            }
        }
        self.keys = kept;
    }

    /// Drops keys that are back at the start, and removed ones beyond the newest few.
    fn forget(&mut self, keep_removed: usize) {
        let removed = self.keys.iter().filter(|key| key.state == KeyState::Removed).count();
        let mut surplus = removed.saturating_sub(keep_removed);
        self.keys.retain(|key| match key.state {
            KeyState::Start => false,
            KeyState::Removed if surplus > 0 => {
                surplus -= 1;
                false
            }
            _ => true,
        });
    }
}

/// The TTL as the zone has it, not what is left of it on the way here (RFC 5011 §2.3).
pub(super) fn original_ttl(set: &Rrset, signatures: &Rdatas) -> u32 {
    let signed = signatures.iter().filter_map(RrsigView::new).map(|rrsig| rrsig.original_ttl());
    signed.fold(set.ttl, u32::max)
}

fn published(set: &Rrset, signatures: &Rdatas) -> Vec<Published> {
    let mut budget = ANCHOR_CHECK;
    let mut keys = Vec::new();
    for rdata in set.rdatas.iter() {
        let Some(view) = DnskeyView::new(rdata) else { continue };
        if !view.is_zone_key() || view.protocol() != 3 {
            continue;
        }
        let revoked = view.is_revoked();
        // The bit alone is no revocation; the key is not there as it should be, though.
        if revoked && !is_signed_by(set, signatures, rdata, &mut budget) {
            continue;
        }
        let plain = without_revocation(rdata);
        keys.push(Published {
            tag: key_tag(&plain),
            algorithm: Algorithm(view.algorithm()),
            rdata: plain,
            revoked,
            entry_point: view.is_secure_entry_point(),
            known: false,
        });
    }
    keys
}

enum Found<'p> {
    Present(&'p Published),
    Absent,
    /// A digest that we cannot compute.
    Unknowable,
}

/// Finds the published key that an anchor stands for. One key may be there with and without the
/// REVOKE bit, then it is revoked.
fn recognise<'p>(published: &'p mut [Published], zone: &Name, voucher: &Voucher) -> Found<'p> {
    let is_it: Box<dyn Fn(&Published) -> bool> = match voucher {
        Voucher::Key(rdata) => Box::new(move |key| key.rdata == *rdata),
        Voucher::Ds(rdata) => {
            let Some(ds) = DsView::new(rdata) else { return Found::Unknowable };
            let digest_type = DigestType(ds.digest_type());
            if !digest_type.is_supported() {
                return Found::Unknowable;
            }
            let owner = zone.to_lowercase();
            Box::new(move |key| {
                key.tag == ds.key_tag()
                    && key.algorithm == Algorithm(ds.algorithm())
                    && digest(digest_type, &[owner.as_wire(), &key.rdata])
                        .is_some_and(|digest| *digest == *ds.digest())
            })
        }
    };
    let mut found = None;
    for (at, key) in published.iter_mut().enumerate() {
        if is_it(key) {
            key.known = true;
            if found.is_none() || key.revoked {
                found = Some(at);
            }
        }
    }
    found.and_then(|at| published.get(at)).map_or(Found::Absent, Found::Present)
}

/// KeyPres, RevBit, AddTime and RemTime of the state table.
fn present(key: &mut AnchorKey, seen: &Published, ttl: u32, now: u64, hold_down: u64) {
    key.voucher = Voucher::Key(seen.rdata.clone());
    key.ttl = ttl;
    let over = key.timer.is_some_and(|timer| timer <= now);
    (key.state, key.timer) = match key.state {
        KeyState::Valid | KeyState::Missing if seen.revoked => {
            (KeyState::Revoked, Some(now + hold_down))
        }
        KeyState::Valid | KeyState::Missing => (KeyState::Valid, None),
        // Never trusted, so there is nothing to revoke.
        KeyState::AddPend if seen.revoked => (KeyState::Start, None),
        KeyState::AddPend if over => (KeyState::Valid, None),
        KeyState::Revoked if over => (KeyState::Removed, None),
        state @ (KeyState::AddPend | KeyState::Revoked) => {
            (state, key.timer.or(Some(now + hold_down)))
        }
        state @ (KeyState::Start | KeyState::Removed) => (state, None),
    };
}

/// KeyRem and RemTime of the state table.
fn absent(key: &mut AnchorKey, now: u64, hold_down: u64) {
    let over = key.timer.is_some_and(|timer| timer <= now);
    (key.state, key.timer) = match key.state {
        KeyState::Valid => (KeyState::Missing, Some(now + MISSING_HOLD_DOWNS * hold_down)),
        // A key that was never seen may be one that is announced and yet to come.
        KeyState::Missing if over && matches!(key.voucher, Voucher::Key(_)) => {
            (KeyState::Removed, None)
        }
        KeyState::Missing => {
            (KeyState::Missing, key.timer.or(Some(now + MISSING_HOLD_DOWNS * hold_down)))
        }
        KeyState::AddPend | KeyState::Start => (KeyState::Start, None),
        KeyState::Revoked if over => (KeyState::Removed, None),
        KeyState::Revoked => (KeyState::Revoked, key.timer.or(Some(now + hold_down))),
        KeyState::Removed => (KeyState::Removed, None),
    };
}

/// A timer that ends later than one begun now would was begun by a clock that was wrong.
fn restart_if_unreal(key: &mut AnchorKey, now: u64, hold_down: u64) {
    let longest = match key.state {
        KeyState::Missing => now + MISSING_HOLD_DOWNS * hold_down,
        _ => now + hold_down,
    };
    key.timer = key.timer.map(|timer| timer.min(longest));
}

#[cfg(test)]
mod tests;
