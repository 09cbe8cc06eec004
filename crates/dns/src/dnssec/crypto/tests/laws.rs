//! Laws of verification over generated keys: what is signed verifies, nothing else does, the two
//! RSA engines agree, and no octets make anything panic or exceed its bound.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::super::rsa;
use super::super::sign::{KeyPair, SignFault};
use super::super::{KeyFault, PublicKey, SignatureFault};
use crate::dnssec::Algorithm;

const SUPPORTED: [Algorithm; 8] = [
    Algorithm::RSASHA1,
    Algorithm::RSASHA1_NSEC3_SHA1,
    Algorithm::RSASHA256,
    Algorithm::RSASHA512,
    Algorithm::ECDSAP256SHA256,
    Algorithm::ECDSAP384SHA384,
    Algorithm::ED25519,
    Algorithm::ED448,
];

/// One key pair of each algorithm, and RSA shapes for the big-integer engine.
static PAIRS: LazyLock<Vec<KeyPair>> = LazyLock::new(|| {
    let mut pairs: Vec<KeyPair> =
        SUPPORTED.map(|algorithm| KeyPair::from_seed(algorithm, b"laws").unwrap()).into();
    for (algorithm, modulus_bits, exponent) in [
        (Algorithm::RSASHA1, 512, &[3][..]),
        (Algorithm::RSASHA256, 514, &[1, 0, 1]),
        (Algorithm::RSASHA256, 1022, &[1, 0, 1]),
        (Algorithm::RSASHA1, 1024, &[0x80; 100].map(|octet| octet | 1)),
        (Algorithm::RSASHA512, 1536, &[3, 0, 0, 0, 0, 0, 0, 0, 1]),
    ] {
        pairs.push(KeyPair::rsa_from_seed(algorithm, modulus_bits, exponent, b"laws").unwrap());
    }
    pairs
});

fn any_pair() -> impl Strategy<Value = &'static KeyPair> {
    (0..PAIRS.len()).prop_map(|index| &PAIRS[index])
}

fn parse(pair: &KeyPair) -> PublicKey {
    PublicKey::parse(pair.algorithm(), pair.public_key()).unwrap()
}

fn rsa_field(exponent: &[u8], modulus: &[u8]) -> Vec<u8> {
    let mut field = vec![0];
    field.extend((exponent.len() as u16).to_be_bytes());
    field.extend(exponent);
    field.extend(modulus);
    field
}

fn rsa_fault(algorithm: Algorithm, exponent: &[u8], modulus: &[u8]) -> Option<KeyFault> {
    PublicKey::parse(algorithm, &rsa_field(exponent, modulus)).err()
}

#[test]
fn keys_and_signatures_are_functions_of_the_seed() {
    for pair in PAIRS.iter().take(SUPPORTED.len()) {
        let again = KeyPair::from_seed(pair.algorithm(), b"laws").unwrap();
        assert_eq!(again.public_key(), pair.public_key());
        assert_eq!(again.sign(b"data"), pair.sign(b"data"));
        let other = KeyPair::from_seed(pair.algorithm(), b"laws2").unwrap();
        assert_ne!(other.public_key(), pair.public_key());
        let verdict = parse(&other).verify(b"data", &pair.sign(b"data").unwrap());
        assert_eq!(verdict, Err(SignatureFault::Mismatch));
    }
}

#[test]
fn every_truncation_and_extension_is_refused() {
    for pair in PAIRS.iter() {
        let key = parse(pair);
        let signature = pair.sign(b"data").unwrap();
        assert_eq!(key.verify(b"data", &signature), Ok(()));
        for len in 0..signature.len() {
            assert_eq!(key.verify(b"data", &signature[..len]), Err(SignatureFault::Length));
            assert_eq!(key.verify(b"data", &signature[len + 1..]), Err(SignatureFault::Length));
        }
        let longer = [&signature[..], &[0]].concat();
        assert_eq!(key.verify(b"data", &longer), Err(SignatureFault::Length));
        let longer = [&[0], &signature[..]].concat();
        assert_eq!(key.verify(b"data", &longer), Err(SignatureFault::Length));

        // A shorter RSA field can be another key, but never one that made this signature.
        let field = pair.public_key();
        for len in 0..field.len() {
            if let Ok(key) = PublicKey::parse(pair.algorithm(), &field[..len]) {
                assert!(key.verify(b"data", &signature).is_err());
            }
        }
    }
}

#[test]
fn unsupported_algorithms_are_told_apart() {
    for number in 0..=255 {
        let algorithm = Algorithm(number);
        let fault = PublicKey::parse(algorithm, &[]).err();
        assert_eq!(
            fault == Some(KeyFault::UnsupportedAlgorithm),
            !algorithm.is_supported(),
            "{algorithm:?}"
        );
        assert_eq!(
            KeyPair::from_seed(algorithm, b"").err() == Some(SignFault::UnsupportedAlgorithm),
            !algorithm.is_supported(),
            "{algorithm:?}"
        );
    }
}

#[test]
fn rsa_limits() {
    let odd = |n_octets: usize| vec![0xFF; n_octets];
    let f4: &[u8] = &[1, 0, 1];
    for algorithm in [Algorithm::RSASHA1, Algorithm::RSASHA1_NSEC3_SHA1, Algorithm::RSASHA256] {
        assert_eq!(rsa_fault(algorithm, f4, &odd(63)), Some(KeyFault::ModulusTooShort));
        assert_eq!(rsa_fault(algorithm, f4, &odd(64)), None);
    }
    // RFC 5702 §2.2.
    assert_eq!(rsa_fault(Algorithm::RSASHA512, f4, &odd(127)), Some(KeyFault::ModulusTooShort));
    assert_eq!(rsa_fault(Algorithm::RSASHA512, f4, &odd(128)), None);

    let fault =
        |exponent: &[u8], modulus: &[u8]| rsa_fault(Algorithm::RSASHA256, exponent, modulus);
    assert_eq!(fault(f4, &odd(512)), None);
    assert_eq!(fault(f4, &[&[1], &odd(512)[..]].concat()), Some(KeyFault::ModulusTooLong));
    assert_eq!(fault(f4, &[&[0, 0], &odd(512)[..]].concat()), None);
    assert_eq!(fault(f4, &[&odd(127)[..], &[0xFE]].concat()), Some(KeyFault::ModulusInvalid));
    assert_eq!(fault(f4, &[]), Some(KeyFault::ModulusTooShort));
    assert_eq!(fault(f4, &[0; 200]), Some(KeyFault::ModulusTooShort));

    assert_eq!(fault(&[], &odd(128)), Some(KeyFault::ExponentInvalid));
    assert_eq!(fault(&[0, 0], &odd(128)), Some(KeyFault::ExponentInvalid));
    assert_eq!(fault(&[1], &odd(128)), Some(KeyFault::ExponentInvalid));
    assert_eq!(fault(&[2], &odd(128)), Some(KeyFault::ExponentInvalid));
    assert_eq!(fault(&[3], &odd(128)), None);
    assert_eq!(fault(&[0, 0, 3], &odd(128)), None);

    // Where the work is bounded: 40 bits of exponent at 4096, 237 at 2048, any at 1024.
    assert_eq!(fault(&odd(5), &odd(512)), None);
    assert_eq!(fault(&[&[1], &odd(5)[..]].concat(), &odd(512)), Some(KeyFault::ExponentTooLong));
    assert_eq!(fault(&[&[0x1f], &odd(29)[..]].concat(), &odd(256)), None);
    assert_eq!(
        fault(&[&[0x3f], &odd(29)[..]].concat(), &odd(256)),
        Some(KeyFault::ExponentTooLong)
    );
    assert_eq!(fault(&odd(127), &odd(128)), None);
    assert_eq!(fault(&odd(128), &odd(128)), Some(KeyFault::ExponentTooLong));
    assert_eq!(fault(&odd(65_000), &odd(64)), Some(KeyFault::ExponentTooLong));
}

#[test]
fn both_length_forms_of_the_exponent_are_the_same_key() {
    let pair = KeyPair::from_seed(Algorithm::RSASHA256, b"laws").unwrap();
    let signature = pair.sign(b"data").unwrap();
    let (exponent, modulus) = pair.public_key()[1..].split_at(3);
    for exponent in [exponent, &[0, 1, 0, 1]] {
        let field = rsa_field(exponent, modulus);
        let key = PublicKey::parse(Algorithm::RSASHA256, &field).unwrap();
        assert_eq!(key.verify(b"data", &signature), Ok(()));
    }
}

#[test]
fn a_signature_for_another_hash_is_refused() {
    // The key is the same octets for both algorithms; only the hash inside differs.
    let pair = KeyPair::from_seed(Algorithm::RSASHA1, b"laws").unwrap();
    let key = PublicKey::parse(Algorithm::RSASHA256, pair.public_key()).unwrap();
    let signature = pair.sign(b"data").unwrap();
    assert_eq!(key.verify(b"data", &signature), Err(SignatureFault::Mismatch));
}

#[test]
fn short_keys_cannot_sign_with_long_hashes() {
    let pair = KeyPair::rsa_from_seed(Algorithm::RSASHA512, 512, &[3], b"laws").unwrap();
    assert_eq!(pair.sign(b"data"), Err(SignFault::Shape));
    let fault = PublicKey::parse(Algorithm::RSASHA512, pair.public_key()).err();
    assert_eq!(fault, Some(KeyFault::ModulusTooShort));
}

#[test]
fn points_off_the_curve_are_no_keys() {
    for (algorithm, len) in
        [(Algorithm::ECDSAP256SHA256, 64), (Algorithm::ECDSAP384SHA384, 96), (Algorithm::ED448, 57)]
    {
        let fault = PublicKey::parse(algorithm, &vec![0xFF; len]).err();
        assert_eq!(fault, Some(KeyFault::NotOnCurve), "{algorithm}");
    }
    // The neutral element would vouch for anything.
    let mut neutral = [0; 57];
    neutral[0] = 1;
    assert_eq!(PublicKey::parse(Algorithm::ED448, &neutral).err(), Some(KeyFault::NotOnCurve));
}

#[test]
fn costs_follow_the_work() {
    let rsa = |modulus_bits: usize, exponent: &[u8]| {
        let modulus = vec![0xFF; modulus_bits / 8];
        PublicKey::parse(Algorithm::RSASHA256, &rsa_field(exponent, &modulus)).unwrap().cost()
    };
    assert_eq!(rsa(1024, &[1, 0, 1]), 1);
    assert_eq!(rsa(2048, &[1, 0, 1]), 1);
    assert_eq!(rsa(4096, &[1, 0, 1]), 2);
    assert_eq!(rsa(512, &[1, 0, 1]), 1);
    assert_eq!(rsa(2048, &[0xFF; 8]), 4);
    assert_eq!(rsa(2048, &[0xFF; 29]), 11);
    assert_eq!(rsa(4096, &[0xFF; 5]), 11);
    assert_eq!(rsa(1024, &[0xFF; 127]), 11);
    let costs: Vec<u32> = PAIRS.iter().map(|pair| parse(pair).cost()).collect();
    assert_eq!(costs[4..8], [1, 4, 1, 6]);
    assert!(costs.iter().all(|cost| (1..=11).contains(cost)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_signed_verifies_and_any_flipped_bit_does_not(
        pair in any_pair(),
        data in proptest::collection::vec(any::<u8>(), 1..300),
        place in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let key = parse(pair);
        let signature = pair.sign(&data).unwrap();
        prop_assert_eq!(key.verify(&data, &signature), Ok(()));

        let mut tampered = signature.clone();
        tampered[place.index(signature.len())] ^= 1 << bit;
        prop_assert_eq!(key.verify(&data, &tampered), Err(SignatureFault::Mismatch));

        let mut tampered = data.clone();
        tampered[place.index(data.len())] ^= 1 << bit;
        prop_assert_eq!(key.verify(&tampered, &signature), Err(SignatureFault::Mismatch));
        prop_assert_eq!(key.verify(&data[1..], &signature), Err(SignatureFault::Mismatch));

        let mut field = pair.public_key().to_vec();
        field[place.index(pair.public_key().len())] ^= 1 << bit;
        if let Ok(key) = PublicKey::parse(pair.algorithm(), &field) {
            prop_assert!(key.verify(&data, &signature).is_err());
        }
    }

    #[test]
    fn no_octets_are_a_signature(
        pair in any_pair(),
        filler in any::<u8>(),
        random in proptest::collection::vec(any::<u8>(), 600),
    ) {
        let key = parse(pair);
        let len = pair.sign(b"data").unwrap().len();
        prop_assert!(key.verify(b"data", &random[..len]).is_err());
        prop_assert!(key.verify(b"data", &vec![filler; len]).is_err());
    }

    #[test]
    fn both_rsa_engines_agree(
        data in proptest::collection::vec(any::<u8>(), 0..100),
        place in 0usize..128,
        flip in any::<u8>(),
    ) {
        for algorithm in [Algorithm::RSASHA1, Algorithm::RSASHA256, Algorithm::RSASHA512] {
            let pair = PAIRS.iter().find(|pair| pair.algorithm() == algorithm).unwrap();
            let key = parse(pair);
            let hash = rsa::Hash::of(algorithm).unwrap();
            let slow = rsa::Key::parse_for_big_integers(hash, pair.public_key()).unwrap();
            let mut signature = pair.sign(&data).unwrap();
            signature[place] ^= flip;
            let verdict = key.verify(&data, &signature);
            prop_assert_eq!(slow.verify(&data, &signature), verdict);
            prop_assert_eq!(verdict.is_ok(), flip == 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_octets_make_parsing_panic(
        algorithm in prop::sample::select(SUPPORTED.to_vec()),
        field in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..140),
            proptest::collection::vec(any::<u8>(), 57),
            proptest::collection::vec(any::<u8>(), 64),
            proptest::collection::vec(any::<u8>(), 96),
        ],
    ) {
        if let Ok(key) = PublicKey::parse(algorithm, &field) {
            for len in [0, 1, 64, 96, 114, 128] {
                prop_assert!(key.verify(b"data", &field.repeat(2)[..len.min(field.len())]).is_err());
            }
        }
    }

    /// Fields that get past the outer checks and reach the arithmetic.
    #[test]
    fn no_numbers_make_rsa_panic(
        exponent in proptest::collection::vec(any::<u8>(), 0..40),
        mut modulus in proptest::collection::vec(any::<u8>(), 60..140),
        signature in proptest::collection::vec(any::<u8>(), 140),
    ) {
        if let Some(last) = modulus.last_mut() {
            *last |= 1;
        }
        for algorithm in [Algorithm::RSASHA1, Algorithm::RSASHA256, Algorithm::RSASHA512] {
            if let Ok(key) = PublicKey::parse(algorithm, &rsa_field(&exponent, &modulus)) {
                prop_assert!(key.verify(b"data", &signature[..modulus.len()]).is_err());
            }
        }
    }
}
