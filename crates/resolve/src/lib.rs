//! What to ask next, and what to conclude. Knows everything about resolution and nothing about how
//! bytes travel.
//!
//! The rim is [`Resolver`]: requests, replies and deadlines go in by `handle_*`, actions come out by
//! `poll_action`, and time and chance are arguments. Start reading at `resolver.rs`, then
//! `layer.rs` (the life of a request), `driver.rs` and `layer/iterate.rs`.
#![forbid(unsafe_code)]

pub mod action;
pub mod answer_cache;
pub mod chance;
pub mod client;
pub mod core;
pub mod counters;
mod driver;
pub mod exchange;
pub mod extended_error;
pub mod failures;
pub mod flags;
pub mod keyed;
pub mod known_zones;
pub mod layer;
pub mod limits;
pub mod plan;
pub mod query;
pub mod reply;
pub mod request;
pub mod resolver;
mod response;
pub mod root_hints;
pub mod selection;
pub mod settings;
mod settle;
pub mod state;
mod suspects;
pub mod time;
mod timers;
pub mod trace;
pub mod trust_anchors;
pub mod zone_cut;
pub mod zone_import;

pub use action::{Action, Encryption, ExchangeFault, ExchangeId, ReplyVerdict, Target, Via};
pub use client::{Client, ClientProtocol};
pub use counters::Counters;
pub use layer::{Hooks, Layer, QueryContext, RequestContext};
pub use query::{Outcome, Purpose, Query};
pub use request::Request;
pub use resolver::{Resolver, ResolverParts};
pub use settings::{Forward, ForwardKind, GlueMode, Settings};
pub use state::State;
pub use suspects::Suspects;
pub use time::{Mono, Now, UnixTime};
pub use trace::LogLine;
pub use trust_anchors::TrustAnchors;
pub use zone_cut::ZoneCut;
