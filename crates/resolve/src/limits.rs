//! Every bound of this crate, in one place, with its reason. Counters that a bound holds are never
//! reset while a request lives: an attack that restarts a part of the work must not restart the
//! count (CVE-2026-50045).

use std::time::Duration;

use dns::dnssec::Budget;

/// Messages sent upstream for one request, sub-queries and repetitions included. Composed
/// amplification (CAMP, USENIX Security 2024) ends here at the latest.
pub const MESSAGES_MAX: u16 = 100;
/// Bytes received from upstream for one request (CVE-2026-24027: many large replies).
pub const RECEIVED_BYTES_MAX: usize = 256 * 1024;
/// Wall time of one request. Clients give up after five to ten seconds; an answer that nobody
/// waits for is not worth a slot.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(8);
/// Steps of the driver for one request. Each step either sends, receives, or moves the plan
/// forward, so honest requests take a few dozen; more is a layer going in circles.
pub const STEPS_MAX: u16 = 600;
/// Queries that one request may put on its plan altogether.
pub const QUERIES_MAX: u16 = 64;
/// Depth of queries that wait for one another (name server addresses of name server addresses,
/// CVE-2014-8500).
pub const DEPTH_MAX: u8 = 8;
/// Referrals followed for one query. Real delegations are five deep; a name where every label is a
/// delegation must not cost a hundred messages.
pub const REFERRALS_MAX: u8 = 30;
/// Links of a chain of CNAME and DNAME (RFC 1034 §3.6.2; peers allow 11 or 12).
pub const ALIASES_MAX: u8 = 12;

/// Name servers considered per delegation, a random sample of those there are (NRDelegation,
/// CVE-2022-3204). Thirteen as the root has.
pub const SERVERS_MAX: usize = 13;
/// Addresses considered per delegation, each counted once however many servers claim it
/// (CVE-2026-3592).
pub const ADDRESSES_MAX: usize = 26;
/// Addresses considered per name server.
pub const ADDRESSES_PER_SERVER_MAX: usize = 4;
/// Name server names whose addresses are looked up for one request without one of them leading to
/// a reply (NXNSAttack, CVE-2020-12667).
pub const ADDRESS_LOOKUPS_BARREN_MAX: u8 = 5;
/// Name server names whose addresses are looked up for one request altogether.
pub const ADDRESS_LOOKUPS_MAX: u8 = 12;

/// Steps of QNAME minimisation for one query (RFC 9156 §2.3, MAX_MINIMISE_COUNT).
pub const MINIMISE_STEPS_MAX: u8 = 10;
/// The first steps add one label each (RFC 9156 §2.3, MINIMISE_ONE_LAB).
pub const MINIMISE_SINGLE_MAX: u8 = 4;

/// Messages sent for one question to the servers of one zone.
pub const SENDS_PER_ROUND_MAX: u8 = 12;
/// Messages that are waited for at the same time for one question: a slow server may still answer
/// while the next one is tried.
pub const SENDS_OPEN_MAX: usize = 4;
/// UDP messages to one address for one question; after that TCP shows whether the loss is on the
/// path or the server is gone.
pub const UDP_PER_ADDRESS_MAX: u8 = 2;
/// TCP messages to one address for one question (RFC 9520 §3.1 asks for a bound; `TC=1` followed
/// by a closed connection must not loop).
pub const TCP_PER_ADDRESS_MAX: u8 = 1;
/// Replies of one round that were of no use (SERVFAIL, REFUSED, lame, …) until the zone counts as
/// broken.
pub const USELESS_REPLIES_MAX: u8 = 8;
/// Time for one question to the servers of one zone. A zone whose servers are all dead must not
/// keep a client longer than six seconds.
pub const ROUND_TIME_MAX: Duration = Duration::from_millis(5_000);
/// Time for a stream to an upstream to connect.
pub const CONNECT_TIME_MAX: Duration = Duration::from_millis(1_000);
/// Time for a reply over a stream, connecting included. A server that accepts and never answers
/// must be left within two seconds.
pub const STREAM_TIME_MAX: Duration = Duration::from_millis(1_500);
/// First retransmission to a server that nothing is known of.
pub const TIMEOUT_UNKNOWN: Duration = Duration::from_millis(400);
/// Least retransmission time-out: a busy server on the same machine may need some ten
/// milliseconds, and scripted ones more.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// Greatest retransmission time-out.
pub const TIMEOUT_MAX: Duration = Duration::from_millis(1_500);
/// Servers that were asked and are late may still answer: as long as nobody else is left to ask, a
/// client's question waits for them until this long after its first message. A zone whose only
/// server is dead must not keep a client longer than four seconds.
pub const LATE_TIME_MAX: Duration = Duration::from_millis(3_500);
/// No socket was to be had: a question that has none under way tries again after this, unless one
/// comes free before.
pub const SOCKET_RETRY: Duration = Duration::from_millis(500);
/// So long after that no question uses a second socket while its first one is open.
pub const SOCKETS_SCARCE: Duration = Duration::from_secs(1);
/// Datagrams that did not match before the exchange is given up: a flood of forgeries must not
/// keep the processor busy.
pub const NEAR_MISSES_MAX: u16 = 256;

/// Records taken from one RRset; larger sets are refused (CVE-2024-1737).
pub const RRSET_RECORDS_MAX: usize = 256;
/// Sets looked at in one section of a reply. The largest honest sections hold some dozen.
pub const SECTION_SETS_MAX: usize = 128;

/// Signatures checked for one message. The largest honest one is a denial by NSEC3 behind two
/// aliases: seven (CVE-2023-50387).
pub const MESSAGE_CRYPTO_OPERATIONS_MAX: u32 = 16;
/// Work of the signatures checked for one message, in verifications of P-256: seven of Ed448 come to
/// 42.
pub const MESSAGE_CRYPTO_WORK_MAX: u32 = 48;
/// Signatures of one message that may fail. Honest zones have none, or one per set while a key
/// rolls badly.
pub const MESSAGE_CRYPTO_FAILURES_MAX: u32 = 4;
/// Work of those: one failure with the dearest key there is, RSA with a long exponent (11), or two
/// of Ed448, or three of P-384. An attack must not cost more than eight good answers, each of which
/// takes the time of two or three verifications.
pub const MESSAGE_CRYPTO_FAILED_WORK_MAX: u32 = 12;
/// SHA-1 blocks hashed for one message (CVE-2023-50868).
pub const MESSAGE_HASH_BLOCKS_MAX: u32 = 256;
/// Signatures checked for one request: a cold name behind two aliases, four zones deep each, needs
/// some forty.
pub const REQUEST_CRYPTO_OPERATIONS_MAX: u32 = 64;
/// Work of the signatures checked for one request: some four milliseconds. Who needs more finds what
/// was checked so far in the store the next time.
pub const REQUEST_CRYPTO_WORK_MAX: u32 = 96;
/// Signatures of one request that may fail: two bad messages and the good ones after them.
pub const REQUEST_CRYPTO_FAILURES_MAX: u32 = 8;
/// Work of those: what one message may cost, and one cheap failure more.
pub const REQUEST_CRYPTO_FAILED_WORK_MAX: u32 = 13;
/// SHA-1 blocks hashed for one request.
pub const REQUEST_HASH_BLOCKS_MAX: u32 = 600;
/// SHA-1 blocks hashed for one look at a chain of NSEC3 that is kept: three names with fifty
/// iterations, or a name of any depth in a zone that follows RFC 9276 §3.1.
pub const SYNTHESIS_HASH_BLOCKS_MAX: u32 = 160;
/// Ranges of names between records of one zone's chain that are kept in the form that denies names: some
/// 200 octets each.
pub const DENIED_RANGES_MAX: usize = 2_048;
/// Denials by what the store says, without a write between them, after which ranges are kept: where
/// somebody writes all the time, keeping them is in vain.
pub const DENIALS_BEFORE_RANGES: u32 = 32;
/// Bogus replies for one request before nobody else is asked: a forger must not make a request
/// visit every server of every zone.
pub const BOGUS_REPLIES_MAX: u8 = 8;
/// Labels between a signed zone and an unsigned name at which an unsigned zone is looked for.
pub const UNSEEN_CUTS_MAX: usize = 8;

/// Zones whose trust is kept in memory: the busy ones of a large resolver. With two keys of two
/// kilobytes each that is some four megabytes.
pub const KNOWN_ZONES_MAX: usize = 2_048;
/// For how long what the store says about a zone is believed without asking it again, in seconds:
/// what other processes learnt or removed should show soon.
pub const KNOWN_SECONDS_MAX: u64 = 60;
/// Keys of a zone that is kept in memory. Zones have two to four, some more while they roll.
pub const KNOWN_KEYS_MAX: usize = 16;

/// Keys of one trust point, in all states together. The root has never had more than four; a zone
/// may not fill our files by publishing new ones each day.
pub const ANCHOR_KEYS_MAX: usize = 32;
/// Octets of a file of trust anchors: so many of the longest keys and their comments.
pub const ANCHOR_FILE_BYTES_MAX: u64 = 256 * 1024;
/// What may be spent on the signatures of revoked keys over one DNSKEY set, which was validated
/// already.
pub const ANCHOR_CHECK: Budget = Budget {
    operations: 8,
    work: 64,
    failures: MESSAGE_CRYPTO_FAILURES_MAX,
    failed_work: MESSAGE_CRYPTO_FAILED_WORK_MAX,
    hash_blocks: 0,
};
/// Least time between two looks at the keys of a trust point, also if more is asked for: a setting
/// of zero must not keep the process busy.
pub const ANCHOR_REFRESH_MIN: Duration = Duration::from_millis(100);

/// Servers whose round-trip times are remembered.
pub const SERVER_STATES_MAX: usize = 16_384;
/// What is new about a server waits so long for more before other workers are told: that is the
/// least time between two writes about it.
pub const SERVER_NEWS_AGE: Duration = Duration::from_secs(1);
/// Servers that others are told about in one turn; the next ones wait for the next turn.
pub const SERVER_NEWS_PER_TURN_MAX: usize = 64;
/// Failed questions that are remembered (RFC 9520).
pub const FAILURES_MAX: usize = 8_192;
/// A failure is remembered for so long at first (RFC 9520 §3.2: at least one second) …
pub const FAILURE_TIME_MIN: Duration = Duration::from_secs(5);
/// … and, when it repeats, twice as long each time up to this (RFC 9520 §3.2: at most five
/// minutes).
pub const FAILURE_TIME_MAX: Duration = Duration::from_secs(300);

/// Requests under way at the same time in one worker.
pub const REQUESTS_MAX: usize = 10_000;
/// Requests under way for one client network (/32 or /56).
pub const REQUESTS_PER_CLIENT_MAX: u32 = 1_000;
/// With so many requests under way, more turns come at once, and a commit may wait for them …
pub const COMMIT_BUSY_REQUESTS: usize = 16;
/// … until so many entries are together: half of what a transaction costs is then shared by tens, and it
/// still takes a fraction of a millisecond, which is what other writers have to wait. The pages that it
/// replaces lie idle until the commit after the next, so there should not be too many of them …
pub const COMMIT_ENTRIES: usize = 32;
/// … but no longer than this: other workers are to know at once what one has learnt.
pub const COMMIT_DELAY: Duration = Duration::from_millis(1);
/// Lines of trace that wait to be taken; the newest are dropped beyond that.
pub const LOG_LINES_MAX: usize = 10_000;
/// Lines of trace kept back for one request until its end: a deep walk with validation writes some
/// three hundred.
pub const HELD_LINES_MAX: usize = 1_000;

/// Extended errors in one response; the first are the most specific.
pub const EXTENDED_ERRORS_MAX: usize = 3;
/// Extra text of an extended error, in bytes.
pub const EXTENDED_ERROR_TEXT_MAX: usize = 64;
