//! RSA key pairs of any permitted shape, from a seed, and PKCS #1 v1.5 signatures with them.

use num_bigint::BigUint;

use super::super::rsa::{Hash, MODULUS_BITS_MAX, MODULUS_BITS_MIN, encode_message};
use super::SignFault;
use super::seeded::Stream;

/// Odd numbers of 2048 bits are prime one time in 710; a search that fails this often is not
/// unlucky but wrong.
const N_CANDIDATES_MAX: usize = 100_000;
/// Candidates come from a seed, not from an adversary: the Miller-Rabin test with these bases
/// leaves no realistic chance of a composite.
const WITNESSES: [u32; 16] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53];
/// Candidates are divided by the primes below this before the costly test.
const SMALL_PRIME_LIMIT: u32 = 2000;

#[derive(Clone)]
pub(super) struct PrivateKey {
    hash: Hash,
    /// Octets of the modulus.
    len: usize,
    p: BigUint,
    q: BigUint,
    exponent_p: BigUint,
    exponent_q: BigUint,
    coefficient: BigUint,
}

impl PrivateKey {
    /// A private key and the public key field of its DNSKEY (RFC 3110 §2).
    pub(super) fn generate(
        hash: Hash,
        modulus_bits: usize,
        exponent: &[u8],
        stream: &mut Stream,
    ) -> Result<(PrivateKey, Vec<u8>), SignFault> {
        let public_exponent = BigUint::from_bytes_be(exponent);
        let has_shape = (MODULUS_BITS_MIN..=MODULUS_BITS_MAX).contains(&modulus_bits)
            && modulus_bits.is_multiple_of(2)
            && public_exponent.bit(0)
            && public_exponent.bits() < modulus_bits as u64
            && public_exponent > BigUint::from(1u8);
        if !has_shape {
            return Err(SignFault::Shape);
        }
        let (p, exponent_p) = prime(modulus_bits / 2, &public_exponent, stream)?;
        let (q, exponent_q) = prime(modulus_bits / 2, &public_exponent, stream)?;
        let coefficient = q.modinv(&p).ok_or(SignFault::Exhausted)?;
        let public_key = public_key_field(&public_exponent, &(&p * &q));
        let len = modulus_bits.div_ceil(8);
        Ok((PrivateKey { hash, len, p, q, exponent_p, exponent_q, coefficient }, public_key))
    }

    /// RFC 8017 §8.2.1, by the Chinese remainder theorem.
    pub(super) fn sign(&self, data: &[u8]) -> Result<Vec<u8>, SignFault> {
        let encoded = encode_message(self.hash, data, self.len).ok_or(SignFault::Shape)?;
        let message = BigUint::from_bytes_be(&encoded);
        let of_p = (&message % &self.p).modpow(&self.exponent_p, &self.p);
        let of_q = (&message % &self.q).modpow(&self.exponent_q, &self.q);
        let difference = (of_p + &self.p - &of_q % &self.p) % &self.p;
        let signature = (difference * &self.coefficient % &self.p) * &self.q + of_q;
        let octets = signature.to_bytes_be();
        let mut padded = vec![0; self.len.saturating_sub(octets.len())];
        padded.extend(octets);
        Ok(padded)
    }
}

fn public_key_field(exponent: &BigUint, modulus: &BigUint) -> Vec<u8> {
    let exponent = exponent.to_bytes_be();
    let mut field = match u8::try_from(exponent.len()) {
        Ok(len) => vec![len],
        // At most half a kilobyte, as long as the modulus.
        Err(_) => [&[0][..], &(exponent.len() as u16).to_be_bytes()].concat(),
    };
    field.extend(exponent);
    field.extend(modulus.to_bytes_be());
    field
}

/// A prime of exactly `n_bits` bits and the private exponent that belongs to it.
fn prime(
    n_bits: usize,
    public_exponent: &BigUint,
    stream: &mut Stream,
) -> Result<(BigUint, BigUint), SignFault> {
    for _ in 0..N_CANDIDATES_MAX {
        let mut candidate = stream.number(n_bits);
        candidate.set_bit(0, true);
        // With the two highest bits set, the product of two has exactly twice the bits.
        candidate.set_bit(n_bits as u64 - 1, true);
        candidate.set_bit(n_bits as u64 - 2, true);
        if !is_prime(&candidate) {
            continue;
        }
        if let Some(private_exponent) = public_exponent.modinv(&(&candidate - 1u8)) {
            return Ok((candidate, private_exponent));
        }
    }
    Err(SignFault::Exhausted)
}

fn is_prime(candidate: &BigUint) -> bool {
    let has_small_factor =
        (3..SMALL_PRIME_LIMIT).step_by(2).any(|divisor| candidate % divisor == BigUint::ZERO);
    !has_small_factor && WITNESSES.iter().all(|base| passes_miller_rabin(candidate, *base))
}

fn passes_miller_rabin(candidate: &BigUint, base: u32) -> bool {
    let one = BigUint::from(1u8);
    let last = candidate - &one;
    let n_halvings = last.trailing_zeros().unwrap_or(0);
    let mut power = BigUint::from(base).modpow(&(&last >> n_halvings), candidate);
    if power == one || power == last {
        return true;
    }
    for _ in 1..n_halvings {
        power = &power * &power % candidate;
        if power == last {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primality() {
        // 2^521-1 and 2^127-1 are prime, 2^67-1 and 2^257-1 are not; the last has no small factor.
        let mersenne = |n: u32| (BigUint::from(1u8) << n) - 1u8;
        assert!(is_prime(&mersenne(521)));
        assert!(is_prime(&mersenne(127)));
        assert!(!is_prime(&mersenne(67)));
        assert!(!is_prime(&mersenne(257)));
        assert!(!is_prime(&(mersenne(127) * mersenne(61))));
    }

    #[test]
    fn impossible_shapes_are_refused() {
        for (modulus_bits, exponent) in [
            (510, &[3][..]),
            (4098, &[3]),
            (513, &[3]),
            (1024, &[]),
            (1024, &[1]),
            (1024, &[4]),
            (512, &[0xFF; 64]),
        ] {
            let mut stream = Stream::new(&[b"shape"]);
            let made = PrivateKey::generate(Hash::Sha1, modulus_bits, exponent, &mut stream);
            assert_eq!(made.err(), Some(SignFault::Shape), "{modulus_bits} {exponent:?}");
        }
    }
}
