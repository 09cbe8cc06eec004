//! `cache`: opening, limits, counters, clearing.

mod awaited;
mod import;

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;

use dns::{Name, Rtype};
use lua::host::{Cache, CacheRow, Checkpoint, HostError, ZoneFile, without_number};
use resolve::Now;
use store::cache::entry::SignedSet;
use store::cache::fleet::FleetSecret;
use store::cache::{Listed, ListedKind, TtlBounds, key};
use store::kv::{self, BACKENDS, Kv, OpenOptions, StoreError, memory};
use tokio::task::spawn_local;

use super::DaemonHost;
use crate::fleet::{self, Fleet, FleetAddress};
use crate::limits::{CACHE_BYTES_UNTIL_OPENED, FLEET_SECRET_BYTES_MIN};
use crate::logging::log;
use crate::os;
use crate::worker::Worker;
use awaited::{Awaited, is_of_machine};

/// What is known of the open cache.
#[derive(Default)]
pub(super) struct State {
    /// What shows that a machine belongs to ours, if there is a second level.
    secret: RefCell<Option<FleetSecret>>,
    /// Its size as it was asked for, and its URI.
    current: RefCell<Option<(u64, String)>>,
    /// When it was opened, or the moment that was kept since.
    checkpoint: Cell<Now>,
    /// How often one was opened and closed since the start.
    opened: Cell<u64>,
    closed: Cell<u64>,
    /// It is the one of the program that serves while this one is loaded beside it.
    shared: Cell<bool>,
    /// It could not be opened, and a store in memory stands in.
    awaited: RefCell<Option<Awaited>>,
    /// Zone files that are being imported.
    imports: Rc<Cell<usize>>,
}

/// The words of a store for the operator.
fn refused(error: StoreError) -> HostError {
    HostError::refused(error.to_string())
}

/// A store that holds what is learnt while none is open.
fn nothing_open() -> Result<Box<dyn Kv>, HostError> {
    Ok(Box::new(memory::new(CACHE_BYTES_UNTIL_OPENED).map_err(refused)?))
}

/// What a URI says of the store of this machine, and of one behind it.
fn take_apart(storage: &str) -> Result<(String, Option<FleetAddress>), HostError> {
    match FleetAddress::parse(storage) {
        None => Ok((storage.to_owned(), None)),
        Some(Ok(address)) => Ok((format!("lmdb://{}", address.path), Some(address))),
        Some(Err(text)) => Err(HostError::refused(text)),
    }
}

/// The secret of the fleet, from its file.
fn secret_of(address: &FleetAddress) -> Result<FleetSecret, HostError> {
    let Some(path) = &address.secret else { return Ok(FleetSecret::none()) };
    let content = std::fs::read(path).map_err(|error| {
        HostError::refused(format!("secret of the fleet '{}': {error}", path.display()))
    })?;
    if content.len() < FLEET_SECRET_BYTES_MIN {
        return Err(HostError::refused(format!(
            "secret of the fleet '{}': fewer than {FLEET_SECRET_BYTES_MIN} bytes; \
             'openssl rand -hex 32' makes one",
            path.display()
        )));
    }
    Ok(FleetSecret::from_content(&content))
}

/// Opens what a URI names. The inner error is the store's own.
fn open(size: u64, storage: &str) -> Result<Result<Box<dyn Kv>, StoreError>, HostError> {
    let (backend, path) = kv::parse_uri(storage).map_err(refused)?;
    let mut seed = [0; 16];
    let random = os::random_seed().map_err(|source| HostError::System {
        action: "random numbers of the system".to_owned(),
        source,
    })?;
    seed.copy_from_slice(&random[..16]);
    let options = OpenOptions { path: path.into(), bytes: size, seed };
    Ok((backend.open)(&options))
}

/// The words of the configuration language for that.
fn cannot_open(storage: &str, error: &StoreError) -> HostError {
    let path = kv::parse_uri(storage).map_or(storage, |(_, path)| path);
    let place = std::env::current_dir().unwrap_or_default();
    let place = place.display();
    let reason = without_number(&error.to_string());
    HostError::refused(format!(
        "can't open cache path '{path}'; working directory '{place}'; {reason}"
    ))
}

/// Do two URIs name the same store?
fn is_same(one: &str, other: &str) -> bool {
    let place = |uri| {
        let (backend, path) = kv::parse_uri(uri).ok()?;
        let path = Path::new(path);
        Some((backend.scheme, path.canonicalize().unwrap_or_else(|_| path.to_owned())))
    };
    let known = place(one);
    known.is_some() && known == place(other)
}

/// Can a store be in this directory? One that is not there yet is made when the store is opened.
fn check_directory(path: &Path) -> Result<(), HostError> {
    let there = path.ancestors().find(|place| place.as_os_str().is_empty() || place.exists());
    match there {
        Some(place) if !place.as_os_str().is_empty() && !place.is_dir() => {
            Err(HostError::refused(format!("'{}' is not a directory", place.display())))
        }
        _ => Ok(()),
    }
}

impl DaemonHost {
    /// The worker that has the store.
    fn keeper(&self) -> Rc<Worker> {
        let beside = self.beside().filter(|_| self.cache.shared.get());
        beside.map_or_else(|| self.worker.clone(), |program| program.worker().clone())
    }

    /// Takes over the store of a program that is being replaced, if it is the same one.
    pub(super) fn take_store(&self, other: &DaemonHost) {
        if !self.cache.shared.replace(false) {
            return;
        }
        let taken = nothing_open().map(|kv| store::Cache::new(kv, TtlBounds::default()));
        let taken = taken
            .ok()
            .and_then(|nothing| other.worker.with_cache(|cache| std::mem::replace(cache, nothing)));
        other.cache.current.take();
        *self.cache.awaited.borrow_mut() = other.cache.awaited.take();
        other.worker.set_fleet(None);
        let (min, max) = self.worker.with_settings(|settings| (settings.ttl_min, settings.ttl_max));
        let size = self.cache_current().map_or(0, |(size, _)| size);
        // What stands in for a store keeps its own size.
        let stands_in = self.cache.awaited.borrow().is_some();
        let put = taken.and_then(|mut taken| {
            taken.set_bounds(TtlBounds { min, max });
            taken.share_with_fleet(self.cache.secret.borrow().clone());
            self.worker.with_cache(|cache| {
                *cache = taken;
                if stands_in { Ok(()) } else { cache.kv_mut().grow(size) }
            })
        });
        match put {
            Some(Ok(())) => {}
            Some(Err(error)) => log!(Err, "cache", "{error}"),
            None => log!(Crit, "cache", "bug: the cache could not be handed over"),
        }
    }

    /// Puts another store below the resolver's cache; the old one is closed.
    fn put_store(&self, kv: Box<dyn Kv>) -> Result<(), HostError> {
        self.cache.shared.set(false);
        self.cache.awaited.take();
        let (min, max) = self.worker.with_settings(|settings| (settings.ttl_min, settings.ttl_max));
        let fresh = store::Cache::new(kv, TtlBounds { min, max });
        self.worker.with_cache(|cache| *cache = fresh).ok_or(HostError::Busy)
    }

    /// Puts a second level behind the store, or none.
    fn put_fleet(&self, address: Option<FleetAddress>, secret: Option<FleetSecret>) {
        *self.cache.secret.borrow_mut() = secret.clone();
        self.worker.with_cache(|cache| cache.share_with_fleet(secret));
        let current = self.worker.fleet();
        if self.checking || current.as_ref().map(|fleet| fleet.address()) == address.as_ref() {
            return;
        }
        let Some(address) = address else { return self.worker.set_fleet(None) };
        if address.secret.is_none() {
            log!(
                Notice,
                "cache",
                "{}: no secret of the fleet is set, so nothing that was validated is shared",
                address.shown()
            );
        }
        let fleet = Fleet::new(address);
        self.worker.set_fleet(Some(fleet.clone()));
        spawn_local(fleet::run(self.worker.clone(), fleet));
    }

    /// Looks into the store, if one is open.
    fn inspect<R>(&self, use_it: impl FnOnce(&mut dyn Kv) -> R) -> Result<R, HostError> {
        if self.cache.current.borrow().is_none() {
            return Err(HostError::CacheClosed);
        }
        self.keeper().inspect_cache(|cache| use_it(cache.kv_mut())).ok_or(HostError::Busy)
    }

    /// Changes the store, if one is open.
    fn with_kv<R>(&self, use_it: impl FnOnce(&mut dyn Kv) -> R) -> Result<R, HostError> {
        self.with_cache(|cache| use_it(cache.kv_mut()))
    }

    /// Changes what is cached, if a cache is open.
    fn with_cache<R>(&self, use_it: impl FnOnce(&mut store::Cache) -> R) -> Result<R, HostError> {
        if self.cache.current.borrow().is_none() {
            return Err(HostError::CacheClosed);
        }
        self.keeper().with_cache(use_it).ok_or(HostError::Busy)
    }

    /// Opens a store in place of the one that is open, which stays if that fails. The same store
    /// under another spelling is made larger; it cannot be open twice.
    fn replace_store(&self, size: u64, storage: &str) -> Result<(), HostError> {
        if self.checking {
            let (_, path) = kv::parse_uri(storage).map_err(refused)?;
            check_directory(Path::new(path))?;
            return self.put_store(Box::new(memory::new(size).map_err(refused)?));
        }
        let local = |current: &str| take_apart(current).map(|(local, _)| local).unwrap_or_default();
        let beside = self.beside().and_then(|program| program.host.cache_current());
        if beside.is_some_and(|(_, current)| is_same(&local(&current), storage)) {
            self.cache.shared.set(true);
            return Ok(());
        }
        let stands_in = self.cache.awaited.borrow().is_some();
        let same = self.cache_current().filter(|(_, current)| is_same(&local(current), storage));
        if same.is_some() && !stands_in {
            match self.inspect(|kv| kv.grow(size))? {
                Ok(()) => return Ok(()),
                Err(error @ StoreError::NoSpace { .. }) => {
                    return Err(cannot_open(storage, &error));
                }
                // Nothing of it is open at the moment.
                Err(_) => {}
            }
        }
        match open(size, storage)? {
            Ok(kv) => self.put_store(kv),
            Err(error) if self.is_starting() && is_of_machine(&error) => {
                self.stand_in(size, storage, &error)
            }
            Err(error) => Err(cannot_open(storage, &error)),
        }
    }

    /// What a store has to say goes to the log.
    pub(crate) fn log_cache_notices(&self) {
        let notices = self.inspect(|kv| kv.take_notices()).unwrap_or_default();
        for notice in notices {
            log!(Notice, "cache", "{notice}");
        }
    }

    /// The upkeep of the store, about once a second.
    pub(crate) fn maintain_cache(&self) {
        self.try_again();
        if self.inspect(|kv| kv.maintain()).is_ok() {
            self.log_cache_notices();
        }
    }
}

impl Cache for DaemonHost {
    fn cache_open(&self, size: u64, storage: &str) -> Result<(), HostError> {
        let (local, address) = take_apart(storage)?;
        let secret = address.as_ref().map(secret_of).transpose()?;
        self.replace_store(size, &local)?;
        self.put_fleet(address, secret);
        *self.cache.current.borrow_mut() = Some((size, storage.to_owned()));
        self.cache.opened.set(self.cache.opened.get() + 1);
        self.cache.checkpoint.set(self.worker.now());
        self.log_cache_notices();
        Ok(())
    }

    fn cache_close(&self) -> bool {
        if self.cache.current.borrow().is_none() {
            return false;
        }
        let closed = nothing_open().and_then(|kv| self.put_store(kv)).is_ok();
        if closed {
            self.put_fleet(None, None);
            self.cache.current.take();
            self.cache.closed.set(self.cache.closed.get() + 1);
        }
        closed
    }

    fn cache_current(&self) -> Option<(u64, String)> {
        self.cache.current.borrow().clone()
    }

    fn cache_backends(&self) -> Vec<(String, bool)> {
        let lasting = BACKENDS.iter().filter(|backend| backend.scheme != VOLATILE);
        lasting.map(|backend| (backend.scheme.to_owned(), backend.default)).collect()
    }

    fn cache_count(&self) -> Result<u64, HostError> {
        self.inspect(|kv| kv.usage().entries)
    }

    fn cache_stats(&self) -> Result<Vec<(&'static str, f64)>, HostError> {
        let (opened, closed) = (self.cache.opened.get() as f64, self.cache.closed.get() as f64);
        self.inspect(|kv| {
            let rows = kv.counters().rows().map(|(name, count)| match name {
                "open" => (name, opened),
                "close" => (name, closed),
                _ => (name, count as f64),
            });
            let mut rows: Vec<(&'static str, f64)> = rows.collect();
            let usage = kv.usage();
            rows.push(("count_entries", usage.entries as f64));
            rows.push(("usage_percent", usage.percent()));
            rows.extend(self.worker.fleet().iter().flat_map(|fleet| fleet.rows()));
            rows
        })
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
        let entries = self.cache_count()?;
        self.with_kv(|kv| kv.clear())?.map_err(refused)?;
        self.worker.change_resolver(resolve::Resolver::forget_everything);
        Ok(entries)
    }

    fn cache_clear_name(&self, name: &Name, rr_type: Option<Rtype>) -> Result<u64, HostError> {
        self.cache_clear_where(name, rr_type, true, u32::MAX)
    }

    fn cache_clear_subtree(&self, name: &Name, limit: u32) -> Result<u64, HostError> {
        self.cache_clear_where(name, None, false, limit)
    }

    fn cache_closest_apex(&self, name: &Name) -> Result<Name, HostError> {
        self.inspect(|_| ())?;
        let now = self.worker.now().unix.seconds();
        let found = self.keeper().inspect_cache(|cache| {
            let mut apex = Name::root();
            cache.walk(now, name, 0, |at, hit| {
                let is_apex = hit.ns.is_some();
                if is_apex {
                    apex = at.clone();
                }
                !is_apex
            });
            apex
        });
        found.ok_or(HostError::Busy)
    }

    fn cache_get(&self, name: &Name) -> Result<Vec<CacheRow>, HostError> {
        self.inspect(|_| ())?;
        let now = self.worker.now().unix.seconds();
        let listed = self.keeper().inspect_cache(|cache| cache.list(now, name));
        let row = |row: &Listed| CacheRow {
            rtype: match row.rtype.0 {
                0 => "NXDOMAIN".to_owned(),
                _ => row.rtype.to_string(),
            },
            exists: row.kind == ListedKind::Records,
            rank: format!("{:?}", row.rank),
            ttl: row.ttl_left,
        };
        listed.map(|listed| listed.iter().map(row).collect()).ok_or(HostError::Busy)
    }

    fn cache_checkpoint(&self) -> Result<Checkpoint, HostError> {
        self.inspect(|_| ())?;
        let Now { mono, unix } = self.cache.checkpoint.get();
        Ok(Checkpoint { mono: mono.0 / 1_000_000, unix: unix.0 })
    }

    fn set_cache_checkpoint(&self) -> Result<(), HostError> {
        self.inspect(|kv| kv.flush())?.map_err(refused)?;
        self.cache.checkpoint.set(self.worker.now());
        Ok(())
    }

    fn cache_insert(&self, set: &SignedSet) -> Result<bool, HostError> {
        self.inspect(|_| ())?;
        let now = self.worker.now().unix.seconds();
        let stash =
            |cache: &mut store::Cache| cache.stash(now, &set.set, &set.signatures, set.rank, &[]);
        self.keeper().with_cache(stash).ok_or(HostError::Busy)?.map_err(refused)
    }

    fn cache_import_zone(&self, zone: &ZoneFile, number: u64) -> Result<(), HostError> {
        self.inspect(|_| ())?;
        self.begin_import(zone, number)
    }

    fn cache_fssize(&self) -> Result<u64, HostError> {
        let storage = self.cache_current().map(|(_, storage)| storage);
        let storage = storage.ok_or(HostError::CacheClosed)?;
        let (local, _) = take_apart(&storage)?;
        let (_, path) = kv::parse_uri(&local).map_err(refused)?;
        let status = nix::sys::statvfs::statvfs(Path::new(path)).map_err(|errno| {
            HostError::System { action: format!("file system of '{path}'"), source: errno.into() }
        })?;
        Ok(status.blocks() * status.fragment_size())
    }
}

/// The back end that holds what is learnt while no cache is open; it is none to be chosen from.
const VOLATILE: &str = "memory";

/// Entries looked at for one command; a subtree with more takes several.
const SCAN_MAX: usize = 100_000;

impl DaemonHost {
    /// Removes entries at a name (`exact`) or at and below it, of one type or all, and tells all
    /// workers.
    fn cache_clear_where(
        &self,
        name: &Name,
        rr_type: Option<Rtype>,
        exact: bool,
        limit: u32,
    ) -> Result<u64, HostError> {
        let mut prefix = Vec::new();
        name.lookup_format(&mut prefix);
        if exact {
            // What is below the name has another byte here.
            prefix.push(0);
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let removed = self.with_cache(|cache| {
            if let Some(rr_type) = rr_type {
                return Ok(u64::from(cache.remove(name, rr_type)?));
            }
            let kv = cache.kv_mut();
            let mut found: Vec<Vec<u8>> = Vec::new();
            let mut visit = |key: &[u8], _value: &[u8]| {
                let inside = key::read(key).is_some_and(|(owner, _)| owner.is_at_or_below(name));
                if inside {
                    found.push(key.to_vec());
                }
                if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            };
            kv.scan_prefix(&prefix, None, SCAN_MAX, &mut visit);
            for key in &found {
                kv.remove(key)?;
            }
            Ok(found.len() as u64)
        })?;
        let removed: u64 = removed.map_err(refused)?;
        // Others may read until it is done, and keep what they read until they are told.
        self.with_kv(|kv| {
            let done = kv.flush();
            kv.announce();
            done
        })?
        .map_err(refused)?;
        Ok(removed)
    }
}
