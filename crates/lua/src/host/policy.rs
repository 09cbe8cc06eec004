//! `policy`: the rules that the resolver evaluates itself.

use resolve::{RequestContext, State};

use super::HostError;
use crate::policy::{Action, Rule};

/// A rule in force, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleId(pub u32);

/// The list that a rule is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleList {
    /// Tried before resolution.
    Before,
    /// Tried when the response is complete.
    After,
    /// Those of `view`, tried before resolution.
    View,
}

/// The rule lists. Rules are evaluated in the order of their adding.
pub trait Policy {
    /// Appends a rule to a list.
    fn policy_add(&self, id: RuleId, rule: &Rule, list: RuleList) -> Result<(), HostError>;
    /// Removes a rule. Returns whether it was there.
    fn policy_remove(&self, id: RuleId) -> bool;
    /// Suspends a rule, which keeps its place, or has it apply again. Returns whether it is there.
    fn policy_suspend(&self, id: RuleId, suspended: bool) -> bool;
    /// How often a rule has matched.
    fn policy_hits(&self, id: RuleId) -> u64;
    /// Applies an action to a request, as `policy.DENY(state, req)` in a script does. Returns the
    /// state that follows, or nothing for a chain action. Called while a hook runs.
    fn policy_apply(
        &self,
        _action: &Action,
        _ctx: &mut RequestContext<'_>,
        _state: State,
    ) -> Result<Option<State>, HostError> {
        Err(HostError::Unsupported("an action of policy that a function applies"))
    }
}
