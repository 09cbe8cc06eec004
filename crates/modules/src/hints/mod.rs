//! `hints`: addresses for names and names for addresses that the operator gives, by commands or in
//! files like `/etc/hosts`.
//!
//! The layer answers in `produce`, for clients' questions and sub-queries alike. Where it stands in
//! the order says what goes first: behind `cache` (its home) or, as `hints > iterate`, before it.

mod table;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;

use dns::{Class, Name, Rcode, Rdatas, Rrset, Rtype};
use resolve::reply::{Reply, Source};
use resolve::{Hooks, Layer, Outcome, Purpose, QueryContext, State};
use store::cache::Rank;
use store::cache::entry::SignedSet;

use self::table::Table;
use crate::environment::Level;
use crate::{Command, Environment, Module, Refusal, Value};

/// The name of the module.
pub const NAME: &str = "hints";

/// TTL of answers, in seconds.
const TTL: u32 = 5;
/// The file that is read if none is named.
const HOSTS_FILE: &str = "/etc/hosts";
/// Bad lines of a file that are told.
const BAD_LINES_TOLD: usize = 10;

const COMMANDS: &[Command] = &[
    Command {
        name: "config",
        usage: "config([path])",
        doc: "forget all hints, then read a file like /etc/hosts if one is named",
    },
    Command {
        name: "add_hosts",
        usage: "add_hosts([path])",
        doc: "add the names of a file, by default /etc/hosts",
    },
    Command { name: "get", usage: "get([name])", doc: "the addresses of a name, or of all names" },
    Command { name: "set", usage: "set('name address')", doc: "add an address to a name" },
    Command {
        name: "del",
        usage: "del('name [address]')",
        doc: "remove an address of a name, or all of them",
    },
    Command {
        name: "use_nodata",
        usage: "use_nodata(bool)",
        doc: "answer other types of these names with NODATA (the default), or resolve them",
    },
    Command { name: "ttl", usage: "ttl([seconds])", doc: "get or set the TTL of answers" },
];

/// What layer and commands share.
struct Shared {
    table: RefCell<Table>,
    use_nodata: Cell<bool>,
    ttl: Cell<u32>,
}

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    let shared =
        Shared { table: RefCell::default(), use_nodata: Cell::new(true), ttl: Cell::new(TTL) };
    Box::new(Hints { shared: Rc::new(shared) })
}

struct Hints {
    shared: Rc<Shared>,
}

impl Hints {
    fn add_hosts(&self, env: &dyn Environment, path: &str) -> Result<(), Refusal> {
        let text = env.read_file(path)?;
        self.add_text(env, path, &text);
        Ok(())
    }

    fn add_text(&self, env: &dyn Environment, path: &str, text: &[u8]) {
        let bad = self.shared.table.borrow_mut().add_hosts(text);
        for line in bad.iter().take(BAD_LINES_TOLD) {
            let text = format!("{path}:{}: {}; the line is left out", line.number, line.why);
            env.log("hint", Level::Warning, &text);
        }
        if bad.len() > BAD_LINES_TOLD {
            let text = format!("{path}: {} more lines are left out", bad.len() - BAD_LINES_TOLD);
            env.log("hint", Level::Warning, &text);
        }
    }

    fn configure(&self, env: &dyn Environment, config: &Value) -> Result<Value, Refusal> {
        let path = match config {
            Value::Nil => None,
            Value::Text(_) => config.as_text(),
            Value::Map(map) if map.is_empty() => None,
            Value::Map(_) => match config.get("file").and_then(Value::as_text) {
                Some(path) => Some(path),
                None => return Err(Refusal::new("hints takes { file = 'path' }")),
            },
            Value::List(items) if items.is_empty() => None,
            _ => return Err(Refusal::new("expected 'config([string path])'")),
        };
        // A file that cannot be read changes nothing.
        let text = path.map(|path| env.read_file(path)).transpose()?;
        self.shared.table.borrow_mut().clear();
        if let (Some(path), Some(text)) = (path, text) {
            self.add_text(env, path, &text);
        }
        Ok(Value::Number(0.0))
    }

    fn add(&self, name: &str, address: &str) -> Result<(), Refusal> {
        let name = parse_name(name)?;
        let parsed = address
            .parse()
            .map_err(|_| Refusal::new(format!("'{address}' is not an IP address")))?;
        if self.shared.table.borrow_mut().add(&name, parsed) {
            return Ok(());
        }
        Err(Refusal::new(format!("'{name}' has too many addresses")))
    }

    fn remove(&self, name: &str, address: Option<&str>) -> bool {
        let Ok(name) = parse_name(name) else { return false };
        let address = match address.map(str::parse::<IpAddr>) {
            None => None,
            Some(Ok(address)) => Some(address),
            Some(Err(_)) => return false,
        };
        self.shared.table.borrow_mut().remove(&name, address)
    }

    fn read(&self, name: &str) -> Option<Value> {
        let name = parse_name(name).ok()?;
        let table = self.shared.table.borrow();
        Some(to_list(table.addresses(&name)?))
    }

    fn all(&self) -> Value {
        let table = self.shared.table.borrow();
        table.all().into_iter().map(|(name, list)| (name.to_string(), to_list(list))).collect()
    }
}

fn parse_name(text: &str) -> Result<Name, Refusal> {
    Name::from_text(text.as_bytes(), &Name::root())
        .map_err(|_| Refusal::new(format!("'{text}' is not a name")))
}

fn to_list(addresses: &[IpAddr]) -> Value {
    addresses.iter().map(|address| Value::text(address.to_string())).collect()
}

/// `'name address'` as its words.
fn words(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_text).map(|text| text.split_whitespace().collect()).unwrap_or_default()
}

impl Module for Hints {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        Some(Box::new(HintsLayer { shared: self.shared.clone() }))
    }

    fn commands(&self) -> &'static [Command] {
        COMMANDS
    }

    fn call(
        &mut self,
        env: &dyn Environment,
        command: &str,
        arguments: &[Value],
    ) -> Result<Value, Refusal> {
        let first = arguments.first().unwrap_or(&Value::Nil);
        let result = match command {
            "config" => self.configure(env, first)?,
            "add_hosts" => {
                let path = if first.is_nil() { Some(HOSTS_FILE) } else { first.as_text() };
                let path = path.ok_or_else(|| Refusal::new("expected 'add_hosts([path])'"));
                let added = path.and_then(|path| self.add_hosts(env, path));
                if let Err(refusal) = &added {
                    env.log("hint", Level::Error, &refusal.0);
                }
                Value::result(added.is_ok())
            }
            "get" if first.is_nil() => return Ok(self.all()),
            "get" => return Ok(first.as_text().and_then(|n| self.read(n)).unwrap_or(Value::Nil)),
            "set" | "del" if first.is_nil() => return Ok(Value::Nil),
            "set" => {
                let added = match words(arguments.first()).as_slice() {
                    [name, address] => self.add(name, address),
                    _ => Err(Refusal::new("expected 'set('name address')'")),
                };
                if let Err(refusal) = &added {
                    env.log("hint", Level::Error, &refusal.0);
                }
                Value::result(added.is_ok())
            }
            "del" => Value::result(match words(arguments.first()).as_slice() {
                [name] => self.remove(name, None),
                [name, address] => self.remove(name, Some(address)),
                _ => false,
            }),
            "use_nodata" if first.is_nil() => return Ok(Value::Nil),
            "use_nodata" => {
                let wanted = matches!(first, Value::Bool(_));
                if wanted {
                    self.shared.use_nodata.set(first.is_true());
                }
                Value::result(wanted)
            }
            _ => {
                if let Some(ttl) = first.as_number()
                    && (0.0..=f64::from(i32::MAX)).contains(&ttl)
                    && ttl.fract() == 0.0
                {
                    self.shared.ttl.set(ttl as u32);
                }
                Value::Number(self.shared.ttl.get().into())
            }
        };
        env.forget_answers();
        Ok(result)
    }

    fn get(&mut self, _env: &dyn Environment, property: &str) -> Option<Value> {
        self.read(property)
    }

    fn set(
        &mut self,
        env: &dyn Environment,
        property: &str,
        value: &Value,
    ) -> Option<Result<(), Refusal>> {
        let addresses: Vec<&str> = match value {
            Value::List(items) => items.iter().filter_map(Value::as_text).collect(),
            value => value.as_text().into_iter().collect(),
        };
        env.forget_answers();
        if addresses.is_empty() {
            let text = format!("hints['{property}'] takes an address or a list of addresses");
            return Some(Err(Refusal::new(text)));
        }
        Some(addresses.into_iter().try_for_each(|address| self.add(property, address)))
    }
}

struct HintsLayer {
    shared: Rc<Shared>,
}

impl HintsLayer {
    /// The set that answers a question; empty if the name is known and the type is not.
    fn find(&self, name: &Name, rtype: Rtype) -> Option<Rdatas> {
        let table = self.shared.table.borrow();
        let found: Rdatas = match (table.addresses(name), table.pointer(name), rtype) {
            (Some(addresses), _, Rtype::A) => {
                let octets = |address: &IpAddr| match address {
                    IpAddr::V4(v4) => Some(v4.octets()),
                    IpAddr::V6(_) => None,
                };
                addresses.iter().filter_map(octets).collect()
            }
            (Some(addresses), _, Rtype::AAAA) => {
                let octets = |address: &IpAddr| match address {
                    IpAddr::V6(v6) => Some(v6.octets()),
                    IpAddr::V4(_) => None,
                };
                addresses.iter().filter_map(octets).collect()
            }
            (_, Some(target), Rtype::PTR) => [target.as_wire()].into_iter().collect(),
            (None, None, _) => return None,
            _ => Rdatas::new(),
        };
        (!found.is_empty() || self.shared.use_nodata.get()).then_some(found)
    }
}

impl Layer for HintsLayer {
    fn name(&self) -> &str {
        NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::PRODUCE
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn produce(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        // Nobody signs hints, so they are no part of a chain of trust.
        if state != State::Produce
            || ctx.query.reply.is_some()
            || ctx.query.class != Class::IN
            || ctx.query.purpose == Purpose::Trust
        {
            return state;
        }
        let (name, rtype) = (&ctx.query.name, ctx.query.rtype);
        let Some(rdatas) = self.find(name, rtype) else { return state };
        let mut reply =
            Reply { rank: Rank::INSECURE.with_auth(), ..Reply::new(Source::Local, Rcode::NOERROR) };
        let outcome = if rdatas.is_empty() { Outcome::NoData } else { Outcome::Answer };
        if !rdatas.is_empty() {
            let set = Rrset {
                rdatas,
                ..Rrset::new(name.clone(), rtype, Class::IN, self.shared.ttl.get())
            };
            reply.answer.push(SignedSet {
                set,
                signatures: Rdatas::new(),
                rank: Rank::INSECURE.with_auth(),
            });
        }
        ctx.query.reply = Some(reply);
        ctx.query.outcome = Some(outcome);
        State::Consume
    }
}
