//! `policy` and `view`: rules of the configuration become rules of the resolver's layers.

mod convert;
mod functions;
mod zones;

use std::cell::RefCell;
use std::path::Path;
use std::rc::{Rc, Weak};

use lua::host::{HostError, Policy, RuleId, RuleList};
use lua::policy::{Action, Filter, Rule};
use modules::Home;
use modules::policy::names::NameSet;
use modules::policy::pattern::Pattern;
use modules::policy::{self, List, PolicyLayer, Rules, ViewLayer};
use resolve::layer::local_data;
use resolve::{Layer, RequestContext};

use self::functions::LuaFunctions;
use super::DaemonHost;
use crate::logging::log;
use crate::program::Program;

/// The rules, and the files that some of them come from.
pub(super) struct State {
    rules: Rules,
    zones: zones::Zones,
}

impl State {
    /// No rules yet. The seed keys the hashes of lists of names.
    pub(super) fn new(seed: (u64, u64), program: Rc<RefCell<Weak<Program>>>) -> State {
        let rules = Rules::new(seed);
        rules.set_functions(Rc::new(LuaFunctions::new(program)));
        State { rules, zones: zones::Zones::default() }
    }
}

fn id_of(id: RuleId) -> policy::RuleId {
    policy::RuleId(id.0)
}

impl Policy for DaemonHost {
    fn policy_add(&self, id: RuleId, rule: &Rule, list: RuleList) -> Result<(), HostError> {
        let list = match list {
            RuleList::Before => List::Before,
            RuleList::After => List::After,
            RuleList::View => List::View,
        };
        let filter = match &rule.filter {
            Filter::Rpz { path, watch } => self.rpz(id, path, *watch)?,
            other => filter_of(other, &self.policy.rules)?,
        };
        let client = rule.client.as_ref().map(convert::client);
        let rule = policy::Rule { client, filter, action: convert::action(&rule.action) };
        self.policy.rules.add(id_of(id), list, rule);
        self.worker.change_resolver(resolve::Resolver::forget_answers);
        Ok(())
    }

    fn policy_remove(&self, id: RuleId) -> bool {
        self.policy.zones.forget(id_of(id));
        let removed = self.policy.rules.remove(id_of(id));
        self.worker.change_resolver(resolve::Resolver::forget_answers);
        removed
    }

    fn policy_suspend(&self, id: RuleId, suspended: bool) -> bool {
        let found = self.policy.rules.suspend(id_of(id), suspended);
        self.worker.change_resolver(resolve::Resolver::forget_answers);
        found
    }

    fn policy_hits(&self, id: RuleId) -> u64 {
        self.policy.rules.hits(id_of(id))
    }

    fn policy_apply(
        &self,
        action: &Action,
        ctx: &mut RequestContext<'_>,
        state: resolve::State,
    ) -> Result<Option<resolve::State>, HostError> {
        Ok(self.policy.rules.apply(&convert::action(action), ctx, state))
    }
}

fn filter_of(filter: &Filter, rules: &Rules) -> Result<policy::Filter, HostError> {
    let set = |names: &Vec<dns::Name>| {
        NameSet::from_names(rules.seed(), names)
            .map(std::sync::Arc::new)
            .map_err(|fault| HostError::refused(fault.to_string()))
    };
    Ok(match filter {
        Filter::All => policy::Filter::All,
        Filter::Suffix(names) => policy::Filter::Suffix(set(names)?),
        Filter::Domains(names) => policy::Filter::Domains(set(names)?),
        Filter::Pattern(text) => policy::Filter::Pattern(
            Pattern::new(text)
                .map_err(|fault| HostError::refused(format!("policy.pattern: {fault}")))?,
        ),
        Filter::Rpz { .. } => policy::Filter::rpz(None),
        Filter::Lua(function) => policy::Filter::Function(policy::FunctionId(function.0)),
    })
}

impl DaemonHost {
    /// The triggers of a zone file. While the configuration is read the file is, too; later it is
    /// read beside the loop, and the rule has no effect until then.
    fn rpz(&self, id: RuleId, path: &Path, watch: bool) -> Result<policy::Filter, HostError> {
        let rules = &self.policy.rules;
        let zone = if self.is_running() {
            self.policy.zones.load_later(self.worker.clone(), rules.clone(), id_of(id), path);
            None
        } else {
            // A list that its publisher broke must not keep the resolver from starting.
            zones::load(path, rules.seed())
                .inspect_err(|text| log!(Err, "policy", "{text}; the rule has no effect"))
                .ok()
        };
        if watch {
            self.policy.zones.watch(id_of(id), path);
        }
        Ok(policy::Filter::rpz(zone))
    }

    /// Looks after files that rules come from, about once a second.
    pub(crate) fn maintain_rules(&self) {
        self.policy.zones.check(&self.worker, &self.policy.rules);
    }

    /// Has the configuration been loaded?
    fn is_running(&self) -> bool {
        self.program.borrow().upgrade().is_some()
    }

    /// The layer of `policy` or `view`, with its place unless the operator says another; other
    /// modules have none here.
    pub(super) fn rule_layer(&self, name: &str) -> (Home, Option<Box<dyn Layer>>) {
        let rules = self.policy.rules.clone();
        match name {
            policy::layer::POLICY => {
                self.worker.change_settings(|settings| settings.local_data_except.clear());
                (Home::Before(local_data::NAME), Some(Box::new(PolicyLayer::new(rules))))
            }
            policy::layer::VIEW => (Home::Last, Some(Box::new(ViewLayer::new(rules)))),
            _ => (Home::Last, None),
        }
    }

    /// A module has been unloaded. Without `policy`, special-use names are resolved like others.
    pub(super) fn forget_rule_layer(&self, name: &str) {
        if name == policy::layer::POLICY {
            self.worker.change_settings(|settings| {
                settings.local_data_except = vec![dns::Name::root()];
            });
        }
    }
}
