//! Every cryptographic operation of DNSSEC, and the only place that chooses who performs it.
//!
//! Signatures: aws-lc for RSA, ECDSA and Ed25519; a bounded big-integer routine for the RSA keys
//! that aws-lc refuses (below 1024 bits, exponents over 33 bits); a pure-Rust crate for Ed448.
//! Digests and NSEC3 hashes: aws-lc. All of it takes bytes and knows nothing of records.
//!
//! Cost is the caller's to limit: [`PublicKey::cost`] prices a verification and [`nsec3_blocks`]
//! an NSEC3 hash, both before any work is done. No clock and no randomness is involved.

mod digest;
mod ecdsa;
mod eddsa;
#[cfg(feature = "ml-dsa")]
mod mldsa;
mod nsec3_hash;
mod rsa;
#[cfg(any(test, feature = "sign"))]
pub mod sign;
#[cfg(test)]
mod tests;

use std::fmt;

pub use digest::{DigestBytes, digest};
pub use nsec3_hash::{nsec3_blocks, nsec3_hash};
pub use rsa::{MODULUS_BITS_MAX, MODULUS_BITS_MIN};

use super::algorithm::Algorithm;

/// The public key of a DNSKEY, parsed once so that each verification only verifies.
///
/// Cheap to share between threads, a few hundred octets to keep.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    key: Key,
}

#[derive(Clone)]
enum Key {
    Rsa(rsa::Key),
    Ecdsa(ecdsa::Key),
    Ed25519(eddsa::Ed25519Key),
    Ed448(Box<eddsa::Ed448Key>),
    #[cfg(feature = "ml-dsa")]
    MlDsa44(mldsa::Key),
}

impl PublicKey {
    /// Reads the public key field of a DNSKEY.
    ///
    /// # Errors
    ///
    /// [`KeyFault::UnsupportedAlgorithm`] exactly when `algorithm` is not supported, which makes a
    /// zone insecure at most. Every other fault means that this key can vouch for nothing: it
    /// counts as a failed attempt, and a zone whose keys are all like that is bogus.
    pub fn parse(algorithm: Algorithm, field: &[u8]) -> Result<PublicKey, KeyFault> {
        let key = match algorithm {
            Algorithm::RSASHA1
            | Algorithm::RSASHA1_NSEC3_SHA1
            | Algorithm::RSASHA256
            | Algorithm::RSASHA512 => {
                let hash = rsa::Hash::of(algorithm).ok_or(KeyFault::UnsupportedAlgorithm)?;
                Key::Rsa(rsa::Key::parse(hash, field)?)
            }
            Algorithm::ECDSAP256SHA256 => Key::Ecdsa(ecdsa::Key::parse_p256(field)?),
            Algorithm::ECDSAP384SHA384 => Key::Ecdsa(ecdsa::Key::parse_p384(field)?),
            Algorithm::ED25519 => Key::Ed25519(eddsa::Ed25519Key::parse(field)?),
            Algorithm::ED448 => Key::Ed448(Box::new(eddsa::Ed448Key::parse(field)?)),
            #[cfg(feature = "ml-dsa")]
            Algorithm::ML_DSA_44 => Key::MlDsa44(mldsa::Key::parse(field)?),
            _ => return Err(KeyFault::UnsupportedAlgorithm),
        };
        Ok(PublicKey { algorithm, key })
    }

    /// The algorithm the key was parsed for; an RRSIG must name the same.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Checks that `signature` (the RRSIG's signature field) was made over `data` by this key.
    ///
    /// `data` is the RRSIG RDATA without the signature followed by the canonical RRset, as RFC 4034
    /// §3.1.8.1 puts it together.
    ///
    /// # Errors
    ///
    /// Which of the two ways a signature is bad; both mean the same for security.
    pub fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), SignatureFault> {
        match &self.key {
            Key::Rsa(key) => key.verify(data, signature),
            Key::Ecdsa(key) => key.verify(data, signature),
            Key::Ed25519(key) => key.verify(data, signature),
            Key::Ed448(key) => key.verify(data, signature),
            #[cfg(feature = "ml-dsa")]
            Key::MlDsa44(key) => key.verify(data, signature),
        }
    }

    /// What one verification with this key costs, in units of one ECDSA P-256 verification, at
    /// least 1.
    ///
    /// Measured once and written down as constants, so that a budget counts the work a stranger
    /// causes and not the number of times: the dearest keys cost twenty times the usual.
    pub fn cost(&self) -> u32 {
        match &self.key {
            Key::Rsa(key) => key.cost(),
            Key::Ecdsa(key) => key.cost(),
            Key::Ed25519(_) => 1,
            Key::Ed448(_) => eddsa::ED448_COST,
            #[cfg(feature = "ml-dsa")]
            Key::MlDsa44(_) => mldsa::COST,
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Why a DNSKEY's public key field cannot be used. Always the fault of whoever published it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The RSA exponent is even or less than three.
    #[error("RSA exponent that no key can have")]
    ExponentInvalid,
    /// Verifying with the RSA exponent would cost more than is allowed for a modulus of this size.
    #[error("RSA exponent too long")]
    ExponentTooLong,
    /// The field has another length than keys of the algorithm have.
    #[error("wrong key length")]
    Length,
    /// The RSA modulus is even.
    #[error("RSA modulus that no key can have")]
    ModulusInvalid,
    /// The RSA modulus has more than [`MODULUS_BITS_MAX`] bits.
    #[error("RSA modulus too long")]
    ModulusTooLong,
    /// The RSA modulus has fewer bits than the algorithm needs.
    #[error("RSA modulus too short")]
    ModulusTooShort,
    /// The octets are not a point of the curve, or one that no key pair has.
    #[error("not a point on the curve")]
    NotOnCurve,
    /// The algorithm is not supported. The only fault that does not depend on the key.
    #[error("unsupported algorithm")]
    UnsupportedAlgorithm,
}

/// Why a signature is not one of this key over this data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// The signature has another length than signatures of the key have; nothing was computed.
    #[error("wrong signature length")]
    Length,
    /// The mathematics says no.
    #[error("signature does not match")]
    Mismatch,
}
