//! What is asked: the names of all zones with all types, names that are not there, and combinations
//! of bits. Everything follows from a seed.

use std::collections::BTreeSet;

use super::wire::{Bits, TYPES};
use crate::lab::world::{Zone, signers, world};

/// Zones that nobody can reach. A few questions for them are enough, since each takes seconds.
const HOPELESS: &[&str] =
    &["lame.net", "dead.net", "circle-a.cz", "circle-b.cz", "elsewhere.uk", "half-silent.net"];

/// Of a thousand questions so many are for names that nobody wrote down.
const MADE_UP: usize = 300;

/// One question to all.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub name: String,
    pub rtype: u16,
    pub bits: Bits,
}

/// The zones of both worlds, which have their root and `org` in common.
pub(super) fn zones() -> Vec<Zone> {
    let mut zones = world();
    let more = signers().into_iter().filter(|zone| !zones.iter().any(|z| z.name == zone.name));
    let more: Vec<Zone> = more.collect();
    zones.extend(more);
    zones
}

/// A small generator (xorshift64*): the same numbers on every machine.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }

    fn bits(&mut self) -> Bits {
        let number = self.below(8);
        Bits {
            dnssec_ok: number & 1 != 0,
            authentic: number & 2 != 0,
            // One in four, since CD asks less of everybody.
            unchecked: number & 4 != 0 && self.below(2) == 0,
        }
    }

    fn label(&mut self) -> String {
        (0..1 + self.below(8)).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }
}

/// So many questions, in random order.
pub(super) fn questions(count: usize, seed: u64) -> Vec<Question> {
    let mut numbers = Numbers(seed | 1);
    let (names, hopeless) = names();
    let mut questions: Vec<Question> = hopeless
        .into_iter()
        .map(|name| Question { name, rtype: 1, bits: numbers.bits() })
        .collect();
    let mut all: Vec<(usize, u16)> =
        (0..names.len()).flat_map(|at| TYPES.iter().map(move |(rtype, _)| (at, *rtype))).collect();
    let written = count * (1000 - MADE_UP) / 1000;
    while questions.len() < count {
        if questions.len() < written && !all.is_empty() {
            let (at, rtype) = all.swap_remove(numbers.below(all.len()));
            questions.push(Question { name: names[at].clone(), rtype, bits: numbers.bits() });
            continue;
        }
        let near = &names[numbers.below(names.len())];
        let above = near.split_once('.').map_or(near.as_str(), |(_, above)| above);
        let label = numbers.label();
        let name = match numbers.below(4) {
            0 => format!("{label}.{near}"),
            1 => format!("{label}.{}.{near}", numbers.label()),
            2 => format!("{label}.{above}"),
            // Right behind a name that is there.
            _ => match near.split_once('.') {
                Some((first, rest)) if first != "*" => format!("{first}0.{rest}"),
                _ => format!("{label}.{near}"),
            },
        };
        let (rtype, _) = TYPES[numbers.below(TYPES.len())];
        let name = name.trim_end_matches('.').to_string();
        questions.push(Question { name, rtype, bits: numbers.bits() });
    }
    for at in (1..questions.len()).rev() {
        questions.swap(at, numbers.below(at + 1));
    }
    questions.truncate(count);
    questions
}

/// All owners of the zones with names that wildcards stand in for, and those out of reach.
fn names() -> (Vec<String>, Vec<String>) {
    let (mut names, mut hopeless) = (BTreeSet::new(), BTreeSet::new());
    for zone in zones() {
        let origin = if zone.name == "." { "" } else { zone.name };
        let mut own = vec![origin.to_string(), below("ns1", origin)];
        for line in zone.records.lines() {
            let Some(owner) = line.split_whitespace().next().filter(|owner| *owner != "@") else {
                continue;
            };
            own.push(below(owner, origin));
            if let Some(rest) = owner.strip_prefix("*.") {
                own.push(below(&format!("x.{rest}"), origin));
                own.push(below(&format!("y.x.{rest}"), origin));
            }
            // What lies between is an empty non-terminal, or an ordinary name.
            if let Some((_, above)) = owner.split_once('.') {
                own.push(below(above, origin));
            }
        }
        if HOPELESS.contains(&zone.name) {
            hopeless.extend(own.into_iter().take(2));
        } else {
            names.extend(own);
        }
    }
    (names.into_iter().collect(), hopeless.into_iter().collect())
}

fn below(owner: &str, origin: &str) -> String {
    if origin.is_empty() { owner.to_string() } else { format!("{owner}.{origin}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_follow_from_their_seed_and_cover_all_zones() {
        let (one, other) = (questions(20_000, 1), questions(20_000, 1));
        assert_eq!(one.len(), 20_000);
        assert!(one.iter().zip(&other).all(|(a, b)| a.name == b.name && a.rtype == b.rtype));
        for zone in zones().iter().filter(|zone| zone.name != ".") {
            assert!(one.iter().any(|question| question.name == zone.name), "{}", zone.name);
        }
        assert!(one.iter().any(|question| question.bits.text() == "DO AD CD"));
    }
}
