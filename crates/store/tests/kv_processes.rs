//! One cache, several processes: what one stores the others read, and none is hurt when another
//! is killed, grows the cache, empties it, or when somebody spoils the files under all of them.
//!
//! The other processes are this test binary, started again with `child_process` as the only test
//! and a role in its environment. `cargo xtask bench kills`, `cuts`, `spoils` and `strikes` do it
//! more often than the default.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "children answer on their standard output")]
#![allow(clippy::disallowed_methods, reason = "what others have to wait is measured")]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use store::kv::lmdb::{self, LmdbKv};
use store::kv::{Distrust, Kv, Notice, OpenOptions};

mod aim;
mod spoil;

use aim::strike;
use spoil::{PAGE, Rng, spoil_page};

const MIB: u64 = 1 << 20;
const ROLE: &str = "KV_TEST_ROLE";
const DIRECTORY: &str = "KV_TEST_DIRECTORY";
/// Begins the names of the files in which writers tell their longest turn.
const LONGEST: &str = "longest-";
/// The same for how many of their transactions were given up.
const GIVEN_UP: &str = "given-up-";
/// Begins each answer of a child, among what the test harness prints.
const ANSWER: &str = "answer: ";

fn open(directory: &Path) -> LmdbKv {
    lmdb::new(&OpenOptions { path: directory.to_owned(), bytes: 8 * MIB, seed: [9; 16] }).unwrap()
}

/// Another process that uses the cache.
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(role: &str, directory: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_process", "--exact", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(DIRECTORY, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut process = Process { child, input, output };
        assert_eq!(process.answer(), "ready");
        process
    }

    /// Gives a command and returns its answer.
    fn tell(&mut self, command: &str) -> String {
        writeln!(self.input, "{command}").unwrap();
        self.answer()
    }

    fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).unwrap();
            assert!(read > 0, "a child ended: {:?}", self.child.wait());
            if let Some((_, answer)) = line.split_once(ANSWER) {
                return answer.trim_end().to_owned();
            }
        }
    }

    fn kill(&mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have been killed by the test already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test by itself: the whole life of the processes that the tests start.
#[test]
fn child_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let directory = std::env::var_os(DIRECTORY).unwrap();
    let mut kv = open(Path::new(&directory));
    println!("{ANSWER}ready");
    match role.as_str() {
        "console" => console(&mut kv),
        "writer" => write_forever(&mut kv, Path::new(&directory), true),
        "survivor" => write_forever(&mut kv, Path::new(&directory), false),
        _ => unreachable!("no such role"),
    }
}

/// Does what it is told, line by line.
fn console(kv: &mut LmdbKv) {
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<_> = line.split(' ').collect();
        let text = |found: Option<&[u8]>| {
            found.map_or("nothing".to_owned(), |found| String::from_utf8_lossy(found).into_owned())
        };
        let answer = match words[..] {
            ["get", key] => text(kv.get(key.as_bytes())),
            ["put", key, value] => format!("{:?}", kv.put(key.as_bytes(), value.as_bytes())),
            ["end"] => format!("{:?}", kv.end_turn()),
            ["clear"] => format!("{:?}", kv.clear()),
            ["grow", bytes] => format!("{:?}", kv.grow(bytes.parse().unwrap())),
            ["maintain"] => format!("{:?}", kv.maintain()),
            ["size"] => kv.usage().bytes_max.to_string(),
            _ => unreachable!("no such command"),
        };
        println!("{ANSWER}{answer}");
    }
}

fn value(n: u32, version: u32) -> String {
    // Some are longer than a page.
    let length = if n.is_multiple_of(40) { 5_000 } else { n as usize % 500 };
    format!("value {n} version {version} {}", "x".repeat(length))
}

/// How long this thread has waited for a processor, since its start.
fn run_delay() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// Is this what some process has stored under entry `n`?
fn is_value(n: u32, found: &str) -> bool {
    let version = found.split(' ').nth(3).and_then(|version| version.parse().ok());
    version.is_some_and(|version| found == value(n, version))
}

/// Writes and reads until it is killed. Ends by itself if it reads what nobody wrote, and where the
/// files are `sound` if it hears of anything. Its longest turn is told in a file.
fn write_forever(kv: &mut LmdbKv, directory: &Path, sound: bool) {
    let longest_path = directory.join(format!("{LONGEST}{}", std::process::id()));
    let mut longest = Duration::ZERO;
    let mut given_up = 0;
    let mut state = u64::from(std::process::id());
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u32
    };
    loop {
        for _ in 0..20 {
            let n = next() % 2_000;
            let entry = format!("entry {n}");
            // Refused when others were writing at the end of each of the last turns.
            let _ = match next() % 8 {
                0..3 if !sound => kv.remove(entry.as_bytes()),
                _ => kv.put(entry.as_bytes(), value(n, next()).as_bytes()),
            };
            let n = next() % 2_000;
            let entry = format!("entry {n}");
            // What is spoiled after its tag was checked, while it is being looked at, cannot be told from
            // what is true; the next turn tells.
            let looks = if sound { 1 } else { 3 };
            let is_true = |kv: &LmdbKv| match kv.get(entry.as_bytes()) {
                Some(found) => is_value(n, &String::from_utf8_lossy(found)) || !kv.is_intact(),
                None => true,
            };
            // Within a turn a tag is checked once.
            let holds = (0..looks).any(|_| is_true(kv) || (!sound && kv.end_turn().is_err()));
            assert!(holds, "a wrong value under {entry}");
        }
        let (began, waited) = (Instant::now(), run_delay());
        let _ = kv.end_turn();
        // What the system had others do meanwhile is not the store's.
        let own = began.elapsed().saturating_sub(run_delay().saturating_sub(waited));
        if own > longest {
            longest = own;
            // Into one block in place, so that it is whole whenever this process is killed.
            let _ = fs::write(&longest_path, format!("{:012}", longest.as_micros()));
        }
        if sound {
            assert_eq!(kv.counters().tag_mismatch.get(), 0);
            assert_eq!(kv.take_notices(), []);
            // Some ten thousand writes a second by all of them, and time left for others.
            std::thread::sleep(Duration::from_millis(1));
        } else {
            // Once a second in a resolver; here the more often, the more is tried.
            kv.maintain();
            let before = given_up;
            given_up += kv.take_notices().iter().filter(|notice| is_of_given_up(notice)).count();
            if given_up > before {
                let path = directory.join(format!("{GIVEN_UP}{}", std::process::id()));
                let _ = fs::write(path, given_up.to_string());
            }
        }
    }
}

/// Does it tell of a transaction that had to be given up in its middle?
fn is_of_given_up(notice: &Notice) -> bool {
    let why = Distrust::Damaged("a page was spoiled while it was written to");
    matches!(notice, Notice::Recreated { why: found, .. } if *found == why)
}

/// The numbers that the writers have left in files whose names begin so.
fn told(directory: &Path, prefix: &str) -> Vec<u64> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let told = files.filter(|path| path.to_string_lossy().contains(prefix));
    told.filter_map(|path| fs::read_to_string(path).ok()?.parse().ok()).collect()
}

/// The longest turn that any of the writers has told of.
fn longest_turn(directory: &Path) -> Duration {
    Duration::from_micros(told(directory, LONGEST).into_iter().max().unwrap_or(0))
}

#[test]
fn what_one_process_stores_the_next_reads_in_its_next_turn() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = open(directory.path());
    let mut other = Process::start("console", directory.path());
    assert_eq!(other.tell("get a"), "nothing");
    kv.put(b"a", b"1").unwrap();
    kv.end_turn().unwrap();
    assert_eq!(other.tell("get a"), "nothing", "the same turn has the same snapshot");
    other.tell("end");
    assert_eq!(other.tell("get a"), "1");
    other.tell("put b 2");
    assert_eq!(kv.get(b"b"), None);
    kv.end_turn().unwrap();
    assert_eq!(other.tell("end"), "Ok(())");
    assert_eq!(kv.get(b"b"), Some(&b"2"[..]));
    kv.end_turn().unwrap();
    kv.clear().unwrap();
    assert_eq!(other.tell("get b"), "nothing");
}

#[test]
fn a_view_lasts_until_another_process_has_written() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = open(directory.path());
    let mut other = Process::start("console", directory.path());
    kv.put(b"a", b"1").unwrap();
    kv.end_turn().unwrap();
    let mut seen = vec![kv.view()];
    for command in ["put a 2", "put b 3", "clear"] {
        let view = seen[seen.len() - 1];
        assert_eq!(other.tell(command), "Ok(())");
        assert_eq!(other.tell("end"), "Ok(())");
        assert_eq!(kv.view(), view, "within the turn, {command}");
        kv.rest().unwrap();
        assert!(!seen.contains(&kv.view()), "{command}");
        seen.push(kv.view());
        assert_eq!(
            other.tell("get a"),
            String::from_utf8_lossy(kv.get(b"a").unwrap_or(b"nothing"))
        );
        assert_eq!(other.tell("end"), "Ok(())");
        kv.rest().unwrap();
        assert_eq!(kv.view(), seen[seen.len() - 1], "nothing was written");
    }
}

/// In a process that has just begun: where many threads come and go, holes may be too many to be filled.
#[test]
fn on_both_sides_of_the_map_are_addresses_that_lead_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Process::start("console", directory.path());
    assert_eq!(process.tell("get a"), "nothing");
    let maps = fs::read_to_string(format!("/proc/{}/maps", process.child.id())).unwrap();
    let ranges: Vec<(u64, u64, &str)> = maps
        .lines()
        .map(|line| {
            let (range, rest) = line.split_once(' ').unwrap();
            let (start, end) = range.split_once('-').unwrap();
            let number = |text| u64::from_str_radix(text, 16).unwrap();
            (number(start), number(end), rest)
        })
        .collect();
    let is_ours = |rest: &str| rest.contains("data.mdb");
    let at = ranges.iter().rposition(|range| is_ours(range.2)).expect("the map");
    let (start, end, rest) = ranges[at + 1];
    assert!(start == ranges[at].1 && rest.starts_with("---p"), "{maps}");
    assert!(end - start >= 8 << 30, "{maps}");
    let at = ranges.iter().position(|range| is_ours(range.2)).expect("the map");
    let (start, end, rest) = ranges[at - 1];
    assert!(end == ranges[at].0 && rest.starts_with("---p"), "{maps}");
    assert!(end - start >= 8 << 30, "{maps}");
}

#[test]
fn many_processes_can_open_a_new_directory_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::thread::scope(|scope| {
        let starts: Vec<_> =
            (0..6).map(|_| scope.spawn(|| Process::start("console", path))).collect();
        let mut all: Vec<_> = starts.into_iter().map(|start| start.join().unwrap()).collect();
        all[0].tell("put key value");
        all[0].tell("end");
        for process in &mut all {
            assert_eq!(process.tell("get key"), "value");
        }
    });
}

#[test]
fn a_larger_size_is_followed_by_all() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = open(directory.path());
    kv.put(b"key", b"value").unwrap();
    kv.flush().unwrap();
    let mut other = Process::start("console", directory.path());
    assert_eq!(other.tell("size"), (8 * MIB).to_string());
    kv.grow(32 * MIB).unwrap();
    let large = [7; 1_000];
    for n in 0..15_000u32 {
        kv.put(&n.to_be_bytes(), &large).unwrap();
    }
    kv.flush().unwrap();
    assert_eq!(kv.usage().entries, 15_001);
    other.tell("end");
    for _ in 0..2 {
        other.tell("get key");
        other.tell("end");
    }
    assert_eq!(other.tell("get key"), "value");
    assert_eq!(other.tell("put other value"), "Ok(())");
    assert_eq!(other.tell("end"), "Ok(())");
    assert_eq!(other.tell("size"), (32 * MIB).to_string());
    kv.end_turn().unwrap();
    assert_eq!(kv.get(b"other"), Some(&b"value"[..]));
}

#[test]
fn slots_of_killed_readers_are_freed() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = open(directory.path());
    for n in 1..=3 {
        let mut other = Process::start("console", directory.path());
        other.tell("get a");
        other.kill();
        kv.maintain();
        assert_eq!(kv.counters().stale_readers.get(), n);
    }
}

#[test]
fn an_idle_reader_cannot_stop_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = open(directory.path());
    kv.put(b"key", b"old").unwrap();
    kv.flush().unwrap();
    let mut other = Process::start("console", directory.path());
    assert_eq!(other.tell("get key"), "old");
    let value = [3; 1_000];
    for n in 0..40_000u32 {
        // Refused when too much waits already.
        let _ = kv.put(&(n % 500).to_be_bytes(), &value);
        if n.is_multiple_of(50) {
            kv.end_turn().unwrap();
        }
    }
    // What is stored stays as long as there is hope.
    assert!(kv.counters().pinned.get() > 0);
    assert_eq!((kv.counters().dropped_all.get(), kv.counters().recreated.get()), (0, 0));
    assert_eq!(kv.get(b"key"), Some(&b"old"[..]));
    for _ in 0..20 {
        kv.maintain();
        kv.end_turn().unwrap();
    }
    kv.put(b"key", b"new").unwrap();
    kv.flush().unwrap();
    assert_eq!(kv.get(b"key"), Some(&b"new"[..]));
    assert_eq!(kv.counters().recreated.get(), 1);
    assert_eq!(other.tell("get key"), "old");
    other.tell("end");
    assert_eq!(other.tell("get key"), "nothing");
    // It follows in its next turn, or a few turns later while somebody holds the directory's lock:
    // a process that another test forks has it for a moment.
    let follows = |other: &mut Process| {
        other.tell("end");
        std::thread::sleep(Duration::from_millis(10));
        other.tell("get key") == "new"
    };
    assert!((0..100).any(|_| follows(&mut other)));
}

#[test]
fn writes_go_on_when_a_slow_reader_ends_its_turn() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = open(directory.path());
    kv.put(b"key", b"old").unwrap();
    kv.flush().unwrap();
    let mut other = Process::start("console", directory.path());
    assert_eq!(other.tell("get key"), "old");
    let value = [3; 1_000];
    let mut n = 0u32;
    while kv.counters().pinned.get() == 0 {
        kv.put(&(n % 500).to_be_bytes(), &value).unwrap();
        n += 1;
        if n.is_multiple_of(50) {
            kv.end_turn().unwrap();
        }
    }
    kv.put(b"key", b"new").unwrap();
    kv.end_turn().unwrap();
    other.tell("end");
    assert_eq!(other.tell("get key"), "old");
    other.tell("end");
    kv.maintain();
    kv.end_turn().unwrap();
    assert_eq!(other.tell("get key"), "new");
    let counters = kv.counters();
    assert_eq!(
        (counters.lost.get(), counters.dropped_all.get(), counters.recreated.get()),
        (0, 0, 0)
    );
}

/// Turns until a write of each is read by all; they need some to notice and to open anew.
#[track_caller]
fn assert_shared(kv: &mut LmdbKv, others: &mut [Process]) {
    for round in 0..20 {
        kv.maintain();
        kv.put(b"round", round.to_string().as_bytes()).unwrap();
        let _ = kv.flush();
        for other in others.iter_mut() {
            other.tell("maintain");
            other.tell("end");
        }
    }
    for other in others.iter_mut() {
        assert_eq!(other.tell("get round"), "19");
    }
    for (n, other) in others.iter_mut().enumerate() {
        other.tell(&format!("put from{n} {n}"));
        assert_eq!(other.tell("end"), "Ok(())");
    }
    kv.end_turn().unwrap();
    for n in 0..others.len() {
        assert_eq!(kv.get(format!("from{n}").as_bytes()), Some(n.to_string().as_bytes()));
    }
}

#[test]
fn all_follow_when_the_files_are_removed_or_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let mut kv = open(directory.path());
    let mut others: Vec<_> = (0..3).map(|_| Process::start("console", directory.path())).collect();
    assert_shared(&mut kv, &mut others);
    for what in ["remove", "cut off", "remove the lock", "remove all"] {
        for other in &mut others {
            other.tell("get round");
        }
        let data = directory.path().join("data.mdb");
        match what {
            "remove" => fs::remove_file(data).unwrap(),
            "cut off" => File::options().write(true).open(data).unwrap().set_len(8_192).unwrap(),
            "remove the lock" => fs::remove_file(directory.path().join("lock.mdb")).unwrap(),
            _ => fs::remove_dir_all(directory.path()).unwrap(),
        }
        assert_shared(&mut kv, &mut others);
        let notices = kv.take_notices();
        assert!(
            notices.iter().all(|notice| matches!(
                notice,
                Notice::Removed { .. } | Notice::Recreated { .. } | Notice::SizeKept { .. }
            )),
            "{notices:?}"
        );
    }
}

/// A number from the environment.
fn number_from(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

/// Numbers that look random.
fn lottery(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state >> 33
    }
}

/// What an operator would like to know of a long run.
fn say(text: &str) {
    println!("figures: {text}");
}

#[test]
fn kills_at_any_moment_lose_nothing_that_was_committed() {
    let kills = number_from("KV_KILLS", 40);
    let directory = tempfile::tempdir().unwrap();
    let mut kv = open(directory.path());
    for n in 0..1_000 {
        kv.put(format!("sentinel {n}").as_bytes(), value(n, 0).as_bytes()).unwrap();
    }
    kv.flush().unwrap();
    let mut writers: Vec<_> = (0..4).map(|_| Process::start("writer", directory.path())).collect();
    let mut next = lottery(12_345);
    let (mut longest_wait, mut longest_opening) = (Duration::ZERO, Duration::ZERO);
    for kill in 0..kills {
        std::thread::sleep(Duration::from_micros(next() % 10_000));
        let slot = kill % writers.len();
        assert!(writers[slot].child.try_wait().unwrap().is_none(), "a writer ended by itself");
        writers[slot].kill();
        let (began, waited) = (Instant::now(), run_delay());
        kv.put(b"after kill", kill.to_string().as_bytes()).unwrap();
        kv.flush().unwrap();
        let own = began.elapsed().saturating_sub(run_delay().saturating_sub(waited));
        longest_wait = longest_wait.max(own);
        assert_eq!(kv.get(b"after kill"), Some(kill.to_string().as_bytes()));
        for n in 0..1_000 {
            let found = kv.get(format!("sentinel {n}").as_bytes());
            assert_eq!(found, Some(value(n, 0).as_bytes()), "after {kill} kills");
        }
        kv.maintain();
        let began = Instant::now();
        writers[slot] = Process::start("writer", directory.path());
        longest_opening = longest_opening.max(began.elapsed());
    }
    for writer in &mut writers {
        assert!(writer.child.try_wait().unwrap().is_none(), "a writer ended by itself");
        writer.kill();
    }
    assert_eq!(kv.counters().recreated.get(), 0);
    // As many slots of readers as there were processes at once, and those of two that overlapped.
    let stale = kv.counters().stale_readers.get();
    let longest = longest_turn(directory.path());
    say(&format!(
        "{kills} kills of 4 writers: 1000 sentinels each time, {stale} slots of dead readers freed; \
         longest, without waiting for a processor: a commit after a kill {longest_wait:?}, the end \
         of a turn of another writer {longest:?}; \
         start of a process until it has opened {longest_opening:?}"
    ));
    drop(kv);
    // The whole file is checked now, since nobody uses it.
    let mut kv = open(directory.path());
    assert_eq!(kv.take_notices(), []);
    assert!(kv.usage().entries > 2_000);
}

#[test]
fn a_file_cut_off_at_any_moment_ends_nobody() {
    let cuts = number_from("KV_CUTS", 20);
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data.mdb");
    let mut kv = open(directory.path());
    let mut writers: Vec<_> =
        (0..4).map(|_| Process::start("survivor", directory.path())).collect();
    let mut next = lottery(54_321);
    let mut longest_gap = Duration::ZERO;
    for cut in 0..cuts {
        std::thread::sleep(Duration::from_micros(next() % 20_000));
        // In whatever the others are doing: reading, or in the middle of a transaction.
        if let Ok(file) = File::options().write(true).open(&data) {
            let len = file.metadata().unwrap().len();
            file.set_len(next() % (len + 1)).unwrap();
        }
        let began = Instant::now();
        let mut rounds = 0;
        loop {
            kv.maintain();
            let stored = kv.put(b"after cut", cut.to_string().as_bytes());
            let stored = stored.and_then(|()| kv.flush());
            if stored.is_ok() && kv.get(b"after cut") == Some(cut.to_string().as_bytes()) {
                break;
            }
            rounds += 1;
            assert!(rounds < 1_000, "after {cut} cuts: {stored:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
        longest_gap = longest_gap.max(began.elapsed());
        for writer in &mut writers {
            let ended = writer.child.try_wait().unwrap();
            assert_eq!(ended, None, "a writer was ended by cut {cut}");
        }
    }
    let longest = longest_turn(directory.path());
    say(&format!(
        "{cuts} times cut off under 4 writers: none ended; longest: until a new cache was of use \
         {longest_gap:?}, a turn of a writer {longest:?}"
    ));
}

#[test]
fn pages_spoiled_at_any_moment_do_no_harm() {
    spoil_under_writers(number_from("KV_SPOILS", 40), 20_000, |file, used, rng| {
        // Many at once, so that some come between the look at a page and its use. Whoever opens the
        // file just now may have to begin anew, too.
        let pages = 1 + rng.below(60);
        for _ in 0..pages {
            spoil_page(file, used, rng);
        }
        pages
    });
}

#[test]
fn what_is_trusted_spoiled_for_a_moment_does_no_harm() {
    spoil_under_writers(number_from("KV_STRIKES", 20), 2_000, |file, _, rng| {
        let pages = 1 + rng.below(2_000);
        for _ in 0..pages {
            strike(file, rng);
        }
        pages
    });
}

/// Has four writers at work, lets `spoil` do so with their file again and again, each time after a pause of
/// some microseconds, and looks whether they are there and a cache is of use. It is given the number of
/// pages in use, and tells how many it has spoiled.
fn spoil_under_writers(spoils: usize, pause: u64, spoil: impl Fn(&File, u64, &mut Rng) -> u64) {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data.mdb");
    let mut kv = open(directory.path());
    let mut writers: Vec<_> =
        (0..4).map(|_| Process::start("survivor", directory.path())).collect();
    let (mut longest_gap, mut pages, mut deaths) = (Duration::ZERO, 0, 0);
    for seed in 0..spoils {
        let mut rng = Rng(seed as u64);
        std::thread::sleep(Duration::from_micros(rng.below(pause)));
        if let Ok(file) = File::options().read(true).write(true).open(&data) {
            let used = kv.usage().bytes.min(8 * MIB) / PAGE + 10;
            let _snapshot_is_over = kv.end_turn();
            pages += spoil(&file, used, &mut rng);
        }
        let began = Instant::now();
        let mut rounds = 0;
        loop {
            kv.maintain();
            let before = kv.counters().write.get();
            let stored = kv.put(b"after spoil", seed.to_string().as_bytes());
            // Without waiting for a writer, which may be one that is stuck.
            let stored = stored.and_then(|()| kv.end_turn());
            if kv.counters().write.get() > before {
                break;
            }
            rounds += 1;
            assert!(rounds < 10_000, "after {seed} times: {stored:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
        longest_gap = longest_gap.max(began.elapsed());
        for writer in &mut writers {
            let Some(ended) = writer.child.try_wait().unwrap() else { continue };
            // Never because of what was read.
            assert!(ended.signal().is_some(), "a writer was ended by number {seed}: {ended}");
            say(&format!("a writer was ended by number {seed}: {ended}"));
            deaths += 1;
            *writer = Process::start("survivor", directory.path());
        }
    }
    let given_up: u64 = told(directory.path(), GIVEN_UP).iter().sum();
    let longest = longest_turn(directory.path());
    say(&format!(
        "{spoils} times spoiled under 4 writers, {pages} pages: {given_up} transactions given up in \
         their middle, {deaths} writers ended; longest: until a new cache was of use {longest_gap:?}, \
         a turn of a writer {longest:?}"
    ));
    assert_eq!(deaths, 0, "of {spoils}");
}
