//! `log_level`, `log_target`, `log_groups`, and the messages themselves.

use super::HostError;

/// How important a message is; the order is that of syslog, most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// The process cannot go on.
    Crit,
    /// Something that was asked for does not work.
    Err,
    /// Worth a look tomorrow.
    Warning,
    /// Ordinary but noteworthy; the default.
    Notice,
    /// For the curious.
    Info,
    /// Every step.
    Debug,
}

impl LogLevel {
    /// All levels, most important first.
    pub const ALL: [Self; 6] =
        [Self::Crit, Self::Err, Self::Warning, Self::Notice, Self::Info, Self::Debug];

    /// The word used in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crit => "crit",
            Self::Err => "err",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// The level of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.name() == name)
    }

    /// The priority number of syslog (RFC 5424 §6.2.1): 2 for `crit` to 7 for `debug`.
    pub fn syslog(self) -> u8 {
        self as u8 + 2
    }

    /// The level of that priority.
    pub fn from_syslog(priority: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.syslog() == priority)
    }
}

/// Where messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// The system's log.
    Syslog,
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
}

impl LogTarget {
    /// All targets.
    pub const ALL: [Self; 3] = [Self::Syslog, Self::Stderr, Self::Stdout];

    /// The word used in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Syslog => "syslog",
            Self::Stderr => "stderr",
            Self::Stdout => "stdout",
        }
    }

    /// The target of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }
}

/// The log. Groups are named by their tag, see [`crate::log_groups::LOG_GROUPS`].
pub trait Logging {
    /// The level up to which messages are written.
    fn log_level(&self) -> LogLevel;
    /// Sets it.
    fn set_log_level(&self, level: LogLevel);
    /// Where messages go.
    fn log_target(&self) -> LogTarget;
    /// Sets it.
    fn set_log_target(&self, target: LogTarget) -> Result<(), HostError>;
    /// The groups that are written at every level, in the order of the table of groups.
    fn log_debug_groups(&self) -> Vec<&'static str>;
    /// Adds (`true`) or removes one; the tag is one of the table's.
    fn set_log_debug_group(&self, tag: &'static str, on: bool);
    /// Whether a message of this group and level would be written (so that it need not be made).
    fn log_enabled(&self, tag: &str, level: LogLevel) -> bool;
    /// Writes a message (without line end), if its level or group is enabled.
    fn log(&self, tag: &str, level: LogLevel, message: &str);
}
