//! `worker`, `user`, `hostname`, `event.socket`, `resolve`, `map`, `quit`.

use std::path::{Path, PathBuf};

use dns::{Class, Name, Rtype};

use super::HostError;
use crate::flags::QueryFlags;

/// A watched file descriptor, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FdWatch(pub u64);

/// A query that Lua started, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueryId(pub u64);

/// An internal query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveQuery {
    /// Under which the answer is reported: `Interpreter::handle_resolved`. Chosen by Lua.
    pub id: QueryId,
    /// QNAME.
    pub name: Name,
    /// QTYPE.
    pub rr_type: Rtype,
    /// QCLASS.
    pub class: Class,
    /// Flags that are set beyond the default ones.
    pub flags: QueryFlags,
    /// The whole query message if Lua prepared one (`worker.resolve_pkt`); it has the same
    /// question as above.
    pub wire: Option<Vec<u8>>,
    /// Whether anyone wants to know the answer.
    pub wants_answer: bool,
}

/// What one other instance answered to `map()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerReply {
    /// Its control socket.
    pub socket: PathBuf,
    /// The text of its answer, or why there is none.
    pub reply: Result<Vec<u8>, String>,
}

/// What to do about a new configuration while the old one serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Take it over as soon as it is found good.
    Now,
    /// Load and try it beside the old one, and keep it ready for a while.
    Prepare,
    /// Take over the one that is ready.
    Commit,
    /// Forget the one that is ready.
    Abandon,
}

/// How far a new configuration has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadState {
    /// There is none.
    Idle,
    /// It is being loaded and tried.
    Preparing,
    /// It is good, and waits to be taken over.
    Prepared,
    /// It was not good, for this reason; the old one serves.
    Failed(String),
}

/// The process and its place among others.
pub trait Process {
    /// Milliseconds on the monotonic clock, read once per turn of the loop.
    fn now_ms(&self) -> u64;
    /// The process id.
    fn pid(&self) -> u32;
    /// The name of this instance: the unit's instance name, or the process id.
    fn instance(&self) -> String;
    /// The number of processes in this group.
    fn worker_count(&self) -> u32;
    /// Counters: `queries concurrent dropped timeout udp tcp tls ipv4 ipv6 err_udp err_tcp err_tls
    /// err_http` and `usertime systime` (seconds), `pagefaults swaps csw rss` (octets).
    fn worker_stats(&self) -> Vec<(&'static str, f64)>;
    /// The version of the program.
    fn version(&self) -> &str;
    /// The name of the machine, or the one set.
    fn hostname(&self) -> String;
    /// Sets it; an ephemeral certificate is made anew.
    fn set_hostname(&self, name: &str) -> Result<(), HostError>;
    /// Gives up privileges: becomes this user and group (by default the user's groups).
    fn change_user(&self, user: &str, group: Option<&str>) -> Result<(), HostError>;
    /// The directory with the control sockets of all instances.
    fn control_directory(&self) -> PathBuf;
    /// Evaluates an expression on every other process and waits for all answers (bounded).
    fn ask_peers(&self, command: &str) -> Result<Vec<PeerReply>, HostError>;
    /// The directory of the shipped Lua modules and data, if there is one.
    fn library_directory(&self) -> Option<&Path>;

    /// Watches a descriptor for readability; each event is reported by
    /// `Interpreter::handle_readable`. Errors: not a descriptor, or not one that can be watched.
    fn watch_fd(&self, fd: i32) -> Result<FdWatch, HostError>;
    /// Stops watching (the descriptor stays open). Nothing is reported afterwards.
    fn unwatch_fd(&self, watch: FdWatch);
    /// Starts an internal query; the answer comes later. Errors: too many in flight.
    fn resolve(&self, query: ResolveQuery) -> Result<(), HostError>;
    /// Has the configuration read anew, after this call. Errors: one is being read already; there
    /// is none to take over.
    fn reload(&self, step: Reload) -> Result<(), HostError>;
    /// How far that is, and how often a configuration was taken over.
    fn reload_state(&self) -> (ReloadState, u64);
    /// Ends the process in good order after the present turn.
    fn quit(&self);
}
