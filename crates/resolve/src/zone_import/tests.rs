//! The example zone of RFC 8976 as it is and with faults; signed zones are imported by Lua tests of
//! the field.

use super::*;

/// RFC 8976 appendix A.1.
const SIMPLE: &str = "\
example. 86400 IN SOA ns1.example. admin.example. 2018031900 1800 900 604800 86400
example. 86400 IN NS ns1.example.
example. 86400 IN NS ns2.example.
example. 86400 IN ZONEMD 2018031900 1 1 c68090d90a7aed716bc459f9340e3d7c1370d4d24b7e2fc3a1ddc0b9a87153b9a9713b3c9ae5cc27777f98b8e730044c
ns1.example. 3600 IN A 203.0.113.63
ns2.example. 3600 IN AAAA 2001:db8::63
";
const NOW: u64 = 1_700_000_000;

fn import(text: &str, zonemd: bool, accept_unsigned: bool) -> Result<ZoneImport, ImportFault> {
    let options = ImportOptions { origin: None, zonemd, accept_unsigned };
    read(text.as_bytes(), &TrustAnchors::new(), &options, NOW)
}

#[test]
fn the_digest_of_rfc_8976_matches() {
    let zone = import(SIMPLE, true, true).unwrap();
    assert_eq!(zone.origin.to_string(), "example.");
    assert_eq!(zone.negative_ttl, 86_400);
    assert_eq!(zone.sets.len(), 5);
    assert!(zone.sets.iter().all(|signed| signed.rank == Rank::INSECURE.with_auth()));
}

#[test]
fn what_is_not_part_of_the_zone_is_not_digested() {
    let text = format!("{SIMPLE}foo.test. 555 IN TXT \"out of the zone\"\n{}", "");
    assert_eq!(import(&text, true, true).unwrap().sets.len(), 5);
}

#[test]
fn a_changed_record_is_noticed() {
    let text = SIMPLE.replace("203.0.113.63", "203.0.113.64");
    assert_eq!(import(&text, true, true).unwrap_err(), ImportFault::Digest);
    let options = ImportOptions { zonemd: true, ..ImportOptions::default() };
    assert_eq!(look(text.as_bytes(), &options).unwrap_err(), ImportFault::Digest);
    assert_eq!(look(SIMPLE.as_bytes(), &options), Ok(()));
    assert!(import(&text, false, true).is_ok(), "nobody asked for the digest");
}

#[test]
fn a_zone_needs_a_digest_that_can_be_checked() {
    let other = SIMPLE.replace("ZONEMD 2018031900 1 1", "ZONEMD 2018031900 1 240");
    assert_eq!(import(&other, true, true).unwrap_err(), ImportFault::NoDigest);
    let line = SIMPLE.lines().find(|line| line.contains("ZONEMD")).unwrap();
    let twice = format!("{SIMPLE}{}\n", line.replace("c68090", "c68091"));
    assert_eq!(import(&twice, true, true).unwrap_err(), ImportFault::NoDigest);
    let old = SIMPLE.replace("ZONEMD 2018031900", "ZONEMD 2018031899");
    assert_eq!(import(&old, true, true).unwrap_err(), ImportFault::NoDigest);
}

#[test]
fn a_zone_without_an_anchor_is_kept_only_if_that_is_accepted() {
    let fault = import(SIMPLE, false, false).unwrap_err();
    assert_eq!(fault, ImportFault::NoAnchor("example.".parse().unwrap()));
}

#[test]
fn an_unsigned_zone_below_its_own_anchor_is_refused() {
    let mut anchors = TrustAnchors::new();
    let voucher = dns::dnssec::Voucher::Ds(vec![0, 1, 8, 2]);
    anchors.add(&"example.".parse().unwrap(), voucher);
    let options = ImportOptions { accept_unsigned: true, ..ImportOptions::default() };
    let fault = read(SIMPLE.as_bytes(), &anchors, &options, NOW).unwrap_err();
    assert_eq!(fault, ImportFault::NoKeys);
}

#[test]
fn a_text_that_is_no_zone_is_refused() {
    assert_eq!(import("", false, true).unwrap_err(), ImportFault::NoSoa);
    assert!(matches!(import("\u{1}\u{2} )(", false, true), Err(ImportFault::Text(_))));
    let two = SIMPLE.replace(
        "example. 86400 IN NS ns1",
        "b. 86400 IN SOA a. a. 1 1 1 1 1\nexample. 86400 IN NS ns1",
    );
    assert_eq!(import(&two, false, true).unwrap_err(), ImportFault::SeveralSoas);
}

#[test]
fn a_delegation_and_its_glue_are_not_authoritative() {
    let text = format!(
        "{SIMPLE}sub.example. 60 IN NS ns.sub.example.\nns.sub.example. 60 IN A 192.0.2.1\n\
         x.sub.example. 60 IN TXT \"hidden\"\n"
    );
    let zone = import(&text, false, true).unwrap();
    let rank = |name: &str, rtype| {
        let name: Name = name.parse().unwrap();
        let found = zone.sets.iter().find(|s| s.set.owner == name && s.set.rtype == rtype);
        found.map(|signed| signed.rank)
    };
    assert_eq!(rank("sub.example.", Rtype::NS), Some(Rank::INSECURE));
    assert_eq!(rank("ns.sub.example.", Rtype::A), Some(Rank::OMIT));
    assert_eq!(rank("x.sub.example.", Rtype::TXT), None);
}

#[test]
fn what_is_kept_is_found() {
    let zone = import(SIMPLE, true, true).unwrap();
    let kv = Box::new(store::kv::memory::new(1 << 20).unwrap());
    let mut cache = Cache::new(kv, store::cache::TtlBounds { min: 5, max: 86_400 });
    assert_eq!(zone.keep(&mut cache, NOW).unwrap(), 5);
    let hit = cache.peek(NOW, &"ns1.example.".parse().unwrap(), Rtype::A).unwrap();
    assert_eq!(hit.ttl_left, 3600);
}
