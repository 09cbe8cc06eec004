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

/// Who waits for which answer.
#[derive(Default)]
pub(super) struct Waiting {
    tasks: RefCell<BTreeMap<u32, oneshot::Sender<Option<Vec<u8>>>>>,
    last: Cell<u32>,
}

impl Waiting {
    fn begin(&self) -> (u32, oneshot::Receiver<Option<Vec<u8>>>) {
        let number = self.last.get().wrapping_add(1);
        self.last.set(number);
        let (sender, receiver) = oneshot::channel();
        self.tasks.borrow_mut().insert(number, sender);
        (number, receiver)
    }

    /// The answer has come, or none will.
    pub(super) fn finish(&self, number: u32, wire: Option<Vec<u8>>) {
        if let Some(task) = self.tasks.borrow_mut().remove(&number) {
            // The task may have been given up.
            let _heard = task.send(wire);
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
        let (number, answer) = self.own.begin();
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
}
