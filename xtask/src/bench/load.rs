//! Questions over UDP on loopback for the benches: an upstream that knows every name, a load that never
//! waits for more than a window, and one that looks at how long each answer takes. Whoever sends gives
//! way to the resolver: it runs at the lowest priority.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::lab::lower_priority;

/// Sockets that a load comes from: the kernel picks a worker for each.
const SOCKETS: usize = 16;
/// Questions under way from each.
const WINDOW: usize = 8;
/// After this a question counts as lost.
const WAIT: Duration = Duration::from_millis(500);
/// Questions at a time of the load whose answers are timed, and the pause between two such handfuls.
const HANDFUL: usize = 8;
const PAUSE: Duration = Duration::from_micros(500);

/// An upstream that gives every name an address for a day; its port, and how often it was asked.
pub(super) fn upstream() -> Result<(u16, Arc<AtomicU64>)> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let port = socket.local_addr()?.port();
    let asked = Arc::new(AtomicU64::new(0));
    let counter = asked.clone();
    std::thread::spawn(move || {
        let mut message = [0; 4096];
        // It ends with the process.
        while let Ok((length, peer)) = socket.recv_from(&mut message) {
            let Some(name) = message[12..length].iter().position(|byte| *byte == 0) else {
                continue;
            };
            counter.fetch_add(1, Relaxed);
            let mut reply = message[..12 + name + 5].to_vec();
            reply[2] = 0x85;
            reply[3] = 0x80;
            reply[4..12].copy_from_slice(&[0, 1, 0, 1, 0, 0, 0, 0]);
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 1, 0x51, 0x80, 0, 4, 192, 0, 2, 7]);
            let _ = socket.send_to(&reply, peer);
        }
    });
    Ok((port, asked))
}

/// A question for an address.
pub(super) fn question<'a>(id: u16, labels: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut query = id.to_be_bytes().to_vec();
    query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in labels {
        query.push(label.len() as u8);
        query.extend_from_slice(label.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    query
}

/// A socket that talks to this port of the machine.
pub(super) fn client(port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(WAIT))?;
    Ok(socket)
}

/// What a load came to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) answers: u64,
    pub(super) lost: u64,
}

/// Asks as fast as is answered, with a bounded number under way, until `goes_on` says no. The number of
/// the question is passed to `next`.
#[allow(clippy::disallowed_methods, reason = "a bench measures time")]
pub(super) fn flood(
    port: u16,
    mut next: impl FnMut(usize) -> Vec<u8> + Send,
    goes_on: impl Fn(usize, Duration) -> bool + Send,
) -> Result<Load> {
    std::thread::scope(|scope| {
        let work = scope.spawn(move || -> Result<Load> {
            lower_priority();
            let sockets = (0..SOCKETS).map(|_| client(port)).collect::<io::Result<Vec<_>>>()?;
            let began = Instant::now();
            let (mut load, mut sent, mut answer) = (Load::default(), 0, [0; 512]);
            let mut under_way = [0; SOCKETS];
            loop {
                let more = goes_on(sent, began.elapsed());
                for (socket, under_way) in sockets.iter().zip(&mut under_way) {
                    // Whatever is late belongs to an earlier handful, and counts as lost already.
                    while *under_way > 0 {
                        match socket.recv(&mut answer) {
                            Ok(_) => load.answers += 1,
                            Err(_) => {
                                load.lost += *under_way;
                                break;
                            }
                        }
                        *under_way -= 1;
                    }
                    *under_way = 0;
                    if more {
                        for _ in 0..WINDOW {
                            socket.send(&next(sent))?;
                            (sent, *under_way) = (sent + 1, *under_way + 1);
                        }
                    }
                }
                if !more {
                    break;
                }
            }
            Ok(load)
        });
        work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Asks by handfuls until told to stop, and notes when each was sent and how long its answer took.
#[allow(clippy::disallowed_methods, reason = "a bench measures time")]
pub(super) fn watch(
    port: u16,
    mut next: impl FnMut(usize) -> Vec<u8>,
    goes_on: impl Fn() -> bool,
) -> Result<Vec<(Instant, Option<Duration>)>> {
    let socket = client(port)?;
    let mut seen = Vec::new();
    let mut number = 0;
    let mut answer = [0; 512];
    while goes_on() {
        let mut sent = [None; HANDFUL];
        for (slot, sent) in sent.iter_mut().enumerate() {
            let mut query = next(number);
            query[..2]
                .copy_from_slice(&((number / HANDFUL % 256 * 256 + slot) as u16).to_be_bytes());
            *sent = Some(Instant::now());
            socket.send(&query)?;
            number += 1;
        }
        let handful = (number / HANDFUL - 1) % 256;
        while sent.iter().any(Option::is_some) {
            let Ok(_) = socket.recv(&mut answer) else { break };
            // One of an earlier handful counts as lost already.
            let slot = usize::from(answer[1]);
            if usize::from(answer[0]) == handful
                && let Some(at) = sent.get_mut(slot).and_then(Option::take)
            {
                seen.push((at, Some(at.elapsed())));
            }
        }
        seen.extend(sent.into_iter().flatten().map(|at| (at, None)));
        std::thread::sleep(PAUSE);
    }
    Ok(seen)
}

/// A configuration, in the words of 5.6 and ours, of a resolver on this port that asks nobody but the
/// upstream, with a cache of so many mebibytes.
pub(super) fn configuration(port: u16, cache_mib: usize, upstream: u16) -> String {
    format!(
        "net.listen('127.0.0.1', {port})\n\
         trust_anchors.remove('.')\n\
         cache.size = {cache_mib} * MB\n\
         policy.add(policy.all(policy.STUB('127.0.0.1@{upstream}')))\n\
         modules.unload('priming') modules.unload('ta_signal_query')\n\
         modules.unload('detect_time_skew')\n"
    )
}
