//! The same messages, options and rdata in `hickory-proto`: what one side writes the other reads, and
//! both see the same. Where the two differ for a reason, the test names it.

use dns::edns::{OptRecord, OptionCode};
use dns::rdata::text::{fmt_rdata, is_well_formed, parse_rdata_text};
use dns::{Class, Composer, Header, Message, Name, Opcode, Rcode, RecordRef, Rtype, Section};
use hickory_proto::op::{Edns, Message as HickoryMessage, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name as HickoryName, RData, Record, RecordType};
use hickory_proto::serialize::binary::{
    BinDecoder, BinEncodable, BinEncoder, NameEncoding, Restrict,
};
use proptest::prelude::*;
use proptest::sample::select;

use crate::messages::{SECTIONS, compose, names, sets};
use crate::text::{Vector, good_vectors};

/// Types that `hickory` takes apart; all others are octets to it.
const KNOWN: [Rtype; 20] = [
    Rtype::A,
    Rtype::AAAA,
    Rtype::CAA,
    Rtype::CERT,
    Rtype::CNAME,
    Rtype::CSYNC,
    Rtype::HINFO,
    Rtype::HTTPS,
    Rtype::MX,
    Rtype::NAPTR,
    Rtype::NS,
    Rtype::OPENPGPKEY,
    Rtype::PTR,
    Rtype::SMIMEA,
    Rtype::SOA,
    Rtype::SRV,
    Rtype::SSHFP,
    Rtype::SVCB,
    Rtype::TLSA,
    Rtype::TXT,
];

/// `hickory`'s view of rdata; `None` if it refuses it.
fn their_rdata(rtype: Rtype, wire: &[u8]) -> Option<RData> {
    let length = Restrict::new(u16::try_from(wire.len()).unwrap());
    RData::read(&mut BinDecoder::new(wire), RecordType::from(rtype.0), length).ok()
}

/// Its octets again, names in full.
fn their_octets(rdata: &RData) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = BinEncoder::new(&mut out);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    rdata.emit(&mut encoder).unwrap();
    out
}

fn their_name(name: &Name) -> HickoryName {
    HickoryName::from_labels(name.labels().collect::<Vec<_>>()).unwrap()
}

fn is_same_name(theirs: &HickoryName, ours: &Name) -> bool {
    theirs.iter().eq(ours.labels())
}

fn our_text(rtype: Rtype, wire: &[u8]) -> String {
    let mut out = String::new();
    fmt_rdata(rtype, wire, &mut out).unwrap();
    out
}

fn we_read(rtype: Rtype, text: &str) -> Option<Vec<u8>> {
    parse_rdata_text(rtype, Class::IN, text.as_bytes(), &Name::root()).ok()
}

/// What it makes of our text; `None` if it does not read it. It takes escapes for octal numbers, a
/// semicolon for the beginning of a comment wherever it stands, and
/// drops flags of CSYNC that have no name.
fn they_read(rtype: Rtype, text: &str) -> Option<Vec<u8>> {
    if text.contains(['\\', ';']) || rtype == Rtype::CSYNC {
        return None;
    }
    let rdata = RData::try_from_str(RecordType::from(rtype.0), text).ok()?;
    Some(their_octets(&rdata))
}

/// Types whose strings it prints without quotes and escapes, for people.
fn prints_for_people(rtype: Rtype) -> bool {
    matches!(rtype, Rtype::TXT | Rtype::HINFO | Rtype::NAPTR | Rtype::CAA)
}

/// The vectors of types that it knows.
fn known_vectors() -> impl Iterator<Item = Vector> {
    good_vectors().filter(|vector| KNOWN.contains(&vector.rtype))
}

/// Counts the types that a test has really compared.
fn count(mut types: Vec<Rtype>) -> usize {
    types.sort_unstable();
    types.dedup();
    types.len()
}

#[test]
fn rdata_is_read_and_written_alike() {
    let mut types = Vec::new();
    for Vector { rtype, wire, text } in known_vectors() {
        let Some(theirs) = their_rdata(rtype, &wire) else { continue };
        assert_eq!(their_octets(&theirs), wire, "{rtype} {text}");
        types.push(rtype);
    }
    assert!(count(types) >= 18);
}

#[test]
fn our_text_is_read_alike() {
    let mut types = Vec::new();
    for Vector { rtype, wire, .. } in known_vectors() {
        let text = our_text(rtype, &wire);
        let Some(theirs) = they_read(rtype, &text) else { continue };
        // It reads names in lower case.
        assert!(theirs.eq_ignore_ascii_case(&wire), "{rtype} {text} as {theirs:02x?}");
        types.push(rtype);
    }
    assert!(count(types) >= 14);
}

#[test]
fn their_text_is_read_alike() {
    let mut types = Vec::new();
    for Vector { rtype, wire, text } in known_vectors() {
        let Some(theirs) = their_rdata(rtype, &wire) else { continue };
        if prints_for_people(rtype) {
            continue;
        }
        let printed = theirs.to_string();
        if printed.contains('\\') {
            // Its escapes are octal.
            continue;
        }
        let Some(ours) = we_read(rtype, &printed) else { continue };
        assert_eq!(ours, wire, "{rtype} {text} as {printed}");
        types.push(rtype);
    }
    assert!(count(types) >= 12);
}

/// Compares a record of a message that both have read.
fn check_record(ours: &RecordRef<'_>, theirs: &Record) -> Result<(), TestCaseError> {
    prop_assert!(is_same_name(&theirs.name, &ours.owner()), "{} {}", theirs.name, ours.owner());
    prop_assert_eq!(u16::from(theirs.record_type()), ours.rtype().0);
    prop_assert_eq!(u16::from(theirs.dns_class), ours.class().0);
    prop_assert_eq!(theirs.ttl, ours.ttl());
    // Names in types that it does not know may be compressed; those it leaves as they are.
    if KNOWN.contains(&ours.rtype()) || dns::rdata::layout(ours.rtype()).is_none() {
        prop_assert_eq!(their_octets(&theirs.data), ours.rdata().to_vec(), "{}", ours.rtype());
    }
    Ok(())
}

/// Compares everything that both have read of the same octets.
fn check_message(wire: &[u8]) -> Result<(), TestCaseError> {
    let ours = Message::parse(wire).map_err(|fault| TestCaseError::fail(fault.to_string()))?;
    let theirs = HickoryMessage::from_vec(wire)
        .map_err(|fault| TestCaseError::fail(format!("{fault} in {wire:02x?}")))?;
    let (header, metadata) = (ours.header(), &theirs.metadata);
    prop_assert_eq!(metadata.id, header.id);
    prop_assert_eq!(metadata.message_type == MessageType::Response, header.qr());
    prop_assert_eq!(u8::from(metadata.op_code), header.opcode().0);
    prop_assert_eq!(
        (metadata.authoritative, metadata.truncation, metadata.recursion_desired),
        (header.aa(), header.tc(), header.rd())
    );
    prop_assert_eq!(
        (metadata.recursion_available, metadata.authentic_data, metadata.checking_disabled),
        (header.ra(), header.ad(), header.cd())
    );
    prop_assert_eq!(u16::from(metadata.response_code) & 15, header.rcode_low().0);
    let question = ours.question().map(|question| (question.rtype.0, question.class.0));
    let asked = theirs.queries.first();
    prop_assert_eq!(asked.map(|q| (q.query_type().into(), q.query_class().into())), question);
    let sections = [&theirs.answers, &theirs.authorities, &theirs.additionals];
    for (section, theirs) in SECTIONS.into_iter().zip(sections) {
        prop_assert_eq!(ours.section(section).len(), theirs.len());
        for (ours, theirs) in ours.section(section).zip(theirs) {
            check_record(&ours, theirs)?;
        }
    }
    prop_assert_eq!(theirs.edns.is_some(), ours.edns().is_some());
    if let (Some(ours), Some(theirs)) = (ours.edns(), &theirs.edns) {
        prop_assert_eq!(theirs.version(), ours.version);
        prop_assert_eq!(theirs.flags().dnssec_ok, ours.dnssec_ok);
        prop_assert_eq!(theirs.rcode_high(), ours.rcode_high);
        // Less than 512 counts as 512 (RFC 6891 §6.2.3).
        prop_assert_eq!(theirs.max_payload().max(512), ours.udp_size_effective());
    }
    Ok(())
}

/// Codes that neither side looks into.
fn options() -> impl Strategy<Value = Vec<(u16, Vec<u8>)>> {
    let option = (65_001u16..65_500, prop::collection::vec(any::<u8>(), 0..40));
    prop::collection::vec(option, 0..8)
}

fn header() -> impl Strategy<Value = Header> {
    (any::<u16>(), any::<[bool; 7]>(), 0u16..6).prop_map(|(id, bits, rcode)| {
        let mut header = Header { id, ..Header::default() };
        header.set_qr(bits[0]);
        header.set_aa(bits[1]);
        header.set_tc(bits[2]);
        header.set_rd(bits[3]);
        header.set_ra(bits[4]);
        header.set_ad(bits[5]);
        header.set_cd(bits[6]);
        header.set_opcode(Opcode::QUERY);
        header.set_rcode_low(Rcode(rcode));
        header
    })
}

/// Rdata of a type that it knows and accepts.
fn their_records() -> impl Strategy<Value = Vec<(usize, Name, u32, RData)>> {
    let vectors: Vec<RData> =
        known_vectors().filter_map(|vector| their_rdata(vector.rtype, &vector.wire)).collect();
    let pointing = (select(vec![Rtype::NS, Rtype::CNAME, Rtype::PTR]), names())
        .prop_map(|(rtype, name)| their_rdata(rtype, name.as_wire()).unwrap());
    let record = (0..3usize, names(), 0u32..1 << 31, prop_oneof![select(vectors), pointing]);
    prop::collection::vec(record, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn our_messages_are_read_alike(question in names(), sets in sets(), opt in any::<bool>()) {
        // It refuses some rdata that is of no use to it, and with it the message.
        let accepts =
            |rtype, rdata: &[u8]| !rdata.is_empty() && their_rdata(rtype, rdata).is_some();
        let sets: Vec<_> = sets
            .into_iter()
            .filter(|(_, set)| set.rdatas.iter().all(|rdata| accepts(set.rtype, rdata)))
            // SIG signs messages for it (RFC 2931), and nothing else.
            .filter(|(_, set)| !set.rtype.is_meta() && set.rtype != Rtype::SIG)
            .collect();
        check_message(&compose(&question, &sets, opt))?;
    }

    #[test]
    fn our_headers_and_options_are_read_alike(
        header in header(),
        question in names(),
        dnssec_ok in any::<bool>(),
        size in any::<u16>(),
        options in options(),
    ) {
        let mut opt = OptRecord::new(size, dnssec_ok);
        for (code, data) in &options {
            opt.push(OptionCode(*code), data);
        }
        let mut wire = Vec::new();
        let mut composer = Composer::new(&mut wire, header, 65_535);
        composer.question(&question, Rtype::AAAA, Class::IN).unwrap();
        composer.finish(Some(&opt));
        check_message(&wire)?;
        let theirs = HickoryMessage::from_vec(&wire).unwrap();
        let theirs: Vec<(u16, Vec<u8>)> = theirs
            .edns
            .unwrap()
            .options()
            .as_ref()
            .iter()
            .map(|(code, option)| (u16::from(*code), Vec::try_from(option).unwrap()))
            .collect();
        prop_assert_eq!(theirs, options);
    }

    #[test]
    fn their_messages_are_read_alike(
        id in any::<u16>(),
        question in names(),
        records in their_records(),
        edns in prop::option::of((any::<bool>(), 512u16.., options())),
    ) {
        let mut message = HickoryMessage::new(id, MessageType::Response, OpCode::Query);
        message.queries.push(Query::query(their_name(&question), RecordType::A));
        for (section, owner, ttl, rdata) in records {
            let record = Record::from_rdata(their_name(&owner), ttl, rdata);
            match SECTIONS[section] {
                Section::Answer => message.answers.push(record),
                Section::Authority => message.authorities.push(record),
                Section::Additional => message.additionals.push(record),
            }
        }
        if let Some((dnssec_ok, size, options)) = &edns {
            let mut theirs = Edns::new();
            theirs.set_dnssec_ok(*dnssec_ok).set_max_payload(*size);
            for (code, data) in options {
                theirs.options_mut().insert(EdnsOption::Unknown(*code, data.clone()));
            }
            message.edns = Some(theirs);
        }
        let wire = message.to_vec().unwrap();
        check_message(&wire)?;
        if let Some((_, _, options)) = edns {
            let ours = Message::parse(&wire).unwrap();
            let seen = ours.edns().unwrap().options().map(|option| (option.code.0, option.data.to_vec()));
            prop_assert_eq!(seen.collect::<Vec<_>>(), options);
        }
    }

    #[test]
    fn changed_rdata_is_judged_alike(
        vector in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let vectors: Vec<Vector> = known_vectors().collect();
        let Vector { rtype, wire, .. } = &vectors[vector.index(vectors.len())];
        let mut wire = wire.clone();
        if !wire.is_empty() {
            let at = at.index(wire.len());
            wire[at] = value;
        }
        if let Some(theirs) = their_rdata(*rtype, &wire).filter(|_| is_well_formed(*rtype, &wire)) {
            prop_assert_eq!(their_octets(&theirs), wire.clone(), "{}", rtype);
        }
        let text = our_text(*rtype, &wire);
        if let Some(theirs) = they_read(*rtype, &text) {
            prop_assert!(theirs.eq_ignore_ascii_case(&wire), "{rtype} {text} as {theirs:02x?}");
        }
    }
}
