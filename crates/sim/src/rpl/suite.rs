//! Many scenarios at once: finds files, runs each in its variants, and counts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Outcome, Variant, parse, play, variants};

/// What became of one run of one file.
#[derive(Debug)]
pub struct Run {
    pub path: PathBuf,
    /// Nothing if the file could not be read.
    pub variant: Option<Variant>,
    pub outcome: Outcome,
}

/// Runs a file in each of its variants, with so many different choices of the resolver.
pub fn run_file(path: &Path, chances: u8) -> Vec<Run> {
    let broken = |what: String| {
        let outcome = Outcome { failures: vec![what], trace: Default::default() };
        vec![Run { path: path.to_owned(), variant: None, outcome }]
    };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(fault) => return broken(fault.to_string()),
    };
    let scenario = match parse(&String::from_utf8_lossy(&bytes)) {
        Ok(scenario) => scenario,
        Err(fault) => return broken(fault.to_string()),
    };
    let run = |variant| Run {
        path: path.to_owned(),
        variant: Some(variant),
        outcome: play(&scenario, variant),
    };
    variants(&scenario, chances).into_iter().map(run).collect()
}

/// Scenario files: the path itself, or all `.rpl` files below a folder in the order of their names.
pub fn find(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries: Vec<PathBuf> =
        fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        if entry.is_dir() {
            found.extend(find(&entry)?);
        } else if entry.extension().is_some_and(|extension| extension == "rpl") {
            found.push(entry);
        }
    }
    Ok(found)
}

/// The scenario files of a list, one to a line, looked for below `root`: under the path that the
/// list has, or under any end of it. Entries that are no scenarios are left out.
pub fn find_listed(list: &Path, root: &Path) -> io::Result<Vec<PathBuf>> {
    let text = fs::read_to_string(list)?;
    let entries = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let mut found = Vec::new();
    for entry in entries.filter(|entry| entry.ends_with(".rpl")) {
        let parts: Vec<&str> = entry.split('/').collect();
        let mut ends = (0..parts.len()).map(|start| root.join(parts[start..].join("/")));
        if let Some(path) = ends.find(|path| path.is_file()) {
            found.push(path);
        }
    }
    Ok(found)
}
