//! The network between the resolver and a world's servers: time, loss, duplicates, disorder,
//! addresses that lead nowhere, and strangers who forge replies. All from a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use dns::{Message, Question};
use resolve::{ExchangeFault, Now, Via};

use crate::dice::Dice;
use crate::drive::{Delivery, Exchange, Journey, Upstreams};
use crate::world::{Manner, World, compose_whole};
use crate::zone::ZoneAnswer;

/// How packets travel to and from one address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// One way.
    pub latency: Duration,
    /// Up to so much is added each way, so that packets overtake each other.
    pub jitter: Duration,
    /// Datagrams that get lost, of a thousand, each way.
    pub loss: usize,
    /// Datagrams that arrive twice, of a thousand.
    pub duplicates: usize,
}

impl Default for Link {
    fn default() -> Link {
        let latency = Duration::from_millis(5);
        Link { latency, jitter: Duration::ZERO, loss: 0, duplicates: 0 }
    }
}

/// Somebody who forges replies: sees a question (on path) or what can be guessed of it (off path),
/// and says what arrives at the resolver's socket, and when.
pub type Forger = Box<dyn FnMut(&Exchange) -> Vec<Delivery>>;

/// Somebody who answers questions with what just comes to mind: endless chains and the like.
pub type Inventor = Box<dyn FnMut(&Question) -> ZoneAnswer>;

/// A world behind a network.
pub struct Network {
    pub world: World,
    dice: Dice,
    /// Links to addresses that have one of their own.
    pub links: BTreeMap<IpAddr, Link>,
    /// The link to all other addresses.
    pub link: Link,
    /// Addresses at which packets vanish.
    pub dark: BTreeSet<IpAddr>,
    forger: Option<Forger>,
    inventors: BTreeMap<IpAddr, Inventor>,
    asked: BTreeMap<IpAddr, usize>,
    streams: usize,
}

impl Network {
    /// A network in front of a world.
    pub fn new(world: World, dice: Dice) -> Network {
        Network {
            world,
            dice,
            links: BTreeMap::new(),
            link: Link::default(),
            dark: BTreeSet::new(),
            forger: None,
            inventors: BTreeMap::new(),
            asked: BTreeMap::new(),
            streams: 0,
        }
    }

    /// Lets somebody forge replies.
    pub fn set_forger(&mut self, forger: Forger) {
        self.forger = Some(forger);
    }

    /// Lets somebody invent the answers of an address.
    pub fn set_inventor(&mut self, address: IpAddr, inventor: Inventor) {
        self.world.servers.entry(address).or_default();
        self.inventors.insert(address, inventor);
    }

    /// How many questions went to an address.
    pub fn asked(&self, address: IpAddr) -> usize {
        self.asked.get(&address).copied().unwrap_or_default()
    }

    /// How many questions went to any address.
    pub fn asked_in_all(&self) -> usize {
        self.asked.values().sum()
    }

    /// How many of them went over TCP.
    pub fn streams(&self) -> usize {
        self.streams
    }

    fn link_to(&self, address: IpAddr) -> Link {
        self.links.get(&address).copied().unwrap_or(self.link)
    }

    /// Times after which copies of a datagram arrive.
    fn datagram(&mut self, link: Link) -> Vec<Duration> {
        let copies = 1 + usize::from(self.dice.chance(link.duplicates));
        let mut times = Vec::new();
        for _ in 0..copies {
            if !self.dice.chance(link.loss) {
                times.push(link.latency + self.dice.span(link.jitter));
            }
        }
        times
    }
}

impl Upstreams for Network {
    fn route(&mut self, _now: Now, exchange: &Exchange) -> Journey {
        let address = exchange.target.address.ip();
        *self.asked.entry(address).or_default() += 1;
        let mut journey = Journey::default();
        if let Some(forger) = &mut self.forger {
            journey.deliveries = forger(exchange);
        }
        let link = self.link_to(address);
        let reachable = self.world.servers.contains_key(&address)
            && exchange.target.address.port() == 53
            && !self.dark.contains(&address);
        if matches!(exchange.target.via, Via::Udp) {
            if reachable {
                journey.arrivals = self.datagram(link);
            }
            return journey;
        }
        self.streams += 1;
        if reachable && exchange.target.via == Via::Tcp {
            // One round trip for the connection, half of one for the question.
            journey.arrivals.push(3 * link.latency);
        } else {
            let (after, fault) = match reachable {
                true => (3 * link.latency, ExchangeFault::Handshake),
                false => (exchange.connect_timeout, ExchangeFault::Unreachable),
            };
            journey.deliveries.push(Delivery { after, reply: Err(fault) });
        }
        journey
    }

    fn serve(&mut self, _now: Now, exchange: &Exchange, _notes: &mut Vec<String>) -> Vec<Delivery> {
        let address = exchange.target.address.ip();
        let link = self.link_to(address);
        let server = self.world.servers.get(&address);
        if server.is_some_and(|server| server.manner == Manner::ClosesStreams)
            && exchange.target.via == Via::Tcp
        {
            return vec![Delivery { after: link.latency, reply: Err(ExchangeFault::Closed) }];
        }
        let wire = match self.inventors.get_mut(&address) {
            Some(inventor) => Message::parse(&exchange.wire)
                .ok()
                .and_then(|query| compose_whole(&query, &inventor(&query.question()?))),
            None => self.world.serve(address, &exchange.target.via, &exchange.wire),
        };
        let Some(wire) = wire else { return Vec::new() };
        let times = match exchange.target.via {
            Via::Udp => self.datagram(link),
            Via::Tcp | Via::Tls(_) => vec![link.latency],
        };
        times.into_iter().map(|after| Delivery { after, reply: Ok(wire.clone()) }).collect()
    }
}
