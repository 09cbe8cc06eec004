//! A small Internet on loopback: root, top-level domains and some thirty zones on real authoritative
//! servers (Knot DNS), in a network namespace of its own, with a resolver in the middle.
//!
//! `cargo xtask lab` starts it for people; end-to-end tests start it with [`Lab::start`]. Each lab is
//! a world of its own, so several may run at once. Everything it starts ends with it, however it
//! ends: see [`os::end_with_parent`].
//!
//! Where to go next: [`world`] lists the zones; `servers` turns them into running servers.

mod ask;
mod command;
mod namespace;
mod os;
mod presign;
mod resolver;
mod servers;
mod validator;
pub mod world;

pub use os::{kill_group, lower_priority, signal_group, thread_time};

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

pub use ask::Answer;
pub use command::{lab, program, run_in_lab};
use namespace::Namespace;
pub use resolver::{ADDRESS, Resolver};
use servers::Servers;
pub use servers::path as system_path;
pub use validator::Judgement;

/// A running Internet. Ends when dropped.
#[derive(Debug)]
pub struct Lab {
    // Dropped in this order: the servers need the namespace.
    servers: Servers,
    namespace: Namespace,
    folder: PathBuf,
}

impl Lab {
    /// Makes the zones, signs them, and returns when every server answers for every zone of its own.
    pub fn start() -> Result<Lab> {
        Lab::start_with(&world::world())
    }

    /// The same for another world, which has a root at the same place.
    pub fn start_with(world: &[world::Zone]) -> Result<Lab> {
        let folder = own_folder()?;
        let namespace = Namespace::new()?;
        let servers = Servers::start(&namespace, &folder, world)
            .with_context(|| format!("logs are below {}", folder.display()))?;
        Ok(Lab { servers, namespace, folder })
    }

    /// A command that will run inside the lab.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        self.namespace.enter(&mut command);
        command
    }

    /// Starts a resolver in the lab: its program, and what the configuration says after the lines
    /// that introduce it to this Internet.
    pub fn resolver(&self, program: &Path, configuration: &str) -> Result<Resolver> {
        Resolver::start(self, program, configuration)
    }

    /// Words to put in front of a command so that it runs inside the lab, from another terminal.
    pub fn way_in(&self) -> String {
        self.namespace.way_in()
    }

    /// Where everything of this lab is written.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The DS record set of the root, as zone file lines.
    pub fn root_ds(&self) -> &str {
        self.servers.root_ds()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.servers.stop();
        if std::env::var_os("LAB_KEEP").is_none() {
            // A folder that stays behind is untidy, not wrong.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A fresh folder for each lab, below the build's own.
fn own_folder() -> Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => crate::tree::root().join("target"),
    };
    let labs = target.join("lab");
    forget_the_dead(&labs);
    let folder = labs.join(format!("{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}

/// Removes what labs of processes that no longer run left behind.
fn forget_the_dead(labs: &Path) {
    for entry in fs::read_dir(labs).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.split('-').next().unwrap_or_default();
        if !Path::new("/proc").join(process).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
