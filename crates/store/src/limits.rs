//! Every bound of the store, with its reason. A loop or a queue in this crate that grows with
//! its input is held by a constant from here.

/// Longest key. LMDB is built with 511, and a name of 255 octets with what a key adds to it
/// stays well below.
pub const KEY_BYTES_MAX: usize = 511;

/// Longest value: a DNS message of 65,535 octets (RFC 1035 §4.2.2) with room for what the cache
/// keeps beside it.
pub const VALUE_BYTES_MAX: usize = 65_535 + 4_096;

/// Writes that one turn collects before they are committed early. A cold answer makes about ten
/// of them and a batch of the event loop holds 32 messages.
pub const PENDING_ENTRIES_MAX: usize = 512;

/// Bytes that one turn collects before they are committed early: the memory that a worker gives
/// to writes that wait, and an upper bound of what one write transaction moves.
pub const PENDING_BYTES_MAX: usize = 512 * 1024;

/// Least size that may be asked for, in bytes, as upstream.
pub const STORE_BYTES_MIN: u64 = 8_192;

/// Greatest size that may be asked for, in bytes. A tebibyte is far above any cache in use and
/// far below what an address space of 47 bits can map.
pub const STORE_BYTES_MAX: u64 = 1 << 40;

/// Least size that is really used. A copy-on-write tree needs some dozens of pages before it can
/// replace one of its leaves.
pub const MAP_BYTES_MIN: u64 = 256 * 1024;

/// Processes that may read one store at the same time; each holds one slot of 64 bytes for the
/// length of a turn. Far more than a machine has cores.
pub const READERS_MAX: u32 = 512;

/// Looks at a mutex that seems to be held by nobody, before it is called damaged. Who holds it lets go
/// within a microsecond, unless the kernel has put it aside in between; each look gives way to others. On
/// an idle machine they take some tenths of a second.
pub const MUTEX_LOOKS_MAX: usize = 500_000;

/// Depth of the trees that are followed. With pages of 4 KiB and keys of 511 bytes a depth of 16
/// holds more than 10¹³ entries; a deeper one is damage.
pub const TREE_DEPTH_MAX: usize = 16;

/// Times that opening a directory is tried: once with what lies there, once after it was made
/// anew, once more when another process changed it in between.
pub const OPEN_TRIES_MAX: usize = 3;

/// Times that one commit is tried: as it is; after the map grew or the files were made anew; in
/// pieces; after some entries were removed; after everything stored was dropped. One more of each
/// trouble may come in between.
pub const COMMIT_TRIES_MAX: usize = 8;

/// Entries in one transaction when there are few free pages.
pub const COMMIT_PIECE_ENTRIES: usize = 16;

/// From how much of the store in use on, in percent, a lack of pages is blamed on its entries.
/// Trees that grow at random places are two thirds full, and lists of free pages are small.
pub const FULL_PERCENT: f64 = 75.0;

/// Calls of `maintain`, so about seconds, for which commits wait for a reader that pins pages.
/// A turn takes milliseconds; whoever is asleep in one for this long is stopped or broken.
pub const PINNED_MAINTENANCES_MAX: u32 = 10;

/// Messages for the operator that wait to be taken. The newest are dropped beyond that: they
/// repeat what the first ones said.
pub const NOTICES_MAX: usize = 16;

/// Commits that are put off without a try while a reader pins pages. A try in vain costs as
/// much as a commit, and `maintain` asks for one anyway.
pub const PINNED_SKIP_MAX: u32 = 1_023;

/// Numbers of free pages that are checked before each write, a nanosecond each. LMDB takes whole lists,
/// the oldest first, and of each the last numbers first; these are 256 MiB of free pages.
pub const FREE_PAGES_CHECKED_MAX: usize = 65_536;

/// Pages of the list of free pages that are checked before each write: both ends of a tree of three
/// levels. In practice there is one level.
pub const FREE_LIST_PAGES_CHECKED_MAX: usize = 64;

/// Pages that are checked before everything is removed, which LMDB does by following all of
/// them. It takes some 30 ms for this many; beyond that, new files are made instead.
pub const CLEAR_PAGES_MAX: u64 = 65_536;

/// Memory maps that can be guarded against truncation at once in one process: the data and the
/// lock file of each environment. A process has one environment; tests have many.
pub const GUARDED_MAPS_MAX: usize = 256;

/// Longest entry: what a set of 256 records with its signatures comes to at most in practice, and
/// a bound on what one name can take.
pub const ENTRY_BYTES_MAX: usize = 64 * 1024;

/// Longest life of what does not exist, in seconds: RFC 2308 §5 asks for one to three hours.
pub const NEGATIVE_TTL_MAX: u32 = 3 * 3600;

/// Sets kept beside an answer: a SOA, and eight NSEC3 with room for more (RFC 5155 §7.2).
pub const PROOFS_MAX: usize = 12;

/// For how long it is remembered that a zone has a chain of NSEC or NSEC3, in seconds. Longer than
/// any of its records lives, so that noting it is rare.
pub const CHAIN_TTL: u32 = 24 * 3600;

/// NSEC3 chains of one zone that are kept apart: the old one and the new one of a change of salt.
pub const NSEC3_CHAINS_MAX: usize = 2;

/// Longest salt of a chain that is kept, in bytes: it is part of every key. RFC 9276 §3.1 wants
/// none, and zones that have one use eight bytes.
pub const NSEC3_SALT_MAX: usize = 32;

/// Bytes of the store for which there is one counter of uses: about what the smallest entries take,
/// so most entries have one for themselves.
pub const BYTES_PER_USE_COUNTER: u64 = 128;

/// Fewest counters of uses, a power of two.
pub const USE_COUNTERS_MIN: u64 = 16_384;

/// Most counters of uses, a power of two: 16 MiB of memory, for caches of two gigabytes. In larger
/// ones entries share counters.
pub const USE_COUNTERS_MAX: u64 = 1 << 24;

/// Fill, in percent, from which on a worker removes entries itself. Higher than where collectors
/// begin, so a worker does so only when none runs or when it cannot follow.
pub const TRIM_FROM_PERCENT: f64 = 88.0;

/// Free bytes below which a worker does so as well: some turns' worth of pages.
pub const TRIM_FREE_BYTES: u64 = 256 * 1024;

/// The same for small stores: a quarter.
pub const TRIM_FREE_PART: u64 = 4;

/// Entries that are written between two looks at how full the store is.
pub const TRIM_CHECK_WRITES: u32 = 64;

/// Entries that a worker removes by itself in one turn: less than a turn may write.
pub const TRIM_REMOVALS_MAX: usize = 128;

/// Entries that it looks at for that. It halves their uses, so what nobody asks for is found soon.
pub const TRIM_LOOKS_MAX: usize = 1_024;

/// Neighbours that are looked at for one small transaction that makes room: what a few pages hold,
/// since removing needs free pages, too.
pub const ROOM_LOOKS_MAX: usize = 64;

/// Such transactions, at most, before a commit that found no room is tried again.
pub const ROOM_TRIES_MAX: usize = 128;

/// Entries that are removed for that: as many as a turn may write.
pub const ROOM_REMOVALS_MAX: u64 = PENDING_ENTRIES_MAX as u64;

/// Names above a question's that are looked for in a second store, too: a zone cut is seldom further up
/// than this, and every name is a key of the same command.
pub const FLEET_ANCESTORS_MAX: usize = 3;

/// Entries of one turn that wait to be told to other machines: more than a turn learns.
pub const FLEET_WRITES_MAX: usize = 1_024;

/// Entries that are listed of one name, its NSEC3 included, which are passed over: a large zone has
/// no end of those.
pub const LISTED_MAX: usize = 10_000;
