//! What to ask next, and what to conclude. Knows everything about resolution and nothing about how
//! bytes travel.
//!
//! The rim is [`Resolver`]: requests, replies and deadlines go in by `handle_*`, actions come out by
//! `poll_action`, and time and chance are arguments. Start reading at `resolver.rs`.
#![forbid(unsafe_code)]

pub mod action;
pub mod answer_cache;
pub mod client;
pub mod resolver;
pub mod settings;
pub mod time;

pub use action::{Action, Encryption, ExchangeFault, ExchangeId, ReplyVerdict, Target, Via};
pub use client::{Client, ClientProtocol};
pub use resolver::{Resolver, ResolverParts};
pub use settings::{Forward, ForwardKind, GlueMode, Settings};
pub use time::{Mono, Now, UnixTime};
