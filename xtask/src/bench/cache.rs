//! `cargo xtask bench cache`: what the cache costs and what it withstands, as figures. What can be told
//! in process comes from bench programs; the rest from the program itself over loopback, with a load that
//! runs on the same processors at the lowest priority, and whose share is told.
//!
//! Some minutes on two processors. Look at the load of the machine, which is printed, before believing a
//! time. `KRES_BUILT=FOLDER` takes the programs from there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::load::{Load, client, configuration, flood, question, upstream, watch};
use crate::lab::{kill_group, signal_group};
use crate::step::{Steps, cargo, run};

/// Names that are cleared and whose size is told, and those that stay warm.
const MANY: usize = 100_000;
const WARM: usize = 10_000;
/// The first of them are those that are looked for after a restart.
const FIRST: usize = 1_000;
const CACHE_MIB: usize = 64;
/// For how long throughput is measured, and answers before and after something happens.
const LENGTH: Duration = Duration::from_secs(4);
/// How long a group may take to listen, or to clear what it has.
const PATIENCE: Duration = Duration::from_secs(30);
/// Sockets for each worker from which it is asked, and the questions from each that wait at once: fewer than
/// a socket's buffer holds, also where a worker gets some more of them than the other.
const ASKERS: usize = 16;
const QUESTIONS: usize = 8;
/// How often, and how long it takes at most until all of them are answered.
const ROUNDS: usize = 400;
const DRAINED: Duration = Duration::from_millis(8);
/// Between two questions to somebody who may not be there yet.
const LOOK: Duration = Duration::from_micros(500);

/// What is measured: a name for whoever wants only that, what it is, and how.
type Part = (&'static str, &'static str, fn(&Path, &Path) -> Result<()>);
const PARTS: &[Part] = &[
    ("hits", "hits in process", |_, _| {
        run(cargo().args(["bench", "--quiet", "--package", "resolve", "--bench", "hits"]))
    }),
    ("writers", "workers that write at the same time, in the store alone", |_, _| {
        run(cargo().args(["bench", "--quiet", "--package", "store", "--bench", "contention"]))
    }),
    ("workers", "an answer of one worker, and of two at once", scaling),
    ("clear", "names that are cleared under load", clearing),
    ("restart", "all killed and started again", restarting),
];

/// Measures everything, or one part of it.
pub fn cache(only: Option<&str>) -> Result<()> {
    let parts: Vec<&Part> =
        PARTS.iter().filter(|(name, ..)| only.is_none_or(|only| only == *name)).collect();
    if parts.is_empty() {
        let names: Vec<&str> = PARTS.iter().map(|(name, ..)| *name).collect();
        bail!("there is no such part; there are {}", names.join(", "));
    }
    let built = super::built()?;
    println!("load of the machine before: {}", load_average());
    let folder = std::env::temp_dir().join(format!("kres-bench-cache-{}", std::process::id()));
    let mut steps = Steps::new(parts.len());
    for (_, what, measure) in parts {
        steps.run(what, || in_folder(&folder, || measure(&built, &folder)))?;
    }
    println!("load of the machine after: {}", load_average());
    Ok(())
}

fn load_average() -> String {
    fs::read_to_string("/proc/loadavg").unwrap_or_default().trim_end().to_owned()
}

fn in_folder(folder: &Path, work: impl FnOnce() -> Result<()>) -> Result<()> {
    fs::create_dir_all(folder)?;
    let result = work();
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    fs::remove_dir_all(folder)?;
    let last = log.lines().rev().take(10).collect::<Vec<_>>().join("\n");
    result.with_context(|| format!("the log ends with (the newest first):\n{last}"))
}

/// A group of workers, which ends with this value.
struct Group {
    leader: Child,
    port: u16,
    folder: PathBuf,
}

impl Drop for Group {
    fn drop(&mut self) {
        kill_group(self.leader.id());
        let _ = self.leader.wait();
    }
}

impl Group {
    /// Starts it; it may not listen yet.
    fn start(built: &Path, folder: &Path, workers: usize, upstream: u16) -> Result<Group> {
        let port = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        fs::write(folder.join("config"), configuration(port, CACHE_MIB, upstream))?;
        let log = fs::File::options().create(true).append(true).open(folder.join("log"))?;
        let mut command = Command::new(built.join("kresd"));
        command.args(["-c", "config", "-n"]);
        if workers > 1 {
            command.args(["-f", &workers.to_string()]);
        }
        command.arg(".").current_dir(folder).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(log).process_group(0);
        let leader = command.spawn().context("cannot start kresd")?;
        Ok(Group { leader, port, folder: folder.to_owned() })
    }

    /// Starts it and waits until all of them answer.
    fn start_and_wait(built: &Path, folder: &Path, workers: usize, upstream: u16) -> Result<Group> {
        let group = Group::start(built, folder, workers, upstream)?;
        group.first_answer(&name(0, "warm"))?;
        let all = || fs::read_dir(folder.join("control")).map_or(0, Iterator::count) >= workers;
        if !eventually(all) {
            bail!("not all workers have started");
        }
        Ok(group)
    }

    /// Asks until there is an answer; how long that took.
    #[allow(clippy::disallowed_methods, reason = "a bench measures time")]
    fn first_answer(&self, query: &[u8]) -> Result<Duration> {
        let began = Instant::now();
        let socket = client(self.port)?;
        socket.set_read_timeout(Some(LOOK))?;
        while began.elapsed() < PATIENCE {
            // Refused while nobody listens.
            let _ = socket.send(query);
            if socket.recv(&mut [0; 512]).is_ok() {
                return Ok(began.elapsed());
            }
            std::thread::sleep(LOOK / 5);
        }
        bail!("it does not answer")
    }

    /// Says something to the first worker, and hears what it says.
    fn tell(&self, command: &str) -> Result<String> {
        let mut sockets = fs::read_dir(self.folder.join("control"))?;
        let path = sockets.next().context("no control socket")??.path();
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        writeln!(stream, "{command}")?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        Ok(said.trim_start_matches("> ").trim_end_matches("> ").trim().to_owned())
    }

    /// The number that an expression comes to.
    fn number(&self, expression: &str) -> Result<f64> {
        let said = self.tell(expression)?;
        said.parse().with_context(|| format!("{expression}: {said}"))
    }

    /// Processor time of all its threads, so far.
    fn time(&self) -> Duration {
        self.times().values().sum()
    }

    /// The same, each.
    fn times(&self) -> BTreeMap<PathBuf, Duration> {
        let leader = self.leader.id().to_string();
        let threads = processes_of(&leader).into_iter().flat_map(|path| {
            let threads = fs::read_dir(path.join("task")).into_iter().flatten().flatten();
            threads.filter_map(|thread| {
                let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
                let nanos = text.split(' ').next()?.parse::<u64>().ok()?;
                Some((thread.path(), Duration::from_nanos(nanos)))
            })
        });
        threads.collect()
    }

    /// Sends a signal to all its processes.
    fn signal(&self, signal: libc::c_int) {
        signal_group(self.leader.id(), signal);
    }

    /// Asks for these names once, and lets what was learned reach the files.
    fn warm(&self, count: usize, zone: &str) -> Result<Load> {
        let load = flood(self.port, |number| name(number % count, zone), |sent, _| sent < count)?;
        if load.lost > 0 {
            bail!("{} of {count} questions were not answered", load.lost);
        }
        Ok(load)
    }
}

/// Paths of the processes of a group in `/proc`.
fn processes_of(leader: &str) -> Vec<PathBuf> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    all.filter(|path| {
        let text = fs::read_to_string(path.join("stat")).unwrap_or_default();
        // Behind the name, which may have any characters: state, parent, group.
        let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
        fields.split_whitespace().nth(2) == Some(leader)
    })
    .collect()
}

#[allow(clippy::disallowed_methods, reason = "a bench measures time")]
fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if is_so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// A question for the name with this number.
fn name(number: usize, zone: &str) -> Vec<u8> {
    let host = format!("host{number:06}");
    let part = format!("zone{:03}", number % 250);
    question(number as u16, [host.as_str(), part.as_str(), zone, "test"].into_iter())
}

/// Some order of the warm names that is not theirs.
fn scattered(number: usize) -> usize {
    number.wrapping_mul(7919) % WARM
}

/// What an answer costs a worker's processor, alone and beside another. Whoever asks would run on the same
/// processors, so nobody does while they answer: they are stopped, questions wait in their sockets, and
/// they go on all at once.
fn scaling(built: &Path, folder: &Path) -> Result<()> {
    let (upstream, _) = upstream()?;
    let mut costs = Vec::new();
    for workers in [1, 2] {
        let group = Group::start_and_wait(built, folder, workers, upstream)?;
        group.warm(WARM, "warm")?;
        // Once more, so that the answer caches have them.
        group.warm(WARM, "warm")?;
        let sockets: Vec<_> =
            (0..workers * ASKERS).map(|_| client(group.port)).collect::<std::io::Result<_>>()?;
        let (mut answers, mut lost, mut time) = (0_u64, 0_u64, Duration::ZERO);
        let mut at_once = Vec::new();
        for round in 0..ROUNDS {
            group.signal(libc::SIGSTOP);
            for (at, socket) in sockets.iter().enumerate() {
                for number in 0..QUESTIONS {
                    let number = (round * sockets.len() + at) * QUESTIONS + number;
                    socket.send(&name(scattered(number), "warm"))?;
                }
            }
            let before = group.times();
            group.signal(libc::SIGCONT);
            // Longer than it takes; what they send waits in the sockets here.
            std::thread::sleep(DRAINED);
            let after = group.times();
            let each: Vec<Duration> = after
                .iter()
                .filter_map(|(thread, now)| Some(now.saturating_sub(*before.get(thread)?)))
                .collect();
            time += each.iter().sum::<Duration>();
            // The two that worked most; were they at it at the same time, they had the same to do.
            let mut busy = each;
            busy.sort_unstable_by(|a, b| b.cmp(a));
            at_once.push(busy.get(workers - 1).copied().unwrap_or_default());
            for socket in &sockets {
                socket.set_read_timeout(Some(LOOK))?;
                for _ in 0..QUESTIONS {
                    match socket.recv(&mut [0; 512]) {
                        Ok(_) => answers += 1,
                        Err(_) => lost += 1,
                    }
                }
            }
        }
        at_once.sort_unstable();
        let cost = time.as_secs_f64() * 1e9 / answers.max(1) as f64;
        println!(
            "{workers} worker(s), {ROUNDS} times {} questions that had waited: {answers} answers, \
             {lost} lost; {cost:.0} ns of a processor an answer; the one with the least to do took \
             {:?} (median)",
            sockets.len() * QUESTIONS,
            at_once.get(ROUNDS / 2).copied().unwrap_or_default(),
        );
        costs.push(cost);
    }
    if let [one, two] = costs[..] {
        println!(
            "two against one: {:.2} times the answers, as far as they do not wait for a processor",
            2.0 * one / two
        );
    }
    Ok(())
}

/// A line of how long answers took.
fn line(what: &str, mut times: Vec<Duration>, lost: usize) -> String {
    times.sort_unstable();
    let at = |share: f64| {
        let index = (times.len().saturating_sub(1) as f64 * share) as usize;
        times.get(index).copied().unwrap_or_default()
    };
    format!(
        "{what}: {} answers, {lost} lost; median {:?}, p99 {:?}, p99.9 {:?}, longest {:?}",
        times.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    )
}

/// What cached answers suffer while others are cleared, and what a name takes.
#[allow(clippy::disallowed_methods, reason = "a bench measures time")]
fn clearing(built: &Path, folder: &Path) -> Result<()> {
    let (upstream, asked) = upstream()?;
    let group = Group::start_and_wait(built, folder, 2, upstream)?;
    group.warm(MANY, "many")?;
    let bytes = group.number("cache.stats().usage_percent * cache.current_size / 100")?;
    let others: u64 = ["lock.mdb", "use.map"]
        .iter()
        .filter_map(|file| fs::metadata(folder.join(file)).ok())
        .map(|file| file.len())
        .sum();
    println!(
        "{MANY} names take {bytes:.0} bytes in pages and {others} in other files: {:.1} bytes a \
         name",
        (bytes + others as f64) / MANY as f64
    );
    group.warm(WARM, "warm")?;
    group.warm(WARM, "warm")?;
    let before = asked.load(Relaxed);
    for (what, command) in [
        ("the other 100,000", "cache.clear('many.test.', false, nil, 100)"),
        ("everything", "cache.clear()"),
    ] {
        let goes_on = AtomicBool::new(true);
        let (seen, began, ended) = std::thread::scope(|scope| -> Result<_> {
            let watched = scope.spawn(|| {
                watch(group.port, |n| name(scattered(n), "warm"), || goes_on.load(Relaxed))
            });
            std::thread::sleep(LENGTH / 2);
            let began = Instant::now();
            let cleared = group.tell(command);
            let gone =
                || group.number("cache.count()").is_ok_and(|count| count < 3.0 * WARM as f64);
            let gone = eventually(gone);
            let ended = Instant::now();
            std::thread::sleep(LENGTH / 2);
            goes_on.store(false, Relaxed);
            let seen = watched.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            cleared?;
            if !gone {
                bail!("they are not gone");
            }
            Ok((seen, began, ended))
        })?;
        println!("clearing {what} took {:?}; cached answers", ended - began);
        let part = |from: Option<Instant>, to: Option<Instant>| {
            let times: Vec<_> = seen
                .iter()
                .filter(|(at, _)| {
                    from.is_none_or(|from| *at >= from) && to.is_none_or(|to| *at < to)
                })
                .collect();
            let answered: Vec<_> = times.iter().filter_map(|(_, took)| *took).collect();
            let lost = times.len() - answered.len();
            (answered, lost)
        };
        let parts = [
            ("  before", part(None, Some(began))),
            ("  meanwhile", part(Some(began), Some(ended))),
            ("  after", part(Some(ended), None)),
        ];
        for (when, (times, lost)) in parts {
            println!("{}", line(when, times, lost));
        }
        println!("  upstream was asked {} times", asked.load(Relaxed) - before);
    }
    Ok(())
}

/// What is left when all processes are killed, and how soon it is of use.
#[allow(clippy::disallowed_methods, reason = "a bench measures time")]
fn restarting(built: &Path, folder: &Path) -> Result<()> {
    let (upstream, asked) = upstream()?;
    let group = Group::start_and_wait(built, folder, 2, upstream)?;
    group.warm(WARM, "warm")?;
    // At once, as it would be.
    drop(group);
    for round in 1..=5 {
        let _ = fs::remove_dir_all(folder.join("control"));
        let began = Instant::now();
        let group = Group::start(built, folder, 2, upstream)?;
        group.first_answer(&name(round, "warm"))?;
        let (first, own) = (began.elapsed(), group.time());
        let before = asked.load(Relaxed);
        group.warm(FIRST, "warm")?;
        let missed = asked.load(Relaxed) - before;
        println!(
            "killed and started again ({round}): the first cached answer after {first:?} ({own:?} of \
             a processor, all processes together), {:.1} % of the first {FIRST} names from the cache",
            100.0 - 100.0 * missed as f64 / FIRST as f64
        );
    }
    Ok(())
}
