//! Switches of queries, by the configuration or with one request, and what they change.

use std::cell::RefCell;
use std::rc::Rc;

use dns::{Name, Rtype};
use resolve::flags::QueryFlags;
use resolve::layer::stack::Place;
use resolve::{ClientProtocol, Hooks, Layer, QueryContext, Settings, State};

use crate::world::{Asked, Does, ROOT, World, settings};

fn small(asked: &Asked) -> Does {
    match asked.ip().to_string().as_str() {
        ROOT => asked
            .say()
            .authority("example. 3600 NS ns.example.")
            .additional("ns.example. 3600 A 192.0.2.1")
            .into(),
        _ => asked.say().aa().answer(&format!("{} 300 A 192.0.2.80", asked.name)).into(),
    }
}

/// Asks the same with a switch of the configuration, and then of the request alone.
fn check(switch: QueryFlags, holds: impl Fn(&[Asked]) -> bool) {
    let always = Settings { flags: switch, ..settings() };
    let mut world = World::with(always, small);
    world.ask("www.example.", Rtype::A);
    assert!(holds(&world.asked), "{switch:?}: {:?}", world.asked);

    let mut world = World::new(small);
    world.ask("www.example.", Rtype::A);
    assert!(!holds(&world.asked), "without {switch:?}: {:?}", world.asked);
    world.asked.clear();
    world.switches = switch;
    world.ask("more.example.", Rtype::A);
    assert!(holds(&world.asked), "{switch:?}: {:?}", world.asked);
}

#[test]
fn over_tcp_only() {
    check(QueryFlags::TCP, |asked| asked.iter().all(|asked| asked.tcp));
}

#[test]
fn without_edns() {
    check(QueryFlags::NO_EDNS, |asked| asked.iter().all(|asked| !asked.edns));
}

#[test]
fn in_the_letters_of_the_question() {
    check(QueryFlags::NO_0X20, |asked| {
        asked.iter().all(|asked| asked.name.as_wire().to_ascii_lowercase() == asked.name.as_wire())
    });
}

#[test]
fn with_the_whole_name_at_once() {
    check(QueryFlags::NO_MINIMIZE, |asked| asked.iter().all(|asked| asked.name.label_count() == 2));
}

#[test]
fn past_the_cache() {
    let mut world = World::new(small);
    world.ask("www.example.", Rtype::A);
    world.ask("www.example.", Rtype::A);
    assert_eq!(world.asked.len(), 2);
    world.switches = QueryFlags::NO_CACHE;
    world.ask("www.example.", Rtype::A);
    assert_eq!(world.asked.len(), 4);
}

#[test]
fn without_an_answer() {
    let mut world = World::new(small);
    world.switches = QueryFlags::NO_ANSWER;
    let query = [&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x01x\x07example\0\0\x01\0\x01"];
    world.send_wire(&query.concat(), ClientProtocol::Udp);
    world.settle();
    assert_eq!(world.asked.len(), 2, "it is resolved all the same");
    world.switches = QueryFlags::empty();
    assert_eq!(world.ask("x.example.", Rtype::A).answer(), ["x.example. A 192.0.2.80"]);
    assert_eq!(world.asked.len(), 2);
}

/// Writes down the zone cuts that it sees with answers.
struct Watcher(Rc<RefCell<Vec<Option<Name>>>>);

impl Layer for Watcher {
    fn name(&self) -> &str {
        "watcher"
    }

    fn hooks(&self) -> Hooks {
        Hooks::CONSUME
    }

    fn consume(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        self.0.borrow_mut().push(ctx.query.cut.as_ref().map(|cut| cut.name.clone()));
        state
    }
}

#[test]
fn with_the_zone_cut_of_what_the_cache_knows() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let mut world = World::new(small);
    let watcher = Box::new(Watcher(seen.clone()));
    world.resolver.layers_mut().insert(watcher, Place::Last).unwrap();
    world.ask("www.example.", Rtype::A);
    seen.borrow_mut().clear();
    world.ask("www.example.", Rtype::A);
    assert_eq!(*seen.borrow(), [None]);
    world.switches = QueryFlags::ALWAYS_CUT;
    world.ask("www.example.", Rtype::A);
    assert_eq!(seen.borrow()[1], Some("example.".parse().unwrap()));
    assert_eq!(world.asked.len(), 2);
}
