//! The trace of requests: lines that a person can follow, collected here and printed by the daemon.
//!
//! A line costs nothing unless somebody asked for it: either everything is traced
//! ([`crate::Settings::trace`]) or one request is ([`crate::flags::QueryFlags::TRACE`]). Names and
//! addresses of clients appear in traces and nowhere else.

use std::collections::VecDeque;
use std::fmt;

use crate::limits::LOG_LINES_MAX;

/// Which part of the resolver speaks; the names are the log groups of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Group {
    Cache,
    Iterate,
    Plan,
    Resolve,
    Select,
    Validate,
}

impl Group {
    /// The tag in the log and in `log_groups()`, six letters at most.
    pub const fn tag(self) -> &'static str {
        match self {
            Group::Cache => "cache",
            Group::Iterate => "iterat",
            Group::Plan => "plan",
            Group::Resolve => "resolv",
            Group::Select => "select",
            Group::Validate => "valdtr",
        }
    }
}

/// One line: `[group ][request.query] text`, the text indented by the depth of the query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogLine {
    pub group: Group,
    /// Was the line asked for by a single request (then it goes out whatever the log level)?
    pub requested: bool,
    pub text: String,
}

/// Lines that wait to be taken.
#[derive(Debug, Default)]
pub struct Log {
    lines: VecDeque<LogLine>,
    /// Trace everything.
    pub everything: bool,
}

impl Log {
    /// Adds a line about a query.
    pub(crate) fn write(
        &mut self,
        group: Group,
        requested: bool,
        request: u32,
        query: u16,
        depth: u8,
        text: fmt::Arguments<'_>,
    ) {
        if self.lines.len() >= LOG_LINES_MAX {
            return;
        }
        let indent = usize::from(depth) * 2;
        self.lines.push_back(LogLine {
            group,
            requested,
            text: format!(
                "[{:<6}][{:05}.{:02}] {:indent$}{}",
                group.tag(),
                request % 100_000,
                query,
                "",
                text
            ),
        });
    }

    /// The next line.
    pub fn take(&mut self) -> Option<LogLine> {
        self.lines.pop_front()
    }
}

/// Writes a line about the query of a context if it is traced: `trace!(ctx, Iterate, "…", …)`.
#[macro_export]
macro_rules! trace {
    ($ctx:expr, $group:ident, $($text:tt)*) => {
        if $ctx.is_traced() {
            $ctx.write_trace($crate::trace::Group::$group, format_args!($($text)*));
        }
    };
}
