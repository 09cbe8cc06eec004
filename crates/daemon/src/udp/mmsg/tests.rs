//! Batches over real sockets on loopback.

use std::net::UdpSocket;
use std::os::fd::AsFd;

use super::*;
use crate::endpoint::bind_udp;

fn pair(server: &str) -> (UdpSocket, UdpSocket) {
    let server = bind_udp(server.parse().unwrap(), false).unwrap();
    let ip: IpAddr = match server.local_addr().unwrap() {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let client = UdpSocket::bind((ip, 0)).unwrap();
    client.connect((ip, server.local_addr().unwrap().port())).unwrap();
    (server, client)
}

/// Waits until a batch is there; loopback delivers at once, so this hardly ever turns twice.
fn receive(inbox: &mut Inbox, socket: &UdpSocket, with_local: bool) -> usize {
    for _ in 0..1000 {
        match inbox.receive(socket.as_fd(), with_local) {
            Ok(count) => return count,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        std::thread::yield_now();
    }
    panic!("nothing came");
}

#[track_caller]
fn check_echo(address: &str, with_local: bool) {
    let (server, client) = pair(address);
    let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
    for number in 0..BATCH as u8 {
        client.send(&vec![number; usize::from(number)]).unwrap();
    }
    let mut count = 0;
    while count < BATCH {
        count += receive(&mut inbox, &server, with_local);
        for datagram in inbox.datagrams() {
            assert_eq!(datagram.peer, client.local_addr().unwrap());
            assert_eq!(
                datagram.local.map(|local| local.address),
                with_local.then(|| datagram.peer.ip())
            );
            outbox.next_buffer().clear();
            outbox.next_buffer().extend_from_slice(datagram.bytes);
            outbox.commit(datagram.peer, datagram.local);
        }
    }
    assert_eq!(count, BATCH);
    assert!(outbox.is_full());
    assert_eq!(outbox.send(server.as_fd()), 0);
    assert!(outbox.is_empty());
    for number in 0..BATCH as u8 {
        let mut buffer = [0; 100];
        let length = client.recv(&mut buffer).unwrap();
        assert_eq!(buffer[..length], vec![number; usize::from(number)]);
    }
}

/// The headers that the kernel has written into are good again for the next batch, whoever it is for.
#[test]
fn one_inbox_serves_sockets_of_both_kinds_in_turn() {
    let (bound, wildcard) = (pair("127.0.0.1:0"), pair("[::]:0"));
    let mut inbox = Inbox::new();
    for round in 1..=40_usize {
        for ((server, client), with_local) in [(&bound, false), (&wildcard, round % 3 == 0)] {
            let bytes = vec![round as u8; 3 * round];
            let count = 1 + round % 5;
            for _ in 0..count {
                client.send(&bytes).unwrap();
            }
            let mut got = 0;
            while got < count {
                got += receive(&mut inbox, server, with_local);
                for datagram in inbox.datagrams() {
                    assert_eq!(datagram.bytes, bytes);
                    assert_eq!(datagram.peer, client.local_addr().unwrap());
                    assert_eq!(datagram.local.is_some(), with_local);
                }
            }
            let error = inbox.receive(server.as_fd(), with_local).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        }
    }
}

#[test]
fn a_batch_comes_and_goes_in_order_over_ipv4() {
    check_echo("127.0.0.1:0", false);
}

#[test]
fn a_batch_comes_and_goes_in_order_over_ipv6() {
    check_echo("[::1]:0", false);
}

#[test]
fn sockets_bound_to_all_addresses_tell_which_one_was_meant() {
    check_echo("0.0.0.0:0", true);
    check_echo("[::]:0", true);
}

#[test]
fn what_is_cut_off_is_left_out() {
    let (server, client) = pair("127.0.0.1:0");
    let mut inbox = Inbox::new();
    client.send(&vec![7; DATAGRAM_BYTES_MAX + 1]).unwrap();
    client.send(&vec![8; DATAGRAM_BYTES_MAX]).unwrap();
    assert_eq!(receive(&mut inbox, &server, false), 2);
    let lengths: Vec<usize> = inbox.datagrams().map(|datagram| datagram.bytes.len()).collect();
    assert_eq!(lengths, [DATAGRAM_BYTES_MAX]);
}

#[test]
fn one_datagram_that_cannot_leave_does_not_hold_back_the_others() {
    let (server, client) = pair("127.0.0.1:0");
    let mut outbox = Outbox::new();
    let unreachable = "[2001:db8::1]:9".parse().unwrap();
    for peer in [unreachable, client.local_addr().unwrap(), unreachable] {
        outbox.next_buffer().clear();
        outbox.next_buffer().push(1);
        outbox.commit(peer, None);
    }
    assert_eq!(outbox.send(server.as_fd()), 2);
    assert_eq!(client.recv(&mut [0; 10]).unwrap(), 1);
}
