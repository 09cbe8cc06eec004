//! Starting the program and talking to it, for the tests beside this file.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::e2e::program;

/// Longest wait for anything that should happen at once. No test is faster for a shorter one, and a busy
/// machine stops for seconds.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// Tries at something that another process has to do first, and the pause between them.
const TRIES: usize = 1000;
const PAUSE: Duration = Duration::from_millis(20);

/// Tries until something is there.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    for _ in 0..TRIES {
        if let Some(result) = attempt() {
            return result;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("{what}: not within {:?}", PAUSE * TRIES as u32);
}

/// An address on loopback where nothing listens just now.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The program with these options, in a directory; runs to its end.
pub(crate) fn run(directory: &Path, options: &[&str]) -> Output {
    Command::new(program())
        .args(options)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

/// A running program with a directory of its own, or that of another one.
pub(crate) struct Running {
    child: Option<Child>,
    pub(crate) directory: Arc<TempDir>,
    pub(crate) address: SocketAddr,
    /// What tells its files from those of others in the directory.
    suffix: &'static str,
    words: Vec<OsString>,
}

impl Running {
    /// Starts a program that listens on one address; waits until it does.
    pub(crate) fn start(configuration: &str) -> Running {
        Running::start_with(configuration, &["-n"], &[])
    }

    /// The same with other options and a wrapper in front.
    pub(crate) fn start_with(configuration: &str, options: &[&str], wrapper: &[&str]) -> Running {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        Running::start_in(directory, "", configuration, options, wrapper)
    }

    /// Starts another program on the same run directory, with an address and a configuration of its own.
    pub(crate) fn beside(&self, configuration: &str) -> Running {
        let options = ["-n", "-c", "config.beside"];
        Running::start_in(self.directory.clone(), ".beside", configuration, &options, &[])
    }

    fn start_in(
        directory: Arc<TempDir>,
        suffix: &'static str,
        configuration: &str,
        options: &[&str],
        wrapper: &[&str],
    ) -> Running {
        let address = free_address();
        let listen = format!("net.listen('{}', {})\n", address.ip(), address.port());
        let text = format!("{listen}cache.size = 1*MB\n{configuration}");
        std::fs::write(directory.path().join(format!("config{suffix}")), text).unwrap();
        let words = wrapper.iter().map(OsString::from);
        let words = words.chain([program().into()]).chain(options.iter().map(OsString::from));
        let mut running =
            Running { child: None, directory, address, suffix, words: words.collect() };
        running.start_again();
        running
    }

    /// Starts the same program as before, which has ended.
    pub(crate) fn start_again(&mut self) {
        // Looked at first: a start takes a few milliseconds.
        let before: Vec<_> = self.control_sockets();
        let path = self.directory.path();
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).unwrap();
        let child = Command::new(&self.words[0])
            .args(&self.words[1..])
            .current_dir(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        self.child = Some(child);
        eventually("listening", || {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("ended with {status}: {}", self.log());
            }
            TcpStream::connect(self.address).ok()
        });
        // The last thing that is opened.
        let is_new = |path: &PathBuf| !before.contains(path);
        eventually("a control socket", || self.control_sockets().into_iter().find(is_new));
    }

    fn control_sockets(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.directory.path().join("control"));
        entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join(format!("log{}", self.suffix))
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Its process number.
    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Sends a signal to a process.
    pub(crate) fn signal(process: u32, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
        assert!(sent.unwrap().success(), "kill -{name} {process}");
    }

    /// Asks it to end and waits for that.
    pub(crate) fn stop(mut self, signal: &str) -> ExitStatus {
        Running::signal(self.id(), signal);
        self.wait()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        eventually("the end of the program", || child.try_wait().unwrap())
    }

    /// A connection to it.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// A UDP socket that speaks to it.
    pub(crate) fn datagrams(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.address).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        socket
    }

    /// Is it alive? Asks over both protocols.
    #[track_caller]
    pub(crate) fn check_alive(&self) {
        let socket = self.datagrams();
        socket.send(&query(7)).unwrap();
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).expect("an answer over UDP");
        assert_eq!(&answer[..2], &query(7)[..2]);
        assert!(length >= 12);
        let mut stream = self.connect();
        stream.write_all(&framed(&query(8))).unwrap();
        assert_eq!(read_message(&mut stream)[..2], query(8)[..2]);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ended = child.kill();
            let _ended = child.wait();
        }
    }
}

/// A question that needs no upstream: recursion is not desired, so it is refused (RFC 8499).
pub(crate) fn query(id: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    message.extend(b"\x04test\x00\x00\x01\x00\x01");
    message
}

/// A message with its length in front.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(message);
    bytes
}

/// The next message of a stream.
#[track_caller]
pub(crate) fn read_message(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("the length of a message");
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).expect("a message");
    message
}

/// Waits until the other end closes, and discards what comes before.
pub(crate) fn read_to_close(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 65_536];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                use std::io::ErrorKind::{ConnectionAborted, ConnectionReset};
                return matches!(error.kind(), ConnectionAborted | ConnectionReset);
            }
        }
    }
}
