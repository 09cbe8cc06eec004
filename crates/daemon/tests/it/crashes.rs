//! Processes that crash: one worker of four again and again, and a question that ends a process which
//! has no parent.
//!
//! `cargo xtask bench crashes` lets more of them happen than the default.

#![allow(clippy::print_stdout, reason = "figures for whoever runs many of them")]
#![allow(clippy::disallowed_methods, reason = "how long a start takes is measured")]

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::group::{LOCAL, forwarding, process_of, question, slow_upstream, workers};
use crate::process::{Running, eventually};

/// Names that everybody asks for.
const NAMES: usize = 200;
/// Clients, and the sockets of each: the port decides which worker gets a query.
const CLIENTS: usize = 4;
const SOCKETS: usize = 16;

/// Asks for a name that is known, without an end; counts queries and those that are not answered.
fn ask_all_the_time(
    address: SocketAddr,
    stop: &AtomicBool,
    asked: &AtomicUsize,
    lost: &AtomicUsize,
) {
    let sockets: Vec<UdpSocket> = (0..SOCKETS)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(address).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            socket
        })
        .collect();
    let mut number = 0usize;
    while !stop.load(Relaxed) {
        number += 1;
        let id = number as u16;
        let socket = &sockets[number % SOCKETS];
        let mut answer = [0; 512];
        let sent = socket.send(&question(id, &format!("n{}.warm.test", number % NAMES)));
        asked.fetch_add(1, Relaxed);
        // An answer that came too late belongs to an earlier query.
        let answered = sent.is_ok()
            && (0..4).any(|_| socket.recv(&mut answer).is_ok() && answer[..2] == id.to_be_bytes());
        if !answered {
            lost.fetch_add(1, Relaxed);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn one_worker_of_four_crashes_again_and_again_and_hardly_a_query_is_lost() {
    let crashes = std::env::var("KRES_CRASHES").map_or(3, |number| number.parse().unwrap());
    let (port, asked_upstream) = slow_upstream();
    let running = Running::start_with(&forwarding(port), &["-f", "4"], &[]);
    eventually("four workers", || (workers(&running).len() == 4).then_some(()));
    let socket = running.datagrams();
    for number in 0..NAMES {
        socket.send(&question(1, &format!("n{number}.warm.test"))).unwrap();
        socket.recv(&mut [0; 512]).unwrap();
    }
    let warmed = asked_upstream.load(Relaxed);
    let stop = Arc::new(AtomicBool::new(false));
    let (asked, lost) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (stop, asked, lost) = (stop.clone(), asked.clone(), lost.clone());
            let address = running.address;
            std::thread::spawn(move || ask_all_the_time(address, &stop, &asked, &lost))
        })
        .collect();
    let mut longest = Duration::ZERO;
    for crash in 0..crashes {
        std::thread::sleep(Duration::from_secs(2));
        let before = workers(&running);
        Running::signal(process_of(&before[crash % before.len()]), "SEGV");
        let began = Instant::now();
        eventually("a new worker", || {
            workers(&running).iter().any(|path| !before.contains(path)).then_some(())
        });
        longest = longest.max(began.elapsed());
    }
    std::thread::sleep(Duration::from_secs(1));
    stop.store(true, Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    let (asked, lost) = (asked.load(Relaxed), lost.load(Relaxed));
    println!(
        "figures: {crashes} crashes of one of 4 workers: {lost} of {asked} queries lost ({:.3} %), \
         longest until a new worker served {longest:?}, {} questions asked anew",
        lost as f64 * 100.0 / asked as f64,
        asked_upstream.load(Relaxed) - warmed
    );
    // One in a thousand; a short run on a busy machine has too few queries to tell.
    assert!(lost <= asked / 1000 + 2, "{lost} of {asked} queries");
    assert_eq!(asked_upstream.load(Relaxed), warmed, "everything is still cached");
}

#[test]
fn a_question_that_ends_a_process_without_a_parent_is_refused_by_the_fourth() {
    let poison = "policy.add(policy.suffix(function (state, req) \
        os.execute('kill -KILL ' .. worker.pid) return state end, { todname('poison.test') }))\n";
    let mut running = Running::start(&format!("{LOCAL}{poison}"));
    for _ in 0..3 {
        running.datagrams().send(&question(9, "poison.test")).unwrap();
        running.wait();
        running.start_again();
    }
    let socket = running.datagrams();
    socket.send(&question(9, "poison.test")).unwrap();
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).expect("an answer");
    assert!(length >= 12 && answer[3] & 0xF == 5, "REFUSED");
    assert!(running.log().contains("one question has ended 3 workers"), "{}", running.log());
    running.check_alive();
    // It holds for others on the same run directory, and for those that come later.
    let other = running.beside(&format!("{LOCAL}{poison}"));
    let socket = other.datagrams();
    socket.send(&question(10, "poison.test")).unwrap();
    socket.recv(&mut answer).expect("an answer");
    assert_eq!(answer[3] & 0xF, 5, "REFUSED");
    socket.send(&question(11, "x.local.test")).unwrap();
    let length = socket.recv(&mut answer).unwrap();
    assert!(answer[..length].ends_with(&[192, 0, 2, 7]));
}
