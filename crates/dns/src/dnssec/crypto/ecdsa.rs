//! ECDSA on P-256 and P-384 (RFC 6605): both performed by aws-lc on keys parsed once.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, EcdsaVerificationAlgorithm, ParsedPublicKey,
};

use super::{KeyFault, SignatureFault};

/// Octets of one coordinate or signature component.
const P256_LEN: usize = 32;
const P384_LEN: usize = 48;
/// The octet before an uncompressed point in SEC 1; DNSKEYs leave it out.
const UNCOMPRESSED: u8 = 4;
/// A P-384 verification takes three to four times a P-256 one.
const P384_COST: u32 = 4;

#[derive(Clone)]
pub(super) struct Key {
    parsed: ParsedPublicKey,
    component_len: usize,
}

impl Key {
    pub(super) fn parse_p256(field: &[u8]) -> Result<Key, KeyFault> {
        Key::parse(&ECDSA_P256_SHA256_FIXED, P256_LEN, field)
    }

    pub(super) fn parse_p384(field: &[u8]) -> Result<Key, KeyFault> {
        Key::parse(&ECDSA_P384_SHA384_FIXED, P384_LEN, field)
    }

    /// RFC 6605 §4: the field is x then y. That the point is on the curve is checked here.
    fn parse(
        algorithm: &'static EcdsaVerificationAlgorithm,
        component_len: usize,
        field: &[u8],
    ) -> Result<Key, KeyFault> {
        if field.len() != 2 * component_len {
            return Err(KeyFault::Length);
        }
        let mut point = [0; 1 + 2 * P384_LEN];
        point[0] = UNCOMPRESSED;
        point[1..=field.len()].copy_from_slice(field);
        let parsed = ParsedPublicKey::new(algorithm, &point[..=field.len()])
            .map_err(|_| KeyFault::NotOnCurve)?;
        Ok(Key { parsed, component_len })
    }

    /// RFC 6605 §4: the signature is r then s, each as long as a coordinate.
    pub(super) fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), SignatureFault> {
        if signature.len() != 2 * self.component_len {
            return Err(SignatureFault::Length);
        }
        self.parsed.verify_sig(data, signature).map_err(|_| SignatureFault::Mismatch)
    }

    pub(super) fn cost(&self) -> u32 {
        if self.component_len == P384_LEN { P384_COST } else { 1 }
    }
}
