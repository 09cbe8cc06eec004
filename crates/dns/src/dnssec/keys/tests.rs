//! Which keys of a zone are trusted by which vouchers (RFC 4035 §5.2), and which are not.

use super::super::testing::{Fields, KSK, NOW, by, name, pair, plenty, set, signatures};
use super::*;
use crate::rtype::Rtype;

/// What is published: seed and flags.
fn dnskeys(keys: &[(u8, u16)]) -> Rrset {
    let rdatas: Vec<Vec<u8>> =
        keys.iter().map(|(seed, flags)| pair(*seed).dnskey_rdata(*flags)).collect();
    let rdatas: Vec<&[u8]> = rdatas.iter().map(Vec::as_slice).collect();
    set("example.", Rtype::DNSKEY, &rdatas)
}

fn ds_of(rdata: &[u8], digest_type: DigestType) -> Voucher {
    let owner = name("example.");
    let bytes = digest(digest_type, &[owner.as_wire(), rdata]).unwrap();
    let mut ds = key_tag(rdata).to_be_bytes().to_vec();
    ds.extend([rdata[3], digest_type.0]);
    ds.extend_from_slice(&bytes);
    Voucher::Ds(ds)
}

fn ds(seed: u8) -> Voucher {
    ds_of(&pair(seed).dnskey_rdata(KSK), DigestType::SHA256)
}

fn changed(voucher: Voucher, at: usize, value: u8) -> Voucher {
    match voucher {
        Voucher::Ds(mut rdata) => {
            rdata[at] = value;
            Voucher::Ds(rdata)
        }
        key @ Voucher::Key(_) => key,
    }
}

/// Signed by a key with these flags.
fn signed_by(seed: u8, flags: u16) -> Fields {
    Fields { flags, ..by(seed) }
}

const ZSK: u16 = DnskeyView::ZONE;
const USUAL: &[(u8, u16)] = &[(1, KSK), (2, ZSK)];

fn check(keys: &[(u8, u16)], signers: &[Fields], vouchers: &[Voucher]) -> Result<usize, KeysFault> {
    let set = dnskeys(keys);
    let signed = signatures(&set, signers);
    verify_keys(&set, &signed, vouchers, NOW, &mut plenty()).map(|(keys, _)| keys.keys.len())
}

#[test]
fn a_ds_or_the_key_itself_vouches_for_all_keys() {
    let signer = [signed_by(1, KSK)];
    assert_eq!(check(USUAL, &signer, &[ds(1)]), Ok(2));
    let sha384 = ds_of(&pair(1).dnskey_rdata(KSK), DigestType::SHA384);
    assert_eq!(check(USUAL, &signer, &[sha384]), Ok(2));
    assert_eq!(check(USUAL, &signer, &[Voucher::Key(pair(1).dnskey_rdata(KSK))]), Ok(2));
    // A zone key without the SEP bit may be vouched for, too (RFC 4034 §2.1.1).
    let plain = ds_of(&pair(2).dnskey_rdata(ZSK), DigestType::SHA256);
    assert_eq!(check(USUAL, &[signed_by(2, ZSK)], &[plain]), Ok(2));
    assert_eq!(check(USUAL, &signer, &[ds(9), ds(1)]), Ok(2), "one that fits is enough");
}

#[test]
fn the_key_that_is_vouched_for_has_to_sign() {
    let set_fault = |fault| Err(KeysFault::Set(fault));
    assert_eq!(check(USUAL, &[signed_by(2, ZSK)], &[ds(1)]), set_fault(SetFault::NoKey));
    assert_eq!(check(USUAL, &[], &[ds(1)]), set_fault(SetFault::Missing));
    let old = Fields { expiration: NOW - 1, ..signed_by(1, KSK) };
    assert_eq!(check(USUAL, &[old], &[ds(1)]), set_fault(SetFault::Expired));
    let parent = Fields { signer: ".", ..signed_by(1, KSK) };
    assert_eq!(check(USUAL, &[parent], &[ds(1)]), set_fault(SetFault::OtherSigner));
    let bad = Fields { garbled: true, ..signed_by(1, KSK) };
    assert_eq!(check(USUAL, &[bad], &[ds(1)]), set_fault(SetFault::Mismatch));
}

#[test]
fn what_fits_no_key_vouches_for_none() {
    let signer = [signed_by(1, KSK)];
    for voucher in [
        ds(2),
        changed(ds(1), 10, 0xff),
        changed(ds(1), 0, 0),
        changed(ds(1), 2, Algorithm::RSASHA256.0),
        Voucher::Key(pair(1).dnskey_rdata(ZSK)),
        Voucher::Key(pair(2).dnskey_rdata(KSK)),
    ] {
        assert_eq!(check(USUAL, &signer, &[voucher]), Err(KeysFault::NoMatch));
    }
}

#[test]
fn keys_that_may_not_sign_are_no_keys() {
    let revoked = KSK | DnskeyView::REVOKE;
    let voucher = |flags| ds_of(&pair(1).dnskey_rdata(flags), DigestType::SHA256);
    let signer = |flags| [signed_by(1, flags)];
    assert_eq!(
        check(&[(1, revoked)], &signer(revoked), &[voucher(revoked)]),
        Err(KeysFault::NoMatch)
    );
    // Without the bit that makes it a zone key, which is worth telling (RFC 8914 §4.12).
    let plain = DnskeyView::SEP;
    assert_eq!(
        check(&[(1, plain), (2, KSK)], &signer(plain), &[voucher(plain)]),
        Err(KeysFault::NoZoneKey)
    );
    let mut set = dnskeys(&[(1, KSK)]);
    let mut other_protocol = pair(1).dnskey_rdata(KSK);
    other_protocol[2] = 4;
    set.rdatas = [&other_protocol].into_iter().collect();
    let signed = signatures(&set, &signer(KSK));
    let voucher = ds_of(&other_protocol, DigestType::SHA256);
    let outcome = verify_keys(&set, &signed, &[voucher], NOW, &mut plenty());
    assert_eq!(outcome.unwrap_err(), KeysFault::NoMatch);
}

#[test]
fn vouchers_that_nobody_understands_do_not_count() {
    let signer = [signed_by(1, KSK)];
    let strange = [changed(ds(1), 2, 251), changed(ds(1), 3, 250), Voucher::Ds(vec![1])];
    assert_eq!(check(USUAL, &signer, &strange), Err(KeysFault::Unsupported));
    assert_eq!(check(USUAL, &signer, &[]), Err(KeysFault::Unsupported));
    let mut both = strange.to_vec();
    both.push(ds(1));
    assert_eq!(check(USUAL, &signer, &both), Ok(2));
}

#[test]
fn sha_1_is_not_looked_at_beside_something_stronger() {
    let signer = [signed_by(1, KSK)];
    let weak = ds_of(&pair(1).dnskey_rdata(KSK), DigestType::SHA1);
    assert_eq!(check(USUAL, &signer, std::slice::from_ref(&weak)), Ok(2));
    let wrong = changed(ds(1), 10, 0xff);
    assert_eq!(check(USUAL, &signer, &[weak.clone(), wrong]), Err(KeysFault::NoMatch));
    // A stronger one that cannot be used does not count.
    assert_eq!(check(USUAL, &signer, &[weak, changed(ds(1), 3, 250)]), Ok(2));
}

#[test]
fn wrong_digests_are_not_computed_without_end() {
    let signer = [signed_by(1, KSK)];
    let wrong = |value| changed(ds(1), 10, value);
    let mut many: Vec<Voucher> = (0..=u8::MAX).map(wrong).collect();
    many.push(ds(1));
    assert_eq!(check(USUAL, &signer, &many), Err(KeysFault::NoMatch));
}

#[test]
fn a_key_revokes_itself_only_by_its_own_signature() {
    let revoked = KSK | DnskeyView::REVOKE;
    let set = dnskeys(&[(1, revoked), (2, KSK)]);
    let own = pair(1).dnskey_rdata(revoked);
    let is_signed =
        |signers: &[Fields]| is_signed_by(&set, &signatures(&set, signers), &own, &mut plenty());
    assert!(is_signed(&[signed_by(2, KSK), signed_by(1, revoked)]));
    assert!(!is_signed(&[signed_by(2, KSK)]));
    assert!(!is_signed(&[signed_by(1, KSK)]), "the tag is that of the key with the bit");
    assert!(!is_signed(&[Fields { garbled: true, ..signed_by(1, revoked) }]));
    let old = Fields { inception: NOW - 20, expiration: NOW - 10, ..signed_by(1, revoked) };
    assert!(is_signed(&[old]), "a revocation does not expire");
    let mut nothing = Budget { operations: 0, ..plenty() };
    let signed = signatures(&set, &[signed_by(1, revoked)]);
    assert!(!is_signed_by(&set, &signed, &own, &mut nothing));
    assert!(!is_signed_by(&set, &signed, &[1], &mut plenty()));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        key in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80),
        voucher in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60),
        as_ds in proptest::prelude::any::<bool>(),
    ) {
        let mut set = dnskeys(USUAL);
        set.rdatas.push(&key);
        let signed = signatures(&set, &[signed_by(1, KSK)]);
        let voucher = if as_ds { Voucher::Ds(voucher) } else { Voucher::Key(voucher) };
        let _any = verify_keys(&set, &signed, &[voucher], NOW, &mut plenty());
        let _any = is_signed_by(&set, &signed, &key, &mut plenty());
    }
}
