//! `dns64`: IPv6 addresses for names that have IPv4 addresses only (RFC 6147), and names for the
//! addresses it makes.
//!
//! When the answer to a client's question for AAAA is that there are none, the layer yields for a
//! child query for A and puts what that brings, mapped, into the answer. Clients that disable
//! checking validate themselves and get the truth (RFC 6147 §5.5).

mod config;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;

use dns::rdata::view::SoaView;
use dns::{Class, ExtendedErrorCode, Name, Rcode, Rdatas, Rrset, Rtype};
use resolve::flags::QueryFlags;
use resolve::limits::ALIASES_MAX;
use resolve::query::Delivery;
use resolve::reply::{Reply, Source};
use resolve::{Hooks, Layer, Outcome, Purpose, Query, QueryContext, State, trace};
use store::cache::Rank;
use store::cache::entry::SignedSet;

use self::config::Config;
use crate::{CONFIG, Command, Environment, Module, Refusal, Value};

/// The name of the module.
pub const NAME: &str = "dns64";

/// The number of its queries among those of modules.
const PURPOSE: Purpose = Purpose::Module(64);
/// TTL of what is made, if no SOA says less, in seconds (RFC 6147 §5.1.7).
const TTL_MAX: u32 = 600;
/// Labels of the reverse name of one IPv6 address: 32 nibbles, `ip6`, `arpa`.
const REVERSE_LABELS: usize = 34;
/// Nibbles of the IPv4 address in such a name.
const IPV4_NIBBLES: usize = 8;

const COMMANDS: &[Command] = &[Command {
    name: CONFIG,
    usage: "config([prefix | { prefix = …, rev_ttl = 60, exclude_subnets = { … } }])",
    doc: "set the prefix that IPv4 addresses are mapped into",
}];

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    Box::new(Dns64 { config: Rc::new(RefCell::new(Config::default())) })
}

struct Dns64 {
    config: Rc<RefCell<Config>>,
}

impl Module for Dns64 {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        Some(Box::new(Dns64Layer { config: self.config.clone() }))
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
        *self.config.borrow_mut() = Config::read(arguments.first().unwrap_or(&Value::Nil))?;
        env.forget_answers();
        Ok(Value::Nil)
    }
}

struct Dns64Layer {
    config: Rc<RefCell<Config>>,
}

impl Layer for Dns64Layer {
    fn name(&self) -> &str {
        NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::PRODUCE | Hooks::CONSUME
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn produce(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        let query = &*ctx.query;
        let config = self.config.borrow();
        if state != State::Produce
            || query.reply.is_some()
            || query.class != Class::IN
            || query.purpose == Purpose::Trust
            || query.flags.contains(QueryFlags::DNS64_DISABLE)
            || !query.name.is_at_or_below(&config.reverse)
        {
            return state;
        }
        let name = query.name.clone();
        let rank = Rank::INSECURE.with_auth();
        let mut reply = Reply { rank, ..Reply::new(Source::Local, Rcode::NOERROR) };
        let outcome = match name.label_count().cmp(&REVERSE_LABELS) {
            std::cmp::Ordering::Less => Outcome::NoData,
            std::cmp::Ordering::Greater => {
                reply.rcode = Rcode::NXDOMAIN;
                Outcome::NxDomain
            }
            std::cmp::Ordering::Equal => {
                let Some(target) = reverse_ipv4(&name) else { return state };
                let rdatas: Rdatas = [target.as_wire()].into_iter().collect();
                let set = Rrset {
                    rdatas,
                    ..Rrset::new(name, Rtype::CNAME, Class::IN, config.reverse_ttl)
                };
                reply.answer.push(SignedSet { set, signatures: Rdatas::new(), rank });
                if query.rtype == Rtype::CNAME {
                    Outcome::Answer
                } else {
                    ctx.query.aliases += 1;
                    if ctx.query.aliases > ALIASES_MAX {
                        ctx.request.bound.get_or_insert("too many aliases");
                        return State::Fail;
                    }
                    Outcome::Alias { target }
                }
            }
        };
        ctx.query.reply = Some(reply);
        ctx.query.outcome = Some(outcome);
        State::Consume
    }

    fn consume(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        if state == State::Fail {
            return state;
        }
        let mine = |delivery: &Delivery| delivery.purpose == PURPOSE;
        if let Some(at) = ctx.query.deliveries.iter().position(mine) {
            let delivery = ctx.query.deliveries.remove(at);
            return self.synthesize(ctx, &delivery, state);
        }
        let Some(target) = self.wanted(ctx) else { return state };
        trace!(ctx, Iterate, "=> no AAAA at '{target}', asking for A");
        match ctx.push_child(Query::new(target, Rtype::A, Class::IN, PURPOSE)) {
            Ok(_) => State::Yield,
            Err(_) => state,
        }
    }
}

impl Dns64Layer {
    /// The name whose A records are wanted, if the current reply is a final one without AAAA that
    /// could be used (RFC 6147 §5.1).
    fn wanted(&self, ctx: &QueryContext<'_>) -> Option<Name> {
        let query = &*ctx.query;
        let reply = query.reply.as_ref()?;
        if query.rtype != Rtype::AAAA
            || query.class != Class::IN
            || query.parent.is_some()
            || !query.is_for_client()
            || query.flags.contains(QueryFlags::DNS64_DISABLE)
            || ctx.request.checking_disabled()
        {
            return None;
        }
        match query.outcome {
            Some(Outcome::NoData) => {}
            Some(Outcome::Answer) if self.is_excluded(reply) => {}
            _ => return None,
        }
        Some(end_of_aliases(reply, &query.name))
    }

    /// Is there an AAAA record that counts as none (RFC 6147 §5.1.4)?
    fn is_excluded(&self, reply: &Reply) -> bool {
        let config = self.config.borrow();
        reply.answer.iter().filter(|signed| signed.set.rtype == Rtype::AAAA).any(|signed| {
            signed
                .set
                .rdatas
                .iter()
                .any(|octets| config.excluded.iter().any(|subnet| subnet.contains(octets)))
        })
    }

    /// Puts the addresses that the child has found into the answer (RFC 6147 §5.1.7).
    fn synthesize(&self, ctx: &mut QueryContext<'_>, delivery: &Delivery, state: State) -> State {
        let config = self.config.borrow();
        let Some(reply) = &mut ctx.query.reply else { return state };
        if delivery.outcome != Some(Outcome::Answer) {
            return state;
        }
        let ttl_max = negative_ttl(reply);
        reply.answer.retain(|signed| signed.set.rtype != Rtype::AAAA);
        let mut secure = true;
        for signed in &delivery.answer {
            if signed.set.rtype != Rtype::A {
                if signed.set.rtype == Rtype::CNAME {
                    reply.answer.push(signed.clone());
                }
                continue;
            }
            let mapped = signed.set.rdatas.iter().filter_map(|octets| config.map(octets));
            let rdatas: Rdatas = mapped.collect();
            let ttl = signed.set.ttl.min(ttl_max);
            let owner = signed.set.owner.clone();
            let set = Rrset { rdatas, ..Rrset::new(owner, Rtype::AAAA, Class::IN, ttl) };
            secure &= signed.rank.is_secure();
            reply.answer.push(SignedSet { set, signatures: Rdatas::new(), rank: signed.rank });
        }
        reply.authority.clear();
        // Nobody signed this, and nobody may store it as if a server had said it.
        reply.source = Source::Local;
        ctx.query.outcome = Some(Outcome::Answer);
        // RFC 6147 §5.5: authentic if both what is missing and what is there are.
        let chain = &mut ctx.request.chain;
        chain.secure = Some(chain.secure.unwrap_or(false) && secure);
        ctx.request
            .response
            .add_extended_error(ExtendedErrorCode::FORGED_ANSWER, "BHD4: DNS64 synthesis");
        state
    }
}

/// The name that the aliases of an answer section lead to.
fn end_of_aliases(reply: &Reply, name: &Name) -> Name {
    let mut at = name.clone();
    for _ in 0..ALIASES_MAX {
        let next = reply.find_answer(&at, Rtype::CNAME).and_then(|signed| {
            signed.set.rdatas.iter().next().and_then(|rdata| Name::from_wire(rdata).ok())
        });
        match next {
            Some(target) => at = target,
            None => break,
        }
    }
    at
}

/// How long the absence holds that is made up for.
fn negative_ttl(reply: &Reply) -> u32 {
    let soa = reply.authority.iter().find(|signed| signed.set.rtype == Rtype::SOA);
    soa.and_then(|signed| {
        let view = SoaView::new(signed.set.rdatas.iter().next()?)?;
        Some(signed.set.ttl.min(view.minimum()))
    })
    .unwrap_or(TTL_MAX)
}

/// The name in `in-addr.arpa` for the last four octets of an address in `ip6.arpa`.
fn reverse_ipv4(name: &Name) -> Option<Name> {
    let nibbles: Vec<u32> = name
        .labels()
        .take(IPV4_NIBBLES)
        .map(|label| match label {
            [digit] => char::from(*digit).to_digit(16),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let octets: Vec<String> =
        nibbles.chunks(2).map(|pair| (pair[0] + pair[1] * 16).to_string()).collect();
    format!("{}.in-addr.arpa.", octets.join(".")).parse().ok()
}
