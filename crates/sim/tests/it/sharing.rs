//! Many clients at once, and clients that repeat what fails.

use std::time::Duration;

use dns::{Message, Rcode};
use sim::net::Link;
use sim::simulate::{client, query};
use sim::world::Manner;

use crate::town::{Town, address, ask, question};

const SLOW: &str = "192.0.2.10";

fn town() -> Town {
    let mut town = Town::new();
    town.delegate("example.net.", &[("ns.example.net.", SLOW)]);
    town.zone("example.net.", &[SLOW], &format!("@ NS ns\n ns A {SLOW}\n www A 203.0.113.7"));
    town
}

#[test]
fn five_hundred_clients_share_one_question() {
    const CLIENTS: u64 = 500;
    let mut driver = town().open();
    let link = Link { latency: Duration::from_millis(100), ..Link::default() };
    driver.upstreams_mut().links.insert(address(SLOW), link);
    // Learns the way there and how long it takes.
    ask(&mut driver, 10_000, "other.example.net. A");
    let before = driver.upstreams().asked(address(SLOW));
    for token in 0..CLIENTS {
        let wire = query(token as u16, &question("www.example.net. A"), None);
        driver.request(Duration::from_micros(token * 100), client(token), wire);
    }
    driver.run_until_quiet(Duration::from_secs(20));
    assert_eq!(driver.invariants().violations(), [""; 0]);
    for token in 0..CLIENTS {
        let wire = driver.response(token).and_then(|response| response.wire.as_deref()).unwrap();
        let message = Message::parse(wire).unwrap();
        assert_eq!(message.header().id, token as u16);
        assert_eq!((message.rcode(), message.answer().len()), (Rcode::NOERROR, 1));
    }
    assert_eq!(driver.upstreams().asked(address(SLOW)) - before, 1);
}

#[test]
fn what_fails_is_not_asked_again_at_once() {
    let mut town = town();
    town.manner(SLOW, Manner::Says(Rcode::SERVFAIL));
    let mut driver = town.open();
    for token in 0..190 {
        let result = ask(&mut driver, token, "www.example.net. A");
        assert_eq!(result.rcode, Rcode::SERVFAIL);
        driver.run_for(Duration::from_millis(50));
    }
    // Ten seconds; at most 0.4 questions a second may get through, after the first four.
    let asked = driver.upstreams().asked(address(SLOW));
    assert!(asked <= 8, "{asked} questions");
}

#[test]
fn a_client_that_leaves_leaves_nothing_behind() {
    let mut town = town();
    town.manner(SLOW, Manner::Silent);
    let mut driver = town.open();
    let wire = query(1, &question("www.example.net. A"), None);
    driver.request(Duration::ZERO, client(1), wire);
    driver.client_gone(Duration::from_millis(300), 1);
    driver.run_until_quiet(Duration::from_secs(20));
    assert_eq!(driver.invariants().violations(), [""; 0]);
    assert!(driver.response(1).is_none());
}
