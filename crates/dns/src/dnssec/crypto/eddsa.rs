//! Ed25519 and Ed448 (RFC 8080): the first by aws-lc, the second, which it lacks, by a crate of
//! its own.

use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use crrl::ed448::PublicKey;

use super::{KeyFault, SignatureFault};

const ED25519_KEY_LEN: usize = 32;
const ED25519_SIGNATURE_LEN: usize = 64;
const ED448_KEY_LEN: usize = 57;
const ED448_SIGNATURE_LEN: usize = 114;

/// A verification in pure Rust: what interoperability with a rare algorithm costs.
pub(super) const ED448_COST: u32 = 6;

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
pub(super) struct Ed448Key(PublicKey);

impl Ed448Key {
    pub(super) fn parse(field: &[u8]) -> Result<Ed448Key, KeyFault> {
        if field.len() != ED448_KEY_LEN {
            return Err(KeyFault::Length);
        }
        // A point of low order would vouch for anything.
        let key = PublicKey::decode(field).filter(|key| key.point.has_low_order() == 0);
        key.map(Ed448Key).ok_or(KeyFault::NotOnCurve)
    }

    pub(super) fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), SignatureFault> {
        if signature.len() != ED448_SIGNATURE_LEN {
            return Err(SignatureFault::Length);
        }
        if self.0.verify_raw(signature, data) { Ok(()) } else { Err(SignatureFault::Mismatch) }
    }
}
