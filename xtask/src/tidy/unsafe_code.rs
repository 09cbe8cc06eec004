//! Unsafe code stands in few files, each named here with its reason, and every use says why it is
//! sound.

use crate::tree::{Tree, find_word};

use super::Complaints;

/// Beginnings of paths under which `unsafe` may be written.
const ALLOWED: &[(&str, &str)] = &[
    ("crates/store/src/kv/lmdb", "mapping a file that other processes write"),
    ("crates/lua/src/interpreter", "opening LuaJIT with its ffi, loading C modules"),
    ("crates/lua/src/abi", "C functions exported to Lua's ffi"),
    ("crates/daemon/src/udp", "recvmmsg and sendmmsg"),
    ("crates/daemon/src/os", "system calls without a safe wrapper"),
    ("crates/daemon/src/bin/kresd.rs", "a symbol that the allocator reads"),
    ("xtask/src/lab/os.rs", "network namespaces for the lab"),
];

/// How many lines above a use may carry its `SAFETY:` comment.
const SAFETY_LINES: usize = 8;

/// Looks for the word.
pub(super) fn check(tree: &Tree, complaints: &mut Complaints) {
    for file in &tree.rust {
        let allowed = ALLOWED.iter().any(|(prefix, _)| file.path.starts_with(prefix));
        let lines: Vec<&str> = file.text.lines().collect();
        for at in find_word(&file.code, "unsafe") {
            let line = file.line_of(at);
            let above = &lines[line.saturating_sub(SAFETY_LINES + 1)..line];
            if !allowed {
                let advice = "unsafe code has no place here; see xtask/src/tidy/unsafe_code.rs";
                complaints.line(&file.path, line, advice);
            } else if !above.iter().any(|l| l.contains("SAFETY:") || l.contains("# Safety")) {
                complaints.line(&file.path, line, "say in a `// SAFETY:` comment why it is sound");
            }
        }
    }
}
