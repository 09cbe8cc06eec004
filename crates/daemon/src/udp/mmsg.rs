//! Many datagrams with one system call: `recvmmsg` and `sendmmsg`.
//!
//! [`Inbox`] takes a batch into buffers that stay; [`Outbox`] collects datagrams of one socket in
//! slots that stay and sends them together. Both speak of addresses as the standard library does.
//! On sockets that are bound to all addresses, the address that a datagram was sent to travels
//! beside it (`IP_PKTINFO`, `IPV6_PKTINFO`), so that the answer comes from there.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use crate::limits::{BATCH, DATAGRAM_BYTES_MAX};
use crate::os::address::{address_of, socklen, write_address};

/// Distance between two receive buffers: one cache line more than a page, so that the beginnings
/// of the buffers do not compete for the same set of the processor's cache.
const STRIDE: usize = DATAGRAM_BYTES_MAX + 64;
/// Room for the message that carries a local address.
const CONTROL_BYTES: usize = 64;
/// What an answer usually needs; a slot grows when it has to.
const SLOT_BYTES: usize = 1472;

/// Room for ancillary data, aligned as its header wants it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_BYTES]);

/// The address that a datagram was sent to, and the interface it came by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Local {
    pub address: IpAddr,
    pub interface: u32,
}

/// One received datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagram<'a> {
    pub bytes: &'a [u8],
    pub peer: SocketAddr,
    /// Only on sockets that asked for it.
    pub local: Option<Local>,
}

/// Buffers for a batch of datagrams.
pub(crate) struct Inbox {
    buffers: Box<[u8]>,
    names: Box<[libc::sockaddr_storage]>,
    vectors: Box<[libc::iovec]>,
    controls: Box<[Control]>,
    headers: Box<[libc::mmsghdr]>,
    /// Datagrams of the last batch.
    received: usize,
    /// Whether the headers have room for a local address; `None` as long as they are empty.
    with_local: Option<bool>,
}

impl Inbox {
    /// Empty buffers.
    pub(crate) fn new() -> Inbox {
        // SAFETY: all three are plain C structures for which zero bytes are a valid value.
        let (name, vector, header) = unsafe { (zeroed(), zeroed(), zeroed()) };
        Inbox {
            buffers: vec![0; BATCH * STRIDE].into_boxed_slice(),
            names: vec![name; BATCH].into_boxed_slice(),
            vectors: vec![vector; BATCH].into_boxed_slice(),
            controls: vec![Control([0; CONTROL_BYTES]); BATCH].into_boxed_slice(),
            headers: vec![header; BATCH].into_boxed_slice(),
            received: 0,
            with_local: None,
        }
    }

    /// Points the header of a datagram to its parts.
    fn prepare(&mut self, index: usize, with_local: bool) {
        self.vectors[index] = libc::iovec {
            iov_base: self.buffers[index * STRIDE..].as_mut_ptr().cast(),
            iov_len: DATAGRAM_BYTES_MAX,
        };
        let header = &mut self.headers[index].msg_hdr;
        header.msg_name = ptr::from_mut(&mut self.names[index]).cast();
        header.msg_namelen = socklen(size_of::<libc::sockaddr_storage>());
        header.msg_iov = &mut self.vectors[index];
        header.msg_iovlen = 1;
        header.msg_flags = 0;
        if with_local {
            header.msg_control = self.controls[index].0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES as _;
        } else {
            header.msg_control = ptr::null_mut();
            header.msg_controllen = 0;
        }
    }

    /// Takes what has arrived, at most a batch, without waiting. Returns how many; an error is
    /// that of the system call, `WouldBlock` if nothing is there.
    pub(crate) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        with_local: bool,
    ) -> io::Result<usize> {
        // The kernel has written into the headers of the last batch and into no others. One that was
        // never used costs nothing here; with few datagrams at a time this is most of the work.
        let is_new = self.with_local != Some(with_local);
        let stale = if is_new { BATCH } else { self.received.min(BATCH) };
        self.with_local = Some(with_local);
        self.received = 0;
        for index in 0..stale {
            self.prepare(index, with_local);
        }
        // SAFETY: each header points to a name, a vector, a buffer and ancillary room that live in
        // `self` and are at least as long as the header says; none of them moves or is looked at
        // before the call returns. No timeout is given.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as _,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        self.received = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        Ok(self.received)
    }

    /// The datagrams of the last batch. Those that were cut off, or whose sender has no address,
    /// are left out.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        (0..self.received.min(BATCH)).filter_map(|index| {
            let header = &self.headers[index];
            if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                return None;
            }
            let length = (header.msg_len as usize).min(DATAGRAM_BYTES_MAX);
            let start = index * STRIDE;
            Some(Datagram {
                bytes: &self.buffers[start..start + length],
                peer: address_of(&self.names[index])?,
                local: local_of(&header.msg_hdr),
            })
        })
    }
}

/// One datagram to be sent. The buffer stays when it has been sent.
struct Slot {
    bytes: Vec<u8>,
    peer: SocketAddr,
    local: Option<Local>,
}

/// Datagrams that leave one socket together.
pub(crate) struct Outbox {
    slots: Vec<Slot>,
    filled: usize,
    names: Box<[libc::sockaddr_storage]>,
    vectors: Box<[libc::iovec]>,
    controls: Box<[Control]>,
    headers: Box<[libc::mmsghdr]>,
}

impl Outbox {
    /// Empty slots.
    pub(crate) fn new() -> Outbox {
        // SAFETY: all three are plain C structures for which zero bytes are a valid value.
        let (name, vector, header) = unsafe { (zeroed(), zeroed(), zeroed()) };
        let nobody = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let slot = || Slot { bytes: Vec::with_capacity(SLOT_BYTES), peer: nobody, local: None };
        Outbox {
            slots: (0..BATCH).map(|_| slot()).collect(),
            filled: 0,
            names: vec![name; BATCH].into_boxed_slice(),
            vectors: vec![vector; BATCH].into_boxed_slice(),
            controls: vec![Control([0; CONTROL_BYTES]); BATCH].into_boxed_slice(),
            headers: vec![header; BATCH].into_boxed_slice(),
        }
    }

    /// Is there no free slot?
    pub(crate) fn is_full(&self) -> bool {
        self.filled >= BATCH
    }

    /// Is there nothing to send?
    pub(crate) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// The buffer of the next slot. There is always one after [`Outbox::send`].
    pub(crate) fn next_buffer(&mut self) -> &mut Vec<u8> {
        let last = self.slots.len() - 1;
        &mut self.slots[self.filled.min(last)].bytes
    }

    /// The next buffer is to be sent to `peer`, from `local` if that has to be said.
    pub(crate) fn commit(&mut self, peer: SocketAddr, local: Option<Local>) {
        if let Some(slot) = self.slots.get_mut(self.filled) {
            slot.peer = peer;
            slot.local = local;
            self.filled += 1;
        }
    }

    /// Sends everything and empties the slots. Returns how many datagrams could not be sent: what
    /// the kernel has no room for is lost, as datagrams are.
    pub(crate) fn send(&mut self, socket: BorrowedFd<'_>) -> usize {
        let count = self.filled;
        self.filled = 0;
        for index in 0..count {
            self.prepare(index);
        }
        let mut next = 0;
        let mut lost = 0;
        while next < count {
            // SAFETY: the headers up to `count` were filled by `prepare` with pointers to names,
            // vectors, ancillary data and buffers that live in `self` and do not change before
            // the call returns.
            let sent = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    self.headers[next..].as_mut_ptr(),
                    (count - next) as _,
                    libc::MSG_DONTWAIT,
                )
            };
            match usize::try_from(sent) {
                Ok(sent) => next += sent.max(1),
                Err(_) => match io::Error::last_os_error().kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => {
                        lost += count - next;
                        next = count;
                    }
                    // The first of the remaining ones cannot be sent: no route, a firewall.
                    _ => {
                        lost += 1;
                        next += 1;
                    }
                },
            }
        }
        lost
    }

    /// Points the header of a slot to its parts.
    fn prepare(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        self.vectors[index] =
            libc::iovec { iov_base: slot.bytes.as_mut_ptr().cast(), iov_len: slot.bytes.len() };
        let header = &mut self.headers[index].msg_hdr;
        header.msg_name = ptr::from_mut(&mut self.names[index]).cast();
        header.msg_namelen = write_address(slot.peer, &mut self.names[index]);
        header.msg_iov = &mut self.vectors[index];
        header.msg_iovlen = 1;
        header.msg_control = ptr::null_mut();
        header.msg_controllen = 0;
        if let Some(local) = slot.local {
            header.msg_control = self.controls[index].0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES as _;
            header.msg_controllen = write_local(header, local) as _;
        }
    }
}

/// The local address out of the ancillary data of a received message.
fn local_of(header: &libc::msghdr) -> Option<Local> {
    if header.msg_controllen == 0 {
        return None;
    }
    // SAFETY: the header was filled by the kernel with as much ancillary data as its length says;
    // the macros of libc stay within that, and the data of the two kinds is read as the kernel
    // documents them, without assuming alignment.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            match ((*message).cmsg_level, (*message).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info: libc::in_pktinfo =
                        ptr::read_unaligned(libc::CMSG_DATA(message).cast());
                    let ip = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
                    return Some(Local { address: ip.into(), interface: info.ipi_ifindex as u32 });
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info: libc::in6_pktinfo =
                        ptr::read_unaligned(libc::CMSG_DATA(message).cast());
                    let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    return Some(Local { address: ip.into(), interface: info.ipi6_ifindex });
                }
                _ => message = libc::CMSG_NXTHDR(header, message),
            }
        }
    }
    None
}

/// Writes the ancillary data that makes a datagram leave from a local address; returns its length.
fn write_local(header: &libc::msghdr, local: Local) -> usize {
    // SAFETY: the header points to CONTROL_BYTES aligned octets, more than either message needs,
    // so the first header exists and its data fits.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        match local.address {
            IpAddr::V4(address) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from(address).to_be() },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                (*message).cmsg_level = libc::IPPROTO_IP;
                (*message).cmsg_type = libc::IP_PKTINFO;
                (*message).cmsg_len = libc::CMSG_LEN(size_of_val(&info) as u32) as _;
                ptr::write_unaligned(libc::CMSG_DATA(message).cast(), info);
                libc::CMSG_SPACE(size_of_val(&info) as u32) as usize
            }
            IpAddr::V6(address) => {
                // Only link-local addresses need their interface; for others the route decides.
                let interface = if address.is_unicast_link_local() { local.interface } else { 0 };
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: address.octets() },
                    ipi6_ifindex: interface,
                };
                (*message).cmsg_level = libc::IPPROTO_IPV6;
                (*message).cmsg_type = libc::IPV6_PKTINFO;
                (*message).cmsg_len = libc::CMSG_LEN(size_of_val(&info) as u32) as _;
                ptr::write_unaligned(libc::CMSG_DATA(message).cast(), info);
                libc::CMSG_SPACE(size_of_val(&info) as u32) as usize
            }
        }
    }
}

#[cfg(test)]
mod tests;
