//! Compressed names inside messages: skipping, copying, comparing, all in bounded work.
//!
//! A name is walked in runs: the labels up to a pointer or the root, which lie one behind the other.
//! A pointer must point before the run that led to it, and what it points at must end there too,
//! so a walk always moves towards the start of the message and ends (RFC 1035 §4.1.4 says "prior
//! occurrence").

use super::{LABEL_BYTES_MAX, NAME_BYTES_MAX, NameFault, POINTERS_MAX};

/// A walk over the runs of a compressed name.
struct Walk<'a> {
    /// What the next run may lie in: behind a pointer, only what stands before its run.
    message: &'a [u8],
    /// Where the next run starts; pointers of that run must lead before it.
    at: usize,
    /// Bytes of the uncompressed form so far.
    length: usize,
    pointers: usize,
    /// What follows the name, once the first run has been walked.
    end: usize,
    done: bool,
}

impl<'a> Walk<'a> {
    #[inline]
    fn new(message: &'a [u8], at: usize) -> Walk<'a> {
        Walk { message, at, length: 0, pointers: 0, end: 0, done: false }
    }

    /// The next run: labels with their length bytes, and the root label if it is the last. A run
    /// in front of a pointer may be empty.
    #[inline]
    fn run(&mut self) -> Result<&'a [u8], NameFault> {
        let start = self.at;
        let mut at = start;
        let first = loop {
            let first = *self.message.get(at).ok_or_else(|| self.cut_off())?;
            if first == 0 || first as usize > LABEL_BYTES_MAX {
                break first;
            }
            at += 1 + first as usize;
            // The root label is still to come.
            if self.length + (at - start) >= NAME_BYTES_MAX {
                return Err(NameFault::LongName);
            }
        };
        let run_end = if first == 0 { at + 1 } else { at };
        let run = self.message.get(start..run_end).ok_or_else(|| self.cut_off())?;
        self.length += run.len();
        let follows = if first == 0 { at + 1 } else { at + 2 };
        if self.pointers == 0 {
            self.end = follows;
        }
        if first == 0 {
            self.done = true;
            return Ok(run);
        }
        if first & 0xc0 != 0xc0 {
            return Err(NameFault::LabelType);
        }
        let low = *self.message.get(at + 1).ok_or_else(|| self.cut_off())?;
        let target = usize::from(u16::from_be_bytes([first & 0x3f, low]));
        if target >= start {
            return Err(NameFault::BadPointer);
        }
        self.pointers += 1;
        if self.pointers > POINTERS_MAX {
            return Err(NameFault::TooManyPointers);
        }
        self.at = target;
        self.message = &self.message[..start];
        Ok(run)
    }

    fn cut_off(&self) -> NameFault {
        if self.pointers == 0 { NameFault::Short } else { NameFault::BadPointer }
    }
}

/// Checks the name at `at` and returns the offset of what follows it.
#[inline]
pub fn skip_name(message: &[u8], at: usize) -> Result<usize, NameFault> {
    let mut walk = Walk::new(message, at);
    while !walk.done {
        walk.run()?;
    }
    Ok(walk.end)
}

/// Hands the uncompressed form of the name at `at` to `sink`, piece by piece, the root label at the
/// end. Returns the offset of what follows the name.
#[inline]
pub fn copy_name(
    message: &[u8],
    at: usize,
    mut sink: impl FnMut(&[u8]),
) -> Result<usize, NameFault> {
    let mut walk = Walk::new(message, at);
    while !walk.done {
        sink(walk.run()?);
    }
    Ok(walk.end)
}

/// Is the name at `at` of `message` the same as `name` (uncompressed wire), case ignored? A name
/// that does not parse equals nothing.
#[inline]
pub fn names_equal_in(message: &[u8], at: usize, name: &[u8]) -> bool {
    let mut walk = Walk::new(message, at);
    let mut rest = name;
    // Length bytes are no letters, so runs that are equal but for case have the same labels.
    while !walk.done {
        let Ok(run) = walk.run() else { return false };
        let Some((mine, tail)) = rest.split_at_checked(run.len()) else { return false };
        if run != mine && !run.eq_ignore_ascii_case(mine) {
            return false;
        }
        rest = tail;
    }
    rest.is_empty()
}

/// Names of one message that were found well formed, so that those which end in the same are not
/// walked again: most owners of a message are pointers to a few places. Names must be checked in
/// the order of the message; what was well formed from one place is so from all that follow.
#[derive(Default)]
pub(crate) struct Checked {
    /// By the low bits of the offset: the offset, its name's length and pointers. Offset zero is
    /// free, there is the header.
    slots: [(u16, u8, u8); CHECKED_SLOTS],
}

/// Slots of [`Checked`]. A referral has some eight different owners.
const CHECKED_SLOTS: usize = 16;

impl Checked {
    /// [`skip_name`] that remembers.
    #[inline]
    pub(crate) fn skip_name(&mut self, message: &[u8], at: usize) -> Result<usize, NameFault> {
        // Most owners are a pointer to what is known and nothing else.
        if let Some([high @ 0xc0..=0xff, low]) = message.get(at..).and_then(<[u8]>::first_chunk) {
            let target = u16::from_be_bytes([high & 0x3f, *low]);
            let (known, _, pointers) = self.slots[usize::from(target) % CHECKED_SLOTS];
            let below_limit = usize::from(pointers) < POINTERS_MAX;
            if known == target && known != 0 && usize::from(target) < at && below_limit {
                return Ok(at + 2);
            }
        }
        let mut walk = Walk::new(message, at);
        walk.run()?;
        if walk.done {
            return Ok(walk.end);
        }
        let (target, before) = (walk.at, walk.length);
        let slot = target % CHECKED_SLOTS;
        let (known, length, pointers) = self.slots[slot];
        if usize::from(known) == target && known != 0 {
            if before + usize::from(length) > NAME_BYTES_MAX {
                return Err(NameFault::LongName);
            }
            if usize::from(pointers) + 1 > POINTERS_MAX {
                return Err(NameFault::TooManyPointers);
            }
            return Ok(walk.end);
        }
        while !walk.done {
            walk.run()?;
        }
        // Fourteen bits of offset, and both numbers are bounded by 255.
        self.slots[slot] = (target as u16, (walk.length - before) as u8, walk.pointers as u8 - 1);
        Ok(walk.end)
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
