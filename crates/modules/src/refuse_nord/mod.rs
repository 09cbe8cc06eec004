//! `refuse_nord`: refuses questions without RD. The behaviour is a layer of the core; this makes it
//! a module that can be taken out.

use resolve::Layer;
use resolve::layer::refuse_nord::RefuseNord;

use crate::Module;

/// The name of the module.
pub const NAME: &str = "refuse_nord";

/// Makes the module.
pub fn make() -> Box<dyn Module> {
    Box::new(RefuseNordModule)
}

struct RefuseNordModule;

impl Module for RefuseNordModule {
    fn layer(&mut self) -> Option<Box<dyn Layer>> {
        Some(Box::new(RefuseNord))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_layer_has_its_name() {
        assert_eq!(make().layer().expect("a layer").name(), NAME);
    }
}
