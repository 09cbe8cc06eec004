//! The response on the wire: header bits, sections, OPT, and what happens when it does not fit.

use dns::edns::OptRecord;
use dns::header::HEADER_BYTES;
use dns::message::Section;
use dns::{Class, Composer, Header, Message, MessageFault, Name, Opcode, Question, Rcode, Rtype};
use store::cache::entry::SignedSet;

use crate::chance::Chance;
use crate::flags::QueryFlags;
use crate::request::{ClientEdns, Request};
use crate::settings::Settings;

/// Type and class of a question, behind its name (RFC 1035 §4.1.2).
const QUESTION_BYTES: usize = 4;

/// Writes the response of a request.
pub(crate) fn compose(request: &Request, settings: &Settings, chance: &mut Chance) -> Vec<u8> {
    let response = &request.response;
    let datagram = request.client.protocol.is_datagram();
    let limit = size_limit(request.edns, settings, datagram);
    let mut header = Header { id: request.header.id, ..Header::default() };
    header.set_qr(true);
    header.set_aa(response.authoritative);
    header.set_rd(request.header.rd());
    header.set_ra(true);
    header.set_ad(response.authentic && request.understands_ad());
    header.set_cd(request.header.cd());
    header.set_tc(response.truncated && datagram);
    header.set_rcode_low(response.rcode);
    let mut opt = request.edns.map(|edns| opt_record(request, edns, settings));
    let mut wire = Vec::with_capacity(512);
    let mut composer = Composer::new(&mut wire, header, limit);
    composer.reserve(opt.as_ref().map_or(0, OptRecord::wire_length));
    let question = &request.question;
    let _always_fits = composer.question(&question.name, question.rtype, question.class);
    if !(response.truncated && datagram) {
        let rotate = request.flags.contains(QueryFlags::REORDER_RR);
        put_sections(&mut composer, request, rotate, chance);
    }
    if let Some(opt) = opt.as_mut().filter(|_| request.client.protocol.is_encrypted()) {
        opt.push_padding(composer.len(), settings.padding_block.into(), limit);
    }
    composer.finish(opt.as_ref());
    wire
}

fn put_sections(composer: &mut Composer<'_>, request: &Request, rotate: bool, chance: &mut Chance) {
    let response = &request.response;
    let sections = [
        (Section::Answer, &response.answer),
        (Section::Authority, &response.authority),
        (Section::Additional, &response.additional),
    ];
    let with_signatures = request.dnssec_ok();
    for (section, sets) in sections {
        for signed in sets {
            // RFC 4035 §3.2.1: not without DO, unless asked for.
            if !with_signatures && signed.set.rtype.is_denial() && section != Section::Answer {
                continue;
            }
            let turn = if rotate && section == Section::Answer && signed.set.rdatas.len() > 1 {
                chance.below(signed.set.rdatas.len())
            } else {
                0
            };
            if put_set(composer, section, signed, turn, with_signatures).is_err() {
                // RFC 2181 §9: TC only if something that was asked for is missing.
                if section != Section::Additional {
                    composer.header_mut().set_tc(true);
                }
                return;
            }
        }
    }
}

fn put_set(
    composer: &mut Composer<'_>,
    section: Section,
    signed: &SignedSet,
    turn: usize,
    with_signatures: bool,
) -> Result<(), dns::Truncated> {
    let set = &signed.set;
    let rdatas = set.rdatas.iter().skip(turn).chain(set.rdatas.iter().take(turn));
    composer.records(section, &set.owner, set.rtype, set.class, set.ttl, rdatas)?;
    if with_signatures && !signed.signatures.is_empty() {
        let signatures = signed.signatures.iter();
        composer.records(section, &set.owner, Rtype::RRSIG, set.class, set.ttl, signatures)?;
    }
    Ok(())
}

fn opt_record(request: &Request, edns: ClientEdns, settings: &Settings) -> OptRecord {
    let mut opt = OptRecord::new(settings.udp_size_downstream, edns.dnssec_ok);
    opt.rcode_high = (request.response.rcode.0 >> 4) as u8;
    if settings.extended_errors {
        for error in &request.response.extended_errors {
            opt.push_extended_error(error.code, &error.text);
        }
    }
    for (code, data) in &request.response.options {
        opt.push(*code, data);
    }
    opt
}

fn size_limit(edns: Option<ClientEdns>, settings: &Settings, datagram: bool) -> usize {
    if !datagram {
        return dns::limits::MESSAGE_BYTES_MAX;
    }
    let theirs = edns.map_or(dns::edns::UDP_SIZE_MIN, |edns| edns.udp_size);
    usize::from(theirs.min(settings.udp_size_downstream).max(dns::edns::UDP_SIZE_MIN))
}

/// What becomes of a message from a client before anything is resolved.
pub(crate) enum Intake {
    /// Resolve this.
    Query { header: Header, question: Question, edns: Option<ClientEdns> },
    /// Send this back.
    Reject(Vec<u8>),
    /// Say nothing: it is no query.
    Ignore,
}

/// Looks at a message from a client. Whatever can be answered without resolving is.
///
/// What cannot be read as a message of DNS is dropped: octets that were meant for something else,
/// or that lost their beginning on a stream, are no question, and whoever asked one asks again.
pub(crate) fn take_in(wire: &[u8], settings: &Settings) -> Intake {
    let Some(header) = Header::parse(wire).filter(|header| !header.qr()) else {
        // A response to a response would make a loop.
        return Intake::Ignore;
    };
    let parsed = Message::parse(wire);
    if header.opcode() != Opcode::QUERY {
        return if parsed.is_ok() || has_no_records(header) {
            Intake::Reject(reject(wire, header, None, Rcode::NOTIMP, settings))
        } else {
            Intake::Ignore
        };
    }
    let message = match parsed {
        Ok(message) => message,
        Err(fault) if is_misused(wire, fault) => {
            return Intake::Reject(reject(wire, header, None, Rcode::FORMERR, settings));
        }
        Err(_) => return Intake::Ignore,
    };
    let edns = message.edns();
    let question = message.question();
    let rcode = match &question {
        None => Some(Rcode::FORMERR),
        Some(_) if edns.is_some_and(|edns| edns.version > dns::edns::VERSION) => {
            Some(Rcode::BADVERS)
        }
        Some(_) if edns.is_some_and(|edns| edns.is_malformed()) => Some(Rcode::FORMERR),
        // Types and classes that are no data of a zone; upstream says so since 6.0.9.
        Some(question) if is_unheard_of(question.rtype) => Some(Rcode::NOTIMP),
        Some(question) if question.class != Class::IN => Some(Rcode::NOTIMP),
        Some(_) => None,
    };
    let edns = edns.map(ClientEdns::from);
    match (rcode, question) {
        (None, Some(question)) => Intake::Query { header, question, edns },
        (rcode, _) => {
            let rcode = rcode.unwrap_or(Rcode::FORMERR);
            Intake::Reject(reject(wire, header, edns, rcode, settings))
        }
    }
}

/// All counts are zero: nothing but a header, or a message of a kind that has other things behind
/// it (RFC 8490 §5.4). Of an opcode that is not known, no more need be understood.
fn has_no_records(header: Header) -> bool {
    [header.qdcount, header.ancount, header.nscount, header.arcount] == [0; 4]
}

/// Is it a message of DNS, but one that says what no query may say? Several questions (RFC 9619
/// §4), as far as the first two can be read, and several OPT records or one in a wrong place
/// (RFC 6891 §6.1.1).
fn is_misused(wire: &[u8], fault: MessageFault) -> bool {
    match fault {
        MessageFault::ManyQuestions => [(); 2]
            .iter()
            .try_fold(HEADER_BYTES, |at, ()| Some(Name::parse(wire, at).ok()?.1 + QUESTION_BYTES))
            .is_some_and(|end| end <= wire.len()),
        MessageFault::BadOpt => true,
        _ => false,
    }
}

/// Types that nobody can ask a resolver for: transfers, transaction keys, OPT, and zero. ANY has an
/// answer of its own (RFC 8482).
fn is_unheard_of(rtype: Rtype) -> bool {
    rtype == Rtype(0) || (rtype.is_meta() && rtype != Rtype::ANY)
}

/// A response without records. The question is copied if it can be read.
fn reject(
    wire: &[u8],
    query: Header,
    edns: Option<ClientEdns>,
    rcode: Rcode,
    settings: &Settings,
) -> Vec<u8> {
    let mut header = Header { id: query.id, ..Header::default() };
    header.set_qr(true);
    header.set_opcode(query.opcode());
    header.set_rd(query.rd());
    header.set_cd(query.cd());
    header.set_ra(query.opcode() == Opcode::QUERY);
    header.set_rcode_low(rcode);
    let opt = edns.map(|edns| {
        let mut opt = OptRecord::new(settings.udp_size_downstream, edns.dnssec_ok);
        opt.rcode_high = (rcode.0 >> 4) as u8;
        opt
    });
    let mut out = Vec::new();
    let mut composer = Composer::new(&mut out, header, usize::from(dns::edns::UDP_SIZE_MIN));
    let question = Message::parse(wire).ok().and_then(|message| message.question());
    if let Some(question) = question {
        let _always_fits = composer.question(&question.name, question.rtype, question.class);
    }
    composer.finish(opt.as_ref());
    out
}

/// SERVFAIL for a request whose handling went wrong in our own code.
pub(crate) fn servfail(request: &Request, settings: &Settings) -> Vec<u8> {
    reject(&request.wire, request.header, request.edns, Rcode::SERVFAIL, settings)
}
