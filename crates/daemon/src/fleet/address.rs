//! The address of a second store: `redis://[user[:password]@]host[:port][/database][?secret=FILE&path=DIR]`.

use std::path::PathBuf;

/// Schemes that mean a server of this kind.
const SCHEMES: &[&str] = &["redis", "valkey"];
/// The port that such servers listen on.
const DEFAULT_PORT: u16 = 6379;

/// Where a second store is, and what it needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FleetAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: u32,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    /// File with the secret of the fleet.
    pub(crate) secret: Option<PathBuf>,
    /// Directory of the store of this machine.
    pub(crate) path: String,
}

impl FleetAddress {
    /// Reads what `cache.storage` says; `None` if it names no second store. Errors: it names one, but
    /// not in this form.
    pub(crate) fn parse(uri: &str) -> Option<Result<FleetAddress, String>> {
        let (scheme, rest) = uri.split_once("://")?;
        SCHEMES.contains(&scheme).then(|| parse(rest).ok_or_else(|| expected(uri)))
    }

    /// For the log: without name and password.
    pub(crate) fn shown(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("redis://{host}:{}/{}", self.port, self.database)
    }
}

fn expected(uri: &str) -> String {
    let shown = if uri.contains('@') { "what was given" } else { uri };
    format!(
        "{shown} is no address of a second store; expected \
         'redis://host[:port][/database][?secret=FILE&path=DIR]'"
    )
}

fn parse(text: &str) -> Option<FleetAddress> {
    let (place, options) = text.split_once('?').unwrap_or((text, ""));
    let (place, database) = place.split_once('/').unwrap_or((place, ""));
    let (user, place) = match place.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, place),
    };
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => place.rsplit_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() || (host.contains(':') && !place.starts_with('[')) {
        return None;
    }
    let (user, password) = match user {
        None => (None, None),
        Some(user) => match user.split_once(':') {
            Some((user, password)) => (Some(user).filter(|user| !user.is_empty()), Some(password)),
            None => (None, Some(user)),
        },
    };
    let mut address = FleetAddress {
        host: host.to_owned(),
        port: port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok())?,
        database: if database.is_empty() { 0 } else { database.parse().ok()? },
        user: user.map(str::to_owned),
        password: password.map(str::to_owned),
        secret: None,
        path: ".".to_owned(),
    };
    for option in options.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=')? {
            ("secret", file) if !file.is_empty() => address.secret = Some(file.into()),
            ("path", path) if !path.is_empty() => path.clone_into(&mut address.path),
            _ => return None,
        }
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(uri: &str) -> FleetAddress {
        FleetAddress::parse(uri).unwrap().unwrap()
    }

    #[test]
    fn all_parts_but_the_host_may_be_left_out() {
        let plain = read("redis://cache.example");
        assert_eq!((&*plain.host, plain.port, plain.database), ("cache.example", 6379, 0));
        assert_eq!((plain.secret, &*plain.path), (None, "."));
        let full = read("valkey://me:pa:ss@[2001:db8::1]:7000/3?secret=/etc/s&path=/var/c");
        assert_eq!((&*full.host, full.port, full.database), ("2001:db8::1", 7000, 3));
        assert_eq!((full.user.as_deref(), full.password.as_deref()), (Some("me"), Some("pa:ss")));
        assert_eq!((full.secret, &*full.path), (Some("/etc/s".into()), "/var/c"));
        assert_eq!(read("redis://word@h").password.as_deref(), Some("word"));
        assert_eq!(read("redis://me:word@[::1]/2").shown(), "redis://[::1]:6379/2");
    }

    #[test]
    fn what_is_no_address_is_refused_and_other_stores_are_left_alone() {
        for bad in [
            "redis://",
            "redis://h:x",
            "redis://h:70000",
            "redis://h/x",
            "redis://::1",
            "redis://h?x=1",
            "redis://h?secret=",
            "redis://h?secret",
            "redis://[::1",
            "redis://[::1]7",
        ] {
            assert!(matches!(FleetAddress::parse(bad), Some(Err(_))), "{bad}");
        }
        let refused = FleetAddress::parse("redis://me:secret@h:x").unwrap().unwrap_err();
        assert!(!refused.contains("secret@"), "{refused}");
        assert_eq!(FleetAddress::parse("lmdb://"), None);
        assert_eq!(FleetAddress::parse("/var/cache"), None);
    }
}
