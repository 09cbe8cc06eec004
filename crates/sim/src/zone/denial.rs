//! Proofs of absence: which NSEC or NSEC3 records go with a negative answer (RFC 4035 §3.1.3,
//! RFC 5155 §7.2).

use std::collections::BTreeMap;
use std::ops::Bound;

use dns::dnssec::crypto::nsec3_hash;
use dns::{Name, Rrset, Rtype};

use super::{Denial, Zone};

/// The NSEC3 records of a zone by the hash that owns them.
#[derive(Clone, Debug, Default)]
pub struct Nsec3Chain {
    pub salt: Vec<u8>,
    pub iterations: u16,
    /// Each record's set with its signatures.
    pub records: BTreeMap<[u8; 20], (Rrset, Option<Rrset>)>,
}

impl Nsec3Chain {
    /// The hash of a name under this chain's parameters.
    pub fn hash(&self, name: &Name) -> [u8; 20] {
        nsec3_hash(name.to_lowercase().as_wire(), &self.salt, self.iterations)
    }

    /// Has the name a record of its own?
    pub fn has(&self, name: &Name) -> bool {
        self.matching(name).is_some()
    }

    /// The record whose owner is the hash of the name.
    fn matching(&self, name: &Name) -> Option<&(Rrset, Option<Rrset>)> {
        self.records.get(&self.hash(name))
    }

    /// The record in whose gap the hash of the name lies.
    fn covering(&self, name: &Name) -> Option<&(Rrset, Option<Rrset>)> {
        let hash = self.hash(name);
        let before = self.records.range((Bound::Unbounded, Bound::Excluded(hash))).next_back();
        before.or_else(|| self.records.iter().next_back()).map(|(_, record)| record)
    }
}

/// Adds a set and its signatures unless they are there already.
fn push(set: &Rrset, signatures: Option<&Rrset>, out: &mut Vec<Rrset>) {
    if out.iter().any(|known| known.rtype == set.rtype && known.owner == set.owner) {
        return;
    }
    out.push(set.clone());
    out.extend(signatures.cloned());
}

impl Zone {
    /// Proves that a name that exists has not the type that was asked for.
    pub(super) fn deny_type(&self, name: &Name, out: &mut Vec<Rrset>) {
        match self.denial() {
            Denial::None => {}
            Denial::Nsec => self.push_nsec_at_or_before(name, out),
            Denial::Nsec3(chain) => match chain.matching(name) {
                Some((set, signatures)) => push(set, signatures.as_ref(), out),
                // Left out of the chain by opt-out (RFC 5155 §7.2.4).
                None => self.deny_closer(name, &self.provable_encloser(chain, name), true, out),
            },
        }
    }

    /// Proves that a delegation has no DS.
    pub(super) fn deny_delegation(&self, cut: &Name, out: &mut Vec<Rrset>) {
        self.deny_type(cut, out);
    }

    /// Proves that nothing is between the closest encloser and the name; with `encloser_too`, that
    /// the encloser exists.
    pub(super) fn deny_closer(
        &self,
        name: &Name,
        encloser: &Name,
        encloser_too: bool,
        out: &mut Vec<Rrset>,
    ) {
        match self.denial() {
            Denial::None => {}
            Denial::Nsec => self.push_nsec_at_or_before(name, out),
            Denial::Nsec3(chain) => {
                let next = name.suffix(encloser.label_count() + 1);
                let encloser = chain.matching(encloser).filter(|_| encloser_too);
                for (set, signatures) in encloser.into_iter().chain(chain.covering(&next)) {
                    push(set, signatures.as_ref(), out);
                }
            }
        }
    }

    /// Proves that neither the name nor a wildcard for it exists.
    pub(super) fn deny_name(&self, name: &Name, encloser: &Name, out: &mut Vec<Rrset>) {
        match self.denial() {
            Denial::None => {}
            Denial::Nsec => {
                self.push_nsec_at_or_before(name, out);
                if let Some(wildcard) = encloser.wildcard_child() {
                    self.push_nsec_at_or_before(&wildcard, out);
                }
            }
            Denial::Nsec3(chain) => {
                // An empty non-terminal may be left out of the chain by opt-out (RFC 5155 §7.2.1).
                let encloser = self.provable_encloser(chain, name);
                self.deny_closer(name, &encloser, true, out);
                let wildcard = encloser.wildcard_child();
                if let Some((set, signatures)) = wildcard.and_then(|name| chain.covering(&name)) {
                    push(set, signatures.as_ref(), out);
                }
            }
        }
    }

    /// The NSEC of the name, or the one in whose gap it lies.
    fn push_nsec_at_or_before(&self, name: &Name, out: &mut Vec<Rrset>) {
        let upto = (Bound::Unbounded, Bound::Included(name.clone()));
        let found = self.nodes.range(upto).rev().find(|(_, node)| node.set(Rtype::NSEC).is_some());
        if let Some((_, node)) = found
            && let Some(set) = node.set(Rtype::NSEC)
        {
            push(set, node.signatures(Rtype::NSEC), out);
        }
    }

    /// Is an absent name hidden by opt-out? An empty non-terminal that only leads to unsigned
    /// delegations may be left out of the chain; where a wildcard stands above it, nothing proves
    /// that the wildcard does not apply below it (RFC 5155 erratum 3441).
    pub fn hides_absence(&self, name: &Name) -> bool {
        let Denial::Nsec3(chain) = self.denial() else { return false };
        let wildcard = self.provable_encloser(chain, name).wildcard_child();
        wildcard.is_some_and(|wildcard| chain.has(&wildcard))
    }

    /// The closest ancestor of a name that has a record in the chain (RFC 5155 §7.2.1 speaks of
    /// the closest provable encloser).
    fn provable_encloser(&self, chain: &Nsec3Chain, name: &Name) -> Name {
        let mut encloser = name.clone();
        while encloser.is_below(self.origin()) {
            let Some(parent) = encloser.parent() else { break };
            encloser = parent;
            if chain.matching(&encloser).is_some() {
                break;
            }
        }
        encloser
    }
}
