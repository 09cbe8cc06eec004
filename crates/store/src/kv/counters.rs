//! What a store has done and what went wrong, as plain numbers that only grow.

use std::cell::Cell;

/// Defines the struct and the table of its rows from one list, so that they cannot disagree.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// Operations since the store was opened. The first fourteen have the names and the
        /// meaning that `cache.stats()` documents; reads that found nothing are in both of a pair.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: Cell<u64>,)+
        }

        impl Counters {
            /// Every counter with its name.
            pub fn rows(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
                [$((stringify!($name).trim_start_matches("r#"), self.$name.get()),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Files opened, again after trouble included.
    open,
    /// Files closed.
    close,
    /// Times the amount stored was asked for.
    count,
    /// Times everything was removed.
    clear,
    /// Batches of writes that were committed.
    commit,
    /// Exact reads.
    read,
    /// Exact reads that found nothing.
    read_miss,
    /// Entries written.
    write,
    /// Removals.
    remove,
    /// Removals that found nothing.
    remove_miss,
    /// Scans by prefix.
    r#match,
    /// Scans by prefix that found nothing.
    match_miss,
    /// Searches for the greatest key not above another.
    read_leq,
    /// Such searches that found nothing.
    read_leq_miss,
    /// Entries whose tag did not match their bytes; each was a miss.
    tag_mismatch,
    /// Pages that were not what their place in the tree demands.
    damage,
    /// Reads and commits that failed for any other reason.
    fault,
    /// Commits that found no room at first.
    full,
    /// Times everything was dropped since nothing else made room.
    dropped_all,
    /// Commits put off since another process was writing.
    busy,
    /// Commits put off since a reader held the pages that they needed.
    pinned,
    /// Pending writes that were lost.
    lost,
    /// Files that were made anew in place of unusable ones.
    recreated,
    /// Reader slots of dead processes that were freed.
    stale_readers,
}

/// Adds one.
pub(super) fn bump(counter: &Cell<u64>) {
    add(counter, 1);
}

/// Adds `n`.
pub(super) fn add(counter: &Cell<u64>, n: u64) {
    counter.set(counter.get().wrapping_add(n));
}
