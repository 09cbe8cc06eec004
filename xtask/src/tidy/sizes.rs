//! Files say what they are for and stay small enough to be read in one go.

use crate::tree::Tree;

use super::Complaints;

/// Lines no Rust file may exceed: more than that is two files along the domain.
const LINES_MAX: usize = 1000;
/// Lines above which the header has to say why.
const LINES_EXPLAINED: usize = 800;
/// The words with which a header says why.
const EXPLANATION: &str = "This file is long because";
/// The map must stay readable in one sitting.
const ARCHITECTURE_LINES_MAX: usize = 400;
/// Rooms that promise to hold no unsafe code, by an attribute of their front door.
const FORBID_UNSAFE: &[&str] = &["dns", "resolve", "transport", "modules", "sim"];

/// Looks at the first lines and the last.
pub(super) fn check(tree: &Tree, complaints: &mut Complaints) {
    for file in &tree.rust {
        let lines = file.text.lines().skip_while(|line| line.starts_with("#!["));
        let header: Vec<&str> = lines.take_while(|line| line.starts_with("//!")).collect();
        if header.is_empty() {
            complaints.line(&file.path, 1, "does not open with `//!`: say what the file is for");
        }
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            complaints.file(&file.path, format!("{lines} lines; split it along the domain"));
        } else if lines > LINES_EXPLAINED && !header.join(" ").contains(EXPLANATION) {
            let advice = format!("say \"{EXPLANATION} …\" in its header, or split it");
            complaints.file(&file.path, format!("{lines} lines; {advice}"));
        }
    }
    for room in FORBID_UNSAFE {
        let path = format!("crates/{room}/src/lib.rs");
        if !tree.text(&path).is_some_and(|text| text.contains("#![forbid(unsafe_code)]")) {
            complaints.file(&path, "must say #![forbid(unsafe_code)]");
        }
    }
    match tree.text("ARCHITECTURE.md").map(|text| text.lines().count()) {
        Some(lines) if lines > ARCHITECTURE_LINES_MAX => {
            complaints.file(
                "ARCHITECTURE.md",
                format!("{lines} lines, {ARCHITECTURE_LINES_MAX} at most"),
            );
        }
        Some(_) => {}
        None => complaints.file("ARCHITECTURE.md", "missing"),
    }
}
