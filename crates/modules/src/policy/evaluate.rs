//! Tries rules one by one until one of them decides what becomes of the request.

use std::rc::Rc;

use dns::{Message, Name, Rtype};
use resolve::{RequestContext, State, trace};
use smallvec::SmallVec;

use super::action::{apply, fail};
use super::names::{Key, Seed};
use super::rpz::Verdict;
use super::rule::{Action, Client, Filter, FunctionId};
use super::{Entry, Functions, List};

/// What rules look at, worked out once for a request and only if a rule asks for it.
pub(super) struct Subject {
    seed: Seed,
    key: Option<Key>,
    tsig: Option<Option<Name>>,
}

impl Subject {
    pub(super) fn new(seed: Seed) -> Subject {
        Subject { seed, key: None, tsig: None }
    }

    fn key(&mut self, ctx: &RequestContext<'_>) -> &Key {
        let seed = self.seed;
        self.key.get_or_insert_with(|| Key::new(seed, &ctx.request.question.name))
    }

    fn admits(&mut self, entry: &Entry, ctx: &RequestContext<'_>) -> bool {
        if entry.suspended.get() {
            return false;
        }
        match &entry.rule.client {
            None => true,
            Some(Client::Source(network)) => network.contains(ctx.request.client.peer.ip()),
            Some(Client::Destination(network)) => network.contains(ctx.request.client.local.ip()),
            Some(Client::Tsig(name)) => {
                let asked = self.tsig.get_or_insert_with(|| key_name(&ctx.request.wire));
                asked.as_ref() == Some(name)
            }
        }
    }
}

/// The name of the key that a message is signed with (RFC 8945 §4.2).
fn key_name(wire: &[u8]) -> Option<Name> {
    let message = Message::parse(wire).ok()?;
    let last = message.additional().last()?;
    (last.rtype() == Rtype::TSIG).then(|| last.owner())
}

/// Who helps with the evaluation of a list.
#[derive(Clone, Copy)]
pub(super) struct Helpers<'f> {
    pub(super) functions: Option<&'f dyn Functions>,
    pub(super) list: List,
}

/// Tries the rules. The state that the first of them decided on; nothing if none did.
pub(super) fn evaluate(
    entries: &[Rc<Entry>],
    subject: &mut Subject,
    helpers: Helpers<'_>,
    ctx: &mut RequestContext<'_>,
    state: State,
) -> Option<State> {
    let mut at = 0;
    while let Some(entry) = entries.get(at) {
        at += 1;
        if entry.rule.client.is_some() && helpers.list != List::View {
            // The classes of clients are made of the rules of `view` alone.
            ctx.request.shareable = false;
        }
        if !subject.admits(entry, ctx) {
            continue;
        }
        let is_selected = match &entry.rule.filter {
            Filter::All => true,
            Filter::Suffix(names) => names.has_at_or_above(subject.key(ctx)),
            Filter::Domains(names) => names.has(subject.key(ctx)),
            Filter::Pattern(pattern) => pattern.is_in(subject.key(ctx).wire()),
            Filter::Rpz(slot) => {
                let zone = slot.zone();
                let verdict = zone.as_ref().and_then(|zone| zone.find(subject.key(ctx)));
                if let Some(Verdict::Action(action)) = verdict {
                    count(entry, ctx);
                    if let Some(next) = apply(action, helpers, ctx, state) {
                        return Some(next);
                    }
                }
                verdict == Some(Verdict::Given)
            }
            Filter::Function(_) => {
                // Neighbours are asked together: entering the interpreter costs more than they do.
                at -= 1;
                let asked = functions_from(entries, at, subject, ctx);
                let (next, used) = ask_functions(&entries[at..], &asked, helpers, ctx, state);
                if next.is_some() {
                    return next;
                }
                at += used;
                false
            }
        };
        if is_selected && let Some(next) = apply_entry(entry, helpers, ctx, state) {
            return Some(next);
        }
    }
    None
}

/// The functions of neighbouring rules from a place on, whose conditions on the client hold.
fn functions_from(
    entries: &[Rc<Entry>],
    at: usize,
    subject: &mut Subject,
    ctx: &RequestContext<'_>,
) -> SmallVec<[FunctionId; 8]> {
    let mut functions = SmallVec::new();
    for entry in &entries[at..] {
        match &entry.rule.filter {
            Filter::Function(function) if subject.admits(entry, ctx) => functions.push(*function),
            _ => break,
        }
    }
    functions
}

/// Asks functions, the filters of the first entries. The state that was decided on, and how many of
/// the entries have had their turn.
fn ask_functions(
    entries: &[Rc<Entry>],
    asked: &[FunctionId],
    helpers: Helpers<'_>,
    ctx: &mut RequestContext<'_>,
    state: State,
) -> (Option<State>, usize) {
    // Whatever they look at, others who ask the same may be treated otherwise.
    ctx.request.shareable = false;
    let Some(functions) = helpers.functions else { return (None, asked.len()) };
    match functions.filter(asked, ctx, state, helpers.list) {
        Ok(Some((at, action))) => {
            if let Some(entry) = entries.get(at) {
                count(entry, ctx);
            }
            (apply(&action, helpers, ctx, state), at + 1)
        }
        Ok(None) => (None, asked.len()),
        Err(fault) => (Some(fail(ctx, &fault)), asked.len()),
    }
}

/// Counts a rule that applies.
fn count(entry: &Entry, ctx: &mut RequestContext<'_>) {
    entry.tally.count();
    ctx.request.tallies.push(entry.tally.clone());
    if ctx.is_traced() {
        let question = &ctx.request.question;
        let (name, rtype) = (question.name.clone(), question.rtype);
        trace!(ctx, Policy, "rule {} applies to '{name}' {rtype}", entry.id.0);
    }
}

fn apply_entry(
    entry: &Entry,
    helpers: Helpers<'_>,
    ctx: &mut RequestContext<'_>,
    state: State,
) -> Option<State> {
    // An answer for other types does not apply, and is not counted.
    if let Action::Answer { records, nodata: false } = &entry.rule.action
        && !records.iter().any(|records| records.rtype == ctx.request.question.rtype)
    {
        return None;
    }
    count(entry, ctx);
    apply(&entry.rule.action, helpers, ctx, state)
}
