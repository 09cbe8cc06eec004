//! From pipes to DNS messages and back. Two kinds of pipe: datagrams and byte streams.
#![forbid(unsafe_code)]
