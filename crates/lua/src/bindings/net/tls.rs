//! `net.tls*`: certificates, padding, session tickets, authentication of upstreams.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use mlua::{MultiValue, Table, Value};

use super::super::Call;
use super::super::addresses::parse_socket;
use super::strings;
use crate::convert::{Answer, Args, Failure};
use crate::host::{Padding, TlsClient, TlsFiles};

pub(super) const TLS_USAGE: &str = "tls([cert_file, key_file])";
pub(super) const TLS_DOC: &str = "get or set the certificate and key of the TLS server";

/// A secret shorter than this is too easy to guess.
const TICKET_SECRET_BYTES_MIN: usize = 32;
/// No secret is longer; the file is read up to here.
const TICKET_SECRET_BYTES_MAX: u64 = 4096;
/// The largest padding block: four times what fits into a datagram without fragmentation.
const PADDING_MAX: f64 = 4096.0;
/// 32 octets as base64: 43 digits and a filler.
const PIN_TEXT_BYTES: usize = 44;
/// RFC 7858 §3.1.
const TLS_PORT: u16 = 853;

pub(super) fn files(call: &Call<'_>, args: &Args) -> Answer {
    if args.len() == 0 {
        let Some(files) = call.host.tls_files() else { return Ok(MultiValue::new()) };
        let table = call.lua.create_table()?;
        table.raw_set("cert_file", files.certificate.to_string_lossy())?;
        table.raw_set("key_file", files.key.to_string_lossy())?;
        return call.ok(table);
    }
    let usage = "net.tls takes two parameters: (\"cert_file\", \"key_file\")";
    match (args.len(), args.value(0), args.value(1)) {
        (2, Value::String(certificate), Value::String(key)) => {
            call.host.set_tls_files(&TlsFiles {
                certificate: PathBuf::from(certificate.to_string_lossy()),
                key: PathBuf::from(key.to_string_lossy()),
            })?;
            call.ok(true)
        }
        _ => Err(usage.into()),
    }
}

pub(super) fn padding(call: &Call<'_>, args: &Args) -> Answer {
    if args.len() == 0 {
        return match call.host.tls_padding() {
            Padding::Off => call.ok(false),
            Padding::Recommended => call.ok(true),
            Padding::Block(size) => call.ok(size),
        };
    }
    let usage = "net.tls_padding parameter has to be true, false, or a number between <0, 4096>";
    args.at_most(1, usage)?;
    let padding = match args.value(0) {
        Value::Boolean(true) => Padding::Recommended,
        Value::Boolean(false) => Padding::Off,
        Value::Integer(_) | Value::Number(_) => match args.number(0) {
            Some(size) if (0.0..2.0).contains(&size) => Padding::Off,
            Some(size) if (2.0..=PADDING_MAX).contains(&size) => Padding::Block(size as u16),
            _ => return Err(usage.into()),
        },
        _ => return Err(usage.into()),
    };
    call.host.set_tls_padding(padding)?;
    call.ok(true)
}

pub(super) fn ticket_secret(call: &Call<'_>, args: &Args) -> Answer {
    let secret = match args.value(0) {
        Value::Nil if args.len() == 0 => None,
        Value::String(secret) => Some(secret.as_bytes().to_vec()),
        _ => {
            return Err("net.tls_sticket_secret takes one parameter: (\"secret string\")".into());
        }
    };
    if secret.as_ref().is_some_and(|secret| secret.len() < TICKET_SECRET_BYTES_MIN) {
        return Err("net.tls_sticket_secret - the secret is shorter than 32 bytes".into());
    }
    call.host.set_tls_ticket_secret(secret.as_deref())?;
    call.ok(true)
}

pub(super) fn ticket_secret_file(call: &Call<'_>, args: &Args) -> Answer {
    let Value::String(path) = args.value(0) else {
        return Err("net.tls_sticket_secret_file takes one parameter: (\"file name\")".into());
    };
    let path = path.to_string_lossy();
    if path.is_empty() {
        return Err("net.tls_sticket_secret_file - empty file name".into());
    }
    let mut secret = Vec::new();
    File::open(&*path)
        .and_then(|file| file.take(TICKET_SECRET_BYTES_MAX).read_to_end(&mut secret))
        .map_err(|error| {
            format!("net.tls_sticket_secret_file - can't open file '{path}': {error}")
        })?;
    if secret.len() < TICKET_SECRET_BYTES_MIN {
        return Err(format!(
            "net.tls_sticket_secret_file - file '{path}' is shorter than 32 bytes"
        )
        .into());
    }
    call.host.set_tls_ticket_secret(Some(&secret))?;
    call.ok(true)
}

pub(super) fn client(call: &Call<'_>, args: &Args) -> Answer {
    if args.len() == 0 {
        let list = call.lua.create_table()?;
        for client in call.host.tls_clients() {
            list.raw_push(client_table(call, &client)?)?;
        }
        return call.ok(list);
    }
    let table = args.table(0).ok_or("net.tls_client takes one parameter: a table")?;
    let client = parse_client(call, table, TLS_PORT)?;
    call.host.set_tls_client(&client)?;
    Ok(MultiValue::new())
}

/// Reads `{ address, hostname =, ca_file =, pin_sha256 =, insecure = }`.
pub(in crate::bindings) fn parse_client(
    call: &Call<'_>,
    table: &Table,
    default_port: u16,
) -> Result<TlsClient, Failure> {
    for pair in table.pairs::<Value, Value>() {
        let (key, _) = pair?;
        let known = match &key {
            Value::Integer(1) => true,
            Value::String(key) => {
                let known = ["hostname", "ca_file", "pin_sha256", "insecure"];
                key.to_str().is_ok_and(|key| known.contains(&&*key))
            }
            _ => false,
        };
        if !known {
            return Err(format!("invalid TLS parameter: {}", key.to_string()?).into());
        }
    }
    let address = match table.get::<Value>(1)? {
        Value::String(text) => {
            let text = text.to_string_lossy();
            parse_socket(call.host, &text, default_port)
                .ok_or_else(|| format!("'{text}' is not a valid IP address"))?
        }
        _ => return Err("the first item must be an IP address".into()),
    };
    let texts = |key: &str| -> Result<Vec<String>, Failure> {
        match table.get::<Value>(key)? {
            Value::Nil => Ok(Vec::new()),
            value => strings(&value)
                .filter(|texts| texts.iter().all(|text| !text.is_empty()))
                .ok_or_else(|| format!("'{key}' must be a string or a list of strings").into()),
        }
    };
    let insecure = match table.get::<Value>("insecure")? {
        Value::Nil => false,
        Value::Boolean(flag) => flag,
        _ => return Err("'insecure' must be true or false".into()),
    };
    let client = TlsClient {
        address,
        insecure,
        hostnames: texts("hostname")?,
        ca_files: texts("ca_file")?.into_iter().map(PathBuf::from).collect(),
        pins_sha256: texts("pin_sha256")?,
    };
    let authenticated = !client.hostnames.is_empty() || !client.pins_sha256.is_empty();
    match (client.insecure, authenticated) {
        (false, false) if !client.ca_files.is_empty() => {
            Err("'ca_file' needs a 'hostname' to compare the certificate with".into())
        }
        (false, false) => Err("no way to authenticate and not set as insecure".into()),
        (true, true) => Err("set as insecure but provided authentication config".into()),
        _ => {
            check_authentication(&client)?;
            Ok(client)
        }
    }
}

/// Pins and files that cannot be used are refused now rather than at the first question.
fn check_authentication(client: &TlsClient) -> Result<(), Failure> {
    for pin in &client.pins_sha256 {
        check_pin(pin)?;
    }
    for path in &client.ca_files {
        File::open(path).map_err(|error| {
            format!("failed to import certificate file '{}': {error}", path.display())
        })?;
    }
    Ok(())
}

/// A pin is the base64 text of a SHA-256 digest (RFC 4648 §4, RFC 7858 §4.2).
fn check_pin(pin: &str) -> Result<(), Failure> {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let is_pin = pin.len() == PIN_TEXT_BYTES
        && pin.strip_suffix('=').is_some_and(|digits| digits.bytes().all(is_digit));
    if is_pin {
        return Ok(());
    }
    Err(format!("not a valid pin_sha256: '{pin}'; it is the base64 text of 32 octets").into())
}

fn client_table(call: &Call<'_>, client: &TlsClient) -> Result<Table, Failure> {
    let table = call.lua.create_table()?;
    table.raw_set(1, format!("{}#{:05}", client.address.ip(), client.address.port()))?;
    if client.insecure {
        table.raw_set("insecure", true)?;
    }
    let set = |key: &str, texts: Vec<String>| match texts.as_slice() {
        [] => Ok(()),
        [one] => table.raw_set(key, one.as_str()),
        _ => table.raw_set(key, texts),
    };
    set("hostname", client.hostnames.clone())?;
    let files = client.ca_files.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    set("ca_file", files)?;
    set("pin_sha256", client.pins_sha256.clone())?;
    Ok(table)
}

pub(super) fn client_clear(call: &Call<'_>, args: &Args) -> Answer {
    let text = args.text(0).ok_or("net.tls_client_clear takes one parameter (address)")?;
    let address = parse_socket(call.host, &text, TLS_PORT).ok_or("invalid IP address")?;
    if !call.host.clear_tls_client(address) {
        return Err(format!("no parameters are set for '{text}'").into());
    }
    call.ok(true)
}
