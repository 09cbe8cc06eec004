//! Size and speed of lists of names: `cargo bench -p modules --bench names [names]`.
//!
//! Prints bytes a name and nanoseconds a look-up, the best of several rounds, for names that are in the
//! list, below it, and elsewhere. Beside them what a single wait for memory takes here and now, in common
//! pages and in as many octets as the list has: other users of the machine change it by half.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints and may panic")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use dns::Name;
use modules::policy::names::{Key, NameSet, NameTableBuilder, Seed};

const SEED: Seed = (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210);
const ROUNDS: usize = 7;
/// Look-ups in a round; more names than any cache of the processor holds.
const LOOKUPS: usize = 200_000;

/// So many questions are made before they are looked up, as one that was just parsed: what is measured is
/// the list, not how the bench comes to its names. The median of such handfuls counts, so that what else
/// the machine does is left out.
const AT_ONCE: usize = 64;

/// Names as blocklists have them: some 20 bytes, two to four labels.
fn name(n: usize) -> Name {
    let mixed = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let ends = ["com", "net", "org", "info", "co.uk", "xyz"];
    let first = ["ads.", "track.", "cdn.", "static.", ""][(mixed >> 40) as usize % 5];
    format!("{first}{:x}.{}", mixed >> 24, ends[(mixed >> 8) as usize % ends.len()])
        .parse()
        .unwrap()
}

fn time(label: &str, set: &NameSet, names: &[Name], expected: bool) {
    let mut least = Duration::MAX;
    for _ in 0..ROUNDS {
        let mut taken: Vec<Duration> = Vec::new();
        for names in names.chunks(AT_ONCE) {
            let questions: Vec<Name> = names.to_vec();
            let start = Instant::now();
            for name in &questions {
                let key = Key::new(SEED, black_box(name));
                assert_eq!(set.has_at_or_above(&key), expected);
            }
            taken.push(start.elapsed());
        }
        let middle = taken.len() / 2;
        least = least.min(*taken.select_nth_unstable(middle).1);
    }
    let least = least.as_nanos() as f64 / AT_ONCE as f64;
    println!("{label:<20} {least:7.1} ns");
}

/// One load after the other, each from where the one before said, all over so many octets.
fn time_of_memory(octets: usize) {
    let mut lines = vec![[0_usize; 16]; octets / 128];
    // One cycle through all of them (Sattolo's shuffle).
    let mut order: Vec<usize> = (0..lines.len()).collect();
    let mut state = 1_u64;
    for at in (1..order.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        order.swap(at, (state >> 33) as usize % at);
    }
    lines.iter_mut().zip(&order).for_each(|(line, next)| line[0] = *next);
    let (mut at, mut least) = (0, f64::MAX);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..LOOKUPS {
            at = lines[at][0];
        }
        least = least.min(start.elapsed().as_nanos() as f64 / LOOKUPS as f64);
    }
    println!("{:<20} {least:7.1} ns", if at < lines.len() { "a wait for memory" } else { "" });
}

fn main() {
    let count = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(1_000_000);
    let names: Vec<Name> = (0..count).map(name).collect();
    let start = Instant::now();
    let set = NameSet::from_names(SEED, &names).unwrap();
    let built = start.elapsed();
    let wire: usize = names.iter().map(Name::len).sum();
    println!(
        "{} names, {:.1} bytes each on the wire, {:.1} in the list, built in {built:?}",
        set.len(),
        wire as f64 / count as f64,
        set.bytes() as f64 / set.len() as f64,
    );
    let mut zone = NameTableBuilder::<4>::new(SEED);
    names.iter().for_each(|name| zone.push(name, [0; 4]).unwrap());
    let bytes = zone.finish().unwrap().bytes() as f64;
    println!("{:.1} bytes a name in a zone of policies", bytes / set.len() as f64);
    time_of_memory(set.bytes());
    let step = (count / LOOKUPS).max(1);
    let listed: Vec<Name> = names.iter().step_by(step).take(LOOKUPS).cloned().collect();
    let below: Vec<Name> = listed.iter().map(|name| name.prepend(b"www").unwrap()).collect();
    let absent: Vec<Name> = (count..count + listed.len()).map(name).collect();
    time("in the list", &set, &listed, true);
    time("below a listed name", &set, &below, true);
    time("absent", &set, &absent, false);
}
