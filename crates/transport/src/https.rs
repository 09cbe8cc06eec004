//! One small file over HTTPS, from a server whose certificate some given authority has signed.
//!
//! For what a program has to fetch before it can work. Whoever calls brings the connection, with time
//! limits of its own, and the time; it blocks as long as that stream does.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::limits::HTTP_HEAD_MAX;

/// What to fetch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Location {
    pub host: String,
    pub port: u16,
    /// Begins with a slash.
    pub path: String,
}

impl Location {
    /// Reads `https://HOST[:PORT]/PATH`.
    pub fn parse(url: &str) -> Option<Location> {
        let rest = url.strip_prefix("https://")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (authority, 443),
        };
        // What would end the line of the request, or hide where it goes.
        let is_plain =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@');
        if host.is_empty() || !is_plain(host) || !is_plain(path) {
            return None;
        }
        Some(Location { host: host.to_owned(), port, path: format!("/{path}") })
    }
}

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchFault {
    #[error("the certificates of the authority cannot be read: {0}")]
    Authority(rustls::pki_types::pem::Error),
    #[error("there is no certificate of an authority that can be used")]
    NoAuthority,
    #[error("the name of the server cannot be in a certificate")]
    Name,
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    #[error("{0}")]
    Stream(#[from] io::Error),
    #[error("the server said `{0}`")]
    Status(String),
    #[error("the answer is no HTTP, too long or cut off")]
    Malformed,
}

/// The time that certificates are judged by.
#[derive(Debug)]
struct Told(UnixTime);

impl TimeProvider for Told {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

/// Fetches a file of at most so many bytes. `authorities` is a PEM text, `now` in seconds since 1970.
pub fn fetch(
    stream: impl Read + Write,
    location: &Location,
    authorities: &[u8],
    now: u64,
    bytes_max: usize,
) -> Result<Vec<u8>, FetchFault> {
    let config = client(authorities, now)?;
    let name = ServerName::try_from(location.host.clone()).map_err(|_| FetchFault::Name)?;
    let connection = ClientConnection::new(Arc::new(config), name)?;
    let mut stream = StreamOwned::new(connection, stream);
    // Version 1.0 asks for an answer that ends with the connection, in one piece.
    let request = format!(
        "GET {} HTTP/1.0\r\nHost: {}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        location.path, location.host
    );
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    let limit = HTTP_HEAD_MAX + bytes_max + 1;
    let read = (&mut stream).take(limit as u64).read_to_end(&mut answer);
    let is_clean = match read {
        Ok(_) => true,
        // No farewell: what is there may be all or not, which its length tells.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
        Err(error) => return Err(error.into()),
    };
    body(&answer, is_clean, bytes_max)
}

fn client(authorities: &[u8], now: u64) -> Result<ClientConfig, FetchFault> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authorities) {
        // One that cannot be used does not spoil the others.
        let _unusable = roots.add(certificate.map_err(FetchFault::Authority)?);
    }
    if roots.is_empty() {
        return Err(FetchFault::NoAuthority);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now));
    let builder = ClientConfig::builder_with_details(provider, Arc::new(Told(now)));
    let builder = builder.with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The body of an answer with status 200.
fn body(answer: &[u8], is_clean: bool, bytes_max: usize) -> Result<Vec<u8>, FetchFault> {
    const END: &[u8] = b"\r\n\r\n";
    let end = answer.windows(END.len()).position(|window| window == END);
    let end = end.filter(|end| *end <= HTTP_HEAD_MAX).ok_or(FetchFault::Malformed)?;
    let head = std::str::from_utf8(&answer[..end]).map_err(|_| FetchFault::Malformed)?;
    let body = &answer[end + END.len()..];
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    let mut words = status.split(' ');
    if !words.next().is_some_and(|word| word.starts_with("HTTP/1.")) {
        return Err(FetchFault::Malformed);
    }
    if words.next() != Some("200") {
        return Err(FetchFault::Status(status.to_owned()));
    }
    let header = |wanted: &str| {
        let mut fields = lines.clone().filter_map(|line| line.split_once(':'));
        fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    if header("transfer-encoding").is_some() {
        return Err(FetchFault::Malformed);
    }
    let whole = match header("content-length") {
        Some(length) => length.parse().is_ok_and(|length: usize| length == body.len()),
        None => is_clean,
    };
    if !whole || body.len() > bytes_max {
        return Err(FetchFault::Malformed);
    }
    Ok(body.to_vec())
}

#[cfg(test)]
mod tests;
