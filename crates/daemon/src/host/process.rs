//! `worker`, `user`, `hostname`, `event.socket`, `resolve`, `map`, `quit`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dns::edns::OptRecord;
use dns::{Composer, Header};
use lua::flags::QueryFlag;
use lua::host::{FdWatch, HostError, PeerReply, Process, Reload, ReloadState, ResolveQuery};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::{Gid, Group, Uid, User, initgroups, setgid, setuid};

use super::DaemonHost;
use crate::control;
use crate::control::client::Client;
use crate::listeners::{EndpointInfo, Place};

/// How long another instance may take to answer.
const PEER_TIMEOUT: Duration = Duration::from_secs(5);
/// How often, and with what pause, it is tried to be the only one who asks all others: two who ask each
/// other would wait in vain.
const TURN_TRIES: usize = 25;
const TURN_PAUSE: Duration = Duration::from_millis(20);
/// Where the distribution puts Lua modules and data.
const LIBRARY: &str = "/usr/lib/kres";

impl Process for DaemonHost {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.worker.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn instance(&self) -> String {
        std::env::var("SYSTEMD_INSTANCE").unwrap_or_else(|_| self.pid().to_string())
    }

    fn worker_count(&self) -> u32 {
        self.worker_count
    }

    fn worker_stats(&self) -> Vec<(&'static str, f64)> {
        let counters = &self.worker.counters;
        let asked = self.worker.resolver_counters().unwrap_or_default();
        let mut stats = vec![
            ("queries", (counters.udp.get() + counters.tcp.get()) as f64),
            ("timeout", asked.upstream_timeouts as f64),
            ("concurrent", self.worker.requests().unwrap_or_default() as f64),
            ("dropped", counters.dropped.get() as f64),
            ("udp", counters.upstream_udp.get() as f64),
            ("tcp", counters.upstream_tcp.get() as f64),
            ("tls", counters.upstream_tls.get() as f64),
            ("ipv4", counters.upstream_ipv4.get() as f64),
            ("ipv6", counters.upstream_ipv6.get() as f64),
            ("err_udp", counters.lost.get() as f64),
            ("err_tcp", counters.failed_tcp.get() as f64),
            // Neither protocol is spoken to upstreams yet, so nothing of them can fail.
            ("err_tls", 0.0),
            ("err_http", 0.0),
        ];
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
            stats.push(("usertime", usage.user_time().num_microseconds() as f64 / 1e6));
            stats.push(("systime", usage.system_time().num_microseconds() as f64 / 1e6));
            stats.push(("pagefaults", usage.major_page_faults() as f64));
            stats.push(("swaps", usage.full_swaps() as f64));
            let switches =
                usage.voluntary_context_switches() + usage.involuntary_context_switches();
            stats.push(("csw", switches as f64));
        }
        stats.push(("rss", resident_octets() as f64));
        stats
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn hostname(&self) -> String {
        let own = self.hostname.borrow().clone();
        own.unwrap_or_else(|| {
            let name = nix::unistd::gethostname().unwrap_or_default();
            name.to_string_lossy().into_owned()
        })
    }

    fn set_hostname(&self, name: &str) -> Result<(), HostError> {
        *self.hostname.borrow_mut() = Some(name.to_owned());
        Ok(())
    }

    fn change_user(&self, user: &str, group: Option<&str>) -> Result<(), HostError> {
        let known = User::from_name(user).ok().flatten();
        let known =
            known.ok_or_else(|| HostError::refused(format!("invalid user name '{user}'")))?;
        let gid = match group {
            None => known.gid,
            Some(name) => {
                let known = Group::from_name(name).ok().flatten().map(|group| group.gid);
                known.ok_or_else(|| HostError::refused(format!("invalid group name '{name}'")))?
            }
        };
        if self.checking {
            return Ok(());
        }
        let is_other = Uid::effective() != known.uid || Gid::effective() != gid;
        if self.beside().is_some() && Uid::effective().is_root() && is_other {
            // The program that serves keeps its rights as long as it does.
            *self.user.borrow_mut() = Some((known, gid));
            return Ok(());
        }
        if is_other {
            control::hand_over_directory(known.uid, gid);
        }
        become_user(&known, gid).map_err(|errno| HostError::System {
            action: format!("become user '{user}'"),
            source: errno.into(),
        })
    }

    fn control_directory(&self) -> PathBuf {
        self.run_directory.join(control::DIRECTORY)
    }

    fn ask_peers(&self, command: &str) -> Result<Vec<PeerReply>, HostError> {
        if self.checking {
            return Ok(Vec::new());
        }
        let directory = self.control_directory();
        let failed = |source| HostError::System {
            action: format!("control sockets in '{}'", directory.display()),
            source,
        };
        let _turn = take_turn(&directory).map_err(failed)?;
        // A configuration may have spelled its paths in its own way.
        let plain = |path: PathBuf| path.canonicalize().unwrap_or(path);
        let own: Vec<PathBuf> =
            self.worker.listeners.list().into_iter().filter_map(unix).map(plain).collect();
        let mut known = BTreeSet::from([self.pid().to_string().into_bytes()]);
        let mut replies = Vec::new();
        for socket in control::sockets(&directory).map_err(failed)? {
            if own.contains(&plain(socket.clone())) {
                continue;
            }
            let reply = match ask_peer(&socket, command, &mut known) {
                Ok(None) => continue,
                Ok(Some(reply)) => Ok(reply.unwrap_or_else(|text| text)),
                Err(error) => Err(error.to_string()),
            };
            replies.push(PeerReply { socket, reply });
        }
        Ok(replies)
    }

    fn library_directory(&self) -> Option<&Path> {
        Some(Path::new(LIBRARY)).filter(|path| path.is_dir())
    }

    fn watch_fd(&self, fd: i32) -> Result<FdWatch, HostError> {
        self.watches.add(fd).map_err(|source| HostError::System {
            action: format!("watch descriptor {fd}"),
            source,
        })
    }

    fn unwatch_fd(&self, watch: FdWatch) {
        self.watches.remove(watch);
    }

    fn resolve(&self, query: ResolveQuery) -> Result<(), HostError> {
        let wire = match query.wire {
            Some(wire) => wire,
            None => {
                let mut wire = Vec::new();
                let mut header = Header::default();
                header.set_rd(true);
                header.set_cd(query.flags.has(QueryFlag::DnssecCd));
                let mut composer = Composer::new(&mut wire, header, QUERY_BYTES_MAX);
                composer
                    .question(&query.name, query.rr_type, query.class)
                    .map_err(|_| HostError::refused("the question does not fit a message"))?;
                let dnssec_ok = query.flags.has(QueryFlag::DnssecWant);
                composer.finish(Some(&OptRecord::new(dns::edns::UDP_SIZE_DEFAULT, dnssec_ok)));
                wire
            }
        };
        let number =
            u32::try_from(query.id.0).map_err(|_| HostError::refused("too many queries"))?;
        self.worker.ask_with(number, wire, query.flags.switches());
        Ok(())
    }

    fn reload(&self, step: Reload) -> Result<(), HostError> {
        match self.service.upgrade() {
            Some(service) => service.reload(step),
            None => Err(HostError::Busy),
        }
    }

    fn reload_state(&self) -> (ReloadState, u64) {
        self.service.upgrade().map_or((ReloadState::Idle, 0), |service| service.state())
    }

    fn quit(&self) {
        self.quitting.set(true);
        self.worker.quit();
    }
}

impl DaemonHost {
    /// Gives up the rights that the configuration wanted given up, now that it takes over.
    pub(super) fn take_rights(&self) -> Result<(), HostError> {
        let Some((user, gid)) = self.user.take() else { return Ok(()) };
        become_user(&user, gid).map_err(|errno| HostError::System {
            action: format!("become user '{}'", user.name),
            source: errno.into(),
        })
    }
}

/// Room for one question.
const QUERY_BYTES_MAX: usize = 512;

/// Gives up all privileges for good. The order matters: the last step ends the right to the others.
fn become_user(user: &User, gid: Gid) -> nix::Result<()> {
    if Uid::effective() == user.uid && Gid::effective() == gid {
        return Ok(());
    }
    if let Ok(name) = std::ffi::CString::new(user.name.as_str()) {
        initgroups(&name, gid)?;
    }
    setgid(gid)?;
    setuid(user.uid)
}

/// Memory in use, from the kernel's books.
fn resident_octets() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    pages * 4096
}

/// The path of a control socket among endpoints.
fn unix(endpoint: EndpointInfo) -> Option<PathBuf> {
    match endpoint.place {
        Place::Unix(path) => Some(path),
        Place::Udp(_) | Place::Tcp(_) => None,
    }
}

/// Makes this process the only one of the directory that asks all others.
fn take_turn(directory: &Path) -> io::Result<Flock<File>> {
    let mut directory = File::open(directory)?;
    for _ in 0..TURN_TRIES {
        match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(turn) => return Ok(turn),
            Err((again, _)) => directory = again,
        }
        std::thread::sleep(TURN_PAUSE);
    }
    Err(io::Error::other("another map() is running; try again"))
}

/// Runs a command on another process, unless it is known already: a process may have several
/// sockets, and a socket may be that of a process which has ended.
fn ask_peer(
    socket: &Path,
    command: &str,
    known: &mut BTreeSet<Vec<u8>>,
) -> io::Result<Option<control::client::Reply>> {
    let mut client = match Client::connect(socket, PEER_TIMEOUT) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
        client => client?,
    };
    let process = client.ask(b"return worker.pid")?.unwrap_or_default();
    if !known.insert(process) {
        return Ok(None);
    }
    client.ask(format!("return {command}").as_bytes()).map(Some)
}
