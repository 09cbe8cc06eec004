//! Words that may not land: notes to oneself, tests that are switched off, paths of one machine,
//! and, in the rooms below `daemon`, everything that would break invariant 0 of ARCHITECTURE.md.

use crate::tree::{RustFile, Tree, find_word};

use super::Complaints;

/// Words that may stand nowhere in Rust, comments included. Written in two parts so that this
/// file does not complain about itself.
const UNFINISHED: &[(&str, &str)] = &[
    (concat!("to", "do!"), "finish it"),
    (concat!("unimple", "mented!"), "finish it"),
    (concat!("FIX", "ME"), "fix it"),
    (concat!("XX", "X"), "say it in a sentence"),
    (concat!("HA", "CK"), "say why it is needed"),
    (concat!("#[ign", "ore"), "assert what happens today and say why it is wrong"),
];

/// Rooms in which nothing may be waited for and nothing asked of the operating system.
const SANS_IO: &[&str] = &["dns", "store", "resolve", "transport", "modules"];

/// Words of code that break invariant 0 in those rooms.
const IO_WORDS: &[(&str, &str)] = &[
    ("UdpSocket", "sockets belong to `daemon`"),
    ("TcpStream", "sockets belong to `daemon`"),
    ("TcpListener", "sockets belong to `daemon`"),
    ("UnixStream", "sockets belong to `daemon`"),
    ("UnixListener", "sockets belong to `daemon`"),
    ("Instant::now", "time comes in as `Now`"),
    ("SystemTime::now", "time comes in as `Now`"),
    ("thread::spawn", "threads belong to `daemon`"),
    ("thread::sleep", "waiting belongs to `daemon`"),
    (".await", "below `daemon` everything is synchronous"),
    ("async fn", "below `daemon` everything is synchronous"),
    ("OsRng", "randomness comes in as a seed"),
    ("getrandom", "randomness comes in as a seed"),
    ("RandomState", "hash seeds come in from outside"),
    ("std::collections::HashMap", "its order is random: a B-tree map, or hashbrown with a seed"),
    ("std::collections::HashSet", "its order is random: a B-tree set, or hashbrown with a seed"),
    ("std::env", "configuration comes in as values"),
    ("std::process", "processes belong to `daemon`"),
];

/// Folders of people's machines. `/root` alone would hit the DNS root, so it needs the slash.
const MACHINE_PATHS: &[&str] =
    &[concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/ro", "ot/")];

/// Looks for the words.
pub(super) fn check(tree: &Tree, complaints: &mut Complaints) {
    for file in &tree.rust {
        for (word, advice) in UNFINISHED {
            for at in find_word(&file.text, word) {
                complaints.line(&file.path, file.line_of(at), format!("`{word}`: {advice}"));
            }
        }
        if file.room().is_some_and(|room| SANS_IO.contains(&room)) {
            check_sans_io(file, complaints);
        }
    }
    for file in &tree.texts {
        check_text(tree, &file.path, &file.text, complaints);
    }
}

fn check_sans_io(file: &RustFile, complaints: &mut Complaints) {
    for (word, advice) in IO_WORDS {
        for at in find_word(&file.code, word).filter(|at| !file.is_test_code(*at)) {
            complaints.line(&file.path, file.line_of(at), format!("`{word}`: {advice}"));
        }
    }
}

fn check_text(tree: &Tree, path: &str, text: &str, complaints: &mut Complaints) {
    let here = tree.root.to_string_lossy();
    let prose = [".rs", ".toml", ".md", ".lua"].iter().any(|ending| path.ends_with(ending));
    for (index, line) in text.lines().enumerate() {
        if prose && line.ends_with([' ', '\t']) {
            complaints.line(path, index + 1, "white space at the end of the line");
        }
        let machine = MACHINE_PATHS.iter().any(|word| line.contains(word));
        if machine || (here.len() > 2 && line.contains(here.as_ref())) {
            complaints.line(path, index + 1, "a path of somebody's machine");
        }
    }
    if prose && !text.is_empty() && !text.ends_with('\n') {
        complaints.file(path, "no line break at the end");
    }
}
