//! Replies of upstreams that come at once, late, or now this and now that way: none is missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::modules::{question, stub, upstream_with};
use crate::process::Running;

/// Questions that are open at the same time.
const TOGETHER: usize = 20;

/// The address that every name has.
const ADDRESS: [u8; 4] = [192, 0, 2, 9];

#[test]
fn replies_are_taken_whether_they_come_at_once_or_late() {
    let delay = Arc::new(AtomicU64::new(0));
    let of_server = delay.clone();
    let port = upstream_with(ADDRESS, move || {
        std::thread::sleep(Duration::from_millis(of_server.load(Relaxed)));
        true
    });
    let running = Running::start(&stub(port));
    let socket = running.datagrams();
    let mut number = 0;
    for (milliseconds, rounds) in [(0, 20), (4, 5), (0, 5), (4, 1), (0, 10)] {
        delay.store(milliseconds, Relaxed);
        for _ in 0..rounds {
            for _ in 0..TOGETHER {
                number += 1;
                socket.send(&question(&format!("n{number}.lab"), 1, &[])).unwrap();
            }
            for _ in 0..TOGETHER {
                let mut answer = [0; 512];
                let length = socket.recv(&mut answer).expect("each question is answered");
                assert_eq!(answer[3] & 0xf, 0, "NOERROR after {milliseconds} ms");
                let has_address = answer[..length].windows(4).any(|four| *four == ADDRESS);
                assert!(has_address, "{:?}", &answer[..length]);
            }
        }
    }
}
