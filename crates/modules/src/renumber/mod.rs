//! `renumber`: moves addresses of answers to other ranges.
//!
//! What is moved depends on the answer alone, so the layer is transparent: a finished answer has
//! been renumbered.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use dns::{ExtendedErrorCode, Name, Rdatas, Rtype};
use resolve::request::Response;
use resolve::{Hooks, Layer, RequestContext, State};

use crate::subnet::{Octets, Subnet};
use crate::{CONFIG, Command, Environment, Module, Refusal, Value};

/// The name of the module.
pub const NAME: &str = "renumber";

/// Rules that are taken.
const RULES_MAX: usize = 10_000;

const COMMANDS: &[Command] = &[Command {
    name: CONFIG,
    usage: "config({{'10.0.0.0/8', '192.168.0.0'}, …})",
    doc: "add rules: a range and the address that it moves to, with '!' exactly there",
}];

/// What a rule looks at.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Source {
    Subnet(Subnet),
    /// Every address of this name.
    Owner(Name),
}

/// One rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    source: Source,
    target: IpAddr,
    /// The whole address is replaced, not only its network part.
    exact: bool,
}

impl Rule {
    /// Reads a rule: a range of addresses, or a name; and an address of the same family, with `!`
    /// at the end if all are to become this one.
    pub fn parse(source: &str, target: &str) -> Result<Rule, Refusal> {
        let (address, exact) = match target.strip_suffix('!') {
            Some(address) => (address, true),
            None => (target, false),
        };
        let target: IpAddr = address
            .parse()
            .map_err(|_| Refusal::new(format!("[renumber] '{target}' is not an address")))?;
        if let Some(subnet) = Subnet::parse(source) {
            if subnet.is_ipv4() != target.is_ipv4() {
                let text = format!("[renumber] '{source}' and '{target}' are of two families");
                return Err(Refusal::new(text));
            }
            return Ok(Rule { source: Source::Subnet(subnet), target, exact });
        }
        if source.contains('/') || source.contains(':') {
            return Err(Refusal::new(format!("[renumber] '{source}' is not a subnet")));
        }
        let owner = Name::from_text(source.as_bytes(), &Name::root())
            .map_err(|_| Refusal::new(format!("[renumber] '{source}' is not a subnet or name")))?;
        Ok(Rule { source: Source::Owner(owner), target, exact: true })
    }

    /// The address that it makes of one of this owner; `None` if the rule is about others.
    fn apply(&self, owner: &Name, octets: &[u8]) -> Option<Octets> {
        let mut target = Octets::of(self.target);
        if target.as_slice().len() != octets.len() {
            return None;
        }
        match &self.source {
            Source::Owner(name) => (name == owner).then_some(target),
            Source::Subnet(subnet) if subnet.contains(octets) => {
                if !self.exact {
                    match &mut target {
                        Octets::V4(target) => subnet.merge(target, octets),
                        Octets::V6(target) => subnet.merge(target, octets),
                    }
                }
                Some(target)
            }
            Source::Subnet(_) => None,
        }
    }
}

/// Moves the addresses in the answer section of a response by the first rule that fits each. Then
/// nothing is left of signatures and of the other sections, since they belong to what was there
/// before. Returns whether anything was moved.
pub fn renumber(response: &mut Response, rules: &[Rule]) -> bool {
    let mut any = false;
    for signed in &mut response.answer {
        let set = &mut signed.set;
        if !matches!(set.rtype, Rtype::A | Rtype::AAAA) {
            continue;
        }
        let moved = |octets: &[u8]| rules.iter().find_map(|rule| rule.apply(&set.owner, octets));
        if !set.rdatas.iter().any(|octets| moved(octets).is_some()) {
            continue;
        }
        let mut rdatas = Rdatas::new();
        for octets in set.rdatas.iter() {
            match moved(octets) {
                Some(target) => rdatas.push(target.as_slice()),
                None => rdatas.push(octets),
            };
        }
        set.rdatas = rdatas;
        any = true;
    }
    if any {
        for signed in &mut response.answer {
            signed.signatures = Rdatas::new();
        }
        response.answer.retain(|signed| signed.set.rtype != Rtype::RRSIG);
        response.authority.clear();
        response.additional.clear();
        response.add_extended_error(ExtendedErrorCode::FORGED_ANSWER, "DUQR");
    }
    any
}

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    Box::new(Renumber::default())
}

#[derive(Default)]
struct Renumber {
    rules: Rc<RefCell<Vec<Rule>>>,
}

impl Renumber {
    fn configure(&self, config: &Value) -> Result<(), Refusal> {
        let wrong = || Refusal::new("[renumber] expected { {prefix, target}, ... }");
        let rows = match config {
            Value::Nil => return Ok(()),
            config => config.as_list().ok_or_else(wrong)?,
        };
        let mut rules = Vec::with_capacity(rows.len());
        for row in rows {
            let row = row.as_list().ok_or_else(wrong)?;
            let (Some(source), Some(target)) =
                (row.first().and_then(Value::as_text), row.get(1).and_then(Value::as_text))
            else {
                return Err(wrong());
            };
            rules.push(Rule::parse(source, target)?);
        }
        let mut all = self.rules.borrow_mut();
        if all.len() + rules.len() > RULES_MAX {
            return Err(Refusal::new(format!("[renumber] {RULES_MAX} rules at most")));
        }
        all.extend(rules);
        Ok(())
    }
}

impl Module for Renumber {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        Some(Box::new(RenumberLayer { rules: self.rules.clone() }))
    }

    fn commands(&self) -> &'static [Command] {
        COMMANDS
    }

    fn call(
        &mut self,
        env: &dyn Environment,
        _command: &str,
        arguments: &[Value],
    ) -> Result<Value, Refusal> {
        self.configure(arguments.first().unwrap_or(&Value::Nil))?;
        env.forget_answers();
        Ok(Value::Nil)
    }
}

struct RenumberLayer {
    rules: Rc<RefCell<Vec<Rule>>>,
}

impl Layer for RenumberLayer {
    fn name(&self) -> &str {
        NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::ANSWER_FINALIZE
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn answer_finalize(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        if state != State::Fail {
            renumber(&mut ctx.request.response, &self.rules.borrow());
        }
        state
    }
}
