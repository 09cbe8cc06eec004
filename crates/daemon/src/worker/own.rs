//! Queries of the program itself, each waited for by the task that asks it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use dns::edns::OptRecord;
use dns::{Class, Composer, Header, Name, Rtype};
use resolve::flags::QueryFlags;
use resolve::{Client, ClientProtocol};
use tokio::sync::oneshot;

use super::Worker;
use crate::token::Token;

/// Room for one question.
const QUERY_BYTES_MAX: usize = 512;

/// Numbers with this bit are of queries of clients, the others of the program itself.
const CLIENT: u32 = 1 << 31;

/// Is it a query of the program itself?
pub(super) fn is_own(number: u32) -> bool {
    number & CLIENT == 0
}

/// Headers of HTTP: names and values.
pub(crate) type Headers = Vec<(String, Vec<u8>)>;

/// A task that waits for an answer.
struct Task {
    answer: oneshot::Sender<Option<Vec<u8>>>,
    /// What came with the query.
    headers: Headers,
}

/// Who waits for which answer.
#[derive(Default)]
pub(super) struct Waiting {
    tasks: RefCell<BTreeMap<u32, Task>>,
    last: Cell<u32>,
}

impl Waiting {
    fn begin(&self, mark: u32, headers: Headers) -> (u32, oneshot::Receiver<Option<Vec<u8>>>) {
        let next = self.last.get().wrapping_add(1) & !CLIENT;
        self.last.set(next);
        let number = next | mark;
        let (answer, receiver) = oneshot::channel();
        self.tasks.borrow_mut().insert(number, Task { answer, headers });
        (number, receiver)
    }

    /// The answer has come, or none will.
    pub(super) fn finish(&self, number: u32, wire: Option<Vec<u8>>) {
        if let Some(task) = self.tasks.borrow_mut().remove(&number) {
            // The task may have been given up.
            let _heard = task.answer.send(wire);
        }
    }
}

impl Worker {
    /// Asks a question of class IN with DO, in a turn of its own; not to be called in the middle of
    /// another. `None`: there is no answer.
    pub(crate) async fn query(
        self: &Rc<Self>,
        name: &Name,
        rtype: Rtype,
        flags: QueryFlags,
    ) -> Option<Vec<u8>> {
        let mut header = Header::default();
        header.set_rd(true);
        let mut wire = Vec::new();
        let mut composer = Composer::new(&mut wire, header, QUERY_BYTES_MAX);
        composer.question(name, rtype, Class::IN).ok()?;
        composer.finish(Some(&OptRecord::new(dns::edns::UDP_SIZE_DEFAULT, true)));
        let (number, answer) = self.own.begin(0, Headers::new());
        let nobody = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let client = Client {
            token: Token::Own(number).into(),
            peer: nobody,
            local: nobody,
            protocol: ClientProtocol::Internal,
        };
        self.internal.set(self.internal.get() + 1);
        let asked = self.turn("query of the program", |core, now| {
            core.handle_request_with(now, client, &wire, flags);
        });
        if asked.is_none() {
            self.finish_own(number, None);
        }
        answer.await.ok().flatten()
    }

    /// The headers that came with a query under way.
    pub(crate) fn headers_of(&self, number: u32) -> Headers {
        let tasks = self.own.tasks.borrow();
        tasks.get(&number).map(|task| task.headers.clone()).unwrap_or_default()
    }

    /// Asks what a client asks, in a turn of its own; the client's token is not looked at. `headers`:
    /// those that rules may look at. `None`: the query was dropped.
    pub(crate) async fn query_of_client(
        self: &Rc<Self>,
        client: Client,
        wire: &[u8],
        headers: Headers,
    ) -> Option<Vec<u8>> {
        let (number, waiting) = self.own.begin(CLIENT, headers);
        let client = Client { token: Token::Own(number).into(), ..client };
        self.counters.tcp.add(1);
        let mut finished = Vec::new();
        let hit = self.turn("query over HTTP", |core, now| {
            let hit = core.answer_cached(now, &client, wire, &mut finished);
            if !hit {
                self.take_in(core, now, client, wire);
            }
            hit
        });
        match hit {
            Some(true) => {
                self.own.finish(number, None);
                Some(finished)
            }
            Some(false) => waiting.await.ok().flatten(),
            None => {
                self.own.finish(number, None);
                None
            }
        }
    }
}
