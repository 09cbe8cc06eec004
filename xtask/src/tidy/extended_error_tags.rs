//! Every Extended DNS Error leaves with a four-letter tag that leads to one line of source, so no
//! tag may stand twice in the table of them.

use std::collections::BTreeMap;

use crate::tree::Tree;

use super::Complaints;

/// The file with the one table from verdicts to (RCODE, EDE, tag).
const TABLE: &str = "crates/resolve/src/extended_error.rs";

/// Looks for string literals that are or begin with a tag.
pub(super) fn check(tree: &Tree, complaints: &mut Complaints) {
    let Some(file) = tree.rust.iter().find(|file| file.path == TABLE) else { return };
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, tag) in tags(&file.text, &file.code) {
        if file.is_test_code(at) {
            continue;
        }
        let line = file.line_of(at);
        if let Some(first) = seen.insert(tag, line) {
            complaints.line(TABLE, line, format!("tag {tag:?} is already used in line {first}"));
        }
    }
}

/// Four capitals or digits at the beginning of a literal, alone or before a colon.
fn tags<'a>(text: &'a str, code: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    code.match_indices('"').filter_map(|(at, _)| {
        let tag = text.get(at + 1..at + 5)?;
        let is_tag = tag.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        let ends = text.get(at + 5..).is_some_and(|rest| rest.starts_with(['"', ':']));
        (is_tag && ends).then_some((at, tag))
    })
}

#[cfg(test)]
mod tests {
    use crate::tree::blank;

    use super::*;

    #[test]
    fn tags_begin_literals() {
        let text = "f(\"CR36\"); // \"XXYY\"\nlet a = \"abcd\"; g(\"5DO5: forged\") \"SERVFAIL\"";
        let code = blank(text);
        let found: Vec<&str> = tags(text, &code).map(|(_, tag)| tag).collect();
        assert_eq!(found, ["CR36", "5DO5"]);
    }
}
