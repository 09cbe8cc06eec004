//! The signing half, for tests and simulations only: a resolver never signs.
//!
//! Everything is a function of a seed. The same seed gives the same key pair on every machine, and
//! the same data the same signature, so a simulated world can be replayed octet by octet. That
//! asks for RFC 6979 nonces in ECDSA, which aws-lc does not offer, and for RSA keys that it
//! considers too short; both are built here on big integers. Nothing here is constant-time and
//! keys from a seed are guessable: never use them for a zone that anyone trusts.

mod ecdsa;
mod rsa;
mod seeded;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
#[cfg(feature = "ml-dsa")]
use aws_lc_rs::signature::{ML_DSA_44_SIGNING, PqdsaKeyPair};
use ed448_goldilocks::SigningKey;

use super::rsa::Hash;
use crate::dnssec::{Algorithm, key_tag};
use seeded::Stream;

/// Bits of the modulus where [`KeyPair::from_seed`] makes an RSA key: the shortest that all RSA
/// algorithms and the fast verifier take.
pub const DEFAULT_MODULUS_BITS: usize = 1024;
/// The exponent where [`KeyPair::from_seed`] makes an RSA key: 65537.
pub const DEFAULT_EXPONENT: &[u8] = &[1, 0, 1];

/// The protocol field of every DNSKEY, RFC 4034 §2.1.2.
const DNSKEY_PROTOCOL: u8 = 3;

/// A private key with its public half.
#[derive(Clone)]
pub struct KeyPair {
    algorithm: Algorithm,
    public_key: Vec<u8>,
    private: Private,
}

#[derive(Clone)]
enum Private {
    Rsa(Box<rsa::PrivateKey>),
    Ecdsa(ecdsa::PrivateKey),
    Ed25519(Ed25519KeyPair),
    Ed448(Box<SigningKey>),
    /// The seed, from which the pair is made anew for each signature.
    #[cfg(feature = "ml-dsa")]
    MlDsa44([u8; 32]),
}

impl KeyPair {
    /// The key pair of this algorithm that the seed stands for. Seeds may have any length; the
    /// algorithm is mixed in, so one seed serves several.
    ///
    /// # Errors
    ///
    /// [`SignFault::UnsupportedAlgorithm`], and [`SignFault::Exhausted`] with a probability that
    /// can be neglected.
    pub fn from_seed(algorithm: Algorithm, seed: &[u8]) -> Result<KeyPair, SignFault> {
        let mut stream = Stream::new(&[&[algorithm.0], seed]);
        let (public_key, private) = match algorithm {
            Algorithm::RSASHA1
            | Algorithm::RSASHA1_NSEC3_SHA1
            | Algorithm::RSASHA256
            | Algorithm::RSASHA512 => {
                return KeyPair::rsa_from_seed(
                    algorithm,
                    DEFAULT_MODULUS_BITS,
                    DEFAULT_EXPONENT,
                    seed,
                );
            }
            Algorithm::ECDSAP256SHA256 | Algorithm::ECDSAP384SHA384 => {
                let curve = ecdsa::Curve::of(algorithm).ok_or(SignFault::UnsupportedAlgorithm)?;
                let (private, public_key) = ecdsa::PrivateKey::generate(curve, &mut stream)?;
                (public_key, Private::Ecdsa(private))
            }
            Algorithm::ED25519 => {
                let pair = Ed25519KeyPair::from_seed_unchecked(&stream.take(32))
                    .map_err(|_| SignFault::Library)?;
                (pair.public_key().as_ref().to_vec(), Private::Ed25519(pair))
            }
            Algorithm::ED448 => {
                let pair = SigningKey::try_from(stream.take(57)).map_err(|_| SignFault::Library)?;
                let public_key = pair.verifying_key().to_bytes().to_vec();
                (public_key, Private::Ed448(Box::new(pair)))
            }
            #[cfg(feature = "ml-dsa")]
            Algorithm::ML_DSA_44 => {
                let mut own = [0; 32];
                own.copy_from_slice(&stream.take(32));
                let pair = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, &own)
                    .map_err(|_| SignFault::Library)?;
                (pair.public_key().as_ref().to_vec(), Private::MlDsa44(own))
            }
            _ => return Err(SignFault::UnsupportedAlgorithm),
        };
        Ok(KeyPair { algorithm, public_key, private })
    }

    /// An RSA key pair of a chosen shape: `modulus_bits` even and within 512..=4096, `exponent`
    /// big-endian and odd. Makes keys that a verifier ought to refuse, too, such as a 512-bit key
    /// for algorithm 10 (which then cannot sign).
    ///
    /// Takes milliseconds for 1024 bits and seconds for 4096.
    ///
    /// # Errors
    ///
    /// [`SignFault::Shape`] for sizes and exponents that no key can have.
    pub fn rsa_from_seed(
        algorithm: Algorithm,
        modulus_bits: usize,
        exponent: &[u8],
        seed: &[u8],
    ) -> Result<KeyPair, SignFault> {
        let hash = Hash::of(algorithm).ok_or(SignFault::UnsupportedAlgorithm)?;
        let shape = (modulus_bits as u64).to_be_bytes();
        let mut stream = Stream::new(&[&[algorithm.0], &shape, exponent, seed]);
        let (private, public_key) =
            rsa::PrivateKey::generate(hash, modulus_bits, exponent, &mut stream)?;
        Ok(KeyPair { algorithm, public_key, private: Private::Rsa(Box::new(private)) })
    }

    /// The algorithm that the key signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key field of the DNSKEY.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// The RDATA of the DNSKEY with these flags (256 for a zone key, 257 with the SEP bit).
    pub fn dnskey_rdata(&self, flags: u16) -> Vec<u8> {
        let mut rdata = flags.to_be_bytes().to_vec();
        rdata.extend([DNSKEY_PROTOCOL, self.algorithm.0]);
        rdata.extend(&self.public_key);
        rdata
    }

    /// The key tag of the DNSKEY with these flags.
    pub fn key_tag(&self, flags: u16) -> u16 {
        key_tag(&self.dnskey_rdata(flags))
    }

    /// The signature field of an RRSIG over `data`. Deterministic for every algorithm but ML-DSA-44,
    /// to whose signatures the library adds some chance.
    ///
    /// # Errors
    ///
    /// [`SignFault::Shape`] if the key is too short for its hash; the others do not happen to keys
    /// that could be made.
    pub fn sign(&self, data: &[u8]) -> Result<Vec<u8>, SignFault> {
        match &self.private {
            Private::Rsa(key) => key.sign(data),
            Private::Ecdsa(key) => key.sign(data),
            Private::Ed25519(key) => Ok(key.sign(data).as_ref().to_vec()),
            Private::Ed448(key) => Ok(key.sign_raw(data).to_bytes().to_vec()),
            #[cfg(feature = "ml-dsa")]
            Private::MlDsa44(seed) => {
                let pair = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, seed)
                    .map_err(|_| SignFault::Library)?;
                let mut signature = vec![0; ML_DSA_44_SIGNING.signature_len()];
                let length = pair.sign(data, &mut signature).map_err(|_| SignFault::Library)?;
                signature.truncate(length);
                Ok(signature)
            }
        }
    }
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPair").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Why a key pair or a signature could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignFault {
    /// The bounded search for a suitable number found none.
    #[error("no suitable number found")]
    Exhausted,
    /// The crypto library refused a value that should be right.
    #[error("refused by the crypto library")]
    Library,
    /// No RSA key of this shape exists, or none that can sign with the algorithm's hash.
    #[error("impossible RSA key shape")]
    Shape,
    /// The algorithm cannot sign or is not supported.
    #[error("unsupported algorithm")]
    UnsupportedAlgorithm,
}
