//! Who may depend on whom. The tables here are the arrows of ARCHITECTURE.md; a new arrow is a
//! change to them, and a new arrow between rooms needs a record in `docs/adr/` as well.
//!
//! Reads the manifests and `Cargo.lock` as text: they are written one dependency a line.

use crate::tree::Tree;

use super::Complaints;

/// What one room may name.
struct Room {
    name: &'static str,
    /// Other rooms, in the program itself.
    rooms: &'static [&'static str],
    /// Libraries from outside, in the program itself.
    libraries: &'static [&'static str],
    /// Rooms and libraries that only its tests and benches name.
    tests: &'static [&'static str],
}

/// Any room's tests may use these: the virtual world, the lab and the counting of instructions,
/// and the testing libraries.
const TESTS_OF_ALL: &[&str] = &["sim", "xtask", "proptest", "expect-test", "tempfile"];

const ROOMS: &[Room] = &[
    Room {
        name: "dns",
        rooms: &[],
        libraries: &[
            "smallvec",
            "hashbrown",
            "foldhash",
            "siphasher",
            "bitflags",
            "thiserror",
            "aws-lc-rs",
            "num-bigint",
            "crrl",
            "ed448-goldilocks",
        ],
        tests: &["domain", "hickory-proto"],
    },
    Room {
        name: "store",
        rooms: &["dns"],
        libraries: &[
            "heed",
            "libc",
            "smallvec",
            "slab",
            "hashbrown",
            "foldhash",
            "siphasher",
            "bitflags",
            "thiserror",
        ],
        tests: &["libc"],
    },
    Room {
        name: "resolve",
        rooms: &["dns", "store"],
        libraries: &[
            "smallvec",
            "slab",
            "hashbrown",
            "foldhash",
            "siphasher",
            "bitflags",
            "thiserror",
            "rand_core",
            "rand_chacha",
        ],
        tests: &[],
    },
    Room {
        name: "transport",
        rooms: &["dns"],
        libraries: &["smallvec", "slab", "bitflags", "thiserror", "rustls", "rcgen", "aws-lc-rs"],
        tests: &[],
    },
    Room {
        name: "modules",
        rooms: &["dns", "store", "resolve"],
        libraries: &[
            "smallvec",
            "slab",
            "hashbrown",
            "foldhash",
            "siphasher",
            "bitflags",
            "thiserror",
            "rand_core",
            "memmap2",
        ],
        tests: &[],
    },
    Room {
        name: "lua",
        rooms: &["dns", "store", "resolve"],
        libraries: &["mlua", "libc", "smallvec", "slab", "hashbrown", "bitflags", "thiserror"],
        tests: &["modules", "tikv-jemallocator"],
    },
    Room {
        name: "daemon",
        rooms: &["dns", "store", "resolve", "transport", "modules", "lua"],
        libraries: &[
            "anyhow",
            "bytes",
            "clap",
            "h2",
            "hashbrown",
            "http",
            "libc",
            "nix",
            "rand_chacha",
            "rand_core",
            "rustyline",
            "sd-notify",
            "siphasher",
            "slab",
            "smallvec",
            "socket2",
            "thiserror",
            "tikv-jemallocator",
            "tokio",
            "tokio-rustls",
        ],
        tests: &[],
    },
    Room {
        name: "sim",
        rooms: &["dns", "store", "resolve", "transport", "modules"],
        libraries: &[
            "anyhow",
            "hashbrown",
            "siphasher",
            "smallvec",
            "slab",
            "thiserror",
            "rand_core",
            "rand_chacha",
        ],
        tests: &[],
    },
    Room { name: "xtask", rooms: &[], libraries: &["anyhow", "libc"], tests: &[] },
];

/// Libraries that only these rooms may name, so that each stays replaceable.
const OWNERS: &[(&str, &[&str])] = &[
    ("aws-lc-rs", &["dns", "transport"]),
    ("h2", &["daemon"]),
    ("h3", &["daemon"]),
    ("heed", &["store"]),
    ("hyper", &["daemon"]),
    ("memmap2", &["modules"]),
    ("mio", &[]),
    ("mlua", &["lua"]),
    ("nix", &["daemon"]),
    ("quinn", &["daemon"]),
    ("rcgen", &["transport"]),
    ("rustls", &["transport"]),
    ("rustyline", &["daemon"]),
    ("socket2", &["daemon"]),
    ("tokio", &["daemon"]),
    ("tokio-rustls", &["daemon"]),
];

/// Which room's build script uses which library. A build that needs little is worth much: an entry
/// has to say why it is there.
const BUILD: &[(&str, &str)] = &[
    // Compiles the prelude, so that no start has to; only LuaJIT itself can.
    ("lua", "mlua"),
];

/// Which part of a manifest a line stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Program,
    Tests,
    Build,
    Other,
}

/// Holds the tables against the manifests.
pub(super) fn check(tree: &Tree, complaints: &mut Complaints) {
    for room in ROOMS {
        let path = match room.name {
            "xtask" => "xtask/Cargo.toml".to_string(),
            name => format!("crates/{name}/Cargo.toml"),
        };
        match tree.text(&path) {
            Some(manifest) => check_manifest(room, &path, manifest, complaints),
            None => complaints.file(&path, "missing; rooms are listed in xtask/src/tidy/arrows.rs"),
        }
    }
    for file in &tree.texts {
        let name = file.path.strip_prefix("crates/").and_then(|p| p.strip_suffix("/Cargo.toml"));
        if let Some(name) = name
            && !ROOMS.iter().any(|room| room.name == name)
        {
            complaints.file(&file.path, "a room without a row in xtask/src/tidy/arrows.rs");
        }
    }
    check_banned(tree, complaints);
}

fn check_manifest(room: &Room, path: &str, manifest: &str, complaints: &mut Complaints) {
    for (line, section, name) in dependencies(manifest) {
        let is_room = ROOMS.iter().any(|other| other.name == name);
        let owners = OWNERS.iter().find(|(library, _)| *library == name).map(|(_, rooms)| rooms);
        let allowed = match section {
            Section::Program if is_room => room.rooms.contains(&name),
            Section::Program => room.libraries.contains(&name),
            Section::Tests => {
                TESTS_OF_ALL.contains(&name)
                    || [room.tests, room.rooms, room.libraries].iter().any(|l| l.contains(&name))
            }
            Section::Build => BUILD.contains(&(room.name, name)),
            Section::Other => true,
        };
        if !allowed {
            let arrow = format!("`{}` may not depend on `{name}`", room.name);
            complaints.line(path, line, format!("{arrow}; see xtask/src/tidy/arrows.rs"));
        } else if section == Section::Program
            && owners.is_some_and(|rooms| !rooms.contains(&room.name))
        {
            complaints.line(path, line, format!("`{name}` has another owner (OWNERS)"));
        }
    }
}

/// Each dependency of a manifest: line number from 1, where it stands, its name.
fn dependencies(manifest: &str) -> Vec<(usize, Section, &str)> {
    let mut found = Vec::new();
    let mut section = Section::Other;
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            let (kind, rest) = match header.rsplit_once("dependencies") {
                Some((before, rest)) => (before, rest),
                None => {
                    section = Section::Other;
                    continue;
                }
            };
            section = if kind.ends_with("dev-") {
                Section::Tests
            } else if kind.ends_with("build-") {
                Section::Build
            } else {
                Section::Program
            };
            if let Some(name) = rest.strip_prefix('.') {
                found.push((index + 1, section, name));
                section = Section::Other;
            }
        } else if section != Section::Other && !line.starts_with('#') {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if !name.is_empty() {
                found.push((index + 1, section, name));
            }
        }
    }
    found
}

/// The packages of a lock file that depend on one.
fn dependents<'a>(lock: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    lock.split("[[package]]").filter_map(move |package| {
        let is_dependency = |line: &str| {
            let item = line.strip_prefix(" \"").and_then(|item| item.split(['"', ' ']).next());
            item == Some(name)
        };
        let own = package.lines().find_map(|line| line.strip_prefix("name = "))?;
        package.lines().any(is_dependency).then(|| own.trim_matches('"'))
    })
}

/// Does a line of the `deny` list allow a package to bring the banned one along?
fn names_wrapper(line: &str, package: &str) -> bool {
    let Some((_, list)) = line.split_once("wrappers = [") else { return false };
    list.split(']').next().is_some_and(|list| list.contains(&format!("\"{package}\"")))
}

/// The `deny` list of `deny.toml` held against `Cargo.lock`, for machines without `cargo deny`.
fn check_banned(tree: &Tree, complaints: &mut Complaints) {
    let Some(deny) = tree.text("deny.toml") else {
        complaints.file("deny.toml", "missing");
        return;
    };
    let lock = std::fs::read_to_string(tree.root.join("Cargo.lock")).unwrap_or_default();
    for line in deny.lines() {
        let Some(name) = banned_name(line) else { continue };
        let is_there = lock.contains(&format!("name = \"{name}\"\n"));
        // The lock file also has what others need for features that nobody asked for.
        let is_wrapped = || dependents(&lock, name).all(|other| names_wrapper(line, other));
        if is_there && !is_wrapped() {
            complaints.file("Cargo.lock", format!("`{name}` is banned by deny.toml"));
        }
    }
}

/// The name in a line such as `{ crate = "openssl-sys", reason = "…" },`.
fn banned_name(line: &str) -> Option<&str> {
    line.trim().strip_prefix("{ crate = \"")?.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_room(room: &str, manifest: &str, expected: &[&str]) {
        let room = ROOMS.iter().find(|r| r.name == room).expect("a room");
        let mut complaints = Complaints::default();
        check_manifest(room, "m", manifest, &mut complaints);
        let found: Vec<&str> =
            complaints.lines.iter().map(|l| l.split(';').next().unwrap_or_default()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn arrows_go_down_only() {
        check_room("store", "[dependencies]\ndns.workspace = true\n", &[]);
        check_room(
            "store",
            "[dependencies]\nresolve.workspace = true\ntokio = \"1\"\n",
            &["m:2: `store` may not depend on `resolve`", "m:3: `store` may not depend on `tokio`"],
        );
        check_room(
            "transport",
            "[dependencies.store]\n",
            &["m:1: `transport` may not depend on `store`"],
        );
    }

    #[test]
    fn tests_may_name_more() {
        check_room(
            "dns",
            "[dev-dependencies]\ndomain.workspace = true\nsim.workspace = true\n",
            &[],
        );
        check_room(
            "dns",
            "[dependencies]\ndomain.workspace = true\n",
            &["m:2: `dns` may not depend on `domain`"],
        );
    }

    #[test]
    fn build_scripts_use_what_is_listed() {
        check_room("lua", "[build-dependencies]\nmlua.workspace = true\n", &[]);
        check_room(
            "dns",
            "[build-dependencies]\nmlua.workspace = true\n",
            &["m:2: `dns` may not depend on `mlua`"],
        );
    }

    #[test]
    fn owners_are_rooms() {
        for (library, rooms) in OWNERS {
            for name in *rooms {
                assert!(ROOMS.iter().any(|room| room.name == *name), "{library}: {name}");
            }
        }
    }
}
