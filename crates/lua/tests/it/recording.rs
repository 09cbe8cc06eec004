//! A process that does nothing but remember what Lua asked of it.
//!
//! This file is long because it has every method that a process has.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use dns::{Name, Rtype};
use lua::data::Data;
use lua::flags::{QueryFlag, QueryFlags};
use lua::host::*;
use lua::layer::LuaLayer;
use lua::policy::Rule;
use resolve::{Client, ClientProtocol};
use store::cache::entry::SignedSet;

/// The state that the calls read and write, and the list of calls.
pub(crate) struct RecordingHost {
    pub(crate) calls: RefCell<Vec<String>>,
    pub(crate) messages: RefCell<Vec<String>>,
    pub(crate) now: Cell<u64>,
    pub(crate) quit: Cell<bool>,
    pub(crate) endpoints: RefCell<Vec<BoundEndpoint>>,
    pub(crate) order: RefCell<Vec<String>>,
    pub(crate) layers: RefCell<Vec<LuaLayer>>,
    pub(crate) rules: RefCell<Vec<(RuleId, Rule, bool)>>,
    pub(crate) queries: RefCell<Vec<ResolveQuery>>,
    pub(crate) watches: RefCell<Vec<(FdWatch, i32)>>,
    pub(crate) natives: RefCell<Vec<&'static str>>,
    pub(crate) peers: RefCell<Vec<PeerReply>>,
    pub(crate) entries: Cell<u64>,
    pub(crate) apex: RefCell<Name>,
    pub(crate) imports: RefCell<Vec<u64>>,
    kinds: RefCell<Vec<String>>,
    flags: Cell<QueryFlags>,
    mode: Cell<Mode>,
    root_hints: RefCell<Vec<(Name, Vec<IpAddr>)>>,
    anchors: RefCell<Vec<(Name, String)>>,
    insecure: RefCell<Vec<Name>>,
    anchors_touched: Cell<bool>,
    managed: RefCell<Option<Name>>,
    tunables: RefCell<HashMap<AnchorTunable, u64>>,
    cache: RefCell<Option<(u64, String)>>,
    ttl: Cell<(u32, u32)>,
    ns_timeout: Cell<u32>,
    level: Cell<LogLevel>,
    target: Cell<LogTarget>,
    groups: RefCell<Vec<&'static str>>,
    bufsize: Cell<(u16, u16)>,
    pipeline: Cell<u16>,
    idle: Cell<u64>,
    handshake: Cell<u64>,
    outgoing_v4: Cell<Option<Ipv4Addr>>,
    outgoing_v6: Cell<Option<Ipv6Addr>>,
    tls: RefCell<Option<TlsFiles>>,
    padding: Cell<Padding>,
    tls_clients: RefCell<Vec<TlsClient>>,
    proxy: RefCell<Vec<(IpAddr, u8)>>,
    headers: RefCell<Vec<String>>,
    hostname: RefCell<String>,
    directory: PathBuf,
}

impl RecordingHost {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            calls: RefCell::default(),
            messages: RefCell::default(),
            now: Cell::new(1000),
            quit: Cell::new(false),
            endpoints: RefCell::default(),
            order: RefCell::new(["iterate", "validate", "cache"].map(String::from).to_vec()),
            layers: RefCell::default(),
            rules: RefCell::default(),
            queries: RefCell::default(),
            watches: RefCell::default(),
            natives: RefCell::default(),
            peers: RefCell::default(),
            entries: Cell::new(0),
            apex: RefCell::new(Name::root()),
            imports: RefCell::default(),
            kinds: RefCell::default(),
            flags: Cell::new(QueryFlags::NONE.with(QueryFlag::ReorderRr, true)),
            mode: Cell::default(),
            root_hints: RefCell::default(),
            anchors: RefCell::default(),
            insecure: RefCell::default(),
            anchors_touched: Cell::new(false),
            managed: RefCell::default(),
            tunables: RefCell::default(),
            cache: RefCell::default(),
            ttl: Cell::new((5, 86400)),
            ns_timeout: Cell::new(1000),
            level: Cell::new(LogLevel::Notice),
            target: Cell::new(LogTarget::Stderr),
            groups: RefCell::default(),
            bufsize: Cell::new((1232, 1232)),
            pipeline: Cell::new(100),
            idle: Cell::new(10_000),
            handshake: Cell::new(6000),
            outgoing_v4: Cell::default(),
            outgoing_v6: Cell::default(),
            tls: RefCell::default(),
            padding: Cell::new(Padding::Recommended),
            tls_clients: RefCell::default(),
            proxy: RefCell::default(),
            headers: RefCell::default(),
            hostname: RefCell::new("host.test".into()),
            directory: directory.to_owned(),
        }
    }

    fn did(&self, call: String) {
        self.calls.borrow_mut().push(call);
    }

    /// The calls since the last question, one per line.
    pub(crate) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.borrow_mut())
    }

    fn is_open(&self) -> Result<(), HostError> {
        if self.cache.borrow().is_some() { Ok(()) } else { Err(HostError::CacheClosed) }
    }
}

fn address_text(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Ip(address) => format!("{}@{}", address.ip(), address.port()),
        ListenAddress::Unix(path) => path.display().to_string(),
        ListenAddress::Interface(name) => name.clone(),
    }
}

impl Network for RecordingHost {
    fn listen(&self, listen: &Listen) -> Result<(), HostError> {
        let known = ["dns", "tls", "doh2", "webmgmt", "control"];
        if !known.contains(&listen.kind.as_str()) && !self.kinds.borrow().contains(&listen.kind) {
            return Err(HostError::refused(format!("kind '{}' is not handled", listen.kind)));
        }
        let text = address_text(&listen.address);
        let taken = self.endpoints.borrow().iter().any(|open| open.address == listen.address);
        // TEST-NET-3 (RFC 5737) stands for addresses that the machine does not have.
        if taken || text.starts_with("203.0.113.") {
            let source = std::io::Error::from(std::io::ErrorKind::AddrInUse);
            return Err(HostError::System { action: format!("bind to {text}"), source });
        }
        self.did(format!("listen {} {text}", listen.kind));
        let protocols: &[Protocol] = match (&listen.address, listen.kind.as_str()) {
            (ListenAddress::Unix(_), _) => &[Protocol::Stream],
            (_, "dns") => &[Protocol::Udp, Protocol::Tcp],
            _ => &[Protocol::Tcp],
        };
        self.endpoints.borrow_mut().extend(protocols.iter().map(|protocol| BoundEndpoint {
            address: listen.address.clone(),
            kind: listen.kind.clone(),
            protocol: *protocol,
            freebind: listen.freebind,
        }));
        Ok(())
    }

    fn close(&self, address: &ListenAddress, port: Option<u16>) -> bool {
        self.did(format!("close {} {port:?}", address_text(address)));
        let before = self.endpoints.borrow().len();
        self.endpoints.borrow_mut().retain(|open| match (&open.address, address) {
            (ListenAddress::Ip(open), ListenAddress::Ip(wanted)) => {
                open.ip() != wanted.ip() || port.is_some_and(|port| port != open.port())
            }
            (open, wanted) => open != wanted,
        });
        self.endpoints.borrow().len() < before
    }

    fn endpoints(&self) -> Vec<BoundEndpoint> {
        self.endpoints.borrow().clone()
    }

    fn interfaces(&self) -> Result<Vec<Interface>, HostError> {
        Ok(vec![
            Interface {
                name: "lo".into(),
                addresses: vec!["127.0.0.1".into(), "::1".into()],
                mac: [0; 6],
            },
            Interface {
                name: "eth0".into(),
                addresses: vec!["192.0.2.2".into(), "fe80::1%eth0".into()],
                mac: [2, 0, 0, 0xab, 0, 1],
            },
        ])
    }

    fn interface_index(&self, name: &str) -> Option<u32> {
        ["lo", "eth0"].iter().position(|known| *known == name).map(|at| at as u32 + 1)
    }

    fn bufsize(&self) -> (u16, u16) {
        self.bufsize.get()
    }

    fn set_bufsize(&self, downstream: u16, upstream: u16) -> Result<(), HostError> {
        self.did(format!("bufsize {downstream} {upstream}"));
        self.bufsize.set((downstream, upstream));
        Ok(())
    }

    fn tcp_pipeline(&self) -> u16 {
        self.pipeline.get()
    }

    fn set_tcp_pipeline(&self, limit: u16) -> Result<(), HostError> {
        self.pipeline.set(limit);
        Ok(())
    }

    fn tcp_in_idle(&self) -> u64 {
        self.idle.get()
    }

    fn set_tcp_in_idle(&self, ms: u64) -> Result<(), HostError> {
        self.idle.set(ms);
        Ok(())
    }

    fn tls_handshake_timeout(&self) -> u64 {
        self.handshake.get()
    }

    fn set_tls_handshake_timeout(&self, ms: u64) -> Result<(), HostError> {
        self.handshake.set(ms);
        Ok(())
    }

    fn outgoing_v4(&self) -> Option<Ipv4Addr> {
        self.outgoing_v4.get()
    }

    fn set_outgoing_v4(&self, address: Option<Ipv4Addr>) -> Result<(), HostError> {
        self.did(format!("outgoing_v4 {address:?}"));
        self.outgoing_v4.set(address);
        Ok(())
    }

    fn outgoing_v6(&self) -> Option<Ipv6Addr> {
        self.outgoing_v6.get()
    }

    fn set_outgoing_v6(&self, address: Option<Ipv6Addr>) -> Result<(), HostError> {
        self.did(format!("outgoing_v6 {address:?}"));
        self.outgoing_v6.set(address);
        Ok(())
    }

    fn tls_files(&self) -> Option<TlsFiles> {
        self.tls.borrow().clone()
    }

    fn set_tls_files(&self, files: &TlsFiles) -> Result<(), HostError> {
        if !files.certificate.starts_with("/good") {
            return Err(HostError::refused(format!(
                "{}: no such file",
                files.certificate.display()
            )));
        }
        *self.tls.borrow_mut() = Some(files.clone());
        Ok(())
    }

    fn tls_padding(&self) -> Padding {
        self.padding.get()
    }

    fn set_tls_padding(&self, padding: Padding) -> Result<(), HostError> {
        self.padding.set(padding);
        Ok(())
    }

    fn set_tls_ticket_secret(&self, secret: Option<&[u8]>) -> Result<(), HostError> {
        self.did(format!("ticket secret of {:?} octets", secret.map(<[u8]>::len)));
        Ok(())
    }

    fn tls_clients(&self) -> Vec<TlsClient> {
        self.tls_clients.borrow().clone()
    }

    fn set_tls_client(&self, client: &TlsClient) -> Result<(), HostError> {
        self.tls_clients.borrow_mut().push(client.clone());
        Ok(())
    }

    fn clear_tls_client(&self, address: SocketAddr) -> bool {
        let before = self.tls_clients.borrow().len();
        self.tls_clients.borrow_mut().retain(|client| client.address != address);
        self.tls_clients.borrow().len() < before
    }

    fn proxy_allowed(&self) -> Vec<(IpAddr, u8)> {
        self.proxy.borrow().clone()
    }

    fn set_proxy_allowed(&self, networks: &[(IpAddr, u8)]) -> Result<(), HostError> {
        *self.proxy.borrow_mut() = networks.to_vec();
        Ok(())
    }

    fn doh_headers(&self) -> Vec<String> {
        self.headers.borrow().clone()
    }

    fn request_headers(&self, client: &Client) -> Vec<(String, Vec<u8>)> {
        match client.protocol {
            ClientProtocol::Https => {
                let value = b"curl".to_vec();
                self.doh_headers().into_iter().map(|name| (name, value.clone())).collect()
            }
            _ => Vec::new(),
        }
    }

    fn set_doh_headers(&self, names: &[String]) -> Result<(), HostError> {
        *self.headers.borrow_mut() = names.to_vec();
        Ok(())
    }

    fn declare_kind(&self, kind: &str, served: bool) -> Result<bool, HostError> {
        let known = self.kinds.borrow().iter().any(|known| known == kind);
        match (known, served) {
            (false, true) => self.kinds.borrow_mut().push(kind.to_owned()),
            (true, false) => self.kinds.borrow_mut().retain(|known| known != kind),
            _ => {}
        }
        Ok(known)
    }

    fn set_bpf(&self, program_fd: Option<i32>) -> Result<(), HostError> {
        self.did(format!("bpf {program_fd:?}"));
        Ok(())
    }

    fn has_inherited_endpoints(&self) -> bool {
        false
    }

    fn run_directory(&self) -> &Path {
        &self.directory
    }
}

impl Cache for RecordingHost {
    fn cache_open(&self, size: u64, storage: &str) -> Result<(), HostError> {
        if !storage.starts_with("lmdb://") {
            return Err(HostError::refused("unsupported cache backend"));
        }
        self.did(format!("cache open {size} {storage}"));
        *self.cache.borrow_mut() = Some((size, storage.to_owned()));
        Ok(())
    }

    fn cache_close(&self) -> bool {
        self.cache.borrow_mut().take().is_some()
    }

    fn cache_current(&self) -> Option<(u64, String)> {
        self.cache.borrow().clone()
    }

    fn cache_backends(&self) -> Vec<(String, bool)> {
        vec![("lmdb".into(), true)]
    }

    fn cache_count(&self) -> Result<u64, HostError> {
        self.is_open()?;
        Ok(self.entries.get())
    }

    fn cache_stats(&self) -> Result<Vec<(&'static str, f64)>, HostError> {
        self.is_open()?;
        Ok(vec![("read", 3.0), ("usage_percent", 0.5)])
    }

    fn cache_ttl_bounds(&self) -> Result<(u32, u32), HostError> {
        self.is_open()?;
        Ok(self.ttl.get())
    }

    fn set_cache_ttl_bounds(&self, min: u32, max: u32) -> Result<(), HostError> {
        self.did(format!("ttl {min} {max}"));
        self.ttl.set((min, max));
        Ok(())
    }

    fn cache_ns_timeout(&self) -> u32 {
        self.ns_timeout.get()
    }

    fn set_cache_ns_timeout(&self, ms: u32) -> Result<(), HostError> {
        self.ns_timeout.set(ms);
        Ok(())
    }

    fn cache_clear(&self) -> Result<u64, HostError> {
        self.is_open()?;
        Ok(self.entries.replace(0))
    }

    fn cache_clear_name(&self, name: &Name, rr_type: Option<Rtype>) -> Result<u64, HostError> {
        self.is_open()?;
        self.did(format!("clear {name} {rr_type:?}"));
        Ok(1)
    }

    fn cache_clear_subtree(&self, name: &Name, limit: u32) -> Result<u64, HostError> {
        self.is_open()?;
        let removed = self.entries.get().min(u64::from(limit));
        self.did(format!("clear subtree {name}: {removed}"));
        self.entries.set(self.entries.get() - removed);
        Ok(removed)
    }

    fn cache_closest_apex(&self, _name: &Name) -> Result<Name, HostError> {
        self.is_open()?;
        Ok(self.apex.borrow().clone())
    }

    fn cache_get(&self, _name: &Name) -> Result<Vec<CacheRow>, HostError> {
        self.is_open()?;
        let (rtype, rank) = ("A".to_owned(), "secure".to_owned());
        Ok(vec![CacheRow { rtype, exists: true, rank, ttl: 60 }])
    }

    fn cache_checkpoint(&self) -> Result<Checkpoint, HostError> {
        self.is_open()?;
        Ok(Checkpoint { mono: 61_447_960, unix: 1_795_372_993_602 })
    }

    fn set_cache_checkpoint(&self) -> Result<(), HostError> {
        self.is_open()
    }

    fn cache_insert(&self, set: &SignedSet) -> Result<bool, HostError> {
        self.is_open()?;
        self.did(format!("cache insert {} {} {:?}", set.set.owner, set.set.rtype, set.rank));
        self.entries.set(self.entries.get() + 1);
        Ok(true)
    }

    fn cache_import_zone(&self, zone: &ZoneFile, number: u64) -> Result<(), HostError> {
        self.is_open()?;
        self.did(format!("cache_import_zone {zone:?}"));
        if zone.path.ends_with("bad.zone") {
            return Err(HostError::refused("no SOA record"));
        }
        self.imports.borrow_mut().push(number);
        Ok(())
    }

    fn cache_fssize(&self) -> Result<u64, HostError> {
        self.is_open()?;
        Ok(1 << 30)
    }
}

impl Settings for RecordingHost {
    fn mode(&self) -> Mode {
        self.mode.get()
    }

    fn set_mode(&self, mode: Mode) {
        self.did(format!("mode {}", mode.name()));
        self.mode.set(mode);
    }

    fn flag(&self, flag: QueryFlag) -> bool {
        self.flags.get().has(flag)
    }

    fn set_flag(&self, flag: QueryFlag, on: bool) {
        self.did(format!("flag {} {on}", flag.name()));
        self.flags.set(self.flags.get().with(flag, on));
    }

    fn root_hints(&self) -> Vec<(Name, Vec<IpAddr>)> {
        self.root_hints.borrow().clone()
    }

    fn set_root_hints(&self, hints: &[(Name, Vec<IpAddr>)]) -> Result<(), HostError> {
        self.did(format!("root hints {hints:?}"));
        *self.root_hints.borrow_mut() = hints.to_vec();
        Ok(())
    }

    fn set_root_hints_file(&self, path: Option<&Path>) -> Result<(), HostError> {
        if path.is_some_and(|path| path.starts_with("/nope")) {
            return Err(HostError::NotFound { what: "root hints file", name: "/nope".into() });
        }
        self.did(format!("root hints file {path:?}"));
        Ok(())
    }
}

impl TrustAnchors for RecordingHost {
    fn anchors_add_file(
        &self,
        path: &Path,
        readonly: bool,
        _bootstrap: &Bootstrap,
    ) -> Result<(), HostError> {
        if path.starts_with("/nope") {
            return Err(HostError::refused(format!(
                "failed to read anchors from '{}' (file open error)",
                path.display()
            )));
        }
        self.anchors_touched.set(true);
        self.did(format!("anchors file {} readonly={readonly}", path.display()));
        Ok(())
    }

    fn anchors_add(&self, record: &str) -> Result<(), HostError> {
        let owner = record.split_whitespace().next().unwrap_or_default();
        let name: Name = owner.parse().map_err(|_| HostError::refused("empty TA set"))?;
        if !record.contains(" DS ") {
            return Err(HostError::refused("empty TA set"));
        }
        self.anchors_touched.set(true);
        self.anchors.borrow_mut().push((name, format!("{record}\n")));
        Ok(())
    }

    fn anchors_remove(&self, zone: &Name) -> bool {
        self.did(format!("anchors remove {zone}"));
        self.anchors_touched.set(true);
        let before = self.anchors.borrow().len();
        self.anchors.borrow_mut().retain(|(name, _)| name != zone);
        self.anchors.borrow().len() < before
    }

    fn anchors_set_insecure(&self, zones: &[Name]) -> Result<(), HostError> {
        self.did(format!("insecure {zones:?}"));
        *self.insecure.borrow_mut() = zones.to_vec();
        Ok(())
    }

    fn anchors_insecure(&self) -> Vec<Name> {
        self.insecure.borrow().clone()
    }

    fn anchors(&self, zone: Option<&Name>) -> Vec<(Name, String)> {
        let all = self.anchors.borrow();
        all.iter().filter(|(name, _)| zone.is_none_or(|zone| zone == name)).cloned().collect()
    }

    fn anchors_keysets(&self) -> Vec<Keyset> {
        let key = AnchorKey {
            rtype: Rtype::DS,
            ttl: 3600,
            rdata: vec![0, 7, 8, 2],
            tag: 7,
            state: "AddPend",
            timer: Some(9),
            comment: " AddPend:9 ; KeyTag:7".into(),
        };
        let keyset = |zone: &Name| Keyset {
            zone: zone.clone(),
            managed: *self.managed.borrow() == Some(zone.clone()),
            tracked: self.managed.borrow().is_some(),
            filename: Some("root.keys".into()),
            keys: vec![key.clone()],
        };
        self.anchors.borrow().iter().map(|(zone, _)| keyset(zone)).collect()
    }

    fn anchors_track(&self, zone: &Name, managed: bool) -> bool {
        self.did(format!("anchors track {zone} managed={managed}"));
        *self.managed.borrow_mut() = managed.then(|| zone.clone());
        self.anchors.borrow().iter().any(|(known, _)| known == zone)
    }

    fn anchors_untrack(&self, zone: &Name) {
        self.did(format!("anchors untrack {zone}"));
        *self.managed.borrow_mut() = None;
    }

    fn anchors_tunable(&self, tunable: AnchorTunable) -> Option<u64> {
        self.tunables.borrow().get(&tunable).copied()
    }

    fn set_anchors_tunable(
        &self,
        tunable: AnchorTunable,
        value: Option<u64>,
    ) -> Result<(), HostError> {
        match value {
            Some(value) => self.tunables.borrow_mut().insert(tunable, value),
            None => self.tunables.borrow_mut().remove(&tunable),
        };
        Ok(())
    }

    fn anchors_configured(&self) -> bool {
        self.anchors_touched.get()
    }

    fn anchors_load_default(&self) -> Result<(), HostError> {
        self.anchors.borrow_mut().push((Name::root(), ".\t3600\tIN\tDS\t20326 8 2 E06D\n".into()));
        Ok(())
    }
}

impl Logging for RecordingHost {
    fn log_level(&self) -> LogLevel {
        self.level.get()
    }

    fn set_log_level(&self, level: LogLevel) {
        self.level.set(level);
    }

    fn log_target(&self) -> LogTarget {
        self.target.get()
    }

    fn set_log_target(&self, target: LogTarget) -> Result<(), HostError> {
        self.target.set(target);
        Ok(())
    }

    fn log_debug_groups(&self) -> Vec<&'static str> {
        self.groups.borrow().clone()
    }

    fn set_log_debug_group(&self, tag: &'static str, on: bool) {
        self.groups.borrow_mut().retain(|known| *known != tag);
        if on {
            self.groups.borrow_mut().push(tag);
        }
    }

    fn log_enabled(&self, tag: &str, level: LogLevel) -> bool {
        level <= self.level.get() || self.groups.borrow().contains(&tag)
    }

    fn log(&self, tag: &str, level: LogLevel, message: &str) {
        self.messages.borrow_mut().push(format!("[{tag:<6}] {} {message}", level.name()));
    }
}

impl Process for RecordingHost {
    fn now_ms(&self) -> u64 {
        self.now.get()
    }

    fn pid(&self) -> u32 {
        4242
    }

    fn instance(&self) -> String {
        "4242".into()
    }

    fn worker_count(&self) -> u32 {
        1
    }

    fn worker_stats(&self) -> Vec<(&'static str, f64)> {
        vec![("queries", 7.0), ("usertime", 0.25)]
    }

    fn version(&self) -> &str {
        "0.1.0"
    }

    fn hostname(&self) -> String {
        self.hostname.borrow().clone()
    }

    fn set_hostname(&self, name: &str) -> Result<(), HostError> {
        *self.hostname.borrow_mut() = name.to_owned();
        Ok(())
    }

    fn change_user(&self, user: &str, group: Option<&str>) -> Result<(), HostError> {
        match (user, group) {
            ("nobody", None | Some("nogroup")) => {
                self.did(format!("user {user} {group:?}"));
                Ok(())
            }
            ("nobody", _) => Err(HostError::refused("invalid group name")),
            _ => Err(HostError::refused("invalid user name")),
        }
    }

    fn control_directory(&self) -> PathBuf {
        self.directory.join("control")
    }

    fn ask_peers(&self, command: &str) -> Result<Vec<PeerReply>, HostError> {
        self.did(format!("ask {command}"));
        Ok(self.peers.borrow().clone())
    }

    fn reload(&self, step: Reload) -> Result<(), HostError> {
        self.calls.borrow_mut().push(format!("reload {step:?}"));
        Ok(())
    }

    fn reload_state(&self) -> (ReloadState, u64) {
        (ReloadState::Failed("config:1: no".to_owned()), 3)
    }

    fn library_directory(&self) -> Option<&Path> {
        Some(&self.directory)
    }

    fn watch_fd(&self, fd: i32) -> Result<FdWatch, HostError> {
        if fd < 0 {
            return Err(HostError::refused("bad file descriptor"));
        }
        let watch = FdWatch(self.watches.borrow().len() as u64 + 1);
        self.watches.borrow_mut().push((watch, fd));
        Ok(watch)
    }

    fn unwatch_fd(&self, watch: FdWatch) {
        self.did(format!("unwatch {}", watch.0));
    }

    fn resolve(&self, query: ResolveQuery) -> Result<(), HostError> {
        self.queries.borrow_mut().push(query);
        Ok(())
    }

    fn quit(&self) {
        self.quit.set(true);
    }
}

impl Modules for RecordingHost {
    fn has_native_module(&self, name: &str) -> bool {
        self.natives.borrow().contains(&name)
    }

    fn module_order(&self) -> Vec<String> {
        self.order.borrow().clone()
    }

    fn load_native_module(&self, name: &str, placement: &Placement) -> Result<(), HostError> {
        self.insert_lua_module(name, placement, None)
    }

    fn insert_lua_module(
        &self,
        name: &str,
        placement: &Placement,
        layer: Option<LuaLayer>,
    ) -> Result<(), HostError> {
        let mut order = self.order.borrow_mut();
        let find = |reference: &str| {
            order.iter().position(|name| name == reference).ok_or_else(|| HostError::NotFound {
                what: "referenced module",
                name: reference.to_owned(),
            })
        };
        let at = match placement {
            Placement::Last => order.len(),
            Placement::After(reference) => find(reference)? + 1,
            Placement::Before(reference) => find(reference)?,
        };
        order.insert(at, name.to_owned());
        let hooks = layer.as_ref().map_or(0, |layer| layer.phases().len());
        self.did(format!("module {name} at {at}, hooks {hooks}"));
        self.layers.borrow_mut().extend(layer);
        Ok(())
    }

    fn remove_module(&self, name: &str) -> Result<(), HostError> {
        self.order.borrow_mut().retain(|known| known != name);
        self.did(format!("module {name} removed"));
        Ok(())
    }

    fn module_commands(&self, name: &str) -> Vec<ModuleCommand> {
        if self.natives.borrow().contains(&name) {
            vec![
                ModuleCommand { name: "get", usage: "get(key)", doc: "read a value" },
                ModuleCommand { name: "config", usage: "config(value)", doc: "configure" },
            ]
        } else {
            Vec::new()
        }
    }

    fn module_call(&self, module: &str, command: &str, args: &[Data]) -> Result<Data, HostError> {
        self.did(format!("{module}.{command} {args:?}"));
        Ok(Data::List(vec![Data::text("a"), Data::Number(2.0)]))
    }

    fn module_config(&self, module: &str, config: &Data) -> Result<Data, HostError> {
        self.did(format!("{module}.config {config:?}"));
        Ok(Data::Nil)
    }

    fn module_get(&self, module: &str, property: &str) -> Option<Result<Data, HostError>> {
        (module == "hints").then(|| Ok(Data::text(property.to_uppercase())))
    }

    fn module_set(
        &self,
        module: &str,
        property: &str,
        value: &Data,
    ) -> Option<Result<(), HostError>> {
        (module == "hints").then(|| {
            self.did(format!("{module}[{property}] = {value:?}"));
            Ok(())
        })
    }
}

impl Policy for RecordingHost {
    fn policy_add(&self, id: RuleId, rule: &Rule, list: RuleList) -> Result<(), HostError> {
        self.rules.borrow_mut().push((id, rule.clone(), list == RuleList::After));
        Ok(())
    }

    fn policy_remove(&self, id: RuleId) -> bool {
        let before = self.rules.borrow().len();
        self.rules.borrow_mut().retain(|(known, ..)| *known != id);
        self.rules.borrow().len() < before
    }

    fn policy_suspend(&self, id: RuleId, suspended: bool) -> bool {
        self.did(format!("policy_suspend {} {suspended}", id.0));
        self.rules.borrow().iter().any(|(known, ..)| *known == id)
    }

    fn policy_hits(&self, id: RuleId) -> u64 {
        u64::from(id.0) * 10
    }
}
