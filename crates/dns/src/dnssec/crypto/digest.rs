//! DS digests, computed over pieces and returned without allocating.

use aws_lc_rs::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384};
use std::fmt;
use std::ops::Deref;

use crate::dnssec::DigestType;

/// Octets of the longest supported digest, SHA-384.
const DIGEST_LEN_MAX: usize = 48;

/// The octets of a digest; dereferences to a slice of them.
#[derive(Clone, Copy)]
pub struct DigestBytes {
    octets: [u8; DIGEST_LEN_MAX],
    len: u8,
}

/// The digest of the concatenation of `chunks`, or `None` if the type is not supported.
///
/// A DS digest covers the canonical owner name and the DNSKEY RDATA (RFC 4034 §5.1.4).
pub fn digest(digest_type: DigestType, chunks: &[&[u8]]) -> Option<DigestBytes> {
    let mut context = Context::new(algorithm(digest_type)?);
    for chunk in chunks {
        context.update(chunk);
    }
    let digest = context.finish();
    let source = digest.as_ref();
    let mut octets = [0; DIGEST_LEN_MAX];
    octets.get_mut(..source.len())?.copy_from_slice(source);
    Some(DigestBytes { octets, len: source.len() as u8 })
}

fn algorithm(digest_type: DigestType) -> Option<&'static Algorithm> {
    match digest_type {
        DigestType::SHA1 => Some(&SHA1_FOR_LEGACY_USE_ONLY),
        DigestType::SHA256 => Some(&SHA256),
        DigestType::SHA384 => Some(&SHA384),
        _ => None,
    }
}

impl Deref for DigestBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }
}

impl AsRef<[u8]> for DigestBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for DigestBytes {
    fn eq(&self, other: &DigestBytes) -> bool {
        **self == **other
    }
}

impl Eq for DigestBytes {}

impl fmt::Debug for DigestBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_as_announced() {
        for number in 0..=255 {
            let digest_type = DigestType(number);
            let len = digest(digest_type, &[b"abc"]).map(|digest| digest.len());
            assert_eq!(len, digest_type.output_len(), "{digest_type:?}");
        }
    }

    #[test]
    fn chunks_are_joined() {
        // FIPS 180-4, the one-block example.
        let whole = digest(DigestType::SHA1, &[b"abc"]).unwrap();
        assert_eq!(format!("{whole:?}"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(digest(DigestType::SHA1, &[b"a", b"", b"bc"]), Some(whole));
        assert_ne!(digest(DigestType::SHA1, &[b"ab"]), Some(whole));
    }
}
