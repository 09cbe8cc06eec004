//! A network of one's own, in which port 53 of all of 127.0.0.0/8 is free, without being root where
//! the system allows user namespaces. Where it allows nothing, port 53 of unusual loopback addresses
//! of the machine itself has to do.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::os::{self, Isolation};
use super::world;

/// Where the lab's servers are reachable.
#[derive(Debug)]
pub(super) enum Namespace {
    /// A namespace that lives as long as its keeper.
    Own { keeper: Keeper, user: Option<File>, network: File },
    /// The machine's own network. The sockets are the silent server.
    Machine { _silent: (UdpSocket, TcpListener) },
}

/// A process that does nothing but hold a namespace open. It reads from a pipe of this process, so
/// it ends when this process does.
#[derive(Debug)]
pub(super) struct Keeper(Child);

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Namespace {
    /// The best there is on this machine.
    pub(super) fn new() -> Result<Namespace> {
        let mut refused = Vec::new();
        for isolation in [Isolation::Network, Isolation::UserAndNetwork] {
            match Namespace::own(isolation) {
                Ok(namespace) => return Ok(namespace),
                Err(error) => refused.push(format!("{isolation:?}: {error:#}")),
            }
        }
        match os::silent_sockets(silent_address()?) {
            Ok(silent) => Ok(Namespace::Machine { _silent: silent }),
            Err(error) => bail!(
                "the lab needs a network namespace ({}) or port 53 on loopback ({error}); try as root",
                refused.join("; ")
            ),
        }
    }

    fn own(isolation: Isolation) -> Result<Namespace> {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.process_group(0);
        os::isolate(&mut command, isolation, silent_address()?);
        let keeper = Keeper(command.spawn()?);
        let process = keeper.0.id();
        let user = match isolation {
            Isolation::Network => None,
            Isolation::UserAndNetwork => Some(os::namespace_file(process, "user")?),
        };
        let network = os::namespace_file(process, "net")?;
        Ok(Namespace::Own { keeper, user, network })
    }

    /// Lets a command start inside, and end with the thread that starts it.
    pub(super) fn enter(&self, command: &mut Command) {
        if let Namespace::Own { user, network, .. } = self {
            os::join(command, user.as_ref().map(AsRawFd::as_raw_fd), network.as_raw_fd());
        }
        os::end_with_parent(command);
    }

    /// Words to put in front of a command typed elsewhere.
    pub(super) fn way_in(&self) -> String {
        match self {
            Namespace::Own { keeper, user: None, .. } => {
                format!("nsenter -t {} -n ", keeper.0.id())
            }
            Namespace::Own { keeper, .. } => {
                format!("nsenter -t {} -U -n --preserve-credentials ", keeper.0.id())
            }
            Namespace::Machine { .. } => String::new(),
        }
    }
}

fn silent_address() -> Result<Ipv4Addr> {
    world::SILENT.parse().context("the silent server's address")
}
