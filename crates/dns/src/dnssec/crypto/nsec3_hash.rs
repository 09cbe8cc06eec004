//! The NSEC3 hash and its price in SHA-1 compression blocks.
//!
//! One hash of a name can cost from one block to 330,000, at the choice of whoever signed the zone
//! (CVE-2023-50868), so the price is known before the work: iteration limits alone miss that a
//! salt over 35 octets doubles each iteration.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, digest};

/// Octets of a SHA-1 hash.
const SHA1_LEN: usize = 20;
/// A name and a salt at their longest, 255 octets each, fit a buffer of this size.
const BUFFER_LEN: usize = 512;

/// The NSEC3 hash of an owner name, RFC 5155 §5 with hash algorithm 1 (SHA-1).
///
/// `owner` is the name in wire form, uncompressed and in lower case. `iterations` are the
/// additional ones, as in the record: 0 hashes once. Costs [`nsec3_blocks`].
pub fn nsec3_hash(owner: &[u8], salt: &[u8], iterations: u16) -> [u8; SHA1_LEN] {
    let mut hash = sha1(owner, salt);
    for _ in 0..iterations {
        hash = sha1(&hash, salt);
    }
    hash
}

/// How many SHA-1 blocks of 64 octets [`nsec3_hash`] processes for these lengths in octets.
///
/// At least 1; the highest for what fits records is 327,684. RFC 9276 §3.1 recommends what costs
/// one to five: no salt, no additional iterations.
pub fn nsec3_blocks(owner_len: usize, salt_len: usize, iterations: u16) -> u32 {
    let first = sha1_blocks(owner_len.saturating_add(salt_len));
    let each = sha1_blocks(SHA1_LEN.saturating_add(salt_len));
    first.saturating_add(each.saturating_mul(u32::from(iterations)))
}

/// FIPS 180-4 §5.1.1: one octet of padding and eight of length follow the message.
fn sha1_blocks(len: usize) -> u32 {
    u32::try_from(len.saturating_add(8) / 64 + 1).unwrap_or(u32::MAX)
}

fn sha1(first: &[u8], second: &[u8]) -> [u8; SHA1_LEN] {
    let len = first.len().saturating_add(second.len());
    let mut buffer = [0; BUFFER_LEN];
    let digest = if let Some(joined) = buffer.get_mut(..len) {
        joined[..first.len()].copy_from_slice(first);
        joined[first.len()..].copy_from_slice(second);
        digest(&SHA1_FOR_LEGACY_USE_ONLY, joined)
    } else {
        let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        context.update(first);
        context.update(second);
        context.finish()
    };
    let mut hash = [0; SHA1_LEN];
    hash.copy_from_slice(digest.as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dnssec::nsec3::hash_to_label;
    use proptest::prelude::*;

    fn wire(name: &str) -> Vec<u8> {
        let mut wire = Vec::new();
        for label in name.split('.').filter(|label| !label.is_empty()) {
            wire.push(label.len() as u8);
            wire.extend(label.bytes());
        }
        wire.push(0);
        wire
    }

    /// RFC 5155 appendix A: salt aabbccdd, 12 iterations.
    #[test]
    fn rfc_5155_hashes() {
        for (owner, hash) in [
            ("example", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"),
            ("a.example", "35mthgpgcu1qg68fab165klnsnk3dpvl"),
            ("ai.example", "gjeqe526plbf1g8mklp59enfd789njgi"),
            ("ns1.example", "2t7b4g4vsa5smi47k61mv5bv1a22bojr"),
            ("ns2.example", "q04jkcevqvmu85r014c7dkba38o0ji5r"),
            ("w.example", "k8udemvp1j2f7eg6jebps17vp3n8i58h"),
            ("*.w.example", "r53bq7cc2uvmubfu5ocmm6pers9tk9en"),
            ("x.w.example", "b4um86eghhds6nea196smvmlo4ors995"),
            ("y.w.example", "ji6neoaepv8b5o6k4ev33abha8ht9fgc"),
            ("x.y.w.example", "2vptu5timamqttgl4luu9kg21e0aor3s"),
            ("xx.example", "t644ebqk9bibcna874givr6joj62mlhv"),
        ] {
            let label = hash_to_label(&nsec3_hash(&wire(owner), &[0xaa, 0xbb, 0xcc, 0xdd], 12));
            assert_eq!(std::str::from_utf8(&label), Ok(hash), "{owner}");
        }
    }

    #[test]
    fn blocks_at_the_edges() {
        assert_eq!(nsec3_blocks(1, 0, 0), 1);
        assert_eq!(nsec3_blocks(55, 0, 0), 1);
        assert_eq!(nsec3_blocks(56, 0, 0), 2);
        assert_eq!(nsec3_blocks(47, 8, 150), 151);
        assert_eq!(nsec3_blocks(20, 35, 10), 11);
        assert_eq!(nsec3_blocks(20, 36, 10), 22);
        assert_eq!(nsec3_blocks(255, 0, 0), 5);
        assert_eq!(nsec3_blocks(255, 255, u16::MAX), 9 + 5 * 65_535);
        assert_eq!(nsec3_blocks(usize::MAX, usize::MAX, u16::MAX), u32::MAX);
    }

    proptest! {
        /// Against the recurrence of RFC 5155 §5 over a streaming digest.
        #[test]
        fn agrees_with_the_recurrence(
            owner in proptest::collection::vec(any::<u8>(), 0..700),
            salt in proptest::collection::vec(any::<u8>(), 0..700),
            iterations in 0u16..5,
        ) {
            let mut expected = owner.clone();
            for _ in 0..=iterations {
                let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
                context.update(&expected);
                context.update(&salt);
                expected = context.finish().as_ref().to_vec();
            }
            prop_assert_eq!(nsec3_hash(&owner, &salt, iterations).to_vec(), expected);
        }
    }
}
