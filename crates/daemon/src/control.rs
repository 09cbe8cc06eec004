//! Control sockets: where they are, who may use them, and how another process is asked.
//!
//! What is said on them is the business of [`lua::console`]; who serves them, of `console.rs`.

pub(crate) mod client;
pub(crate) mod peer;

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, chown};

/// Where the control sockets are, below the run directory.
pub(crate) const DIRECTORY: &str = "control";
/// The same under the name that older tools look for.
const OLD_DIRECTORY: &str = "tty";
/// Who can connect can do whatever the program can: its user and group only.
const DIRECTORY_MODE: u32 = 0o750;
/// What is taken from all permissions of a new socket, which leaves 0660.
const SOCKET_UMASK: Mode = Mode::from_bits_truncate(0o117);

/// Makes the directory of control sockets in the working directory. Its mode is only set when it is
/// made here: the operator's choice stays.
pub(crate) fn make_directory() -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(DIRECTORY_MODE).create(DIRECTORY) {
        // The mask of the process may have taken rights away.
        Ok(()) => {
            std::fs::set_permissions(DIRECTORY, PermissionsExt::from_mode(DIRECTORY_MODE))?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !Path::new(DIRECTORY).is_dir() {
                return Err(io::Error::other("a file of that name is in the way, move it away"));
            }
        }
        Err(error) => return Err(error),
    }
    // A convenience that may be in the way of something, or of another worker that makes it too.
    let _without = symlink(DIRECTORY, OLD_DIRECTORY);
    Ok(())
}

/// Gives the directory to the user that the program becomes, if it is as it was made here and nobody
/// else could make sockets in it.
pub(crate) fn hand_over_directory(user: Uid, group: Gid) {
    let Ok(directory) = std::fs::symlink_metadata(DIRECTORY) else { return };
    let as_made = directory.mode() & 0o777 == DIRECTORY_MODE;
    if directory.is_dir() && as_made && directory.uid() == Uid::effective().as_raw() {
        // If it fails the socket cannot be made, which is told then.
        let _tried = chown(DIRECTORY, Some(user), Some(group));
    }
}

/// Opens a control socket; a file that an earlier process left behind is replaced.
pub(crate) fn bind(path: &Path) -> io::Result<UnixListener> {
    let before = umask(SOCKET_UMASK);
    let bound = bind_anew(path);
    umask(before);
    let listener = bound?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn bind_anew(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && !is_alive(path) => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        result => result,
    }
}

/// Does anybody listen there?
fn is_alive(path: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(path).is_ok()
}

/// The sockets in a directory, in the order of their names.
pub(crate) fn sockets(directory: &Path) -> io::Result<Vec<PathBuf>> {
    use std::os::unix::fs::FileTypeExt;

    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_socket() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
