//! Queries behind a PROXY header: rules see who really asks, answers go back to who passed them on.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use crate::process::{Running, framed, query, read_message, read_to_close};

const CONFIGURATION: &str = "
    net.proxy_allowed('127.0.0.0/8')
    modules.load('view < policy')
    view:addr('192.0.2.0/24', policy.all(policy.REFUSE))
";

const REFUSED: u8 = 5;

/// A header for a client at this address, with `more` after the addresses.
fn header(client: [u8; 4], more: &[u8]) -> Vec<u8> {
    let length = u16::try_from(12 + more.len()).unwrap().to_be_bytes();
    let ports = [0x30, 0x39, 0, 53];
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11"[..], &length, &client, &[198, 51, 100, 1], &ports, more]
        .concat()
}

/// The rcode of the answer to a datagram, if there is one.
fn ask(running: &Running, id: u16, front: &[u8]) -> Option<u8> {
    let socket = running.datagrams();
    socket.set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
    socket.send(&[front, &query(id)].concat()).unwrap();
    let mut answer = [0; 1500];
    let length = socket.recv(&mut answer).ok()?;
    assert!(length > 12 && answer[..2] == id.to_be_bytes());
    Some(answer[3] & 0xf)
}

#[test]
fn rules_see_the_client_of_the_header() {
    let running = Running::start(CONFIGURATION);
    let plain = ask(&running, 1, &[]).unwrap();
    assert_ne!(plain, REFUSED, "{}", running.log());
    // Twice, since finished answers must not be told to those whom rules are for.
    for id in 2..4 {
        assert_eq!(ask(&running, id, &header([192, 0, 2, 9], &[])), Some(REFUSED));
        assert_eq!(ask(&running, id, &header([203, 0, 113, 9], &[4, 0, 1, 0])), Some(plain));
    }
    // Over TCP once for all queries of a connection, in whatever pieces it comes.
    let mut stream = running.connect();
    for octet in header([192, 0, 2, 9], &[]) {
        stream.write_all(&[octet]).unwrap();
    }
    for id in 5..8 {
        stream.write_all(&framed(&query(id))).unwrap();
        let answer = read_message(&mut stream);
        assert_eq!((&answer[..2], answer[3] & 0xf), (&id.to_be_bytes()[..], REFUSED));
    }
    let mut stream = running.connect();
    stream.write_all(&[header([203, 0, 113, 9], &[]), framed(&query(9))].concat()).unwrap();
    assert_eq!(read_message(&mut stream)[3] & 0xf, plain);
}

#[test]
fn headers_of_others_and_broken_ones_are_not_believed() {
    let running = Running::start(CONFIGURATION);
    let mut broken = header([203, 0, 113, 9], &[]);
    broken[12] = 0x31;
    assert_eq!(ask(&running, 1, &broken), None);
    let closes = |octets: &[u8]| {
        let mut stream: TcpStream = running.connect();
        stream.write_all(octets).unwrap();
        read_to_close(&mut stream)
    };
    assert!(closes(&broken));
    running.check_alive();
    let strangers = Running::start(&CONFIGURATION.replace("127.0.0.0/8", "127.99.0.0/16"));
    assert_eq!(ask(&strangers, 1, &header([203, 0, 113, 9], &[])), None);
    let mut stream = strangers.connect();
    stream.write_all(&header([203, 0, 113, 9], &[])).unwrap();
    assert!(read_to_close(&mut stream));
    strangers.check_alive();
}
