//! The first file of the root's anchors: fetched from IANA over HTTPS, from a server that ICANN's own
//! authority vouches for.
//!
//! The download has a thread of its own. As long as the configuration is loaded nobody is served, and
//! the start waits for it, as it would be wrong to begin without; afterwards the worker goes on, and
//! the anchors come into force when they are there.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use lua::host::{Bootstrap, HostError, TrustAnchors};
use resolve::Now;
use resolve::limits::ANCHOR_FILE_BYTES_MAX;
use resolve::trust_anchors::published;
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use transport::https::{self, Location};

use super::{DaemonHost, files};
use crate::logging::log;

/// Longest wait for a connection to one address.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest wait for the next octets.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Reads and writes of one download: a handshake and a file of some kilobytes take a dozen.
const STEPS_MAX: u32 = 1000;
/// Addresses that are tried.
const ADDRESSES_MAX: usize = 4;

impl DaemonHost {
    /// Makes the file of the root's anchors where there is none. True if it is there now; else it will
    /// be, and its anchors are added then.
    pub(super) fn bootstrap(&self, path: &Path, from: &Bootstrap) -> Result<bool, HostError> {
        log!(Info, "ta", "keyfile '{}': doesn't exist, bootstrapping", path.display());
        let (now, wanted) = (self.worker.now(), from.clone());
        let (sender, receiver) = oneshot::channel();
        let job = move || {
            // Nobody waits for it any more when the program ends.
            let _nobody = sender.send(download(&wanted, now));
        };
        let thread = thread::Builder::new().name("bootstrap".into());
        let thread = thread
            .spawn(job)
            .map_err(|error| HostError::refused(format!("no thread for the download: {error}")))?;
        let lost = || Err("its thread has ended".to_owned());
        let is_serving = self.program.borrow().upgrade().is_some() || self.beside().is_some();
        if !is_serving {
            let _told_by_the_channel = thread.join();
            let mut receiver = receiver;
            let downloaded = receiver.try_recv().unwrap_or_else(|_| lost());
            return install(path, from, downloaded).map(|()| true);
        }
        let (path, from, program) = (PathBuf::from(path), from.clone(), self.program.clone());
        spawn_local(async move {
            let downloaded = receiver.await.unwrap_or_else(|_| lost());
            let Some(program) = program.borrow().upgrade() else { return };
            let added = install(&path, &from, downloaded)
                .and_then(|()| program.host.anchors_add_file(&path, false, &from));
            if let Err(error) = added {
                log!(Err, "ta", "{error}");
            }
            program.host.worker.apply();
        });
        Ok(false)
    }
}

/// Writes what was fetched, or says what can be done without.
fn install(
    path: &Path,
    from: &Bootstrap,
    downloaded: Result<published::Published, String>,
) -> Result<(), HostError> {
    let failed = |why: String| {
        HostError::refused(format!(
            "fetch of \"{}\" failed: {why}\n[ ta ] Failed to bootstrap root trust anchors! Copy the \
             file root.keys that comes with the program, or write the keys from \
             https://www.iana.org/dnssec/files to '{}'",
            from.url,
            path.display()
        ))
    };
    let published = downloaded.map_err(failed)?;
    for record in &published.skipped {
        log!(
            Info,
            "ta",
            "skipping trust anchor \"{record}\" because it is outside of validity range"
        );
    }
    if published.records.is_empty() {
        return Err(failed("no valid trust anchors found in it".into()));
    }
    let text = published.records.join("\n") + "\n";
    files::write(path, &text).map_err(|error| failed(error.to_string()))?;
    log!(
        Notice,
        "ta",
        "Root trust anchors bootstrapped over https with pinned certificate.\n       You SHOULD \
         verify them manually against original source:\n       https://www.iana.org/dnssec/files\n\
         [ ta ] Bootstrapped root trust anchors are:\n{}",
        text.trim_end()
    );
    Ok(())
}

/// Fetches and reads the file. On a thread of its own.
fn download(from: &Bootstrap, now: Now) -> Result<published::Published, String> {
    let location = Location::parse(&from.url).ok_or("this is no URL of HTTPS")?;
    let authorities =
        std::fs::read(&from.ca).map_err(|error| format!("bootstrap_ca '{}': {error}", from.ca))?;
    let stream = connect(&location).map_err(|error| error.to_string())?;
    let bytes_max = usize::try_from(ANCHOR_FILE_BYTES_MAX).unwrap_or(usize::MAX);
    let file = https::fetch(stream, &location, &authorities, now.unix.seconds(), bytes_max)
        .map_err(|fault| fault.to_string())?;
    let text = String::from_utf8(file).map_err(|error| error.to_string())?;
    published::read(&text, now.unix).map_err(|fault| fault.to_string())
}

fn connect(location: &Location) -> io::Result<Bounded> {
    let mut last = io::Error::other("its name has no address");
    let addresses = (location.host.as_str(), location.port).to_socket_addrs()?;
    for address in addresses.take(ADDRESSES_MAX) {
        match TcpStream::connect_timeout(&address, CONNECT_TIME_MAX) {
            Ok(stream) => {
                stream.set_read_timeout(Some(SILENCE_MAX))?;
                stream.set_write_timeout(Some(SILENCE_MAX))?;
                return Ok(Bounded { stream, steps: 0 });
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A connection that ends after so many reads and writes: a server that sends an octet now and then
/// keeps nobody for ever.
struct Bounded {
    stream: TcpStream,
    steps: u32,
}

impl Bounded {
    fn step(&mut self) -> io::Result<&mut TcpStream> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(io::Error::other("the server is too slow"));
        }
        Ok(&mut self.stream)
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.step()?.read(buffer)
    }
}

impl Write for Bounded {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.step()?.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
