//! A ratchet on the length of functions: one that is longer than a screen needs a reason, or a row
//! in `xtask/ratchet/long-functions.txt`, and rows may only shrink.
//!
//! The reason is a comment `// Long because …` right above the function: a flat `match` or a table
//! reads better in one piece.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::tree::{RustFile, Tree, find_word, matching_brace};

use super::Complaints;

/// Lines of a function that fit a screen with its signature.
const LINES_MAX: usize = 70;
/// The comment that gives the reason for one that is longer.
const REASON: &str = "// Long because";
/// Where the older long functions are listed: `lines path name`.
const RATCHET: &str = "xtask/ratchet/long-functions.txt";

/// One function and its length in lines.
#[derive(Debug, PartialEq, Eq)]
struct Function<'a> {
    name: &'a str,
    line: usize,
    lines: usize,
    explained: bool,
}

/// Holds each function against the limit and the ratchet.
pub(super) fn check(tree: &Tree, complaints: &mut Complaints) {
    let listed = ratchet(tree);
    let long = long_functions(tree);
    for (key, (line, lines)) in &long {
        let (path, name) = key;
        match listed.get(key) {
            None => {
                let advice = format!("split it, or say why: `{REASON} …`");
                complaints.line(path, *line, format!("`{name}` has {lines} lines; {advice}"));
            }
            Some(before) if lines > before => {
                complaints.line(
                    path,
                    *line,
                    format!("`{name}` grew from {before} to {lines} lines"),
                );
            }
            Some(_) => {}
        }
    }
}

/// Writes the ratchet anew, with rows removed and lowered but none added or raised.
pub fn rewrite_ratchet(root: &Path) -> Result<()> {
    let tree = Tree::read(root)?;
    let listed = ratchet(&tree);
    let mut text = String::from(
        "# Functions longer than a screen, from before the limit: lines, file, name.\n\
         # Rows may only shrink; `cargo xtask tidy --ratchet` lowers them.\n",
    );
    for ((path, name), (_, lines)) in long_functions(&tree) {
        if let Some(before) = listed.get(&(path.clone(), name.clone())) {
            text.push_str(&format!("{} {path} {name}\n", lines.min(*before)));
        }
    }
    fs::write(root.join(RATCHET), text)?;
    Ok(())
}

type Key = (String, String);

/// Long functions without a reason: where they begin and how long they are.
fn long_functions(tree: &Tree) -> BTreeMap<Key, (usize, usize)> {
    let mut long = BTreeMap::new();
    for file in &tree.rust {
        for function in functions(file) {
            if function.lines > LINES_MAX && !function.explained {
                let key = (file.path.clone(), function.name.to_string());
                long.insert(key, (function.line, function.lines));
            }
        }
    }
    long
}

fn ratchet(tree: &Tree) -> BTreeMap<Key, usize> {
    let rows = tree.text(RATCHET).unwrap_or_default().lines();
    rows.filter(|row| !row.starts_with('#'))
        .filter_map(|row| {
            let mut words = row.split_whitespace();
            let lines = words.next()?.parse().ok()?;
            Some(((words.next()?.to_string(), words.next()?.to_string()), lines))
        })
        .collect()
}

/// The functions of a file that are not tests.
fn functions(file: &RustFile) -> Vec<Function<'_>> {
    let mut found = Vec::new();
    for at in find_word(&file.code, "fn").filter(|at| !file.is_test_code(*at)) {
        let rest = &file.code[at + 2..];
        let name = rest.trim_start().split(|c: char| !c.is_alphanumeric() && c != '_').next();
        let Some(name) = name.filter(|name| !name.is_empty()) else { continue };
        let Some(open) = body(rest) else { continue };
        let line = file.line_of(at);
        let end = matching_brace(&file.code, at + 2 + open);
        found.push(Function {
            name,
            line,
            lines: file.line_of(end.saturating_sub(1)) - line + 1,
            explained: is_explained(&file.text, line),
        });
    }
    found
}

/// Where the body of a function begins, seen from its signature; `None` for a declaration or a type.
fn body(signature: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in signature.bytes().enumerate() {
        match byte {
            b'[' | b'(' => depth += 1,
            b']' | b')' => depth = depth.checked_sub(1)?,
            b';' if depth == 0 => return None,
            b'{' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// Whether the comment and attributes right above `line` give a reason.
fn is_explained(text: &str, line: usize) -> bool {
    let lines: Vec<&str> = text.lines().take(line.saturating_sub(1)).collect();
    lines
        .iter()
        .rev()
        .map(|l| l.trim())
        .take_while(|l| l.starts_with("//") || l.starts_with('#'))
        .any(|l| l.starts_with(REASON))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_by_their_braces() {
        let text = "fn a() {\n    if x {\n    }\n}\n\ntrait T {\n    fn b(&self);\n    // Long because it is a table.\n    fn c() { 1 }\n}\ntype F = fn(u8);\nfn d(x: [u8; 4]) {}\n";
        let file = RustFile::new("crates/dns/src/x.rs".into(), text.into());
        let found: Vec<_> = functions(&file)
            .into_iter()
            .map(|f| (f.name.to_string(), f.line, f.lines, f.explained))
            .collect();
        assert_eq!(
            found,
            [("a".into(), 1, 4, false), ("c".into(), 9, 1, true), ("d".into(), 12, 1, false)]
        );
    }
}
