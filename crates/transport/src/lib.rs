//! From pipes to DNS messages and back. Two kinds of pipe: datagrams and byte streams.
//!
//! A stream consumes bytes and emits messages, consumes messages and emits bytes, tells its next
//! deadline, and has a bound on every buffer. Time is an argument: a [`Duration`] since some fixed
//! point of a monotonic clock. Start reading at [`protocol`], the table of what is spoken here.
//!
//! ```
//! use std::time::Duration;
//! use transport::server::{ServerLimits, ServerStream};
//!
//! let mut stream = ServerStream::new(Duration::ZERO, ServerLimits::default());
//! let mut input: &[u8] = &[0, 12, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
//! let query = stream.next_message(Duration::ZERO, &mut input).unwrap().unwrap().to_vec();
//! stream.queue_response(Duration::ZERO, &query).unwrap();
//! assert_eq!(stream.output().len(), 2 + 12);
//! ```
//!
//! [`Duration`]: std::time::Duration
#![forbid(unsafe_code)]

pub mod client;
pub mod framing;
pub mod https;
pub mod limits;
pub mod output;
pub mod protocol;
pub mod proxy;
pub mod server;
pub mod tls;

/// The id of a message (RFC 1035 §4.1.1), if there are enough octets for one.
pub fn message_id(message: &[u8]) -> Option<u16> {
    message.first_chunk::<2>().map(|id| u16::from_be_bytes(*id))
}
