//! What a validator must make of what is seen: secure, insecure or bogus, by knowing how each zone
//! was signed.

use dns::{Name, Rtype};

use super::Oracle;
use super::look::{Sight, Source};
use crate::sign::{Absence, Judgement, Kind, Plan, Wrong, is_data};
use crate::zone::{Denial, Zone};

impl Oracle<'_> {
    /// How a zone was signed.
    fn plan(&self, origin: &Name) -> Option<&Plan> {
        self.signing.plans.get(origin)
    }

    /// Is the zone signed at all?
    pub(super) fn is_signed(&self, origin: &Name) -> bool {
        self.plan(origin).is_some()
    }

    /// Is something wrong with any zone above a name?
    pub(super) fn is_flawed(&self, name: &Name) -> bool {
        let mut flawed = self.signing.plans.iter().filter(|(_, plan)| plan.wrong.is_some());
        flawed.any(|(origin, _)| name.is_at_or_below(origin))
    }

    fn wrong(&self, origin: &Name) -> Option<Wrong> {
        self.plan(origin)?.wrong
    }

    /// Does the zone leave unsigned delegations out of its chain?
    fn opts_out(&self, origin: &Name) -> bool {
        let absence = self.plan(origin).map(|plan| &plan.absence);
        matches!(absence, Some(Absence::Nsec3 { opt_out: true, .. }))
    }

    /// Can the zone's keys be trusted? The chain of trust ends where it is cut for good reasons
    /// (insecure) or for bad ones (bogus).
    pub(super) fn trust(&self, origin: &Name) -> Judgement {
        if self.signing.anchor.is_none() {
            return Judgement::Insecure;
        }
        let keys = match self.wrong(origin) {
            Some(wrong) => wrong.judge(Kind::Keys),
            None => Judgement::Secure,
        };
        let Some(above) = origin.parent() else { return keys };
        let Some(parent) = self.parent_of(&above) else { return Judgement::Bogus };
        let link = match (self.trust(parent.origin()), parent.set(origin, Rtype::DS)) {
            (Judgement::Secure, Some(_)) => self.judge_in(parent.origin(), Kind::Other),
            (Judgement::Secure, None) => {
                let gap = self.opts_out(parent.origin());
                // A proven absence of DS ends the chain.
                self.judge_in(parent.origin(), Kind::NoDs { gap }).max(Judgement::Insecure)
            }
            (broken, _) => broken,
        };
        match link {
            Judgement::Secure => keys,
            ended => ended,
        }
    }

    /// The zone that a name is in, reachable or not.
    fn parent_of(&self, name: &Name) -> Option<&Zone> {
        let mut zone = self.zones.get(&Name::root())?;
        while let Some(cut) = zone.cut(name) {
            zone = self.zones.get(cut)?;
        }
        Some(zone)
    }

    /// What to make of something in a zone whose keys are trusted.
    fn judge_in(&self, origin: &Name, kind: Kind) -> Judgement {
        let judged = self.wrong(origin).map_or(Judgement::Secure, |wrong| wrong.judge(kind));
        // In a gap of an opt-out chain an unsigned delegation may hide (RFC 5155 §9.2).
        let hidden =
            matches!(kind, Kind::NoName | Kind::Expansion { .. } | Kind::NoData { gap: true, .. });
        if hidden && self.opts_out(origin) { judged.max(Judgement::Insecure) } else { judged }
    }

    /// What to make of something in a zone.
    fn judge(&self, zone: &Zone, kind: Kind) -> Judgement {
        match self.trust(zone.origin()) {
            Judgement::Secure => self.judge_in(zone.origin(), kind),
            other => other,
        }
    }

    /// What to make of a set.
    pub(super) fn judge_set(&self, zone: &Zone, rtype: Rtype, source: Source) -> Judgement {
        let data = is_data(rtype);
        self.judge(
            zone,
            match source {
                Source::Wildcard => Kind::Expansion { data },
                _ if data => Kind::Data,
                _ => Kind::Other,
            },
        )
    }

    /// What to make of the absence of a type.
    pub(super) fn judge_no_data(
        &self,
        zone: &Zone,
        name: &Name,
        rtype: Rtype,
        source: Source,
    ) -> Judgement {
        let nsec = self.plan(zone.origin()).is_some_and(|plan| plan.absence == Absence::Nsec);
        // An unsigned delegation in an opt-out chain has no record of its own.
        let left_out =
            self.opts_out(zone.origin()) && rtype == Rtype::DS && zone.cut(name) == Some(name);
        let (bitmap, gap) = match source {
            _ if left_out => (false, true),
            Source::Exact => (true, false),
            Source::Empty if nsec => (false, true),
            // With only unsigned delegations below it, an opt-out chain leaves it out as well.
            Source::Empty => match zone.denial() {
                Denial::Nsec3(chain) if !chain.has(name) => (false, true),
                _ => (true, false),
            },
            Source::Wildcard => (true, true),
        };
        let at_cut = rtype == Rtype::DS && zone.cut(name) == Some(name);
        let kind = match at_cut {
            true if !left_out => Kind::NoDs { gap: false },
            _ => Kind::NoData { rtype, bitmap, gap },
        };
        self.judge(zone, kind)
    }

    /// Is it luck whether a proof holds? Where hashes are of another salt some of them still lie in
    /// the right gap, and an expansion needs no more than one of those.
    pub(super) fn is_luck(&self, zone: &Zone, sight: &Sight) -> bool {
        let is_expanded = matches!(
            sight,
            Sight::Alias(_, Source::Wildcard, _) | Sight::Data(_, Source::Wildcard)
        );
        is_expanded && self.wrong(zone.origin()) == Some(Wrong::Nsec3OtherSalt)
    }

    /// What to make of the absence of a name.
    pub(super) fn judge_no_name(&self, zone: &Zone) -> Judgement {
        self.judge(zone, Kind::NoName)
    }
}
