//! Where there is not enough: descriptors, connections.

use std::io::Write;
use std::net::UdpSocket;

use crate::process::{Running, SOON, framed, query, read_message};

/// A question that needs an upstream.
fn recursive(id: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let label = format!("n{id}");
    message.push(u8::try_from(label.len()).unwrap());
    message.extend(label.as_bytes());
    message.extend(b"\x07example\x00\x00\x01\x00\x01");
    message
}

/// A few descriptors only; the limit is set where no privilege is needed.
const FEW: [&str; 4] = ["sh", "-c", "ulimit -n 128 && exec \"$0\" \"$@\"", "--"];

#[test]
fn few_descriptors_are_told_and_survived() {
    // An upstream that is there and never answers.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let configuration = "option('ALLOW_LOCAL', true)\nnet.ipv6 = false\n\
                         trust_anchors.remove('.')\n\
                         modules = { 'hints > iterate' }\n\
                         hints.root({['k.root-servers.net.'] = '127.0.0.99'})";
    let wrapper = &FEW[..3];
    let running = Running::start_with(configuration, &["-n"], wrapper);
    assert!(running.log().contains("limit of open files is only 128"), "{}", running.log());
    let socket = running.datagrams();
    for id in 0..300 {
        socket.send(&recursive(id)).unwrap();
    }
    // More connections than there are descriptors left, all idle.
    let streams: Vec<_> =
        (0..200).filter_map(|_| std::net::TcpStream::connect(running.address).ok()).collect();
    running.check_alive();
    drop(streams);
    drop(silent);
    running.check_alive();
}

#[test]
fn idle_connections_give_way_to_new_ones() {
    // A quarter of what is left of 128 descriptors goes to clients: two dozen connections.
    let running = Running::start_with("", &["-n"], &FEW[..3]);
    let idle: Vec<_> = (0..60).map(|_| running.connect()).collect();
    let mut newcomer = running.connect();
    newcomer.set_read_timeout(Some(SOON)).unwrap();
    newcomer.write_all(&framed(&query(5))).unwrap();
    assert_eq!(read_message(&mut newcomer)[..2], query(5)[..2]);
    drop(idle);
}
