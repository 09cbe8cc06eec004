//! The sets that a request has collected for its response, as scripts look through them.

use dns::Rtype;
use mlua::Value;
use resolve::State;
use store::cache::entry::SignedSet;

use super::super::kres::packet::record_from;
use super::{Call, query_key, with};
use crate::convert::{Answer, Args, Failure};
use crate::interpreter::lent::View;

/// The sets of a section: those of the response, and before them those that the client's query has
/// just been told.
fn sets<'a>(view: &'a View<'_>, section: i64) -> (&'a [SignedSet], &'a [SignedSet]) {
    let response = &view.request.response;
    let reply = view
        .query
        .as_deref()
        .filter(|query| query.is_for_client() && query.parent.is_none())
        .and_then(|query| query.reply.as_ref())
        .filter(|_| view.state != State::Fail);
    match section {
        0 => (&response.answer, reply.map_or(&[], |reply| &reply.answer)),
        1 => (&response.authority, reply.map_or(&[], |reply| &reply.authority)),
        _ => (&response.additional, reply.map_or(&[], |reply| &reply.additional)),
    }
}

fn section_of(args: &Args) -> Result<i64, Failure> {
    args.integer(1)
        .filter(|section| (0..=2).contains(section))
        .ok_or_else(|| "section must be a number within <0, 2>".into())
}

/// `selected(number, section)`: a list of `{ owner, type, class, ttl, rank, cached, rdata... }`.
/// Signatures are entries of their own, as elsewhere.
pub(super) fn list(call: &Call<'_>, args: &Args) -> Answer {
    let section = section_of(args)?;
    with(args, |view| {
        let (kept, told) = sets(view, section);
        let list = call.lua.create_table()?;
        let key = query_key(view.query.as_deref());
        for signed in kept.iter().chain(told) {
            for (rtype, rdatas) in
                [(signed.set.rtype, &signed.set.rdatas), (Rtype::RRSIG, &signed.signatures)]
            {
                if rdatas.is_empty() {
                    continue;
                }
                let set = &signed.set;
                let entry = record_from(call.lua, &set.owner, rtype, set.class, set.ttl, &[])?;
                entry.raw_set("rdata", Value::Nil)?;
                for rdata in rdatas.iter() {
                    entry.raw_push(call.lua.create_string(rdata)?)?;
                }
                entry.raw_set("rank", signed.rank.to_byte())?;
                entry.raw_set("cached", view.request.cached)?;
                entry.raw_set("qry_uid", (key >> 8).max(0))?;
                list.raw_push(entry)?;
            }
        }
        call.ok(list)
    })
}

/// `unselect(number, section, owner, type)`: takes a set out of the response.
pub(super) fn remove(call: &Call<'_>, args: &Args) -> Answer {
    let section = section_of(args)?;
    let Value::String(owner) = args.value(2) else {
        return Err("owner must be a name in wire format".into());
    };
    let owner = dns::Name::from_wire(&owner.as_bytes())
        .map_err(|fault| format!("owner is not a name in wire format: {fault}"))?;
    let rtype = args.integer(3).and_then(|number| u16::try_from(number).ok());
    let rtype = Rtype(rtype.ok_or("type must be a number within <0, 65535>")?);
    with(args, |view| {
        let stays = |signed: &SignedSet| signed.set.rtype != rtype || signed.set.owner != owner;
        let response = &mut view.request.response;
        let reply = view.query.as_deref_mut().and_then(|query| query.reply.as_mut());
        match section {
            0 => {
                response.answer.retain(stays);
                if let Some(reply) = reply {
                    reply.answer.retain(stays);
                }
            }
            1 => {
                response.authority.retain(stays);
                if let Some(reply) = reply {
                    reply.authority.retain(stays);
                }
            }
            _ => {
                response.additional.retain(stays);
                if let Some(reply) = reply {
                    reply.additional.retain(stays);
                }
            }
        }
        call.ok(true)
    })
}
