//! `docs/types.md`: the public types of `store` and `resolve` with the first sentence of their
//! documentation, in which GLOSSARY.md's vocabulary can be found again.

use std::collections::BTreeMap;

use crate::tree::{RustFile, Tree};

/// Rooms whose types are vocabulary.
const ROOMS: &[&str] = &["store", "resolve"];
/// How a public type begins in its line.
const KINDS: &[&str] = &["pub struct ", "pub enum ", "pub trait ", "pub type ", "pub union "];

/// The document.
pub(super) fn generate(tree: &Tree) -> String {
    let mut text = String::from(
        "<!-- Made by `cargo xtask docs` from the documentation in the source; do not edit. -->\n\
         # Types of the rooms `store` and `resolve`\n\n\
         What each is, in its own first sentence. The words themselves are in\n\
         [GLOSSARY.md](../GLOSSARY.md).\n",
    );
    for room in ROOMS {
        text.push_str(&format!("\n## {room}\n\n| type | is | file |\n|---|---|---|\n"));
        let mut rows = BTreeMap::new();
        for file in tree.rust.iter().filter(|f| f.room() == Some(room) && !f.is_test_file()) {
            for (name, sentence) in types(file) {
                let path = file.path.trim_start_matches("crates/").to_string();
                rows.insert((name, path), sentence);
            }
        }
        for ((name, path), sentence) in rows {
            text.push_str(&format!("| `{name}` | {} | `{path}` |\n", sentence.replace('|', "\\|")));
        }
    }
    text
}

/// Public types of a file and the first sentence about each.
fn types(file: &RustFile) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut comment = String::new();
    let mut offset = 0;
    for line in file.text.lines() {
        let start = offset;
        offset += line.len() + 1;
        let trimmed = line.trim_start();
        if let Some(doc) = trimmed.strip_prefix("///") {
            comment.push_str(doc);
        } else if let Some(rest) = KINDS.iter().find_map(|kind| trimmed.strip_prefix(kind)) {
            let name: String =
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if !file.is_test_code(start) {
                found.push((name, first_sentence(&comment)));
            }
            comment.clear();
        } else if !trimmed.starts_with('#') && !trimmed.is_empty() {
            comment.clear();
        }
    }
    found
}

fn first_sentence(comment: &str) -> String {
    let comment = comment.trim();
    let end = comment.find(". ").map_or(comment.len(), |at| at + 1);
    comment[..end].to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_come_with_their_first_sentence() {
        let text = "/// One thing. More of it.\n#[derive(Debug)]\npub struct A<T>(T);\n/// No.\nfn f() {}\npub enum B {}\npub(crate) struct C;\n";
        let file = RustFile::new("crates/store/src/x.rs".into(), text.into());
        assert_eq!(types(&file), [("A".into(), "One thing.".into()), ("B".into(), String::new())]);
    }
}
