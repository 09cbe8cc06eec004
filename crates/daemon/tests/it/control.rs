//! Control sockets and `kresctl`: who may speak, what several processes answer, bounds.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::e2e::program;
use crate::process::{Running, SOON, eventually, free_address};

/// `kresctl` with these words, on a run directory; runs to its end.
pub(crate) fn kresctl(directory: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kresctl"))
        .arg("-r")
        .arg(directory)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("kresctl starts")
}

/// The same; it ends with this status, and what it prints is returned.
#[track_caller]
pub(crate) fn check_ctl(directory: &Path, words: &[&str], status: i32) -> String {
    let output = kresctl(directory, words);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{words:?}: {said}");
    said
}

/// A further program in the directory of another one.
struct Beside(Child);

impl Beside {
    fn start(directory: &Path, options: &[&str]) -> Beside {
        let address = format!("127.0.0.1@{}", free_address().port());
        let child = Command::new(program())
            .args(["-n", "-a", &address, "-c", "/dev/null"])
            .args(options)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        Beside(child)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// The control sockets, once there are so many.
fn sockets(directory: &Path, count: usize) -> Vec<PathBuf> {
    eventually("control sockets", || {
        let entries = fs::read_dir(directory.join("control")).ok()?;
        let found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        (found.len() == count).then_some(found)
    })
}

/// A session in text; the prompt has been read.
fn session(socket: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut prompt = [0; 2];
    stream.read_exact(&mut prompt).unwrap();
    assert_eq!(&prompt, b"> ");
    stream
}

fn line(stream: &UnixStream) -> String {
    let mut text = String::new();
    BufReader::with_capacity(1, stream).read_line(&mut text).unwrap();
    text.trim_end().trim_start_matches("> ").to_owned()
}

#[test]
fn commands_reach_every_process_and_report_the_truth() {
    let running = Running::start("");
    let directory = running.directory.path();
    let own = running.id().to_string();
    assert_eq!(check_ctl(directory, &["run", "worker.pid"], 0), format!("{own}\n"));
    assert_eq!(check_ctl(directory, &["run", "1", "+", "1"], 0), "2\n");
    assert_eq!(check_ctl(directory, &["run", "x = 'a\\nb'"], 0), "");
    assert_eq!(check_ctl(directory, &["run", "return x"], 0), "a\nb\n");
    assert_eq!(
        check_ctl(directory, &["run", "--json", "{ 1, 'two' }"], 0),
        format!("{{\"{own}\": [1,\"two\"]}}\n")
    );
    let told = check_ctl(directory, &["run", "net.lisen('127.0.0.1')"], 1);
    assert!(told.contains("did you mean 'listen'?") && told.contains(&own), "{told}");

    let _other = Beside::start(directory, &[]);
    sockets(directory, 2);
    eventually("both answer", || {
        let told = check_ctl(directory, &["run", "1 + 1"], 0);
        (told.matches("-- instance ").count() == 2 && told.matches("\n2\n").count() == 2)
            .then_some(())
    });
    assert_eq!(check_ctl(directory, &["-i", &own, "run", "worker.pid"], 0), format!("{own}\n"));
    let told = check_ctl(directory, &["-i", "nobody", "run", "1"], 3);
    assert!(told.contains("no instance nobody") && told.contains(&own), "{told}");

    let told = check_ctl(directory, &["status"], 0);
    assert_eq!(told.matches("instance ").count(), 2, "{told}");
    for words in ["127.0.0.1@", "lmdb", "iterate, ", "queries", "version"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let told = check_ctl(directory, &["status", "--json"], 0);
    assert!(told.contains("\"modules\":[") && told.contains(&format!("\"{own}\": {{")), "{told}");

    assert_eq!(check_ctl(directory, &["stop"], 0), "2 processes ended\n");
    let told = check_ctl(directory, &["stop"], 3);
    assert!(told.contains("nothing runs in"), "{told}");
    let told = check_ctl(Path::new("/no/such/directory"), &["status"], 3);
    assert!(told.contains("-r"), "{told}");
}

#[test]
fn a_script_comes_from_standard_input() {
    let running = Running::start("");
    let mut child = Command::new(env!("CARGO_BIN_EXE_kresctl"))
        .args(["run", "-"])
        .env("KRES_RUNDIR", running.directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let script = b"local sum = 0\nfor i = 1, 4 do\n  sum = sum + i\nend\n\nreturn sum\n";
    child.stdin.take().unwrap().write_all(script).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"10\n"[..]));
}

#[test]
fn a_configuration_is_checked_from_anywhere() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config");
    fs::write(&file, "net.listen('127.0.0.1', 5353)\n").unwrap();
    let told = check_ctl(directory.path(), &["check"], 0);
    assert!(told.contains("good"), "{told}");
    let file = file.to_str().unwrap();
    check_ctl(Path::new("/no/such/directory"), &["check", file], 0);
    fs::write(file, "\n\nnet.lisen('127.0.0.1', 5353)\n").unwrap();
    let told = check_ctl(directory.path(), &["check", file], 1);
    for words in [":3:", "listen", "^^^"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(!directory.path().join("control").exists());
}

#[test]
fn a_configuration_can_be_looked_at_without_letting_it_do_anything() {
    let directory = tempfile::tempdir().unwrap();
    let victim = directory.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    // What each of these does is refused, and the rest of the configuration runs.
    let text = format!(
        "net.listen('127.0.0.1', 5353)
        cache.size = 20 * MB
        modules.load('stats')
        assert(io.open('victim'):read('*a') == 'precious')
        print('kept out: ' .. tostring(not io.open('victim', 'w') and not io.open('new', 'a')
            and not io.open('victim', 'r+')))
        print('kept: ' .. tostring(not os.remove('victim') and not os.rename('victim', 'gone')))
        os.execute('echo other > victim; rm -f victim; mkdir made; kill -9 {own}; \
            exec 3<>/dev/tcp/127.0.0.1/{port}')
        os.execute('bash -c \"exec 3<>/dev/tcp/127.0.0.1/{port}\"')
        local ffi = require('ffi')
        ffi.cdef('int socket(int, int, int); int creat(const char *, int);')
        print('ffi: ' .. ffi.C.socket(2, 1, 0) .. ffi.C.creat('new', 511))
        ",
        own = std::process::id()
    );
    fs::write(directory.path().join("config"), text).unwrap();
    let told = check_ctl(directory.path(), &["check", "--no-io"], 0);
    for words in ["kept out: true", "kept: true", "ffi: -1-1", "good"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    assert!(listener.accept().is_err(), "nobody came");
    // Without that it does what it says.
    fs::write(directory.path().join("config"), "assert(io.open('new', 'w'))").unwrap();
    check_ctl(directory.path(), &["check"], 0);
    check_ctl(directory.path(), &["check", "--no-io"], 1);
}

#[test]
fn sockets_are_for_user_and_group_only() {
    let running = Running::start("");
    let directory = running.directory.path();
    let socket = sockets(directory, 1).remove(0);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&directory.join("control")), 0o750);
    assert_eq!(mode(&socket), 0o660);
    // Under the older name, too.
    assert_eq!(line(&ask(&directory.join("tty").join(running.id().to_string()), "1+1")), "2");

    // Whoever opens all of it to everybody is not followed.
    if !nix_is_root() {
        return;
    }
    let open = |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode));
    for place in [directory, &directory.join("control"), &socket] {
        open(place, 0o777).unwrap();
    }
    let copy = directory.join("kresctl");
    fs::copy(env!("CARGO_BIN_EXE_kresctl"), &copy).unwrap();
    let stranger = Command::new(&copy)
        .args(["-r", ".", "run", "1"])
        .current_dir(directory)
        .uid(65_534)
        .gid(65_534)
        .output()
        .unwrap();
    assert_eq!(stranger.status.code(), Some(3), "{stranger:?}");
    assert!(running.log().contains("session turned away: user 65534"), "{}", running.log());
    assert_eq!(check_ctl(directory, &["run", "1"], 0), "1\n");
}

fn nix_is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A session in which something was asked.
fn ask(socket: &Path, command: &str) -> UnixStream {
    let mut stream = session(socket);
    stream.write_all(format!("{command}\n").as_bytes()).unwrap();
    stream
}

#[test]
fn map_reaches_all_groups_and_each_process_once() {
    let running = Running::start_with("", &["-f", "2"], &[]);
    let directory = running.directory.path();
    sockets(directory, 2);
    // A process with three sockets, one of them spelled oddly, and one that shows no prompt.
    let more = "net.listen(worker.control_path .. 'more', nil, { kind = 'control' })
                net.listen(worker.cwd .. '/control/../control/odd', nil, { kind = 'control' })";
    fs::write(directory.join("two"), more).unwrap();
    let _two = Beside::start(directory, &["-c", "two"]);
    let _quiet = Beside::start(directory, &["-q"]);
    // What a process that was killed has left.
    drop(std::os::unix::net::UnixListener::bind(directory.join("control/1")).unwrap());
    let all = sockets(directory, 7);
    for socket in all.iter().filter(|path| !path.ends_with("1")) {
        eventually("four processes", || {
            let mut stream = UnixStream::connect(socket).unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            stream.write_all(b"__binary\nmap('worker.pid').n\n").unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            answer.ends_with(b"4").then_some(())
        });
    }
    let told = check_ctl(directory, &["run", "map('error(\"no\")')"], 1);
    assert!(told.contains("error when executing map() command on control socket"), "{told}");
    check_ctl(directory, &["stop"], 0);
}

#[test]
fn all_who_map_at_once_are_answered() {
    let running = Running::start_with("", &["-f", "2"], &[]);
    let sockets = sockets(running.directory.path(), 2);
    let threads: Vec<_> = sockets
        .into_iter()
        .map(|socket| {
            std::thread::spawn(move || {
                let mut numbers = Vec::new();
                for _ in 0..10 {
                    numbers.push(line(&ask(&socket, "tostring(pcall(map, '1'))")));
                }
                numbers
            })
        })
        .collect();
    for thread in threads {
        let numbers = thread.join().unwrap();
        assert_eq!(numbers.len(), 10);
        assert!(numbers.iter().any(|answer| answer == "'true'"), "{numbers:?}");
    }
}

#[test]
fn sessions_do_not_get_in_each_others_way() {
    let running = Running::start("");
    let socket = sockets(running.directory.path(), 1).remove(0);
    let mut all: Vec<UnixStream> = (0..60).map(|_| session(&socket)).collect();
    // Each sends half a line, then all the rest, with a further command behind.
    for (number, stream) in all.iter_mut().enumerate() {
        stream.write_all(format!("{number} +").as_bytes()).unwrap();
    }
    for (number, stream) in all.iter_mut().enumerate().rev() {
        stream.write_all(b" 1\n'next'\n").unwrap();
        assert_eq!(line(stream), (number + 1).to_string());
        assert_eq!(line(stream), "'next'");
    }
    running.check_alive();
    // Beyond the bound of sessions newcomers are turned away, the others stay.
    let mut newcomers: Vec<_> = (0..10).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let turned_away = newcomers.iter_mut().filter_map(|stream| {
        stream.set_read_timeout(Some(SOON)).unwrap();
        (stream.read(&mut [0; 2]).unwrap_or(0) == 0).then_some(())
    });
    assert_eq!(turned_away.count(), 6);
    assert_eq!(
        line(&{
            all[0].write_all(b"7\n").unwrap();
            all.remove(0)
        }),
        "7"
    );
}

#[test]
fn a_command_without_end_ends_its_session_only() {
    let running = Running::start("");
    let socket = sockets(running.directory.path(), 1).remove(0);
    let mut stream = session(&socket);
    let piece = [b'x'; 64 * 1024];
    let sent = (0..64).take_while(|_| stream.write_all(&piece).is_ok()).count();
    assert!((16..64).contains(&sent), "{sent} pieces");
    let garbage: Vec<u8> = (0..=255).collect();
    let mut other = session(&socket);
    other.write_all(&garbage).unwrap();
    other.write_all(b"\n\n1+1\n").unwrap();
    eventually("the answer behind the garbage", || (line(&other) == "2").then_some(()));
    running.check_alive();
}

#[test]
fn who_has_given_up_rights_can_be_commanded() {
    if !nix_is_root() {
        return;
    }
    let mut running = Running::start("os.execute('chmod 755 .')\nuser('nobody')");
    let directory = running.directory.path().to_owned();
    let command = ["run", "worker.pid"];
    assert_eq!(check_ctl(&directory, &command, 0), format!("{}\n", running.id()));
    let control = directory.join("control");
    assert_ne!(fs::metadata(&control).unwrap().uid(), 0);
    Running::signal(running.id(), "TERM");
    assert_eq!(running.wait().code(), Some(0), "{}", running.log());
    assert_eq!(fs::read_dir(&control).unwrap().count(), 0);
}
