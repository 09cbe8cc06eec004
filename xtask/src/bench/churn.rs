//! `cargo xtask bench churn`: how much of a load a cache answers that is four times too small for it.
//! Popularity falls with the rank (Zipf), nothing expires, and whoever makes room decides what stays.
//! Side by side: this program with and without its collector, and Knot Resolver with its own, where it
//! is installed. A hit is a question that did not reach the only upstream there is.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::load::{self, configuration, upstream};
use crate::step::is_there;

/// Size of the cache.
const CACHE_MIB: usize = 16;
/// Names that are asked for: about four times as many as fit, at 130 bytes each.
const NAMES: usize = 4 * CACHE_MIB * 1024 * 1024 / 130;
/// Questions of a run; the first half fills the cache and is not counted.
const QUESTIONS: usize = 1_200_000;
/// Questions under way.
const WINDOW: usize = 50;
/// After this a question counts as lost.
const WAIT: Duration = Duration::from_millis(500);
/// How long a resolver may take to listen.
const START_LOOKS: usize = 100;
const START_LOOK: Duration = Duration::from_millis(50);

/// Who takes part.
struct Contestant {
    name: &'static str,
    resolver: PathBuf,
    collector: Option<PathBuf>,
}

/// Lets all of them run.
pub fn churn() -> Result<()> {
    let built = super::built()?;
    let ours = |collector| Contestant {
        name: if collector { "kres with kres-cache-gc" } else { "kres by itself" },
        resolver: built.join("kresd"),
        collector: collector.then(|| built.join("kres-cache-gc")),
    };
    let mut contestants = vec![ours(false), ours(true)];
    let (theirs, collector) = ("/usr/sbin/kresd", "/usr/sbin/kres-cache-gc");
    if is_there(theirs) && is_there(collector) {
        contestants.push(Contestant {
            name: "Knot Resolver with its collector",
            resolver: theirs.into(),
            collector: Some(collector.into()),
        });
    }
    println!(
        "{NAMES} names, cache of {CACHE_MIB} MiB, {QUESTIONS} questions, the second half counts"
    );
    for contestant in &contestants {
        let result = contest(contestant).with_context(|| contestant.name)?;
        println!("{:34} {result}", contestant.name);
    }
    Ok(())
}

/// A process that ends with this value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn contest(contestant: &Contestant) -> Result<String> {
    let folder = std::env::temp_dir().join(format!("kres-churn-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let result = contest_in(contestant, &folder);
    fs::remove_dir_all(&folder)?;
    result
}

#[allow(clippy::disallowed_methods, reason = "a bench measures time")]
fn contest_in(contestant: &Contestant, folder: &Path) -> Result<String> {
    let (upstream, asked) = upstream()?;
    let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
    fs::write(folder.join("config"), configuration(port, CACHE_MIB, upstream))?;
    let log = fs::File::create(folder.join("log"))?;
    let start = |program: &Path, words: &[&str]| -> Result<Process> {
        let mut command = Command::new(program);
        command.args(words).current_dir(folder).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(log.try_clone()?);
        let child = command.spawn().with_context(|| program.display().to_string())?;
        Ok(Process(child))
    };
    let _resolver = start(&contestant.resolver, &["-n", "-c", "config", "."])?;
    wait_for(port)?;
    let _collector = match &contestant.collector {
        Some(program) => Some(start(program, &["-c", ".", "-d", "1000"])?),
        None => None,
    };
    let mut dice = Dice(1);
    let shares = shares();
    let began = Instant::now();
    let mut lost = load(port, QUESTIONS / 2, &shares, &mut dice)?;
    let before = asked.load(Relaxed);
    lost += load(port, QUESTIONS / 2, &shares, &mut dice)?;
    let missed = asked.load(Relaxed) - before;
    let hits = 100.0 * (1.0 - missed as f64 / (QUESTIONS / 2) as f64);
    Ok(format!("{hits:5.2} % hits, {lost} lost, {:.0} s", began.elapsed().as_secs_f64()))
}

/// Waits until something answers.
fn wait_for(port: u16) -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(START_LOOK))?;
    for _ in 0..START_LOOKS {
        // Refused while nobody listens.
        let _ = socket.send(&question(0, 0));
        if socket.recv(&mut [0; 512]).is_ok() {
            return Ok(());
        }
        std::thread::sleep(START_LOOK);
    }
    bail!("it does not answer")
}

/// A small generator.
struct Dice(u64);

impl Dice {
    /// Evenly between 0 and 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    }
}

/// For each rank the share of all questions that go to it and those before.
fn shares() -> Vec<f64> {
    let mut sum = 0.0;
    let mut shares: Vec<f64> = (1..=NAMES)
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect();
    shares.iter_mut().for_each(|share| *share /= sum);
    shares
}

/// Names say nothing of their rank, so that neighbours in the tree are not alike.
fn question(id: u16, rank: usize) -> Vec<u8> {
    let mixed = (rank as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let labels = [format!("{mixed:016x}"), format!("d{:03}", mixed >> 54), "test".to_owned()];
    load::question(id, labels.iter().map(String::as_str))
}

/// Asks; how many were not answered.
#[allow(clippy::disallowed_methods, reason = "a bench measures time")]
fn load(port: u16, count: usize, shares: &[f64], dice: &mut Dice) -> Result<u64> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(WAIT))?;
    let (mut sent, mut open, mut lost) = (0, 0usize, 0u64);
    let mut answer = [0; 512];
    while sent < count || open > 0 {
        while sent < count && open < WINDOW {
            let at = dice.next();
            let rank = shares.partition_point(|share| *share < at);
            socket.send(&question(sent as u16, rank))?;
            sent += 1;
            open += 1;
        }
        match socket.recv(&mut answer) {
            Ok(_) => open = open.saturating_sub(1),
            Err(_) => {
                lost += open as u64;
                open = 0;
            }
        }
    }
    Ok(lost)
}
