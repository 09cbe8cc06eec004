//! A cache that cannot be opened at the start: disk full or read-only, files of somebody else. Clients are
//! answered all the same, from a store in memory, and the cache is tried again.

use store::kv::{StoreError, memory};

use super::{DaemonHost, HostError, open, refused};
use crate::limits::{CACHE_BYTES_IN_MEMORY, CACHE_RETRY_SECONDS_MAX, CACHE_RETRY_SECONDS_MIN};
use crate::logging::log;

/// A store that will be tried again.
pub(super) struct Awaited {
    /// Its size, and its URI without a second level.
    size: u64,
    storage: String,
    /// Why it could not be opened when this was last told.
    said: String,
    /// Seconds until the next try, and from there to the one after it.
    left: u32,
    pause: u32,
}

/// Is it the machine that is in the way, and not the configuration?
pub(super) fn is_of_machine(error: &StoreError) -> bool {
    use std::io::ErrorKind::{InvalidInput, NotADirectory, NotFound};
    match error {
        StoreError::Io { source, .. } => {
            !matches!(source.kind(), NotFound | NotADirectory | InvalidInput)
        }
        StoreError::SizeOutOfRange { .. }
        | StoreError::UnknownBackend { .. }
        | StoreError::AlreadyOpen { .. } => false,
        _ => true,
    }
}

impl DaemonHost {
    /// Is this the first configuration of the process, which is still being loaded?
    pub(super) fn is_starting(&self) -> bool {
        self.program.borrow().upgrade().is_none() && self.beside().is_none()
    }

    /// Puts a store in memory in the place of one that cannot be opened, which is no reason to leave
    /// clients without answers.
    pub(super) fn stand_in(
        &self,
        size: u64,
        storage: &str,
        error: &StoreError,
    ) -> Result<(), HostError> {
        let kv = memory::new(size.min(CACHE_BYTES_IN_MEMORY)).map_err(refused)?;
        self.put_store(Box::new(kv))?;
        let said = error.to_string();
        log!(
            Err,
            "cache",
            "the cache cannot be opened: {said}; what is learnt is kept in memory of this process \
             only, until it can"
        );
        *self.cache.awaited.borrow_mut() = Some(Awaited {
            size,
            storage: storage.to_owned(),
            said,
            left: CACHE_RETRY_SECONDS_MIN,
            pause: CACHE_RETRY_SECONDS_MIN,
        });
        Ok(())
    }

    /// Tries again to open a store that could not be opened. Called about once a second.
    pub(super) fn try_again(&self) {
        let (size, storage) = {
            let mut awaited = self.cache.awaited.borrow_mut();
            let Some(awaited) = awaited.as_mut() else { return };
            awaited.left = awaited.left.saturating_sub(1);
            if awaited.left > 0 {
                return;
            }
            awaited.pause = (awaited.pause * 2).min(CACHE_RETRY_SECONDS_MAX);
            awaited.left = awaited.pause;
            (awaited.size, awaited.storage.clone())
        };
        let opened = open(size, &storage).and_then(|opened| opened.map_err(refused));
        match opened.and_then(|kv| self.put_store(kv)) {
            Ok(()) => {
                let secret = self.cache.secret.borrow().clone();
                self.worker.with_cache(|cache| cache.share_with_fleet(secret));
                log!(Notice, "cache", "the cache could be opened, and is used from now on");
            }
            Err(error) => {
                let text = error.to_string();
                let mut awaited = self.cache.awaited.borrow_mut();
                if let Some(awaited) = awaited.as_mut().filter(|awaited| awaited.said != text) {
                    log!(Err, "cache", "the cache still cannot be opened: {text}");
                    awaited.said = text;
                }
            }
        }
    }
}
