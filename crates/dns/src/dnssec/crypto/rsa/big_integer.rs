//! RSA verification on plain big integers, for the keys that the crypto library refuses.
//!
//! Only public values are involved, so nothing needs to be constant-time. The comparison is with
//! the complete expected encoding, never a parse of what the signature holds, so forgeries that
//! hide octets behind a lenient parser have nothing to work with.

use num_bigint::BigUint;

use super::montgomery::{Modulus, WORD_BITS};
use super::super::{KeyFault, SignatureFault};
use super::{Hash, MODULUS_BITS_MAX, bits, encode_message};

/// The most multiplications of two words that one verification may take: those of a 64-bit exponent
/// with the longest modulus, which is where OpenSSL draws the line for such moduli. It leaves 320
/// bits of exponent to a modulus of 2048 bits and any exponent to one of 1024, and takes about as
/// long as one Ed448 verification.
const WORK_MAX: usize = work(MODULUS_BITS_MAX / WORD_BITS, 1);
/// How much of that work takes as long as one P-256 verification.
const WORK_PER_COST_UNIT: usize = 20_000;

/// What an exponentiation takes: for each word of the exponent 64 squarings and 16 multiplications,
/// 16 more to prepare them, and about as much to enter and leave Montgomery form; each as many
/// word multiplications as the modulus has words, squared (a constant factor apart).
const fn work(modulus_words: usize, exponent_words: usize) -> usize {
    (80 * exponent_words + 32) * modulus_words * modulus_words
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
        let work = work(bits(modulus).div_ceil(WORD_BITS), bits(exponent).div_ceil(WORD_BITS));
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
