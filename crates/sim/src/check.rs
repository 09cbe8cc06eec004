//! Rules that hold in every world, whatever its servers do. Watched turn by turn by the driver.
//!
//! Each request is answered exactly once. Each exchange has an id of its own and ends: with a
//! reply, a failure or a cancellation. A turn asks for a bounded number of things. At rest nothing
//! is left over.

use std::collections::BTreeSet;

use resolve::ExchangeId;

/// Most actions of one turn. One input can end many requests at once (identical questions share
/// their upstream question), but not more than there are.
const ACTIONS_PER_TURN_MAX: usize = 20_000;

/// The rules, and which of them were broken.
#[derive(Debug, Default)]
pub struct Invariants {
    waiting: BTreeSet<u64>,
    answered: BTreeSet<u64>,
    exchanges: BTreeSet<ExchangeId>,
    actions: usize,
    broken: Vec<String>,
}

impl Invariants {
    /// The rules that were broken, in words.
    pub fn violations(&self) -> &[String] {
        &self.broken
    }

    /// Questions that went upstream.
    pub fn exchanges(&self) -> usize {
        self.exchanges.len()
    }

    pub(crate) fn broken(&mut self, rule: String) {
        self.broken.push(rule);
    }

    pub(crate) fn requested(&mut self, token: u64) {
        if !self.waiting.insert(token) {
            self.broken(format!("the test used client token {token} twice"));
        }
    }

    pub(crate) fn answered(&mut self, token: u64) {
        if self.waiting.remove(&token) {
            self.answered.insert(token);
        } else if self.answered.contains(&token) {
            self.broken(format!("client {token} was answered twice"));
        } else {
            self.broken(format!("client {token} was answered without having asked"));
        }
    }

    pub(crate) fn gone(&mut self, token: u64) {
        self.waiting.remove(&token);
    }

    pub(crate) fn asked(&mut self, id: ExchangeId) {
        if !self.exchanges.insert(id) {
            self.broken(format!("exchange id {} was used twice", id.0));
        }
    }

    /// Counts an action; false when a turn asks for too many.
    pub(crate) fn acted(&mut self) -> bool {
        self.actions += 1;
        if self.actions == ACTIONS_PER_TURN_MAX {
            self.broken(format!("more than {ACTIONS_PER_TURN_MAX} actions in one turn"));
        }
        self.actions < ACTIONS_PER_TURN_MAX
    }

    pub(crate) fn turn_ended(&mut self) {
        self.actions = 0;
    }

    /// Checks what is left when a world should have come to rest.
    pub(crate) fn at_rest<'a>(
        &mut self,
        quiet: bool,
        requests: usize,
        open: impl Iterator<Item = &'a ExchangeId>,
    ) {
        if !self.waiting.is_empty() {
            let tokens = self.waiting.clone();
            self.broken(format!("clients {tokens:?} were never answered"));
        }
        if quiet {
            return;
        }
        if requests > 0 {
            self.broken(format!("{requests} requests were left behind"));
        }
        let open: Vec<u64> = open.map(|id| id.0).collect();
        if !open.is_empty() {
            self.broken(format!("exchanges {open:?} were neither answered nor cancelled"));
        }
    }
}
