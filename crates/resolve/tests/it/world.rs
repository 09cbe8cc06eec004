//! A world of scripted servers around one resolver.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dns::edns::OptRecord;
use dns::message::Section;
use dns::rdata::text::parse_rdata_text;
use dns::{Class, Composer, Header, Message, Name, Rcode, Rrset, Rtype};
use resolve::flags::QueryFlags;
use resolve::{
    Action, Client, ClientProtocol, ExchangeFault, ExchangeId, Mono, Now, ReplyVerdict, Resolver,
    ResolverParts, Settings, UnixTime, Via,
};

/// One message that reached a server.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) address: SocketAddr,
    pub(crate) tcp: bool,
    pub(crate) id: u16,
    /// With the letter case of the wire.
    pub(crate) name: Name,
    pub(crate) rtype: Rtype,
    pub(crate) edns: bool,
    pub(crate) at: Duration,
}

impl Asked {
    pub(crate) fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    pub(crate) fn is(&self, name: &str, rtype: Rtype) -> bool {
        self.name == name.parse().unwrap() && self.rtype == rtype
    }

    /// The start of an answer with everything copied.
    pub(crate) fn say(&self) -> Say {
        Say::new(self.id, self.name.clone(), self.rtype, self.edns)
    }
}

/// A reply under construction.
pub(crate) struct Say {
    header: Header,
    question: Option<(Name, Rtype)>,
    edns: bool,
    rcode: Rcode,
    sets: Vec<(Section, Rrset)>,
    trailing: Vec<u8>,
}

impl Say {
    pub(crate) fn new(id: u16, name: Name, rtype: Rtype, edns: bool) -> Say {
        let mut header = Header { id, ..Header::default() };
        header.set_qr(true);
        Say {
            header,
            question: Some((name, rtype)),
            edns,
            rcode: Rcode::NOERROR,
            sets: Vec::new(),
            trailing: Vec::new(),
        }
    }

    pub(crate) fn aa(mut self) -> Say {
        self.header.set_aa(true);
        self
    }

    pub(crate) fn header(mut self, change: impl FnOnce(&mut Header)) -> Say {
        change(&mut self.header);
        self
    }

    pub(crate) fn rcode(mut self, rcode: Rcode) -> Say {
        self.rcode = rcode;
        self
    }

    pub(crate) fn question(mut self, question: Option<(Name, Rtype)>) -> Say {
        self.question = question;
        self
    }

    pub(crate) fn no_edns(mut self) -> Say {
        self.edns = false;
        self
    }

    pub(crate) fn trailing(mut self, bytes: &[u8]) -> Say {
        self.trailing = bytes.to_vec();
        self
    }

    /// Adds a record like `www.example. 300 A 192.0.2.1`.
    fn add(mut self, section: Section, text: &str) -> Say {
        let mut words = text.splitn(4, ' ');
        let owner: Name = words.next().unwrap().parse().unwrap();
        let ttl: u32 = words.next().unwrap().parse().unwrap();
        let rtype: Rtype = words.next().unwrap().parse().unwrap();
        let rdata = words.next().unwrap().as_bytes();
        let rdata = parse_rdata_text(rtype, Class::IN, rdata, &Name::root()).unwrap();
        let known = self
            .sets
            .iter_mut()
            .find(|(s, set)| *s == section && set.owner == owner && set.rtype == rtype);
        match known {
            Some((_, set)) => {
                set.rdatas.push(&rdata);
            }
            None => {
                let mut set = Rrset::new(owner, rtype, Class::IN, ttl);
                set.rdatas.push(&rdata);
                self.sets.push((section, set));
            }
        }
        self
    }

    pub(crate) fn answer(self, text: &str) -> Say {
        self.add(Section::Answer, text)
    }

    pub(crate) fn authority(self, text: &str) -> Say {
        self.add(Section::Authority, text)
    }

    pub(crate) fn additional(self, text: &str) -> Say {
        self.add(Section::Additional, text)
    }

    pub(crate) fn wire(mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.header.set_rcode_low(self.rcode);
        let mut composer = Composer::new(&mut out, self.header, 65_535);
        if let Some((name, rtype)) = &self.question {
            composer.question(name, *rtype, Class::IN).unwrap();
        }
        self.sets.sort_by_key(|(section, _)| *section);
        for (section, set) in &self.sets {
            composer.rrset(*section, set).unwrap();
        }
        composer.finish(self.edns.then(|| OptRecord::new(1232, true)).as_ref());
        out.extend_from_slice(&self.trailing);
        out
    }
}

/// What a server does about a message.
#[derive(Default)]
pub(crate) struct Does {
    /// Datagrams or stream messages, each after so long.
    pub(crate) sends: Vec<(Duration, Vec<u8>)>,
    pub(crate) fault: Option<(Duration, ExchangeFault)>,
}

impl From<Say> for Does {
    fn from(say: Say) -> Does {
        Does { sends: vec![(Duration::from_millis(10), say.wire())], fault: None }
    }
}

impl Does {
    pub(crate) fn nothing() -> Does {
        Does::default()
    }

    pub(crate) fn fails(fault: ExchangeFault) -> Does {
        Does { sends: Vec::new(), fault: Some((Duration::from_millis(10), fault)) }
    }

    pub(crate) fn then(mut self, ms: u64, wire: Vec<u8>) -> Does {
        self.sends.push((Duration::from_millis(ms), wire));
        self
    }
}

type Event = Reverse<(Mono, u64, ExchangeId, Result<Vec<u8>, u8>)>;

const FAULTS: [ExchangeFault; 3] =
    [ExchangeFault::Refused, ExchangeFault::Closed, ExchangeFault::Unreachable];

/// What a client got.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) token: u64,
    pub(crate) wire: Vec<u8>,
    /// Since it asked.
    pub(crate) after: Duration,
}

impl Got {
    pub(crate) fn message(&self) -> Message<'_> {
        Message::parse(&self.wire).unwrap()
    }

    pub(crate) fn rcode(&self) -> Rcode {
        self.message().rcode()
    }

    /// The answer section in the words of a zone file, in order.
    pub(crate) fn answer(&self) -> Vec<String> {
        self.section(Section::Answer)
    }

    pub(crate) fn section(&self, section: Section) -> Vec<String> {
        self.message()
            .section(section)
            .map(|record| {
                let mut text = format!("{} {} ", record.owner(), record.rtype());
                dns::rdata::text::fmt_rdata(record.rtype(), &record.rdata(), &mut text).unwrap();
                text
            })
            .collect()
    }
}

/// The world.
pub(crate) struct World<F> {
    pub(crate) resolver: Resolver,
    pub(crate) server: F,
    pub(crate) asked: Vec<Asked>,
    pub(crate) now: Mono,
    events: BinaryHeap<Event>,
    sequence: u64,
    pending: Vec<(u64, Mono)>,
    got: Vec<Got>,
    tokens: u64,
    open: Vec<ExchangeId>,
    /// Exchanges that can be open at the same time.
    pub(crate) sockets: usize,
    /// What requests bring with them.
    pub(crate) switches: QueryFlags,
}

/// The only root server.
pub(crate) const ROOT: &str = "198.51.100.1";

pub(crate) fn settings() -> Settings {
    Settings {
        ipv6: false,
        root_hints: Arc::new(vec![("root.".parse().unwrap(), vec![ROOT.parse().unwrap()])]),
        trace: std::env::var_os("TRACE").is_some(),
        ..Settings::default()
    }
}

/// A question as most clients put it.
fn question(name: &str, rtype: Rtype) -> Vec<u8> {
    let mut header = Header { id: 7, ..Header::default() };
    header.set_rd(true);
    let mut wire = Vec::new();
    let mut composer = Composer::new(&mut wire, header, 512);
    composer.question(&name.parse().unwrap(), rtype, Class::IN).unwrap();
    composer.finish(Some(&OptRecord::new(1232, false)));
    wire
}

impl<F: FnMut(&Asked) -> Does> World<F> {
    pub(crate) fn new(server: F) -> World<F> {
        World::with(settings(), server)
    }

    pub(crate) fn with(settings: Settings, server: F) -> World<F> {
        let parts = ResolverParts::in_memory(settings, [5; 32], 1 << 24).unwrap();
        World {
            resolver: Resolver::new(parts),
            server,
            asked: Vec::new(),
            now: Mono(1_000_000_000),
            events: BinaryHeap::new(),
            sequence: 0,
            pending: Vec::new(),
            got: Vec::new(),
            tokens: 0,
            open: Vec::new(),
            sockets: usize::MAX,
            switches: QueryFlags::empty(),
        }
    }

    fn reading(&self) -> Now {
        Now { mono: self.now, unix: UnixTime(1_700_000_000_000 + self.now.0 / 1_000_000) }
    }

    /// Sends a question; the answer comes with [`World::settle`].
    pub(crate) fn send(&mut self, name: &str, rtype: Rtype) -> u64 {
        self.send_wire(&question(name, rtype), ClientProtocol::Udp)
    }

    /// Whether a finished answer to this question is at hand.
    pub(crate) fn is_finished(&mut self, name: &str, rtype: Rtype) -> bool {
        let nobody = SocketAddr::from(([10, 255, 255, 255], 4242));
        let (token, protocol) = (u64::MAX, ClientProtocol::Udp);
        let client = Client { token, peer: nobody, local: nobody, protocol };
        let wire = question(name, rtype);
        self.resolver.answer_cached(self.reading(), &client, &wire, &mut Vec::new())
    }

    pub(crate) fn send_wire(&mut self, wire: &[u8], protocol: ClientProtocol) -> u64 {
        self.tokens += 1;
        let client = Client {
            token: self.tokens,
            // Every client its own network, so that limits per client stay out of the way.
            peer: SocketAddr::from(((0x0a00_0000 + self.tokens as u32).to_be_bytes(), 4242)),
            local: SocketAddr::from(([192, 0, 2, 53], 53)),
            protocol,
        };
        self.pending.push((self.tokens, self.now));
        let now = self.reading();
        self.resolver.handle_request_with(now, client, wire, self.switches);
        self.drain();
        self.tokens
    }

    /// Asks and waits.
    pub(crate) fn ask(&mut self, name: &str, rtype: Rtype) -> Got {
        let token = self.send(name, rtype);
        self.settle();
        self.take(token)
    }

    /// Sends bytes and waits for the answer; `None` if the resolver drops them.
    pub(crate) fn ask_wire(&mut self, wire: &[u8]) -> Option<Got> {
        let token = self.send_wire(wire, ClientProtocol::Udp);
        self.settle();
        let at = self.got.iter().position(|got| got.token == token)?;
        Some(self.got.remove(at))
    }

    pub(crate) fn take(&mut self, token: u64) -> Got {
        let at = self.got.iter().position(|got| got.token == token).expect("no response");
        self.got.remove(at)
    }

    /// Runs until nobody waits for anything.
    pub(crate) fn settle(&mut self) {
        while !self.pending.is_empty() {
            assert!(self.step(), "nothing left to happen, but clients wait");
        }
        assert_eq!(self.resolver.requests(), 0);
        assert!(self.open.is_empty(), "exchanges left open: {:?}", self.open);
        self.events.clear();
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// The next event; false if there is none.
    pub(crate) fn step(&mut self) -> bool {
        let deadline = self.resolver.poll_deadline().map(|(at, _)| at);
        let event = self.events.peek().map(|Reverse((at, ..))| *at);
        match (deadline, event) {
            (None, None) => return false,
            (Some(at), event) if event.is_none_or(|event| at < event) => {
                self.now = self.now.max(at);
                let now = self.reading();
                self.resolver.handle_deadline(now);
            }
            _ => {
                let Some(Reverse((at, _, id, reply))) = self.events.pop() else { return false };
                self.now = self.now.max(at);
                if self.open.contains(&id) {
                    let now = self.reading();
                    let verdict = match &reply {
                        Ok(wire) => self.resolver.handle_reply(now, id, Ok(wire)),
                        Err(at) => {
                            self.resolver.handle_reply(now, id, Err(FAULTS[usize::from(*at)]))
                        }
                    };
                    if verdict == ReplyVerdict::Over {
                        self.open.retain(|open| *open != id);
                    }
                }
            }
        }
        self.drain();
        true
    }

    fn drain(&mut self) {
        while let Some(action) = self.resolver.poll_action() {
            match action {
                Action::Respond { client, wire } => self.respond(client.token, wire),
                Action::Drop { client } => {
                    self.pending.retain(|(token, _)| *token != client.token);
                }
                Action::Mirror { .. } => {}
                Action::Cancel { id } => {
                    assert!(self.open.contains(&id), "cancelled twice");
                    self.open.retain(|open| *open != id);
                }
                Action::Exchange { id, .. } if self.open.len() >= self.sockets => {
                    let (now, fault) = (self.reading(), ExchangeFault::NoSocket);
                    self.resolver.handle_reply(now, id, Err(fault));
                }
                Action::Exchange { id, target, wire, .. } => {
                    let message = Message::parse(&wire).unwrap();
                    let question = message.question().unwrap();
                    let asked = Asked {
                        address: target.address,
                        tcp: target.via != Via::Udp,
                        id: message.header().id,
                        name: question.name,
                        rtype: question.rtype,
                        edns: message.edns().is_some(),
                        at: self.now.since(Mono(0)),
                    };
                    if std::env::var_os("TRACE").is_some() {
                        eprintln!(
                            "-> {} {} {} tcp={}",
                            asked.address, asked.name, asked.rtype, asked.tcp
                        );
                    }
                    self.open.push(id);
                    let does = (self.server)(&asked);
                    self.asked.push(asked);
                    for (after, wire) in does.sends {
                        self.at(after, id, Ok(wire));
                    }
                    if let Some((after, fault)) = does.fault {
                        let at = FAULTS.iter().position(|known| *known == fault).unwrap();
                        self.at(after, id, Err(at as u8));
                    }
                }
            }
        }
        while let Some(line) = self.resolver.poll_log() {
            eprintln!("{}", line.text);
        }
        let now = self.reading();
        self.resolver.end_turn(now);
    }

    fn at(&mut self, after: Duration, id: ExchangeId, reply: Result<Vec<u8>, u8>) {
        self.sequence += 1;
        self.events.push(Reverse((self.now + after, self.sequence, id, reply)));
    }

    fn respond(&mut self, token: u64, wire: Vec<u8>) {
        let at = self.pending.iter().position(|(pending, _)| *pending == token);
        let (_, since) = self.pending.remove(at.expect("one response for each request"));
        self.got.push(Got { token, wire, after: self.now.since(since) });
    }
}
