//! Addresses, ports and networks as operators write them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::host::Host;

/// A port number from a Lua number; 99999 and -2 are none.
pub(crate) fn port_of(number: f64) -> Option<u16> {
    (number.fract() == 0.0 && (0.0..=65535.0).contains(&number)).then_some(number as u16)
}

/// An address without port: `192.0.2.1`, `2001:db8::1`, `fe80::1%eth0`.
pub(crate) fn parse_ip(host: &dyn Host, text: &str) -> Option<(IpAddr, u32)> {
    match text.split_once('%') {
        None => Some((text.parse().ok()?, 0)),
        Some((address, scope)) => {
            let address: Ipv6Addr = address.parse().ok()?;
            let index = host.interface_index(scope).or_else(|| scope.parse().ok())?;
            Some((address.into(), index))
        }
    }
}

/// An address with a port behind it, after `@` or `#`, or with the given one.
pub(crate) fn parse_socket(host: &dyn Host, text: &str, default_port: u16) -> Option<SocketAddr> {
    let (address, port) = match text.split_once(['@', '#']) {
        Some((address, port)) => {
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            (address, digits.then(|| port.parse().ok())??)
        }
        None => (text, default_port),
    };
    let (ip, scope) = parse_ip(host, address)?;
    Some(socket(ip, port, scope))
}

/// Puts address, port and scope together.
pub(crate) fn socket(ip: IpAddr, port: u16, scope: u32) -> SocketAddr {
    match ip {
        IpAddr::V4(ip) => SocketAddrV4::new(ip, port).into(),
        IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, scope).into(),
    }
}

/// A network: `192.0.2.0/24`, or an address alone for a network of one. Host bits are cleared.
pub(crate) fn parse_network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address.parse::<IpAddr>().ok()?, Some(length)),
        None => (text.parse().ok()?, None),
    };
    let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        Some(length) => length.parse().ok().filter(|length| *length <= bits)?,
        None => bits,
    };
    Some((mask(address, length), length))
}

/// Clears the bits behind the prefix.
fn mask(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4((u32::from(ip) & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6((u128::from(ip) & mask).into())
        }
    }
}

#[cfg(test)]
mod tests;
