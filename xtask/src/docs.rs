//! `cargo xtask docs`: the documents that are made from the source, so that they cannot rot.
//!
//! HINT: a generated document is a function from the tree to text and a row in [`DOCUMENTS`].

mod rfc_index;
mod type_index;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::tree::Tree;

type Generate = fn(&Tree) -> String;

/// Every generated document and how it is made.
const DOCUMENTS: &[(&str, Generate)] =
    &[("docs/rfc-index.md", rfc_index::generate), ("docs/types.md", type_index::generate)];

/// Writes the documents.
pub fn write(root: &Path) -> Result<()> {
    for (path, text) in generated(root)? {
        let file = root.join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&file, text).with_context(|| format!("writing {path}"))?;
        println!("    wrote {path}");
    }
    Ok(())
}

/// Fails if a document is not what would be written now.
pub fn check(root: &Path) -> Result<()> {
    for (path, text) in generated(root)? {
        if fs::read_to_string(root.join(path)).unwrap_or_default() != text {
            bail!("{path} is stale: run `cargo xtask docs` and commit what it wrote");
        }
    }
    Ok(())
}

fn generated(root: &Path) -> Result<Vec<(&'static str, String)>> {
    let tree = Tree::read(root)?;
    Ok(DOCUMENTS.iter().map(|(path, generate)| (*path, generate(&tree))).collect())
}
