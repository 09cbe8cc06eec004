//! The entry that says what the other entries are, and the tag that each of them carries.
//!
//! The bytes are described in `docs/formats/cache.md`; a test there holds both together.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

/// Version of everything in the files: raised with any change to the header, to the tags, or to
/// keys and values of the rooms above. Files of another version are never read.
pub const FORMAT_VERSION: u32 = 2;

/// The key of the header. It begins with the reserved prefix and is the only such key.
pub(super) const HEADER_KEY: &[u8] = b"\xFFkres";

/// First bytes of the header.
const MAGIC: &[u8; 8] = b"kres\0kv\n";

/// Bytes of the header: magic, version, zeros, secret, tag.
pub(super) const HEADER_BYTES: usize = 8 + 4 + 4 + SECRET_BYTES + HEADER_TAG_BYTES;

const SECRET_BYTES: usize = 16;

/// Bytes of the header's own tag.
const HEADER_TAG_BYTES: usize = 8;

/// Bytes that the tag adds to a value: of four thousand million damaged entries one goes unnoticed,
/// and most entries are so short that each byte more is two per cent of the whole file.
pub(super) const TAG_BYTES: usize = 4;

/// The key of the tags of one file.
#[derive(Clone, Copy)]
pub(super) struct Secret([u8; SECRET_BYTES]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// A secret for the `nth` file that a process makes from its seed.
    pub(super) fn new(seed: &[u8; SECRET_BYTES], nth: u64) -> Self {
        let half = |which: u64| {
            let mut hasher = SipHasher13::new_with_key(seed);
            hasher.write(b"secret of a cache file");
            hasher.write_u64(nth);
            hasher.write_u64(which);
            hasher.finish().to_le_bytes()
        };
        let mut secret = [0; SECRET_BYTES];
        secret[..8].copy_from_slice(&half(0));
        secret[8..].copy_from_slice(&half(1));
        Secret(secret)
    }

    /// The tag of an entry: half of the hash of key and value.
    #[inline]
    pub(super) fn tag(&self, key: &[u8], value: &[u8]) -> [u8; TAG_BYTES] {
        (self.hash(key, value) as u32).to_le_bytes()
    }

    /// Where uses of a key are counted.
    pub(super) fn place(&self, key: &[u8]) -> u64 {
        self.begin(key).finish()
    }

    /// SipHash-1-3 over the length of the key, the key, and the value.
    #[inline]
    fn hash(&self, key: &[u8], value: &[u8]) -> u64 {
        let mut hasher = self.begin(key);
        hasher.write(value);
        hasher.finish()
    }

    #[inline]
    fn begin(&self, key: &[u8]) -> SipHasher13 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(&(key.len() as u64).to_le_bytes());
        hasher.write(key);
        hasher
    }

    /// The value in `stored`, if its tag says that it and the key are whole.
    #[inline]
    pub(super) fn verify<'a>(&self, key: &[u8], stored: &'a [u8]) -> Option<&'a [u8]> {
        self.open(key, stored).map(|(value, _)| value)
    }

    /// The same with the [place](Self::place) of the key, which comes almost for free here.
    #[inline]
    pub(super) fn open<'a>(&self, key: &[u8], stored: &'a [u8]) -> Option<(&'a [u8], u64)> {
        let (value, tag) = stored.split_last_chunk::<TAG_BYTES>()?;
        let mut hasher = self.begin(key);
        let place = hasher.finish();
        hasher.write(value);
        ((hasher.finish() as u32).to_le_bytes() == *tag).then_some((value, place))
    }
}

/// What a header says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Header {
    /// The files are of this version.
    Ours(Secret),
    /// They are of another one.
    Other(u32),
}

/// The header of new files.
pub(super) fn compose(secret: &Secret) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    header[16..16 + SECRET_BYTES].copy_from_slice(&secret.0);
    let hash = secret.hash(HEADER_KEY, &header[..HEADER_BYTES - HEADER_TAG_BYTES]);
    header[HEADER_BYTES - HEADER_TAG_BYTES..].copy_from_slice(&hash.to_le_bytes());
    header
}

/// Reads a header; nothing if it is not one or is damaged. The first twelve bytes are the same
/// in every version.
pub(super) fn parse(bytes: &[u8]) -> Option<Header> {
    let (magic, rest) = bytes.split_first_chunk::<8>()?;
    let version = u32::from_le_bytes(*rest.first_chunk::<4>()?);
    if magic != MAGIC {
        return None;
    }
    if version != FORMAT_VERSION {
        return Some(Header::Other(version));
    }
    if bytes.len() != HEADER_BYTES {
        return None;
    }
    let secret = Secret(*bytes.get(16..)?.first_chunk::<SECRET_BYTES>()?);
    let (value, tag) = bytes.split_last_chunk::<HEADER_TAG_BYTES>()?;
    (secret.hash(HEADER_KEY, value).to_le_bytes() == *tag).then_some(Header::Ours(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_comes_back_and_any_flipped_bit_is_noticed() {
        let header = compose(&Secret::new(&[3; 16], 0));
        assert!(matches!(parse(&header), Some(Header::Ours(_))));
        for bit in 0..HEADER_BYTES * 8 {
            let mut bytes = header;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(parse(&bytes), Some(Header::Ours(_))), "bit {bit}");
        }
    }

    /// The numbers of `docs/formats/cache.md`.
    #[test]
    fn the_header_is_as_documented() {
        let header = compose(&Secret([7; 16]));
        assert_eq!(header.len(), 40);
        assert_eq!(HEADER_KEY, [0xFF, 0x6B, 0x72, 0x65, 0x73]);
        assert_eq!(header[..8], [0x6B, 0x72, 0x65, 0x73, 0x00, 0x6B, 0x76, 0x0A]);
        assert_eq!(header[8..16], [2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(header[16..32], [7; 16]);
        let seven = u64::from_le_bytes([7; 8]);
        let mut message = 5u64.to_le_bytes().to_vec();
        message.extend_from_slice(b"\xFFkres");
        message.extend_from_slice(&header[..32]);
        let tag = SipHasher13::new_with_keys(seven, seven).hash(&message);
        assert_eq!(header[32..], tag.to_le_bytes());
    }

    #[test]
    fn a_newer_version_is_recognised_whatever_follows() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&77u32.to_le_bytes());
        bytes.extend_from_slice(b"anything");
        assert!(matches!(parse(&bytes), Some(Header::Other(77))));
    }

    #[test]
    fn tag_depends_on_secret_key_value_and_where_the_key_ends() {
        let secret = Secret::new(&[3; 16], 0);
        let tag = secret.tag(b"key", b"value");
        assert_ne!(tag, Secret::new(&[3; 16], 1).tag(b"key", b"value"));
        assert_ne!(tag, Secret::new(&[4; 16], 0).tag(b"key", b"value"));
        assert_ne!(tag, secret.tag(b"keyv", b"alue"));
        assert_ne!(tag, secret.tag(b"kez", b"value"));
        let mut stored = b"value".to_vec();
        stored.extend_from_slice(&tag);
        assert_eq!(secret.verify(b"key", &stored), Some(&b"value"[..]));
        assert_eq!(secret.verify(b"kex", &stored), None);
        assert_eq!(secret.verify(b"key", &stored[1..]), None);
        assert_eq!(secret.verify(b"key", b"short"), None);
    }
}
