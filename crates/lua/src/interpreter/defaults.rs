//! What the configuration left open: endpoints, cache, trust anchors.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::{Interpreter, InterpreterError, ListenAddress};
use crate::host::{Listen, LogLevel};

/// The size of the cache in octets when the configuration opens none.
const CACHE_SIZE: u64 = 100 * 1024 * 1024;

/// The default endpoints: (address, port, kind). The first one is needed, the others are welcome.
const ENDPOINTS: [(IpAddr, u16, &str); 4] = [
    (IpAddr::V4(Ipv4Addr::LOCALHOST), 53, "dns"),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 53, "dns"),
    (IpAddr::V4(Ipv4Addr::LOCALHOST), 853, "tls"),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 853, "tls"),
];

/// In this environment variable's presence no default endpoint is opened.
const NO_LISTEN: &str = "KRESD_NO_LISTEN";

impl Interpreter {
    /// Fills in what the configuration left open, after it. On an error the process must not
    /// start. Not called for `-c -`.
    pub fn finish_config(&self) -> Result<(), InterpreterError> {
        let host = self.host();
        if !host.has_inherited_endpoints()
            && host.endpoints().iter().all(|endpoint| endpoint.kind == "control")
            && std::env::var_os(NO_LISTEN).is_none()
        {
            self.open_default_endpoints()?;
        }
        if host.cache_current().is_none() {
            host.cache_open(CACHE_SIZE, "lmdb://").map_err(|error| {
                InterpreterError::Config(format!("cannot open the default cache: {error}"))
            })?;
        }
        if !host.anchors_configured()
            && let Some(fault) = self.anchors_fault.borrow_mut().take()
        {
            return Err(InterpreterError::Config(format!(
                "cannot load the default trust anchors: {fault}; \
                 use trust_anchors.add_file(), or trust_anchors.remove('.') to go without"
            )));
        }
        self.check_groups()?;
        self.start_counting()
    }

    /// Each file of the configuration may take so much processor time, [`CONFIGURATION_FIRST`] or
    /// [`CONFIGURATION_ANEW`]. To be called before it is run; otherwise there is no bound.
    ///
    /// [`CONFIGURATION_FIRST`]: crate::CONFIGURATION_FIRST
    /// [`CONFIGURATION_ANEW`]: crate::CONFIGURATION_ANEW
    pub fn bound_configuration(&self, most: Duration) -> Result<(), InterpreterError> {
        self.configuration_bound.set(Some(most));
        self.start_counting()
    }

    /// From now on runs of Lua are bounded. Part of [`Self::finish_config`]; to be called alone
    /// where that is not (`-c -`).
    pub fn start_counting(&self) -> Result<(), InterpreterError> {
        self.state.budget.start().map_err(|error| {
            InterpreterError::Config(format!("no timer for the bound on Lua: {error}"))
        })
    }

    fn open_default_endpoints(&self) -> Result<(), InterpreterError> {
        for (at, (address, port, kind)) in ENDPOINTS.into_iter().enumerate() {
            let listen = Listen {
                address: ListenAddress::Ip(SocketAddr::new(address, port)),
                kind: kind.to_owned(),
                freebind: false,
                nic_queue: None,
            };
            match self.host().listen(&listen) {
                Ok(()) => {}
                Err(error) if at == 0 => {
                    return Err(InterpreterError::Config(format!(
                        "cannot listen on {address}@{port}: {error}; \
                         choose another address or port with net.listen()"
                    )));
                }
                Err(error) => {
                    let text = format!("not listening on {address}@{port} ({kind}): {error}");
                    self.host().log("system", LogLevel::Info, &text);
                }
            }
        }
        Ok(())
    }

    /// Refuses a configuration that has overwritten a function of a group (`net.bufsize = 4096`),
    /// which Lua itself does not notice.
    fn check_groups(&self) -> Result<(), InterpreterError> {
        let check: mlua::Function = self.internals.get("check_groups")?;
        match check.call::<Option<String>>(())? {
            None => Ok(()),
            Some(fault) => Err(InterpreterError::Config(fault)),
        }
    }
}
