//! RSA verification on plain big integers, for the keys that the crypto library refuses.
//!
//! Only public values are involved, so nothing needs to be constant-time. The comparison is with
//! the complete expected encoding, never a parse of what the signature holds, so forgeries that
//! hide octets behind a lenient parser have nothing to work with.

use num_bigint::BigUint;

use super::super::{KeyFault, SignatureFault};
use super::montgomery::{Modulus, WORD_BITS};
use super::{Hash, bits, encode_message};

/// The most multiplications of two words that one verification may take: those of any exponent with
/// a modulus of 1024 bits. It leaves 237 bits of exponent to a modulus of 2048 bits and 40 to one of
/// 4096 (others draw the line at 35 or 64), and takes about as long as two Ed448 verifications: an
/// attack by the dearest key must not cost more than eight good answers.
const WORK_MAX: usize = work(1024 / WORD_BITS, 1024);
/// How much of that work takes as long as one P-256 verification.
const WORK_PER_COST_UNIT: usize = 32_000;

/// What an exponentiation takes: for each bit of the exponent a square and a quarter of a
/// multiplication, and 32 more to prepare them and to enter and leave Montgomery form; each as many
/// word multiplications as the modulus has words, squared (a constant factor apart).
const fn work(modulus_words: usize, exponent_bits: usize) -> usize {
    (exponent_bits * 5 / 4 + 32) * modulus_words * modulus_words
}

#[derive(Clone)]
pub(super) struct Key {
    hash: Hash,
    modulus: BigUint,
    exponent: BigUint,
    /// Octets of the modulus.
    len: usize,
    work: usize,
}

impl Key {
    /// `modulus` and `exponent` are big-endian, odd and without leading zeros; the modulus is
    /// within the limits of its parent module.
    pub(super) fn new(hash: Hash, modulus: &[u8], exponent: &[u8]) -> Result<Key, KeyFault> {
        // Before anything is allocated: an exponent can be 64 KiB long.
        let work = work(bits(modulus).div_ceil(WORD_BITS), bits(exponent));
        if work > WORK_MAX {
            return Err(KeyFault::ExponentTooLong);
        }
        let len = modulus.len();
        let modulus = BigUint::from_bytes_be(modulus);
        let exponent = BigUint::from_bytes_be(exponent);
        if exponent >= modulus {
            return Err(KeyFault::ExponentTooLong);
        }
        Ok(Key { hash, modulus, exponent, len, work })
    }

    /// RFC 8017 §8.2.2. `signature` is as long as the modulus.
    pub(super) fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), SignatureFault> {
        let signature = BigUint::from_bytes_be(signature);
        if signature >= self.modulus {
            return Err(SignatureFault::Mismatch);
        }
        let expected = encode_message(self.hash, data, self.len).ok_or(SignatureFault::Mismatch)?;
        let recovered = Modulus::new(&self.modulus).power(&signature, &self.exponent);
        if recovered == BigUint::from_bytes_be(&expected) {
            Ok(())
        } else {
            Err(SignatureFault::Mismatch)
        }
    }

    pub(super) fn cost(&self) -> u32 {
        self.work.div_ceil(WORK_PER_COST_UNIT) as u32
    }
}
