//! Documents may not point at files that are not there.

use std::path::Path;

use crate::tree::Tree;

use super::Complaints;

/// Follows each relative link of each Markdown file.
pub(super) fn check(tree: &Tree, complaints: &mut Complaints) {
    for file in tree.texts.iter().filter(|file| file.path.ends_with(".md")) {
        let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
        for (index, line) in file.text.lines().enumerate() {
            for target in targets(line) {
                if !tree.root.join(folder).join(target).exists() {
                    complaints.line(&file.path, index + 1, format!("`{target}` is not there"));
                }
            }
        }
    }
}

/// Files a line links to: neither addresses nor places within the same document.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split([')', '#']).next()?;
        (!target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
            .then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_are_followed() {
        let line = "[a](b.md) [c](https://x.example/) [d](#e) [f](g/h.md#i)";
        assert_eq!(targets(line).collect::<Vec<_>>(), ["b.md", "g/h.md"]);
    }
}
