//! `policy`: the rules, kept in the order of their adding.

use std::cell::RefCell;

use lua::host::{HostError, Policy, RuleId};
use lua::policy::Rule;

use super::DaemonHost;
use crate::logging::log;

/// The rules by the list that they are in.
#[derive(Default)]
pub(super) struct State {
    rules: RefCell<Vec<(RuleId, bool, Rule)>>,
}

impl Policy for DaemonHost {
    fn policy_add(&self, id: RuleId, rule: &Rule, post: bool) -> Result<(), HostError> {
        log!(Notice, "policy", "rules are kept, but this program does not apply them: {rule:?}");
        self.policy.rules.borrow_mut().push((id, post, rule.clone()));
        Ok(())
    }

    fn policy_remove(&self, id: RuleId) -> bool {
        let mut rules = self.policy.rules.borrow_mut();
        let before = rules.len();
        rules.retain(|(other, _, _)| *other != id);
        before != rules.len()
    }

    fn policy_hits(&self, _id: RuleId) -> u64 {
        0
    }
}
