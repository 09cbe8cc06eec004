//! Ed25519 and Ed448 (RFC 8080): the first by aws-lc, the second, which it lacks, by a crate of
//! its own.

use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use ed448_goldilocks::{Signature, VerifyingKey};

use super::{KeyFault, SignatureFault};

const ED25519_KEY_LEN: usize = 32;
const ED25519_SIGNATURE_LEN: usize = 64;
const ED448_KEY_LEN: usize = 57;
const ED448_SIGNATURE_LEN: usize = 114;

/// A pure-Rust, constant-time verification: what interoperability with a rare algorithm costs.
pub(super) const ED448_COST: u32 = 22;

#[derive(Clone)]
pub(super) struct Ed25519Key(ParsedPublicKey);

impl Ed25519Key {
    /// Any 32 octets are taken: whether they are a point shows when a signature is verified.
    pub(super) fn parse(field: &[u8]) -> Result<Ed25519Key, KeyFault> {
        if field.len() != ED25519_KEY_LEN {
            return Err(KeyFault::Length);
        }
        ParsedPublicKey::new(&ED25519, field).map(Ed25519Key).map_err(|_| KeyFault::NotOnCurve)
    }

    pub(super) fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), SignatureFault> {
        if signature.len() != ED25519_SIGNATURE_LEN {
            return Err(SignatureFault::Length);
        }
        self.0.verify_sig(data, signature).map_err(|_| SignatureFault::Mismatch)
    }
}

#[derive(Clone)]
pub(super) struct Ed448Key(VerifyingKey);

impl Ed448Key {
    pub(super) fn parse(field: &[u8]) -> Result<Ed448Key, KeyFault> {
        let octets: &[u8; ED448_KEY_LEN] = field.try_into().map_err(|_| KeyFault::Length)?;
        VerifyingKey::from_bytes(octets).map(Ed448Key).map_err(|_| KeyFault::NotOnCurve)
    }

    pub(super) fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), SignatureFault> {
        let octets: &[u8; ED448_SIGNATURE_LEN] =
            signature.try_into().map_err(|_| SignatureFault::Length)?;
        self.0
            .verify_raw(&Signature::from_bytes(octets), data)
            .map_err(|_| SignatureFault::Mismatch)
    }
}
