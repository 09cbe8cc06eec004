//! Names in the form of keys, where canonical order (RFC 4034 §6.1) is the order of bytes and all
//! names below one begin with its bytes: the lookup format of [`Name::lookup_format`] as a value.
//! Whoever compares a name several times makes its key once.

use smallvec::SmallVec;

use super::Name;
use crate::limits::NAME_BYTES_MAX;

/// Bytes of a key that are kept inside the value.
const INLINE_BYTES: usize = 56;

/// Ends each label of a key; inside labels it is escaped.
const END: u8 = 0;
/// Begins an escape.
const ESCAPE: u8 = 1;

/// The label `*` in a key.
const WILDCARD: &[u8] = &[b'*', END];

/// A name in lookup format.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NameKey {
    bytes: SmallVec<[u8; INLINE_BYTES]>,
}

// What is derived copies byte by byte.
impl Clone for NameKey {
    fn clone(&self) -> NameKey {
        NameKey { bytes: SmallVec::from_slice(&self.bytes) }
    }
}

impl NameKey {
    /// The key of a name.
    pub fn of(name: &Name) -> NameKey {
        NameKey::of_checked_wire(&name.wire)
    }

    /// Of a name in uncompressed wire form that was checked.
    pub(crate) fn of_checked_wire(wire: &[u8]) -> NameKey {
        // Each label takes as many bytes as in the wire form, its end in place of its length, unless
        // something in it has to be escaped, which is rare.
        let length = wire.len().saturating_sub(1);
        let mut bytes = SmallVec::from_slice(wire.get(..length).unwrap_or_default());
        let mut is_plain = true;
        let (mut rest, mut end) = (wire, length);
        while let Some((label, tail)) = split_label(rest) {
            let start = end.saturating_sub(label.len() + 1);
            let Some((last, place)) = bytes.get_mut(start..end).and_then(<[u8]>::split_last_mut)
            else {
                break;
            };
            is_plain &= put_lower(place, label);
            *last = END;
            (rest, end) = (tail, start);
        }
        if is_plain { NameKey { bytes } } else { NameKey::escaped(wire) }
    }

    fn escaped(wire: &[u8]) -> NameKey {
        let mut labels = SmallVec::<[&[u8]; 16]>::new();
        let mut rest = wire;
        while let Some((label, tail)) = split_label(rest) {
            labels.push(label);
            rest = tail;
        }
        let mut bytes = SmallVec::new();
        for byte in labels.iter().rev().flat_map(|label| label.iter().map(Some).chain([None])) {
            match byte.map(u8::to_ascii_lowercase) {
                None => bytes.push(END),
                Some(special @ (END | ESCAPE)) => bytes.extend_from_slice(&[ESCAPE, special + 1]),
                Some(plain) => bytes.push(plain),
            }
        }
        NameKey { bytes }
    }

    /// The key that `bytes`, a piece of another key behind the end of a label, continues `above` to.
    pub fn below(above: &[u8], bytes: &[u8]) -> NameKey {
        let mut key = SmallVec::from_slice(above);
        key.extend_from_slice(bytes);
        NameKey { bytes: key }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Is it the root's?
    pub fn is_root(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Is this name `other` or below it?
    pub fn is_at_or_below(&self, other: &NameKey) -> bool {
        self.bytes.starts_with(&other.bytes)
    }

    /// Is this name properly below `other`?
    pub fn is_below(&self, other: &NameKey) -> bool {
        self.bytes.len() > other.bytes.len() && self.is_at_or_below(other)
    }

    /// Number of labels, the root label not counted.
    pub fn label_count(&self) -> usize {
        count_labels(&self.bytes)
    }

    /// The key of the closest name that both names are at or below.
    pub fn common_ancestor<'k>(&'k self, other: &NameKey) -> &'k [u8] {
        let equal = self.bytes.iter().zip(&other.bytes).take_while(|(a, b)| a == b).count();
        let labels = self.bytes.get(..equal).unwrap_or_default();
        let end = labels.iter().rposition(|byte| *byte == END).map_or(0, |at| at + 1);
        &labels[..end]
    }

    /// Length of the name in wire form: each label's end stands for its length byte, and an escape is
    /// two bytes for one.
    fn wire_length(&self) -> usize {
        let mut bytes = self.bytes.iter();
        let mut length = 1;
        while let Some(byte) = bytes.next() {
            if *byte == ESCAPE {
                bytes.next();
            }
            length += 1;
        }
        length
    }

    /// Is a byte of a label zero?
    pub fn has_zero_byte(&self) -> bool {
        // Escapes are that of zero and that of what begins escapes.
        let mut bytes = self.bytes.iter();
        std::iter::from_fn(|| bytes.find(|byte| **byte == ESCAPE).map(|_| bytes.next()))
            .any(|escaped| escaped == Some(&(END + 1)))
    }

    /// The keys of the name itself, its parent, … down to the root.
    pub fn ancestors(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = Some(&self.bytes[..]);
        std::iter::from_fn(move || {
            let this = rest?;
            rest = this.split_last().map(|(_, labels)| {
                let end = labels.iter().rposition(|byte| *byte == END).map_or(0, |at| at + 1);
                &labels[..end]
            });
            Some(this)
        })
    }

    /// The key of `*` below the name that has the key `above`; `None` if that is too long for a name.
    pub fn wildcard_below(above: &[u8]) -> Option<NameKey> {
        let key = NameKey::below(above, WILDCARD);
        let fits = key.bytes.len() < NAME_BYTES_MAX || key.wire_length() <= NAME_BYTES_MAX;
        fits.then_some(key)
    }
}

/// Copies a label in lower case; is there nothing in it that has to be escaped? Eight bytes at a time,
/// the last of them again: most labels are short, and loops over single bytes cost more than the rest.
#[inline]
fn put_lower(to: &mut [u8], from: &[u8]) -> bool {
    let mut is_plain = true;
    let mut word = |bytes: &[u8; 8]| {
        let word = u64::from_le_bytes(*bytes);
        is_plain &= !has_special(word);
        lower(word).to_le_bytes()
    };
    if let (Some(last_to), Some(last)) = (to.last_chunk_mut(), from.last_chunk()) {
        *last_to = word(last);
        for (to, from) in to.as_chunks_mut().0.iter_mut().zip(from.as_chunks().0) {
            *to = word(from);
        }
        return is_plain;
    }
    // Letters fill it up.
    let mut short = [b'a'; 8];
    for (short, from) in short.iter_mut().zip(from) {
        *short = *from;
    }
    let short = word(&short);
    for (to, short) in to.iter_mut().zip(short) {
        *to = short;
    }
    is_plain
}

/// One in each byte of a word.
const ONES: u64 = u64::MAX / 0xff;
/// The highest bit of each byte.
const HIGHEST: u64 = ONES << 7;

/// ASCII letters of a word in lower case. Sums of seven bits each do not run over into the next byte.
#[inline]
fn lower(word: u64) -> u64 {
    let low = word & !HIGHEST;
    let from_a = low + ONES * u64::from(0x80 - b'A');
    let past_z = low + ONES * u64::from(0x7f - b'Z');
    word | (from_a & !past_z & !word & HIGHEST) >> 2
}

/// Is a byte of a word [`END`] or [`ESCAPE`], which differ in the lowest bit?
#[inline]
fn has_special(word: u64) -> bool {
    let halves = word & !ONES;
    halves.wrapping_sub(ONES) & !halves & HIGHEST != 0
}

/// The first label of a name in wire form and what follows it; `None` at the root label.
fn split_label(wire: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = wire.split_first().filter(|(length, _)| **length != 0)?;
    rest.split_at_checked(usize::from(*length))
}

/// Number of labels in a key.
pub fn count_labels(key: &[u8]) -> usize {
    key.iter().filter(|byte| **byte == END).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Names of a few short labels, with bytes that have a meaning in keys.
    fn names() -> impl Strategy<Value = Name> {
        let byte = prop::sample::select(&b"\0\x01\x02aAb*"[..]);
        let label = prop::collection::vec(byte, 1..4);
        prop::collection::vec(label, 0..5).prop_map(|labels| {
            labels.iter().fold(Name::root(), |name, label| name.prepend(label).unwrap())
        })
    }

    proptest! {
        #[test]
        fn labels_of_any_length_are_keyed_alike(
            labels in prop::collection::vec(prop::collection::vec(1u8..255, 1..20), 0..6),
        ) {
            let name = labels.iter().fold(Name::root(), |name, label| name.prepend(label).unwrap());
            prop_assert_eq!(NameKey::of(&name), NameKey::escaped(&name.wire));
        }

        #[test]
        fn keys_say_what_names_say(a in names(), b in names()) {
            let (key, other) = (NameKey::of(&a), NameKey::of(&b));
            prop_assert_eq!(key.cmp(&other), a.cmp(&b));
            prop_assert_eq!(key == other, a == b);
            prop_assert_eq!(key.is_at_or_below(&other), a.is_at_or_below(&b));
            prop_assert_eq!(key.is_below(&other), a.is_below(&b));
            prop_assert_eq!(key.label_count(), a.label_count());
            prop_assert_eq!(key.wire_length(), a.len());
            prop_assert_eq!(key.has_zero_byte(), a.labels().any(|label| label.contains(&0)));
            let common = key.common_ancestor(&other);
            prop_assert_eq!(count_labels(common), a.common_labels(&b));
            prop_assert!(NameKey::of(&a.suffix(count_labels(common))).as_bytes() == common);
            let wildcard = a.wildcard_child().map(|name| NameKey::of(&name));
            prop_assert_eq!(NameKey::wildcard_below(key.as_bytes()), wildcard);
            prop_assert_eq!(Name::from_lookup_format(key.as_bytes()), Some(a.to_lowercase()));
            let ancestors: Vec<Vec<u8>> = key.ancestors().map(<[u8]>::to_vec).collect();
            let suffixes: Vec<Vec<u8>> = a
                .suffixes()
                .map(|wire| NameKey::of_checked_wire(wire).as_bytes().to_vec())
                .collect();
            prop_assert_eq!(ancestors, suffixes);
        }
    }

    #[test]
    fn labels_of_each_length_with_each_byte_anywhere() {
        for length in 1..=20 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut label = vec![b'Q'; length];
                    label[at] = byte;
                    let mut place = vec![0; length];
                    let is_plain = put_lower(&mut place, &label);
                    assert_eq!(place, label.to_ascii_lowercase(), "{length} {at} {byte}");
                    assert_eq!(is_plain, byte > ESCAPE, "{length} {at} {byte}");
                }
            }
        }
    }

    #[test]
    fn wildcards_of_names_that_are_nearly_too_long() {
        for length in 62..=63 {
            for special in [false, true] {
                let label = vec![if special { ESCAPE } else { b'a' }; length];
                let labels = [vec![b'b'; 63], vec![b'c'; 63], vec![b'd'; 60], label];
                let name = labels.iter().fold(Name::root(), |n, l| n.prepend(l).unwrap());
                let wildcard = name.wildcard_child().map(|name| NameKey::of(&name));
                assert_eq!(NameKey::wildcard_below(NameKey::of(&name).as_bytes()), wildcard);
                assert_eq!(wildcard.is_some(), length == 62, "{length} {special}");
            }
        }
    }
}
