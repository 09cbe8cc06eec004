//! Groups of workers under load and in trouble: leaving without losing a query, workers that end again
//! and again, the question that ends them, and a cache that several programs share.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::process::{Running, SOON, eventually};

/// Names that are answered without asking anybody.
pub(crate) const LOCAL: &str = "trust_anchors.remove('.')\n\
    policy.add(policy.suffix(policy.ANSWER({ [kres.type.A] = { rdata = kres.str2ip('192.0.2.7') } }),\
    { todname('local.test') }))\n\
    modules.unload('priming') modules.unload('ta_signal_query') modules.unload('detect_time_skew')\n";

pub(crate) fn question(id: u16, name: &str) -> Vec<u8> {
    let mut query = id.to_be_bytes().to_vec();
    query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        query.push(label.len() as u8);
        query.extend_from_slice(label.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    query
}

/// Control sockets of the workers.
pub(crate) fn workers(running: &Running) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(running.directory.path().join("control")) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| UnixStream::connect(path).is_ok());
    paths
}

pub(crate) fn process_of(path: &std::path::Path) -> u32 {
    path.file_name().unwrap().to_string_lossy().parse().unwrap()
}

/// Gives a worker a command.
pub(crate) fn tell(path: &std::path::Path, command: &str) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    writeln!(stream, "{command}").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said.trim_start_matches("> ").trim_end_matches("> ").trim().to_owned()
}

/// An upstream that takes its time: what is under way at any moment is lost if nobody waits for it.
/// Its port, and how often it was asked.
pub(crate) fn slow_upstream() -> (u16, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        let mut message = [0; 4096];
        // It ends with the test process.
        while let Ok((length, peer)) = socket.recv_from(&mut message) {
            count.fetch_add(1, Relaxed);
            let name = message[12..length].iter().position(|byte| *byte == 0).unwrap();
            let mut reply = message[..12 + name + 5].to_vec();
            reply[2] = 0x85;
            reply[3] = 0x80;
            reply[4..12].copy_from_slice(&[0, 1, 0, 1, 0, 0, 0, 0]);
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 2, 88, 0, 4, 192, 0, 2, 7]);
            let socket = socket.try_clone().unwrap();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(30));
                let _gone = socket.send_to(&reply, peer);
            });
        }
    });
    (port, asked)
}

/// Everything is asked of one upstream.
pub(crate) fn forwarding(port: u16) -> String {
    format!(
        "trust_anchors.remove('.')\npolicy.add(policy.all(policy.STUB('127.0.0.1@{port}')))\n\
         modules.unload('priming') modules.unload('ta_signal_query')\n\
         modules.unload('detect_time_skew')\n"
    )
}

#[test]
fn workers_come_and_go_under_load_and_no_query_is_lost() {
    let configuration = forwarding(slow_upstream().0);
    let running = Running::start_with(&configuration, &["-f", "3"], &[]);
    eventually("three workers", || (workers(&running).len() == 3).then_some(()));
    let stop = Arc::new(AtomicBool::new(false));
    let (asked, lost) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let (stop, asked, lost) = (stop.clone(), asked.clone(), lost.clone());
            let address = running.address;
            std::thread::spawn(move || {
                let mut number = 0u16;
                while !stop.load(Relaxed) {
                    // Another port each time: it decides which worker gets the query.
                    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                    socket.connect(address).unwrap();
                    socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
                    number += 1;
                    let name = format!("n{number}.c{client}.test");
                    socket.send(&question(number, &name)).unwrap();
                    asked.fetch_add(1, Relaxed);
                    if socket.recv(&mut [0; 512]).is_err() {
                        lost.fetch_add(1, Relaxed);
                    }
                }
            })
        })
        .collect();
    // Told to end, a worker is not started again; the last one stays.
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(300));
        let all = workers(&running);
        let before = all.len();
        Running::signal(process_of(&all[0]), "TERM");
        eventually("one less", || (workers(&running).len() < before).then_some(()));
    }
    std::thread::sleep(Duration::from_millis(300));
    stop.store(true, Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    let (asked, lost) = (asked.load(Relaxed), lost.load(Relaxed));
    assert!(asked > 50, "{asked} queries only");
    assert_eq!(lost, 0, "of {asked} queries\n{}", running.log());
}

#[test]
fn a_question_that_ends_workers_is_refused_and_service_goes_on() {
    let poison = "policy.add(policy.suffix(function (state, req) \
        os.execute('kill -KILL ' .. worker.pid) return state end, { todname('poison.test') }))\n";
    let running = Running::start_with(&format!("{LOCAL}{poison}"), &["-f", "2"], &[]);
    eventually("two workers", || (workers(&running).len() == 2).then_some(()));
    let refused = eventually("it is refused", || {
        let socket = running.datagrams();
        socket.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
        socket.send(&question(9, "poison.test")).ok()?;
        let mut answer = [0; 512];
        // While no worker listens, the kernel says so.
        let length = socket.recv(&mut answer).ok()?;
        Some(answer[..length].to_vec())
    });
    assert_eq!(refused[3] & 0xF, 5, "REFUSED");
    assert!(running.log().contains("one question has ended 3 workers"), "{}", running.log());
    assert!(running.log().matches("ended by SIGKILL").count() >= 3, "{}", running.log());
    // Others are answered, and the same name with another type is another question.
    running.check_alive();
    eventually("both workers are back", || (workers(&running).len() == 2).then_some(()));
    let socket = running.datagrams();
    socket.send(&question(10, "x.local.test")).unwrap();
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).unwrap();
    assert!(answer[..length].ends_with(&[192, 0, 2, 7]));
}

#[test]
fn a_worker_that_had_served_is_started_again_at_once() {
    let running = Running::start_with(LOCAL, &["-f", "2"], &[]);
    let all = eventually("two workers", || Some(workers(&running)).filter(|all| all.len() == 2));
    // What ends soon after its start has to wait, as it may do so again.
    std::thread::sleep(Duration::from_millis(5_200));
    Running::signal(process_of(&all[0]), "KILL");
    eventually("a new worker", || {
        workers(&running).iter().any(|path| !all.contains(path)).then_some(())
    });
    assert!(running.log().contains("starting it again\n"), "{}", running.log());
}

#[test]
fn clearing_in_one_program_is_seen_by_the_finished_answers_of_another() {
    let shared = tempfile::tempdir().unwrap();
    let configuration = format!(
        "cache.open(4*MB, 'lmdb://{}')\n{}",
        shared.path().display(),
        forwarding(slow_upstream().0)
    );
    let (one, other) = (Running::start(&configuration), Running::start(&configuration));
    let ask = |running: &Running| {
        let socket = running.datagrams();
        socket.send(&question(3, "www.shared.test")).unwrap();
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).unwrap();
        assert!(answer[..length].ends_with(&[192, 0, 2, 7]));
    };
    let stats = |running: &Running, what: &str| -> u64 {
        let command = format!("worker.stats().{what} or 0");
        tell(&workers(running)[0], &command).parse().unwrap_or_else(|_| panic!("{command}"))
    };
    ask(&one);
    // The second time from the store, the third from the finished answers.
    for _ in 0..3 {
        ask(&other);
    }
    assert_eq!((stats(&one, "udp"), stats(&other, "udp")), (1, 0), "asked upstream");
    let cleared = tell(&workers(&one)[0], "cache.clear().count");
    assert!(cleared.parse::<u64>().unwrap() > 0, "{cleared}");
    ask(&other);
    assert_eq!(stats(&other, "udp"), 1, "it has asked anew");
}
