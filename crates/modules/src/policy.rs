//! `policy` and `view`: rules of the operator, tried one by one on every request.
//!
//! A rule is a condition on the client, a condition on the question and an action. [`Rules`] holds
//! the lists; [`PolicyLayer`] and [`ViewLayer`] apply them. Everything is evaluated here; only
//! functions that the operator wrote are called through [`Functions`].
//!
//! Finished answers may be shared although there are rules: what a rule does depends on the
//! question, on the client's network (see [`clients`]), or it marks the request as not to be shared.

mod action;
pub mod clients;
mod dump;
mod evaluate;
pub mod layer;
pub mod names;
pub mod pattern;
pub mod rpz;
pub mod rule;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use resolve::answer_cache::Tally;
use resolve::{RequestContext, State};

use clients::ClientClasses;
use evaluate::Helpers;
pub use layer::{PolicyLayer, ViewLayer};
use names::Seed;
pub use rpz::Zone;
use rule::ZoneSlot;
pub use rule::{Action, AnswerRecords, Client, Filter, FunctionId, Network, Rule};

/// A rule in force, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub u32);

/// The list that a rule is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Tried when a request has come.
    Before,
    /// Tried when the response is complete.
    After,
    /// Tried when a request has come, by the layer `view`.
    View,
}

/// Why a function of the operator gave no result; for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FunctionFault(pub String);

/// Functions of the operator that rules name.
pub trait Functions {
    /// Filters, asked in their order until one selects the request: its place and its action.
    fn filter(
        &self,
        functions: &[FunctionId],
        ctx: &mut RequestContext<'_>,
        state: State,
        list: List,
    ) -> Result<Option<(usize, Action)>, FunctionFault>;

    /// An action: the state of the request from now on, or nothing for "the next rule".
    fn action(
        &self,
        function: FunctionId,
        ctx: &mut RequestContext<'_>,
        state: State,
        list: List,
    ) -> Result<Option<State>, FunctionFault>;

    /// A test at the end of a request.
    fn test(
        &self,
        function: FunctionId,
        ctx: &mut RequestContext<'_>,
    ) -> Result<bool, FunctionFault>;
}

/// A rule with its number and how often it applied.
struct Entry {
    id: RuleId,
    rule: Rule,
    tally: Tally,
    suspended: Cell<bool>,
}

type Entries = Rc<Vec<Rc<Entry>>>;

/// The lists of rules. Handles share them; a change made while rules are being tried takes effect
/// with the next request.
#[derive(Clone)]
pub struct Rules(Rc<Inner>);

struct Inner {
    seed: Seed,
    before: RefCell<Entries>,
    after: RefCell<Entries>,
    view: RefCell<Entries>,
    /// How clients differ, as far as the rules of `view` see it.
    classes: RefCell<Rc<ClientClasses>>,
    functions: RefCell<Option<Rc<dyn Functions>>>,
}

impl Rules {
    /// No rules. The seed keys the hashes of lists of names; clients must not know it.
    pub fn new(seed: Seed) -> Rules {
        Rules(Rc::new(Inner {
            seed,
            before: RefCell::default(),
            after: RefCell::default(),
            view: RefCell::default(),
            classes: RefCell::default(),
            functions: RefCell::default(),
        }))
    }

    /// What lists of names for these rules are made with.
    pub fn seed(&self) -> Seed {
        self.0.seed
    }

    /// Says who runs functions of the operator.
    pub fn set_functions(&self, functions: Rc<dyn Functions>) {
        *self.0.functions.borrow_mut() = Some(functions);
    }

    fn list(&self, list: List) -> &RefCell<Entries> {
        match list {
            List::Before => &self.0.before,
            List::After => &self.0.after,
            List::View => &self.0.view,
        }
    }

    /// The rules of a list as they are now.
    fn entries(&self, list: List) -> Entries {
        self.list(list).borrow().clone()
    }

    /// Appends a rule to a list. In that of `view`, keys stand first, then addresses of clients,
    /// then addresses of ours.
    pub fn add(&self, id: RuleId, list: List, rule: Rule) {
        let turn = |rule: &Rule| match rule.client {
            None | Some(Client::Tsig(_)) => 0,
            Some(Client::Source(_)) => 1,
            Some(Client::Destination(_)) => 2,
        };
        let mut entries = self.list(list).borrow_mut();
        let at = match list {
            List::View => entries.partition_point(|entry| turn(&entry.rule) <= turn(&rule)),
            List::Before | List::After => entries.len(),
        };
        let (tally, suspended) = (Tally::default(), Cell::new(false));
        let entry = Rc::new(Entry { id, rule, tally, suspended });
        Rc::make_mut(&mut *entries).insert(at, entry);
        drop(entries);
        if list == List::View {
            self.classify_clients();
        }
    }

    /// Removes a rule. Returns whether it was there.
    pub fn remove(&self, id: RuleId) -> bool {
        let mut removed = false;
        for list in [List::Before, List::After, List::View] {
            let mut entries = self.list(list).borrow_mut();
            if let Some(at) = entries.iter().position(|entry| entry.id == id) {
                Rc::make_mut(&mut *entries).remove(at);
                removed = true;
            }
        }
        if removed {
            self.classify_clients();
        }
        removed
    }

    fn classify_clients(&self) {
        let entries = self.entries(List::View);
        let conditions = entries.iter().filter_map(|entry| entry.rule.client.as_ref());
        *self.0.classes.borrow_mut() = Rc::new(ClientClasses::new(conditions));
    }

    /// Applies an action on its own, as a function of the operator does. The state of the request
    /// from now on; nothing for a chain action.
    pub fn apply(
        &self,
        action: &Action,
        ctx: &mut RequestContext<'_>,
        state: State,
    ) -> Option<State> {
        let functions = self.functions();
        let helpers = Helpers { functions: functions.as_deref(), list: List::Before };
        action::apply(action, helpers, ctx, state)
    }

    /// How often a rule has applied.
    pub fn hits(&self, id: RuleId) -> u64 {
        self.find(id).map_or(0, |entry| entry.tally.get())
    }

    /// Suspends a rule, which keeps its place, or has it apply again. Returns whether there is such
    /// a rule.
    pub fn suspend(&self, id: RuleId, suspended: bool) -> bool {
        match self.find(id) {
            Some(entry) => {
                entry.suspended.set(suspended);
                true
            }
            None => false,
        }
    }

    /// Puts another version of a rule's response policy zone in force. Returns whether there is
    /// such a rule.
    pub fn replace_zone(&self, id: RuleId, zone: Arc<Zone>) -> bool {
        match self.find(id).as_deref() {
            Some(Entry { rule: Rule { filter: Filter::Rpz(slot), .. }, .. }) => {
                slot.replace(zone);
                true
            }
            _ => false,
        }
    }

    fn find(&self, id: RuleId) -> Option<Rc<Entry>> {
        [List::Before, List::After, List::View]
            .into_iter()
            .find_map(|list| self.list(list).borrow().iter().find(|entry| entry.id == id).cloned())
    }

    fn functions(&self) -> Option<Rc<dyn Functions>> {
        self.0.functions.borrow().clone()
    }

    /// What tells clients apart to whom different rules of `view` apply.
    fn client_tag(&self, source: IpAddr, destination: IpAddr) -> Option<u32> {
        self.0.classes.borrow().tag(source, destination)
    }
}

impl Rule {
    /// A rule for all clients.
    pub fn new(filter: Filter, action: Action) -> Rule {
        Rule { client: None, filter, action }
    }
}

impl Filter {
    /// The triggers of a response policy zone that comes later; until then it selects nothing.
    pub fn rpz(zone: Option<Arc<Zone>>) -> Filter {
        Filter::Rpz(ZoneSlot::new(zone))
    }
}
