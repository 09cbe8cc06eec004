//! Domain names: uncompressed wire form, owned, short ones without allocation.
//!
//! Equality, hashing and order ignore the case of ASCII letters (RFC 1035 §2.3.3, RFC 4343); the
//! case itself is kept. Order is the canonical one of RFC 4034 §6.1. Text lives in
//! [`crate::name::text`], the store's key form in [`Name::lookup_format`].

use smallvec::SmallVec;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use crate::limits::{LABEL_BYTES_MAX, NAME_BYTES_MAX, POINTERS_MAX};

pub mod key;
#[cfg(test)]
mod tests;
mod text;
mod wire;

pub use key::NameKey;
pub(crate) use text::{escaped_byte, fmt_wire};
pub(crate) use wire::Checked;
pub use wire::{copy_name, names_equal_in, skip_name, uncompressed_end};

/// Bytes of a name that are kept inside the value. Ninety-nine of a hundred names in the wild are
/// shorter.
const INLINE_BYTES: usize = 40;

/// Offsets of labels; few names have more than are kept inside.
type Offsets = SmallVec<[u8; 16]>;

/// A fully qualified domain name.
pub struct Name {
    /// Labels with their length bytes, the root label last. Never empty.
    wire: SmallVec<[u8; INLINE_BYTES]>,
}

// What is derived copies byte by byte.
impl Clone for Name {
    fn clone(&self) -> Name {
        Name { wire: SmallVec::from_slice(&self.wire) }
    }
}

/// Why bytes or text are no name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameFault {
    #[error("bad escape in a name")]
    BadEscape,
    #[error("a compression pointer does not point backwards")]
    BadPointer,
    #[error("an empty label inside a name")]
    EmptyLabel,
    #[error("unknown label type")]
    LabelType,
    #[error("a label of more than 63 bytes")]
    LongLabel,
    #[error("a name of more than 255 bytes")]
    LongName,
    #[error("the name ends before its root label")]
    Short,
    #[error("too many compression pointers")]
    TooManyPointers,
}

impl Name {
    /// The root.
    pub fn root() -> Name {
        let mut wire = SmallVec::new();
        wire.push(0);
        Name { wire }
    }

    /// Takes a name in uncompressed wire form that must fill `bytes` exactly.
    pub fn from_wire(bytes: &[u8]) -> Result<Name, NameFault> {
        let mut at = 0;
        loop {
            let length = *bytes.get(at).ok_or(NameFault::Short)? as usize;
            if length > LABEL_BYTES_MAX {
                return Err(NameFault::LabelType);
            }
            at += 1 + length;
            if at > NAME_BYTES_MAX {
                return Err(NameFault::LongName);
            }
            if length == 0 {
                break;
            }
        }
        if at != bytes.len() {
            return Err(NameFault::EmptyLabel);
        }
        Ok(Name { wire: SmallVec::from_slice(bytes) })
    }

    /// Reads a possibly compressed name at `at` of a message. Returns the name and the offset of
    /// what follows it.
    pub fn parse(message: &[u8], at: usize) -> Result<(Name, usize), NameFault> {
        let mut wire = SmallVec::new();
        let end = copy_name(message, at, |run| wire.extend_from_slice(run))?;
        Ok((Name { wire }, end))
    }

    /// The uncompressed wire form.
    pub fn as_wire(&self) -> &[u8] {
        &self.wire
    }

    /// Length of the wire form in bytes.
    #[allow(clippy::len_without_is_empty, reason = "a name is never empty")]
    pub fn len(&self) -> usize {
        self.wire.len()
    }

    /// Is it the root?
    pub fn is_root(&self) -> bool {
        self.wire.len() == 1
    }

    /// The labels from the left, without the root label.
    pub fn labels(&self) -> Labels<'_> {
        Labels { rest: &self.wire }
    }

    /// Number of labels, the root label not counted (so the root has none), as in the Labels field
    /// of RRSIG but with wildcards counted.
    pub fn label_count(&self) -> usize {
        self.labels().count()
    }

    /// The name without its leftmost label; `None` for the root.
    pub fn parent(&self) -> Option<Name> {
        self.parent_wire().map(|wire| Name { wire: SmallVec::from_slice(wire) })
    }

    fn parent_wire(&self) -> Option<&[u8]> {
        let first = *self.wire.first()? as usize;
        if first == 0 { None } else { self.wire.get(first + 1..) }
    }

    /// The wire forms of the name itself, its parent, … down to the root.
    pub fn suffixes(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest: &[u8] = &self.wire;
        std::iter::from_fn(move || {
            let first = *rest.first()? as usize;
            let this = rest;
            rest = if first == 0 { &[] } else { rest.get(first + 1..).unwrap_or(&[]) };
            Some(this)
        })
    }

    /// The rightmost `count` labels (all of them if there are fewer).
    pub fn suffix(&self, count: usize) -> Name {
        let skip = self.label_count().saturating_sub(count);
        let wire = self.suffixes().nth(skip).unwrap_or(&[0]);
        Name { wire: SmallVec::from_slice(wire) }
    }

    /// Is this name `other` or below it?
    pub fn is_at_or_below(&self, other: &Name) -> bool {
        if other.is_root() {
            return true;
        }
        let Some(start) = self.len().checked_sub(other.len()) else { return false };
        self.wire[start..].eq_ignore_ascii_case(&other.wire) && self.is_label_start(start)
    }

    /// Is this name properly below `other`?
    pub fn is_below(&self, other: &Name) -> bool {
        self.len() > other.len() && self.is_at_or_below(other)
    }

    fn is_label_start(&self, offset: usize) -> bool {
        let mut at = 0;
        while at < offset {
            at += 1 + self.wire[at] as usize;
        }
        at == offset
    }

    /// Number of labels that the two names share, counted from the root.
    pub fn common_labels(&self, other: &Name) -> usize {
        let (mine, theirs) = (self.label_offsets(), other.label_offsets());
        let (m, t) = (mine.len(), theirs.len());
        (1..=m.min(t))
            .take_while(|i| {
                self.label_at(mine[m - i]).eq_ignore_ascii_case(other.label_at(theirs[t - i]))
            })
            .count()
    }

    /// The offset of each label.
    fn label_offsets(&self) -> Offsets {
        let mut offsets = Offsets::new();
        let mut at = 0;
        while self.wire[at] != 0 {
            offsets.push(at as u8);
            at += 1 + self.wire[at] as usize;
        }
        offsets
    }

    fn label_at(&self, offset: u8) -> &[u8] {
        let at = offset as usize;
        &self.wire[at + 1..at + 1 + self.wire[at] as usize]
    }

    /// `label` put in front of this name. Fails if the result would be too long.
    pub fn prepend(&self, label: &[u8]) -> Result<Name, NameFault> {
        if label.is_empty() {
            return Err(NameFault::EmptyLabel);
        }
        if label.len() > LABEL_BYTES_MAX {
            return Err(NameFault::LongLabel);
        }
        if label.len() + 1 + self.len() > NAME_BYTES_MAX {
            return Err(NameFault::LongName);
        }
        let mut wire = SmallVec::with_capacity(label.len() + 1 + self.len());
        wire.push(label.len() as u8);
        wire.extend_from_slice(label);
        wire.extend_from_slice(&self.wire);
        Ok(Name { wire })
    }

    /// `*.` in front of this name; `None` if that is too long.
    pub fn wildcard_child(&self) -> Option<Name> {
        self.prepend(b"*").ok()
    }

    /// Is the leftmost label an asterisk (RFC 4592 §2.1.1)?
    pub fn is_wildcard(&self) -> bool {
        self.wire.starts_with(b"\x01*")
    }

    /// Replaces the suffix `from` by `to` (DNAME, RFC 6672 §2.2). `Ok(None)` if the name is not
    /// below `from`; an error if the result is too long (then the answer is YXDOMAIN).
    pub fn substitute(&self, from: &Name, to: &Name) -> Result<Option<Name>, NameFault> {
        if !self.is_below(from) {
            return Ok(None);
        }
        let prefix = &self.wire[..self.len() - from.len()];
        if prefix.len() + to.len() > NAME_BYTES_MAX {
            return Err(NameFault::LongName);
        }
        let mut wire = SmallVec::from_slice(prefix);
        wire.extend_from_slice(&to.wire);
        Ok(Some(Name { wire }))
    }

    /// The same name in lower case.
    pub fn to_lowercase(&self) -> Name {
        let mut lower = self.clone();
        lower.make_lowercase();
        lower
    }

    /// Folds the name to lower case. Length bytes are below 64, so they are never letters.
    pub fn make_lowercase(&mut self) {
        self.wire.make_ascii_lowercase();
    }

    /// Same bytes, case included? (0x20 checks want this, nothing else.)
    pub fn eq_exact(&self, other: &Name) -> bool {
        self.wire == other.wire
    }

    /// Gives each letter the case that `upper` says for its turn (0x20, draft-vixie-dnsext-dns0x20).
    pub fn with_case(&self, mut upper: impl FnMut() -> bool) -> Name {
        let mut out = self.to_lowercase();
        for byte in &mut out.wire {
            if byte.is_ascii_lowercase() && upper() {
                byte.make_ascii_uppercase();
            }
        }
        out
    }

    /// The key form: lower-case labels from the root leftwards, each ended by a zero byte. Bytes 0
    /// and 1 inside labels are escaped, so byte order of keys is canonical order (RFC 4034 §6.1)
    /// and all names below one share its key as a prefix.
    pub fn lookup_format(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(NameKey::of(self).as_bytes());
    }

    /// Bytes that [`Name::lookup_format`] appends.
    pub fn lookup_length(&self) -> usize {
        let escaped = |label: &[u8]| label.iter().filter(|byte| **byte < 2).count();
        self.labels().map(|label| label.len() + 1 + escaped(label)).sum()
    }

    /// The inverse of [`Name::lookup_format`]; `None` if the bytes are no such key.
    pub fn from_lookup_format(key: &[u8]) -> Option<Name> {
        let mut wire = SmallVec::new();
        let mut end = key.len();
        while end > 0 {
            let label = key[..end].strip_suffix(&[0])?;
            let start = label.iter().rposition(|byte| *byte == 0).map_or(0, |at| at + 1);
            let length_at = wire.len();
            wire.push(0);
            let mut bytes = label[start..].iter();
            while let Some(byte) = bytes.next() {
                wire.push(match *byte {
                    1 => match bytes.next()? {
                        1 => 0,
                        2 => 1,
                        _ => return None,
                    },
                    plain => plain,
                });
            }
            let length = wire.len() - length_at - 1;
            if length == 0 || length > LABEL_BYTES_MAX {
                return None;
            }
            wire[length_at] = length as u8;
            end = start;
        }
        wire.push(0);
        (wire.len() <= NAME_BYTES_MAX).then_some(Name { wire })
    }
}

/// Iterator over the labels of a name.
#[derive(Clone)]
pub struct Labels<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (first, rest) = self.rest.split_first()?;
        if *first == 0 {
            return None;
        }
        let (label, rest) = rest.split_at_checked(*first as usize)?;
        self.rest = rest;
        Some(label)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.wire.eq_ignore_ascii_case(&other.wire)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut folded = [0u8; 64];
        for chunk in self.wire.chunks(folded.len()) {
            let folded = &mut folded[..chunk.len()];
            folded.copy_from_slice(chunk);
            folded.make_ascii_lowercase();
            state.write(folded);
        }
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    /// Canonical order (RFC 4034 §6.1).
    fn cmp(&self, other: &Name) -> Ordering {
        let (mine, theirs) = (self.label_offsets(), other.label_offsets());
        let (m, t) = (mine.len(), theirs.len());
        for i in 1..=m.min(t) {
            let a = self.label_at(mine[m - i]).iter().map(u8::to_ascii_lowercase);
            let b = other.label_at(theirs[t - i]).iter().map(u8::to_ascii_lowercase);
            match a.cmp(b) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
        }
        m.cmp(&t)
    }
}

const _: () = assert!(POINTERS_MAX < NAME_BYTES_MAX);
