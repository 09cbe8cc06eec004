//! Every bound of this crate, in one place, with its reason.

/// Longest name on the wire, root label included, in bytes (RFC 1035 §3.1).
pub const NAME_BYTES_MAX: usize = 255;
/// Longest label, in bytes (RFC 1035 §2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;
/// Most labels that fit into a name, root excluded: 127 labels of one byte and the root.
pub const LABELS_MAX: usize = 127;
/// Most compression pointers followed for one name. A name has at most 127 labels, so a sender
/// needs no more; with "backwards only" this bounds each name to constant work.
pub const POINTERS_MAX: usize = 127;
/// Most records a message view indexes. 64 KiB hold at most 5957 records of the least size (11
/// bytes); what claims more is malformed.
pub const RECORDS_MAX: usize = 5957;
/// Most places the composer remembers for compression. Beyond, names are only compressed to
/// what is known already: a message of 1600 names must not cost quadratic time.
pub const COMPRESSION_TARGETS_MAX: usize = 256;
/// Most EDNS options looked at in one OPT record. Sixty kilobytes of empty options must cost no
/// more than a normal query (CVE-2026-41292).
pub const EDNS_OPTIONS_MAX: usize = 32;
/// Longest rdata, in bytes: its length has 16 bits (RFC 1035 §3.2.1).
pub const RDATA_BYTES_MAX: usize = 65_535;
/// Longest message over any transport, in bytes: the TCP length prefix has 16 bits (RFC 1035 §4.2.2).
pub const MESSAGE_BYTES_MAX: usize = 65_535;

/// Keys tried for one key tag and algorithm: honest zones have one, two while a tag collides
/// (CVE-2023-50387).
pub const KEYS_PER_TAG_MAX: usize = 2;
/// Signatures looked at for one RRset. A double-signature roll with two algorithms has four.
pub const SIGNATURES_MAX: usize = 8;
/// DS records looked at for one delegation.
pub const DS_MAX: usize = 8;
/// DS digests that may be computed in vain for one delegation.
pub const DIGEST_MISMATCHES_MAX: usize = 4;
/// Good signatures that are remembered, in 32 kilobytes: those of the SOA and of the proofs that all
/// denials of a zone share, for the zones that are asked for much.
pub const GOOD_SIGNATURES_MAX: usize = 2_048;
/// NSEC or NSEC3 records looked at for one proof; the largest honest proof needs three.
pub const DENIALS_MAX: usize = 8;
/// NSEC3 iterations above which a zone counts as unsigned (RFC 9276 §3.2).
pub const NSEC3_ITERATIONS_MAX: u16 = 50;
/// Longest entry of a zone file that is kept while its end has not come, in bytes: the longest
/// rdata with each byte as `\DDD`, and room for names and blanks. Beyond, a parenthesis was not
/// closed.
pub const ZONE_ENTRY_BYTES_MAX: usize = 4 * RDATA_BYTES_MAX + 65_536;
/// How deep zone files may include each other; people use two or three levels, a file that
/// includes itself goes on for ever.
pub const ZONE_INCLUDE_DEPTH_MAX: usize = 8;
/// How many files one zone may include in all, since a few levels of many includes each multiply.
pub const ZONE_INCLUDES_MAX: usize = 1000;
/// How many records `$GENERATE` may make for one zone: sixteen IPv4 networks of 65,536 addresses.
/// A short line must not fill the memory.
pub const GENERATED_RECORDS_MAX: usize = 1 << 20;
/// Widest number that `$GENERATE` writes: a name is no longer.
pub const GENERATE_WIDTH_MAX: usize = NAME_BYTES_MAX;
