//! Every bound of this crate, in one place, with its reason.

use std::time::Duration;

/// Octets of the length in front of each message on a stream (RFC 1035 §4.2.2).
pub const PREFIX_BYTES: usize = 2;

/// Shorter than a header is no message: it is skipped, and only a length of zero, which no sender
/// means, is taken as a sign that the two ends have lost each other.
pub const MESSAGE_BYTES_MIN: usize = 12;

/// A buffer larger than this is given back when it has been emptied, so that an idle connection
/// holds little.
pub const BUFFER_KEPT_BYTES: usize = 4096;

/// While this much waits to be sent to a client, none of its further queries is read: whoever does
/// not take answers asks no questions. One message of the greatest length always fits.
pub const OUTPUT_HIGH_BYTES: usize = 64 * 1024;

/// A client that leaves more than [`OUTPUT_HIGH_BYTES`] untaken for this long is closed. Two
/// seconds bridge the loss of a segment or two.
pub const OUTPUT_FULL_MAX: Duration = Duration::from_secs(2);

/// What has been queued is taken by the peer within this time; single octets do not prolong it.
pub const OUTPUT_DRAIN_MAX: Duration = Duration::from_secs(10);

/// Queries of one client connection in resolution at the same time (`net.tcp_pipeline`).
pub const PIPELINE_DEFAULT: usize = 100;

/// An idle client connection is closed after this (RFC 7766 §6.2.3 asks for "a few seconds";
/// `net.tcp_in_idle`), and a message takes no longer than this from its first octet to its last.
pub const CLIENT_IDLE_DEFAULT: Duration = Duration::from_secs(10);

/// Questions under way on one connection to an upstream. Beyond, another connection is opened:
/// many servers work one after the other, and one lost segment delays all that wait behind it.
pub const UPSTREAM_PIPELINE_MAX: usize = 16;

/// How long a connection to an upstream is kept for the next question.
pub const UPSTREAM_IDLE_MAX: Duration = Duration::from_secs(5);

/// Plain text that is encrypted at a time: the most that one TLS record holds (RFC 8446 §5.1).
pub const TLS_PLAIN_MAX: usize = 16 * 1024;

/// Bytes of the head of an answer over HTTP: what common servers allow themselves.
pub const HTTP_HEAD_MAX: usize = 16 * 1024;
