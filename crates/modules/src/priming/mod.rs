//! `priming`: asks the root for its own servers (RFC 8109), at start and whenever that answer
//! expires, so that the built-in list is needed once.
//!
//! The answers go into the store like others, where the search for a zone finds them. They also
//! replace the root hints, so that they outlive a cache that is cleared.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dns::{Message, Name, Rcode, Rtype};
use resolve::limits::SERVERS_MAX;
use resolve::{Layer, Mono};

use crate::environment::Level;
use crate::{Environment, Module, Question, Refusal, Value};

/// The name of the module.
pub const NAME: &str = "priming";

/// Until it is tried again after a failure, if nothing else is said.
const RETRY: Duration = Duration::from_secs(10);
/// Where something else can be said, in milliseconds.
const RETRY_PROPERTY: &str = "retry_time";
/// With less the servers of the root would be asked without end.
const RETRY_MS_MIN: f64 = 100.0;
/// Longest and shortest time between two primings, whatever the TTL says.
const AGAIN_MAX: Duration = Duration::from_secs(6 * 24 * 3600);
const AGAIN_MIN: Duration = Duration::from_secs(1);
/// The log group.
const GROUP: &str = "primin";
/// The number of the question for the servers; those for addresses follow.
const FIRST: u16 = 0;

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    Box::new(Priming { retry: RETRY, ..Priming::default() })
}

#[derive(Default)]
struct Priming {
    due: Option<Mono>,
    /// What was asked, by its number; an answer to anything else is a late one.
    asked: BTreeMap<u16, (Name, Rtype)>,
    /// Questions asked so far; the numbers go round.
    number: u16,
    found: BTreeMap<Name, Vec<IpAddr>>,
    least_ttl: u32,
    retry: Duration,
}

impl Priming {
    fn ask(&mut self, env: &dyn Environment, name: Name, rtype: Rtype) {
        let number = self.number;
        self.number = self.number.wrapping_add(1);
        self.asked.insert(number, (name.clone(), rtype));
        env.ask(Question { number, name, rtype });
    }

    fn fail(&mut self, env: &dyn Environment, what: &str) {
        let seconds = self.retry.as_secs();
        env.log(GROUP, Level::Info, &format!("{what}, next priming query in {seconds} seconds"));
        self.due = Some(env.now().mono + self.retry);
    }

    /// The servers are known: asks for their addresses, which mostly came along.
    fn take_servers(&mut self, env: &dyn Environment, message: &Message<'_>) {
        let (mut ipv4, mut ipv6) = (true, true);
        env.with_settings(&mut |settings| (ipv4, ipv6) = (settings.ipv4, settings.ipv6));
        let mut servers = Vec::new();
        for record in message.answer().filter(|record| record.rtype() == Rtype::NS) {
            self.least_ttl = self.least_ttl.min(record.ttl());
            if let Ok(name) = Name::from_wire(&record.rdata()) {
                servers.push(name.to_lowercase());
            }
        }
        servers.truncate(SERVERS_MAX);
        for server in servers {
            if ipv4 {
                self.ask(env, server.clone(), Rtype::A);
            }
            if ipv6 {
                self.ask(env, server, Rtype::AAAA);
            }
        }
        if self.asked.is_empty() {
            self.fail(env, "there is no root server in the answer");
        }
    }

    fn take_addresses(&mut self, server: &Name, message: &Message<'_>) {
        let addresses = message.answer().filter_map(|record| {
            let rdata = record.rdata_wire();
            match record.rtype() {
                Rtype::A => <[u8; 4]>::try_from(rdata).ok().map(IpAddr::from),
                Rtype::AAAA => <[u8; 16]>::try_from(rdata).ok().map(IpAddr::from),
                _ => None,
            }
        });
        let addresses: Vec<IpAddr> = addresses.collect();
        if !addresses.is_empty() {
            self.found.entry(server.clone()).or_default().extend(addresses);
        }
    }

    /// All answers are there.
    fn publish(&mut self, env: &dyn Environment) {
        if self.found.is_empty() {
            return self.fail(env, "cannot resolve any root server address");
        }
        let hints: Vec<(Name, Vec<IpAddr>)> = std::mem::take(&mut self.found).into_iter().collect();
        let hints = Arc::new(hints);
        let mut known = false;
        env.with_settings(&mut |settings| known = settings.root_hints == hints);
        if !known {
            env.change_settings(&mut |settings| settings.root_hints = hints.clone());
        }
        let again = Duration::from_secs(self.least_ttl.into()).clamp(AGAIN_MIN, AGAIN_MAX);
        let seconds = again.as_secs();
        env.log(GROUP, Level::Info, &format!("primed, next priming query in {seconds} seconds"));
        self.due = Some(env.now().mono + again);
    }
}

impl Module for Priming {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        None
    }

    fn start(&mut self, env: &dyn Environment) -> Result<(), Refusal> {
        self.due = Some(env.now().mono);
        Ok(())
    }

    fn get(&mut self, _env: &dyn Environment, property: &str) -> Option<Value> {
        (property == RETRY_PROPERTY).then(|| Value::from(self.retry.as_millis() as u64))
    }

    fn set(
        &mut self,
        _env: &dyn Environment,
        property: &str,
        value: &Value,
    ) -> Option<Result<(), Refusal>> {
        if property != RETRY_PROPERTY {
            let text = format!("there is no '{property}', only '{RETRY_PROPERTY}'");
            return Some(Err(Refusal::new(text)));
        }
        let most = AGAIN_MAX.as_millis() as f64;
        let ms = value.as_number().filter(|ms| (RETRY_MS_MIN..=most).contains(ms));
        Some(match ms {
            None => Err(Refusal::new("retry_time must be milliseconds, from 100 to six days")),
            Some(ms) => {
                self.retry = Duration::from_millis(ms as u64);
                Ok(())
            }
        })
    }

    fn deadline(&self) -> Option<Mono> {
        self.due
    }

    fn handle_deadline(&mut self, env: &dyn Environment) {
        self.due = None;
        self.asked.clear();
        self.found.clear();
        self.least_ttl = u32::MAX;
        env.with_settings(&mut |settings| self.least_ttl = settings.ttl_max.max(1));
        self.number = FIRST;
        self.ask(env, Name::root(), Rtype::NS);
    }

    fn handle_answer(&mut self, env: &dyn Environment, number: u16, answer: Option<&[u8]>) {
        let Some((name, rtype)) = self.asked.remove(&number) else { return };
        let message = answer.and_then(|wire| Message::parse(wire).ok());
        let message = message.filter(|message| message.rcode() == Rcode::NOERROR);
        match message {
            Some(message) if rtype == Rtype::NS => return self.take_servers(env, &message),
            None if rtype == Rtype::NS => return self.fail(env, "cannot resolve '.' NS"),
            Some(message) => self.take_addresses(&name, &message),
            None => {
                let text = format!("cannot resolve address '{name}', type: {rtype}");
                env.log(GROUP, Level::Info, &text);
            }
        }
        if self.asked.is_empty() {
            self.publish(env);
        }
    }
}
