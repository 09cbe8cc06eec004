//! The control protocol: bytes from a console or control socket to commands, and replies to bytes.
//!
//! A command is a line. In text mode a prompt follows the connection and each reply; a line that
//! leaves a chunk of Lua open is continued by the next ones, until the chunk is complete or an
//! empty line ends it. The line `__binary` switches to binary mode: no prompt, exactly one reply
//! per line, each with its length in front (four octets, most significant first), no continuation.
//! The line `__framed` switches to the mode that `kresctl` speaks: commands, too, have their length
//! in front, so they may have several lines, and after the length of a reply stands an octet that
//! says whether the command went well: [`FRAME_GOOD`] or [`FRAME_FAILED`]; it counts as part of it.

/// An unfinished line, or the lines of an unfinished chunk, may be this long; who sends more is
/// disconnected.
const INPUT_BYTES_MAX: usize = 1024 * 1024;
/// How many commands one call answers, so that a long pipeline does not keep the process from its
/// other work.
const COMMANDS_PER_TURN: usize = 64;
/// When so many octets of replies wait to be sent, the next command waits too.
const OUTPUT_BYTES_PAUSE: usize = 1024 * 1024;

/// The line that switches to binary mode.
const BINARY: &[u8] = b"__binary";
/// The line that switches to framed mode.
pub const FRAMED: &[u8] = b"__framed";
/// The first octet of a framed reply: the command went well.
pub const FRAME_GOOD: u8 = b'+';
/// The first octet of a framed reply: the rest is the text of an error.
pub const FRAME_FAILED: u8 = b'-';
/// Octets of a length.
const LENGTH_BYTES: usize = 4;
/// Asks for a command.
const PROMPT: &[u8] = b"> ";
/// Asks for the rest of a chunk.
const PROMPT_MORE: &[u8] = b">> ";

/// How replies are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// For people: text and a prompt.
    Text,
    /// For people who want no prompt (`-q`).
    Quiet,
    /// For programs: lines in, length and text out.
    Binary,
    /// For programs: length and text in both directions, and whether it went well.
    Framed,
}

/// What is to be done with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Wait for more input.
    Open,
    /// Commands are left: send what there is, then call again with no input.
    Busy,
    /// The sender does not keep to the bounds: send what there is, then close.
    Close,
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The text of the reply to a command that went well.
    Good(Vec<u8>),
    /// The text of the error.
    Failed(Vec<u8>),
    /// The chunk is not complete yet.
    Incomplete,
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    framing: Framing,
    input: Vec<u8>,
    /// Where in `input` the search for the end of the line goes on.
    searched: usize,
    chunk: Vec<u8>,
}

impl Session {
    /// A connection in text mode; without prompts if `quiet`.
    pub fn new(quiet: bool) -> Self {
        let framing = if quiet { Framing::Quiet } else { Framing::Text };
        Self { framing, input: Vec::new(), searched: 0, chunk: Vec::new() }
    }

    /// What is sent before any input.
    pub fn greeting(&self) -> &'static [u8] {
        if self.framing == Framing::Text { PROMPT } else { b"" }
    }

    /// Takes input and appends replies to `out`. `run` runs one command; it is asked to say
    /// [`Outcome::Incomplete`] only when its second argument allows it.
    pub fn handle_input(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        run: &mut dyn FnMut(&[u8], bool) -> Outcome,
    ) -> SessionState {
        self.input.extend_from_slice(bytes);
        for _ in 0..COMMANDS_PER_TURN {
            if out.len() > OUTPUT_BYTES_PAUSE {
                return SessionState::Busy;
            }
            if self.framing == Framing::Framed {
                let Some(command) = self.next_frame() else { return self.check_bounds(out) };
                let outcome = run(&command, false);
                self.reply(outcome, out);
                continue;
            }
            let Some(line) = self.next_line() else { return self.check_bounds(out) };
            self.handle_line(&line, out, run);
        }
        if self.has_command() { SessionState::Busy } else { self.check_bounds(out) }
    }

    fn has_command(&self) -> bool {
        match self.framing {
            Framing::Framed => self.frame_length().is_some_and(|end| self.input.len() >= end),
            Framing::Text | Framing::Quiet | Framing::Binary => self.input.contains(&b'\n'),
        }
    }

    /// Octets of the first frame with its length, once the length is there.
    fn frame_length(&self) -> Option<usize> {
        let length = u32::from_be_bytes(*self.input.first_chunk::<LENGTH_BYTES>()?);
        usize::try_from(length).ok()?.checked_add(LENGTH_BYTES)
    }

    fn next_frame(&mut self) -> Option<Vec<u8>> {
        let end = self.frame_length().filter(|end| self.input.len() >= *end)?;
        let frame = self.input.drain(..end).skip(LENGTH_BYTES).collect();
        self.searched = 0;
        Some(frame)
    }

    fn next_line(&mut self) -> Option<Vec<u8>> {
        let Some(at) = self.input[self.searched..].iter().position(|byte| *byte == b'\n') else {
            self.searched = self.input.len();
            return None;
        };
        let mut line: Vec<u8> = self.input.drain(..=self.searched + at).collect();
        self.searched = 0;
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(line)
    }

    fn check_bounds(&self, out: &mut Vec<u8>) -> SessionState {
        let announced = match self.framing {
            Framing::Framed => self.frame_length().unwrap_or_default(),
            Framing::Text | Framing::Quiet | Framing::Binary => 0,
        };
        if announced.max(self.input.len() + self.chunk.len()) <= INPUT_BYTES_MAX {
            return SessionState::Open;
        }
        self.reply(Outcome::Failed(b"a command may have at most 1 MiB".to_vec()), out);
        SessionState::Close
    }

    fn handle_line(
        &mut self,
        line: &[u8],
        out: &mut Vec<u8>,
        run: &mut dyn FnMut(&[u8], bool) -> Outcome,
    ) {
        if self.chunk.is_empty() && line == BINARY {
            self.framing = Framing::Binary;
            return;
        }
        if self.chunk.is_empty() && line == FRAMED {
            self.framing = Framing::Framed;
            return;
        }
        if self.framing == Framing::Binary {
            let outcome = run(line, false);
            self.reply(outcome, out);
            return;
        }
        // An empty line ends a chunk, complete or not.
        let may_continue = !line.is_empty();
        if !self.chunk.is_empty() {
            self.chunk.push(b'\n');
        }
        self.chunk.extend_from_slice(line);
        match run(&self.chunk, may_continue) {
            outcome @ (Outcome::Good(_) | Outcome::Failed(_)) => {
                self.chunk.clear();
                self.reply(outcome, out);
            }
            // Lines that have already come need no prompt.
            Outcome::Incomplete if self.framing == Framing::Text && self.input.is_empty() => {
                out.extend_from_slice(PROMPT_MORE);
            }
            Outcome::Incomplete => {}
        }
    }

    fn reply(&self, outcome: Outcome, out: &mut Vec<u8>) {
        let (mark, text) = match outcome {
            Outcome::Good(text) => (FRAME_GOOD, text),
            Outcome::Failed(text) => (FRAME_FAILED, text),
            Outcome::Incomplete => return,
        };
        let mut put_length = |length: usize| {
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            out.extend_from_slice(&length.to_be_bytes());
        };
        match self.framing {
            Framing::Text | Framing::Quiet => {}
            Framing::Binary => put_length(text.len()),
            Framing::Framed => {
                put_length(text.len() + 1);
                out.push(mark);
            }
        }
        out.extend_from_slice(&text);
        if matches!(self.framing, Framing::Text | Framing::Quiet) {
            out.push(b'\n');
            out.extend_from_slice(self.greeting());
        }
    }
}

#[cfg(test)]
mod tests;
