//! `edns_keepalive`: tells clients on streams how long an idle connection is kept (RFC 7828).
//!
//! Queries that carry the option never take the short way of finished answers, so the layer is
//! transparent for all others.

use dns::Message;
use dns::edns::OptionCode;
use resolve::{ClientProtocol, Hooks, Layer, RequestContext, State};

use crate::Module;

/// The name of the module.
pub const NAME: &str = "edns_keepalive";

/// The option counts in units of 100 milliseconds.
const UNIT_MS: u64 = 100;

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    Box::new(EdnsKeepalive)
}

struct EdnsKeepalive;

impl Module for EdnsKeepalive {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        Some(Box::new(EdnsKeepaliveLayer))
    }
}

struct EdnsKeepaliveLayer;

impl Layer for EdnsKeepaliveLayer {
    fn name(&self) -> &str {
        NAME
    }

    fn hooks(&self) -> Hooks {
        Hooks::ANSWER_FINALIZE
    }

    fn is_transparent(&self) -> bool {
        true
    }

    fn answer_finalize(&mut self, ctx: &mut RequestContext<'_>, state: State) -> State {
        // RFC 7828 §3.3.1: never over UDP, and only to those who sent it themselves.
        let request = &*ctx.request;
        if request.edns.is_none()
            || !matches!(request.client.protocol, ClientProtocol::Tcp | ClientProtocol::Tls)
        {
            return state;
        }
        let asked = Message::parse(&request.wire).ok().and_then(|message| {
            message.edns().map(|edns| edns.option(OptionCode::TCP_KEEPALIVE).is_some())
        });
        if asked == Some(true) {
            let units = u64::from(ctx.core.settings.idle_timeout_ms) / UNIT_MS;
            let units = u16::try_from(units).unwrap_or(u16::MAX);
            let option = (OptionCode::TCP_KEEPALIVE, units.to_be_bytes().to_vec());
            ctx.request.response.options.push(option);
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, query, says};

    #[test]
    fn only_streams_that_ask_are_told() {
        let mut world = World::new(|_, _| says(&["www.example. 300 A 192.0.2.1"]));
        world.load(NAME);
        world.process.settings.borrow_mut().idle_timeout_ms = 2500;
        let mut told = |protocol, asks: bool| {
            let wire = query(
                "www.example.",
                "A",
                |_| {},
                |opt| {
                    if asks {
                        opt.push(OptionCode::TCP_KEEPALIVE, &[]);
                    }
                },
            );
            world.pass(std::time::Duration::ZERO);
            let response = world.exchange(&wire, protocol).expect("a response");
            let message = Message::parse(&response).expect("a message");
            message
                .edns()
                .and_then(|edns| edns.option(OptionCode::TCP_KEEPALIVE).map(<[u8]>::to_vec))
        };
        assert_eq!(told(ClientProtocol::Tcp, true), Some(vec![0, 25]));
        assert_eq!(told(ClientProtocol::Tcp, false), None);
        assert_eq!(told(ClientProtocol::Udp, true), None);
    }
}
