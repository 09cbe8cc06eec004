//! Settings of the resolver: mode, default query flags, root hints.

use std::net::IpAddr;
use std::path::Path;

use dns::Name;

use super::HostError;
use crate::flags::QueryFlag;

/// How strictly glue is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Only mandatory glue; each alias target is asked anew.
    Strict,
    /// Mandatory and in-bailiwick glue.
    #[default]
    Normal,
    /// Any glue.
    Permissive,
}

impl Mode {
    /// The word used in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Normal => "normal",
            Self::Permissive => "permissive",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Strict, Self::Normal, Self::Permissive].into_iter().find(|m| m.name() == name)
    }
}

/// What holds for every request.
pub trait Settings {
    /// The strictness.
    fn mode(&self) -> Mode;
    /// Sets it for requests from now on.
    fn set_mode(&self, mode: Mode);
    /// Whether every query starts with this flag set. `net.ipv4`, `net.ipv6` and `reorder_RR` are
    /// flags too; `STRICT` and `PERMISSIVE` agree with [`Settings::mode`].
    fn flag(&self, flag: QueryFlag) -> bool;
    /// Sets it for requests from now on.
    fn set_flag(&self, flag: QueryFlag, on: bool);
    /// The addresses of root servers: (server name, addresses).
    fn root_hints(&self) -> Vec<(Name, Vec<IpAddr>)>;
    /// Replaces them. Given names without an address are left out before.
    fn set_root_hints(&self, hints: &[(Name, Vec<IpAddr>)]) -> Result<(), HostError>;
    /// Replaces them by those of a zone file; `None` = the built-in ones.
    fn set_root_hints_file(&self, path: Option<&Path>) -> Result<(), HostError>;
}
