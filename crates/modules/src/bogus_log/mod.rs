//! `bogus_log`: tells the log which questions could not be answered because validation failed, and
//! counts them.
//!
//! Failures never become finished answers, so the layer is transparent.

use std::cell::RefCell;
use std::rc::Rc;

use resolve::keyed::Keyed;
use resolve::{Hooks, Layer, RequestContext, State};

use crate::frequent::Frequent;
use crate::{Command, Environment, Module, Refusal, Value};

/// The name of the module.
pub const NAME: &str = "bogus_log";

/// Questions that are counted.
const FREQUENT_MAX: usize = 5000;
/// The log group.
const GROUP: &str = "dnssec";

const COMMANDS: &[Command] = &[Command {
    name: "frequent",
    usage: "frequent()",
    doc: "the questions whose validation failed, with how often it did",
}];

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    let frequent = Rc::new(RefCell::new(Frequent::new(Keyed(0, 0), FREQUENT_MAX)));
    Box::new(BogusLog { frequent })
}

struct BogusLog {
    frequent: Rc<RefCell<Frequent>>,
}

impl Module for BogusLog {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        Some(Box::new(BogusLogLayer { frequent: self.frequent.clone() }))
    }

    fn start(&mut self, env: &dyn Environment) -> Result<(), Refusal> {
        let keys = Keyed(env.random(), env.random());
        *self.frequent.borrow_mut() = Frequent::new(keys, FREQUENT_MAX);
        Ok(())
    }

    fn commands(&self) -> &'static [Command] {
        COMMANDS
    }

    fn call(
        &mut self,
        _env: &dyn Environment,
        _command: &str,
        _arguments: &[Value],
    ) -> Result<Value, Refusal> {
        Ok(self.frequent.borrow().to_value())
    }
}

struct BogusLogLayer {
    frequent: Rc<RefCell<Frequent>>,
}

impl Layer for BogusLogLayer {
    fn name(&self) -> &str {
        NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::FINISH
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn finish(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        if ctx.request.bogus.is_some()
            && let Some((name, rtype)) = &ctx.request.bogus_query
        {
            self.frequent.borrow_mut().count(name, *rtype);
            let name = name.to_lowercase();
            ctx.core.note(GROUP, format!("validation failure: {name} {rtype}"));
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use resolve::TrustAnchors;

    use super::*;
    use crate::testing::{World, says};

    #[test]
    fn failures_are_told_and_counted() {
        // A root that is not signed although there is an anchor for it.
        let mut world = World::new(|_, rtype| match rtype {
            dns::Rtype::A => says(&["www.example. 300 A 192.0.2.1"]),
            _ => says(&[". 300 SOA a. b. 1 2 3 4 300"]),
        });
        world.load(NAME);
        assert_eq!(world.call(NAME, "frequent", &[]), Value::List(Vec::new()));
        let mut anchors = TrustAnchors::new();
        let digest = "20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";
        let set = dns::zonefile::rrsets(
            format!(". 3600 IN DS {digest}\n").as_bytes(),
            &dns::zonefile::Settings::default(),
        );
        anchors.add_set(&set.unwrap()[0]);
        world.process.settings.borrow_mut().trust_anchors = Arc::new(anchors);
        world.pass(std::time::Duration::ZERO);
        for _ in 0..2 {
            assert_eq!(world.ask("www.example.", "A").shown(), "SERVFAIL");
        }
        let (group, text) = world.resolver.poll_notice().expect("a message");
        assert_eq!((group, text.as_str()), (GROUP, "validation failure: www.example. A"));
        let Value::List(list) = world.call(NAME, "frequent", &[]) else { panic!("a list") };
        assert_eq!(list[0].get("name"), Some(&Value::text("www.example.")));
        assert_eq!(list[0].get("type"), Some(&Value::text("A")));
    }
}
