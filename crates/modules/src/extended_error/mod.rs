//! `extended_error`: whether responses say what went wrong (RFC 8914). The core collects the
//! errors; without this module they stay with us.

use resolve::Layer;

use crate::{Environment, Module, Refusal};

/// The name of the module.
pub const NAME: &str = "extended_error";

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    Box::new(ExtendedError)
}

struct ExtendedError;

impl Module for ExtendedError {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        None
    }

    fn start(&mut self, env: &dyn Environment) -> Result<(), Refusal> {
        env.change_settings(&mut |settings| settings.extended_errors = true);
        Ok(())
    }

    fn stop(&mut self, env: &dyn Environment) {
        env.change_settings(&mut |settings| settings.extended_errors = false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[test]
    fn without_it_nothing_is_told() {
        let mut world = World::silent();
        world.load(NAME);
        assert_eq!(world.ask("www.example.", "A").errors(), [22]);
        world.unload(NAME);
        assert!(world.ask("mail.example.", "A").errors().is_empty());
    }
}
