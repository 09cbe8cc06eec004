//! The command line, the start that fails with a reason, and the end.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::e2e::program;
use crate::process::{Running, eventually, free_address, run};

/// Runs the program where it cannot start: the exit status is not zero, and the message says what
/// is wrong and what to do.
#[track_caller]
fn check_refused(options: &[&str], config: Option<&str>, expected: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    if let Some(config) = config {
        std::fs::write(directory.path().join("config"), config).unwrap();
    }
    let output = run(directory.path(), options);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code != 0), "{options:?}: {told}");
    for words in expected {
        assert!(told.contains(words), "{options:?}: no '{words}' in: {told}");
    }
}

#[test]
fn help_and_version_end_well() {
    let directory = tempfile::tempdir().unwrap();
    for options in [["-h"], ["--help"]] {
        let output = run(directory.path(), &options);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success());
        for option in [
            "--addr",
            "--tls",
            "--fd",
            "--config",
            "--forks",
            "--noninteractive",
            "--quiet",
            "--verbose",
            "--check",
            "--version",
            "--help",
            "[rundir]",
        ] {
            assert!(text.contains(option), "{option} is missing in: {text}");
        }
    }
    for options in [["-V"], ["--version"]] {
        let output = run(directory.path(), &options);
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("Knot Resolver, version "));
    }
}

#[test]
fn wrong_options_are_refused_with_a_reason() {
    check_refused(&["--bogus"], None, &["--bogus", "Usage"]);
    check_refused(&["-n", "/no/such/dir"], None, &["rundir '/no/such/dir'", "No such file"]);
    check_refused(&["-n", "-c", "/no/such"], None, &["config '/no/such'", "No such file"]);
    check_refused(&["-n", "-a", "bogus"], None, &["bind to 'bogus'", "ADDRESS@PORT"]);
    check_refused(&["-n", "-a", "127.0.0.1@99999"], None, &["127.0.0.1@99999"]);
    check_refused(&["-n", "-S", "x"], None, &["incorrect value passed to '-S/--fd': x"]);
    check_refused(&["-n", "-S", "99"], None, &["99"]);
    check_refused(&["-f", "x"], None, &["'-f'", "'x'"]);
    check_refused(&["-f", "0"], None, &["'-f'", "'0'"]);
    check_refused(&[], None, &["standard input", "-n"]);
}

#[test]
fn a_configuration_that_cannot_be_used_stops_the_start() {
    check_refused(&["-n"], Some("net.listen('127.0.0.1'\n"), &["config:"]);
    check_refused(&["-n"], Some("error('not today')"), &["config:1", "not today"]);
    check_refused(&["-n"], Some("cache.open(1*MB, 'redis://')"), &["redis"]);
    check_refused(&["-n"], Some("net.listen('192.0.2.1', 5353)"), &["192.0.2.1@5353"]);
}

#[test]
fn a_configuration_is_checked_without_being_put_into_force() {
    let directory = tempfile::tempdir().unwrap();
    let address = free_address();
    let _taken = std::net::UdpSocket::bind(address).unwrap();
    let good = format!(
        "net.listen('{}', {})\nassert(#net.list() == 2)\ncache.size = 20*MB\n\
         modules.load('stats')\nuser('root')\nprint('seen')\n",
        address.ip(),
        address.port()
    );
    std::fs::write(directory.path().join("config"), good).unwrap();
    let output = run(directory.path(), &["--check"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("seen"));
    let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "nothing but the configuration: {files:?}");
    check_refused(&["--check"], Some("net.lisen('127.0.0.1')"), &["config:1", "listen"]);
    check_refused(&["--check"], Some("cache.open(1*MB, 'redis://')"), &["redis"]);
    check_refused(&["--check"], Some("cache.open(10, 'lmdb://.')"), &["config:1"]);
    check_refused(&["--check"], Some("user('no such user')"), &["no such user"]);
}

#[test]
fn a_busy_port_is_named_with_what_to_do() {
    let address = free_address();
    let _taken = std::net::UdpSocket::bind(address).unwrap();
    let option = format!("{}@{}", address.ip(), address.port());
    check_refused(&["-n", "-a", &option], None, &[&option, "Address already in use", "ss -l"]);
}

#[test]
fn signals_end_it_well_and_leave_no_socket() {
    for signal in ["TERM", "INT"] {
        let running = Running::start("");
        running.check_alive();
        let control = running.directory.path().join("control");
        let socket = control.join(running.id().to_string());
        assert!(socket.exists());
        // A broken pipe or a hang-up of somebody else is not its end.
        Running::signal(running.id(), "PIPE");
        running.check_alive();
        let kept = control.clone();
        let directory = running.directory.path().to_owned();
        assert_eq!(running.stop(signal).code(), Some(0), "after SIG{signal}");
        assert!(!kept.join(socket.file_name().unwrap()).exists(), "{}", directory.display());
    }
}

#[test]
fn commands_from_a_pipe_and_the_end_by_quit() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(program())
        .args(["-q", "-a", &format!("127.0.0.1@{}", free_address().port())])
        .current_dir(directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let id = child.id();
    child.stdin.take().unwrap().write_all(b"worker.pid\nquit()\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().next(), Some(&*id.to_string()));
}

#[test]
fn several_configurations_run_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_address().port();
    std::fs::write(directory.path().join("one"), "order = 'one'").unwrap();
    std::fs::write(directory.path().join("two"), "error(order .. ' before two')").unwrap();
    let option = format!("127.0.0.1@{port}");
    let output = run(directory.path(), &["-n", "-a", &option, "-c", "one", "-c", "two"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("one before two"));
}

#[test]
fn a_group_of_workers_serves_and_ends_together() {
    let running = Running::start_with("", &["-f", "2"], &[]);
    let control = running.directory.path().join("control");
    let workers = || -> Vec<u32> {
        let entries = std::fs::read_dir(&control).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    };
    let first = eventually("two control sockets", || Some(workers()).filter(|all| all.len() == 2));
    assert!(!first.contains(&running.id()), "the parent is no worker");
    running.check_alive();
    // A worker that crashes is replaced; the other one goes on meanwhile.
    Running::signal(first[0], "KILL");
    // Until it is really gone the kernel may still hand it a datagram, which then is lost.
    let process = format!("/proc/{}", first[0]);
    eventually("its end", || (!std::path::Path::new(&process).exists()).then_some(()));
    running.check_alive();
    eventually("a third worker", || workers().iter().find(|id| !first.contains(id)).copied());
    running.check_alive();
    assert_eq!(running.stop("TERM").code(), Some(0));
}
