//! `kresctl cache`: what is in a cache, out of it and into it, as lines of JSON. The files are opened
//! as by one more process beside the resolvers, so none of them has to run, except for `warm`.

mod warm;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use dns::rdata::text::fmt_rdata;
use dns::{Name, Rtype};
use store::cache::export::{Exported, Loaded, export};
use store::cache::{Cache, TtlBounds};
use store::kv::{OpenOptions, ScanEnd, lmdb};
use store::limits::STORE_BYTES_MIN;

use super::complain;
use crate::clock::Clock;
use crate::os;

/// Entries that are read in one go, so that no page is kept from being used again for long.
const ENTRIES_PER_TURN: usize = 1_000;
/// Entries of one name that are looked up.
const LOOKUP_MAX: usize = 10_000;
/// Longest line that is read, in bytes: an entry in hexadecimal digits, and as text.
const LINE_BYTES_MAX: usize = 1024 * 1024;
/// The file whose presence makes a directory one with a cache.
const DATA_NAME: &str = "data.mdb";

/// What is to be done with a cache.
#[derive(Subcommand, Debug)]
pub(super) enum CacheCommand {
    /// Print what is in the cache, at and below a name or all of it, as lines of JSON
    Dump {
        /// The name
        #[arg(value_name = "NAME", default_value = ".")]
        name: Name,
        /// Directory of the cache; by default the run directory
        #[arg(short = 'd', long = "dir", value_name = "DIR")]
        directory: Option<PathBuf>,
    },
    /// Put what was dumped into the cache, as far as it is still good
    Load {
        /// The file; '-' is standard input
        #[arg(value_name = "FILE", default_value = "-")]
        file: PathBuf,
        /// Directory of the cache; by default the run directory
        #[arg(short = 'd', long = "dir", value_name = "DIR")]
        directory: Option<PathBuf>,
    },
    /// Ask a running resolver for names, so that it knows them
    Warm {
        /// Lines with a name, and a type where it is not A; '-' is standard input
        #[arg(value_name = "FILE", default_value = "-")]
        file: PathBuf,
        /// Address of the resolver; by default one that a process of the run directory listens on
        #[arg(short = 's', long = "server", value_name = "ADDR[@PORT]")]
        server: Option<String>,
    },
    /// Print what is known about a name
    Lookup {
        /// The name
        #[arg(value_name = "NAME")]
        name: Name,
        /// The type; by default all
        #[arg(value_name = "TYPE", value_parser = read_type)]
        rtype: Option<Rtype>,
        /// Directory of the cache; by default the run directory
        #[arg(short = 'd', long = "dir", value_name = "DIR")]
        directory: Option<PathBuf>,
    },
}

fn read_type(text: &str) -> Result<Rtype, String> {
    text.parse().map_err(|_| "a type is a word such as AAAA, or TYPE and a number".to_owned())
}

/// Does it; the exit status.
pub(super) fn run(
    command: &CacheCommand,
    run_directory: &Path,
    instance: Option<&str>,
) -> Result<u8> {
    let place =
        |directory: &Option<PathBuf>| directory.clone().unwrap_or_else(|| run_directory.to_owned());
    match command {
        CacheCommand::Dump { name, directory } => dump(&place(directory), name),
        CacheCommand::Load { file, directory } => load(&place(directory), file),
        CacheCommand::Warm { file, server } => {
            warm::warm(&mut *lines_of(file)?, server.as_deref(), run_directory, instance)
        }
        CacheCommand::Lookup { name, rtype, directory } => lookup(&place(directory), name, *rtype),
    }
}

/// Opens the cache of a directory, which has to be there: this program makes none.
fn open(directory: &Path) -> Result<Cache> {
    if !directory.join(DATA_NAME).is_file() {
        bail!(
            "no cache in '{}'; name its directory with -d, or the run directory with -r",
            directory.display()
        );
    }
    let mut seed = [0; 16];
    seed.copy_from_slice(
        os::random_seed().context("random numbers")?.get(..16).unwrap_or(&[0; 16]),
    );
    // Nothing is asked of its size: it stays as it is.
    let options = OpenOptions { path: directory.to_owned(), bytes: STORE_BYTES_MIN, seed };
    let mut kv = lmdb::open(&options)?;
    let _of_size = kv.take_notices();
    Ok(Cache::new(kv, TtlBounds { min: 0, max: u32::MAX }))
}

/// The lines of a file.
fn lines_of(path: &Path) -> Result<Box<dyn BufRead>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| path.display().to_string())?;
    Ok(Box::new(BufReader::new(file)))
}

/// The next line, without its end; nothing at the end of the file.
fn next_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> Result<bool> {
    use std::io::Read as _;
    line.clear();
    let read = input.take(LINE_BYTES_MAX as u64).read_until(b'\n', line)?;
    if read == LINE_BYTES_MAX {
        bail!("a line is longer than {LINE_BYTES_MAX} bytes");
    }
    line.truncate(line.trim_ascii_end().len());
    Ok(read > 0)
}

fn now() -> u64 {
    Clock::start().read().unix.seconds()
}

/// Text of JSON.
fn json_text(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            letter if (letter as u32) < 0x20 || letter == '\u{7f}' => {
                let _written = write!(out, "\\u{:04x}", letter as u32);
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// One line, without the closing brace.
fn line_of(exported: &Exported) -> String {
    let texts = |rtype: Rtype, rdatas: &dns::Rdatas| {
        let one = |rdata: &[u8]| {
            let mut text = String::new();
            let _written = fmt_rdata(rtype, rdata, &mut text);
            json_text(&text)
        };
        rdatas.iter().map(one).collect::<Vec<_>>().join(",")
    };
    let rtype = exported.rtype.map_or("null".to_owned(), |rtype| json_text(&rtype.to_string()));
    let mut line = format!(
        "{{\"name\":{},\"type\":{rtype},\"rank\":{},\"ttl\":{},\"records\":[{}]",
        json_text(&exported.name.to_string()),
        json_text(&format!("{:?}", exported.rank)),
        exported.ttl_left,
        texts(exported.rtype.unwrap_or(Rtype::NULL), &exported.rdatas),
    );
    if !exported.signatures.is_empty() {
        let _written =
            write!(line, ",\"signatures\":[{}]", texts(Rtype::RRSIG, &exported.signatures));
    }
    line
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _written = write!(text, "{byte:02x}");
    }
    text
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// What a program that works for long shows to whoever looks at it.
struct Progress {
    shown: bool,
    total: u64,
    done: u64,
    percent: u64,
}

impl Progress {
    const WIDTH: u64 = 40;

    fn new(total: u64) -> Progress {
        Progress { shown: std::io::stderr().is_terminal(), total, done: 0, percent: u64::MAX }
    }

    fn step(&mut self, count: u64) {
        self.done += count;
        let percent = (self.done * 100).checked_div(self.total).unwrap_or(100).min(100);
        if self.shown && percent != self.percent {
            self.percent = percent;
            let full = (percent * Self::WIDTH / 100) as usize;
            let bar = "#".repeat(full) + &".".repeat(Self::WIDTH as usize - full);
            let _nobody = write!(std::io::stderr(), "\r[{bar}] {percent:3} %");
        }
    }

    fn end(&self) {
        if self.shown {
            let _nobody = writeln!(std::io::stderr());
        }
    }
}

/// `dump`.
fn dump(directory: &Path, name: &Name) -> Result<u8> {
    let mut cache = open(directory)?;
    let now = now();
    let whole = name.is_root();
    let mut prefix = Vec::new();
    name.lookup_format(&mut prefix);
    let mut progress = Progress::new(if whole { cache.kv().usage().entries } else { 0 });
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut last: Option<Vec<u8>> = None;
    loop {
        let after = last.take();
        let (mut seen, mut nobody) = (0, false);
        let end = cache.kv().scan_prefix(
            &prefix,
            after.as_deref(),
            ENTRIES_PER_TURN,
            &mut |key, value| {
                seen += 1;
                last = Some(key.to_vec());
                let lines = export(key, value, now);
                let inside = lines.iter().filter(|line| line.name.is_at_or_below(name));
                // The raw entry has all types that are kept together: it stands on the first line.
                for (n, exported) in inside.enumerate() {
                    let mut line = line_of(exported);
                    if n == 0 {
                        let _written = write!(line, ",\"raw\":\"{} {}\"", hex(key), hex(value));
                    }
                    nobody |= writeln!(out, "{line}}}").is_err();
                }
                if nobody { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        cache.end_turn()?;
        progress.step(seen);
        if end == ScanEnd::Exhausted || nobody || last.is_none() {
            break;
        }
    }
    progress.end();
    let _nobody = out.flush();
    Ok(0)
}

/// `load`.
fn load(directory: &Path, file: &Path) -> Result<u8> {
    let mut cache = open(directory)?;
    let mut input = lines_of(file)?;
    let bytes = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
    let mut progress = Progress::new(bytes);
    let (now, mut line) = (now(), Vec::new());
    let (mut taken, mut passed, mut refused, mut waiting) = (0u64, 0u64, 0u64, 0);
    while next_line(&mut *input, &mut line)? {
        progress.step(line.len() as u64 + 1);
        let text = String::from_utf8_lossy(&line);
        // Lines of a name with several types say it once.
        let Some((_, rest)) = text.split_once("\"raw\":\"") else { continue };
        let raw = rest.split('"').next().and_then(|raw| raw.split_once(' '));
        let entry = raw.and_then(|(key, value)| Some((from_hex(key)?, from_hex(value)?)));
        match entry.map(|(key, value)| cache.load(now, &key, &value)).transpose()? {
            Some(Loaded::Taken) => taken += 1,
            Some(Loaded::Passed) => passed += 1,
            Some(Loaded::Refused) | None => refused += 1,
        }
        waiting += 1;
        if waiting == ENTRIES_PER_TURN / 4 {
            waiting = 0;
            cache.kv_mut().flush()?;
        }
    }
    cache.kv_mut().flush()?;
    progress.end();
    super::say(format_args!(
        "{{\"loaded\":{taken},\"expired_or_worse\":{passed},\"refused\":{refused}}}"
    ));
    if refused > 0 {
        complain(format_args!("{refused} lines have no entry of this version"));
    }
    Ok(u8::from(refused > 0))
}

/// `lookup`.
fn lookup(directory: &Path, name: &Name, rtype: Option<Rtype>) -> Result<u8> {
    let cache = open(directory)?;
    let now = now();
    let mut prefix = Vec::new();
    name.lookup_format(&mut prefix);
    prefix.push(0);
    let mut lines = Vec::new();
    cache.kv().scan_prefix(&prefix, None, LOOKUP_MAX, &mut |key, value| {
        lines.extend(export(key, value, now).into_iter().filter(|line| line.name == *name));
        ControlFlow::Continue(())
    });
    lines.retain(|line| rtype.is_none() || line.rtype == rtype || line.rtype.is_none());
    for line in &lines {
        super::say(format_args!("{}}}", line_of(line)));
    }
    if lines.is_empty() {
        complain(format_args!("nothing is known about {name}"));
    }
    Ok(u8::from(lines.is_empty()))
}
