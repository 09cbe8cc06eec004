//! Small signed worlds by hand: a root whose key is the trust anchor, and zones below it, each with
//! one server, signed by plan. For tests of validation and for its benchmarks.

pub mod hostile;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use dns::dnssec::crypto::sign::SignFault;
use dns::dnssec::{DigestType, Voucher};
use dns::{Name, Rtype};
use resolve::{Resolver, ResolverParts, Settings, TrustAnchors, UnixTime};
use store::cache::{Cache, TtlBounds};
use store::kv::{Kv, StoreError, memory};

use crate::clock::Clock;
use crate::dice::Dice;
use crate::drive::Driver;
use crate::net::Network;
use crate::sign::{Keys, Plan, sign};
use crate::simulate::START;
use crate::world::{Server, World};
use crate::zone::{TTL, Zone};

/// Room for what is learnt in such a world.
const STORE_BYTES: u64 = 64 * 1024 * 1024;

/// What is done to a zone after it was signed.
pub type Touch = Box<dyn FnOnce(&mut Zone, &Keys)>;

/// A zone in the making.
struct Draft {
    zone: Zone,
    plan: Option<Plan>,
    has_ds: bool,
    touch: Option<Touch>,
}

/// A world in the making. The root comes first, children after their parents.
pub struct SignedWorld {
    drafts: Vec<Draft>,
    pub settings: Settings,
}

/// Why such a world cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum WorldFault {
    #[error("zone text: {0}")]
    Text(String),
    #[error("signing: {0:?}")]
    Sign(SignFault),
    #[error("store: {0}")]
    Store(#[from] StoreError),
}

impl From<SignFault> for WorldFault {
    fn from(fault: SignFault) -> WorldFault {
        WorldFault::Sign(fault)
    }
}

fn name(text: &str) -> Name {
    Name::from_text(text.as_bytes(), &Name::root()).unwrap_or_else(|_| Name::root())
}

/// The usual way to sign: Ed25519 and NSEC, valid around the time at which worlds begin.
pub fn plan() -> Plan {
    Plan::around(START as u32)
}

/// The address of the server of the nth zone; the root's is the first.
pub fn address(number: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0505_0000 + number as u32 + 1))
}

impl SignedWorld {
    /// A signed root.
    pub fn new() -> Result<SignedWorld, WorldFault> {
        let mut world = SignedWorld { drafts: Vec::new(), settings: Settings::default() };
        world.zone(".", Some(plan()), "")?;
        Ok(world)
    }

    /// Adds a zone below the closest one that is there, with a DS if it is signed. Returns its
    /// number, for [`address`].
    pub fn zone(
        &mut self,
        origin: &str,
        plan: Option<Plan>,
        text: &str,
    ) -> Result<usize, WorldFault> {
        let (origin, number) = (name(origin), self.drafts.len());
        let text = format!("@ SOA ns admin 1 3600 600 86400 300\n@ NS ns\n{text}");
        let mut zone = Zone::from_text(origin.clone(), &text).map_err(WorldFault::Text)?;
        let host = origin.prepend(b"ns").unwrap_or_else(|_| origin.clone());
        let IpAddr::V4(at) = address(number) else { return Ok(number) };
        zone.add(&host, Rtype::A, TTL, &at.octets());
        if let Some(parent) = self.parent(&origin) {
            let parent = &mut self.drafts[parent].zone;
            parent.add(&origin, Rtype::NS, TTL, host.as_wire());
            parent.add(&host, Rtype::A, TTL, &at.octets());
        }
        self.drafts.push(Draft { zone, has_ds: plan.is_some(), plan, touch: None });
        Ok(number)
    }

    /// Lets a zone be an island: signed, but its parent does not say so.
    pub fn without_ds(&mut self, number: usize) {
        self.drafts[number].has_ds = false;
    }

    /// Does something to a zone after it was signed.
    pub fn touch(&mut self, number: usize, touch: impl FnOnce(&mut Zone, &Keys) + 'static) {
        self.drafts[number].touch = Some(Box::new(touch));
    }

    fn parent(&self, origin: &Name) -> Option<usize> {
        let above =
            self.drafts.iter().enumerate().filter(|(_, d)| origin.is_below(d.zone.origin()));
        above.max_by_key(|(_, draft)| draft.zone.origin().label_count()).map(|(at, _)| at)
    }

    /// Signs everything, from below, and makes the resolver's settings and its world.
    pub fn build(mut self) -> Result<(Settings, World), WorldFault> {
        let mut servers = BTreeMap::new();
        while let Some(mut draft) = self.drafts.pop() {
            let (origin, number) = (draft.zone.origin().clone(), self.drafts.len());
            if let Some(plan) = &draft.plan {
                let keys = Keys::new(&origin, plan)?;
                sign(&mut draft.zone, &keys, plan)?;
                if let Some(touch) = draft.touch.take() {
                    touch(&mut draft.zone, &keys);
                }
                match self.parent(&origin) {
                    Some(parent) if draft.has_ds => {
                        let ds = keys.ds(DigestType::SHA256);
                        self.drafts[parent].zone.add(&origin, Rtype::DS, TTL, &ds);
                    }
                    Some(_) => {}
                    None => {
                        let mut anchors = TrustAnchors::new();
                        anchors.add(&origin, Voucher::Key(keys.entry().to_vec()));
                        self.settings.trust_anchors = Arc::new(anchors);
                    }
                }
            }
            servers.insert(address(number), Server::new(vec![Arc::new(draft.zone)]));
        }
        let hints = vec![(name("ns."), vec![address(0)])];
        self.settings.root_hints = Arc::new(hints.clone());
        Ok((self.settings, World { servers, hints }))
    }

    /// A resolver in this world, with a store in memory.
    pub fn open(self) -> Result<Driver<Network>, WorldFault> {
        let (settings, world) = self.build()?;
        open(settings, world, 1)
    }
}

/// A resolver with these settings in a world.
pub fn open(settings: Settings, world: World, seed: u64) -> Result<Driver<Network>, WorldFault> {
    let mut dice = Dice::new(seed);
    let resolver = resolver(settings, dice.seed(), Box::new(memory::new(STORE_BYTES)?));
    let clock = Clock::starting_at(UnixTime::from_seconds(START));
    Ok(Driver::new(resolver, clock, Network::new(world, dice)))
}

/// A resolver with these settings over a store.
pub fn resolver(settings: Settings, seed: [u8; 32], kv: Box<dyn Kv>) -> Resolver {
    let cache = Cache::new(kv, TtlBounds::default());
    Resolver::new(ResolverParts { settings, seed, cache })
}
