//! What is wrong with a zone file, where, and what would be right.

use std::fmt;

use crate::rdata::text::TextFault;

/// A fault with its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The included file it is in; `None` for the text that was given.
    pub file: Option<Box<str>>,
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    pub kind: FaultKind,
}

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FaultKind {
    #[error("cannot include '{file}': {reason}")]
    Include { file: Box<str>, reason: String },
    #[error("{0}")]
    Text(#[from] TextFault),
}

impl Fault {
    pub(super) fn at_start(fault: TextFault) -> Fault {
        Fault { file: None, line: 1, column: 1, kind: FaultKind::Text(fault) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}: ")?;
        }
        write!(f, "line {}, column {}: {}", self.line, self.column, self.kind)
    }
}

impl std::error::Error for Fault {}
