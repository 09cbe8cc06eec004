//! Messages of a request: its response, what a query was told, and what is asked upstream.
//!
//! A message is named by a word: `answer` is the response, `reply` what the current query was told
//! (in `produce` an empty one, for the hook to fill in), `ask` what leaves.

use dns::{Class, Composer, Header, Name, Rcode, Rdatas, Rrset, Rtype, Section};
use mlua::{Table, Value};
use resolve::RequestContext;
use store::cache::Rank;
use store::cache::entry::SignedSet;

use super::super::kres::packet::{question_table, record_from};
use super::{Call, with};
use crate::convert::{Answer, Args, Failure};
use crate::interpreter::lent::View;
use crate::layer::Phase;
use crate::layer::answered::reply_of;

/// Which message of the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Answer,
    Reply,
    Ask,
}

/// The message that the second argument names.
fn which(args: &Args) -> Result<Which, Failure> {
    match args.text(1).as_deref() {
        Some("answer") => Ok(Which::Answer),
        Some("reply") => Ok(Which::Reply),
        Some("ask") => Ok(Which::Ask),
        _ => Err("expected a message of a request".into()),
    }
}

/// The packet of a hook is there as long as the hook runs.
const HOOK_OVER: &str = "the packet belongs to a hook that is over";
const READ_ONLY: &str = "what is asked upstream cannot be changed";

/// Is the packet of `produce` or `consume` at hand?
fn check(view: &View<'_>, which: Which) -> Result<(), Failure> {
    let there = match which {
        Which::Answer => true,
        Which::Reply => {
            view.query.is_some() && matches!(view.phase, Phase::Produce | Phase::Consume)
        }
        Which::Ask => view.query.is_some() && view.phase == Phase::Checkout,
    };
    if there { Ok(()) } else { Err(HOOK_OVER.into()) }
}

/// Header and RCODE of a message.
fn header_of(view: &View<'_>, which: Which) -> (Header, Rcode) {
    let request = &view.request;
    let mut header = Header { id: request.header.id, ..Header::default() };
    let mut rcode = Rcode::NOERROR;
    match which {
        Which::Answer => {
            let response = &request.response;
            rcode = response.rcode;
            header.set_qr(true);
            header.set_aa(response.authoritative);
            header.set_tc(response.truncated);
            header.set_rd(request.header.rd());
            header.set_ra(true);
            header.set_ad(response.authentic);
            header.set_cd(request.header.cd());
        }
        Which::Reply => {
            let reply = view.query.as_deref().and_then(|query| query.reply.as_ref());
            // An empty packet of `produce` is a question still.
            header.set_qr(reply.is_some());
            if let Some(reply) = reply {
                rcode = reply.rcode;
                header.set_aa(reply.authoritative);
                header.set_ra(reply.recursion_available);
            }
        }
        Which::Ask => header.set_rd(
            view.query
                .as_deref()
                .is_some_and(|query| query.cut.as_ref().is_some_and(resolve::ZoneCut::is_forward)),
        ),
    }
    header.set_rcode_low(rcode);
    (header, rcode)
}

/// `packet_head(number, which)`: id, flags, RCODE.
pub(super) fn head(call: &Call<'_>, args: &Args) -> Answer {
    let which = which(args)?;
    with(args, |view| {
        check(view, which)?;
        let (header, rcode) = header_of(view, which);
        call.ok((header.id, header.flags, rcode.0))
    })
}

/// `packet_set(number, which, 'flags' | 'code', value)`.
pub(super) fn set_head(call: &Call<'_>, args: &Args) -> Answer {
    let which = which(args)?;
    let field = args.text(2).unwrap_or_default();
    let value = args
        .integer(3)
        .and_then(|value| u16::try_from(value).ok())
        .ok_or("expected a number within <0, 65535>")?;
    with(args, |view| {
        check(view, which)?;
        let header = Header { flags: value, ..Header::default() };
        match which {
            Which::Answer => {
                let response = &mut view.request.response;
                if field == "code" {
                    response.rcode = Rcode(value);
                } else {
                    response.authoritative = header.aa();
                    response.truncated = header.tc();
                    response.authentic = header.ad();
                }
            }
            Which::Reply => {
                let reply = view.query.as_deref_mut().map(reply_of).ok_or(HOOK_OVER)?;
                if field == "code" {
                    reply.rcode = Rcode(value);
                } else {
                    reply.authoritative = header.aa();
                    reply.recursion_available = header.ra();
                }
            }
            Which::Ask => return Err(READ_ONLY.into()),
        }
        call.ok(true)
    })
}

/// Name, type and class that a message is about.
fn asked(view: &View<'_>, which: Which) -> Option<(Name, Rtype, Class)> {
    let question = &view.request.question;
    match (which, view.query.as_deref()) {
        (Which::Answer, _) => Some((question.name.clone(), question.rtype, question.class)),
        (_, Some(query)) => match &query.round {
            Some(round) => {
                let ask = &round.ask;
                Some((ask.name.clone(), ask.rtype, ask.class))
            }
            None => Some((query.name.clone(), query.rtype, query.class)),
        },
        (_, None) => None,
    }
}

/// `packet_question(number, which)`: `{ name, type, class }`.
pub(super) fn question(call: &Call<'_>, args: &Args) -> Answer {
    let which = which(args)?;
    with(args, |view| {
        check(view, which)?;
        match asked(view, which) {
            Some((name, rtype, class)) => call.ok(question_table(call.lua, &name, rtype, class)?),
            None => call.ok(Value::Nil),
        }
    })
}

/// The section that the third argument names.
fn section_of(args: &Args) -> Result<Section, Failure> {
    match args.integer(2) {
        Some(0) => Ok(Section::Answer),
        Some(1) => Ok(Section::Authority),
        Some(2) => Ok(Section::Additional),
        _ => Err("section must be a number within <0, 2>".into()),
    }
}

fn sets<'a>(view: &'a View<'_>, which: Which, section: Section) -> &'a [SignedSet] {
    let response = &view.request.response;
    let reply = view.query.as_deref().and_then(|query| query.reply.as_ref());
    match (which, section) {
        (Which::Answer, Section::Answer) => &response.answer,
        (Which::Answer, Section::Authority) => &response.authority,
        (Which::Answer, Section::Additional) => &response.additional,
        (Which::Reply, section) => match (reply, section) {
            (Some(reply), Section::Answer) => &reply.answer,
            (Some(reply), Section::Authority) => &reply.authority,
            (Some(reply), Section::Additional) => &reply.additional,
            (None, _) => &[],
        },
        (Which::Ask, _) => &[],
    }
}

fn sets_mut<'a>(
    view: &'a mut View<'_>,
    which: Which,
    section: Section,
) -> Result<&'a mut Vec<SignedSet>, Failure> {
    match which {
        Which::Answer => {
            let response = &mut view.request.response;
            Ok(match section {
                Section::Answer => &mut response.answer,
                Section::Authority => &mut response.authority,
                Section::Additional => &mut response.additional,
            })
        }
        Which::Reply => {
            let reply = view.query.as_deref_mut().map(reply_of).ok_or(HOOK_OVER)?;
            Ok(match section {
                Section::Answer => &mut reply.answer,
                Section::Authority => &mut reply.authority,
                Section::Additional => &mut reply.additional,
            })
        }
        Which::Ask => Err(READ_ONLY.into()),
    }
}

/// `packet_section(number, which, section)`: a list of records. Signatures come behind the set that
/// they cover; in the response they are there if the client wants them.
pub(super) fn section(call: &Call<'_>, args: &Args) -> Answer {
    let (which, section) = (which(args)?, section_of(args)?);
    with(args, |view| {
        check(view, which)?;
        let signed = which != Which::Answer || view.request.dnssec_ok();
        let list = call.lua.create_table()?;
        for entry in sets(view, which, section) {
            let set = &entry.set;
            for rdata in set.rdatas.iter() {
                let record =
                    record_from(call.lua, &set.owner, set.rtype, set.class, set.ttl, rdata)?;
                list.raw_push(record)?;
            }
            for rdata in entry.signatures.iter().filter(|_| signed) {
                let record =
                    record_from(call.lua, &set.owner, Rtype::RRSIG, set.class, set.ttl, rdata)?;
                list.raw_push(record)?;
            }
        }
        call.ok(list)
    })
}

/// `packet_put(number, which, section, owner, ttl, class, type, rdata)`: whether it was added.
pub(super) fn put(call: &Call<'_>, args: &Args) -> Answer {
    let (which, section) = (which(args)?, section_of(args)?);
    let octets = |at: usize, what: &str| match args.value(at) {
        Value::String(octets) => Ok(octets.as_bytes().to_vec()),
        _ => Err(Failure::from(format!("{what} must be a string of octets"))),
    };
    let owner = Name::from_wire(&octets(3, "owner")?)
        .map_err(|fault| format!("owner is not a name in wire format: {fault}"))?;
    let ttl = args.integer(4).and_then(|ttl| u32::try_from(ttl).ok());
    let ttl = ttl.ok_or("ttl must be a number within <0, 4294967295>")?;
    let number = |at: usize, what: &str| -> Result<u16, Failure> {
        args.integer(at)
            .and_then(|number| u16::try_from(number).ok())
            .ok_or_else(|| format!("{what} must be a number within <0, 65535>").into())
    };
    let (class, rtype) = (Class(number(5, "class")?), Rtype(number(6, "type")?));
    let rdata = octets(7, "rdata")?;
    with(args, |view| {
        check(view, which)?;
        add_record(sets_mut(view, which, section)?, &owner, ttl, class, rtype, &rdata);
        call.ok(true)
    })
}

/// Adds a record to the set it belongs to, a signature to the set that it covers.
fn add_record(
    sets: &mut Vec<SignedSet>,
    owner: &Name,
    ttl: u32,
    class: Class,
    rtype: Rtype,
    rdata: &[u8],
) {
    if rtype == Rtype::RRSIG
        && let Some(covered) = dns::rrset::covered(rdata)
        && let Some(signed) =
            sets.iter_mut().find(|s| s.set.rtype == covered && s.set.owner == *owner)
    {
        signed.signatures.push(rdata);
        return;
    }
    let same = |signed: &&mut SignedSet| {
        let set = &signed.set;
        set.rtype == rtype && set.class == class && set.owner == *owner
    };
    match sets.iter_mut().find(same) {
        Some(signed) => {
            signed.set.ttl = signed.set.ttl.min(ttl);
            signed.set.rdatas.push(rdata);
        }
        None => {
            let mut set = Rrset::new(owner.clone(), rtype, class, ttl);
            set.rdatas.push(rdata);
            let rank = Rank::INSECURE.with_auth();
            sets.push(SignedSet { set, signatures: Rdatas::new(), rank });
        }
    }
}

/// `packet_clear(number, which, section)`.
pub(super) fn clear(call: &Call<'_>, args: &Args) -> Answer {
    let (which, section) = (which(args)?, section_of(args)?);
    with(args, |view| {
        check(view, which)?;
        sets_mut(view, which, section)?.clear();
        call.ok(true)
    })
}

/// `packet_wire(number, which)`: the octets as they would leave now.
pub(super) fn wire(call: &Call<'_>, args: &Args) -> Answer {
    let which = which(args)?;
    with(args, |view| {
        check(view, which)?;
        let octets = if which == Which::Answer {
            let request = &mut *view.request;
            RequestContext { now: view.now, core: &mut *view.core, request }.response_wire()
        } else {
            compose(view, which)?
        };
        call.ok(call.lua.create_string(octets)?)
    })
}

fn compose(view: &View<'_>, which: Which) -> Result<Vec<u8>, Failure> {
    let (header, _) = header_of(view, which);
    let mut out = Vec::new();
    let mut composer = Composer::new(&mut out, header, dns::limits::MESSAGE_BYTES_MAX);
    let full = |_| Failure::from("the message is too long");
    if let Some((name, rtype, class)) = asked(view, which) {
        composer.question(&name, rtype, class).map_err(full)?;
    }
    for section in [Section::Answer, Section::Authority, Section::Additional] {
        for signed in sets(view, which, section) {
            let set = &signed.set;
            composer.rrset(section, set).map_err(full)?;
            if !signed.signatures.is_empty() {
                let signatures = signed.signatures.iter();
                composer
                    .records(section, &set.owner, Rtype::RRSIG, set.class, set.ttl, signatures)
                    .map_err(full)?;
            }
        }
    }
    composer.finish(None);
    Ok(out)
}

/// `packet_edns(number, which)`: `{ udp_size, version, dnssec_ok }`, nil without OPT.
pub(super) fn edns(call: &Call<'_>, args: &Args) -> Answer {
    let which = which(args)?;
    with(args, |view| {
        check(view, which)?;
        let entry = |udp_size: u16, dnssec_ok: bool| -> Result<Table, Failure> {
            let entry = call.lua.create_table()?;
            entry.raw_set("udp_size", udp_size)?;
            entry.raw_set("version", dns::edns::VERSION)?;
            entry.raw_set("dnssec_ok", dnssec_ok)?;
            Ok(entry)
        };
        let settings = &view.core.settings;
        let found = match (which, &view.request.edns) {
            (Which::Answer, Some(edns)) => {
                Some(entry(settings.udp_size_downstream, edns.dnssec_ok)?)
            }
            (Which::Reply, _) => {
                let reply = view.query.as_deref().and_then(|query| query.reply.as_ref());
                let has_edns = reply.is_some_and(|reply| reply.has_edns);
                has_edns.then(|| entry(settings.udp_size_upstream, true)).transpose()?
            }
            (Which::Answer, None) | (Which::Ask, _) => None,
        };
        call.ok(found)
    })
}
