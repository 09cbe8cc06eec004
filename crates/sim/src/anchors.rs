//! Trust anchors in a simulated world: what the daemon does to keep them up to date, with a map
//! instead of files.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use dns::edns::OptRecord;
use dns::{Class, Header, Name, Question, Rtype};
use resolve::trust_anchors::keeper::{Keeper, Look, Report};
use resolve::{Client, ClientProtocol, Now, TrustAnchors};

use crate::rpl::Scripted;

/// Tokens with this bit are those of questions for keys.
const OWN: u64 = 1 << 63;

/// The anchors of a world.
#[derive(Default)]
pub struct Anchors {
    pub keeper: Keeper,
    /// The files as they were written last, by zone.
    pub files: BTreeMap<Name, String>,
    /// What looks at keys have told, the first one first.
    pub reports: Vec<Report>,
}

impl Anchors {
    /// The client and the message for a look at keys.
    pub(crate) fn question(look: &Look) -> (Client, Vec<u8>) {
        let nobody = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let client = Client {
            token: OWN | u64::from(look.number),
            peer: nobody,
            local: nobody,
            protocol: ClientProtocol::Internal,
        };
        let question = Question { name: look.zone.clone(), rtype: Rtype::DNSKEY, class: Class::IN };
        let mut header = Header::default();
        header.set_rd(true);
        let opt = Some(OptRecord::new(1232, true));
        let query = Scripted { header, question: Some(question), opt, ..Scripted::default() };
        (client, query.query(0))
    }

    /// Is this answer one of ours?
    pub(crate) fn is_own(token: u64) -> bool {
        token & OWN != 0
    }

    /// Takes in an answer. Returns the anchors to put in force if they have changed.
    pub(crate) fn take(
        &mut self,
        now: Now,
        token: u64,
        wire: Option<&[u8]>,
    ) -> Option<TrustAnchors> {
        let report = self.keeper.handle_answer(now, token as u32, wire)?;
        let changed = report.file.clone();
        if let Some(text) = &changed {
            self.files.insert(report.zone.clone(), text.clone());
        }
        self.reports.push(report);
        changed.map(|_| self.keeper.in_force())
    }
}
