//! The files of trust anchors: read at once, written so that at no moment half of one is there.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use lua::host::HostError;
use resolve::limits::ANCHOR_FILE_BYTES_MAX;
use resolve::trust_anchors::file;
use resolve::trust_anchors::roll::AnchorSet;

use crate::logging::log;

/// Reads a file of anchors.
pub(super) fn read(path: &Path) -> Result<AnchorSet, HostError> {
    let refused = |why: String| {
        HostError::refused(format!("failed to read anchors from '{}' ({why})", path.display()))
    };
    let text = read_text(path).map_err(|error| refused(error.to_string()))?;
    file::read_set(&text).map_err(|fault| refused(fault.to_string()))
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut file = File::open(path)?.take(ANCHOR_FILE_BYTES_MAX + 1);
    file.read_to_string(&mut text)?;
    if text.len() as u64 > ANCHOR_FILE_BYTES_MAX {
        return Err(io::Error::other("too large for a file of keys"));
    }
    Ok(text)
}

/// The file beside another that is written first.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".lock.{}", std::process::id()));
    PathBuf::from(name)
}

/// Can the file be replaced? Where the process has no right to, that is an error of the
/// configuration; a disk that is full or read-only may be so for a while only, and is a warning.
pub(super) fn check_writable(path: &Path) -> Result<(), HostError> {
    let probe = beside(path);
    match File::create(&probe) {
        Ok(_) => {
            let _gone_or_written_again = fs::remove_file(&probe);
            Ok(())
        }
        Err(error) if is_trouble_of_the_disk(&error) => {
            log!(Warning, "ta", "'{}': {error}; changes of keys are not kept", path.display());
            Ok(())
        }
        Err(error) => Err(HostError::refused(format!(
            "write access needed to keyfile dir '{}' ({error})",
            path.display()
        ))),
    }
}

fn is_trouble_of_the_disk(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
    )
}

/// Puts text in the place of a file. Whatever happens, afterwards there is the old text or the new.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let new = beside(path);
    let written = write_new(&new, text).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _not_there = fs::remove_file(&new);
        return written;
    }
    // The directory, too, or the new name may be lost in a crash. Some file systems cannot.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let _cannot = File::open(directory.unwrap_or(Path::new("."))).and_then(|dir| dir.sync_all());
    Ok(())
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
