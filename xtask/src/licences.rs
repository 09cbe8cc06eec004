//! The licences of everything that is linked or built, held against the list in `deny.toml`: what
//! `cargo deny check licenses` does, for machines without that tool.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::step::cargo;
use crate::tree;

/// Fails with the packages whose licence is not on the list.
pub fn check() -> Result<()> {
    let deny = fs::read_to_string(tree::root().join("deny.toml")).context("reading deny.toml")?;
    let allowed = allowed(&deny);
    let output = cargo().args(["metadata", "--format-version", "1", "--locked"]).output()?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    let packages = packages(&String::from_utf8_lossy(&output.stdout));
    let strange: Vec<String> = packages
        .iter()
        .filter(|(_, licence)| !permits(licence, &allowed))
        .map(|(name, licence)| format!("{name} ({licence})"))
        .collect();
    if !strange.is_empty() {
        bail!("not allowed by deny.toml: {}", strange.join(", "));
    }
    println!("    {} packages, all of them allowed by deny.toml", packages.len());
    Ok(())
}

/// The strings of the list `allow` in the section `[licenses]`.
fn allowed(deny: &str) -> Vec<&str> {
    let section = deny.split("[licenses]").nth(1).unwrap_or_default();
    let list = section.split("allow = [").nth(1).and_then(|rest| rest.split("\n]").next());
    let lines = list.unwrap_or_default().lines();
    lines.filter_map(|line| line.trim().strip_prefix('"')?.split('"').next()).collect()
}

/// Name and licence of each package in the output of `cargo metadata`, where a package is an object
/// whose name is followed by its version.
fn packages(metadata: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for object in metadata.split("{\"name\":\"").skip(1) {
        let Some((name, rest)) = object.split_once('"') else { continue };
        if !rest.starts_with(",\"version\":") {
            continue;
        }
        let licence = rest.split("\"license\":").nth(1).and_then(|rest| rest.strip_prefix('"'));
        let licence = licence.and_then(|rest| rest.split('"').next()).unwrap_or("no licence");
        found.push((name.to_string(), licence.to_string()));
    }
    found
}

/// Whether an SPDX expression can be satisfied with the allowed licences alone.
fn permits(expression: &str, allowed: &[&str]) -> bool {
    // An old way to write a choice.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any(&mut rest, allowed) && rest.is_empty()
}

fn any(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut permitted = all(words, allowed);
    while let Some(rest) = words.strip_prefix(&["OR"]) {
        *words = rest;
        permitted |= all(words, allowed);
    }
    permitted
}

fn all(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut permitted = one(words, allowed);
    while let Some(rest) = words.strip_prefix(&["AND"]) {
        *words = rest;
        permitted &= one(words, allowed);
    }
    permitted
}

fn one(words: &mut &[&str], allowed: &[&str]) -> bool {
    let Some((first, rest)) = words.split_first() else { return false };
    *words = rest;
    if *first == "(" {
        let permitted = any(words, allowed);
        *words = words.strip_prefix(&[")"]).unwrap_or(words);
        return permitted;
    }
    let mut licence = first.to_string();
    if let [with @ "WITH", exception, rest @ ..] = *words {
        licence = format!("{licence} {with} {exception}");
        *words = rest;
    }
    allowed.contains(&licence.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_understood() {
        let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"];
        for good in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/Apache-2.0",
            "ISC AND (GPL-3.0 OR MIT)",
            "Apache-2.0 WITH LLVM-exception AND MIT",
        ] {
            assert!(permits(good, &allowed), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND Apache-2.0", "no licence", ""] {
            assert!(!permits(bad, &allowed), "{bad}");
        }
    }

    #[test]
    fn packages_are_told_from_dependencies() {
        let metadata = "{\"packages\":[{\"name\":\"a\",\"version\":\"1\",\"id\":\"x\",\"license\":\"MIT\",\
                        \"dependencies\":[{\"name\":\"b\",\"source\":null}]},\
                        {\"name\":\"c\",\"version\":\"1\",\"license\":null}]}";
        let expected = [("a", "MIT"), ("c", "no licence")];
        assert_eq!(packages(metadata), expected.map(|(a, b)| (a.to_string(), b.to_string())));
    }

    #[test]
    fn the_list_is_read() {
        let deny = "[licenses]\nallow = [\n    \"MIT\",\n    \"ISC\", # why\n]\n[bans]\nallow = [\n\"X\"\n]\n";
        assert_eq!(allowed(deny), ["MIT", "ISC"]);
    }
}
