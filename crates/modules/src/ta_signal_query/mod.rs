//! `ta_signal_query`: tells the servers of a zone by a question which of its keys are trusted here
//! (RFC 8145 §5).
//!
//! It asks soon after the start and then at the pace at which anchors are looked at (RFC 5011
//! §2.3), which is once a day for the root.

use std::fmt::Write as _;
use std::time::Duration;

use dns::dnssec::{Voucher, key_tag};
use dns::rdata::view::DsView;
use dns::{Name, Rtype};
use resolve::{Layer, Mono};

use crate::{Environment, Level, Manner, Module, Question, Refusal};

/// The name of the module.
pub const NAME: &str = "ta_signal_query";

/// Time between two questions about the same zone.
const INTERVAL: Duration = Duration::from_secs(86_400);
/// Tags that fit one label: `_ta` and five octets for each.
const TAGS_MAX: usize = (63 - "_ta".len()) / 5;

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    Box::new(TaSignalQuery { next: None })
}

struct TaSignalQuery {
    next: Option<Mono>,
}

impl Module for TaSignalQuery {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        None
    }

    fn start(&mut self, env: &dyn Environment) -> Result<(), Refusal> {
        self.next = Some(env.now().mono);
        Ok(())
    }

    fn deadline(&self) -> Option<Mono> {
        self.next
    }

    fn handle_deadline(&mut self, env: &dyn Environment) {
        self.next = Some(env.now().mono + INTERVAL);
        let mut names = Vec::new();
        env.with_settings(&mut |settings| {
            let zones = settings.trust_anchors.zones();
            names.extend(zones.filter_map(|(zone, vouchers)| signal(zone, vouchers)));
        });
        for (number, name) in (0..).zip(names) {
            env.log("tasign", Level::Info, &format!("signalling query triggered: {name}"));
            // What the cache knows to be absent has to be told all the same.
            let manner = Manner { uncached: true, ..Manner::default() };
            env.ask_with(Question { number, name, rtype: Rtype::NULL }, manner);
        }
    }
}

/// The name to ask for: the key tags of a zone's anchors in order, as four hexadecimal digits each
/// (RFC 8145 §5.1).
fn signal(zone: &Name, vouchers: &[Voucher]) -> Option<Name> {
    let mut tags: Vec<u16> = vouchers
        .iter()
        .filter_map(|voucher| match voucher {
            Voucher::Ds(rdata) => DsView::new(rdata).map(|ds| ds.key_tag()),
            Voucher::Key(rdata) => Some(key_tag(rdata)),
        })
        .collect();
    tags.sort_unstable();
    tags.dedup();
    if tags.is_empty() {
        return None;
    }
    let mut label = String::from("_ta");
    for tag in tags.iter().take(TAGS_MAX) {
        let _never_fails = write!(label, "-{tag:04x}");
    }
    zone.prepend(label.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use resolve::TrustAnchors;

    use super::*;
    use crate::testing::World;

    fn ds(tag: u16) -> Voucher {
        Voucher::Ds([&tag.to_be_bytes()[..], &[8, 2, 0]].concat())
    }

    #[test]
    fn names_carry_the_tags_in_order() {
        let text = |zone: &str, tags: &[u16]| {
            let vouchers: Vec<Voucher> = tags.iter().map(|tag| ds(*tag)).collect();
            signal(&zone.parse().unwrap(), &vouchers).map(|name| name.to_string())
        };
        assert_eq!(text(".", &[20326]).as_deref(), Some("_ta-4f66."));
        assert_eq!(text(".", &[38696, 20326, 20326]).as_deref(), Some("_ta-4f66-9728."));
        assert_eq!(text("example.", &[5]).as_deref(), Some("_ta-0005.example."));
        assert_eq!(text("example.", &[]), None);
        let many: Vec<u16> = (0..40).collect();
        assert_eq!(text(".", &many).unwrap().len(), "_ta.".len() + 12 * 5);
    }

    #[test]
    fn it_asks_at_the_start_and_every_day() {
        let mut world = World::silent();
        let mut anchors = TrustAnchors::new();
        anchors.add(&Name::root(), ds(20326));
        anchors.add(&"example.".parse().unwrap(), ds(5));
        world.process.settings.borrow_mut().trust_anchors = Arc::new(anchors);
        world.load(NAME);
        let mut asked = |time: Duration| {
            world.pass(time);
            let asked = world.process.asked.take();
            asked.iter().map(|q| format!("{} {}", q.name, q.rtype)).collect::<Vec<_>>()
        };
        let both = ["_ta-4f66. NULL", "_ta-0005.example. NULL"];
        assert_eq!(asked(Duration::ZERO), both);
        assert_eq!(asked(INTERVAL - Duration::from_secs(1)), [""; 0]);
        assert_eq!(asked(Duration::from_secs(1)), both);
    }
}
