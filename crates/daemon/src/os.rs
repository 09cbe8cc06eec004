//! System calls without a safe wrapper, made safe one by one.

pub(crate) mod address;
pub(crate) mod sandbox;
pub(crate) mod shared;
pub(crate) mod suspects;
pub(crate) mod watch;

use std::io;
use std::mem::zeroed;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{SockaddrLike, getsockname};
use nix::unistd::{ForkResult, Pid};

/// Makes the kernel fragment by the interface's MTU only, whatever path MTU it was told of.
pub(crate) fn ignore_path_mtu(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
    let (level, option, value) = if ipv6 {
        (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT)
    } else {
        (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT)
    };
    // SAFETY: the option takes an int; pointer and length are those of one that outlives the call.
    let result = unsafe {
        let value = std::ptr::from_ref(&value).cast();
        let length = size_of::<libc::c_int>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), level, option, value, length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Splits the process. `None`: this is the child.
///
/// To be called before there is any thread, runtime, Lua state or store: nothing of them survives.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        return Err(io::Error::other("fork with more than one thread"));
    }
    // SAFETY: there is one thread, so no lock can be held by one that does not exist in the child.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}

/// Takes possession of a socket that the process was started with. Errors: there is no such
/// descriptor, or it is no socket.
pub(crate) fn adopt_socket(descriptor: RawFd) -> io::Result<OwnedFd> {
    getsockname::<nix::sys::socket::SockaddrStorage>(descriptor)?;
    // SAFETY: the descriptor is open, as the call above has shown; it was handed to the process
    // for this purpose, and the caller takes each number once, before anything else is opened.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Is the socket of a kind that queries or commands can come to? Returns its address family.
pub(crate) fn family_of(descriptor: RawFd) -> io::Result<Option<nix::sys::socket::AddressFamily>> {
    Ok(getsockname::<nix::sys::socket::SockaddrStorage>(descriptor)?.family())
}

/// The next connection that has come to a listener, not blocking and closed on exec: one system
/// call where the standard library needs two. `WouldBlock` if there is none.
pub(crate) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: zero bytes are a valid socket address structure; the kernel writes at most `length`
    // octets into it; a descriptor that it returns is new and belongs to nobody else.
    let (stream, name) = unsafe {
        let mut name: libc::sockaddr_storage = zeroed();
        let mut length = address::socklen(size_of::<libc::sockaddr_storage>());
        let pointer = std::ptr::from_mut(&mut name).cast();
        let descriptor = libc::accept4(listener.as_raw_fd(), pointer, &mut length, flags);
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        (TcpStream::from_raw_fd(descriptor), name)
    };
    let peer = address::address_of(&name).ok_or(io::ErrorKind::InvalidData)?;
    Ok((stream, peer))
}

/// Lends a descriptor that somebody else owns, here a script. Errors: it is not open.
pub(crate) fn with_descriptor<R>(
    descriptor: RawFd,
    use_it: impl FnOnce(BorrowedFd<'_>) -> R,
) -> io::Result<R> {
    if descriptor < 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the number is not -1, and the loan ends with the call; a descriptor that is not
    // open, or that means something else by now, makes the system calls fail or refer to that
    // other file, which does no harm to memory.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    nix::fcntl::fcntl(borrowed, nix::fcntl::FcntlArg::F_GETFD)?;
    Ok(use_it(borrowed))
}

/// Random octets from the system's generator.
pub(crate) fn random_seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    // SAFETY: the pointer and the length are those of the array.
    let count = unsafe { libc::getrandom(seed.as_mut_ptr().cast(), seed.len(), 0) };
    if count == seed.len() as isize { Ok(seed) } else { Err(io::Error::last_os_error()) }
}
