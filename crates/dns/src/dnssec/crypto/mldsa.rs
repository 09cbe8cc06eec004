//! ML-DSA-44 (FIPS 204) by aws-lc: signatures that a quantum computer cannot forge either. Only
//! with the feature `ml-dsa`: the number of the algorithm is not settled, and its signatures of
//! 2,420 octets send every answer over TCP.

use aws_lc_rs::signature::{ML_DSA_44, ParsedPublicKey};

use super::{KeyFault, SignatureFault};

const KEY_LEN: usize = 1312;
const SIGNATURE_LEN: usize = 2420;

/// About as dear as two verifications of P-256.
pub(super) const COST: u32 = 2;

#[derive(Clone)]
pub(super) struct Key(ParsedPublicKey);

impl Key {
    /// The field is the encoded public key of FIPS 204 §7.2.
    pub(super) fn parse(field: &[u8]) -> Result<Key, KeyFault> {
        if field.len() != KEY_LEN {
            return Err(KeyFault::Length);
        }
        ParsedPublicKey::new(&ML_DSA_44, field).map(Key).map_err(|_| KeyFault::NotOnCurve)
    }

    /// The pure scheme with an empty context (FIPS 204 §5.3).
    pub(super) fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), SignatureFault> {
        if signature.len() != SIGNATURE_LEN {
            return Err(SignatureFault::Length);
        }
        self.0.verify_sig(data, signature).map_err(|_| SignatureFault::Mismatch)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{KeyPair as _, ML_DSA_44_SIGNING, PqdsaKeyPair};

    use super::super::{KeyFault, PublicKey, SignatureFault};
    use crate::dnssec::Algorithm;

    #[test]
    fn a_signature_is_verified_and_a_changed_one_is_not() {
        let pair = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, &[7; 32]).unwrap();
        let mut signature = vec![0; ML_DSA_44_SIGNING.signature_len()];
        let length = pair.sign(b"data", &mut signature).unwrap();
        assert_eq!(length, super::SIGNATURE_LEN);
        assert!(Algorithm::ML_DSA_44.is_supported());
        let field = pair.public_key().as_ref();
        let key = PublicKey::parse(Algorithm::ML_DSA_44, field).unwrap();
        assert_eq!(key.verify(b"data", &signature), Ok(()));
        assert_eq!(key.verify(b"date", &signature), Err(SignatureFault::Mismatch));
        signature[100] ^= 1;
        assert_eq!(key.verify(b"data", &signature), Err(SignatureFault::Mismatch));
        assert_eq!(key.verify(b"data", &signature[1..]), Err(SignatureFault::Length));
        let short = PublicKey::parse(Algorithm::ML_DSA_44, &field[1..]);
        assert_eq!(short.unwrap_err(), KeyFault::Length);
    }
}
