//! Where there is not enough: descriptors, connections.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use xtask::lab::{ADDRESS, Lab};

use crate::e2e::program;
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

/// Set in the process that plays clients and server inside the lab.
const INSIDE: &str = "KRES_TEST_INSIDE";
/// The server that needs three seconds for each answer.
const SLOW_SERVER: &str = "127.66.0.1";
const SLOWNESS: Duration = Duration::from_secs(3);
/// Questions that hang there at the same time; more than there are descriptors.
const HANGING: u16 = 400;

/// With 256 descriptors and 400 questions that hang: what is cached is served, what hangs is answered
/// in turns, and afterwards everything is as before.
#[test]
fn questions_that_hang_take_turns_with_few_descriptors() {
    if std::env::var_os(INSIDE).is_some() {
        let socket = UdpSocket::bind((SLOW_SERVER, 53)).expect("port 53 in the lab");
        std::thread::spawn(move || serve_slowly(&socket));
        return ask_while_it_hangs();
    }
    let lab = Lab::start().expect("the lab starts");
    let script = lab.folder().join("few");
    let text = format!("#!/bin/sh\nulimit -n 256\nexec '{}' \"$@\"\n", program().display());
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let configuration = format!(
        "trust_anchors.remove('.')\noption('NO_MINIMIZE', true)\n\
         hints.root({{['slow.root.'] = '{SLOW_SERVER}'}})"
    );
    let resolver = lab.resolver(&script, &configuration).expect("the resolver starts");
    let name = "limits::questions_that_hang_take_turns_with_few_descriptors";
    let output = lab
        .command(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("the test starts itself inside the lab");
    let told = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{}", resolver.log());
}

/// Answers each question about an address, late.
fn serve_slowly(socket: &UdpSocket) {
    let mut buffer = [0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        let mut reply = buffer[..length].to_vec();
        let sender = socket.try_clone().unwrap();
        std::thread::spawn(move || {
            let end = 12 + reply[12..].iter().position(|octet| *octet == 0).unwrap() + 5;
            reply.truncate(end);
            // A reply, authoritative, with one record and nothing else.
            reply[2] = 0x84;
            reply[3] = 0;
            reply[6..12].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
            reply.extend(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04\xc0\x00\x02\x50");
            std::thread::sleep(SLOWNESS);
            let _lost = sender.send_to(&reply, from);
        });
    }
}

/// Good answers, as many as are wanted or as come without a pause longer than the patience.
fn count_good(socket: &UdpSocket, wanted: usize, patience: Duration) -> usize {
    socket.set_read_timeout(Some(patience)).unwrap();
    let (mut answers, mut good) = (0, 0);
    let mut answer = [0; 512];
    while answers < wanted {
        let Ok(length) = socket.recv(&mut answer) else { break };
        answers += 1;
        good += usize::from(length >= 12 && answer[3] & 15 == 0 && answer[7] == 1);
    }
    good
}

fn ask_while_it_hangs() {
    let client = || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let resolver: Ipv4Addr = ADDRESS.parse().unwrap();
        socket.connect(SocketAddr::from((resolver, 53))).unwrap();
        socket
    };
    let cached = client();
    cached.send(&recursive(60_000)).unwrap();
    assert_eq!(count_good(&cached, 1, Duration::from_secs(6)), 1, "before");
    let hanging = client();
    for id in 0..HANGING {
        hanging.send(&recursive(id)).unwrap();
    }
    for _ in 0..20 {
        cached.send(&recursive(60_000)).unwrap();
    }
    assert_eq!(count_good(&cached, 20, SOON), 20, "what is cached");
    let good = count_good(&hanging, usize::from(HANGING), Duration::from_secs(6));
    assert!(good >= usize::from(HANGING) * 3 / 4, "{good} of those that hang are answered");
    let late = client();
    late.send(&recursive(60_001)).unwrap();
    assert_eq!(count_good(&late, 1, Duration::from_secs(6)), 1, "afterwards");
}
