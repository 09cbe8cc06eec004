//! Glue is as good as an answer when all we want to know is where to send the next message: the
//! server's own zone is not asked for the address that its parent has just told.

use dns::{Class, Rcode, Rdatas, Rrset, Rtype};

use super::super::QueryContext;
use crate::query::{Outcome, Purpose};
use crate::reply::{Reply, Source, unsigned};

/// Time that the made-up set is good for; it is used at once and stored nowhere.
const TTL: u32 = 0;

/// If the query wants the address of a server and the last referral brought it, answers it.
pub(super) fn answers(ctx: &mut QueryContext<'_>) -> bool {
    let Purpose::Address { server, beyond_glue: false } = &ctx.query.purpose else { return false };
    let Some(cut) = &ctx.query.cut else { return false };
    let Some(known) = cut.name_servers().iter().find(|known| known.name == *server) else {
        return false;
    };
    let wants_ipv4 = ctx.query.rtype == Rtype::A;
    let mut rdatas = Rdatas::new();
    for address in known.addresses.iter().filter(|address| address.is_ipv4() == wants_ipv4) {
        match address {
            std::net::IpAddr::V4(v4) => rdatas.push(&v4.octets()),
            std::net::IpAddr::V6(v6) => rdatas.push(&v6.octets()),
        };
    }
    if rdatas.is_empty() {
        return false;
    }
    let set = Rrset { rdatas, ..Rrset::new(server.clone(), ctx.query.rtype, Class::IN, TTL) };
    let mut reply = Reply::new(Source::Cache, Rcode::NOERROR);
    reply.answer.push(unsigned(set));
    ctx.query.reply = Some(reply);
    ctx.query.outcome = Some(Outcome::Answer);
    true
}
