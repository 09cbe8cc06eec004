//! Everything that Lua may ask of the process, as typed calls.
//!
//! `Host` is the sum of eight small traits, one per group of the configuration language; a type
//! that implements all eight is a `Host`. The daemon implements them.
//!
//! # The contract
//!
//! 1. **Methods take `&self`.** A host keeps its state in `Cell`/`RefCell` or enqueues a command.
//! 2. **A host never calls the interpreter** from within one of these methods. What it has to tell
//!    Lua (an answer, a readable descriptor, a passed deadline) it tells later, from its loop,
//!    through the `handle_*` methods of the interpreter.
//! 3. **No reference is held across a call into Lua.** A layer hook written in Lua runs while the
//!    resolver is mutably borrowed, and that hook may call any method here. A method that needs
//!    the resolver for a change therefore enqueues it and the loop applies it after the hook; one
//!    that needs the cache or another thing that layers share gets it by [`crate::with_core`]; one
//!    that needs to read uses state kept beside the resolver (or `try_borrow`, answering
//!    [`HostError::Busy`]).
//! 4. **All or nothing.** A method that returns an error has changed nothing.
//! 5. **Messages are for the operator.** An error's `Display` is what the console prints after
//!    `ERROR: `; it says what cannot be done, with which value, and where useful what to do.
//! 6. **Values are checked before they arrive** for type and range of the Lua argument; what only
//!    the process can know (a busy port, an unreadable file) the host checks.
//!
//! Times are milliseconds on the monotonic clock unless a name says otherwise.

mod anchors;
mod cache;
mod error;
mod logging;
mod modules;
mod network;
mod policy;
mod process;
mod settings;

pub use anchors::{AnchorKey, AnchorTunable, Bootstrap, Keyset, TrustAnchors};
pub use cache::{Cache, CacheRow, Checkpoint, ZoneFile};
pub use error::{HostError, without_number};
pub use logging::{LogLevel, LogTarget, Logging};
pub use modules::{ModuleCommand, Modules, Placement};
pub use network::{
    BoundEndpoint, Interface, Listen, ListenAddress, Network, Padding, Protocol, TlsClient,
    TlsFiles,
};
pub use policy::{Policy, RuleId, RuleList};
pub use process::{FdWatch, PeerReply, Process, QueryId, Reload, ReloadState, ResolveQuery};
pub use settings::{Mode, Settings};

/// All that Lua may ask of the process. Implemented by every type that has the eight parts.
pub trait Host:
    Network + Cache + Settings + TrustAnchors + Logging + Process + Modules + Policy
{
}

impl<T> Host for T where
    T: Network + Cache + Settings + TrustAnchors + Logging + Process + Modules + Policy
{
}
