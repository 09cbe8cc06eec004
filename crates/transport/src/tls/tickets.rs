//! Session tickets that every worker of a machine, and of a fleet, can read (RFC 8446 §4.6.1).
//!
//! The key of an hour is derived from a secret and the number of the hour, so processes that share
//! the secret and the time of day share their tickets without ever talking to each other. A ticket
//! is good in its hour and the next one; then its key is forgotten with the hour.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use rustls::server::ProducesTickets;

/// How long a key makes tickets, in seconds.
const SLOT_SECONDS: u64 = 3600;
/// A longer ticket is none of ours.
const TICKET_BYTES_MAX: usize = 4096;
/// Number of the hour in front of a ticket.
const SLOT_BYTES: usize = 8;

/// What the keys of tickets are derived from.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketSecret(Vec<u8>);

impl std::fmt::Debug for TicketSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TicketSecret(..)")
    }
}

impl TicketSecret {
    /// A secret of 32 octets or more that nobody else knows.
    pub fn new(octets: &[u8]) -> TicketSecret {
        TicketSecret(octets.to_vec())
    }
}

/// Makes and reads tickets.
#[derive(Debug)]
pub(super) struct Tickets {
    secret: TicketSecret,
    /// Seconds since 1970, as last told.
    unix: AtomicU64,
}

impl Tickets {
    pub(super) fn new(secret: TicketSecret) -> Tickets {
        Tickets { secret, unix: AtomicU64::new(0) }
    }

    pub(super) fn set_time(&self, unix: u64) {
        self.unix.store(unix, Ordering::Relaxed);
    }

    fn slot(&self) -> u64 {
        self.unix.load(Ordering::Relaxed) / SLOT_SECONDS
    }

    fn key(&self, slot: u64) -> Option<LessSafeKey> {
        let slot = slot.to_be_bytes();
        let info = [b"kres session tickets".as_slice(), &slot];
        let extracted = Salt::new(HKDF_SHA256, &[]).extract(&self.secret.0);
        let expanded = extracted.expand(&info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(expanded)))
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        SLOT_SECONDS as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let slot = self.slot();
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).ok()?;
        let mut body = plain.to_vec();
        let aad = Aad::from(slot.to_be_bytes());
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        self.key(slot)?.seal_in_place_append_tag(nonce_used, aad, &mut body).ok()?;
        Some([&slot.to_be_bytes()[..], &nonce, &body].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if ticket.len() > TICKET_BYTES_MAX {
            return None;
        }
        let (slot_bytes, rest) = ticket.split_first_chunk::<SLOT_BYTES>()?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>()?;
        let slot = u64::from_be_bytes(*slot_bytes);
        let now = self.slot();
        if slot != now && slot.checked_add(1)? != now {
            return None;
        }
        let mut body = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let key = self.key(slot)?;
        let length = key.open_in_place(nonce, Aad::from(*slot_bytes), &mut body).ok()?.len();
        body.truncate(length);
        Some(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tickets(secret: u8, unix: u64) -> Tickets {
        let tickets = Tickets::new(TicketSecret::new(&[secret; 32]));
        tickets.set_time(unix);
        tickets
    }

    #[test]
    fn who_shares_the_secret_reads_a_ticket_in_its_hour_and_the_next() {
        let ticket = tickets(1, 1_700_000_000).encrypt(b"state").unwrap();
        let reads = |secret, unix| tickets(secret, unix).decrypt(&ticket);
        assert_eq!(reads(1, 1_700_000_000).as_deref(), Some(&b"state"[..]));
        assert_eq!(reads(1, 1_700_003_600).as_deref(), Some(&b"state"[..]));
        assert_eq!(reads(1, 1_700_007_200), None);
        assert_eq!(reads(1, 1_699_990_000), None);
        assert_eq!(reads(2, 1_700_000_000), None);
    }

    #[test]
    fn a_damaged_ticket_is_none() {
        let maker = tickets(1, 1_700_000_000);
        let ticket = maker.encrypt(b"state").unwrap();
        for at in 0..ticket.len() {
            let mut damaged = ticket.clone();
            damaged[at] ^= 1;
            assert_eq!(maker.decrypt(&damaged), None, "octet {at}");
            assert_eq!(maker.decrypt(&ticket[..at]), None, "cut at {at}");
        }
        assert_eq!(maker.decrypt(&[0; TICKET_BYTES_MAX + 1]), None);
    }
}
