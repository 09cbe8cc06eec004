//! `cargo xtask new module NAME`: a new module begins as a copy of the smallest one, under its own
//! name, so that the recipe cannot rot.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Where modules live, one folder each.
const MODULES: &str = "crates/modules/src";

/// Copies the smallest module of the checkout at `root` to one called `name` and declares it.
pub fn new_module(root: &Path, name: &str) -> Result<()> {
    let well_formed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        bail!("a module's name begins with a lower-case letter");
    }
    if !name.chars().all(well_formed) {
        bail!("a module's name consists of lower-case letters, digits and underscores");
    }
    let modules = root.join(MODULES);
    let target = modules.join(name);
    if target.exists() {
        bail!("{} is already there", target.display());
    }
    let Some(neighbour) = smallest(&modules)? else {
        bail!("there is no module below {MODULES} to begin from");
    };
    let from = neighbour.file_name().unwrap_or_default().to_string_lossy().into_owned();
    copy(&neighbour, &target, &from, name)?;
    declare(&modules.join("lib.rs"), name)?;
    println!("{MODULES}/{name}: a copy of {from} with other names. What it still needs:");
    println!("  - its own behaviour, its chapter in README.md, a scenario that fails without it");
    println!("  - a row in MODULES in {MODULES}/lib.rs, next to the one of {from}");
    Ok(())
}

/// The folder with a `mod.rs` that has the fewest bytes.
fn smallest(modules: &Path) -> Result<Option<PathBuf>> {
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(modules).with_context(|| format!("reading {MODULES}"))? {
        let folder = entry?.path();
        if folder.join("mod.rs").is_file() {
            found.push((bytes_below(&folder)?, folder));
        }
    }
    Ok(found.into_iter().min().map(|(_, folder)| folder))
}

fn bytes_below(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        bytes += if is_folder { bytes_below(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

fn copy(source: &Path, target: &Path, from: &str, to: &str) -> Result<()> {
    fs::create_dir_all(target)?;
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().replace(from, to);
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target.join(name), from, to)?;
        } else {
            let text = fs::read_to_string(entry.path())
                .with_context(|| format!("reading {}", entry.path().display()))?;
            let text = text.replace(from, to).replace(&camel(from), &camel(to));
            fs::write(target.join(name), text)?;
        }
    }
    Ok(())
}

/// `refuse_nord` as a type is called: `RefuseNord`.
fn camel(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    name.split('_').map(capital).collect()
}

/// Adds `mod NAME;` where the alphabet wants it among the other declarations.
fn declare(file: &Path, name: &str) -> Result<()> {
    let text = fs::read_to_string(file)?;
    let is_declaration = |line: &str| line.starts_with("mod ") || line.starts_with("pub mod ");
    let declared = |line: &str| line.trim_start_matches("pub ").to_string();
    let visibility = match text.lines().find(|line| is_declaration(line)) {
        Some(line) if line.starts_with("pub ") => "pub ",
        _ => "",
    };
    let new = format!("{visibility}mod {name};");
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    let later = |line: &String| is_declaration(line) && declared(line) > declared(&new);
    let last = lines.iter().rposition(|line| is_declaration(line)).map(|at| at + 1);
    let place = lines.iter().position(later).or(last).unwrap_or(lines.len());
    lines.insert(place, new);
    fs::write(file, lines.join("\n") + "\n")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_begins_as_a_copy_of_the_smallest() {
        let root = std::env::temp_dir().join(format!("scaffold-{}", std::process::id()));
        let modules = root.join(MODULES);
        for (path, text) in [
            ("lib.rs", "//! Modules.\n\nmod alpha_beta;\nmod large;\n\nfn f() {}\n"),
            ("alpha_beta/mod.rs", "//! Says alpha_beta.\nstruct AlphaBeta;\n"),
            ("alpha_beta/scenarios/alpha_beta.rpl", "; alpha_beta\n"),
            ("large/mod.rs", &"x".repeat(1000)),
        ] {
            let file = modules.join(path);
            fs::create_dir_all(file.parent().expect("a folder")).expect("creates");
            fs::write(file, text).expect("writes");
        }
        new_module(&root, "gamma_x").expect("makes a module");
        let read = |path: &str| fs::read_to_string(modules.join(path)).expect("reads");
        assert_eq!(read("gamma_x/mod.rs"), "//! Says gamma_x.\nstruct GammaX;\n");
        assert_eq!(read("gamma_x/scenarios/gamma_x.rpl"), "; gamma_x\n");
        assert!(read("lib.rs").contains("mod alpha_beta;\nmod gamma_x;\nmod large;\n"));
        assert!(new_module(&root, "gamma_x").is_err(), "twice");
        assert!(new_module(&root, "../etc").is_err(), "outside");
        fs::remove_dir_all(&root).expect("removes");
    }

    /// What the command makes of the tree as it is compiles if what it copies does: nothing in the copy
    /// speaks of the module that it was, and the names are all that has changed.
    #[test]
    fn a_copy_of_the_real_one_differs_in_names_only() {
        const NAME: &str = "qqqq_wwww";
        let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(MODULES);
        let template = smallest(&real).expect("reads").expect("there are modules");
        let from = template.file_name().expect("a name").to_string_lossy().into_owned();
        let root = std::env::temp_dir().join(format!("scaffold-real-{}", std::process::id()));
        let modules = root.join(MODULES);
        copy(&template, &modules.join(&from), "\0", "\0").expect("copies");
        fs::copy(real.join("lib.rs"), modules.join("lib.rs")).expect("copies");
        new_module(&root, NAME).expect("makes a module");
        let read = |path: &str| fs::read_to_string(modules.join(path)).expect("reads");
        for file in ["mod.rs", "README.md"] {
            let (made, model) = (read(&format!("{NAME}/{file}")), read(&format!("{from}/{file}")));
            assert!(made.contains(NAME), "{file}");
            assert!(!made.contains(&from) && !made.contains(&camel(&from)), "{file}");
            let back = made.replace(NAME, &from).replace(&camel(NAME), &camel(&from));
            assert_eq!(back, model, "{file}");
        }
        let declared = read("lib.rs");
        assert!(declared.contains(&format!("pub mod {NAME};\n")));
        assert!(declared.contains(&format!("name: {from}::NAME")), "the row to copy is there");
        fs::remove_dir_all(&root).expect("removes");
    }
}
