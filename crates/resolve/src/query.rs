//! One question in pursuit: what is asked for whom, how far it has come, and what it was told.

use std::net::SocketAddr;

use dns::{Class, Name, Rcode, Rdatas, Rtype};
use smallvec::SmallVec;
use store::cache::entry::SignedSet;

use crate::action::{ExchangeId, Target, Via};
use crate::flags::QueryFlags;
use crate::reply::Reply;
use crate::time::Mono;
use crate::zone_cut::{StoredDs, ZoneCut};

/// Number of a query within its request; never used twice there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct QueryId(pub u16);

/// What a query is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// The client's question, or the end of an alias that it led to.
    Client,
    /// The address of a name server of the parent query's zone cut. `beyond_glue`: only what the
    /// zone of the server says will do, what came with referrals was of no use.
    Address { server: Name, beyond_glue: bool },
    /// A link of the chain of trust, for the validator.
    Trust,
    /// Something that a module wants to know; the number is the module's own.
    Module(u32),
}

/// The question as it goes to a server: perhaps a shorter name and another type than the query's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ask {
    pub name: Name,
    pub rtype: Rtype,
    pub class: Class,
    /// Is this a step of QNAME minimisation and not yet the question itself?
    pub minimised: bool,
}

/// One message that was sent and may still be answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    pub exchange: ExchangeId,
    pub target: Target,
    /// Message id on the wire.
    pub id: u16,
    /// The name with the letter case that was sent.
    pub name: Name,
    pub at: Mono,
    /// Try elsewhere at this time; the exchange stays open.
    pub retry_at: Mono,
    /// Has `retry_at` passed?
    pub late: bool,
    /// Datagrams for it that did not match (RFC 5452 §9).
    pub near_misses: u16,
}

/// What happened with one address in a round.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tried {
    pub address: SocketAddr,
    pub udp: u8,
    pub tcp: u8,
    /// The next message to it has to go over TCP (truncation, near miss, repeated loss).
    pub wants_tcp: bool,
    /// Ask without EDNS: it said over a stream that it does not know it.
    pub no_edns: bool,
    /// It said something useless; ask others first.
    pub useless: u8,
}

/// One question to the servers of one zone, until one of them says something useful.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Round {
    pub ask: Ask,
    pub began: Mono,
    /// Where the next message goes; chosen by `produce`, taken by the driver.
    pub next: Option<Planned>,
    pub open: SmallVec<[Sent; 2]>,
    pub tried: SmallVec<[Tried; 4]>,
    pub sends: u8,
    pub useless: u8,
    /// Another request asks the same; its reply will be handed over.
    pub follows: bool,
    /// Nobody is to be asked any more.
    pub exhausted: bool,
    /// Its message could not be sent for want of a socket; it waits for one.
    pub starved: bool,
    /// Look at it again then, whatever arrives before.
    pub wake_at: Option<Mono>,
}

/// The next message of a round.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    pub target: Target,
    pub timeout: std::time::Duration,
    /// Name of the server, for the trace.
    pub server: Name,
    pub edns: bool,
}

impl Round {
    /// A round that has not begun to send.
    pub fn new(ask: Ask, now: Mono) -> Round {
        Round {
            ask,
            began: now,
            next: None,
            open: SmallVec::new(),
            tried: SmallVec::new(),
            sends: 0,
            useless: 0,
            follows: false,
            exhausted: false,
            starved: false,
            wake_at: None,
        }
    }

    /// What happened with an address so far.
    pub fn tried(&self, address: SocketAddr) -> Option<&Tried> {
        self.tried.iter().find(|tried| tried.address == address)
    }

    /// The same, to note something down.
    pub fn tried_mut(&mut self, address: SocketAddr) -> &mut Tried {
        let at = match self.tried.iter().position(|tried| tried.address == address) {
            Some(at) => at,
            None => {
                self.tried.push(Tried {
                    address,
                    udp: 0,
                    tcp: 0,
                    wants_tcp: false,
                    no_edns: false,
                    useless: 0,
                });
                self.tried.len() - 1
            }
        };
        &mut self.tried[at]
    }

    /// Is a message to this address over this protocol still waited for, and not late?
    pub fn is_waiting_for(&self, address: SocketAddr, via: &Via) -> bool {
        self.open
            .iter()
            .any(|sent| !sent.late && sent.target.address == address && sent.target.via == *via)
    }
}

/// What a reply means for the query, as `iterate` judged it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The records asked for, at the end of the chain of aliases inside the reply.
    Answer,
    /// The name exists, the type does not (RFC 2308 §2.2).
    NoData,
    /// The name, after the aliases inside the reply, does not exist (RFC 2308 §2.1).
    NxDomain,
    /// Aliases that lead to a name which has to be looked up.
    Alias { target: Name },
    /// Another zone's servers have to be asked.
    Referral { cut: Box<ZoneCut> },
    /// A minimised question got something else than a referral: ask for the full name.
    Unminimised,
    /// An RCODE to be passed on as it is (forwarding).
    Failed(Rcode),
}

/// State of QNAME minimisation of a query (RFC 9156 §2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Minimise {
    /// Steps so far.
    pub steps: u8,
    /// Ask for the full name from now on.
    pub off: bool,
}

/// A zone cut on the way from a name to the root, as the store knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownCut {
    pub name: Name,
    /// Its NS rdata.
    pub servers: Rdatas,
    pub ds: StoredDs,
}

/// What came of a child query, as its parent is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    pub purpose: Purpose,
    pub name: Name,
    pub rtype: Rtype,
    /// `None`: it could not be resolved.
    pub outcome: Option<Outcome>,
    /// Sets of the answer section.
    pub answer: Vec<SignedSet>,
}

/// One question in pursuit.
#[derive(Debug)]
pub struct Query {
    pub id: QueryId,
    pub parent: Option<QueryId>,
    pub purpose: Purpose,
    pub name: Name,
    pub rtype: Rtype,
    pub class: Class,
    pub flags: QueryFlags,
    /// Queries that wait for this one.
    pub depth: u8,
    /// Aliases that led here.
    pub aliases: u8,
    pub referrals: u8,
    /// Addresses of servers looked up for it since it was last told something useful.
    pub lookups: u8,
    /// Who is asked now; `None` until that is looked up.
    pub cut: Option<ZoneCut>,
    pub minimise: Minimise,
    /// Has the cache been asked for it?
    pub cache_tried: bool,
    /// The zone cuts above the name, deepest first, as far as the cache has just looked at them: up to
    /// the first one or the root.
    pub known_cuts: Option<Vec<KnownCut>>,
    pub round: Option<Box<Round>>,
    /// What it was told last, until that is settled.
    pub reply: Option<Reply>,
    pub outcome: Option<Outcome>,
    /// First layer of the next `consume`: not zero after a layer has yielded.
    pub resume: usize,
    /// Has `reset` been called?
    pub begun: bool,
    /// No server could be reached; the query is about to fail.
    pub unreachable: bool,
    /// What its children brought.
    pub deliveries: Vec<Delivery>,
}

impl Query {
    /// A query on its own. Number, depth and parent are given by the plan.
    pub fn new(name: Name, rtype: Rtype, class: Class, purpose: Purpose) -> Query {
        Query {
            id: QueryId(0),
            parent: None,
            purpose,
            name,
            rtype,
            class,
            flags: QueryFlags::empty(),
            depth: 0,
            aliases: 0,
            referrals: 0,
            lookups: 0,
            cut: None,
            minimise: Minimise::default(),
            cache_tried: false,
            known_cuts: None,
            round: None,
            reply: None,
            outcome: None,
            resume: 0,
            begun: false,
            unreachable: false,
            deliveries: Vec::new(),
        }
    }

    /// Is it for the client (and not for our own needs)?
    pub fn is_for_client(&self) -> bool {
        self.purpose == Purpose::Client
    }
}
