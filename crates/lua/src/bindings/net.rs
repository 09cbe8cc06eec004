//! `net`: listening, interfaces, outgoing addresses, sizes. TLS is in `tls.rs`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use mlua::{MultiValue, Table, Value};

use super::addresses::{parse_ip, parse_network, port_of, socket};
use super::{Binding, Call};
use crate::convert::{Answer, Args, Failure, number_of};
use crate::host::{BoundEndpoint, Listen, ListenAddress};

mod tls;

pub(super) use tls::parse_client as parse_tls_client;

pub(super) const BINDINGS: &[Binding] = &[
    Binding {
        name: "listen",
        usage: "listen(addresses[, port = 53, { kind = 'dns', freebind = false }])",
        doc: "listen on addresses (a string, a list or an interface)",
        call: listen,
    },
    Binding {
        name: "close",
        usage: "close(address[, port])",
        doc: "close endpoints on an address; returns whether there were any",
        call: close,
    },
    Binding { name: "list", usage: "list()", doc: "list of open endpoints", call: list },
    Binding {
        name: "interfaces",
        usage: "interfaces()",
        doc: "the machine's interfaces and their addresses",
        call: interfaces,
    },
    Binding {
        name: "bufsize",
        usage: "bufsize([downstream[, upstream]])",
        doc: "get or set the advertised EDNS payload sizes",
        call: bufsize,
    },
    Binding {
        name: "tcp_pipeline",
        usage: "tcp_pipeline([limit])",
        doc: "get or set the outstanding queries per client connection",
        call: tcp_pipeline,
    },
    Binding {
        name: "tcp_in_idle",
        usage: "tcp_in_idle([ms])",
        doc: "get or set the idle time of client connections",
        call: tcp_in_idle,
    },
    Binding {
        name: "tls_handshake_timeout",
        usage: "tls_handshake_timeout([ms])",
        doc: "get or set how long a TLS handshake may take",
        call: tls_handshake_timeout,
    },
    Binding {
        name: "outgoing_v4",
        usage: "outgoing_v4([address])",
        doc: "get or set the source address of IPv4 queries, nil = any",
        call: outgoing_v4,
    },
    Binding {
        name: "outgoing_v6",
        usage: "outgoing_v6([address])",
        doc: "get or set the source address of IPv6 queries, nil = any",
        call: outgoing_v6,
    },
    Binding {
        name: "proxy_allowed",
        usage: "proxy_allowed([{ networks }])",
        doc: "get or set the networks whose PROXYv2 headers are believed",
        call: proxy_allowed,
    },
    Binding {
        name: "doh_headers",
        usage: "doh_headers([{ names }])",
        doc: "get or set the HTTP headers kept for policies",
        call: doh_headers,
    },
    Binding {
        name: "bpf_set",
        usage: "bpf_set(fd)",
        doc: "attach a loaded BPF program to UDP sockets",
        call: bpf_set,
    },
    Binding {
        name: "bpf_clear",
        usage: "bpf_clear()",
        doc: "detach the BPF program",
        call: bpf_clear,
    },
    Binding {
        name: "declare_kind",
        usage: "register_endpoint_kind(kind[, callback])",
        doc: "serve a kind of endpoint by a Lua function",
        call: declare_kind,
    },
    Binding { name: "tls", usage: tls::TLS_USAGE, doc: tls::TLS_DOC, call: tls::files },
    Binding {
        name: "tls_padding",
        usage: "tls_padding([true | false | block])",
        doc: "get or set the padding of encrypted answers",
        call: tls::padding,
    },
    Binding {
        name: "tls_sticket_secret",
        usage: "tls_sticket_secret([secret])",
        doc: "set the secret of TLS session tickets, at least 32 octets",
        call: tls::ticket_secret,
    },
    Binding {
        name: "tls_sticket_secret_file",
        usage: "tls_sticket_secret_file(path)",
        doc: "set the secret of TLS session tickets from a file",
        call: tls::ticket_secret_file,
    },
    Binding {
        name: "tls_client",
        usage: "tls_client([{ address, hostname =, ca_file =, pin_sha256 =, insecure = }])",
        doc: "get or set how an upstream is authenticated over TLS",
        call: tls::client,
    },
    Binding {
        name: "tls_client_clear",
        usage: "tls_client_clear(address)",
        doc: "forget how an upstream is authenticated over TLS",
        call: tls::client_clear,
    },
];

/// How many addresses one `net.listen` may name.
const LISTEN_ADDRESSES_MAX: usize = 1024;

/// A list of interfaces, each with a list of addresses, is three deep.
const LISTEN_DEPTH_MAX: usize = 5;

/// The keys of the third argument of `net.listen`.
const LISTEN_FLAGS: [&str; 4] = ["kind", "tls", "freebind", "nic_queue"];

fn listen(call: &Call<'_>, args: &Args) -> Answer {
    if !(1..=3).contains(&args.len()) {
        return Err("expected one to three arguments; usage:\n\
                    net.listen(addresses, [port = 53, { kind = 'dns', freebind = false }])"
            .into());
    }
    let port = match args.value(1) {
        Value::Nil => None,
        value => {
            let number = number_of(&value).ok_or("wrong type of second parameter (port number)")?;
            Some(port_of(number).ok_or_else(|| format!("port {number} is not within <0, 65535>"))?)
        }
    };
    let (kind, freebind, nic_queue) = listen_flags(args, port)?;
    let port = port.unwrap_or(match kind.as_str() {
        "tls" => 853,
        "doh2" | "doh_legacy" => 443,
        "webmgmt" => 8453,
        _ => 53,
    });
    let mut texts = Vec::new();
    collect_addresses(&args.value(0), LISTEN_DEPTH_MAX, &mut texts)?;
    if texts.is_empty() && args.table(0).is_some_and(|table| !table.is_empty()) {
        return Err("net.listen: expected an address or a list of addresses".into());
    }
    let wanted = texts
        .iter()
        .map(|text| {
            let address = listen_address(call, text, port, &kind)?;
            Ok(Listen { address, kind: kind.clone(), freebind, nic_queue })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    for (done, listen) in wanted.iter().enumerate() {
        if let Err(error) = call.host.listen(listen) {
            // One call is one step: what it has opened so far is closed again.
            for opened in &wanted[..done] {
                call.host.close(&opened.address, Some(port));
            }
            return Err(error.into());
        }
    }
    call.ok(true)
}

fn listen_flags(args: &Args, port: Option<u16>) -> Result<(String, bool, Option<u16>), Failure> {
    // RFC 7858 §3.1 reserves port 853 for DNS over TLS.
    let by_port = if port == Some(853) { "tls" } else { "dns" };
    let Some(flags) = args.table(2) else {
        return match args.value(2) {
            Value::Nil => Ok((by_port.into(), false, None)),
            _ => Err("wrong type of third parameter (table expected)".into()),
        };
    };
    for pair in flags.pairs::<Value, Value>() {
        let (key, _) = pair?;
        let known = key.as_string().and_then(|key| key.to_str().ok().map(|key| key.to_owned()));
        if !known.as_deref().is_some_and(|key| LISTEN_FLAGS.contains(&key)) {
            let shown = known.unwrap_or_else(|| format!("{key:?}"));
            return Err(format!(
                "net.listen: unknown option '{shown}'; known are kind, freebind, nic_queue"
            )
            .into());
        }
    }
    let kind = match flags.get::<Value>("kind")? {
        Value::Nil => match flags.get::<Value>("tls")? {
            Value::Nil => by_port.into(),
            Value::Boolean(true) => "tls".into(),
            _ => "dns".into(),
        },
        Value::String(kind) => match &*kind.to_string_lossy() {
            // DNS over HTTPS is native; the older name means the same.
            "doh" => "doh2".into(),
            kind => kind.to_owned(),
        },
        _ => return Err("net.listen: option 'kind' must be a string".into()),
    };
    let freebind = match flags.get::<Value>("freebind")? {
        Value::Nil => false,
        Value::Boolean(flag) => flag,
        _ => return Err("net.listen: option 'freebind' must be true or false".into()),
    };
    let nic_queue = match flags.get::<Value>("nic_queue")? {
        Value::Nil => None,
        value => Some(
            number_of(&value)
                .and_then(port_of)
                .ok_or("net.listen: option 'nic_queue' must be a number within <0, 65535>")?,
        ),
    };
    Ok((kind, freebind, nic_queue))
}

/// Flattens a string, a list, an interface or a list of interfaces into texts.
fn collect_addresses(value: &Value, depth: usize, into: &mut Vec<String>) -> Result<(), Failure> {
    let inner_depth = depth.checked_sub(1).ok_or("bad type for address")?;
    if into.len() > LISTEN_ADDRESSES_MAX {
        return Err("net.listen: too many addresses in one call".into());
    }
    match value {
        Value::String(text) => into.push(text.to_string_lossy()),
        Value::Table(table) => match table.get::<Value>("addr")? {
            Value::Nil => {
                for item in table.sequence_values::<Value>() {
                    collect_addresses(&item?, inner_depth, into)?;
                }
            }
            inner @ (Value::String(_) | Value::Table(_)) => {
                collect_addresses(&inner, inner_depth, into)?;
            }
            _ => return Err("bad type for address".into()),
        },
        _ => return Err("bad type for address".into()),
    }
    Ok(())
}

fn listen_address(
    call: &Call<'_>,
    text: &str,
    port: u16,
    kind: &str,
) -> Result<ListenAddress, Failure> {
    if text.contains('/') {
        if matches!(kind, "dns" | "tls" | "doh2" | "xdp") {
            return Err(format!("'{text}': kind '{kind}' cannot be served on a path").into());
        }
        return Ok(ListenAddress::Unix(PathBuf::from(text)));
    }
    if let Some((ip, scope)) = parse_ip(call.host, text) {
        return Ok(ListenAddress::Ip(socket(ip, port, scope)));
    }
    if kind == "xdp" {
        return Ok(ListenAddress::Interface(text.to_owned()));
    }
    Err(format!("'{text}' is not a valid IP address").into())
}

fn close(call: &Call<'_>, args: &Args) -> Answer {
    const USAGE: &str = "expected 'close(string addr, [number port])'";
    args.at_most(2, USAGE)?;
    let text = args.text(0).ok_or(USAGE)?;
    let port = match args.value(1) {
        Value::Nil => None,
        value => Some(number_of(&value).and_then(port_of).ok_or(USAGE)?),
    };
    let address = if text.contains('/') {
        ListenAddress::Unix(PathBuf::from(&text))
    } else {
        match parse_ip(call.host, &text) {
            Some((ip, scope)) => ListenAddress::Ip(socket(ip, port.unwrap_or(0), scope)),
            None => ListenAddress::Interface(text.clone()),
        }
    };
    let closed = call.host.close(&address, port);
    // Without a port nothing is left at the address in any case.
    call.ok(closed || port.is_none())
}

fn list(call: &Call<'_>, _args: &Args) -> Answer {
    let mut endpoints = call.host.endpoints();
    endpoints.sort_by_cached_key(|endpoint| (sort_key(&endpoint.address), endpoint.protocol as u8));
    let list = call.lua.create_table()?;
    for endpoint in &endpoints {
        list.raw_push(endpoint_table(call, endpoint)?)?;
    }
    call.ok(list)
}

/// Endpoints are listed by the text of their address and port.
fn sort_key(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Ip(address) => format!("{}#{:05}", ip_text(address), address.port()),
        ListenAddress::Unix(path) => path.to_string_lossy().into_owned(),
        ListenAddress::Interface(name) => name.clone(),
    }
}

fn ip_text(address: &SocketAddr) -> String {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
        _ => address.ip().to_string(),
    }
}

fn endpoint_table(call: &Call<'_>, endpoint: &BoundEndpoint) -> Result<Table, Failure> {
    let transport = call.lua.create_table()?;
    transport.raw_set("protocol", endpoint.protocol.name())?;
    match &endpoint.address {
        ListenAddress::Ip(address) => {
            let family = if address.is_ipv4() { "inet4" } else { "inet6" };
            transport.raw_set("family", family)?;
            transport.raw_set("ip", ip_text(address))?;
            transport.raw_set("port", address.port())?;
            transport.raw_set("freebind", endpoint.freebind)?;
        }
        ListenAddress::Unix(path) => {
            transport.raw_set("family", "unix")?;
            transport.raw_set("path", path.to_string_lossy())?;
        }
        ListenAddress::Interface(name) => transport.raw_set("interface", name.as_str())?,
    }
    let table = call.lua.create_table()?;
    table.raw_set("kind", endpoint.kind.as_str())?;
    table.raw_set("transport", transport)?;
    Ok(table)
}

fn interfaces(call: &Call<'_>, _args: &Args) -> Answer {
    let table = call.lua.create_table()?;
    for interface in call.host.interfaces()? {
        let entry = call.lua.create_table()?;
        entry.raw_set("addr", interface.addresses)?;
        let mac: Vec<String> = interface.mac.iter().map(|byte| format!("{byte:02x}")).collect();
        entry.raw_set("mac", mac.join(":"))?;
        table.raw_set(interface.name, entry)?;
    }
    call.ok(table)
}

fn bufsize(call: &Call<'_>, args: &Args) -> Answer {
    if args.len() == 0 {
        return call.ok(call.host.bufsize());
    }
    let size = |at: usize| -> Result<u16, Failure> {
        args.number(at)
            .and_then(port_of)
            // RFC 6891 §6.2.3: less than 512 means 512.
            .filter(|size| *size >= 512)
            .ok_or_else(|| "bufsize must be within <512, 65535>".into())
    };
    let downstream = size(0)?;
    let upstream = if args.len() > 1 { size(1)? } else { downstream };
    call.host.set_bufsize(downstream, upstream)?;
    call.ok(())
}

fn tcp_pipeline(call: &Call<'_>, args: &Args) -> Answer {
    if let Some(number) = args.number(0) {
        let limit = port_of(number.trunc()).ok_or("tcp_pipeline must be within <0, 65535>")?;
        call.host.set_tcp_pipeline(limit)?;
    }
    call.ok(call.host.tcp_pipeline())
}

/// Reads a time in milliseconds; the largest is a day, longer ones are slips of the unit.
fn milliseconds(args: &Args, what: &str) -> Result<u64, Failure> {
    const DAY_MS: f64 = 86_400_000.0;
    args.at_most(1, &format!("{what} takes one parameter, a number of milliseconds"))?;
    match args.number(0) {
        Some(number) if (1.0..=DAY_MS).contains(&number) => Ok(number as u64),
        _ => Err(format!("{what} parameter has to be positive number").into()),
    }
}

fn tcp_in_idle(call: &Call<'_>, args: &Args) -> Answer {
    if args.len() == 0 {
        return call.ok(call.host.tcp_in_idle());
    }
    call.host.set_tcp_in_idle(milliseconds(args, "net.tcp_in_idle")?)?;
    call.ok(true)
}

fn tls_handshake_timeout(call: &Call<'_>, args: &Args) -> Answer {
    if args.len() == 0 {
        return call.ok(call.host.tls_handshake_timeout());
    }
    call.host.set_tls_handshake_timeout(milliseconds(args, "net.tls_handshake_timeout")?)?;
    call.ok(true)
}

const OUTGOING_USAGE: &str = "net.outgoing_vX takes one address string parameter or nil";
const OUTGOING_FAULT: &str = "net.outgoing_vX: failed to parse the address";

fn outgoing_v4(call: &Call<'_>, args: &Args) -> Answer {
    if args.len() == 0 {
        return call.ok(call.host.outgoing_v4().map(|ip| ip.to_string()));
    }
    args.at_most(1, OUTGOING_USAGE)?;
    let address = match args.value(0) {
        Value::Nil => None,
        Value::String(text) => Some(text.to_string_lossy().parse().map_err(|_| OUTGOING_FAULT)?),
        _ => return Err(OUTGOING_USAGE.into()),
    };
    call.host.set_outgoing_v4(address)?;
    call.ok(address.map(|_| true))
}

fn outgoing_v6(call: &Call<'_>, args: &Args) -> Answer {
    if args.len() == 0 {
        return call.ok(call.host.outgoing_v6().map(|ip| ip.to_string()));
    }
    args.at_most(1, OUTGOING_USAGE)?;
    let address = match args.value(0) {
        Value::Nil => None,
        Value::String(text) => Some(text.to_string_lossy().parse().map_err(|_| OUTGOING_FAULT)?),
        _ => return Err(OUTGOING_USAGE.into()),
    };
    call.host.set_outgoing_v6(address)?;
    call.ok(address.map(|_| true))
}

/// A string, or a list of strings.
pub(super) fn strings(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.to_string_lossy()]),
        Value::Table(table) => table
            .sequence_values::<Value>()
            .map(|item| item.ok()?.as_string().map(|text| text.to_string_lossy()))
            .collect(),
        _ => None,
    }
}

fn proxy_allowed(call: &Call<'_>, args: &Args) -> Answer {
    if args.len() == 0 {
        let networks = call.host.proxy_allowed();
        let shown: Vec<String> =
            networks.iter().map(|(ip, length): &(IpAddr, u8)| format!("{ip}/{length}")).collect();
        return call.ok(shown);
    }
    const USAGE: &str = "net.proxy_allowed takes one parameter: a list of addresses or networks";
    args.at_most(1, USAGE)?;
    let texts = strings(&args.value(0)).ok_or(USAGE)?;
    let networks = texts
        .iter()
        .map(|text| {
            parse_network(text).ok_or_else(|| format!("'{text}' is not an address or network"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    call.host.set_proxy_allowed(&networks)?;
    Ok(MultiValue::new())
}

fn doh_headers(call: &Call<'_>, args: &Args) -> Answer {
    if args.len() == 0 {
        return call.ok(call.host.doh_headers());
    }
    const USAGE: &str = "net.doh_headers takes one parameter: a list of header names";
    args.at_most(1, USAGE)?;
    let names = strings(&args.value(0)).ok_or(USAGE)?;
    call.host.set_doh_headers(&names)?;
    Ok(MultiValue::new())
}

fn bpf_set(call: &Call<'_>, args: &Args) -> Answer {
    let fd = args.integer(0).and_then(|fd| i32::try_from(fd).ok()).filter(|fd| *fd >= 0).ok_or(
        "net.bpf_set(fd) takes one parameter: the open file descriptor of a loaded BPF program",
    )?;
    call.host.set_bpf(Some(fd))?;
    call.ok(true)
}

fn bpf_clear(call: &Call<'_>, args: &Args) -> Answer {
    if args.len() > 0 {
        return Err("net.bpf_clear() does not take any parameters".into());
    }
    call.host.set_bpf(None)?;
    call.ok(true)
}

/// `declare_kind(kind, served)`: the prelude keeps the callback.
fn declare_kind(call: &Call<'_>, args: &Args) -> Answer {
    let kind = args.text(0).ok_or("net.register_endpoint_kind takes 1 or 2 parameters")?;
    let served = args.boolean(1).unwrap_or(false);
    let known = call.host.declare_kind(&kind, served)?;
    match (known, served) {
        (true, true) => Err(format!("attempt to redefine already known kind '{kind}'").into()),
        (false, false) => Err(format!("attempt to unregister unknown kind '{kind}'").into()),
        _ => Ok(MultiValue::new()),
    }
}
