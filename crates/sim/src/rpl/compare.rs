//! Compares messages with scripted ones, by the criteria of a MATCH line and with Deckard's notion
//! of sameness: sections are lists of single records without order, TTLs do not count, names do
//! without regard to case, OPT is not a record of the additional section.

use std::collections::BTreeSet;

use dns::edns::OptionCode;
use dns::{Message, Name, Rtype, Section};
use resolve::Via;

use super::script::{Criterion, Entry, Record, Scripted};
use crate::text;

/// What differs, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    pub criterion: Criterion,
    pub expected: String,
    pub got: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Difference { criterion, expected, got } = self;
        write!(f, "{criterion:?}: expected {expected}, got {got}")
    }
}

impl Entry {
    /// Does the message fit? An entry without a MATCH line fits nothing.
    pub fn matches(&self, got: &Message<'_>, via: Option<&Via>) -> Result<(), Difference> {
        let Some(criteria) = &self.criteria else {
            let (expected, got) = ("a MATCH line".into(), "none".into());
            return Err(Difference { criterion: Criterion::Opcode, expected, got });
        };
        for criterion in criteria {
            let ttl = criteria.contains(&Criterion::Ttl);
            if let Err((expected, got)) = compare(*criterion, &self.message, got, via, ttl) {
                return Err(Difference { criterion: *criterion, expected, got });
            }
        }
        Ok(())
    }
}

type Comparison = Result<(), (String, String)>;

fn compare(
    criterion: Criterion,
    expected: &Scripted,
    got: &Message<'_>,
    via: Option<&Via>,
    ttl: bool,
) -> Comparison {
    let records = |section| compare_section(expected, got, section, ttl);
    match criterion {
        Criterion::Opcode => {
            same(expected.header.opcode().0, got.header().opcode().0, |opcode| opcode.to_string())
        }
        Criterion::Qtype | Criterion::Qname | Criterion::Qcase => {
            question(criterion, expected, got)
        }
        Criterion::Subdomain => {
            let Some(question) = &expected.question else { return Ok(()) };
            let name = got.question().map_or_else(Name::root, |question| question.name);
            if name.is_at_or_below(&question.name) {
                return Ok(());
            }
            Err((format!("a name at or below {}", question.name), name.to_string()))
        }
        Criterion::Flags => {
            same(text::flags(&expected.header), text::flags(got.header()), |flags| flags.into())
        }
        Criterion::Rcode => same(expected.rcode, got.rcode(), |rcode| rcode.to_string()),
        Criterion::Answer => records(Section::Answer),
        Criterion::Authority => records(Section::Authority),
        Criterion::Additional => records(Section::Additional),
        Criterion::AnswerTypes => types(expected, got, false),
        Criterion::AnswerRrsigs => types(expected, got, true),
        Criterion::Edns => {
            let expected = expected.opt.as_ref().map(|opt| (opt.version, opt.udp_size));
            let got = got.edns().map(|edns| (edns.version, edns.udp_size));
            same(expected, got, |edns| match edns {
                Some((version, size)) => format!("EDNS version {version}, {size} bytes"),
                None => "no EDNS".into(),
            })
        }
        Criterion::Nsid => {
            let got = got.edns().and_then(|edns| edns.option(OptionCode::NSID));
            same(None, got, |nsid| format!("NSID {nsid:?}"))
        }
        Criterion::Udp => same(true, matches!(via, Some(Via::Udp)), |_| "udp".into()),
        Criterion::Tcp => same(true, matches!(via, Some(Via::Tcp)), |_| "tcp".into()),
        // Looked at together with the sections.
        Criterion::Ttl => Ok(()),
    }
}

fn same<T: PartialEq>(expected: T, got: T, text: impl Fn(&T) -> String) -> Comparison {
    if expected == got { Ok(()) } else { Err((text(&expected), text(&got))) }
}

fn question(criterion: Criterion, expected: &Scripted, got: &Message<'_>) -> Comparison {
    let got = got.question();
    let (expected, got) = match (&expected.question, &got) {
        (None, None) => return Ok(()),
        (Some(expected), Some(got)) => (expected, got),
        (expected, got) => {
            let text = |question: Option<&dns::Question>| match question {
                Some(question) => format!("{} {}", question.name, question.rtype),
                None => "no question".into(),
            };
            return Err((text(expected.as_ref()), text(got.as_ref())));
        }
    };
    let agrees = match criterion {
        Criterion::Qtype => expected.rtype == got.rtype,
        Criterion::Qcase => expected.name.eq_exact(&got.name),
        _ => expected.name == got.name,
    };
    if agrees {
        return Ok(());
    }
    let text = |question: &dns::Question| format!("{} {}", question.name, question.rtype);
    Err((text(expected), text(got)))
}

/// A record in the form in which two are compared.
fn comparable(mut record: Record) -> Record {
    dns::rdata::canonicalize(record.rtype, &mut record.rdata);
    record
}

fn compare_section(
    expected: &Scripted,
    got: &Message<'_>,
    section: Section,
    ttl: bool,
) -> Comparison {
    let want: Vec<Record> = expected.section(section).iter().cloned().map(comparable).collect();
    let have: Vec<Record> = got
        .section(section)
        .filter(|record| record.rtype() != Rtype::TSIG)
        .map(|record| comparable(text::owned(&record)))
        .collect();
    let same =
        |a: &Record, b: &Record| Record { ttl: if ttl { a.ttl } else { b.ttl }, ..a.clone() } == *b;
    let lacks = |list: &[Record], one: &Record| !list.iter().any(|other| same(other, one));
    let missing: Vec<&Record> = want.iter().filter(|record| lacks(&have, record)).collect();
    let surplus: Vec<&Record> = have.iter().filter(|record| lacks(&want, record)).collect();
    if missing.is_empty() && surplus.is_empty() && want.len() == have.len() {
        return Ok(());
    }
    let list = |what: &str, records: &[&Record]| {
        records.iter().map(|record| format!("\n      {what} {}", text::record(record))).collect()
    };
    let count = |records: &[Record]| format!("{} records", records.len());
    let difference: String =
        [list("missing", &missing), list("surplus", &surplus)].iter().map(String::as_str).collect();
    Err((count(&want), format!("{}{difference}", count(&have))))
}

/// Types of a section; signatures appear as the type they cover.
fn types(expected: &Scripted, got: &Message<'_>, signatures: bool) -> Comparison {
    let kinds = |records: &mut dyn Iterator<Item = Record>| -> BTreeSet<(bool, Rtype)> {
        records
            .filter_map(|record| match record.rtype {
                Rtype::RRSIG => signatures
                    .then(|| dns::rrset::covered(&record.rdata))
                    .flatten()
                    .map(|covered| (true, covered)),
                rtype => Some((false, rtype)),
            })
            .collect()
    };
    let want = kinds(&mut expected.section(Section::Answer).iter().cloned());
    let have = kinds(&mut got.answer().map(|record| text::owned(&record)));
    same(want, have, |types| format!("{types:?}"))
}
