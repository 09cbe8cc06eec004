//! `cache`: opening, limits, counters, clearing.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use dns::{Name, Rtype};
use lua::host::{Cache, HostError};

use super::DaemonHost;

/// The scheme of the one back end, and where it is if the URI does not say.
const SCHEME: &str = "lmdb://";

/// What is known of the open cache.
#[derive(Default)]
pub(super) struct State {
    current: RefCell<Option<(u64, String)>>,
    opened: Cell<u64>,
    closed: Cell<u64>,
}

/// The directory that a URI names, relative to the working directory.
fn directory(storage: &str) -> Result<PathBuf, HostError> {
    let path = match storage.split_once("://") {
        None if storage.is_empty() => "",
        Some(("lmdb", path)) => path,
        _ => {
            return Err(HostError::refused(format!(
                "'{storage}': unsupported storage; use '{SCHEME}DIRECTORY'"
            )));
        }
    };
    Ok(PathBuf::from(if path.is_empty() { "." } else { path }))
}

/// Makes the directory if it is missing, and sees whether files can be made in it.
fn prepare(path: &Path) -> Result<(), HostError> {
    let failed = |source| HostError::System {
        action: format!("cannot use '{}' for the cache", path.display()),
        source,
    };
    std::fs::create_dir_all(path).map_err(failed)?;
    nix::unistd::access(path, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK)
        .map_err(|errno| failed(errno.into()))
}

impl Cache for DaemonHost {
    fn cache_open(&self, size: u64, storage: &str) -> Result<(), HostError> {
        let path = directory(storage)?;
        prepare(&path)?;
        *self.cache.current.borrow_mut() = Some((size, storage.to_owned()));
        self.cache.opened.set(self.cache.opened.get() + 1);
        Ok(())
    }

    fn cache_close(&self) -> bool {
        let was_open = self.cache.current.take().is_some();
        self.cache.closed.set(self.cache.closed.get() + u64::from(was_open));
        was_open
    }

    fn cache_current(&self) -> Option<(u64, String)> {
        self.cache.current.borrow().clone()
    }

    fn cache_backends(&self) -> Vec<(String, bool)> {
        vec![("lmdb".to_owned(), true)]
    }

    fn cache_count(&self) -> Result<u64, HostError> {
        self.opened()?;
        Ok(0)
    }

    fn cache_stats(&self) -> Result<Vec<(&'static str, f64)>, HostError> {
        self.opened()?;
        Ok(vec![
            ("open", self.cache.opened.get() as f64),
            ("close", self.cache.closed.get() as f64),
        ])
    }

    fn cache_ttl_bounds(&self) -> Result<(u32, u32), HostError> {
        Ok(self.worker.with_settings(|settings| (settings.ttl_min, settings.ttl_max)))
    }

    fn set_cache_ttl_bounds(&self, min: u32, max: u32) -> Result<(), HostError> {
        self.worker.change_settings(|settings| (settings.ttl_min, settings.ttl_max) = (min, max));
        Ok(())
    }

    fn cache_ns_timeout(&self) -> u32 {
        self.worker.with_settings(|settings| settings.ns_timeout_ms)
    }

    fn set_cache_ns_timeout(&self, ms: u32) -> Result<(), HostError> {
        self.worker.change_settings(|settings| settings.ns_timeout_ms = ms);
        Ok(())
    }

    fn cache_clear(&self) -> Result<u64, HostError> {
        self.opened()?;
        Ok(0)
    }

    fn cache_clear_name(&self, _name: &Name, _type: Option<Rtype>) -> Result<u64, HostError> {
        self.opened()?;
        Ok(0)
    }

    fn cache_clear_subtree(&self, _name: &Name, _limit: u32) -> Result<u64, HostError> {
        self.opened()?;
        Ok(0)
    }

    fn cache_closest_apex(&self, _name: &Name) -> Result<Name, HostError> {
        self.opened()?;
        Ok(Name::root())
    }

    fn cache_checkpoint(&self, _active: bool) -> Result<(), HostError> {
        self.opened()
    }

    fn cache_fssize(&self) -> Result<u64, HostError> {
        self.opened()?;
        let storage = self.cache_current().map(|(_, storage)| storage).unwrap_or_default();
        let path = directory(&storage)?;
        let status = nix::sys::statvfs::statvfs(&path).map_err(|errno| HostError::System {
            action: format!("file system of '{}'", path.display()),
            source: errno.into(),
        })?;
        Ok(status.blocks() * status.fragment_size())
    }
}

impl DaemonHost {
    fn opened(&self) -> Result<(), HostError> {
        match self.cache.current.borrow().is_some() {
            true => Ok(()),
            false => Err(HostError::CacheClosed),
        }
    }
}
