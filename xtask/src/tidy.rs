//! The rules of the house that a machine can hold: arrows between rooms, sizes, words, files that
//! must say what they are for. Runs as `cargo xtask tidy` and as a test inside `cargo test`.
//!
//! Each check is a function from the tree to complaints; a complaint says where and what to do.
//! HINT: to add a check, write `fn check(tree: &Tree, complaints: &mut Complaints)` in a file of its
//! own below `tidy/` and add a row to [`CHECKS`].

mod arrows;
mod extended_error_tags;
mod functions;
mod links;
mod modules;
mod sizes;
mod unsafe_code;
mod words;

use std::path::Path;

use anyhow::{Result, bail};

use crate::tree::Tree;

pub use functions::rewrite_ratchet;

/// What a check found, in the order found.
#[derive(Debug, Default)]
pub struct Complaints {
    lines: Vec<String>,
}

impl Complaints {
    /// Adds a complaint about a file as a whole.
    pub fn file(&mut self, path: &str, what: impl AsRef<str>) {
        self.lines.push(format!("{path}: {}", what.as_ref()));
    }

    /// Adds a complaint about one line.
    pub fn line(&mut self, path: &str, line: usize, what: impl AsRef<str>) {
        self.lines.push(format!("{path}:{line}: {}", what.as_ref()));
    }
}

type Check = fn(&Tree, &mut Complaints);

/// Every check, by the name under which its complaints are printed.
const CHECKS: &[(&str, Check)] = &[
    ("arrows", arrows::check),
    ("extended error tags", extended_error_tags::check),
    ("functions", functions::check),
    ("links", links::check),
    ("modules", modules::check),
    ("sizes", sizes::check),
    ("unsafe", unsafe_code::check),
    ("words", words::check),
];

/// All complaints about the checkout at `root`, each with the name of its check.
pub fn complaints(root: &Path) -> Result<Vec<String>> {
    let tree = Tree::read(root)?;
    let mut all = Vec::new();
    for (name, check) in CHECKS {
        let mut complaints = Complaints::default();
        check(&tree, &mut complaints);
        all.extend(complaints.lines.into_iter().map(|line| format!("[{name}] {line}")));
    }
    Ok(all)
}

/// Prints the complaints and fails if there are any.
pub fn run(root: &Path) -> Result<()> {
    let complaints = complaints(root)?;
    for complaint in &complaints {
        println!("{complaint}");
    }
    match complaints.len() {
        0 => Ok(()),
        n => bail!("the house is not tidy: {n} complaints"),
    }
}

#[cfg(test)]
mod tests;
