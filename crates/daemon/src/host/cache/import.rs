//! Zone files into the cache, beside the loop: a thread reads and checks the zone, and each turn of the
//! loop puts a few of its sets into the store, so that clients do not notice.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::rc::{Rc, Weak};

use lua::host::{HostError, ZoneFile};
use resolve::zone_import::{self, ImportOptions, ZoneImport};
use tokio::task::{spawn_blocking, spawn_local, yield_now};

use super::refused;
use crate::host::DaemonHost;
use crate::program::Program;

/// Zone files of this many octets are imported at most: twenty times the root's.
const ZONE_BYTES_MAX: u64 = 64 << 20;
/// What is no larger is looked at before anything else, so that a script learns at once that it is no
/// zone; that takes a millisecond or two.
const LOOKED_AT_BYTES: u64 = 64 << 10;
/// Zone files read and checked at the same time, each by a thread, with the zone in memory.
const IMPORTS_MAX: usize = 8;
/// Sets put into the store in one turn: about a millisecond's worth.
const SETS_PER_TURN: usize = 256;

/// The text of a zone file.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = File::open(path)?.take(ZONE_BYTES_MAX + 1).read_to_end(&mut text)?;
    match read as u64 > ZONE_BYTES_MAX {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(text),
    }
}

impl DaemonHost {
    /// Begins an import. `number` is for the one who is told of its end.
    pub(super) fn begin_import(&self, zone: &ZoneFile, number: u64) -> Result<(), HostError> {
        let path = zone.path.clone();
        let failed = |source| HostError::System { action: format!("'{}'", path.display()), source };
        let options = ImportOptions {
            origin: zone.origin.clone(),
            zonemd: zone.zonemd,
            accept_unsigned: zone.accept_unsigned,
        };
        let about = std::fs::metadata(&path).map_err(failed)?;
        // Pipes and devices make who reads them wait.
        if !about.is_file() {
            let text = format!("'{}' is not a regular file", path.display());
            return Err(HostError::refused(text));
        }
        if self.cache.imports.get() >= IMPORTS_MAX {
            let text = format!("{IMPORTS_MAX} zone files are being imported; wait for one to end");
            return Err(HostError::refused(text));
        }
        if about.len() <= LOOKED_AT_BYTES {
            let text = read(&path).map_err(failed)?;
            zone_import::look(&text, &options)
                .map_err(|fault| HostError::refused(fault.to_string()))?;
        }
        if self.checking {
            return Ok(());
        }
        let anchors = self.worker.with_settings(|settings| settings.trust_anchors.clone());
        let now = self.worker.now().unix.seconds();
        let program = self.program.clone();
        let imports = Rc::clone(&self.cache.imports);
        imports.set(imports.get() + 1);
        spawn_local(async move {
            let checked = spawn_blocking(move || {
                let text = read(&path).map_err(|error| error.to_string())?;
                zone_import::read(&text, &anchors, &options, now).map_err(|fault| fault.to_string())
            });
            let result = match checked.await {
                Ok(Ok(import)) => keep(&program, &import).await,
                Ok(Err(fault)) => Err(fault),
                Err(_) => Err("checking it failed".to_owned()),
            };
            imports.set(imports.get() - 1);
            let now = program.borrow().upgrade();
            if let Some(program) = now {
                program.zone_is_imported(number, &result);
            }
        });
        Ok(())
    }
}

/// Puts a zone that was checked into the store. Returns how many sets it took.
async fn keep(program: &RefCell<Weak<Program>>, import: &ZoneImport) -> Result<u64, String> {
    let mut kept = 0;
    for from in (0..import.sets.len()).step_by(SETS_PER_TURN) {
        // One that was replaced has no store any more; its successor begins imports of its own.
        let Some(program) = program.borrow().upgrade() else { break };
        kept += program.host.keep_some(import, from).map_err(|error| error.to_string())?;
        drop(program);
        yield_now().await;
    }
    let Some(program) = program.borrow().upgrade() else { return Ok(kept) };
    let announced = program.host.with_kv(|kv| {
        let done = kv.flush();
        kv.announce();
        done
    });
    announced.and_then(|done| done.map_err(refused)).map_err(|error| error.to_string())?;
    program.worker().change_resolver(resolve::Resolver::forget_answers);
    Ok(kept)
}

impl DaemonHost {
    /// Some of the sets of a zone, from this one on.
    fn keep_some(&self, import: &ZoneImport, from: usize) -> Result<u64, HostError> {
        let now = self.worker.now().unix.seconds();
        let some = from..import.sets.len().min(from + SETS_PER_TURN);
        let kept = self.with_cache(|cache| import.keep_some(some, cache, now))?.map_err(refused)?;
        self.worker.apply();
        Ok(kept as u64)
    }
}
