//! `kresctl cache warm`: asks a resolver for many names, some at a time.

use std::collections::HashMap;
use std::io::{BufRead, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use dns::{Name, Rtype};

use super::super::instances::Instances;
use super::super::{complain, say};
use super::{Progress, json_text, next_line};
use crate::clock::Clock;
use crate::endpoint;

/// Questions under way. Enough to keep a resolver busy, and fewer than clients it refuses.
const WINDOW: usize = 64;
/// How long an answer may take: a resolver gives up earlier.
const WAIT: Duration = Duration::from_secs(8);
/// How often it is looked whether one has waited for too long.
const LOOK: Duration = Duration::from_millis(200);
/// What a process says its first endpoint for plain DNS is.
const FIND_ENDPOINT: &str = "for _, e in ipairs(net.list()) do \
     if e.kind == 'dns' and e.transport.protocol == 'udp' then \
     return e.transport.ip .. '@' .. e.transport.port end end return ''";

/// A question that was sent.
struct Asked {
    name: Name,
    rtype: Rtype,
    at: Duration,
}

/// Asks for all names of the input; one line for each answer.
pub(super) fn warm(
    input: &mut dyn BufRead,
    server: Option<&str>,
    run_directory: &Path,
    instance: Option<&str>,
) -> Result<u8> {
    let server = match server {
        Some(text) => parse(text)?,
        None => find(run_directory, instance)?,
    };
    let questions = read(input)?;
    let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(LOOK))?;
    let clock = Clock::start();
    let mut progress = Progress::new(questions.len() as u64);
    let (mut next, mut number, mut failed) = (questions.into_iter(), 0u16, 0u64);
    let mut asked: HashMap<u16, Asked> = HashMap::new();
    loop {
        while asked.len() < WINDOW
            && let Some((name, rtype)) = next.next()
        {
            number = number.wrapping_add(1);
            // A server that is not there is told by the next call.
            let _refused = socket.send(&query(number, &name, rtype));
            let at = Clock::elapsed(clock.read());
            asked.insert(number, Asked { name, rtype, at });
        }
        if asked.is_empty() {
            break;
        }
        let mut answer = [0; 512];
        let received = match socket.recv(&mut answer) {
            Ok(length) => answer.get(..length).unwrap_or_default(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                &[]
            }
            Err(error) => return Err(anyhow!(error).context(format!("asking {server}"))),
        };
        let now = Clock::elapsed(clock.read());
        if let [high, low, _, flags, ..] = received
            && let Some(asked) = asked.remove(&u16::from_be_bytes([*high, *low]))
        {
            let rcode = dns::Rcode(u16::from(flags & 0xF));
            tell(&asked, &rcode.to_string(), now);
            failed += u64::from(matches!(rcode, dns::Rcode::SERVFAIL | dns::Rcode::REFUSED));
            progress.step(1);
        }
        asked.retain(|_, asked| {
            let is_late = now.saturating_sub(asked.at) > WAIT;
            if is_late {
                tell(asked, "no answer", now);
                failed += 1;
                progress.step(1);
            }
            !is_late
        });
    }
    progress.end();
    if failed > 0 {
        complain(format_args!("{failed} questions were not answered with data"));
    }
    Ok(u8::from(failed > 0))
}

fn tell(asked: &Asked, result: &str, now: Duration) {
    say(format_args!(
        "{{\"name\":{},\"type\":{},\"result\":{},\"ms\":{}}}",
        json_text(&asked.name.to_string()),
        json_text(&asked.rtype.to_string()),
        json_text(result),
        now.saturating_sub(asked.at).as_millis()
    ));
}

fn parse(text: &str) -> Result<SocketAddr> {
    endpoint::parse(text, 53)
        .with_context(|| format!("'{text}' is no address; write ADDRESS or ADDRESS@PORT"))
}

/// An address that one of the processes listens on.
fn find(run_directory: &Path, instance: Option<&str>) -> Result<SocketAddr> {
    let mut instances = Instances::find(run_directory, instance).map_err(|text| anyhow!(text))?;
    let mut found = None;
    instances.each(|instance| {
        let said = instance.ask(FIND_ENDPOINT).unwrap_or_default();
        found = found.or_else(|| parse(said.trim_matches(['\'', '"'])).ok());
    });
    let Some(mut address) = found else {
        bail!("no process listens for DNS over UDP; name an address with -s");
    };
    if address.ip().is_unspecified() {
        match &mut address {
            SocketAddr::V4(v4) => v4.set_ip([127, 0, 0, 1].into()),
            SocketAddr::V6(v6) => v6.set_ip([0, 0, 0, 0, 0, 0, 0, 1].into()),
        }
    }
    Ok(address)
}

/// The questions of a list.
fn read(input: &mut dyn BufRead) -> Result<Vec<(Name, Rtype)>> {
    let (mut questions, mut line, mut number) = (Vec::new(), Vec::new(), 0);
    while next_line(input, &mut line)? {
        number += 1;
        let text = String::from_utf8_lossy(&line);
        let mut words = text.split_ascii_whitespace();
        let Some(name) = words.next().filter(|word| !word.starts_with('#')) else { continue };
        let name = name.parse().map_err(|_| anyhow!("line {number}: '{name}' is no name"))?;
        let rtype = match words.next() {
            None => Rtype::A,
            Some(word) => {
                word.parse().map_err(|_| anyhow!("line {number}: '{word}' is no type"))?
            }
        };
        questions.push((name, rtype));
    }
    Ok(questions)
}

/// A question with recursion desired and DO set, so that signatures are fetched, too.
fn query(number: u16, name: &Name, rtype: Rtype) -> Vec<u8> {
    let mut query = number.to_be_bytes().to_vec();
    query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    query.extend_from_slice(name.as_wire());
    query.extend(rtype.0.to_be_bytes());
    query.extend([0, 1]);
    query.extend([0, 0, 41, 4, 0xd0, 0, 0, 0x80, 0, 0, 0]);
    query
}
