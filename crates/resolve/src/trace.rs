//! The trace of requests: lines that a person can follow, collected here and printed by the daemon.
//!
//! A line costs nothing unless somebody asked for it: either everything is traced
//! ([`crate::Settings::trace`]) or one request is ([`crate::flags::QueryFlags::TRACE`]). Names and
//! addresses of clients appear in traces and nowhere else.

use std::collections::VecDeque;
use std::fmt;

use smallvec::SmallVec;

use crate::limits::{HELD_LINES_MAX, LOG_LINES_MAX};

/// Which part of the resolver speaks; the names are the log groups of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Group {
    Cache,
    Iterate,
    Plan,
    Policy,
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
            Group::Policy => "policy",
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

/// Whose line it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    /// The request's serial number.
    pub(crate) request: u32,
    /// The query's number in its request.
    pub(crate) query: u16,
    /// How many queries wait for this one.
    pub(crate) depth: u8,
    /// Did the request ask for its trace?
    pub(crate) requested: bool,
}

impl LogLine {
    fn new(group: Group, origin: Origin, text: fmt::Arguments<'_>) -> LogLine {
        let indent = usize::from(origin.depth) * 2;
        let text = format!(
            "[{:<6}][{:05}.{:02}] {:indent$}{}",
            group.tag(),
            origin.request % 100_000,
            origin.query,
            "",
            text
        );
        LogLine { group, requested: origin.requested, text }
    }
}

/// When a trace that was kept back is wanted after all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TraceCondition {
    /// The request was not answered from the cache.
    CacheMiss,
    /// A function of the operator says so; the number is its keeper's.
    Function(u32),
}

/// What a request's rules want in the log.
#[derive(Debug, Default)]
pub struct RequestTrace {
    /// Replies from upstream.
    pub replies: bool,
    /// The response.
    pub response: bool,
    /// Lines that are kept back until the request's end.
    pub held: Option<Vec<LogLine>>,
    /// Any of these will do for them to be written then.
    pub conditions: SmallVec<[TraceCondition; 1]>,
}

/// Lines that wait to be taken.
#[derive(Debug, Default)]
pub struct Log {
    lines: VecDeque<LogLine>,
    /// Trace everything.
    pub everything: bool,
}

impl Log {
    /// Adds a line about a query; into `held` if its request keeps its trace back.
    pub(crate) fn write(
        &mut self,
        held: &mut Option<Vec<LogLine>>,
        group: Group,
        origin: Origin,
        text: fmt::Arguments<'_>,
    ) {
        if let Some(held) = held.as_mut().filter(|_| origin.requested && !self.everything) {
            if held.len() < HELD_LINES_MAX {
                held.push(LogLine::new(group, origin, text));
            }
        } else if self.lines.len() < LOG_LINES_MAX {
            self.lines.push_back(LogLine::new(group, origin, text));
        }
    }

    /// Adds lines that were kept back.
    pub fn release(&mut self, lines: Vec<LogLine>) {
        let room = LOG_LINES_MAX.saturating_sub(self.lines.len());
        self.lines.extend(lines.into_iter().take(room));
    }

    /// Is there no line?
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
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
