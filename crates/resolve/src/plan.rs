//! The queries of a request: a stack. The top one is worked on; those below wait for it.

use smallvec::SmallVec;

use crate::action::ExchangeId;
use crate::limits::{DEPTH_MAX, QUERIES_MAX};
use crate::query::{Query, QueryId};

/// The plan has no room for another query: a bound of [`crate::limits`] is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlanFull;

/// The queries of one request. The one that is worked on is out of the stack while a hook runs.
#[derive(Debug, Default)]
#[allow(clippy::vec_box, reason = "queries are large and move between lists and the driver")]
pub struct Plan {
    stack: SmallVec<[Box<Query>; 4]>,
    /// Children of the query that is out, in the order they were pushed.
    children: Vec<Box<Query>>,
    pushed: u16,
    /// Exchanges that nobody waits for any more and that have to be cancelled.
    abandoned: Vec<ExchangeId>,
    /// The query that was resolved last, for those who look back from the end of the request.
    pub resolved: Option<Box<Query>>,
}

impl Plan {
    fn number(&mut self, query: &mut Query) -> Result<(), PlanFull> {
        if self.pushed >= QUERIES_MAX {
            return Err(PlanFull);
        }
        query.id = QueryId(self.pushed);
        self.pushed += 1;
        Ok(())
    }

    /// Puts a query on top; those below wait for it.
    pub fn push(&mut self, mut query: Box<Query>) -> Result<QueryId, PlanFull> {
        self.number(&mut query)?;
        let id = query.id;
        self.stack.push(query);
        Ok(id)
    }

    /// Adds a child of `parent`, which has to yield for it.
    pub fn push_child(&mut self, parent: &Query, mut child: Query) -> Result<QueryId, PlanFull> {
        if parent.depth >= DEPTH_MAX {
            return Err(PlanFull);
        }
        self.number(&mut child)?;
        child.parent = Some(parent.id);
        child.depth = parent.depth + 1;
        let id = child.id;
        self.children.push(Box::new(child));
        Ok(id)
    }

    /// Takes the top query out to work on it.
    pub(crate) fn take(&mut self) -> Option<Box<Query>> {
        self.stack.pop()
    }

    /// Puts the query back, its new children above it, the first of them on top.
    pub(crate) fn put_back(&mut self, query: Box<Query>) {
        self.stack.push(query);
        self.stack.extend(self.children.drain(..).rev());
    }

    /// Were children pushed by the query that is out?
    pub(crate) fn has_children(&self) -> bool {
        !self.children.is_empty()
    }

    /// The query does not wait for messages any more.
    pub(crate) fn abandon_round(&mut self, query: &mut Query) {
        if let Some(round) = &mut query.round {
            self.abandoned.extend(round.open.drain(..).map(|sent| sent.exchange));
        }
    }

    /// The exchanges to cancel.
    pub(crate) fn take_abandoned(&mut self) -> Vec<ExchangeId> {
        std::mem::take(&mut self.abandoned)
    }

    /// Takes all queries off; nothing more will be resolved.
    pub(crate) fn clear(&mut self) {
        while let Some(mut query) = self.stack.pop() {
            self.abandon_round(&mut query);
        }
        self.children.clear();
    }

    /// The query that is worked on next.
    pub fn current(&self) -> Option<&Query> {
        self.stack.last().map(|query| &**query)
    }

    /// The same, to change.
    pub fn current_mut(&mut self) -> Option<&mut Query> {
        self.stack.last_mut().map(|query| &mut **query)
    }

    /// A waiting query by its number.
    pub fn query(&self, id: QueryId) -> Option<&Query> {
        self.stack.iter().find(|query| query.id == id).map(|query| &**query)
    }

    /// The same, to change.
    pub fn query_mut(&mut self, id: QueryId) -> Option<&mut Query> {
        self.stack.iter_mut().find(|query| query.id == id).map(|query| &mut **query)
    }

    /// All waiting queries, the first one first.
    pub fn queries(&self) -> impl Iterator<Item = &Query> {
        self.stack.iter().map(|query| &**query)
    }

    /// Queries pushed so far, resolved ones included.
    pub fn pushed(&self) -> u16 {
        self.pushed
    }

    /// Is nothing left to do?
    pub fn is_empty(&self) -> bool {
        self.stack.is_empty()
    }
}
