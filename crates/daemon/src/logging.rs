//! The log: one line a message, `[group ] text`, to standard error, standard output or syslog.
//!
//! A message is written if its level is important enough or its group is one of those that are
//! written at any level. Groups are those of the configuration language.

use std::fmt;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

pub(crate) use lua::host::LogLevel as Level;
use lua::host::LogTarget as Target;
use lua::log_groups::LOG_GROUPS;

static LEVEL: AtomicU8 = AtomicU8::new(Level::Notice as u8);
static TARGET: AtomicU8 = AtomicU8::new(1);
/// One bit for each group, in the order of the table.
static GROUPS: AtomicU64 = AtomicU64::new(0);

/// Where the system's log listens.
const SYSLOG_SOCKET: &str = "/dev/log";
/// The facility `daemon` of syslog, shifted as RFC 5424 §6.2.1 has it.
const SYSLOG_FACILITY: u8 = 3 << 3;

/// The level in force.
pub(crate) fn level() -> Level {
    Level::ALL.get(usize::from(LEVEL.load(Relaxed))).copied().unwrap_or(Level::Debug)
}

/// Sets the level.
pub(crate) fn set_level(level: Level) {
    LEVEL.store(level as u8, Relaxed);
}

/// Where messages go.
pub(crate) fn target() -> Target {
    Target::ALL.get(usize::from(TARGET.load(Relaxed))).copied().unwrap_or(Target::Stderr)
}

/// Sets where messages go.
pub(crate) fn set_target(target: Target) {
    let position = Target::ALL.iter().position(|other| *other == target).unwrap_or(1);
    TARGET.store(u8::try_from(position).unwrap_or(1), Relaxed);
}

/// The tags of the groups that are written at any level.
pub(crate) fn debug_groups() -> Vec<&'static str> {
    let groups = GROUPS.load(Relaxed);
    let chosen = LOG_GROUPS.iter().enumerate().filter(|(bit, _)| groups & (1 << bit) != 0);
    chosen.map(|(_, (_, tag))| *tag).collect()
}

/// Adds a group to those, or takes it out.
pub(crate) fn set_debug_group(tag: &str, on: bool) {
    let Some(bit) = group_bit(tag) else { return };
    if on {
        GROUPS.fetch_or(bit, Relaxed);
    } else {
        GROUPS.fetch_and(!bit, Relaxed);
    }
}

fn group_bit(tag: &str) -> Option<u64> {
    LOG_GROUPS.iter().position(|(_, known)| *known == tag).map(|position| 1 << position)
}

/// What is written and where to, as one value.
#[derive(Clone, Copy)]
pub(crate) struct Saved(u8, u8, u64);

/// What is in force.
pub(crate) fn save() -> Saved {
    Saved(LEVEL.load(Relaxed), TARGET.load(Relaxed), GROUPS.load(Relaxed))
}

/// Puts it in force again.
pub(crate) fn restore(saved: Saved) {
    LEVEL.store(saved.0, Relaxed);
    TARGET.store(saved.1, Relaxed);
    GROUPS.store(saved.2, Relaxed);
}

/// As the program starts.
pub(crate) fn reset(verbose: bool) {
    set_level(if verbose { Level::Debug } else { Level::Notice });
    set_target(Target::Stderr);
    GROUPS.store(0, Relaxed);
}

/// Would a message of this group and level be written?
pub(crate) fn is_enabled(tag: &str, level: Level) -> bool {
    level as u8 <= LEVEL.load(Relaxed)
        || (GROUPS.load(Relaxed) != 0
            && group_bit(tag).is_some_and(|bit| GROUPS.load(Relaxed) & bit != 0))
}

/// Writes a message if it is enabled. A log that cannot be written to is not an error that
/// anybody could be told of.
pub(crate) fn write(tag: &str, level: Level, message: fmt::Arguments<'_>) {
    if !is_enabled(tag, level) {
        return;
    }
    emit(level, &format!("[{tag:<6}] {message}\n"));
}

fn emit(level: Level, line: &str) {
    let _told_nobody = match target() {
        Target::Stderr => std::io::stderr().write_all(line.as_bytes()),
        Target::Stdout => std::io::stdout().write_all(line.as_bytes()),
        Target::Syslog => to_syslog(level, line),
    };
}

/// Writes a line of a trace, which has its group in front already.
pub(crate) fn write_line(tag: &str, requested: bool, line: &str) {
    if requested {
        emit(Level::Debug, &format!("[reqdbg]{line}\n"));
    } else if is_enabled(tag, Level::Debug) {
        emit(Level::Debug, &format!("{line}\n"));
    }
}

fn to_syslog(level: Level, line: &str) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    let priority = SYSLOG_FACILITY | level.syslog();
    let message = format!("<{priority}>kresd[{}]: {}", std::process::id(), line.trim_end());
    socket.send_to(message.as_bytes(), SYSLOG_SOCKET).map(drop)
}

/// `log!(Level, "group", "text {}", values)`: writes a message if it is enabled.
macro_rules! log {
    ($level:ident, $tag:literal, $($text:tt)+) => {
        $crate::logging::write($tag, $crate::logging::Level::$level, format_args!($($text)+))
    };
}
pub(crate) use log;
