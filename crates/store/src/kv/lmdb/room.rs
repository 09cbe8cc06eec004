//! Where LMDB puts a page that it splits: into memory from the C library, whose end it knows only from
//! the number of nodes in the page. When somebody spoils that number in the very microsecond, LMDB goes
//! on writing behind it, and whatever lies there breaks later. So what lies there is a fence.
//!
//! LMDB takes such memory when it first splits a page, and keeps it as long as an environment is open. The
//! first splits therefore happen here, in a transaction that comes to nothing, just after pieces of the
//! right size, each with a fence behind it, were given back to the C library, which gives what was given
//! back last to whoever asks for that size. Whether LMDB has got one is seen by what it has written there.
//!
//! The writers of a process are on one thread; another that split pages meanwhile could take a piece too.
//! Where the C library does otherwise there are no fences, and all else is as it would be.

use std::cell::Cell;
use std::hint::black_box;
use std::ptr::{self, NonNull};

use super::fault::page_bytes;

/// Splits that can be under way within each other: of a leaf and of the branches above it. More levels
/// are split at once only in a tree of many millions of entries, once in as many splits.
const NESTED_SPLITS: usize = 3;

/// Pieces that are offered: more than are taken, since other wishes of LMDB may be met from them.
const PIECES: usize = 8;

/// Tries to get two pieces that lie one behind the other.
const TRIES_MAX: usize = 64;

/// Bytes between two such pieces, in which the C library keeps how long they are.
const BETWEEN: usize = 2 * size_of::<usize>();

/// What is in a piece before it is offered.
const UNTOUCHED: u8 = 0xA5;

/// What LMDB's temporary copies are marked as: a leaf or a branch.
const KINDS: [u16; 2] = [0x12, 0x11];

/// Fences behind the memory that LMDB splits pages in.
#[derive(Debug)]
pub(super) struct Rooms {
    rooms: Vec<Room>,
}

/// A piece as long as a page, and one behind it that is ours.
#[derive(Debug)]
struct Room {
    page: NonNull<u8>,
    behind: NonNull<u8>,
    /// What the C library keeps between them, while the first one is in use.
    between: Vec<u8>,
    fence: usize,
    state: Cell<State>,
}

/// Who has a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ours,
    /// It was given back to the C library.
    Offered,
    /// LMDB has it, until it closes the environment.
    Taken,
}

impl Rooms {
    /// Pieces with fences behind them, and the same number of bytes in other places that are not to be
    /// taken for them: those are given back when this value goes.
    pub(super) fn build() -> (Rooms, Refused) {
        let (mut rooms, mut refused) = (Vec::new(), Refused(Vec::new()));
        for _ in 0..TRIES_MAX {
            if rooms.len() == PIECES {
                break;
            }
            let (Some(page), Some(behind)) = (take(page_bytes()), take(2 * page_bytes())) else {
                break;
            };
            match Room::of(page, behind) {
                Some(room) => rooms.push(room),
                None => refused.0.extend([page, behind]),
            }
        }
        (Rooms { rooms }, refused)
    }

    /// Gives the pieces back to the C library.
    pub(super) fn offer(&self) {
        for room in &self.rooms {
            room.offer();
        }
    }

    /// Whether LMDB has as many of them as it may need at once.
    pub(super) fn are_taken(&self) -> bool {
        self.rooms.iter().filter(|room| room.is_taken()).count() >= NESTED_SPLITS
    }

    /// Keeps the fences behind those that LMDB has taken. To be asked while nobody splits.
    pub(super) fn keep_taken(&mut self) {
        self.rooms.retain(|room| {
            let taken = room.is_taken();
            if taken {
                room.state.set(State::Taken);
            }
            taken
        });
    }

    /// Lets everything be as it is: nobody knows who has what.
    pub(super) fn leave(self) {
        std::mem::forget(self);
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.rooms.len()
    }

    /// Where they end, as LMDB believes it.
    #[cfg(test)]
    pub(super) fn ends(&self) -> Vec<NonNull<u8>> {
        // SAFETY: what lies behind them is part of the same memory of the C library.
        self.rooms.iter().map(|room| unsafe { room.page.add(page_bytes()) }).collect()
    }
}

impl Room {
    fn of(page: NonNull<u8>, behind: NonNull<u8>) -> Option<Room> {
        let end = page.addr().get() + page_bytes();
        let between = behind.addr().get().checked_sub(end).filter(|gap| *gap == BETWEEN)?;
        let fence = behind.addr().get().next_multiple_of(page_bytes());
        protect(fence, libc::PROT_NONE)?;
        // SAFETY: the page is ours; behind it, up to the next piece, which is ours as well, is what the
        // C library keeps of that piece. Nobody else uses these bytes now.
        let between = unsafe {
            page.write_bytes(UNTOUCHED, page_bytes());
            std::slice::from_raw_parts(page.add(page_bytes()).as_ptr(), between).to_vec()
        };
        Some(Room { page, behind, between, fence, state: Cell::new(State::Ours) })
    }

    fn offer(&self) {
        self.state.set(State::Offered);
        give_back(self.page);
    }

    /// Is there one of LMDB's temporary copies of a page in it?
    fn is_taken(&self) -> bool {
        let end = page_bytes();
        let word = |at: usize| {
            // SAFETY: the piece is mapped, whoever has it: what lies behind it is not given back. Nobody
            // writes there at this time, since this thread is the one that does.
            unsafe { self.page.add(at).cast::<u16>().read_volatile() }
        };
        let (kind, lower, upper) = (word(10), usize::from(word(12)), usize::from(word(14)));
        let untouched = u16::from_ne_bytes([UNTOUCHED; 2]);
        self.state.get() == State::Offered
            && KINDS.contains(&kind)
            && (16..=upper).contains(&lower)
            && upper <= end
            && (1..=4).any(|words| word(end - 2 * words) != untouched)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.state.get() == State::Taken {
            // SAFETY: LMDB still has the page, so these bytes are as they were, or were written over.
            unsafe {
                let behind = self.page.add(page_bytes());
                behind.copy_from_nonoverlapping(
                    NonNull::from(&self.between[..]).cast(),
                    self.between.len(),
                );
            }
        }
        if protect(self.fence, libc::PROT_READ | libc::PROT_WRITE).is_none() {
            // It stays as it is: nobody can use it.
            return;
        }
        give_back(self.behind);
        if self.state.get() == State::Ours {
            give_back(self.page);
        }
    }
}

/// Pieces that do not lie one behind the other.
#[derive(Debug)]
pub(super) struct Refused(Vec<NonNull<u8>>);

impl Drop for Refused {
    fn drop(&mut self) {
        self.0.drain(..).for_each(give_back);
    }
}

/// Memory from where LMDB has it. The compiler is not to know that, since it would believe that nobody
/// looks behind its end, and nobody at what was written just before it is given back.
fn take(bytes: usize) -> Option<NonNull<u8>> {
    // SAFETY: any length may be asked for.
    let piece = black_box(unsafe { libc::malloc(bytes) });
    NonNull::new(ptr::with_exposed_provenance_mut(piece.expose_provenance()))
}

fn give_back(piece: NonNull<u8>) {
    // SAFETY: it came from `take`, and every owner gives it back once.
    unsafe { libc::free(black_box(piece.as_ptr()).cast()) };
}

/// Changes what may be done with a page of memory.
fn protect(address: usize, how: libc::c_int) -> Option<()> {
    // SAFETY: the page lies within a piece of ours that nothing points into.
    let done =
        unsafe { libc::mprotect(ptr::with_exposed_provenance_mut(address), page_bytes(), how) };
    (done == 0).then_some(())
}
