//! A configuration is exchanged while the program serves.

use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::control::check_ctl;
use crate::process::{Running, SOON, eventually, framed, query, read_message};

const DONE: &str = "1 process serves with the configuration as it is now\n";

/// Replaces what comes after the first lines of the configuration, which `Running` has written.
fn configure(running: &Running, text: &str) {
    let path = running.directory.path().join("config");
    let before = std::fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> = before.lines().take(2).collect();
    std::fs::write(path, format!("{}\n{text}", kept.join("\n"))).unwrap();
}

/// What a program says to a Lua expression.
fn eval(directory: &Path, code: &str) -> String {
    check_ctl(directory, &["run", code], 0).trim_end().to_owned()
}

#[test]
fn a_good_configuration_takes_over_and_a_bad_one_changes_nothing() {
    let running = Running::start("modules.load('stats')\nanswer = 1");
    let directory = running.directory.path();
    let id = running.id();
    configure(&running, "answer = 2\nlog_level('info')");
    assert_eq!(check_ctl(directory, &["reload"], 0), DONE);
    assert_eq!(eval(directory, "answer"), "2");
    assert_eq!(eval(directory, "worker.pid"), id.to_string());
    assert_eq!(eval(directory, "log_level()"), "'info'");
    assert_eq!(eval(directory, "stats"), "nil");
    running.check_alive();

    // Wrong in the middle, after things that must not stay.
    let bad = "answer = 3\nlog_level('debug')\nmodules.load('stats')\ncache.max_ttl(77)\n\
               net.listen('127.0.0.1', 0)\nnet.lisen('::1')\n";
    configure(&running, bad);
    let told = check_ctl(directory, &["reload"], 1);
    for words in ["config:8:", "did you mean 'listen'", "^^^", "nothing has changed"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(
        eval(directory, "{ answer, log_level(), stats, cache.max_ttl() }").matches('\n').count(),
        4
    );
    assert_eq!(eval(directory, "answer"), "2");
    assert_eq!(eval(directory, "log_level()"), "'info'");
    assert_eq!(eval(directory, "cache.max_ttl()"), "86400");
    assert!(running.log().contains("config:8:"), "{}", running.log());

    // It loads, and breaks each request.
    std::fs::create_dir(directory.join("kres_modules")).unwrap();
    let module = "return { layer = { begin = function () error('broken') end } }";
    std::fs::write(directory.join("kres_modules/broken.lua"), module).unwrap();
    configure(
        &running,
        "package.path = './?.lua;' .. package.path\nmodules = { 'broken < iterate' }",
    );
    let told = check_ctl(directory, &["reload"], 1);
    assert!(told.contains("'localhost' fails (SERVFAIL)"), "{told}");
    running.check_alive();

    // It does not end.
    configure(&running, "while true do end");
    let told = check_ctl(directory, &["reload"], 1);
    assert!(told.contains("stopped after") && told.contains("config:3"), "{told}");
    running.check_alive();

    // A port that is taken by somebody who does not share it.
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    configure(&running, &format!("net.listen('127.0.0.1', {port})"));
    let told = check_ctl(directory, &["reload"], 1);
    assert!(told.contains("Address already in use") && told.contains("config:3"), "{told}");
    assert_eq!(eval(directory, "answer"), "2");
    let told = check_ctl(directory, &["status"], 0);
    assert!(told.contains("reloaded 1 times"), "{told}");

    // By signal, and from Lua.
    configure(&running, "answer = 4");
    Running::signal(id, "HUP");
    eventually("the signal's effect", || (eval(directory, "answer") == "4").then_some(()));
    configure(&running, "answer = 5");
    assert_eq!(eval(directory, "worker.reload()"), "true");
    eventually("the function's effect", || (eval(directory, "answer") == "5").then_some(()));
    // Endpoints come and go.
    let control = directory.join("control/extra");
    configure(&running, "net.listen(worker.control_path .. 'extra', nil, { kind = 'control' })");
    assert_eq!(check_ctl(directory, &["reload"], 0), DONE);
    assert!(control.exists());
    assert_eq!(check_ctl(directory, &["reload"], 0), DONE);
    eventually("the end of the former ones", || (descriptors(id) < 40).then_some(()));
    assert!(control.exists());
    configure(&running, "");
    assert_eq!(check_ctl(directory, &["reload"], 0), DONE);
    eventually("its end", || (!control.exists()).then_some(()));
    assert_eq!(running.stop("TERM").code(), Some(0));
}

fn descriptors(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

fn memory_kb(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A client that asks without end, and stops at the first question without an answer.
fn client(address: SocketAddr, over_tcp: bool, stop: Arc<AtomicBool>) -> JoinHandle<(u64, u64)> {
    std::thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(address).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let (mut asked, mut lost) = (0u64, 0);
        let mut answer = [0; 512];
        while !stop.load(Relaxed) {
            asked += 1;
            let question = query(asked as u16);
            if over_tcp {
                stream.write_all(&framed(&question)).unwrap();
                assert_eq!(read_message(&mut stream)[..2], question[..2]);
                continue;
            }
            socket.send(&question).unwrap();
            match socket.recv(&mut answer) {
                Ok(_) if answer[..2] == question[..2] => {}
                _ => lost += 1,
            }
        }
        (asked, lost)
    })
}

#[test]
fn a_hundred_exchanges_under_load_lose_no_query() {
    let running = Running::start("");
    let directory = running.directory.path();
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> =
        (0..4).map(|number| client(running.address, number % 2 == 1, stop.clone())).collect();
    let (mut memory, mut count) = (0, 0);
    for round in 0..100 {
        configure(&running, &format!("round = {round}"));
        assert_eq!(check_ctl(directory, &["reload"], 0), DONE);
        if round == 50 {
            memory = memory_kb(running.id());
            count = descriptors(running.id());
        }
    }
    let (later, later_count) = (memory_kb(running.id()), descriptors(running.id()));
    stop.store(true, Relaxed);
    let results: Vec<(u64, u64)> =
        clients.into_iter().map(|client| client.join().unwrap()).collect();
    println!(
        "asked and lost: {results:?}; memory {memory} kB, then {later} kB; descriptors {count}, then {later_count}"
    );
    assert_eq!(eval(directory, "round"), "99");
    assert!(results.iter().all(|(asked, lost)| *asked > 100 && *lost == 0), "{results:?}");
    assert!(later < memory + 16 * 1024, "{memory} kB, then {later} kB");
    assert!(later_count < count + 40, "{count} descriptors, then {later_count}");
    assert_eq!(running.stop("TERM").code(), Some(0));
}

#[test]
fn what_is_cached_stays_and_the_cache_is_the_same() {
    let running = Running::start("");
    let directory = running.directory.path();
    let id = eval(directory, "cache.stats().open");
    assert_eq!(id, "1");
    configure(&running, "before = { cache.current_storage, cache.count(), cache.clear().count }");
    assert_eq!(check_ctl(directory, &["reload"], 0), DONE);
    let told = eval(directory, "{ before[1], cache.current_storage, type(cache.count()) }");
    assert!(told.contains("lmdb") && told.contains("'number'"), "{told}");
    configure(&running, "cache.size = 8*MB");
    assert_eq!(check_ctl(directory, &["reload"], 0), DONE);
    assert_eq!(eval(directory, "cache.current_size"), "8388608");
    // Another place is another cache.
    configure(&running, "cache.open(2*MB, 'lmdb://other')");
    assert_eq!(check_ctl(directory, &["reload"], 0), DONE);
    assert!(eval(directory, "cache.current_storage").contains("other"));
    assert!(directory.join("other/data.mdb").exists());
    assert_eq!(running.stop("TERM").code(), Some(0));
}

#[test]
fn a_group_takes_over_together_or_not_at_all() {
    let running = Running::start_with("answer = 1", &["-f", "2"], &[]);
    let directory = running.directory.path();
    eventually("two workers", || {
        (eval(directory, "answer").matches("\n1").count() == 2).then_some(())
    });
    configure(&running, "answer = 2");
    let told = check_ctl(directory, &["reload"], 0);
    assert_eq!(told, "2 processes serve with the configuration as it is now\n");
    assert_eq!(eval(directory, "answer").matches("\n2").count(), 2);
    // Good for one of them only.
    let one = eval(directory, "worker.pid").lines().nth(1).unwrap().to_owned();
    configure(&running, &format!("answer = 3\nassert(worker.pid ~= {one}, 'not here')"));
    let told = check_ctl(directory, &["reload"], 1);
    assert!(told.contains("not here") && told.contains("nothing has changed"), "{told}");
    assert_eq!(eval(directory, "answer").matches("\n2").count(), 2);
    // The signal goes to the parent.
    configure(&running, "answer = 4");
    Running::signal(running.id(), "HUP");
    eventually("both", || (eval(directory, "answer").matches("\n4").count() == 2).then_some(()));
    running.check_alive();
    assert_eq!(running.stop("TERM").code(), Some(0));
}

#[test]
fn the_service_manager_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(directory.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(SOON)).unwrap();
    let told = || {
        let mut text = [0; 512];
        let length = manager.recv(&mut text).expect("a notification");
        String::from_utf8_lossy(&text[..length]).into_owned()
    };
    let address = crate::process::free_address();
    std::fs::write(directory.path().join("config"), "answer = 1\nmodules.unload('watchdog')")
        .unwrap();
    let mut child = Command::new(crate::e2e::program())
        .args(["-n", "-a", &format!("{}@{}", address.ip(), address.port())])
        .current_dir(directory.path())
        .env("NOTIFY_SOCKET", directory.path().join("notify"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(told().contains("READY=1"));
    Running::signal(child.id(), "HUP");
    let reloading = told();
    assert!(
        reloading.contains("RELOADING=1\n") && reloading.contains("MONOTONIC_USEC="),
        "{reloading}"
    );
    let ready = told();
    assert!(ready.contains("READY=1") && ready.contains("STATUS=serving"), "{ready}");
    std::fs::write(directory.path().join("config"), "error('no')").unwrap();
    Running::signal(child.id(), "HUP");
    assert!(told().contains("RELOADING=1"));
    let kept = told();
    assert!(kept.contains("READY=1") && kept.contains("not good"), "{kept}");
    Running::signal(child.id(), "TERM");
    assert!(told().contains("STOPPING=1"));
    eventually("its end", || {
        std::thread::sleep(Duration::from_millis(1));
        child.try_wait().unwrap()
    });
}
