//! Compressed names inside messages: skipping, copying, comparing, all in bounded work.
//!
//! A pointer must point before the labels that led to it, so a walk always moves towards the start
//! of the message and ends (RFC 1035 §4.1.4 says "prior occurrence").

use super::{LABEL_BYTES_MAX, NAME_BYTES_MAX, NameFault, POINTERS_MAX};

/// One step of a walk over a compressed name.
enum Step {
    Label { start: usize, length: usize },
    Root,
}

/// A walk over the labels of a compressed name.
struct Walk<'a> {
    message: &'a [u8],
    at: usize,
    /// Pointers must lead before this offset.
    before: usize,
    /// What follows the name, known once the first pointer or the root was met.
    end: Option<usize>,
    pointers: usize,
    /// Bytes of the uncompressed form so far.
    length: usize,
}

impl<'a> Walk<'a> {
    fn new(message: &'a [u8], at: usize) -> Walk<'a> {
        Walk { message, at, before: at, end: None, pointers: 0, length: 0 }
    }

    #[inline]
    fn step(&mut self) -> Result<Step, NameFault> {
        loop {
            let first = *self.message.get(self.at).ok_or(NameFault::Short)? as usize;
            if first <= LABEL_BYTES_MAX {
                self.length += 1 + first;
                if self.length > NAME_BYTES_MAX {
                    return Err(NameFault::LongName);
                }
                let start = self.at;
                self.at += 1 + first;
                if self.at > self.message.len() {
                    return Err(NameFault::Short);
                }
                if first == 0 {
                    self.end.get_or_insert(self.at);
                    return Ok(Step::Root);
                }
                return Ok(Step::Label { start, length: first });
            }
            if first & 0xc0 != 0xc0 {
                return Err(NameFault::LabelType);
            }
            let low = *self.message.get(self.at + 1).ok_or(NameFault::Short)? as usize;
            self.end.get_or_insert(self.at + 2);
            let target = (first & 0x3f) << 8 | low;
            if target >= self.before {
                return Err(NameFault::BadPointer);
            }
            self.pointers += 1;
            if self.pointers > POINTERS_MAX {
                return Err(NameFault::TooManyPointers);
            }
            (self.at, self.before) = (target, target);
        }
    }
}

/// Checks the name at `at` and returns the offset of what follows it.
#[inline]
pub fn skip_name(message: &[u8], at: usize) -> Result<usize, NameFault> {
    let mut walk = Walk::new(message, at);
    while let Step::Label { .. } = walk.step()? {}
    walk.end.ok_or(NameFault::Short)
}

/// Hands each label of the name at `at`, with its length byte, and the root label to `sink`.
/// Returns the offset of what follows the name.
pub fn copy_name(
    message: &[u8],
    at: usize,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<usize, NameFault> {
    let mut walk = Walk::new(message, at);
    while let Step::Label { start, length } = walk.step()? {
        sink(message.get(start..start + 1 + length).ok_or(NameFault::Short)?);
    }
    sink(&[0]);
    walk.end.ok_or(NameFault::Short)
}

/// Is the name at `at` of `message` the same as `name` (uncompressed wire), case ignored? A name
/// that does not parse equals nothing.
pub fn names_equal_in(message: &[u8], at: usize, name: &[u8]) -> bool {
    let mut walk = Walk::new(message, at);
    let mut rest = name;
    loop {
        let (start, length) = match walk.step() {
            Ok(Step::Label { start, length }) => (start, length),
            Ok(Step::Root) => return rest == [0],
            Err(_) => return false,
        };
        let Some((mine, tail)) = rest.split_at_checked(1 + length) else { return false };
        let theirs = message.get(start..start + 1 + length);
        if !theirs.is_some_and(|theirs| theirs.eq_ignore_ascii_case(mine)) {
            return false;
        }
        rest = tail;
    }
}

/// The end of the uncompressed name that starts at `start`; `None` if there is none.
pub fn uncompressed_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let length = *bytes.get(at)? as usize;
        at += 1 + length;
        if length > LABEL_BYTES_MAX || at - start > NAME_BYTES_MAX {
            return None;
        }
        if length == 0 {
            return Some(at);
        }
    }
}
