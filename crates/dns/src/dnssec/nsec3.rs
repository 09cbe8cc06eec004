//! NSEC3 hashes as text: base32 with the extended hex alphabet, without padding.
//!
//! RFC 5155 §1.3 and §3.3 write hashed owner names and next hashed owners this way (RFC 4648 §7).
//! Order is preserved: comparing labels compares hashes. Computing a hash is
//! [`super::crypto::nsec3_hash`].

/// Octets of a hash of the only defined algorithm, SHA-1.
pub const HASH_LEN: usize = 20;
/// Octets of the label that such a hash makes: 160 bits at five a character, no remainder.
pub const LABEL_LEN: usize = 32;

const ALPHABET_LOWER: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// The owner label of a hash, in lower case as the canonical form wants it, without a length octet.
pub fn hash_to_label(hash: &[u8; HASH_LEN]) -> [u8; LABEL_LEN] {
    let mut label = [0; LABEL_LEN];
    for (group, out) in hash.chunks_exact(5).zip(label.chunks_exact_mut(8)) {
        let bits = group.iter().fold(0u64, |bits, octet| bits << 8 | u64::from(*octet));
        for (i, character) in out.iter_mut().enumerate() {
            *character = ALPHABET_LOWER[(bits >> (35 - 5 * i)) as usize & 31];
        }
    }
    label
}

/// The hash that an owner label (without its length octet) stands for, in any letter case.
///
/// `None` unless the label is exactly 32 characters of the alphabet: no other owner name can be
/// an NSEC3 record's.
pub fn hash_from_label(label: &[u8]) -> Option<[u8; HASH_LEN]> {
    if label.len() != LABEL_LEN {
        return None;
    }
    let mut hash = [0; HASH_LEN];
    for (group, out) in label.chunks_exact(8).zip(hash.chunks_exact_mut(5)) {
        let mut bits = 0u64;
        for character in group {
            bits = bits << 5 | u64::from(value(*character)?);
        }
        out.copy_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(hash)
}

/// Octets of any length as unpadded base32hex in upper case, as zone files commonly write them.
pub fn encode(octets: &[u8]) -> String {
    let mut text = String::with_capacity((octets.len() * 8).div_ceil(5));
    let mut bits = 0u32;
    let mut n_bits = 0;
    for octet in octets {
        bits = (bits << 8 | u32::from(*octet)) & 0xFFF;
        n_bits += 8;
        while n_bits >= 5 {
            n_bits -= 5;
            text.push(character(bits >> n_bits));
        }
    }
    if n_bits > 0 {
        text.push(character(bits << (5 - n_bits)));
    }
    text
}

/// The octets that unpadded base32hex text in any letter case stands for.
///
/// `None` for a character outside the alphabet, a length that no octets encode to, or left-over
/// bits that are not zero: every accepted text is the encoding of its octets.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len() * 5 / 8);
    let mut bits = 0u32;
    let mut n_bits = 0;
    for character in text {
        bits = (bits << 5 | u32::from(value(*character)?)) & 0xFFF;
        n_bits += 5;
        if n_bits >= 8 {
            n_bits -= 8;
            octets.push((bits >> n_bits) as u8);
        }
    }
    let left_over = bits & ((1 << n_bits) - 1);
    (n_bits < 5 && left_over == 0).then_some(octets)
}

fn character(value: u32) -> char {
    char::from(ALPHABET_LOWER[value as usize & 31].to_ascii_uppercase())
}

fn value(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'v' => Some(character - b'a' + 10),
        b'A'..=b'V' => Some(character - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc_4648_vectors() {
        for (octets, text) in [
            ("", ""),
            ("f", "CO"),
            ("fo", "CPNG"),
            ("foo", "CPNMU"),
            ("foob", "CPNMUOG"),
            ("fooba", "CPNMUOJ1"),
            ("foobar", "CPNMUOJ1E8"),
        ] {
            assert_eq!(encode(octets.as_bytes()), text);
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(octets.as_bytes()));
            assert_eq!(decode(text.to_lowercase().as_bytes()).as_deref(), Some(octets.as_bytes()));
        }
    }

    #[test]
    fn refuses_what_no_octets_encode_to() {
        // Lengths of one, three and six characters carry no whole number of octets.
        for text in ["C", "CPN", "CPNMUO", "CW", "C=", "CP", "C ", "\u{e9}"] {
            assert_eq!(decode(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(hash_from_label(&[b'0'; 31]), None);
        assert_eq!(hash_from_label(&[b'0'; 33]), None);
        assert_eq!(hash_from_label(&[b'w'; 32]), None);
        assert_eq!(hash_from_label(&[b'V'; 32]), Some([0xFF; 20]));
    }

    proptest! {
        #[test]
        fn any_octets_survive(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = encode(&octets);
            let oracle = domain::utils::base32::encode_string_hex(&octets);
            prop_assert_eq!(&text, &oracle.to_uppercase());
            prop_assert_eq!(decode(text.as_bytes()), Some(octets));
        }

        #[test]
        fn any_text_decodes_to_what_encodes_back(text in "[0-9a-vA-Vw= ]{0,40}") {
            if let Some(octets) = decode(text.as_bytes()) {
                prop_assert_eq!(encode(&octets), text.to_ascii_uppercase());
            }
        }

        #[test]
        fn labels_survive_and_keep_the_order(a in any::<[u8; 20]>(), b in any::<[u8; 20]>()) {
            let (label_a, label_b) = (hash_to_label(&a), hash_to_label(&b));
            prop_assert_eq!(hash_from_label(&label_a), Some(a));
            prop_assert_eq!(hash_from_label(&label_a.to_ascii_uppercase()), Some(a));
            prop_assert_eq!(label_a.to_ascii_uppercase(), encode(&a).into_bytes());
            prop_assert_eq!(label_a.cmp(&label_b), a.cmp(&b));
        }
    }
}
