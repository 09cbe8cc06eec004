//! `stats`: counts requests, answers and queries, and keeps numbers for other modules.
//!
//! Answers that are given past the layers are counted by [`Layer::hit`], so counting does not slow
//! down the short path.

mod metrics;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;

use dns::Rcode;
use resolve::answer_cache::AnswerHit;
use resolve::keyed::Keyed;
use resolve::reply::Source;
use resolve::{
    Client, ClientProtocol, Hooks, Layer, Now, Outcome, QueryContext, RequestContext, State,
};

use self::metrics::{Metric, Metrics};
use crate::frequent::Frequent;
use crate::{Command, Environment, Module, Refusal, Value};

/// The name of the module.
pub const NAME: &str = "stats";

/// One in so many queries is looked at for the list of frequent ones.
const SAMPLE: usize = 10;
/// Entries of that list.
const FREQUENT_MAX: usize = 5000;
/// Exchanges with upstreams that are remembered.
const UPSTREAMS_MAX: usize = 512;
/// Numbers of other modules and of the operator.
const CUSTOM_MAX: usize = 10_000;

const COMMANDS: &[Command] = &[
    Command { name: "get", usage: "get(key)", doc: "the value of a number" },
    Command { name: "set", usage: "set('key value')", doc: "set a number" },
    Command { name: "list", usage: "list([prefix])", doc: "all numbers, or those with a prefix" },
    Command {
        name: "frequent",
        usage: "frequent()",
        doc: "the questions that are asked upstream most often, by sampling",
    },
    Command {
        name: "clear_frequent",
        usage: "clear_frequent()",
        doc: "forget the questions asked upstream",
    },
    Command {
        name: "upstreams",
        usage: "upstreams()",
        doc: "servers asked lately, with their round-trip times in milliseconds",
    },
];

/// What layer and commands share.
struct Shared {
    metrics: Metrics,
    custom: RefCell<BTreeMap<String, f64>>,
    frequent: RefCell<Frequent>,
    upstreams: RefCell<VecDeque<(IpAddr, u64)>>,
}

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    let shared = Shared {
        metrics: Metrics::default(),
        custom: RefCell::default(),
        frequent: RefCell::new(Frequent::new(Keyed(0, 0), FREQUENT_MAX)),
        upstreams: RefCell::default(),
    };
    Box::new(Stats { shared: Rc::new(shared) })
}

struct Stats {
    shared: Rc<Shared>,
}

impl Stats {
    fn read(&self, key: &str) -> Option<f64> {
        match Metric::find(key) {
            Some(metric) => Some(self.shared.metrics.get(metric) as f64),
            None => self.shared.custom.borrow().get(key).copied(),
        }
    }

    fn write(&self, key: &str, value: f64) -> Result<(), Refusal> {
        if let Some(metric) = Metric::find(key) {
            self.shared.metrics.set(metric, value as u64);
            return Ok(());
        }
        let mut custom = self.shared.custom.borrow_mut();
        if custom.len() >= CUSTOM_MAX && !custom.contains_key(key) {
            return Err(Refusal::new(format!("stats holds {CUSTOM_MAX} numbers at most")));
        }
        custom.insert(key.to_owned(), value);
        Ok(())
    }

    fn list(&self, prefix: &str) -> Value {
        let custom = self.shared.custom.borrow();
        let custom = custom.iter().map(|(key, value)| (key.clone(), *value));
        let built_in = Metric::all()
            .map(|metric| (metric.name().to_owned(), self.shared.metrics.get(metric) as f64));
        built_in
            .chain(custom)
            .filter(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key, Value::Number(value)))
            .collect()
    }

    fn upstreams(&self) -> Value {
        let mut by_address: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (address, ms) in self.shared.upstreams.borrow().iter() {
            by_address.entry(address.to_string()).or_default().push(Value::from(*ms));
        }
        by_address.into_iter().map(|(address, times)| (address, Value::List(times))).collect()
    }
}

impl Module for Stats {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        Some(Box::new(StatsLayer { shared: self.shared.clone() }))
    }

    fn start(&mut self, env: &dyn Environment) -> Result<(), Refusal> {
        let keys = Keyed(env.random(), env.random());
        *self.shared.frequent.borrow_mut() = Frequent::new(keys, FREQUENT_MAX);
        Ok(())
    }

    fn commands(&self) -> &'static [Command] {
        COMMANDS
    }

    fn call(
        &mut self,
        _env: &dyn Environment,
        command: &str,
        arguments: &[Value],
    ) -> Result<Value, Refusal> {
        let first = arguments.first().and_then(Value::as_text);
        match command {
            "get" => Ok(first.and_then(|key| self.read(key)).map_or(Value::Nil, Value::Number)),
            "set" => {
                let pair = first.and_then(|text| text.trim().split_once(char::is_whitespace));
                let (key, value) = match (pair, first, arguments.get(1)) {
                    (_, Some(key), Some(value)) => (Some(key), value.as_number()),
                    (Some((key, value)), ..) => (Some(key), value.trim().parse().ok()),
                    _ => (None, None),
                };
                if let (Some(key), Some(value)) = (key, value) {
                    self.write(key, value)?;
                }
                Ok(Value::Nil)
            }
            "list" => Ok(self.list(first.unwrap_or(""))),
            "frequent" => Ok(self.shared.frequent.borrow().to_value()),
            "clear_frequent" => {
                self.shared.frequent.borrow_mut().clear();
                Ok(Value::Nil)
            }
            _ => Ok(self.upstreams()),
        }
    }

    fn get(&mut self, _env: &dyn Environment, property: &str) -> Option<Value> {
        self.read(property).map(Value::Number)
    }

    fn set(
        &mut self,
        _env: &dyn Environment,
        property: &str,
        value: &Value,
    ) -> Option<Result<(), Refusal>> {
        Some(match value.as_number() {
            Some(number) => self.write(property, number),
            None => Err(Refusal::new(format!("stats['{property}'] takes a number"))),
        })
    }
}

struct StatsLayer {
    shared: Rc<Shared>,
}

impl StatsLayer {
    fn count_request(&self, client: &Client) {
        let metrics = &self.shared.metrics;
        metrics.add(Metric::REQUEST_TOTAL);
        metrics.add(match client.protocol {
            ClientProtocol::Udp => Metric::REQUEST_UDP,
            ClientProtocol::Tcp => Metric::REQUEST_TCP,
            ClientProtocol::Tls | ClientProtocol::Quic => Metric::REQUEST_DOT,
            ClientProtocol::Https => Metric::REQUEST_DOH,
            ClientProtocol::Internal => Metric::REQUEST_INTERNAL,
        });
    }

    fn count_rcode(&self, rcode: Rcode, no_data: bool) {
        self.shared.metrics.add(match rcode {
            Rcode::NOERROR if no_data => Metric::ANSWER_NODATA,
            Rcode::NOERROR => Metric::ANSWER_NOERROR,
            Rcode::NXDOMAIN => Metric::ANSWER_NXDOMAIN,
            Rcode::SERVFAIL => Metric::ANSWER_SERVFAIL,
            _ => return,
        });
    }
}

impl Layer for StatsLayer {
    fn name(&self) -> &str {
        NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::BEGIN | Hooks::CONSUME | Hooks::FINISH | Hooks::HIT
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn begin(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        self.count_request(&ctx.request.client);
        state
    }

    fn consume(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        let query = &*ctx.query;
        let Some(reply) = &query.reply else { return state };
        let Source::Upstream { address, .. } = &reply.source else { return state };
        let rtt = ctx.core.servers.state(*address).rtt.map(|rtt| rtt.smoothed());
        let mut upstreams = self.shared.upstreams.borrow_mut();
        if upstreams.len() == UPSTREAMS_MAX {
            upstreams.pop_front();
        }
        let ms = rtt.map_or(0, |rtt| u64::try_from(rtt.as_millis()).unwrap_or(u64::MAX));
        upstreams.push_back((address.ip(), ms));
        let is_end = matches!(
            query.outcome,
            Some(Outcome::Answer | Outcome::NoData | Outcome::NxDomain | Outcome::Alias { .. })
        );
        if is_end && ctx.core.chance.once_in(SAMPLE) {
            self.shared.frequent.borrow_mut().count(&query.name, query.rtype);
        }
        state
    }

    fn finish(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        let request = &*ctx.request;
        let response = &request.response;
        if response.silent {
            return state;
        }
        let metrics = &self.shared.metrics;
        metrics.add(Metric::ANSWER_TOTAL);
        self.count_rcode(response.rcode, response.answer.is_empty());
        let edns = request.edns.is_some();
        let authentic = response.authentic && request.understands_ad();
        let from_cache = request.cached
            && request.plan.resolved.is_some()
            && matches!(response.rcode, Rcode::NOERROR | Rcode::NXDOMAIN);
        for (metric, is_so) in [
            (Metric::ANSWER_CACHED, from_cache),
            (Metric::ANSWER_AA, response.authoritative),
            (Metric::ANSWER_TC, response.truncated),
            (Metric::ANSWER_RA, true),
            (Metric::ANSWER_RD, request.header.rd()),
            (Metric::ANSWER_AD, authentic),
            (Metric::ANSWER_CD, request.header.cd()),
            (Metric::ANSWER_DO, request.dnssec_ok()),
            (Metric::ANSWER_EDNS0, edns),
            (Metric::QUERY_EDNS, edns),
            (Metric::QUERY_DNSSEC, request.dnssec_ok()),
        ] {
            metrics.add_if(metric, is_so);
        }
        metrics.add(Metric::of_latency(ctx.now.mono.since(request.began)));
        state
    }

    fn hit(&mut self, _now: Now, client: &Client, hit: &AnswerHit) {
        let metrics = &self.shared.metrics;
        self.count_request(client);
        metrics.add(Metric::ANSWER_TOTAL);
        metrics.add(Metric::ANSWER_CACHED);
        metrics.add(Metric::ANSWER_1MS);
        metrics.add(Metric::ANSWER_RA);
        self.count_rcode(hit.rcode, hit.no_data);
        let flag = |bit: u16| hit.flags & bit != 0;
        metrics.add_if(Metric::ANSWER_AA, flag(FLAG_AA));
        metrics.add_if(Metric::ANSWER_RD, flag(FLAG_RD));
        metrics.add_if(Metric::ANSWER_AD, flag(FLAG_AD));
        metrics.add_if(Metric::ANSWER_CD, flag(FLAG_CD));
        metrics.add_if(Metric::ANSWER_DO, hit.dnssec_ok);
        metrics.add_if(Metric::ANSWER_EDNS0, hit.edns);
        metrics.add_if(Metric::QUERY_EDNS, hit.edns);
        metrics.add_if(Metric::QUERY_DNSSEC, hit.dnssec_ok);
    }
}

// Bits of the header's second word (RFC 1035 §4.1.1, RFC 4035 §3).
const FLAG_AA: u16 = 1 << 10;
const FLAG_RD: u16 = 1 << 8;
const FLAG_AD: u16 = 1 << 5;
const FLAG_CD: u16 = 1 << 4;
