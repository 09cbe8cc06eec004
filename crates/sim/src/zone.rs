//! A zone as an authoritative server holds it: names in canonical order, sets by type, signatures
//! beside the sets they cover.
//!
//! [`Zone::answer`] is what RFC 1034 §4.3.2 asks of a server, with DNAME (RFC 6672), wildcards and
//! empty non-terminals (RFC 4592) and the DNSSEC parts of RFC 4035 §3.1 and RFC 5155 §7.2.

use std::collections::BTreeMap;
use std::ops::Bound;

use dns::{Class, Name, Rrset, Rtype};

use crate::text;

mod answer;
mod denial;
#[cfg(test)]
mod tests;

pub use answer::ZoneAnswer;
pub use denial::Nsec3Chain;

/// Default TTL of records made by hand, in seconds.
pub const TTL: u32 = 3600;

/// All sets of one name.
#[derive(Clone, Debug, Default)]
pub struct Node {
    sets: BTreeMap<Rtype, Rrset>,
    /// RRSIG sets by the type they cover.
    signatures: BTreeMap<Rtype, Rrset>,
}

impl Node {
    /// The set of a type; RRSIGs are not found here.
    pub fn set(&self, rtype: Rtype) -> Option<&Rrset> {
        self.sets.get(&rtype)
    }

    /// The set of a type, to spoil it.
    pub fn set_mut(&mut self, rtype: Rtype) -> Option<&mut Rrset> {
        self.sets.get_mut(&rtype)
    }

    /// Takes the signatures away from a set.
    pub fn remove_signatures(&mut self, rtype: Rtype) {
        self.signatures.remove(&rtype);
    }

    /// All sets but signatures.
    pub fn sets(&self) -> impl Iterator<Item = &Rrset> {
        self.sets.values()
    }

    /// The signatures over the set of a type.
    pub fn signatures(&self, rtype: Rtype) -> Option<&Rrset> {
        self.signatures.get(&rtype)
    }

    /// The signatures over the set of a type, to spoil them.
    pub fn signatures_mut(&mut self, rtype: Rtype) -> Option<&mut Rrset> {
        self.signatures.get_mut(&rtype)
    }
}

/// How absence is proved.
#[derive(Clone, Debug, Default)]
pub enum Denial {
    /// Not signed.
    #[default]
    None,
    /// NSEC records are in the nodes.
    Nsec,
    /// NSEC3 records in a chain of their own.
    Nsec3(Nsec3Chain),
}

/// A zone.
#[derive(Clone, Debug)]
pub struct Zone {
    origin: Name,
    nodes: BTreeMap<Name, Node>,
    denial: Denial,
}

/// What is found for a name inside a zone.
enum Found<'z> {
    /// At or below a delegation.
    Cut(&'z Name, &'z Node),
    /// Below a DNAME.
    Below(&'z Rrset),
    /// The name itself, perhaps with nothing at it (an empty non-terminal).
    Exact(Option<&'z Node>),
    /// A wildcard stands in, perhaps with nothing at it; with it the closest encloser.
    Wildcard(Name, Option<&'z Node>, Name),
    /// No such name; with the closest encloser.
    Nothing(Name),
}

impl Zone {
    /// A zone with nothing in it yet.
    pub fn new(origin: Name) -> Zone {
        Zone { origin, nodes: BTreeMap::new(), denial: Denial::None }
    }

    /// A zone from lines of the form `owner [TTL] type rdata`; names without a final dot end in the
    /// origin, `@` is the origin.
    pub fn from_text(origin: Name, text: &str) -> Result<Zone, String> {
        let mut zone = Zone::new(origin.clone());
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let fault = |what: &str| format!("`{line}`: {what}");
            let mut words = line.split_whitespace().peekable();
            let owner = words.next().ok_or_else(|| fault("no owner"))?;
            let owner = Name::from_text(owner.as_bytes(), &origin)
                .map_err(|what| fault(&what.to_string()))?;
            let ttl = words.next_if(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
            let ttl = ttl.and_then(|word| word.parse().ok()).unwrap_or(TTL);
            let rtype: Rtype =
                words.next().and_then(|word| word.parse().ok()).ok_or_else(|| fault("no type"))?;
            let rest = words.collect::<Vec<_>>().join(" ");
            let rdata = text::rdata_from_text(rtype, Class::IN, &rest, &origin)
                .map_err(|what| fault(&what))?;
            zone.add(&owner, rtype, ttl, &rdata);
        }
        Ok(zone)
    }

    /// The apex.
    pub fn origin(&self) -> &Name {
        &self.origin
    }

    /// How absence is proved.
    pub fn denial(&self) -> &Denial {
        &self.denial
    }

    /// Says how absence is proved.
    pub fn set_denial(&mut self, denial: Denial) {
        self.denial = denial;
    }

    /// How absence is proved, to spoil it.
    pub fn denial_mut(&mut self) -> &mut Denial {
        &mut self.denial
    }

    /// Is the zone signed?
    pub fn is_signed(&self) -> bool {
        !matches!(self.denial, Denial::None)
    }

    /// Adds a record. Names outside the zone are left out.
    pub fn add(&mut self, owner: &Name, rtype: Rtype, ttl: u32, rdata: &[u8]) {
        if !owner.is_at_or_below(&self.origin) {
            return;
        }
        let node = self.nodes.entry(owner.clone()).or_default();
        let (sets, key) = match dns::rrset::covered(rdata).filter(|_| rtype == Rtype::RRSIG) {
            Some(covered) => (&mut node.signatures, covered),
            None => (&mut node.sets, rtype),
        };
        let new = || Rrset::new(owner.clone(), rtype, Class::IN, ttl);
        sets.entry(key).or_insert_with(new).rdatas.push(rdata);
    }

    /// Removes a set with its signatures.
    pub fn remove(&mut self, owner: &Name, rtype: Rtype) {
        if let Some(node) = self.nodes.get_mut(owner) {
            node.sets.remove(&rtype);
            node.signatures.remove(&rtype);
            if node.sets.is_empty() {
                self.nodes.remove(owner);
            }
        }
    }

    /// What a name has.
    pub fn node(&self, name: &Name) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// What a name has, to spoil it.
    pub fn node_mut(&mut self, name: &Name) -> Option<&mut Node> {
        self.nodes.get_mut(name)
    }

    /// A set.
    pub fn set(&self, name: &Name, rtype: Rtype) -> Option<&Rrset> {
        self.nodes.get(name)?.set(rtype)
    }

    /// All names that own something, in canonical order.
    pub fn nodes(&self) -> impl Iterator<Item = (&Name, &Node)> {
        self.nodes.iter()
    }

    /// Does the name exist: does it own something, or something below it (RFC 4592 §2.2.2)?
    pub fn exists(&self, name: &Name) -> bool {
        let behind = (Bound::Included(name.clone()), Bound::Unbounded);
        self.nodes.range(behind).next().is_some_and(|(next, _)| next.is_at_or_below(name))
    }

    /// The delegation at or above a name, if the name is not the zone's own.
    pub fn cut(&self, name: &Name) -> Option<&Name> {
        let (labels, apex) = (name.label_count(), self.origin.label_count());
        ((apex + 1)..=labels).find_map(|count| {
            let (owner, node) = self.nodes.get_key_value(&name.suffix(count))?;
            node.set(Rtype::NS).map(|_| owner)
        })
    }

    /// Looks a name up from the apex downwards. `parent_side`: the question is for a type that
    /// lives above the cut (DS).
    fn find(&self, name: &Name, parent_side: bool) -> Found<'_> {
        let (labels, apex) = (name.label_count(), self.origin.label_count());
        for count in apex..=labels {
            let above = name.suffix(count);
            if let Some((owner, node)) = self.nodes.get_key_value(&above) {
                let delegates = count > apex && node.set(Rtype::NS).is_some();
                if delegates && !(parent_side && count == labels) {
                    return Found::Cut(owner, node);
                }
                if let Some(dname) = node.set(Rtype::DNAME).filter(|_| count < labels) {
                    return Found::Below(dname);
                }
            } else if !self.exists(&above) {
                let encloser = name.suffix(count - 1);
                return match encloser.wildcard_child().filter(|wildcard| self.exists(wildcard)) {
                    Some(source) => {
                        let node = self.nodes.get(&source);
                        Found::Wildcard(source, node, encloser)
                    }
                    None => Found::Nothing(encloser),
                };
            }
        }
        Found::Exact(self.nodes.get(name))
    }
}
