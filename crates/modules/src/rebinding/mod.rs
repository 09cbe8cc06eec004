//! `rebinding`: answers from outside must not lead to addresses of the inside.
//!
//! The layer looks at replies of servers only, before anything is believed or stored, so it has
//! to stand before `iterate`, which is its home.

use dns::{Class, ExtendedErrorCode, Name, Rcode, Rdatas, Rrset, Rtype};
use resolve::flags::QueryFlags;
use resolve::reply::{Reply, Source, unsigned};
use resolve::{Hooks, Layer, Outcome, QueryContext, State, trace};

use crate::Module;
use crate::subnet::Subnet;

/// The name of the module.
pub const NAME: &str = "rebinding";

/// Addresses that nobody outside has (the IANA registries of special-purpose addresses), those of
/// IPv4 also as mapped into IPv6.
const PRIVATE: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::ffff:0.0.0.0/104",
    "::ffff:10.0.0.0/104",
    "::ffff:100.64.0.0/106",
    "::ffff:127.0.0.0/104",
    "::ffff:169.254.0.0/112",
    "::ffff:172.16.0.0/108",
    "::ffff:192.168.0.0/112",
    "::/128",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// What stands in the additional section of the answer.
const EXPLANATION: &[u8] = b"blocked by DNS rebinding protection";
/// TTL of that record, in seconds.
const EXPLANATION_TTL: u32 = 10_800;

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    Box::new(Rebinding)
}

struct Rebinding;

impl Module for Rebinding {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        // A range that does not parse would be missing; a test counts them.
        let private = PRIVATE.iter().filter_map(|text| Subnet::parse(text)).collect();
        Some(Box::new(RebindingLayer { private }))
    }
}

struct RebindingLayer {
    private: Vec<Subnet>,
}

impl RebindingLayer {
    fn is_private(&self, octets: &[u8]) -> bool {
        self.private.iter().any(|subnet| subnet.contains(octets))
    }

    /// The owner of an address of the inside in a reply.
    fn find<'r>(&self, reply: &'r Reply) -> Option<&'r Name> {
        let bad = reply.sets().find(|signed| {
            matches!(signed.set.rtype, Rtype::A | Rtype::AAAA)
                && signed.set.rdatas.iter().any(|octets| self.is_private(octets))
        });
        Some(&bad?.set.owner)
    }
}

impl Layer for RebindingLayer {
    fn name(&self) -> &str {
        NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::CONSUME
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn consume(&mut self, ctx: &mut QueryContext<'_>, state: State) -> State {
        if state == State::Fail || ctx.query.flags.contains(QueryFlags::ALLOW_LOCAL) {
            return state;
        }
        let Some(reply) = ctx.query.reply.as_ref().filter(|reply| reply.is_fresh()) else {
            return state;
        };
        let Some(owner) = self.find(reply).cloned() else { return state };
        trace!(ctx, Resolve, "blocking an address of the inside at '{owner}'");
        let mut refusal = Reply::new(Source::Local, Rcode::REFUSED);
        if ctx.query.parent.is_none() {
            refusal.additional.push(unsigned(explanation()));
            let response = &mut ctx.request.response;
            // What a chain of aliases has brought so far goes with its end.
            response.clear_records();
            response.add_extended_error(ExtendedErrorCode::PROHIBITED, "RBND: rebinding");
        }
        // A sub-query loses this answer and nothing else; others may have a better one.
        ctx.query.reply = Some(refusal);
        ctx.query.outcome = Some(Outcome::Failed(Rcode::REFUSED));
        state
    }
}

fn explanation() -> Rrset {
    let mut text = vec![EXPLANATION.len() as u8];
    text.extend_from_slice(EXPLANATION);
    let owner = "explanation.invalid.".parse().unwrap_or_else(|_| Name::root());
    let rdatas: Rdatas = [text].into_iter().collect();
    Rrset { rdatas, ..Rrset::new(owner, Rtype::TXT, Class::IN, EXPLANATION_TTL) }
}

#[cfg(test)]
mod tests {
    use dns::message::Section;
    use resolve::layer::stack::Place;

    use super::*;
    use crate::testing::{World, says};

    fn world() -> World {
        let mut world = World::new(|name, _| match name.to_string().as_str() {
            "inside.example." => says(&["inside.example. 300 A 192.168.7.1"]),
            "mapped.example." => says(&["mapped.example. 300 AAAA ::ffff:10.0.0.1"]),
            "half.example." => {
                says(&["half.example. 300 A 8.8.8.8", "half.example. 300 A 10.0.0.1"])
            }
            "alias.example." => says(&["alias.example. 300 CNAME inside.example."]),
            _ => says(&["outside.example. 300 A 8.8.8.8"]),
        });
        world.load_at(NAME, Place::Before("iterate"));
        world
    }

    #[test]
    fn all_ranges_parse() {
        let count = PRIVATE.iter().filter_map(|text| Subnet::parse(text)).count();
        assert_eq!(count, PRIVATE.len());
    }

    #[test]
    fn addresses_of_the_inside_are_refused() {
        let mut world = world();
        for (name, rtype) in [
            ("inside.example.", "A"),
            ("mapped.example.", "AAAA"),
            ("half.example.", "A"),
            ("alias.example.", "A"),
            ("inside.example.", "A"),
        ] {
            let response = world.ask(name, rtype);
            assert_eq!(response.shown(), "REFUSED", "{name}");
            assert_eq!(
                response.section(Section::Additional),
                ["explanation.invalid. TXT \"blocked by DNS rebinding protection\""]
            );
            assert_eq!(response.errors(), [18]);
        }
        assert_eq!(
            world.ask("outside.example.", "A").shown(),
            "NOERROR\noutside.example. A 8.8.8.8"
        );
    }

    #[test]
    fn nothing_of_it_is_stored() {
        let mut world = world();
        world.ask("inside.example.", "A");
        let asked = world.upstream.len();
        world.ask("inside.example.", "A");
        assert_eq!(world.upstream.len(), asked + 1);
    }

    #[test]
    fn whoever_allows_local_addresses_gets_them() {
        let mut world = world();
        world.process.settings.borrow_mut().allow_local = true;
        world.pass(std::time::Duration::ZERO);
        let response = world.ask("inside.example.", "A");
        assert_eq!(response.shown(), "NOERROR\ninside.example. A 192.168.7.1");
    }
}
