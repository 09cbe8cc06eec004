//! The checkout as the checks see it: text files with their contents, Rust files also with comments
//! and strings blanked out, so that a word in a string is not mistaken for code.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Folders that hold nothing of the project's own.
const SKIPPED_FOLDERS: &[&str] = &["target", ".git", "node_modules"];

/// File name endings that are read as text.
const TEXT_ENDINGS: &[&str] =
    &["rs", "toml", "md", "lua", "rpl", "txt", "service", "socket", "target", "slice", "conf"];

/// One text file of the project.
#[derive(Debug, Clone)]
pub struct TextFile {
    /// Path from the root, with `/`.
    pub path: String,
    pub text: String,
}

/// One Rust file.
#[derive(Debug, Clone)]
pub struct RustFile {
    /// Path from the root, with `/`.
    pub path: String,
    pub text: String,
    /// `text` with the contents of comments, strings and character literals replaced by spaces;
    /// line breaks stay, so that line numbers agree.
    pub code: String,
    /// Byte ranges of `code` that are compiled for tests only.
    test_ranges: Vec<(usize, usize)>,
}

/// Everything the checks look at.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    pub root: PathBuf,
    pub texts: Vec<TextFile>,
    pub rust: Vec<RustFile>,
}

/// The folder of the workspace this tool was built in.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

impl Tree {
    /// Reads the checkout at `root`.
    pub fn read(root: &Path) -> Result<Tree> {
        let mut tree = Tree { root: root.to_path_buf(), ..Tree::default() };
        tree.visit(root)?;
        tree.texts.sort_by(|a, b| a.path.cmp(&b.path));
        tree.rust.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    /// The text of a file that is neither Rust nor necessarily there.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    fn visit(&mut self, folder: &Path) -> Result<()> {
        let entries = fs::read_dir(folder).with_context(|| format!("reading {folder:?}"))?;
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type()?;
            if kind.is_dir() && !SKIPPED_FOLDERS.contains(&name.as_str()) {
                self.visit(&path)?;
            } else if kind.is_file() && is_text(&path, &name) {
                self.add(&path)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let relative = path.strip_prefix(&self.root)?.to_string_lossy().replace('\\', "/");
        let bytes = fs::read(path).with_context(|| format!("reading {relative}"))?;
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        if relative.ends_with(".rs") {
            self.rust.push(RustFile::new(relative.clone(), text.clone()));
        }
        self.texts.push(TextFile { path: relative, text });
        Ok(())
    }
}

fn is_text(path: &Path, name: &str) -> bool {
    name == "run" || path.extension().is_some_and(|e| TEXT_ENDINGS.iter().any(|known| e == *known))
}

impl RustFile {
    /// Takes a file apart.
    pub fn new(path: String, text: String) -> RustFile {
        let code = blank(&text);
        let test_ranges = test_ranges(&code);
        RustFile { path, text, code, test_ranges }
    }

    /// Whether the whole file is compiled for tests, benches or examples only.
    pub fn is_test_file(&self) -> bool {
        self.path.ends_with("/tests.rs")
            || ["/tests/", "/benches/", "/examples/"].iter().any(|part| self.path.contains(part))
    }

    /// Whether the byte at `offset` is compiled for tests only.
    pub fn is_test_code(&self, offset: usize) -> bool {
        self.is_test_file()
            || self.test_ranges.iter().any(|(start, end)| (*start..*end).contains(&offset))
    }

    /// The room (`dns`, `store`, …) a file belongs to.
    pub fn room(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// Line number of a byte, from 1.
    pub fn line_of(&self, offset: usize) -> usize {
        self.code.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

/// Offsets at which `word` occurs in `code` as a whole word.
pub fn find_word<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts_as_word = word.bytes().next().is_some_and(is_part);
    let ends_as_word = word.bytes().next_back().is_some_and(is_part);
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = at.checked_sub(1).map(|i| code.as_bytes()[i]);
        let after = code.as_bytes().get(at + word.len()).copied();
        let goes_on_before = starts_as_word && before.is_some_and(is_part);
        let goes_on_after = ends_as_word && after.is_some_and(is_part);
        !goes_on_before && !goes_on_after
    })
}

/// The offset just after the bracket that closes the one at `open`; the end of the code if none does.
pub fn matching_brace(code: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// Bodies of items under an attribute that mentions `test`.
fn test_ranges(code: &str) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    for marker in ["#[cfg(test)]", "#[test]", "#[cfg(any(test"] {
        for (at, _) in code.match_indices(marker) {
            let rest = &code[at..];
            let open = rest.find('{').unwrap_or(rest.len());
            let semicolon = rest.find(';').unwrap_or(rest.len());
            if open < semicolon {
                ranges.push((at, matching_brace(code, at + open)));
            }
        }
    }
    ranges
}

/// Replaces what is inside comments, strings and character literals by spaces.
pub fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => block_comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if !is_word_part(&out) => raw_string_end(bytes, at).unwrap_or(at),
            b'b' | b'c' if !is_word_part(&out) => prefixed_string_end(bytes, at).unwrap_or(at),
            b'\'' => char_end(bytes, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            out.push(bytes[at]);
            at += 1;
        } else {
            let quoted = bytes[at] != b'/';
            for (i, byte) in bytes[at..end].iter().enumerate() {
                let keep = *byte == b'\n' || (quoted && (i == 0 || at + i + 1 == end));
                out.push(if keep { *byte } else { b' ' });
            }
            at = end;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn is_word_part(out: &[u8]) -> bool {
    out.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n)
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0usize);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], quote: usize) -> usize {
    let mut at = quote + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"…"`, `r#"…"#`; `None` if this is some other word that begins with r.
fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..].iter().take_while(|b| **b == b'#').count();
    let quote = start + 1 + hashes;
    if bytes.get(quote) != Some(&b'"') {
        return None;
    }
    let mut at = quote + 1;
    while at < bytes.len() {
        if bytes[at] == b'"'
            && bytes[at + 1..].iter().take(hashes).filter(|b| **b == b'#').count() == hashes
        {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(bytes.len())
}

/// `b"…"`, `br#"…"#`, `b'x'`, `c"…"`.
fn prefixed_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    match bytes.get(start + 1)? {
        b'"' => Some(string_end(bytes, start + 1)),
        b'r' => raw_string_end(bytes, start + 1),
        b'\'' => char_end(bytes, start + 1),
        _ => None,
    }
}

/// A character literal; `None` for a lifetime.
fn char_end(bytes: &[u8], quote: usize) -> Option<usize> {
    match bytes.get(quote + 1)? {
        b'\\' => {
            let close = bytes[quote + 3..].iter().position(|b| *b == b'\'')?;
            Some(quote + 3 + close + 1)
        }
        first => {
            let width = match first {
                0..0x80 => 1,
                0x80..0xe0 => 2,
                0xe0..0xf0 => 3,
                _ => 4,
            };
            (bytes.get(quote + 1 + width) == Some(&b'\'')).then_some(quote + width + 2)
        }
    }
}

#[cfg(test)]
mod tests;
