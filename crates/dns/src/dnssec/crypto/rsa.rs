//! RSA with PKCS #1 v1.5 padding (RFC 3110, RFC 5702), whoever does the arithmetic.
//!
//! aws-lc verifies keys of 1024 bits and more with exponents of up to 33 bits, which is all that
//! signers make today. Shorter keys and longer exponents exist in old zones, in test zones and in
//! published examples, and other resolvers verify them; those go to [`big_integer`], where the work
//! of one verification is bounded before it begins.

mod big_integer;
mod montgomery;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    RsaParameters, RsaPublicKeyComponents,
};

use super::{KeyFault, SignatureFault};
use crate::dnssec::Algorithm;

/// The shortest modulus in bits: RFC 3110 §2 and RFC 5702 §2.1 begin there.
pub const MODULUS_BITS_MIN: usize = 512;
/// The longest modulus in bits: RFC 3110 §2 and RFC 5702 §2 end there, and the cost of a
/// verification grows with its square.
pub const MODULUS_BITS_MAX: usize = 4096;
/// RFC 5702 §2.2: RSA/SHA-512 keys have at least 1024 bits.
const SHA512_MODULUS_BITS_MIN: usize = 1024;

/// What aws-lc accepts; beyond, [`big_integer`] takes over.
const LIBRARY_MODULUS_BITS_MIN: usize = 1024;
const LIBRARY_EXPONENT_BITS_MAX: usize = 33;
/// Up to this modulus a verification by aws-lc is no dearer than a P-256 one.
const LIBRARY_UNIT_COST_BITS: usize = 3072;

/// The hash that an RSA algorithm number implies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

#[derive(Clone)]
pub(super) struct Key {
    /// Octets of the modulus, and so of every signature.
    len: usize,
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Library(ParsedPublicKey),
    BigInteger(Box<big_integer::Key>),
}

impl Key {
    pub(super) fn parse(hash: Hash, field: &[u8]) -> Result<Key, KeyFault> {
        let (exponent, modulus) = components(field)?;
        let modulus_bits = bits(modulus);
        check_modulus(hash, modulus, modulus_bits)?;
        let exponent_bits = check_exponent(exponent)?;

        let library =
            modulus_bits >= LIBRARY_MODULUS_BITS_MIN && exponent_bits <= LIBRARY_EXPONENT_BITS_MAX;
        let engine = if library {
            let components = RsaPublicKeyComponents { n: modulus, e: exponent };
            let parsed = components.to_parsed_public_key(hash.library_parameters());
            // Everything aws-lc is known to check has been checked; were there more, it would be
            // about the modulus.
            Engine::Library(parsed.map_err(|_| KeyFault::ModulusInvalid)?)
        } else {
            Engine::BigInteger(Box::new(big_integer::Key::new(hash, modulus, exponent)?))
        };
        Ok(Key { len: modulus.len(), engine })
    }

    /// A key that the library would take, on the other engine: the two must agree.
    #[cfg(test)]
    pub(super) fn parse_for_big_integers(hash: Hash, field: &[u8]) -> Result<Key, KeyFault> {
        let (exponent, modulus) = components(field)?;
        let key = big_integer::Key::new(hash, modulus, exponent)?;
        Ok(Key { len: modulus.len(), engine: Engine::BigInteger(Box::new(key)) })
    }

    pub(super) fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), SignatureFault> {
        // RFC 8017 §8.2.2 step 1: as many octets as the modulus, leading zeros included.
        if signature.len() != self.len {
            return Err(SignatureFault::Length);
        }
        match &self.engine {
            Engine::Library(key) => {
                key.verify_sig(data, signature).map_err(|_| SignatureFault::Mismatch)
            }
            Engine::BigInteger(key) => key.verify(data, signature),
        }
    }

    pub(super) fn cost(&self) -> u32 {
        match &self.engine {
            Engine::Library(_) if self.len * 8 <= LIBRARY_UNIT_COST_BITS => 1,
            Engine::Library(_) => 2,
            Engine::BigInteger(key) => key.cost(),
        }
    }
}

impl Hash {
    /// The hash of an RSA algorithm, `None` for every other algorithm.
    pub(super) fn of(algorithm: Algorithm) -> Option<Hash> {
        match algorithm {
            Algorithm::RSASHA1 | Algorithm::RSASHA1_NSEC3_SHA1 => Some(Hash::Sha1),
            Algorithm::RSASHA256 => Some(Hash::Sha256),
            Algorithm::RSASHA512 => Some(Hash::Sha512),
            _ => None,
        }
    }

    fn library_parameters(self) -> &'static RsaParameters {
        match self {
            Hash::Sha1 => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            Hash::Sha512 => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        }
    }

    fn digest_algorithm(self) -> &'static digest::Algorithm {
        match self {
            Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha512 => &digest::SHA512,
        }
    }

    /// The DER of `DigestInfo` up to the hash itself, RFC 8017 §9.2 note 1.
    fn digest_info(self) -> &'static [u8] {
        match self {
            Hash::Sha1 => b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
            Hash::Sha256 => {
                b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
            }
            Hash::Sha512 => {
                b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"
            }
        }
    }
}

/// The message as RFC 8017 §9.2 encodes it for a modulus of `len` octets: `00 01 FF.. 00`, the
/// `DigestInfo`, the hash. `None` if that does not fit, which the modulus limits rule out.
pub(super) fn encode_message(hash: Hash, data: &[u8], len: usize) -> Option<Vec<u8>> {
    /// RFC 8017 §9.2 step 3: at least eight octets of FF, three around them.
    const PADDING_LEN_MIN: usize = 11;

    let digest = digest::digest(hash.digest_algorithm(), data);
    let tail_len = hash.digest_info().len() + digest.as_ref().len();
    if len < tail_len + PADDING_LEN_MIN {
        return None;
    }
    let mut encoded = Vec::with_capacity(len);
    encoded.extend([0, 1]);
    encoded.resize(len - tail_len - 1, 0xFF);
    encoded.push(0);
    encoded.extend(hash.digest_info());
    encoded.extend(digest.as_ref());
    Some(encoded)
}

/// Exponent and modulus, RFC 3110 §2, without leading zeros.
///
/// The RFC forbids leading zeros and the long length form for a short exponent; both are read as
/// other implementations read them.
fn components(field: &[u8]) -> Result<(&[u8], &[u8]), KeyFault> {
    let (len, rest) = match field {
        [0, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        [0, ..] | [] => return Err(KeyFault::Length),
        [len, rest @ ..] => (usize::from(*len), rest),
    };
    let (exponent, modulus) = rest.split_at_checked(len).ok_or(KeyFault::Length)?;
    Ok((trim(exponent), trim(modulus)))
}

fn trim(number: &[u8]) -> &[u8] {
    let n_zeros = number.iter().take_while(|octet| **octet == 0).count();
    &number[n_zeros..]
}

/// The bit length of a number without leading zero octets.
fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn check_modulus(hash: Hash, modulus: &[u8], bits: usize) -> Result<(), KeyFault> {
    let bits_min = match hash {
        Hash::Sha1 | Hash::Sha256 => MODULUS_BITS_MIN,
        Hash::Sha512 => SHA512_MODULUS_BITS_MIN,
    };
    if bits < bits_min {
        return Err(KeyFault::ModulusTooShort);
    }
    if bits > MODULUS_BITS_MAX {
        return Err(KeyFault::ModulusTooLong);
    }
    if is_even(modulus) { Err(KeyFault::ModulusInvalid) } else { Ok(()) }
}

/// The bit length of the exponent. One is refused because every number is then its own signature.
fn check_exponent(exponent: &[u8]) -> Result<usize, KeyFault> {
    if is_even(exponent) || exponent == [1] {
        return Err(KeyFault::ExponentInvalid);
    }
    Ok(bits(exponent))
}

fn is_even(number: &[u8]) -> bool {
    number.last().is_none_or(|octet| octet & 1 == 0)
}
