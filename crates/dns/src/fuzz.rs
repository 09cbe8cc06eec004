//! Fuzz targets as ordinary functions: any bytes in, no panic, and the laws that hold for all of
//! them. `fuzz/` at the root wraps them for cargo-fuzz; `cargo test` replays `fuzz/corpus/`.
//!
//! HINT: to add a target, add a function and a row to [`TARGETS`], a shell in `fuzz/fuzz_targets/`,
//! and a few inputs in `fuzz/corpus/NAME/`.

use std::ops::ControlFlow;

use crate::canonical::{canonical_rdatas, signed_data};
use crate::edns::options::{
    ClientSubnet, Cookie, ServerCookie, TcpKeepalive, parse_key_tags, parse_report_channel,
};
use crate::edns::{Edns, OptRecord};
use crate::name::{names_equal_in, skip_name};
use crate::rdata::text::{fmt_rdata, is_well_formed, parse_rdata_text};
use crate::rdata::view::{Nsec3View, NsecView, RrsigView, SoaView};
use crate::zonefile::{self, Event, Reader, Settings};
use crate::{Class, Composer, Message, Name, RecordRef, Rrset, Rtype, Section};

mod dnssec;
mod dnssec_records;
pub use dnssec::dnssec;
pub use dnssec_records::dnssec_records;

/// A target's name and function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets; their names are those of the corpora.
pub const TARGETS: &[Target] = &[
    ("dnssec", dnssec),
    ("dnssec_records", dnssec_records),
    ("edns", edns),
    ("message", message),
    ("name", name),
    ("rdata_text", rdata_text),
    ("zonefile", zone),
];

const SECTIONS: [Section; 3] = [Section::Answer, Section::Authority, Section::Additional];

/// What parses, composes again and parses to the same records.
pub fn message(data: &[u8]) {
    let Ok(message) = Message::parse(data) else { return };
    let mut out = Vec::new();
    let mut composer = Composer::new(&mut out, *message.header(), usize::MAX);
    let question = message.question();
    // Without compression at the source the copy may be too long; then there is nothing to say.
    let asked = question.as_ref().map(|q| composer.question(&q.name, q.rtype, q.class));
    let mut complete = asked.is_none_or(|asked| asked.is_ok());
    for section in SECTIONS {
        for record in message.section(section) {
            let set = Rrset::from_record(&record);
            views(&set);
            complete &= set.rdatas.len() == 1 && composer.rrset(section, &set).is_ok();
        }
    }
    composer.finish(None);
    if !complete {
        return;
    }
    let again = Message::parse(&out);
    assert!(again.is_ok(), "what was composed does not parse: {:?}", again.err());
    let Ok(again) = again else { return };
    assert_eq!(again.question(), question);
    for section in SECTIONS {
        assert_eq!(again.section(section).len(), message.section(section).len());
        for (a, b) in again.section(section).zip(message.section(section)) {
            assert_eq!(outside(&a), outside(&b));
            assert!(a.rdata().eq_ignore_ascii_case(&b.rdata()));
        }
    }
}

fn outside(record: &RecordRef<'_>) -> (Name, Rtype, Class, u32) {
    (record.owner(), record.rtype(), record.class(), record.ttl())
}

/// Looks at a set in every way there is.
fn views(set: &Rrset) {
    let canonical = canonical_rdatas(set.rtype, &set.rdatas);
    assert_eq!(canonical_rdatas(set.rtype, &canonical), canonical);
    for rdata in set.rdatas.iter() {
        if let Some(view) = RrsigView::new(rdata) {
            let covered = Rrset { rtype: view.type_covered(), ..set.clone() };
            // A fault is as good as data here.
            let _fault_or_data = signed_data(&view, &covered, &mut Vec::new());
        }
        if let Some(view) = NsecView::new(rdata) {
            assert!(view.types().iter().all(|rtype| view.has_type(rtype)));
        }
        if let Some(view) = Nsec3View::new(rdata) {
            assert!(view.types().iter().all(|rtype| view.has_type(rtype)));
        }
        if let Some(view) = SoaView::new(rdata) {
            assert!(view.mname().len() + view.rname().len() + 20 == rdata.len());
        }
    }
    assert!(!set.to_string().is_empty());
}

/// All readers of names agree, and text and keys are exact.
pub fn name(data: &[u8]) {
    let Some((at, bytes)) = data.split_first() else { return };
    let at = usize::from(*at);
    let parsed = Name::parse(bytes, at);
    assert_eq!(skip_name(bytes, at), parsed.as_ref().map(|(_, end)| *end).map_err(|f| *f));
    if let Ok((name, _)) = parsed {
        assert!(names_equal_in(bytes, at, name.as_wire()));
        assert_eq!(Name::from_wire(name.as_wire()), Ok(name.clone()));
        let text: Result<Name, _> = name.to_string().parse();
        assert!(text.is_ok_and(|text| text.eq_exact(&name)));
        let mut key = Vec::new();
        name.lookup_format(&mut key);
        assert_eq!(Name::from_lookup_format(&key), Some(name));
    }
    if let Ok(name) = Name::from_text(bytes, &Name::root()) {
        assert_eq!(Name::from_wire(name.as_wire()), Ok(name));
    }
}

/// The first two bytes are the type; the others are rdata, and they are text.
pub fn rdata_text(data: &[u8]) {
    let Some((rtype, rest)) = data.split_first_chunk() else { return };
    let rtype = Rtype(u16::from_be_bytes(*rtype));
    let root = Name::root();
    let mut text = String::new();
    assert!(fmt_rdata(rtype, rest, &mut text).is_ok());
    if is_well_formed(rtype, rest) && rest.len() <= crate::limits::RDATA_BYTES_MAX {
        let again = parse_rdata_text(rtype, Class::IN, text.as_bytes(), &root);
        assert_eq!(again.as_deref(), Ok(rest), "{rtype} {text}");
    }
    if let Ok(rdata) = parse_rdata_text(rtype, Class::IN, rest, &root) {
        assert!(is_well_formed(rtype, &rdata), "{rtype} {rdata:?}");
    }
}

/// Text in one piece and in small ones is read alike, and what is read reads back.
pub fn zone(data: &[u8]) {
    // The directive makes a million records of a line; its own tests have it.
    if data.to_ascii_uppercase().windows(9).any(|window| window == b"$GENERATE") {
        return;
    }
    let settings = Settings { ttl: Some(60), ..Settings::default() };
    let mut whole = Vec::new();
    zonefile::read(data, &settings, &mut |event| {
        if let Event::Record(record) = &event {
            let set = record.to_rrset();
            let again = zonefile::record(set.to_string().as_bytes(), &settings);
            assert_eq!(again.as_ref(), Ok(&set));
        }
        whole.push(describe(&event));
        ControlFlow::Continue(())
    });
    let mut pieces = Vec::new();
    let mut sink = |event: Event<'_>| {
        pieces.push(describe(&event));
        ControlFlow::Continue(())
    };
    let mut reader = Reader::new(&settings);
    let flow = data.chunks(7).try_for_each(|piece| reader.feed(piece, &mut sink));
    assert!(flow.is_continue() && reader.finish(&mut sink).is_continue());
    assert_eq!(pieces, whole);
}

/// What a person sees of an event; offsets inside a fault count from where its piece began.
fn describe(event: &Event<'_>) -> String {
    match event {
        Event::Record(record) => format!("{record:?}"),
        Event::Fault(fault) => fault.to_string(),
    }
}

/// Options in any bytes, and options that are written again.
pub fn edns(data: &[u8]) {
    let edns = Edns::from_record(Class(1232), 0, data);
    let mut again = OptRecord::new(1232, false);
    for option in edns.options() {
        again.push(option.code, option.data);
        if let Some(cookie) = Cookie::parse(option.data)
            && let Some(server) = ServerCookie::parse(cookie.server)
        {
            assert_eq!(server.to_bytes(), cookie.server);
        }
        if let Some(subnet) = ClientSubnet::parse(option.data) {
            assert_eq!(subnet.to_bytes(), option.data);
        }
        if let Some(keepalive) = TcpKeepalive::parse(option.data) {
            assert_eq!(keepalive.to_bytes(), option.data);
        }
        let tags = parse_key_tags(option.data).map(Iterator::count);
        assert!(tags.is_none_or(|count| 2 * count == option.data.len()));
        let agent = parse_report_channel(option.data);
        assert!(agent.is_none_or(|agent| agent.as_wire() == option.data));
    }
    let mut wire = Vec::new();
    again.compose(&mut wire);
    let copy = Edns::from_record(Class(1232), 0, &wire[11..]);
    assert!(copy.options().eq(edns.options()) && !copy.is_malformed());
}

#[cfg(test)]
mod tests;
