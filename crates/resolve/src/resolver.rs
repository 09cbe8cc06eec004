//! The rim of the core: four inputs, one queue of actions, one deadline.
//!
//! A driver works in turns. In each turn it reads the clock once, calls any number of `handle_*`
//! with that reading, drains [`Resolver::poll_action`] until `None`, calls [`Resolver::end_turn`],
//! and sleeps until something arrives or [`Resolver::poll_deadline`] is due. The same inputs, seed
//! and store give the same actions.

use std::collections::VecDeque;

use dns::{Composer, Header, Message, Rcode};

use crate::action::{Action, ExchangeFault, ExchangeId, ReplyVerdict};
use crate::client::Client;
use crate::settings::Settings;
use crate::time::{Mono, Now};

/// What a resolver is made of.
pub struct ResolverParts {
    pub settings: Settings,
    /// Seed of everything random: ids, 0x20, exploration, rotation, hash keys. From the operating
    /// system's generator in the daemon, fixed in tests.
    pub seed: [u8; 32],
}

/// One per worker process.
pub struct Resolver {
    settings: Settings,
    actions: VecDeque<Action>,
}

impl Resolver {
    /// A resolver without requests.
    pub fn new(parts: ResolverParts) -> Resolver {
        Resolver { settings: parts.settings, actions: VecDeque::new() }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Puts other settings in force. Requests under way keep what they have decided.
    pub fn configure(&mut self, _now: Now, settings: Settings) {
        self.settings = settings;
    }

    /// The path of a hit: if the finished answer is at hand, writes it to `out` (cleared first) and
    /// returns true. Otherwise nothing happened, and the same bytes go to
    /// [`Resolver::handle_request`].
    pub fn answer_cached(
        &mut self,
        _now: Now,
        _client: &Client,
        _wire: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        out.clear();
        false
    }

    /// A message from a client. Ends, now or later, in exactly one `Respond` or `Drop`.
    pub fn handle_request(&mut self, _now: Now, client: Client, wire: &[u8]) {
        let Some(mut header) = Header::parse(wire).filter(|header| !header.qr()) else {
            self.actions.push_back(Action::Drop { client });
            return;
        };
        header.set_qr(true);
        let mut out = Vec::new();
        let question = Message::parse(wire).ok().and_then(|message| message.question());
        let rcode = if question.is_some() { Rcode::SERVFAIL } else { Rcode::FORMERR };
        header.set_rcode_low(rcode);
        let mut composer = Composer::new(&mut out, header, 512);
        if let Some(question) = question {
            let _always_fits = composer.question(&question.name, question.rtype, question.class);
        }
        composer.finish(None);
        self.actions.push_back(Action::Respond { client, wire: out });
    }

    /// A client went away (its connection closed): its requests need no answer any more. The
    /// tokens are compared; `Respond` and `Drop` are not emitted for them after this.
    pub fn handle_client_gone(&mut self, _now: Now, token: u64) {
        self.actions.retain(|action| match action {
            Action::Respond { client, .. } | Action::Drop { client } => client.token != token,
            Action::Exchange { .. } | Action::Cancel { .. } => true,
        });
    }

    /// Bytes that arrived for an exchange, or why none will.
    pub fn handle_reply(
        &mut self,
        _now: Now,
        _id: ExchangeId,
        _reply: Result<&[u8], ExchangeFault>,
    ) -> ReplyVerdict {
        ReplyVerdict::Over
    }

    /// The deadline that [`Resolver::poll_deadline`] named is due. Calling it early does nothing.
    pub fn handle_deadline(&mut self, _now: Now) {}

    /// The next effect to carry out.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`Resolver::handle_deadline`], and who asked for it.
    pub fn poll_deadline(&self) -> Option<(Mono, &'static str)> {
        None
    }

    /// Ends a turn: what was learnt is committed to the store.
    pub fn end_turn(&mut self, _now: Now) {}

    /// Requests that wait for their answer.
    pub fn requests(&self) -> usize {
        0
    }
}
