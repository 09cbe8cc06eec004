//! Datagrams of every kind: whatever comes, the next query is answered.

use std::net::TcpStream;

use crate::process::{Running, query};

/// Messages that no correct client sends.
fn malformed() -> Vec<Vec<u8>> {
    let good = query(1);
    let mut messages: Vec<Vec<u8>> =
        (0..good.len()).map(|length| good[..length].to_vec()).collect();
    let mut with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut message = good.clone();
        change(&mut message);
        messages.push(message);
    };
    // Counts that are not true, each section.
    for at in [4, 6, 8, 10] {
        with(&|message| message[at] = 0xff);
        with(&|message| message[at + 1] = 0xff);
    }
    // Every opcode, as query and as response.
    for opcode in 0..16u8 {
        with(&|message| message[2] = opcode << 3);
        with(&|message| message[2] = 0x80 | opcode << 3);
    }
    // A name that points to itself, forwards, behind the end; a label of an unknown kind.
    with(&|message| drop(message.splice(12.., *b"\xc0\x0c\x00\x01\x00\x01")));
    with(&|message| drop(message.splice(12.., *b"\xc0\x0e\xc0\x0c\x00\x01\x00\x01")));
    with(&|message| drop(message.splice(12.., *b"\xff\xff\x00\x01\x00\x01")));
    with(&|message| drop(message.splice(12.., *b"\x80\x00\x00\x01\x00\x01")));
    // Octets behind the end, the longest datagrams, nothing but ones and zeros.
    with(&|message| message.extend([0; 3]));
    for length in [1, 12, 512, 4096, 4097, 9000] {
        messages.push(vec![0; length]);
        messages.push(vec![0xff; length]);
    }
    messages
}

#[test]
fn malformed_datagrams_do_no_harm() {
    let running = Running::start("");
    let socket = running.datagrams();
    for message in malformed() {
        socket.send(&message).unwrap();
    }
    running.check_alive();
    assert!(!running.log().contains("bug"), "{}", running.log());
}

#[test]
fn answers_come_from_the_address_that_was_asked() {
    let address = crate::process::free_address();
    let listen = format!("net.listen('0.0.0.0', {})", address.port());
    let running = Running::start(&listen);
    // Opened a moment after the address that was waited for; TCP comes behind UDP.
    crate::process::eventually("the second address", || TcpStream::connect(address).ok());
    for last in [1, 2, 77] {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(crate::process::SOON)).unwrap();
        // Connected: an answer from another address would not arrive.
        socket.connect((std::net::Ipv4Addr::new(127, 0, 0, last), address.port())).unwrap();
        socket.send(&query(3)).unwrap();
        let mut answer = [0; 512];
        socket.recv(&mut answer).unwrap_or_else(|error| panic!("127.0.0.{last}: {error}"));
        assert_eq!(answer[..2], query(3)[..2]);
    }
    running.check_alive();
}

#[test]
fn a_burst_larger_than_a_batch_is_answered() {
    let running = Running::start("");
    let socket = running.datagrams();
    for id in 0..200 {
        socket.send(&query(id)).unwrap();
    }
    let mut answered = [false; 200];
    for _ in 0..200 {
        let mut answer = [0; 512];
        socket.recv(&mut answer).expect("an answer to each");
        answered[usize::from(u16::from_be_bytes([answer[0], answer[1]]))] = true;
    }
    assert!(answered.iter().all(|one| *one));
}
