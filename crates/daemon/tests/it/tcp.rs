//! Clients over TCP: well-behaved, slow, greedy, and out of their minds.

use std::io::Write;
use std::time::Duration;

use crate::process::{Running, framed, query, read_message, read_to_close};

/// A short idle time, so that the tests are quick.
const IDLE: &str = "net.tcp_in_idle(600)";
/// Waiting for a close that the idle time brings about.
const WAIT: Duration = Duration::from_secs(8);

#[test]
fn queries_arrive_in_any_pieces_and_share_a_connection() {
    let running = Running::start("");
    let mut stream = running.connect();
    let bytes: Vec<u8> = (1..=20).flat_map(|id| framed(&query(id))).collect();
    for piece in bytes.chunks(7) {
        stream.write_all(piece).unwrap();
    }
    let mut ids: Vec<u16> = (1..=20)
        .map(|_| read_message(&mut stream).first_chunk::<2>().map(|id| u16::from_be_bytes(*id)))
        .map(Option::unwrap)
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=20).collect::<Vec<u16>>());
}

#[test]
fn answers_that_are_ready_keep_the_order_of_their_queries() {
    let running = Running::start("");
    let mut stream = running.connect();
    // The first of each pair is found in another place than the second, which is quicker.
    let query = |id: u16, name: u8| {
        let head = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, name];
        let mut message = [&head[..], b"\x09localhost\x00\x00\x01\x00\x01"].concat();
        message[..2].copy_from_slice(&id.to_be_bytes());
        framed(&message)
    };
    for name in b'a'..=b'z' {
        stream.write_all(&[query(1, name), query(2, name)].concat()).unwrap();
        let ids = [(); 2].map(|()| read_message(&mut stream)[1]);
        assert_eq!(ids, [1, 2], "{}.localhost", char::from(name));
    }
}

#[test]
fn what_is_no_message_is_skipped() {
    let running = Running::start("");
    let mut stream = running.connect();
    for octet in [0x00, 0x01, 0x7f, 0xff] {
        for length in [1, 11, 1024, 65_533] {
            stream.write_all(&framed(&vec![octet; length])).unwrap();
        }
    }
    // Octets behind the end of a query, and a query that is cut off.
    for length in [1, 8, 1024, 20_000] {
        stream.write_all(&framed(&[query(1), vec![0x55; length]].concat())).unwrap();
    }
    stream.write_all(&framed(&query(1)[..14])).unwrap();
    stream.write_all(&framed(&query(9))).unwrap();
    assert_eq!(read_message(&mut stream)[..2], query(9)[..2]);
}

#[test]
fn a_length_of_zero_closes() {
    let running = Running::start("");
    let mut stream = running.connect();
    stream.write_all(&[0, 0]).unwrap();
    assert!(read_to_close(&mut stream));
    running.check_alive();
}

#[test]
fn idle_connections_are_closed() {
    let running = Running::start(IDLE);
    let mut unused = running.connect();
    unused.set_read_timeout(Some(WAIT)).unwrap();
    let mut used = running.connect();
    used.set_read_timeout(Some(WAIT)).unwrap();
    used.write_all(&framed(&query(1))).unwrap();
    read_message(&mut used);
    assert!(read_to_close(&mut unused));
    assert!(read_to_close(&mut used));
}

#[test]
fn single_octets_do_not_keep_a_connection_open() {
    let running = Running::start(IDLE);
    let mut stream = running.connect();
    let bytes = framed(&query(1));
    let pause = Duration::from_millis(200);
    // All of it would take several times the idle time.
    let closed = bytes.iter().any(|octet| {
        std::thread::sleep(pause);
        stream.write_all(&[*octet]).is_err()
    });
    assert!(closed, "it took {} octets, one every {pause:?}", bytes.len());
    running.check_alive();
}

#[test]
fn a_client_that_takes_no_answers_is_closed() {
    let running = Running::start("");
    let mut stream = running.connect();
    stream.set_write_timeout(Some(WAIT)).unwrap();
    let bytes: Vec<u8> = (0..2000).flat_map(|id| framed(&query(id))).collect();
    // Far more than all buffers on the way hold.
    let closed = (0..2000).any(|_| stream.write_all(&bytes).is_err());
    assert!(closed);
    running.check_alive();
}

#[test]
fn a_client_that_goes_away_amid_its_queries_does_no_harm() {
    let running = Running::start("");
    for _ in 0..20 {
        let mut stream = running.connect();
        let bytes: Vec<u8> = (0..1000).flat_map(|id| framed(&query(id))).collect();
        let _closed = stream.write_all(&bytes);
    }
    running.check_alive();
}

#[test]
fn a_client_that_has_asked_everything_still_gets_its_answers() {
    let running = Running::start("");
    let mut stream = running.connect();
    stream.write_all(&framed(&query(1))).unwrap();
    stream.write_all(&framed(&query(2))).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    read_message(&mut stream);
    read_message(&mut stream);
    assert!(read_to_close(&mut stream));
}
