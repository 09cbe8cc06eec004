//! Zones whose signatures are made to cost their validator time: keys that share a tag, heaps of
//! signatures that do not match, dear keys, long chains of hashes (CVE-2023-50387, CVE-2023-50868).

use dns::dnssec::{Algorithm, key_tag};
use dns::rdata::view::DnskeyView;
use dns::{Class, Name, Rrset, Rtype};

use super::{SignedWorld, WorldFault, plan};
use crate::sign::{Absence, Plan};
use crate::simulate::START;
use crate::zone::{TTL, Zone};

/// The tag that all made-up keys share.
const TAG: u16 = 0x4b54;

/// One way to waste a validator's time. Questions for `q0.attack. A`, `q1.attack. A` and so on, or
/// for other names there if `asks_gaps`, are the attack.
pub struct Attack {
    pub name: &'static str,
    /// Names that do not exist are asked for.
    pub asks_gaps: bool,
    make: fn(&mut SignedWorld, usize) -> Result<(), WorldFault>,
}

/// All of them.
pub const ATTACKS: &[Attack] = &[
    Attack { name: "1 key, 8 bad signatures", asks_gaps: false, make: |w, n| trap(w, n, None, 8) },
    Attack {
        name: "1 key, 150 bad signatures",
        asks_gaps: false,
        make: |w, n| trap(w, n, None, 150),
    },
    Attack {
        name: "20 keys of one tag, 1 bad signature",
        asks_gaps: false,
        make: |w, n| trap(w, n, Some(RSA_2048), 1),
    },
    Attack {
        name: "20 keys of one tag, 150 bad signatures",
        asks_gaps: false,
        make: |w, n| trap(w, n, Some(RSA_2048), 150),
    },
    Attack {
        name: "20 Ed448 keys of one tag, 150 bad signatures",
        asks_gaps: false,
        make: |w, n| trap(w, n, Some(ED448), 150),
    },
    Attack {
        name: "20 keys with long exponents, 60 bad signatures",
        asks_gaps: false,
        make: |w, n| trap(w, n, Some(RSA_LONG), 60),
    },
    Attack {
        name: "20 RSA keys of 2048 bits with exponents of 232, 60 bad signatures",
        asks_gaps: false,
        make: |w, n| trap(w, n, Some(RSA_2048_LONG), 60),
    },
    Attack {
        name: "20 RSA keys of 4096 bits with exponents of 40, 60 bad signatures",
        asks_gaps: false,
        make: |w, n| trap(w, n, Some(RSA_4096_LONG), 60),
    },
    Attack {
        name: "256 records, 8 bad signatures",
        asks_gaps: false,
        make: |w, n| heap(w, n, 256),
    },
    Attack { name: "3000 records", asks_gaps: false, make: |w, n| heap(w, n, 3000) },
    Attack { name: "NSEC3, 50 iterations", asks_gaps: true, make: |w, _| hashes(w, 50) },
    Attack { name: "NSEC3, 2500 iterations", asks_gaps: true, make: |w, _| hashes(w, 2500) },
];

impl Attack {
    /// Adds the zone `attack.` with so many names to ask for.
    pub fn add(&self, world: &mut SignedWorld, names: usize) -> Result<(), WorldFault> {
        (self.make)(world, names)
    }

    /// The nth question's name, with a hundred labels where gaps are asked for.
    pub fn question(&self, number: usize) -> Name {
        let mut name = attack();
        if self.asks_gaps {
            for _ in 0..100 {
                name = name.prepend(b"x").unwrap_or_else(|_| attack());
            }
        }
        name.prepend(format!("q{number}").as_bytes()).unwrap_or_else(|_| attack())
    }
}

fn attack() -> Name {
    "attack.".parse().unwrap_or_else(|_| Name::root())
}

/// What made-up keys look like.
#[derive(Clone, Copy)]
struct Shape {
    algorithm: Algorithm,
    exponent: &'static [u8],
    /// Bytes of the public key behind the exponent.
    bytes: usize,
    signature: usize,
}

const RSA_2048: Shape =
    Shape { algorithm: Algorithm::RSASHA256, exponent: &[1, 0, 1], bytes: 256, signature: 256 };
/// An exponent that takes the slow road.
const RSA_LONG: Shape =
    Shape { algorithm: Algorithm::RSASHA256, exponent: &[0xff; 127], bytes: 128, signature: 128 };
const RSA_2048_LONG: Shape =
    Shape { algorithm: Algorithm::RSASHA256, exponent: &[0xff; 29], bytes: 256, signature: 256 };
/// The longest keys that are tried, with the longest exponents that such keys may have.
const RSA_4096_LONG: Shape =
    Shape { algorithm: Algorithm::RSASHA256, exponent: &[0xff; 5], bytes: 512, signature: 512 };
const ED448: Shape =
    Shape { algorithm: Algorithm::ED448, exponent: &[], bytes: 57, signature: 114 };

/// A zone key that can be parsed and has the common tag.
fn key(shape: Shape, number: u8) -> Vec<u8> {
    let mut rdata = DnskeyView::ZONE.to_be_bytes().to_vec();
    rdata.extend([3, shape.algorithm.0]);
    if !shape.exponent.is_empty() {
        rdata.push(shape.exponent.len() as u8);
        rdata.extend(shape.exponent);
    }
    let start = rdata.len();
    rdata.resize(start + shape.bytes, 0x5a);
    // A modulus has its first bit set and is odd.
    let end = rdata.len() - 1;
    (rdata[start], rdata[end]) = (0x80 | number, 1);
    if shape.algorithm == Algorithm::ED448 {
        (rdata[start], rdata[end]) = (number, 0);
    }
    // Two bytes in the middle make the tag; other bytes make a point of the curve.
    let at = (start + 20) & !1;
    for salt in 0..=255u8 {
        rdata[at + 2] = salt;
        for free in 0..=u16::MAX {
            rdata[at..at + 2].copy_from_slice(&free.to_be_bytes());
            if key_tag(&rdata) == TAG {
                break;
            }
        }
        let parsed = dns::dnssec::crypto::PublicKey::parse(shape.algorithm, &rdata[4..]);
        if parsed.is_ok() {
            break;
        }
    }
    rdata
}

/// RRSIG rdata that fits in everything but the arithmetic.
fn bad_signature(
    set: &Rrset,
    zone: &Name,
    (algorithm, tag): (Algorithm, u16),
    (length, number): (usize, u8),
) -> Vec<u8> {
    let labels = set.owner.label_count() - usize::from(set.owner.is_wildcard());
    let mut rdata = set.rtype.0.to_be_bytes().to_vec();
    rdata.extend([algorithm.0, labels as u8]);
    for number in [set.ttl, START as u32 + 86_400, START as u32 - 86_400] {
        rdata.extend(number.to_be_bytes());
    }
    rdata.extend(tag.to_be_bytes());
    rdata.extend(zone.as_wire());
    let start = rdata.len();
    rdata.resize(start + length, 0x11);
    rdata[start] = number;
    rdata[start + length - 1] = 0;
    rdata
}

/// The tag and algorithm of the zone's own key, the one without the SEP bit.
fn own_key(zone: &Zone) -> Option<(Algorithm, u16)> {
    let keys = zone.set(zone.origin(), Rtype::DNSKEY)?;
    let own = keys
        .rdatas
        .iter()
        .find(|rdata| DnskeyView::new(rdata).is_some_and(|key| !key.is_secure_entry_point()))?;
    Some((Algorithm(DnskeyView::new(own)?.algorithm()), key_tag(own)))
}

fn spoil(zone: &mut Zone, sets: &[Rrset], by: (Algorithm, u16), length: usize, count: usize) {
    let origin = zone.origin().clone();
    for set in sets {
        if let Some(node) = zone.node_mut(&set.owner) {
            node.remove_signatures(set.rtype);
        }
        for number in 0..count {
            let rdata = bad_signature(set, &origin, by, (length, number as u8));
            zone.add(&set.owner, Rtype::RRSIG, TTL, &rdata);
        }
    }
}

fn addresses(zone: &Zone, names: usize) -> Vec<Rrset> {
    let named = |number: usize| zone.origin().prepend(format!("q{number}").as_bytes()).ok();
    (0..names).filter_map(named).filter_map(|name| zone.set(&name, Rtype::A).cloned()).collect()
}

fn names(count: usize) -> String {
    (0..count).map(|number| format!("q{number} A 192.0.2.1\n")).collect()
}

/// Signatures that do not match, by the zone's own key or by many keys with one tag.
fn trap(
    world: &mut SignedWorld,
    count: usize,
    shape: Option<Shape>,
    signatures: usize,
) -> Result<(), WorldFault> {
    let mut text = names(count);
    for number in 0..shape.map_or(0, |_| 20) {
        if let Some(shape) = shape {
            let hex = crate::text::to_hex(&key(shape, number));
            let length = hex.len() / 2;
            text.push_str(&format!("@ TYPE48 \\# {length} {hex}\n"));
        }
    }
    let number = world.zone("attack.", Some(plan()), &text)?;
    world.touch(number, move |zone, _| {
        let by = match shape {
            Some(shape) => Some((shape.algorithm, TAG)),
            None => own_key(zone),
        };
        let length = shape.map_or(64, |shape| shape.signature);
        if let Some(by) = by {
            let sets = addresses(zone, count);
            spoil(zone, &sets, by, length, signatures);
        }
    });
    Ok(())
}

/// One large set at each name, with signatures that do not match.
fn heap(world: &mut SignedWorld, count: usize, records: usize) -> Result<(), WorldFault> {
    let number = world.zone("attack.", Some(plan()), &names(count))?;
    world.touch(number, move |zone, _| {
        for set in addresses(zone, count) {
            for record in 0..records as u32 - 1 {
                zone.add(&set.owner, Rtype::A, TTL, &(0x0a00_0000 + record).to_be_bytes());
            }
        }
        let sets = addresses(zone, count);
        if let Some(by) = own_key(zone) {
            spoil(zone, &sets, by, 64, 8);
        }
    });
    Ok(())
}

fn hashes(world: &mut SignedWorld, iterations: u16) -> Result<(), WorldFault> {
    let absence = Absence::Nsec3 { salt: vec![0xab; 8], iterations, opt_out: false };
    world.zone("attack.", Some(Plan { absence, ..plan() }), &names(8)).map(|_| ())
}

/// A reply that pads a denial with hundreds of records that nobody signed properly.
pub fn padded_denial(zone: &Name, rtype: Rtype) -> Vec<Rrset> {
    let mut sets = Vec::new();
    for number in 0..200u16 {
        let Ok(owner) = zone.prepend(format!("n{number}").as_bytes()) else { continue };
        let mut set = Rrset::new(owner.clone(), rtype, Class::IN, 300);
        set.rdatas.push(&[zone.as_wire(), &[0, 1, 0x40]].concat());
        let mut signature = Rrset::new(owner, Rtype::RRSIG, Class::IN, 300);
        signature.rdatas.push(&bad_signature(&set, zone, (Algorithm::ED25519, TAG), (64, 0)));
        sets.extend([set, signature]);
    }
    sets
}
