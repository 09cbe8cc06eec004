//! What a group of workers tells the service manager: one voice, when all are ready, and as long as all
//! are alive.

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::control::check_ctl;
use crate::process::{Running, SOON, eventually, free_address};

/// A service manager with one unit.
struct Unit {
    directory: TempDir,
    socket: UnixDatagram,
    child: Child,
    /// The configuration that it was started with.
    first: String,
}

impl Unit {
    fn start(configuration: &str, options: &[&str], watchdog: Option<&str>) -> Unit {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        let address = free_address();
        let listen = format!("net.listen('{}', {})\n", address.ip(), address.port());
        let first = listen + configuration;
        std::fs::write(directory.path().join("config"), &first).unwrap();
        let mut command = Command::new(crate::e2e::program());
        command.args(options).current_dir(directory.path()).env("NOTIFY_SOCKET", &path);
        if let Some(microseconds) = watchdog {
            command.env("WATCHDOG_USEC", microseconds);
        }
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let child = command.stdin(Stdio::null()).stderr(log).spawn().unwrap();
        Unit { directory, socket, child, first }
    }

    /// The next message; it has come from the process that was started.
    #[track_caller]
    fn told(&self) -> String {
        let mut text = [0; 512];
        match self.socket.recv(&mut text) {
            Ok(length) => String::from_utf8_lossy(&text[..length]).into_owned(),
            Err(error) => panic!("no notification: {error}; log:\n{}", self.log()),
        }
    }

    /// The next message with these words in it. What comes before it depends on who is quick: workers
    /// that read a configuration one after the other are a reload each.
    #[track_caller]
    fn news(&self, words: &str) -> String {
        let mut before = Vec::new();
        for _ in 0..100 {
            let text = self.told();
            if text.contains(words) {
                return text;
            }
            before.push(text);
        }
        panic!("no {words:?} among {before:?}; log:\n{}", self.log());
    }

    /// Puts another configuration in place, all of it at once: a worker may start at any moment.
    fn configure(&self, text: &str) {
        let path = self.directory.path().join("config");
        std::fs::write(path.with_extension("new"), text).unwrap();
        std::fs::rename(path.with_extension("new"), path).unwrap();
    }

    fn workers(&self) -> Vec<u32> {
        let text = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.child.id()));
        text.unwrap_or_default().split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn end(mut self) {
        Running::signal(self.child.id(), "TERM");
        self.news("STOPPING=1");
        eventually("its end", || self.child.try_wait().unwrap());
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

#[test]
fn a_group_is_ready_when_all_its_workers_are() {
    // One of them takes its time.
    let slow = "if worker.pid % 2 == 0 then os.execute('sleep 0.4') end";
    let unit = Unit::start(slow, &["-f", "3"], None);
    let ready = unit.told();
    assert!(ready.contains("READY=1") && ready.contains("serving with 3 workers"), "{ready}");
    let sockets = std::fs::read_dir(unit.directory.path().join("control")).unwrap().count();
    assert_eq!(sockets, 3, "all are there");
    // All are asked at once: it is one reload.
    Running::signal(unit.child.id(), "HUP");
    let reloading = unit.told();
    assert!(
        reloading.contains("RELOADING=1\n") && reloading.contains("MONOTONIC_USEC="),
        "{reloading}"
    );
    let ready = unit.told();
    assert!(ready.contains("READY=1") && ready.contains("serving with 3 workers"), "{ready}");
    // By `kresctl`, and to no good.
    unit.configure("error('no')");
    check_ctl(unit.directory.path(), &["reload"], 1);
    unit.news("RELOADING=1");
    let kept = unit.news("not good");
    assert!(kept.contains("READY=1"), "{kept}");
    // One is killed and comes back.
    let workers = unit.workers();
    Running::signal(workers[0], "KILL");
    unit.news("STATUS=2 of 3 workers are serving");
    // With the configuration as it is now it cannot, but the others go on, and so does it one day.
    eventually("another try", || unit.log().contains("ended by status 1").then_some(()));
    // The list of children is not exact while one of them comes and goes.
    let is_alive = |pid: &u32| std::path::Path::new(&format!("/proc/{pid}")).exists();
    assert!(workers.len() == 3 && workers[1..].iter().all(is_alive), "{workers:?}");
    unit.configure(&unit.first);
    unit.news("serving with 3 workers");
    unit.end();
}

#[test]
fn a_group_that_cannot_start_is_never_ready() {
    let unit = Unit::start("error('not today')", &["-f", "2"], None);
    assert!(unit.told().contains("STOPPING=1"));
    assert!(unit.log().contains("not today"), "{}", unit.log());
}

#[test]
fn a_worker_without_a_sign_of_life_is_ended_and_started_again() {
    let unit = Unit::start("", &["-f", "2"], Some("2000000"));
    unit.news("serving with 2 workers");
    let alive = unit.told();
    assert!(alive.contains("WATCHDOG=1") && alive.contains("queries so far"), "{alive}");
    // Long enough that each has shown that it is alive.
    std::thread::sleep(Duration::from_millis(1_500));
    let stuck = unit.workers()[0];
    Running::signal(stuck, "STOP");
    eventually("its end", || (!unit.workers().contains(&stuck)).then_some(()));
    let log = unit.log();
    assert!(log.contains("gives no sign of life: SIGABRT"), "{log}");
    unit.news("1 of 2 workers are serving");
    unit.news("serving with 2 workers");
    unit.news("WATCHDOG=1");
    unit.end();
}
