//! Why the process could not do what Lua asked.

use std::io;

/// A refusal, in words for the operator.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No cache is open; every operation on its contents answers this.
    #[error("no cache is open yet, use cache.open() or cache.size, etc.")]
    CacheClosed,
    /// The resolver is in use (a layer hook is running); ask again from a timer.
    #[error("not possible while a request is being processed, use event.after()")]
    Busy,
    /// There is nothing of that name.
    #[error("{what} not found: {name}")]
    NotFound {
        /// The sort of thing looked for, as a noun.
        what: &'static str,
        /// The name that was looked for.
        name: String,
    },
    /// The value cannot be used; the text says which value and why.
    #[error("{0}")]
    Refused(String),
    /// The operating system said no.
    #[error("{action}: {}", plain(source))]
    System {
        /// What was being done, with its object: `bind to 127.0.0.1@53`.
        action: String,
        /// What the system answered.
        source: io::Error,
    },
    /// This program cannot do that at all.
    #[error("{0} is not supported by this program")]
    Unsupported(&'static str),
}

/// The words of the system.
fn plain(error: &io::Error) -> String {
    without_number(&error.to_string())
}

/// A text without the number of the system's error, which is in words beside it.
pub fn without_number(text: &str) -> String {
    match text
        .split_once(" (os error ")
        .and_then(|(before, rest)| Some((before, rest.split_once(')')?)))
    {
        Some((before, (_, behind))) => format!("{before}{behind}"),
        None => text.to_owned(),
    }
}

impl HostError {
    /// A refusal with this text.
    pub fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }
}
