//! One key in which trust begins, and the states that RFC 5011 §4 gives it.

use dns::dnssec::{Voucher, key_tag};
use dns::rdata::view::{DnskeyView, DsView};
use dns::{Class, Name, Rrset, Rtype};

/// The states of RFC 5011 §4.2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum KeyState {
    /// Not known, or known no longer. Only in what is told, never kept.
    Start,
    /// New, and watched until the hold-down time is over.
    AddPend,
    /// Trusted.
    Valid,
    /// Trusted, but the zone does not publish it.
    Missing,
    /// Revoked by its owner; never to be trusted again.
    Revoked,
    /// Revoked long ago, or missing for very long; kept for the record only.
    Removed,
}

impl KeyState {
    /// All states, in the order of a key's life.
    pub const ALL: [KeyState; 6] = [
        KeyState::Start,
        KeyState::AddPend,
        KeyState::Valid,
        KeyState::Missing,
        KeyState::Revoked,
        KeyState::Removed,
    ];

    /// The word for it in files and logs.
    pub const fn name(self) -> &'static str {
        match self {
            KeyState::Start => "Start",
            KeyState::AddPend => "AddPend",
            KeyState::Valid => "Valid",
            KeyState::Missing => "Missing",
            KeyState::Revoked => "Revoked",
            KeyState::Removed => "Removed",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<KeyState> {
        KeyState::ALL.into_iter().find(|state| state.name() == name)
    }

    /// May trust begin in a key of this state (RFC 5011 §4.2)?
    pub const fn is_trusted(self) -> bool {
        matches!(self, KeyState::Valid | KeyState::Missing)
    }
}

/// A key of a trust point, as DS until the zone was seen to publish it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnchorKey {
    /// The record. A revoked key stands here without its REVOKE bit.
    pub voucher: Voucher,
    /// Seconds; of the set in which it was seen last, or as the file says.
    pub ttl: u32,
    pub state: KeyState,
    /// When time alone ends the state, in seconds since 1970.
    pub timer: Option<u64>,
}

impl AnchorKey {
    /// The key tag of a DNSKEY, or the one in a DS.
    pub fn tag(&self) -> u16 {
        match &self.voucher {
            Voucher::Ds(rdata) => DsView::new(rdata).map_or(0, |ds| ds.key_tag()),
            Voucher::Key(rdata) => key_tag(rdata),
        }
    }

    /// The key as a set of one record.
    pub fn to_set(&self, zone: &Name) -> Rrset {
        let (rtype, rdata) = match &self.voucher {
            Voucher::Ds(rdata) => (Rtype::DS, rdata),
            Voucher::Key(rdata) => (Rtype::DNSKEY, rdata),
        };
        let mut set = Rrset::new(zone.clone(), rtype, Class::IN, self.ttl);
        set.rdatas.push(rdata);
        set
    }

    /// The state with its timer and the tag, as the comment of a record in a file.
    pub fn comment(&self) -> String {
        let timer = self.timer.map(|timer| timer.to_string()).unwrap_or_default();
        format!("{}:{timer} ; KeyTag:{}", self.state.name(), self.tag())
    }
}

/// A DNSKEY's rdata without its REVOKE bit, by which a key stays the same when it is revoked.
pub(super) fn without_revocation(rdata: &[u8]) -> Vec<u8> {
    let mut plain = rdata.to_vec();
    if let Some(low) = plain.get_mut(1) {
        *low &= !(DnskeyView::REVOKE as u8);
    }
    plain
}
