//! A zone and who serves it: where authority changes, and what is known about both sides.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dns::Name;
use smallvec::SmallVec;

use crate::action::Via;
use crate::limits::{ADDRESSES_MAX, ADDRESSES_PER_SERVER_MAX};
use crate::settings::ForwardKind;

/// What is known about the addresses of a server for one address family.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Lookup {
    /// Nobody has asked.
    #[default]
    Open,
    /// What is in the list came with a referral; the server's own zone may say something else.
    Glue,
    /// Asked; what was found is in the list.
    Done,
}

/// What the store said about the DS of a zone when its servers were looked up there, which is in the
/// same place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum StoredDs {
    /// Nobody has looked, or there is more to it.
    #[default]
    Unknown,
    /// Nothing.
    Nothing,
    /// The zone is not signed.
    Insecure,
}

/// One name server of a zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameServer {
    pub name: Name,
    pub addresses: SmallVec<[IpAddr; 2]>,
    pub ipv4: Lookup,
    pub ipv6: Lookup,
}

impl NameServer {
    /// A server by name only.
    pub fn new(name: Name) -> NameServer {
        NameServer { name, addresses: SmallVec::new(), ipv4: Lookup::Open, ipv6: Lookup::Open }
    }
}

/// Who is asked about a zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Servers {
    /// Its authoritative servers.
    Authoritative(Vec<NameServer>),
    /// Servers that the operator named for everything below the zone's name.
    Forward { kind: ForwardKind, targets: Arc<Vec<(SocketAddr, Via)>> },
}

/// A zone and who serves it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ZoneCut {
    /// The apex.
    pub name: Name,
    pub servers: Servers,
    pub ds: StoredDs,
}

impl ZoneCut {
    /// A zone whose servers are not known yet.
    pub fn new(name: Name) -> ZoneCut {
        let servers = Servers::Authoritative(Vec::new());
        ZoneCut { name, servers, ds: StoredDs::Unknown }
    }

    /// A zone that is served by forwarding targets.
    pub fn forward(name: Name, kind: ForwardKind, targets: Arc<Vec<(SocketAddr, Via)>>) -> ZoneCut {
        ZoneCut { servers: Servers::Forward { kind, targets }, ..ZoneCut::new(name) }
    }

    /// Its authoritative servers; none if it is forwarded.
    pub fn name_servers(&self) -> &[NameServer] {
        match &self.servers {
            Servers::Authoritative(list) => list,
            Servers::Forward { .. } => &[],
        }
    }

    /// The same, to change.
    pub fn name_servers_mut(&mut self) -> &mut [NameServer] {
        match &mut self.servers {
            Servers::Authoritative(list) => list,
            Servers::Forward { .. } => &mut [],
        }
    }

    /// Is the zone asked through forwarding targets?
    pub fn is_forward(&self) -> bool {
        matches!(self.servers, Servers::Forward { .. })
    }

    /// Adds a server unless it is there.
    pub fn add_server(&mut self, name: Name) {
        if let Servers::Authoritative(list) = &mut self.servers
            && !list.iter().any(|server| server.name == name)
        {
            list.push(NameServer::new(name));
        }
    }

    /// A server of the zone by its name.
    pub fn name_server_mut(&mut self, name: &Name) -> Option<&mut NameServer> {
        self.name_servers_mut().iter_mut().find(|server| server.name == *name)
    }

    /// Adds what the zone of a server itself says about its addresses. Where there is no room, what
    /// others said about them goes.
    pub fn add_own_addresses(&mut self, name: &Name, addresses: impl IntoIterator<Item = IpAddr>) {
        let total: usize = self.name_servers().iter().map(|server| server.addresses.len()).sum();
        if let Some(server) = self.name_server_mut(name)
            && (total >= ADDRESSES_MAX || server.addresses.len() >= ADDRESSES_PER_SERVER_MAX)
        {
            server.addresses.clear();
        }
        self.add_addresses(name, addresses);
    }

    /// Adds addresses to a server within the bounds: each address counts once per zone
    /// (CVE-2026-3592), and a server has few.
    pub fn add_addresses(&mut self, name: &Name, addresses: impl IntoIterator<Item = IpAddr>) {
        let at = self.name_servers().iter().position(|server| server.name == *name);
        if let Some(at) = at {
            self.add_addresses_of(at, addresses);
        }
    }

    /// The same for the server at a place of the list.
    pub(crate) fn add_addresses_of(
        &mut self,
        at: usize,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) {
        let Servers::Authoritative(list) = &mut self.servers else { return };
        for address in addresses {
            let total: usize = list.iter().map(|server| server.addresses.len()).sum();
            if total >= ADDRESSES_MAX || list.iter().any(|s| s.addresses.contains(&address)) {
                continue;
            }
            if let Some(server) = list.get_mut(at)
                && server.addresses.len() < ADDRESSES_PER_SERVER_MAX
            {
                server.addresses.push(address);
            }
        }
    }
}
