//! `predict`: answers that are about to expire are asked for again, so that whoever asks next need
//! not wait. What is to be asked at certain times of the day is learnt elsewhere and handed in by a
//! command.
//!
//! The layer notes names when a response is complete; a second later at most they are asked upstream.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use dns::{Name, Rtype};
use hashbrown::HashSet;
use resolve::answer_cache::LIFE_SECONDS_MAX;
use resolve::keyed::Keyed;
use resolve::{ClientProtocol, Hooks, Layer, Mono, RequestContext, State};

use crate::{Command, Environment, Manner, Module, Question, Refusal, Value};

#[cfg(test)]
mod tests;

/// The name of the module.
pub const NAME: &str = "predict";

/// Between two looks at what is waiting.
const PERIOD: Duration = Duration::from_secs(1);
/// Questions asked at each look: few next to what clients ask.
const ASKED_AT_ONCE: usize = 50;
/// Questions that wait or are under way; more are not noted, their answers just expire.
const WAITING_MAX: usize = 5_000;
/// A record is about to expire with less than this and one in [`SHARE`] of its life left, in seconds.
const MARGIN: i64 = 5;
/// See [`MARGIN`].
const SHARE: i64 = 100;

const COMMANDS: &[Command] = &[Command {
    name: "refresh",
    usage: "refresh(name, type)",
    doc: "ask a question upstream in the background; whether it was noted",
}];

/// Questions that are to be asked.
struct Waiting {
    queue: VecDeque<(Name, Rtype)>,
    /// Those of the queue and those under way.
    known: HashSet<(Name, Rtype), Keyed>,
}

impl Waiting {
    fn new(keys: Keyed) -> Waiting {
        Waiting { queue: VecDeque::new(), known: HashSet::with_hasher(keys) }
    }

    fn note(&mut self, name: &Name, rtype: Rtype) -> bool {
        let question = (name.to_lowercase(), rtype);
        if self.known.len() >= WAITING_MAX || self.known.contains(&question) {
            return false;
        }
        self.known.insert(question.clone());
        self.queue.push_back(question);
        true
    }
}

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    let waiting = Rc::new(RefCell::new(Waiting::new(Keyed(0, 0))));
    Box::new(Predict { waiting, asked: VecDeque::new(), number: 0, due: None })
}

struct Predict {
    waiting: Rc<RefCell<Waiting>>,
    /// Questions under way, by number, the oldest first.
    asked: VecDeque<(u16, (Name, Rtype))>,
    number: u16,
    due: Option<Mono>,
}

impl Predict {
    fn forget(&mut self, number: u16) {
        if let Some(at) = self.asked.iter().position(|(known, _)| *known == number)
            && let Some((_, question)) = self.asked.remove(at)
        {
            self.waiting.borrow_mut().known.remove(&question);
        }
    }
}

impl Module for Predict {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        Some(Box::new(PredictLayer { waiting: self.waiting.clone() }))
    }

    fn start(&mut self, env: &dyn Environment) -> Result<(), Refusal> {
        *self.waiting.borrow_mut() = Waiting::new(Keyed(env.random(), env.random()));
        self.due = Some(env.now().mono + PERIOD);
        Ok(())
    }

    fn commands(&self) -> &'static [Command] {
        COMMANDS
    }

    fn call(
        &mut self,
        _env: &dyn Environment,
        _command: &str,
        arguments: &[Value],
    ) -> Result<Value, Refusal> {
        let text = |at: usize| arguments.get(at).and_then(Value::as_text);
        let name = text(0).and_then(|text| text.parse::<Name>().ok());
        let rtype = text(1).and_then(|text| text.parse::<Rtype>().ok());
        let (Some(name), Some(rtype)) = (name, rtype) else {
            return Err(Refusal::new("expected refresh(name, type)"));
        };
        Ok(Value::Bool(self.waiting.borrow_mut().note(&name, rtype)))
    }

    fn deadline(&self) -> Option<Mono> {
        self.due
    }

    fn handle_deadline(&mut self, env: &dyn Environment) {
        self.due = Some(env.now().mono + PERIOD);
        for _ in 0..ASKED_AT_ONCE {
            let Some((name, rtype)) = self.waiting.borrow_mut().queue.pop_front() else { break };
            let number = self.number;
            self.number = self.number.wrapping_add(1);
            self.asked.push_back((number, (name.clone(), rtype)));
            let manner = Manner { uncached: true, ..Manner::default() };
            env.ask_with(Question { number, name, rtype }, manner);
        }
    }

    fn handle_answer(&mut self, _env: &dyn Environment, number: u16, _answer: Option<&[u8]>) {
        self.forget(number);
    }
}

struct PredictLayer {
    waiting: Rc<RefCell<Waiting>>,
}

impl Layer for PredictLayer {
    fn name(&self) -> &str {
        NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::ANSWER_FINALIZE
    }

    fn is_transparent(&self) -> bool {
        // Answers that it wants to see again are marked.
        true
    }

    fn answer_finalize(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        if !ctx.request.cached || ctx.request.client.protocol == ClientProtocol::Internal {
            return state;
        }
        let answer = &ctx.request.response.answer;
        let Some(left) = answer.iter().map(|signed| signed.set.ttl).min() else { return state };
        let now = ctx.now.unix.seconds();
        let mut expiring = Vec::new();
        for signed in answer {
            let (name, rtype) = (&signed.set.owner, signed.set.rtype);
            // Most answers have long to live: only of the others the whole life is looked up.
            if i64::from(signed.set.ttl) > MARGIN + i64::from(TTL_LOOKED_UP_MAX) / SHARE {
                continue;
            }
            let Some(hit) = ctx.core.cache.peek(now, name, rtype) else { continue };
            if (hit.ttl_left - MARGIN) * SHARE < i64::from(hit.life) {
                expiring.push((name.clone(), rtype));
            }
        }
        if u64::from(left) <= LIFE_SECONDS_MAX + MARGIN as u64 || !expiring.is_empty() {
            // Served past the layers it would not be seen again before its end.
            ctx.request.shareable = false;
        }
        let mut waiting = self.waiting.borrow_mut();
        for (name, rtype) in expiring {
            waiting.note(&name, rtype);
        }
        state
    }
}

/// The longest life that records are given (a week, RFC 8767 §4); a hundredth of it is the most that
/// may be left.
const TTL_LOOKED_UP_MAX: u32 = 7 * 24 * 3600;
