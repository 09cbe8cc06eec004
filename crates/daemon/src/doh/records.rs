//! Each response over HTTP in a TLS record of its own.
//!
//! The library of HTTP/2 hands over as many frames at once as it has, and TLS would make one record of
//! them. There are clients that take one response out of what they read at a time and forget the rest, so
//! each write ends where a response does. It costs a system call for each, as DNS over TLS does.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Octets of the head of a frame (RFC 9113 §4.1).
const HEAD_BYTES: usize = 9;
/// Kinds of frames that end a stream with a flag (RFC 9113 §6.1, §6.2): DATA and HEADERS.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;

/// A connection whose writes end where responses do.
pub(super) struct OnePerRecord<S> {
    inner: S,
    place: Place,
}

impl<S> OnePerRecord<S> {
    pub(super) fn new(inner: S) -> OnePerRecord<S> {
        OnePerRecord { inner, place: Place::default() }
    }
}

/// A place in what a server sends, which is frames and nothing else.
#[derive(Clone, Copy, Default)]
struct Place {
    head: [u8; HEAD_BYTES],
    /// Octets of the head that have been seen.
    seen: usize,
    /// Octets of the frame that have not.
    left: usize,
}

impl Place {
    /// Goes on to the next end of a response, or of what there is; how far that is.
    fn advance(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.seen < HEAD_BYTES {
                let count = rest.len().min(HEAD_BYTES - self.seen);
                self.head[self.seen..self.seen + count].copy_from_slice(&rest[..count]);
                self.seen += count;
                at += count;
                let [high, middle, low, ..] = self.head;
                self.left = u32::from_be_bytes([0, high, middle, low]) as usize;
            } else {
                let count = rest.len().min(self.left);
                self.left -= count;
                at += count;
            }
            if self.seen == HEAD_BYTES && self.left == 0 {
                self.seen = 0;
                let [_, _, _, kind, flags, ..] = self.head;
                if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                    return at;
                }
            }
        }
        at
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for OnePerRecord<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for OnePerRecord<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let end = { self.place }.advance(bytes);
        let piece = bytes.get(..end).unwrap_or(bytes);
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, piece))?;
        self.place.advance(piece.get(..written).unwrap_or(piece));
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.resize(HEAD_BYTES + usize::from(length), 0xAB);
        frame
    }

    #[test]
    fn writes_end_where_responses_do_however_they_come() {
        const SETTINGS: u8 = 4;
        let parts = [
            [frame(SETTINGS, 1, 0), frame(HEADERS, 4, 20), frame(DATA, END_STREAM, 60)].concat(),
            frame(HEADERS, 4 | END_STREAM, 20),
            [frame(HEADERS, 4, 20), frame(DATA, 0, 0), frame(DATA, END_STREAM, 0)].concat(),
        ];
        let all = parts.concat();
        for piece in 1..=all.len() {
            let mut place = Place::default();
            let mut ends = Vec::new();
            let (mut done, mut given) = (0, 0);
            while done < all.len() {
                given = given.max(done + 1).next_multiple_of(piece).min(all.len());
                done += place.advance(&all[done..given]);
                if place.seen == 0 && place.left == 0 {
                    ends.push(done);
                }
            }
            for end in [parts[0].len(), parts[0].len() + parts[1].len(), all.len()] {
                assert!(ends.contains(&end), "pieces of {piece}: {ends:?}");
            }
        }
        // With all of it at hand there is a write for each, and no more.
        let mut place = Place::default();
        let mut rest = &all[..];
        for part in &parts {
            assert_eq!(place.advance(rest), part.len());
            rest = &rest[part.len()..];
        }
    }
}
