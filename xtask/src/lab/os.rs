//! The few system calls of the lab that have no safe wrapper in the standard library. All of them
//! are made in a child between fork and exec, except [`wait_for_interrupt`] and [`thread_time`].

use std::ffi::CStr;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// Which namespaces a child gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// A network of its own; needs the right to administrate.
    Network,
    /// A network of its own, within a user namespace in which the child is root.
    UserAndNetwork,
}

/// How much processor time the calling thread has used: what else the machine does is not in it.
pub fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is there to be written to. This clock is always known.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Lets the calling thread run when nobody else wants to.
pub fn lower_priority() {
    // SAFETY: the call takes no pointers. Where it is refused, everything goes on as it was.
    let _refused = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
}

/// Kills all processes of the group that this child leads.
pub fn kill_group(leader: u32) {
    signal_group(leader, libc::SIGKILL);
}

/// Sends a signal to all processes of the group that this child leads.
pub fn signal_group(leader: u32, signal: libc::c_int) {
    let Ok(leader) = libc::pid_t::try_from(leader) else { return };
    // SAFETY: kill takes its arguments by value; the leader is a child that was not waited for, so its
    // number cannot belong to another group.
    unsafe { libc::kill(-leader, signal) };
}

/// Text for `/proc/self/*_map` fits well into this.
const MAP_BYTES: usize = 32;

/// Lets `command` start in fresh namespaces, with loopback up and a silent server on `silent`: UDP
/// and TCP sockets that stay open and are never read.
pub(super) fn isolate(command: &mut Command, isolation: Isolation, silent: Ipv4Addr) {
    // SAFETY: getuid and getgid cannot fail and touch no memory.
    let (user, group) = unsafe { (libc::getuid(), libc::getgid()) };
    let user_map = format!("0 {user} 1\0");
    let group_map = format!("0 {group} 1\0");
    debug_assert!(user_map.len() <= MAP_BYTES && group_map.len() <= MAP_BYTES);
    let prepare = move || {
        match isolation {
            Isolation::Network => unshare(libc::CLONE_NEWNET)?,
            Isolation::UserAndNetwork => {
                unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET)?;
                write_file(c"/proc/self/setgroups", b"deny")?;
                write_file(c"/proc/self/uid_map", without_nul(&user_map))?;
                write_file(c"/proc/self/gid_map", without_nul(&group_map))?;
            }
        }
        loopback_up()?;
        open_silent_sockets(silent)
    };
    // SAFETY: the closure only makes system calls; it neither allocates nor takes locks.
    unsafe { command.pre_exec(prepare) };
}

/// Lets `command` start inside the namespaces behind the given descriptors (user first, if any).
pub(super) fn join(command: &mut Command, user: Option<RawFd>, network: RawFd) {
    let prepare = move || {
        for fd in user.into_iter().chain([network]) {
            // SAFETY: setns takes a descriptor by value.
            check(unsafe { libc::setns(fd, 0) })?;
        }
        Ok(())
    };
    // SAFETY: the closure only makes system calls; it neither allocates nor takes locks.
    unsafe { command.pre_exec(prepare) };
}

/// Lets the kernel kill `command` when the thread that starts it ends, so that nothing survives a
/// test that is killed. Has to be the last thing asked of the command: joining a user namespace
/// forgets it.
pub(super) fn end_with_parent(command: &mut Command) {
    let prepare = || {
        // SAFETY: this form of prctl takes its argument by value.
        check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })
    };
    // SAFETY: the closure only makes a system call; it neither allocates nor takes locks.
    unsafe { command.pre_exec(prepare) };
}

/// Asks a process to end.
pub(super) fn terminate(process: u32) {
    let Ok(process) = libc::pid_t::try_from(process) else { return };
    // SAFETY: kill takes its arguments by value; the process is a child that was not waited for, so
    // its number cannot belong to another.
    unsafe { libc::kill(process, libc::SIGTERM) };
}

/// Returns when somebody presses Ctrl-C or asks this process to end. To be called by a process with
/// one thread only, and after its children have started: they would inherit the blocked signals.
pub(super) fn wait_for_interrupt() -> io::Result<()> {
    // SAFETY: the set is written by sigemptyset before it is read, and lives throughout.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            libc::sigaddset(&mut set, signal);
        }
        check(libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()))?;
        let mut received = 0;
        check(libc::sigwait(&set, &mut received))
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn unshare(what: libc::c_int) -> io::Result<()> {
    // SAFETY: unshare takes its argument by value.
    check(unsafe { libc::unshare(what) })
}

fn without_nul(text: &str) -> &[u8] {
    text.trim_end_matches('\0').as_bytes()
}

fn write_file(path: &CStr, text: &[u8]) -> io::Result<()> {
    // SAFETY: the path ends with a zero byte, and the buffer is as long as said.
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        check(fd)?;
        let written = libc::write(fd, text.as_ptr().cast(), text.len());
        let result = if written < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
        libc::close(fd);
        result
    }
}

fn loopback_up() -> io::Result<()> {
    // SAFETY: an interface request is plain data for which zeroes are valid; the name fits with its
    // final zero; ioctl reads and writes this structure only.
    unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        check(fd)?;
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        let result = check(libc::ioctl(fd, libc::SIOCSIFFLAGS, &request));
        libc::close(fd);
        result
    }
}

/// Opens sockets that survive exec, and forgets them.
fn open_silent_sockets(address: Ipv4Addr) -> io::Result<()> {
    let place = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 53u16.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(address).to_be() },
        sin_zero: [0; 8],
    };
    for kind in [libc::SOCK_DGRAM, libc::SOCK_STREAM] {
        // SAFETY: the address structure lives through the calls and its size is the one given.
        unsafe {
            let fd = libc::socket(libc::AF_INET, kind, 0);
            check(fd)?;
            let size = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            check(libc::bind(fd, (&raw const place).cast(), size))?;
            if kind == libc::SOCK_STREAM {
                check(libc::listen(fd, 1))?;
            }
        }
    }
    Ok(())
}

/// The silent server without a namespace: the sockets belong to whoever holds the result.
pub(super) fn silent_sockets(
    address: Ipv4Addr,
) -> io::Result<(std::net::UdpSocket, std::net::TcpListener)> {
    let place = SocketAddrV4::new(address, 53);
    Ok((std::net::UdpSocket::bind(place)?, std::net::TcpListener::bind(place)?))
}

/// The descriptor of a namespace of a process.
pub(super) fn namespace_file(process: u32, kind: &str) -> io::Result<std::fs::File> {
    let file = std::fs::File::open(format!("/proc/{process}/ns/{kind}"))?;
    debug_assert!(file.as_raw_fd() >= 0);
    Ok(file)
}
