//! `nsid`: which instance has answered (RFC 5001), for those who ask by the EDNS option.
//!
//! Queries that carry the option never take the short way of finished answers, so the layer is
//! transparent for all others.

use std::cell::RefCell;
use std::rc::Rc;

use dns::Message;
use dns::edns::OptionCode;
use resolve::{Hooks, Layer, RequestContext, State};

use crate::{Command, Environment, Module, Refusal, Value};

/// The name of the module.
pub const NAME: &str = "nsid";

/// Longest identifier that is taken: it has to fit the smallest response beside a question.
const IDENTIFIER_BYTES_MAX: usize = 200;

const COMMANDS: &[Command] = &[Command {
    name: "name",
    usage: "name([identifier])",
    doc: "get or set the identifier of this instance",
}];

type Identifier = Rc<RefCell<Option<Vec<u8>>>>;

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    Box::new(Nsid::default())
}

#[derive(Default)]
struct Nsid {
    identifier: Identifier,
}

impl Module for Nsid {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        Some(Box::new(NsidLayer { identifier: self.identifier.clone() }))
    }

    fn commands(&self) -> &'static [Command] {
        COMMANDS
    }

    fn call(
        &mut self,
        _env: &dyn Environment,
        _command: &str,
        arguments: &[Value],
    ) -> Result<Value, Refusal> {
        let given = match arguments.first() {
            None | Some(Value::Nil) => None,
            Some(Value::Text(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string().into_bytes()),
            Some(_) => return Err(Refusal::new("expected 'name([string identifier])'")),
        };
        if let Some(text) = given {
            if text.len() > IDENTIFIER_BYTES_MAX {
                return Err(Refusal::new(format!(
                    "the identifier may have {IDENTIFIER_BYTES_MAX} octets, this one has {}",
                    text.len()
                )));
            }
            *self.identifier.borrow_mut() = Some(text);
        }
        Ok(self.identifier.borrow().clone().map_or(Value::Nil, Value::Text))
    }
}

struct NsidLayer {
    identifier: Identifier,
}

impl Layer for NsidLayer {
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
        if ctx.request.edns.is_none() {
            return state;
        }
        let identifier = self.identifier.borrow();
        let Some(identifier) = identifier.as_ref() else { return state };
        let asked = Message::parse(&ctx.request.wire)
            .ok()
            .and_then(|message| message.edns().map(|edns| edns.option(OptionCode::NSID).is_some()));
        if asked == Some(true) {
            ctx.request.response.options.push((OptionCode::NSID, identifier.clone()));
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, says};

    #[test]
    fn those_who_ask_are_told() {
        let mut world = World::new(|_, _| says(&["www.example. 300 A 192.0.2.1"]));
        world.load(NAME);
        let ask = |world: &mut World| {
            let response = world.ask_with(
                "www.example.",
                "A",
                |_| {},
                |opt| {
                    opt.push(OptionCode::NSID, &[]);
                },
            );
            response.option(OptionCode::NSID)
        };
        assert_eq!(ask(&mut world), None, "there is no name yet");
        assert_eq!(world.call(NAME, "name", &[]), Value::Nil);
        assert_eq!(world.call(NAME, "name", &[Value::text("one")]), Value::text("one"));
        assert_eq!(world.call(NAME, "name", &[]), Value::text("one"));
        assert_eq!(ask(&mut world).as_deref(), Some(&b"one"[..]));
        assert_eq!(world.ask("www.example.", "A").option(OptionCode::NSID), None);
        assert!(world.try_call(NAME, "name", &[Value::Bool(true)]).is_err());
        assert!(world.try_call(NAME, "name", &[Value::text("x".repeat(201))]).is_err());
        world.unload(NAME);
        assert_eq!(ask(&mut world), None);
    }
}
