//! DNS over HTTPS for clients (RFC 8484): HTTP/2 over TLS, many questions on one connection.
//!
//! A task serves each connection, another one each question. How many of both there may be, how long
//! they may take and how large they may be is bounded; the library bounds what HTTP/2 itself makes
//! possible (resets, continuations, settings).

mod exchange;
mod records;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::rc::Rc;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE};
use http::{Request, Response, StatusCode};
use resolve::{Client, ClientProtocol};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use crate::limits::{
    CLIENT_STREAMS_PER_PEER, DOH_BODY_TIME, DOH_CONNECTIONS_MAX, DOH_DISCARDED_MAX,
    DOH_HEADERS_MAX, DOH_QUERIES_MAX,
};
use crate::logging::log;
use crate::worker::Worker;
use exchange::{Carrier, MEDIA_TYPE, carrier, failure, is_query, max_age, shown_headers};
use records::OnePerRecord;

/// Longest message (RFC 1035 §4.2.2 and RFC 8484 §6).
const MESSAGE_BYTES_MAX: usize = dns::limits::MESSAGE_BYTES_MAX;

/// Connections of clients over HTTP.
#[derive(Default)]
pub(crate) struct Connections {
    /// By address, an IPv6 network of 56 bits being one. The map's own hash is keyed at random.
    by_peer: RefCell<HashMap<IpAddr, usize>>,
    open: Cell<usize>,
    /// Names of headers that rules may look at, in lower case.
    shown: RefCell<Vec<String>>,
}

/// A place among the connections, given back when it ends.
struct Admission {
    worker: Rc<Worker>,
    peer: IpAddr,
}

impl Connections {
    /// Connections open.
    pub(crate) fn len(&self) -> usize {
        self.open.get()
    }

    fn admit(&self, peer: IpAddr, max: usize) -> bool {
        let mut by_peer = self.by_peer.borrow_mut();
        let count = by_peer.get(&peer).copied().unwrap_or(0);
        let is_welcome = self.open.get() < max && count < CLIENT_STREAMS_PER_PEER;
        if is_welcome {
            by_peer.insert(peer, count + 1);
            self.open.set(self.open.get() + 1);
        }
        is_welcome
    }

    /// Sets the names of headers that rules may look at.
    pub(crate) fn show_headers(&self, names: &[String]) {
        let names = names.iter().map(|name| name.to_ascii_lowercase());
        *self.shown.borrow_mut() = names.filter(|name| !name.is_empty()).collect();
    }

    fn leave(&self, peer: IpAddr) {
        let mut by_peer = self.by_peer.borrow_mut();
        if let Some(count) = by_peer.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                by_peer.remove(&peer);
            }
        }
        self.open.set(self.open.get().saturating_sub(1));
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.worker.doh.leave(self.peer);
    }
}

/// What counts as one client.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 72 << 72).into()),
        v4 => v4,
    }
}

/// Takes a connection that has just been accepted, if there is room, and serves it.
pub(crate) fn admit(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr, local: SocketAddr) {
    let key = network(peer.ip());
    let max = worker.client_streams_max().min(DOH_CONNECTIONS_MAX);
    let Some(acceptor) = worker.tls.https(worker.now()).map(TlsAcceptor::from) else { return };
    if !worker.doh.admit(key, max) {
        return;
    }
    let admission = Admission { worker: worker.clone(), peer: key };
    spawn_local(async move {
        if let Err(why) = serve(&admission.worker, acceptor, stream, peer, local).await {
            log!(Debug, "doh", "{peer}: {why}");
        }
    });
}

/// Serves a connection until it ends.
async fn serve(
    worker: &Rc<Worker>,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
) -> Result<(), anyhow::Error> {
    let stream = tokio::net::TcpStream::from_std(stream)?;
    let tls = timeout(worker.tls.handshake(), acceptor.accept(stream)).await??;
    let mut http = Builder::new();
    http.max_concurrent_streams(DOH_QUERIES_MAX)
        .max_header_list_size(DOH_HEADERS_MAX)
        .initial_window_size(MESSAGE_BYTES_MAX as u32);
    let mut connection =
        timeout(worker.tls.handshake(), http.handshake(OnePerRecord::new(tls))).await??;
    let idle = worker.stream_limits().idle;
    // Queries under way on this connection.
    let busy = Rc::new(Cell::new(0_usize));
    let mut end = Instant::now() + idle;
    let mut is_ending = false;
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(accepted) = accepted else { return Ok(()) };
                let (request, respond) = accepted?;
                end = Instant::now() + idle;
                // After another configuration has taken over, its worker answers.
                let worker = worker.latest();
                let busy = busy.clone();
                busy.set(busy.get() + 1);
                spawn_local(async move {
                    let client = (peer, local);
                    if let Err(why) = answer(&worker, client, request, respond).await {
                        log!(Debug, "doh", "{peer}: {why}");
                    }
                    busy.set(busy.get() - 1);
                });
            }
            () = sleep_until(end) => {
                if busy.get() > 0 {
                    end = Instant::now() + idle;
                } else if is_ending {
                    return Ok(());
                } else {
                    // Whatever is on its way is still answered.
                    connection.graceful_shutdown();
                    is_ending = true;
                    end = Instant::now() + idle;
                }
            }
        }
    }
}

/// Answers one request.
async fn answer(
    worker: &Rc<Worker>,
    (peer, local): (SocketAddr, SocketAddr),
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let (head, body) = request.into_parts();
    let query = match carrier(&head.method, &head.uri, &head.headers) {
        Ok(Carrier::Address(message)) => Ok(message),
        Ok(Carrier::Body) => read(body).await,
        Err(status) => {
            // Clients that are still sending do not listen before they have finished.
            let _unread = read(body).await;
            Err(status)
        }
    };
    let query = query.and_then(|query| match is_query(&query) {
        true => Ok(query),
        false => Err(StatusCode::BAD_REQUEST),
    });
    let query = match query {
        Ok(query) => query,
        Err(status) => {
            let mut head = Response::new(());
            *head.status_mut() = status;
            respond.send_response(head, true)?;
            return Ok(());
        }
    };
    let client = Client { token: 0, peer, local, protocol: ClientProtocol::Https };
    let headers = shown_headers(&head, &worker.doh.shown.borrow());
    let answer = worker.query_of_client(client, &query, headers).await;
    let answer = answer.unwrap_or_else(|| failure(&query));
    let head = Response::builder()
        .header(CONTENT_TYPE, MEDIA_TYPE)
        .header(CACHE_CONTROL, format!("max-age={}", max_age(&answer)))
        .header(ACCESS_CONTROL_ALLOW_ORIGIN, "*")
        .body(());
    // All of it is made of what a header may have.
    let head = head.unwrap_or_default();
    respond.send_response(head, false)?.send_data(answer.into(), true)
}

/// The body of a request. Errors are the status to answer with.
async fn read(mut body: RecvStream) -> Result<Vec<u8>, StatusCode> {
    let (mut message, mut length) = (Vec::new(), 0);
    let reading = async {
        while let Some(piece) = body.data().await {
            let piece = piece.map_err(|_| StatusCode::BAD_REQUEST)?;
            length += piece.len();
            if length > DOH_DISCARDED_MAX {
                break;
            }
            if length <= MESSAGE_BYTES_MAX {
                message.extend_from_slice(&piece);
            }
            // The connection is gone if this fails, which is noticed elsewhere.
            let _returned = body.flow_control().release_capacity(piece.len());
        }
        if length > MESSAGE_BYTES_MAX { Err(StatusCode::PAYLOAD_TOO_LARGE) } else { Ok(()) }
    };
    match timeout(DOH_BODY_TIME, reading).await {
        Ok(read) => read.map(|()| message),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}
