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

/// Depth of the trees that are followed. With pages of 4 KiB and keys of 511 bytes a depth of 16
/// holds more than 10¹³ entries; a deeper one is damage.
pub const TREE_DEPTH_MAX: usize = 16;

/// Times that opening a directory is tried: once with what lies there, once after it was made
/// anew, once more when another process changed it in between.
pub const OPEN_TRIES_MAX: usize = 3;

/// Times that one commit is tried: as it is; after the map grew or the files were made anew; in
/// pieces; after everything stored was dropped. One more of each trouble may come in between.
pub const COMMIT_TRIES_MAX: usize = 6;

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

/// Numbers of free pages that are checked before each write. A transaction takes some dozens of
/// pages, from the oldest lists first.
pub const FREE_PAGES_CHECKED_MAX: usize = 4_096;

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
