//! Made-up names by the hundred in one signed zone: after the first few, none costs a question, each
//! answer is what a first look would say, and what stands between the names that are denied is found.

use std::time::Duration;

use dns::{Class, Message, Name, Question, Rcode, Rtype};
use sim::drive::Driver;
use sim::net::Network;
use sim::sign::{Absence, Plan};
use sim::signed::{SignedWorld, plan};

use crate::odd_names::at_once;
use crate::validation::ask;

/// Names of the zone, and names between them that do not exist.
const NAMES: usize = 40;
const MADE_UP: usize = 300;

fn questions() -> Vec<Question> {
    (0..MADE_UP)
        .map(|number| {
            // Between two names, and some of them below one.
            let (at, below) = (number * 7 % NAMES, if number % 5 == 0 { "x." } else { "" });
            let name: Name = format!("{below}n{at:02}x{number}.zone.").parse().unwrap();
            Question { name, rtype: Rtype::A, class: Class::IN }
        })
        .collect()
}

/// The rcode and the TTL of the SOA of each answer; `None` where somebody had to be asked.
fn said(driver: &mut Driver<Network>, questions: &[Question]) -> Vec<Option<(Rcode, u32)>> {
    let answers = at_once(driver, questions, false);
    let read = |wire: Vec<u8>| {
        let message = Message::parse(&wire).unwrap();
        let soa = message.authority().next().unwrap();
        (message.header().rcode_low(), soa.ttl())
    };
    answers.into_iter().map(|answer| answer.map(read)).collect()
}

#[test]
fn made_up_names_are_denied_from_memory_and_no_other() {
    let nsec3 = Absence::Nsec3 { salt: vec![1, 2], iterations: 1, opt_out: false };
    for absence in [Absence::Nsec, nsec3] {
        let mut world = SignedWorld::new().unwrap();
        let text: String =
            (0..NAMES).map(|number| format!("n{number:02}.zone. A 192.0.2.1\n")).collect();
        world.zone("zone.", Some(Plan { absence: absence.clone(), ..plan() }), &text).unwrap();
        let mut driver = world.open().unwrap();
        let questions = questions();
        for question in &questions {
            let got = ask(&mut driver, "DO", &format!("{} A", question.name));
            assert_eq!((got.rcode, got.ad), (Rcode::NXDOMAIN, true), "{absence:?}");
        }
        let mut ttl_before = u32::MAX;
        for _ in 0..3 {
            // What all say at first is what they say when the same has been said often.
            let first = said(&mut driver, &questions);
            assert_eq!(said(&mut driver, &questions), first, "{absence:?}");
            assert!(first.iter().all(|it| it.is_some_and(|(rcode, _)| rcode == Rcode::NXDOMAIN)));
            let ttl = first.iter().flatten().map(|(_, ttl)| *ttl).max().unwrap();
            assert!(ttl < ttl_before, "{ttl} after {ttl_before}");
            ttl_before = ttl;
            driver.run_for(Duration::from_secs(2));
        }
        // Names that exist are no less there; what they teach changes nothing about the others.
        for number in 0..NAMES {
            let got = ask(&mut driver, "", &format!("n{number:02}.zone. A"));
            assert_eq!(got.rcode, Rcode::NOERROR, "{absence:?} {number}");
            let denied = said(&mut driver, &questions[number..number + 1]);
            assert_eq!(denied[0].map(|(rcode, _)| rcode), Some(Rcode::NXDOMAIN));
        }
    }
}
