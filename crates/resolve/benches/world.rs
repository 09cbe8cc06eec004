//! A resolver whose servers are played: what a question costs it, without a network.
//!
//! The other side is played as cheaply as it can be, and is the same every time.
#![allow(clippy::expect_used, reason = "a broken benchmark should stop")]
#![allow(dead_code, reason = "not every bench needs all of it")]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dns::edns::OptRecord;
use dns::{Class, Composer, Header, Message, Name, Question, Rcode, Rrset, Rtype, Section};
use resolve::{
    Action, Client, ClientProtocol, Mono, Now, Resolver, ResolverParts, Settings, UnixTime,
};
use store::Cache;

/// Size of a store in memory.
const STORE_BYTES: u64 = 64 << 20;
/// The two servers there are: the root's, and that of everything below it.
const ROOT: [u8; 4] = [198, 51, 100, 1];
pub(crate) const SERVER: [u8; 4] = [192, 0, 2, 1];

/// A resolver and the two servers it knows.
pub(crate) struct World {
    pub(crate) resolver: Resolver,
    now: Now,
}

impl World {
    pub(crate) fn new() -> World {
        let parts = ResolverParts::in_memory(settings(), [7; 32], STORE_BYTES).expect("a store");
        World { resolver: Resolver::new(parts), now: START }
    }

    /// With something in the store already.
    pub(crate) fn with(settings: Settings, cache: Cache) -> World {
        let parts = ResolverParts { settings, seed: [7; 32], cache };
        World { resolver: Resolver::new(parts), now: START }
    }

    /// The next turn, ten microseconds later.
    pub(crate) fn tick(&mut self) -> Now {
        self.now.mono.0 += 10_000;
        self.now
    }

    /// Asks and plays the servers until there is an answer.
    pub(crate) fn answer(&mut self, wire: &[u8]) -> Vec<u8> {
        let now = self.tick();
        self.resolver.handle_request(now, client(), wire);
        loop {
            match self.resolver.poll_action().expect("an answer") {
                Action::Respond { wire, .. } => {
                    self.resolver.end_turn(now);
                    assert_eq!(wire[3] & 15, 0, "NOERROR");
                    return wire;
                }
                Action::Exchange { id, target, wire, .. } => {
                    self.resolver.end_turn(now);
                    let reply = serve(target.address, &wire);
                    let _over = self.resolver.handle_reply(now, id, Ok(&reply));
                }
                Action::Cancel { .. } | Action::Drop { .. } | Action::Mirror { .. } => {}
            }
        }
    }

    /// Asks what the store answers, in one turn; octets of the answers.
    pub(crate) fn answer_all(&mut self, questions: &[Vec<u8>]) -> usize {
        let mut octets = 0;
        for wire in questions {
            let now = self.tick();
            self.resolver.handle_request(now, client(), wire);
            match self.resolver.poll_action() {
                Some(Action::Respond { wire, .. }) => octets += wire.len(),
                other => panic!("asked somebody: {other:?}"),
            }
        }
        self.resolver.end_turn(self.now);
        octets
    }
}

pub(crate) const START: Now = Now { mono: Mono(1_000_000_000), unix: UnixTime(1_700_000_000_000) };

pub(crate) fn settings() -> Settings {
    Settings {
        ipv6: false,
        root_hints: Arc::new(vec![(name("root."), vec![IpAddr::from(ROOT)])]),
        ..Settings::default()
    }
}

/// What the root, or the server of everything below it, says.
fn serve(address: SocketAddr, wire: &[u8]) -> Vec<u8> {
    let message = Message::parse(wire).expect("a message");
    let question = message.question().expect("a question");
    let mut header = Header { id: message.header().id, ..Header::default() };
    header.set_qr(true);
    header.set_rcode_low(Rcode::NOERROR);
    header.set_aa(address.ip() == IpAddr::from(SERVER));
    let mut out = Vec::with_capacity(256);
    let mut composer = Composer::new(&mut out, header, 1232);
    composer.question(&question.name, question.rtype, question.class).expect("room");
    for (section, set) in sets(address, &question) {
        composer.rrset(section, &set).expect("room");
    }
    composer.finish(Some(&OptRecord::new(1232, true)));
    out
}

fn sets(address: SocketAddr, question: &Question) -> Vec<(Section, Rrset)> {
    let a = |owner: Name, address: [u8; 4]| {
        let mut set = Rrset::new(owner, Rtype::A, Class::IN, 86_400);
        set.rdatas.push(&address);
        set
    };
    if address.ip() == IpAddr::from(SERVER) {
        return vec![(Section::Answer, a(question.name.clone(), [192, 0, 2, 80]))];
    }
    let zone = question.name.suffix(1);
    let server = zone.prepend(b"ns").expect("room");
    let mut ns = Rrset::new(zone, Rtype::NS, Class::IN, 86_400);
    ns.rdatas.push(server.as_wire());
    vec![(Section::Authority, ns), (Section::Additional, a(server, SERVER))]
}

pub(crate) fn query(name: &Name) -> Vec<u8> {
    question(name, false)
}

pub(crate) fn question(name: &Name, dnssec_ok: bool) -> Vec<u8> {
    let mut header = Header { id: 7, ..Header::default() };
    header.set_rd(true);
    let mut wire = Vec::new();
    let mut composer = Composer::new(&mut wire, header, 512);
    composer.question(name, Rtype::A, Class::IN).expect("room");
    composer.finish(Some(&OptRecord::new(1232, dnssec_ok)));
    wire
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

pub(crate) fn client() -> Client {
    Client {
        token: 1,
        peer: SocketAddr::from(([10, 0, 0, 1], 4242)),
        local: SocketAddr::from(([192, 0, 2, 53], 53)),
        protocol: ClientProtocol::Udp,
    }
}
