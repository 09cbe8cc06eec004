//! `worker`, `user`, `hostname`, `event.socket`, `resolve`, `map`, `quit`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dns::edns::OptRecord;
use dns::{Composer, Header};
use lua::flags::QueryFlag;
use lua::host::{FdWatch, HostError, PeerReply, Process, ResolveQuery};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::{Gid, Group, Uid, User, initgroups, setgid, setuid};

use super::DaemonHost;

/// Where the control sockets are, below the run directory.
pub(crate) const CONTROL_DIRECTORY: &str = "control";
/// How long another instance may take to answer.
const PEER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer of another instance, in octets.
const PEER_REPLY_MAX: u32 = 16 * 1024 * 1024;
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
        become_user(&known, gid).map_err(|errno| HostError::System {
            action: format!("become user '{user}'"),
            source: errno.into(),
        })
    }

    fn control_directory(&self) -> PathBuf {
        self.run_directory.join(CONTROL_DIRECTORY)
    }

    fn ask_peers(&self, command: &str) -> Result<Vec<PeerReply>, HostError> {
        if self.checking {
            return Ok(Vec::new());
        }
        let directory = self.control_directory();
        let own = directory.join(self.pid().to_string());
        let mut sockets: Vec<PathBuf> = std::fs::read_dir(&directory)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| *path != own)
            .collect();
        sockets.sort();
        let ask = |socket: PathBuf| {
            let reply = ask_peer(&socket, command).map_err(|error| error.to_string());
            PeerReply { socket, reply }
        };
        Ok(sockets.into_iter().map(ask).collect())
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

    fn quit(&self) {
        self.quitting.set(true);
        self.worker.quit();
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

/// Runs a command on another instance.
fn ask_peer(socket: &Path, command: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PEER_TIMEOUT))?;
    stream.set_write_timeout(Some(PEER_TIMEOUT))?;
    let mut prompt = [0; 2];
    stream.read_exact(&mut prompt)?;
    stream.write_all(b"__binary\n")?;
    stream.write_all(command.as_bytes())?;
    stream.write_all(b"\n")?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > PEER_REPLY_MAX {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut reply = vec![0; length as usize];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}
