//! The answer of a zone to a question (RFC 1034 §4.3.2, RFC 4035 §3.1, RFC 6672 §3.2).

use dns::{Name, Question, Rcode, Rrset, Rtype};

use super::{Found, Node, Zone};

/// Aliases followed inside one zone for one answer.
const ALIASES_MAX: usize = 16;

/// What a server says, section by section.
#[derive(Clone, Debug, Default)]
pub struct ZoneAnswer {
    pub authoritative: bool,
    pub rcode: Option<Rcode>,
    pub answer: Vec<Rrset>,
    pub authority: Vec<Rrset>,
    pub additional: Vec<Rrset>,
}

/// Is the question about one side of a cut that only the parent has?
pub(super) fn is_parent_side(rtype: Rtype) -> bool {
    rtype == Rtype::DS
}

impl Zone {
    /// Answers a question for a name at or below the origin. `dnssec`: with signatures and proofs.
    pub fn answer(&self, question: &Question, dnssec: bool) -> ZoneAnswer {
        let dnssec = dnssec && self.is_signed();
        let mut out = ZoneAnswer { authoritative: true, ..ZoneAnswer::default() };
        let mut name = question.name.clone();
        let mut visited: Vec<Name> = Vec::new();
        while name.is_at_or_below(self.origin()) && visited.len() < ALIASES_MAX {
            if visited.contains(&name) {
                break;
            }
            visited.push(name.clone());
            let target = match self.find(&name, is_parent_side(question.rtype)) {
                Found::Cut(cut, node) => {
                    out.authoritative = !out.answer.is_empty();
                    self.refer(cut, node, dnssec, &mut out);
                    None
                }
                Found::Below(dname) => self
                    .rename(&name, dname, dnssec, &mut out)
                    // The alias made here is what a question for CNAME asks for.
                    .filter(|_| question.rtype != Rtype::CNAME),
                Found::Exact(node) => {
                    let followed = self.at(&name, node, None, question.rtype, dnssec, &mut out);
                    if followed.is_none() && !node.is_some_and(|node| has(node, question.rtype)) {
                        self.soa(dnssec, &mut out);
                        if dnssec {
                            self.deny_type(&name, &mut out.authority);
                        }
                    }
                    followed
                }
                Found::Wildcard(source, node, encloser) => {
                    let followed =
                        self.at(&name, node, Some(&source), question.rtype, dnssec, &mut out);
                    let has_type = node.is_some_and(|node| has(node, question.rtype));
                    let answered = followed.is_some() || has_type;
                    if !answered {
                        self.soa(dnssec, &mut out);
                    }
                    if dnssec {
                        self.deny_closer(&name, &encloser, !answered, &mut out.authority);
                        if !answered {
                            self.deny_type(&source, &mut out.authority);
                        }
                    }
                    followed
                }
                Found::Nothing(encloser) => {
                    out.rcode = Some(Rcode::NXDOMAIN);
                    self.soa(dnssec, &mut out);
                    if dnssec {
                        self.deny_name(&name, &encloser, &mut out.authority);
                    }
                    None
                }
            };
            match target {
                Some(target) => name = target,
                None => break,
            }
        }
        out
    }

    /// Answers from a node. Returns where an alias leads.
    fn at(
        &self,
        name: &Name,
        node: Option<&Node>,
        wildcard: Option<&Name>,
        rtype: Rtype,
        dnssec: bool,
        out: &mut ZoneAnswer,
    ) -> Option<Name> {
        let node = node?;
        // A set from a wildcard is owned by the name that was asked for.
        let owned = |set: &Rrset| match wildcard {
            Some(_) => Rrset { owner: name.clone(), ..set.clone() },
            None => set.clone(),
        };
        let push = |rtype: Rtype, out: &mut ZoneAnswer| {
            out.answer.extend(node.set(rtype).map(owned));
            if dnssec {
                out.answer.extend(node.signatures(rtype).map(owned));
            }
        };
        if rtype == Rtype::ANY {
            for rtype in node.sets().map(|set| set.rtype).collect::<Vec<_>>() {
                push(rtype, out);
            }
            return None;
        }
        if rtype == Rtype::RRSIG {
            out.answer.extend(node.signatures.values().map(owned));
            return None;
        }
        if node.set(rtype).is_some() {
            push(rtype, out);
            self.addresses(node.set(rtype), dnssec, out);
            return None;
        }
        let alias = node.set(Rtype::CNAME).filter(|_| !belongs_beside_alias(rtype))?;
        push(Rtype::CNAME, out);
        Name::from_wire(alias.rdatas.iter().next()?).ok()
    }

    /// A DNAME above the name: the DNAME itself, and the alias made from it.
    fn rename(
        &self,
        name: &Name,
        dname: &Rrset,
        dnssec: bool,
        out: &mut ZoneAnswer,
    ) -> Option<Name> {
        out.answer.push(dname.clone());
        if dnssec {
            let node = self.node(&dname.owner);
            out.answer.extend(node.and_then(|node| node.signatures(Rtype::DNAME)).cloned());
        }
        let to = Name::from_wire(dname.rdatas.iter().next()?).ok()?;
        let Ok(Some(target)) = name.substitute(&dname.owner, &to) else {
            out.rcode = Some(Rcode::YXDOMAIN);
            return None;
        };
        let mut alias = Rrset::new(name.clone(), Rtype::CNAME, dname.class, dname.ttl);
        alias.rdatas.push(target.as_wire());
        out.answer.push(alias);
        Some(target)
    }

    /// A referral: the servers, DS or the proof that there is none, and glue.
    fn refer(&self, cut: &Name, node: &Node, dnssec: bool, out: &mut ZoneAnswer) {
        out.authority.extend(node.set(Rtype::NS).cloned());
        if dnssec {
            match node.set(Rtype::DS) {
                Some(set) => {
                    out.authority.push(set.clone());
                    out.authority.extend(node.signatures(Rtype::DS).cloned());
                }
                None => self.deny_delegation(cut, &mut out.authority),
            }
        }
        self.addresses(node.set(Rtype::NS), false, out);
    }

    /// Addresses of the hosts that a set names, as far as this zone has them.
    fn addresses(&self, set: Option<&Rrset>, dnssec: bool, out: &mut ZoneAnswer) {
        let Some(set) = set else { return };
        let skip = match set.rtype {
            Rtype::NS => 0,
            Rtype::MX => 2,
            _ => return,
        };
        for host in set.rdatas.iter().filter_map(|rdata| Name::from_wire(rdata.get(skip..)?).ok()) {
            let Some(node) = self.node(&host) else { continue };
            for rtype in [Rtype::A, Rtype::AAAA] {
                out.additional.extend(node.set(rtype).cloned());
                if dnssec {
                    out.additional.extend(node.signatures(rtype).cloned());
                }
            }
        }
    }

    /// The SOA of a negative answer (RFC 2308 §3): its TTL is at most the MINIMUM field.
    fn soa(&self, dnssec: bool, out: &mut ZoneAnswer) {
        let Some(node) = self.node(self.origin()) else { return };
        let Some(soa) = node.set(Rtype::SOA) else { return };
        let minimum = soa.rdatas.iter().next().and_then(<[u8]>::last_chunk::<4>);
        let ttl = soa.ttl.min(minimum.map_or(soa.ttl, |bytes| u32::from_be_bytes(*bytes)));
        out.authority.push(Rrset { ttl, ..soa.clone() });
        if dnssec {
            let signatures = node.signatures(Rtype::SOA).cloned();
            out.authority.extend(signatures.map(|set| Rrset { ttl, ..set }));
        }
    }
}

/// Types that may stand beside a CNAME (RFC 4034 §2.5, RFC 2181 §10.1).
fn belongs_beside_alias(rtype: Rtype) -> bool {
    matches!(rtype, Rtype::CNAME | Rtype::NSEC | Rtype::RRSIG | Rtype::ANY)
}

/// Does the node answer the question by itself?
fn has(node: &Node, rtype: Rtype) -> bool {
    match rtype {
        Rtype::ANY => true,
        Rtype::RRSIG => !node.signatures.is_empty(),
        rtype => node.set(rtype).is_some(),
    }
}
