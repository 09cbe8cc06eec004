//! `workarounds`: names whose servers cannot cope with what the standards allow.
//!
//! It depends on the name that is asked for alone, so the layer is transparent.

use dns::Name;
use resolve::flags::QueryFlags;
use resolve::{Hooks, Layer, QueryContext, State};

use crate::Module;

/// The name of the module.
pub const NAME: &str = "workarounds";

/// Names at and below which the letter case of questions must not vary: the servers answer by the
/// letter, or give another answer for each spelling (DNS violations DVE-2017-0003 and
/// DVE-2017-0006 of the DNS-OARC collection, and later finds).
const KEEP_CASE: &[&str] = &[
    "avqs.mcafee.com.",
    "avts.mcafee.com.",
    "cdnga.com.",
    "cdngc.com.",
    "cdngc.net.",
    "cdngd.com.",
    "cdngl.com.",
    "cdngm.com.",
    "magazine-fashion.net.",
    "panthercdn.com.",
];

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    Box::new(Workarounds)
}

struct Workarounds;

impl Module for Workarounds {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        // A name that does not parse would be missing; a test counts them.
        let keep_case = KEEP_CASE.iter().filter_map(|text| text.parse().ok()).collect();
        Some(Box::new(WorkaroundsLayer { keep_case }))
    }
}

struct WorkaroundsLayer {
    keep_case: Vec<Name>,
}

impl Layer for WorkaroundsLayer {
    fn name(&self) -> &str {
        NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::RESET
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn reset(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        if self.keep_case.iter().any(|name| ctx.query.name.is_at_or_below(name)) {
            ctx.query.flags |= QueryFlags::NO_0X20;
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::testing::{World, says};

    #[test]
    fn all_names_parse() {
        assert_eq!(
            KEEP_CASE.iter().filter(|text| text.parse::<Name>().is_ok()).count(),
            KEEP_CASE.len()
        );
    }

    /// The spellings in which a name reached the server.
    fn spellings(loaded: bool, name: &str) -> Vec<String> {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let remember = seen.clone();
        let mut world = World::new(|_, _| says(&["example. 0 SOA a. b. 1 2 3 4 0"]));
        world.watch =
            Some(Box::new(move |name: &Name| remember.borrow_mut().push(name.to_string())));
        if loaded {
            world.load(NAME);
        }
        for _ in 0..4 {
            world.ask(name, "A");
            world.pass(std::time::Duration::from_secs(60));
        }
        seen.take()
    }

    #[test]
    fn the_letter_case_of_these_names_does_not_vary() {
        let name = "A-long-Label.avqs.McAfee.com.";
        let seen = spellings(true, name);
        assert!(seen.iter().all(|spelling| *spelling == name.to_ascii_lowercase()), "{seen:?}");
        let others = spellings(true, "a-long-label.mcafee.com.");
        assert!(others.iter().any(|spelling| *spelling != spelling.to_ascii_lowercase()));
        let without = spellings(false, name);
        assert!(without.iter().any(|spelling| *spelling != spelling.to_ascii_lowercase()));
    }
}
