//! The protocol of Redis and Valkey (RESP 2), as far as it is needed: commands out, replies in.

use std::io::Write as _;

use crate::limits::{FLEET_ARRAY_MAX, FLEET_VALUE_BYTES_MAX};

/// Longest line in front of a reply or in place of one, in octets.
const LINE_BYTES_MAX: usize = 4096;

/// Appends a command.
pub(super) fn put_command(out: &mut Vec<u8>, words: &[&[u8]]) {
    // Writing into memory does not fail.
    let _written = write!(out, "*{}\r\n", words.len());
    for word in words {
        let _written = write!(out, "${}\r\n", word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// A reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reply<'a> {
    /// It was done.
    Done,
    /// It was not; the server's words.
    Error(String),
    /// Values, each of which may be missing.
    Values(Vec<Option<&'a [u8]>>),
}

/// What came is not in this protocol, or longer than anything that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoReply;

/// Takes the next reply off the input; nothing if it has not come altogether.
pub(super) fn take_reply<'a>(input: &mut &'a [u8]) -> Result<Option<Reply<'a>>, NoReply> {
    let mut rest = *input;
    let Some((kind, line)) = take_line(&mut rest)? else { return Ok(None) };
    let reply = match kind {
        b'+' | b':' => Reply::Done,
        b'-' => Reply::Error(String::from_utf8_lossy(line).into_owned()),
        b'$' => match take_value(line, &mut rest)? {
            Some(value) => Reply::Values(vec![value]),
            None => return Ok(None),
        },
        b'*' => {
            let count = number(line)?;
            let count = usize::try_from(count).ok().filter(|count| *count <= FLEET_ARRAY_MAX);
            let mut values = Vec::new();
            for _ in 0..count.ok_or(NoReply)? {
                let Some((kind, line)) = take_line(&mut rest)? else { return Ok(None) };
                if kind != b'$' {
                    return Err(NoReply);
                }
                let Some(value) = take_value(line, &mut rest)? else { return Ok(None) };
                values.push(value);
            }
            Reply::Values(values)
        }
        _ => return Err(NoReply),
    };
    *input = rest;
    Ok(Some(reply))
}

/// The first octet of a line and the rest of it.
fn take_line<'a>(input: &mut &'a [u8]) -> Result<Option<(u8, &'a [u8])>, NoReply> {
    let Some(end) = input.windows(2).take(LINE_BYTES_MAX).position(|pair| pair == b"\r\n") else {
        return if input.len() > LINE_BYTES_MAX { Err(NoReply) } else { Ok(None) };
    };
    let (line, rest) = input.split_at(end);
    *input = rest.get(2..).unwrap_or_default();
    let (kind, line) = line.split_first().ok_or(NoReply)?;
    Ok(Some((*kind, line)))
}

/// A value whose length is on `line`. Nothing outside: it has not come altogether; nothing inside:
/// there is none.
fn take_value<'a>(line: &[u8], input: &mut &'a [u8]) -> Result<Option<Option<&'a [u8]>>, NoReply> {
    let length = number(line)?;
    if length == -1 {
        return Ok(Some(None));
    }
    let length = usize::try_from(length).map_err(|_| NoReply)?;
    if length > FLEET_VALUE_BYTES_MAX {
        return Err(NoReply);
    }
    let Some((value, rest)) = input.split_at_checked(length) else { return Ok(None) };
    match rest {
        [b'\r', b'\n', rest @ ..] => {
            *input = rest;
            Ok(Some(Some(value)))
        }
        [] | [b'\r'] => Ok(None),
        _ => Err(NoReply),
    }
}

fn number(line: &[u8]) -> Result<i64, NoReply> {
    std::str::from_utf8(line).ok().and_then(|text| text.parse().ok()).ok_or(NoReply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_strings() {
        let mut out = Vec::new();
        put_command(&mut out, &[b"MGET", b"a\r\n"]);
        assert_eq!(out, b"*2\r\n$4\r\nMGET\r\n$3\r\na\r\n\r\n");
    }

    #[test]
    fn replies_are_taken_only_when_they_are_whole() {
        let stream = b"+OK\r\n*3\r\n$3\r\none\r\n$-1\r\n$0\r\n\r\n-ERR no\r\n:7\r\n$2\r\n\r\n\r\n";
        let expected = [
            Reply::Done,
            Reply::Values(vec![Some(b"one"), None, Some(b"")]),
            Reply::Error("ERR no".to_owned()),
            Reply::Done,
            Reply::Values(vec![Some(b"\r\n")]),
        ];
        for cut in 0..=stream.len() {
            let mut input = &stream[..cut];
            let mut taken = 0;
            while let Some(reply) = take_reply(&mut input).unwrap() {
                assert_eq!(reply, expected[taken]);
                taken += 1;
            }
            assert_eq!(taken == expected.len(), cut == stream.len());
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let long = [b'+'; LINE_BYTES_MAX + 2];
        for bad in [
            &b"HTTP/1.1 400\r\n"[..],
            b"\r\n",
            b"$x\r\n",
            b"$-2\r\n",
            b"*1\r\n:1\r\n",
            b"$999999999\r\n",
            b"*999999\r\n",
            b"*-1\r\n",
            b"$1\r\nabc",
            &long,
        ] {
            let mut input = bad;
            assert_eq!(take_reply(&mut input), Err(NoReply), "{:?}", String::from_utf8_lossy(bad));
        }
    }
}
