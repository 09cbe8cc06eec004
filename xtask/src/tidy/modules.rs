//! A module is a folder with everything that belongs to it: code, a chapter of the manual, tests, a
//! row in the table, and a test through the whole program where one can say something.

use std::collections::BTreeSet;

use crate::tree::Tree;

use super::Complaints;

/// Where modules live.
const MODULES: &str = "crates/modules/src/";
/// Tests through the whole program.
const END_TO_END: &str = "crates/daemon/tests/it/";

/// Modules that no test through the whole program has to name, with the reason.
const NOT_END_TO_END: &[(&str, &str)] = &[
    ("detect_time_jump", "the clock of the machine would have to jump"),
    ("extended_error", "every end-to-end test that looks at an extended error tests it"),
    ("ta_sentinel", "a scenario of the field is replayed"),
    ("workarounds", "names of others; a scenario of the field is replayed"),
    ("watchdog", "needs a service manager"),
    ("edns_keepalive", "its option is seen by its number"),
];

/// Looks into each folder with a `mod.rs`.
pub(super) fn check(tree: &Tree, complaints: &mut Complaints) {
    let names: BTreeSet<&str> = tree
        .rust
        .iter()
        .filter_map(|file| file.path.strip_prefix(MODULES)?.strip_suffix("/mod.rs"))
        .collect();
    let table = tree.text(&format!("{MODULES}lib.rs")).unwrap_or_default();
    for name in names {
        let folder = format!("{MODULES}{name}/");
        let file = format!("{folder}mod.rs");
        match tree.text(&format!("{folder}README.md")) {
            Some(text) if text.starts_with(&format!("# {name}")) => {}
            Some(_) => complaints.file(&file, "its README.md does not begin with its name"),
            None => complaints.file(&file, "its chapter of the manual, README.md, is missing"),
        }
        if !table.contains(&format!("{name}::make")) {
            complaints.file(&file, format!("has no row in the table of {MODULES}lib.rs"));
        }
        let of_it = |path: &str| path.starts_with(&folder);
        if !tree.rust.iter().any(|file| of_it(&file.path) && file.text.contains("#[test]")) {
            complaints.file(&file, "has no tests in its folder");
        }
        let seen =
            tree.rust.iter().any(|f| f.path.starts_with(END_TO_END) && f.text.contains(name))
                || tree.texts.iter().any(|f| of_it(&f.path) && f.path.ends_with(".rpl"));
        if !seen && !NOT_END_TO_END.iter().any(|(known, _)| *known == name) {
            let advice = format!("no scenario in its folder, and no test in {END_TO_END} names it");
            complaints.file(&file, advice);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::tree::{RustFile, TextFile};

    use super::*;

    fn complaints(files: &[(&str, &str)]) -> usize {
        let mut tree = Tree::default();
        for (path, text) in files {
            let (path, text) = (path.to_string(), text.to_string());
            if path.ends_with(".rs") {
                tree.rust.push(RustFile::new(path.clone(), text.clone()));
            }
            tree.texts.push(TextFile { path, text });
        }
        let mut complaints = Complaints::default();
        check(&tree, &mut complaints);
        complaints.lines.len()
    }

    #[test]
    fn a_module_has_everything_or_is_complained_about() {
        let bare = ("crates/modules/src/echo/mod.rs", "//! Echo.");
        assert_eq!(complaints(&[bare]), 4);
        let whole = [
            ("crates/modules/src/echo/mod.rs", "//! Echo.\n#[test]\nfn f() {}"),
            ("crates/modules/src/echo/README.md", "# echo: says it again\n"),
            ("crates/modules/src/lib.rs", "Entry { make: echo::make }"),
            ("crates/daemon/tests/it/modules.rs", "modules = { 'echo' }"),
        ];
        assert_eq!(complaints(&whole), 0);
    }
}
