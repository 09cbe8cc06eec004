//! Who is at the other end of a control socket, and whether that is one who may give commands.
//!
//! The permissions of the socket and of its directory say the same, as long as they are as they were
//! made. Here the kernel is asked, so that a directory that was opened to everybody, or a socket in
//! a place such as `/tmp`, does not hand the program to everybody.

use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::socket::{UnixCredentials, getsockopt, sockopt};
use nix::unistd::{getegid, geteuid};

/// Whom commands are taken from.
pub(crate) struct Trusted {
    user: u32,
    /// The program's group, and that of the socket, which a service manager may have chosen.
    groups: Vec<u32>,
}

impl Trusted {
    /// The superuser, the program's own user, and the groups of the program and of the socket.
    pub(crate) fn of_socket(path: &Path) -> Trusted {
        let mut groups = vec![getegid().as_raw()];
        if let Ok(socket) = std::fs::metadata(path) {
            groups.push(socket.gid());
        }
        Trusted { user: geteuid().as_raw(), groups }
    }

    /// May this one give commands? The error says who it is.
    pub(crate) fn check(&self, stream: impl AsFd) -> Result<(), String> {
        let peer = getsockopt(&stream, sockopt::PeerCredentials)
            .map_err(|errno| format!("the other end is unknown ({errno})"))?;
        let is_member = || groups_of(&peer).iter().any(|group| self.groups.contains(group));
        if peer.uid() == 0 || peer.uid() == self.user || is_member() {
            return Ok(());
        }
        Err(format!("user {} (process {}) is not allowed to", peer.uid(), peer.pid()))
    }
}

/// The group that a process had when it connected, and the further ones that it has now.
fn groups_of(peer: &UnixCredentials) -> Vec<u32> {
    let mut groups = vec![peer.gid()];
    let status = std::fs::read_to_string(format!("/proc/{}/status", peer.pid()));
    let status = status.unwrap_or_default();
    // Another process may have taken the number over; it would have to have the same user.
    let of = |field: &str| status.lines().find_map(|line| line.strip_prefix(field));
    let user = of("Uid:").and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    if user == Some(peer.uid()) {
        let further = of("Groups:").unwrap_or_default().split_whitespace();
        groups.extend(further.filter_map(|group| group.parse::<u32>().ok()));
    }
    groups
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn strangers_are_turned_away() {
        let (one, _other) = UnixStream::pair().unwrap();
        let own = Trusted::of_socket(Path::new("/nowhere"));
        assert_eq!(own.check(&one), Ok(()));
        let nobody = Trusted { user: u32::MAX, groups: vec![u32::MAX] };
        // The superuser is always let in.
        assert_eq!(nobody.check(&one).is_ok(), geteuid().is_root());
        let by_group = Trusted { user: u32::MAX, groups: vec![getegid().as_raw()] };
        assert_eq!(by_group.check(&one), Ok(()));
    }
}
