//! What is to be seen at a name of a zone, by looking: DNAME above it, then itself, then the
//! wildcard. Written apart from [`Zone::answer`], so that the two can contradict each other.

use dns::{Class, Name, Rrset, Rtype};

use crate::zone::Zone;

/// What is seen at a name.
pub(super) enum Sight {
    /// The set, and whether a wildcard stands in for the name.
    Data(Rrset, Source),
    NoData(Source),
    NoName,
    /// The sets that lead on, and whereto.
    Alias(Vec<Rrset>, Source, Name),
    /// The name made by this DNAME would be too long.
    TooLong(Rrset),
}

/// Where it is seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// At a name that owns something.
    Exact,
    /// At a name that only has others below it.
    Empty,
    /// At a wildcard.
    Wildcard,
}

/// Looks at a name inside its zone.
pub(super) fn look(zone: &Zone, name: &Name, rtype: Rtype) -> Sight {
    let apex = zone.origin().label_count();
    let above = (apex..name.label_count()).map(|count| name.suffix(count));
    let dname = above.filter_map(|owner| zone.set(&owner, Rtype::DNAME)).next();
    if let Some(dname) = dname {
        let to = dname.rdatas.iter().next().and_then(|rdata| Name::from_wire(rdata).ok());
        let target = to.map(|to| name.substitute(&dname.owner, &to));
        let Some(Ok(Some(target))) = target else { return Sight::TooLong(dname.clone()) };
        let mut alias = Rrset::new(name.clone(), Rtype::CNAME, Class::IN, dname.ttl);
        alias.rdatas.push(target.as_wire());
        return Sight::Alias(vec![dname.clone(), alias], Source::Exact, target);
    }
    let (at, source) = if zone.node(name).is_some() {
        (name.clone(), Source::Exact)
    } else if zone.exists(name) {
        return Sight::NoData(Source::Empty);
    } else {
        let closest = (apex..name.label_count()).rev().map(|count| name.suffix(count));
        let mut encloser = closest.filter(|above| zone.exists(above) || above == zone.origin());
        let wildcard = encloser.next().and_then(|encloser| encloser.wildcard_child());
        match wildcard.filter(|wildcard| zone.exists(wildcard)) {
            Some(wildcard) => (wildcard, Source::Wildcard),
            None => return Sight::NoName,
        }
    };
    let owned = |set: &Rrset| Rrset { owner: name.clone(), ..set.clone() };
    if let Some(set) = zone.set(&at, rtype) {
        return Sight::Data(owned(set), source);
    }
    let alias = zone.set(&at, Rtype::CNAME).and_then(|set| {
        let target = Name::from_wire(set.rdatas.iter().next()?).ok()?;
        Some(Sight::Alias(vec![owned(set)], source, target))
    });
    alias.unwrap_or(Sight::NoData(source))
}
