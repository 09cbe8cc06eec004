//! What each cryptographic operation of DNSSEC costs, in microseconds.
//!
//! `cargo bench -p dns --features sign --bench verify`. Prints the best of several rounds, which on
//! a busy machine is the figure that repeats. The constants behind `PublicKey::cost` come from here;
//! the last column shows how far they are from the truth of this machine.
#![expect(clippy::print_stdout, reason = "printing figures is what it is for")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::expect_used, reason = "a broken benchmark should stop")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use dns::dnssec::crypto::sign::KeyPair;
use dns::dnssec::crypto::{PublicKey, digest, nsec3_blocks, nsec3_hash};
use dns::dnssec::{Algorithm, DigestType};

/// Rounds per operation, of which the fastest counts.
const N_ROUNDS: usize = 15;
/// How long a round lasts at least.
const ROUND_MIN: Duration = Duration::from_millis(10);
/// About what an RRSIG covers: its own RDATA and a small RRset.
const DATA: [u8; 160] = [0x5A; 160];

fn main() {
    signatures();
    hashes();
}

fn signatures() {
    let mut pairs: Vec<(String, KeyPair)> = [
        Algorithm::ECDSAP256SHA256,
        Algorithm::ECDSAP384SHA384,
        Algorithm::ED25519,
        Algorithm::ED448,
    ]
    .map(|algorithm| (algorithm.to_string(), key_pair(algorithm)))
    .into();
    let f4: &[u8] = &[1, 0, 1];
    let long: &[u8] = &[0xFF; 8];
    for (algorithm, modulus_bits, exponent) in [
        (Algorithm::RSASHA1, 512, f4),
        (Algorithm::RSASHA256, 768, f4),
        (Algorithm::RSASHA256, 1022, f4),
        (Algorithm::RSASHA256, 1024, f4),
        (Algorithm::RSASHA1, 2048, f4),
        (Algorithm::RSASHA256, 2048, f4),
        (Algorithm::RSASHA512, 2048, f4),
        (Algorithm::RSASHA256, 3072, f4),
        (Algorithm::RSASHA256, 4096, f4),
        (Algorithm::RSASHA256, 512, &[0x7F; 64]),
        (Algorithm::RSASHA256, 1024, &[0x7F; 128]),
        (Algorithm::RSASHA256, 2048, long),
        (Algorithm::RSASHA256, 2048, &[0xFF; 40]),
        (Algorithm::RSASHA256, 4096, long),
    ] {
        let pair = KeyPair::rsa_from_seed(algorithm, modulus_bits, exponent, b"bench")
            .expect("a possible shape");
        let name = format!("{algorithm} {modulus_bits}, e {} bits", exponent_bits(exponent));
        pairs.push((name, pair));
    }

    // The unit of cost is measured between all others, so that all saw the same machine.
    let mut unit_us = f64::INFINITY;
    let mut rows = Vec::new();
    for (name, pair) in &pairs {
        unit_us = unit_us.min(verify_us(&pairs[0].1));
        let parse_us = best_us(|| {
            black_box(PublicKey::parse(pair.algorithm(), black_box(pair.public_key())).is_ok());
        });
        rows.push((name, verify_us(pair), parse_us, parse(pair).cost()));
    }
    println!("{:30} {:>10} {:>10} {:>6} {:>9}", "key", "verify us", "parse us", "cost", "measured");
    for (name, verify_us, parse_us, cost) in rows {
        let measured = verify_us / unit_us;
        println!("{name:30} {verify_us:10.2} {parse_us:10.2} {cost:6} {measured:9.1}");
    }
}

fn hashes() {
    println!();
    println!("{:34} {:>10} {:>10}", "NSEC3 hash of 30 octets", "us", "us/block");
    for (salt_len, iterations) in [(0, 0), (8, 0), (0, 10), (8, 50), (8, 150), (64, 50), (255, 50)]
    {
        let salt = vec![0xAB; salt_len];
        let us = best_us(|| {
            black_box(nsec3_hash(black_box(&DATA[..30]), &salt, iterations));
        });
        let blocks = nsec3_blocks(30, salt_len, iterations);
        let name = format!("salt {salt_len}, {iterations} iterations, {blocks} blocks");
        println!("{name:34} {us:10.2} {:10.3}", us / f64::from(blocks));
    }

    println!();
    println!("{:34} {:>10}", "digest of 280 octets", "us");
    for digest_type in [DigestType::SHA1, DigestType::SHA256, DigestType::SHA384] {
        let us = best_us(|| {
            black_box(digest(digest_type, &[black_box(&DATA[..20]), &DATA, &DATA[..100]]));
        });
        println!("{:34} {us:10.2}", digest_type.to_string());
    }
}

fn key_pair(algorithm: Algorithm) -> KeyPair {
    KeyPair::from_seed(algorithm, b"bench").expect("a supported algorithm")
}

fn exponent_bits(exponent: &[u8]) -> u32 {
    exponent.len() as u32 * 8 - exponent.first().map_or(0, |octet| octet.leading_zeros())
}

fn parse(pair: &KeyPair) -> PublicKey {
    PublicKey::parse(pair.algorithm(), pair.public_key()).expect("a key that was just made")
}

fn verify_us(pair: &KeyPair) -> f64 {
    let key = parse(pair);
    let signature = pair.sign(&DATA).expect("a key that can sign");
    best_us(|| key.verify(black_box(&DATA), black_box(&signature)).expect("its own signature"))
}

/// Microseconds per call in the fastest round.
fn best_us(mut operation: impl FnMut()) -> f64 {
    let mut n_calls = 1u32;
    let mut best = f64::INFINITY;
    let mut n_rounds = 0;
    while n_rounds < N_ROUNDS {
        let start = Instant::now();
        for _ in 0..n_calls {
            operation();
        }
        let elapsed = start.elapsed();
        if elapsed < ROUND_MIN {
            n_calls *= 2;
            continue;
        }
        best = best.min(elapsed.as_secs_f64() * 1e6 / f64::from(n_calls));
        n_rounds += 1;
    }
    best
}
