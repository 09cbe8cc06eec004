//! Signs a random world: half of them, most of their zones, one or two of these wrongly.

use dns::dnssec::{Algorithm, DigestType};
use dns::{Name, Rtype};

use super::Generator;
use crate::sign::{Absence, Keys, Plan, Signing, Wrong, sign};
use crate::simulate::START;
use crate::zone::TTL;

impl Generator {
    /// Signs the zones from below, so that each parent has its children's DS when its turn comes.
    pub(super) fn sign(&mut self) -> Signing {
        let mut signing = Signing::default();
        if !self.dice.chance(500) {
            return signing;
        }
        let mut flaws = if self.dice.chance(600) { self.dice.between(1, 2) } else { 0 };
        let mut plans: Vec<Option<Plan>> = Vec::new();
        for index in 0..self.drafts.len() {
            // The root is signed, and most others.
            let signed = index == 0 || self.dice.chance(750);
            let mut plan = signed.then(|| self.plan());
            if let Some(plan) = plan.as_mut().filter(|_| index > 0 && flaws > 0)
                && self.dice.chance(300)
            {
                flaws -= 1;
                self.spoil(plan);
            }
            plans.push(plan);
        }
        for index in (0..self.drafts.len()).rev() {
            let Some(plan) = plans[index].take() else { continue };
            let origin = self.drafts[index].zone.origin().clone();
            // What cannot be signed stays unsigned: no key is too short here, so nothing is.
            let Ok(keys) = Keys::new(&origin, &plan) else { continue };
            if sign(&mut self.drafts[index].zone, &keys, &plan).is_err() {
                continue;
            }
            match self.drafts[index].parent {
                None => signing.anchor = Some(keys.entry().to_vec()),
                // A signed zone without DS is an island.
                Some(parent) if self.dice.chance(900) => self.publish(parent, &origin, &keys),
                Some(_) => {}
            }
            signing.plans.insert(origin, plan);
        }
        signing
    }

    fn publish(&mut self, parent: usize, origin: &Name, keys: &Keys) {
        let kinds = [DigestType::SHA256, DigestType::SHA256, DigestType::SHA384];
        let kind = kinds[self.dice.below(kinds.len())];
        self.drafts[parent].zone.add(origin, Rtype::DS, TTL, &keys.ds(kind));
    }

    fn plan(&mut self) -> Plan {
        let algorithm = match self.dice.below(40) {
            0 => Algorithm::ECDSAP256SHA256,
            1 => Algorithm::RSASHA256,
            _ => Algorithm::ED25519,
        };
        let absence = if self.dice.chance(500) { Absence::Nsec } else { self.nsec3() };
        Plan { algorithm, absence, ..Plan::around(START as u32) }
    }

    fn nsec3(&mut self) -> Absence {
        let salt = if self.dice.chance(500) { Vec::new() } else { vec![0xab; 4] };
        let iterations = if self.dice.chance(700) { 0 } else { self.dice.between(1, 10) as u16 };
        Absence::Nsec3 { salt, iterations, opt_out: self.dice.chance(400) }
    }

    fn spoil(&mut self, plan: &mut Plan) {
        let wrong = Wrong::ALL[self.dice.below(Wrong::ALL.len())];
        if wrong.needs_nsec3() && plan.absence == Absence::Nsec {
            plan.absence = self.nsec3();
        }
        if wrong.needs_nsec() {
            plan.absence = Absence::Nsec;
        }
        plan.wrong = Some(wrong);
    }
}
