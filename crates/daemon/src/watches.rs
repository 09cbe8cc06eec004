//! Descriptors that Lua watches (`event.socket`), in one epoll set of their own.
//!
//! The set reports a descriptor as long as something is there to be read, whether or not the
//! callback reads it; that is what scripts expect.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use lua::host::FdWatch;
use nix::sys::epoll::{EpollEvent, EpollFlags};
use tokio::io::unix::AsyncFd;

use crate::os;
use crate::os::watch::{EpollSet, watch_reading};

/// Events taken in one go.
const EVENTS: usize = 32;

/// All watched descriptors.
pub(crate) struct Watches {
    readiness: AsyncFd<EpollSet>,
    descriptors: RefCell<HashMap<u64, RawFd>>,
    last: Cell<u64>,
}

impl Watches {
    /// Nothing is watched. To be called within the runtime.
    pub(crate) fn new() -> io::Result<Watches> {
        Ok(Watches {
            readiness: watch_reading(EpollSet::new()?)?,
            descriptors: RefCell::default(),
            last: Cell::new(0),
        })
    }

    /// Watches a descriptor.
    pub(crate) fn add(&self, descriptor: RawFd) -> io::Result<FdWatch> {
        let number = self.last.get() + 1;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, number);
        os::with_descriptor(descriptor, |fd: BorrowedFd<'_>| {
            self.readiness.get_ref().add(fd, event)
        })??;
        self.last.set(number);
        self.descriptors.borrow_mut().insert(number, descriptor);
        Ok(FdWatch(number))
    }

    /// Stops watching. A descriptor that is closed already has left the set by itself.
    pub(crate) fn remove(&self, watch: FdWatch) {
        if let Some(descriptor) = self.descriptors.borrow_mut().remove(&watch.0) {
            let _left = os::with_descriptor(descriptor, |fd| self.readiness.get_ref().delete(fd));
        }
    }

    /// Waits until some descriptor is readable (status 0) or broken (-1).
    pub(crate) async fn ready(&self) -> Vec<(FdWatch, i32)> {
        loop {
            let Ok(mut guard) = self.readiness.readable().await else {
                return std::future::pending().await;
            };
            let mut events = [EpollEvent::empty(); EVENTS];
            let count = self.readiness.get_ref().ready(&mut events);
            if count == 0 {
                guard.clear_ready();
                continue;
            }
            let known = self.descriptors.borrow();
            let told = events[..count].iter().filter(|event| known.contains_key(&event.data()));
            let status = |event: &EpollEvent| {
                if event.events().contains(EpollFlags::EPOLLIN) { 0 } else { -1 }
            };
            return told.map(|event| (FdWatch(event.data()), status(event))).collect();
        }
    }
}
