//! From a client's bytes to a request with a slot, and what is counted when it is over.

use std::net::IpAddr;

use dns::{Class, Rcode, Rtype};
use hashbrown::hash_map::Entry;
use smallvec::SmallVec;

use super::{Resolver, Slot};
use crate::action::Action;
use crate::client::{Client, ClientProtocol};
use crate::extended_error::Verdict;
use crate::flags::QueryFlags;
use crate::layer::validate::Chain;
use crate::limits::{REQUEST_TIME_MAX, REQUESTS_MAX, REQUESTS_PER_CLIENT_MAX};
use crate::plan::Plan;
use crate::request::{Budget, Request, RequestId, Response};
use crate::response::{self, Intake};
use crate::settings::Settings;
use crate::time::Now;
use crate::trace::RequestTrace;

impl Resolver {
    /// Makes a request of a message, or answers it at once.
    pub(super) fn take_in(
        &mut self,
        now: Now,
        client: Client,
        wire: &[u8],
    ) -> Option<Box<Request>> {
        let (header, question, edns) = match response::take_in(wire, &self.core.settings) {
            Intake::Query { header, question, edns } => (header, question, edns),
            Intake::Reject(wire) => {
                self.respond(client, wire);
                return None;
            }
            Intake::Ignore => {
                self.core.counters.dropped += 1;
                self.actions.push_back(Action::Drop { client });
                return None;
            }
        };
        self.request_number = self.request_number.wrapping_add(1);
        let mut request = Box::new(Request {
            id: RequestId { slot: u32::MAX, number: self.request_number },
            client,
            wire: wire.to_vec(),
            header,
            question,
            edns,
            flags: flags(&self.core.settings, header.cd()),
            plan: Plan::default(),
            response: Response::default(),
            budget: Budget::default(),
            began: now.mono,
            deadline: now.mono + REQUEST_TIME_MAX,
            cached: true,
            synthesized: false,
            bound: None,
            chain: Chain::default(),
            bogus: None,
            bogus_query: None,
            wake_at: None,
            forward: None,
            kept: Vec::new(),
            redirected: None,
            ruled: false,
            shareable: true,
            tallies: Vec::new(),
            mirrors: SmallVec::new(),
            trace: RequestTrace::default(),
            following: None,
            gave_up: false,
            suspect: 0,
        });
        if !self.admit_client(&client) {
            self.core.counters.overload += 1;
            let told = Verdict::TooBusy.told();
            request.response.rcode = told.rcode;
            request.response.add_extended_error(told.code, told.tag);
            let core = &mut self.core;
            let wire = response::compose(&request, &core.settings, &mut core.chance);
            self.respond(client, wire);
            return None;
        }
        let slot = self.requests.insert(Slot { request: None, armed: None });
        request.id.slot = slot as u32;
        Some(request)
    }

    /// Counts a request of the client; false if there are too many.
    fn admit_client(&mut self, client: &Client) -> bool {
        if self.requests.len() >= REQUESTS_MAX {
            return false;
        }
        if client.protocol == ClientProtocol::Internal {
            return true;
        }
        let count = self.clients.entry(network(client.peer.ip())).or_insert(0);
        if *count >= REQUESTS_PER_CLIENT_MAX {
            return false;
        }
        *count += 1;
        true
    }

    /// The request of a client is over.
    pub(super) fn forget_client(&mut self, client: &Client) {
        if client.protocol == ClientProtocol::Internal {
            return;
        }
        if let Entry::Occupied(mut count) = self.clients.entry(network(client.peer.ip())) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Counts how a request ended and remembers failures (RFC 9520).
    pub(super) fn note_result(&mut self, now: Now, request: &Request) {
        let counters = &mut self.core.counters;
        let response = &request.response;
        counters.answered_from_cache += u64::from(request.cached);
        match response.rcode {
            Rcode::NOERROR if response.answer.is_empty() => counters.nodata += 1,
            Rcode::NOERROR => counters.noerror += 1,
            Rcode::NXDOMAIN => counters.nxdomain += 1,
            Rcode::SERVFAIL => counters.servfail += 1,
            _ => {}
        }
        let question = &request.question;
        if question.class != Class::IN || question.rtype == Rtype::ANY {
            return;
        }
        // Who looks past the cache has its own patience: a look at keys before the network is up
        // must not keep clients from their answers.
        let is_look = request.client.protocol == ClientProtocol::Internal
            && request.flags.contains(QueryFlags::NO_CACHE);
        if is_look && response.rcode == Rcode::SERVFAIL {
            return;
        }
        if response.rcode != Rcode::SERVFAIL {
            // An unchecked success says nothing about a failed validation.
            if !request.checking_disabled() {
                self.core.failures.forget(&question.name, question.rtype);
            }
        } else if request.budget.messages > 0 {
            // What failed without a message was remembered to fail, which is no news.
            let failures = &mut self.core.failures;
            match request.bogus {
                Some(why) => {
                    failures.note_bogus(&question.name, question.rtype, now.mono, why);
                }
                None => failures.note(&question.name, question.rtype, now.mono),
            }
        }
    }
}

/// The switches that the settings stand for.
fn flags(settings: &Settings, checking_disabled: bool) -> QueryFlags {
    let mut flags = QueryFlags::empty();
    flags.set(QueryFlags::NO_MINIMIZE, settings.no_minimize);
    flags.set(QueryFlags::ALLOW_LOCAL, settings.allow_local);
    flags.set(QueryFlags::NO_0X20, settings.no_0x20);
    flags.set(QueryFlags::ALWAYS_CUT, settings.always_cut);
    flags.set(QueryFlags::REORDER_RR, settings.reorder_rr);
    flags.set(QueryFlags::DNSSEC_WANT, !settings.trust_anchors.is_empty());
    flags.set(QueryFlags::DNSSEC_CD, checking_disabled);
    flags | settings.flags
}

/// The /32 or /56 that a client's requests are counted under.
fn network(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => u64::from(u32::from(v4)),
        IpAddr::V6(v6) => (u128::from(v6) >> 72) as u64 | 1 << 63,
    }
}
