//! Messages: what `domain` and `hickory-proto` read, we read the same; what they refuse, we do not
//! take. Where we are stricter than they, the test names the rule.

use dns::edns::OptRecord;
use dns::{
    Class, Composer, Header, Message, MessageFault, Name, NameFault, RecordRef, Rrset, Rtype,
    Section,
};
use domain::base::{Message as DomainMessage, Name as DomainName, ParsedRecord, ToName};
use domain::rdata::AllRecordData;
use hickory_proto::op::Message as HickoryMessage;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::text::good_vectors;

pub(crate) const SECTIONS: [Section; 3] =
    [Section::Answer, Section::Authority, Section::Additional];

/// Types with embedded names that `domain` takes for opaque; a pointer in them stays as it is.
const OPAQUE_TO_DOMAIN: [Rtype; 9] = [
    Rtype::AFSDB,
    Rtype::KX,
    Rtype::LP,
    Rtype::NSAP_PTR,
    Rtype::NXT,
    Rtype::PX,
    Rtype::RT,
    Rtype::SIG,
    Rtype::TALINK,
];

/// A record, and its rdata where there is an opinion on it.
type Judged = (Outside, Option<Vec<u8>>);

/// A record as both sides describe it, rdata apart.
type Outside = (Vec<u8>, u16, u16, u32);

fn ours(record: &RecordRef<'_>) -> Outside {
    let owner = record.owner().as_wire().to_vec();
    (owner, record.rtype().0, record.class().0, record.ttl())
}

fn domains(record: &ParsedRecord<'_, [u8]>) -> Outside {
    let owner: DomainName<Vec<u8>> = record.owner().to_name();
    let ttl = Some(record.ttl().as_secs()).filter(|ttl| *ttl <= i32::MAX as u32).unwrap_or(0);
    (owner.as_slice().to_vec(), record.rtype().to_int(), record.class().to_int(), ttl)
}

/// `domain`'s idea of the rdata, uncompressed. `Some(None)` where it has none that counts: it looks
/// closer at the contents of many types than a parser of messages must.
fn domains_rdata(record: &ParsedRecord<'_, [u8]>) -> Option<Option<Vec<u8>>> {
    let rtype = Rtype(record.rtype().to_int());
    let has_names = dns::rdata::layout(rtype).is_some();
    if OPAQUE_TO_DOMAIN.contains(&rtype) {
        return Some(None);
    }
    let Ok(parsed) = record.to_any_record::<AllRecordData<_, _>>() else {
        return if has_names && !looks_closer(rtype) { None } else { Some(None) };
    };
    let mut rdata = Vec::new();
    use domain::base::rdata::ComposeRecordData;
    parsed.data().compose_rdata(&mut rdata).unwrap();
    Some(Some(rdata))
}

/// All records but OPT of all sections as `domain` reads them, or why it does not.
fn all_of_domain(wire: &[u8]) -> Result<Vec<Judged>, String> {
    let message = DomainMessage::from_octets(wire).map_err(|fault| fault.to_string())?;
    let message = message.for_slice();
    for question in message.question() {
        question.map_err(|fault| format!("question: {fault}"))?;
    }
    let mut seen = Vec::new();
    for record in message.iter() {
        let (record, _) = record.map_err(|fault| format!("record: {fault}"))?;
        let record: ParsedRecord<'_, [u8]> = record;
        if record.rtype().to_int() != Rtype::OPT.0 {
            let rdata = domains_rdata(&record);
            seen.push((domains(&record), rdata.ok_or_else(|| record.rtype().to_string())?));
        }
    }
    Ok(seen)
}

/// Rules that we hold and `domain` does not: one question, one OPT in its place, nothing behind
/// the last record, fewer pointers, no pointer into a label of the run that it ends (BIND refuses
/// that too), and rdata of fixed length of the right length in any class.
fn is_our_own_rule(fault: MessageFault) -> bool {
    match fault {
        MessageFault::BadOpt | MessageFault::ManyQuestions | MessageFault::Trailing => true,
        MessageFault::Name(NameFault::TooManyPointers | NameFault::BadPointer) => true,
        MessageFault::BadRdata(rtype) => dns::rdata::layout(rtype).is_none(),
        _ => false,
    }
}

/// Has the type more behind its name than a message parser must look at? What `domain` refuses
/// then is not known to be the name.
fn looks_closer(rtype: Rtype) -> bool {
    matches!(rtype, Rtype::NSEC | Rtype::SVCB | Rtype::HTTPS)
}

fn check(wire: &[u8]) -> Result<(), TestCaseError> {
    let theirs = all_of_domain(wire);
    let message = match Message::parse(wire) {
        Ok(message) => message,
        Err(fault) => {
            // What hickory says does not count: it takes many types with names for opaque.
            let judged = theirs.is_ok_and(|records| {
                let rtypes = records.iter().map(|((_, rtype, ..), _)| Rtype(*rtype));
                let is_judged = |rtype| !OPAQUE_TO_DOMAIN.contains(&rtype) && !looks_closer(rtype);
                rtypes.into_iter().all(is_judged)
            });
            prop_assert!(!judged || is_our_own_rule(fault), "domain accepts: {fault}");
            return Ok(());
        }
    };
    let theirs = theirs
        .map_err(|fault| TestCaseError::fail(format!("domain refuses: {fault} in {wire:02x?}")))?;
    let records: Vec<RecordRef<'_>> =
        SECTIONS.iter().flat_map(|section| message.section(*section)).collect();
    prop_assert_eq!(records.len(), theirs.len());
    for (record, (outside, rdata)) in records.iter().zip(&theirs) {
        prop_assert_eq!(&ours(record), outside);
        if let Some(rdata) = rdata {
            prop_assert_eq!(&record.rdata(), rdata, "{}", record.rtype());
        }
    }
    if let Ok(hickory) = HickoryMessage::from_vec(wire) {
        let owners = hickory.answers.iter().chain(&hickory.authorities);
        let owners = owners.map(|r| (r.name.to_ascii().to_lowercase(), u16::from(r.record_type())));
        let our_owners = message.answer().chain(message.authority());
        let ours: Vec<(String, u16)> = our_owners
            .map(|r| {
                let name = hickory_proto::rr::Name::from_labels(
                    r.owner().labels().map(<[u8]>::to_vec).collect::<Vec<_>>(),
                );
                (name.unwrap().to_ascii().to_lowercase(), r.rtype().0)
            })
            .collect();
        prop_assert_eq!(owners.collect::<Vec<_>>(), ours);
    }
    Ok(())
}

/// A name from few labels, so that suffixes are shared.
pub(crate) fn names() -> impl Strategy<Value = Name> {
    let label = prop_oneof![
        5 => select(vec![&b"a"[..], b"B", b"www", b"example", b"Example", b"com", b"\x00\xff."])
            .prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 1..63),
    ];
    prop::collection::vec(label, 0..6).prop_map(|labels| {
        let step = |name: Name, label: &Vec<u8>| name.prepend(label).unwrap_or(name);
        labels.iter().fold(Name::root(), step)
    })
}

/// Well-formed rdata of a type: a vector's, or names in the places where the type has them.
fn typed_rdata() -> impl Strategy<Value = (Rtype, Vec<u8>)> {
    let vectors: Vec<(Rtype, Vec<u8>)> = good_vectors().map(|v| (v.rtype, v.wire)).collect();
    prop_oneof![
        select(vectors),
        (select(vec![Rtype::NS, Rtype::CNAME, Rtype::PTR, Rtype::DNAME]), names())
            .prop_map(|(rtype, name)| (rtype, name.as_wire().to_vec())),
        (names(), any::<[u8; 2]>())
            .prop_map(|(name, preference)| (Rtype::MX, [&preference, name.as_wire()].concat())),
        (names(), names(), any::<[u8; 20]>()).prop_map(|(mname, rname, numbers)| {
            (Rtype::SOA, [mname.as_wire(), rname.as_wire(), &numbers].concat())
        }),
    ]
}

pub(crate) fn sets() -> impl Strategy<Value = Vec<(usize, Rrset)>> {
    let set = (0..3usize, names(), typed_rdata(), 0u32..1 << 31).prop_map(
        |(section, owner, (rtype, rdata), ttl)| {
            let mut set = Rrset::new(owner, rtype, Class::IN, ttl);
            set.rdatas.push(&rdata);
            (section, set)
        },
    );
    prop::collection::vec(set, 0..12).prop_map(|mut sets| {
        sets.sort_by_key(|(section, _)| *section);
        sets
    })
}

pub(crate) fn compose(question: &Name, sets: &[(usize, Rrset)], opt: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut header = Header { id: 7, ..Header::default() };
    header.set_qr(true);
    let mut composer = Composer::new(&mut out, header, 65_535);
    composer.question(question, Rtype::A, Class::IN).unwrap();
    for (section, set) in sets {
        composer.rrset(SECTIONS[*section], set).unwrap();
    }
    composer.finish(opt.then(|| OptRecord::new(1232, true)).as_ref());
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn what_is_composed_is_read_back_by_all(
        question in names(),
        sets in sets(),
        opt in any::<bool>(),
    ) {
        let wire = compose(&question, &sets, opt);
        let message = Message::parse(&wire).unwrap();
        prop_assert_eq!(message.question().unwrap().name, question);
        prop_assert_eq!(message.edns().is_some(), opt);
        let records = SECTIONS.iter().enumerate().flat_map(|(section, which)| {
            message.section(*which).map(move |record| (section, record))
        });
        let back: Vec<(usize, Rrset)> =
            records.map(|(section, record)| (section, Rrset::from_record(&record))).collect();
        // Names are the same but for the case of suffixes that were compressed.
        prop_assert_eq!(back.len(), sets.len());
        for (ours, sent) in back.iter().zip(&sets) {
            prop_assert_eq!((ours.0, &ours.1.owner), (sent.0, &sent.1.owner));
            prop_assert_eq!((ours.1.rtype, ours.1.ttl), (sent.1.rtype, sent.1.ttl));
            let pairs = ours.1.rdatas.iter().zip(sent.1.rdatas.iter());
            for (a, b) in pairs {
                prop_assert!(a.eq_ignore_ascii_case(b), "{} {:?} {:?}", sent.1.rtype, a, b);
            }
        }
        check(&wire)?;
    }

    #[test]
    fn what_is_changed_on_the_way_is_judged_alike(
        question in names(),
        sets in sets(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
        cut in prop::option::weighted(0.2, any::<Index>()),
    ) {
        let mut wire = compose(&question, &sets, true);
        for (at, value) in changes {
            let at = at.index(wire.len());
            wire[at] = value;
        }
        if let Some(cut) = cut {
            wire.truncate(cut.index(wire.len()));
        }
        check(&wire)?;
    }

    #[test]
    fn pointers_anywhere_are_judged_alike(
        body in prop::collection::vec(
            prop_oneof![
                Just(vec![0]),
                Just(b"\x01a".to_vec()),
                (12u8..60).prop_map(|at| vec![0xc0, at]),
                Just(b"\x00\x00\x02\x00\x01\x00\x00\x00\x00\x00\x02\xc0\x0c".to_vec()),
                Just(b"\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04abcd".to_vec()),
                any::<u8>().prop_map(|byte| vec![byte]),
            ],
            0..14,
        ),
        counts in [0u8..2, 0u8..3, 0u8..2, 0u8..2],
    ) {
        let mut wire = vec![0; 4];
        counts.iter().for_each(|count| wire.extend_from_slice(&[0, *count]));
        wire.extend_from_slice(&body.concat());
        check(&wire)?;
    }
}
