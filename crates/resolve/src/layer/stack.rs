//! The layers of a resolver in their order. Modules put theirs before or after named ones and take
//! them out again while the resolver runs.

use super::{Hooks, Layer};
use crate::client::Client;

/// Where a layer goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place<'a> {
    /// Behind all others.
    Last,
    /// Before the named one.
    Before(&'a str),
    /// Behind the named one.
    After(&'a str),
}

/// There is no layer of that name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no layer of that name")]
pub struct UnknownLayer;

/// A layer with what the stack needs to know about it.
struct Entry {
    name: String,
    hooks: Hooks,
    layer: Box<dyn Layer>,
}

/// The layers, the first one first.
#[derive(Default)]
pub struct LayerStack {
    entries: Vec<Entry>,
    /// Hooks that any layer has.
    hooks: Hooks,
    /// Is there a layer that has to see every request?
    opaque: bool,
    /// The place of the layer that tells clients apart.
    tagging: Option<usize>,
    /// Times the stack was changed: answers made by another stack are no longer good.
    generation: u64,
}

impl LayerStack {
    /// No layers.
    pub fn new() -> LayerStack {
        LayerStack::default()
    }

    /// Inserts a layer. One with the same name is replaced and gives up its place.
    pub fn insert(&mut self, layer: Box<dyn Layer>, place: Place<'_>) -> Result<(), UnknownLayer> {
        let name = layer.name().to_owned();
        let at = match place {
            Place::Last => self.entries.len(),
            Place::Before(other) => self.index(other).ok_or(UnknownLayer)?,
            Place::After(other) => self.index(other).ok_or(UnknownLayer)? + 1,
        };
        let old = self.index(&name);
        self.entries.insert(at, Entry { name, hooks: layer.hooks(), layer });
        if let Some(old) = old {
            self.entries.remove(if old >= at { old + 1 } else { old });
        }
        self.collect_hooks();
        Ok(())
    }

    /// Takes a layer out.
    pub fn remove(&mut self, name: &str) -> Option<Box<dyn Layer>> {
        let at = self.index(name)?;
        let entry = self.entries.remove(at);
        self.collect_hooks();
        Some(entry.layer)
    }

    /// A layer by its name.
    pub fn layer_mut(&mut self, name: &str) -> Option<&mut (dyn Layer + 'static)> {
        let at = self.index(name)?;
        Some(&mut *self.entries[at].layer)
    }

    /// The names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Has any layer this hook?
    pub fn has(&self, hook: Hooks) -> bool {
        self.hooks.intersects(hook)
    }

    /// The layers from `start` on that have the hook, with their places.
    pub(crate) fn with_hook(
        &mut self,
        hook: Hooks,
        start: usize,
    ) -> impl Iterator<Item = (usize, &mut (dyn Layer + 'static))> {
        self.entries
            .iter_mut()
            .enumerate()
            .skip(start)
            .filter(move |(_, entry)| entry.hooks.contains(hook))
            .map(|(at, entry)| (at, &mut *entry.layer))
    }

    /// May finished answers be given without asking the layers (see [`Layer::is_transparent`])?
    pub fn is_transparent(&self) -> bool {
        !self.opaque
    }

    /// What tells clients with different rules apart (see [`Layer::client_tag`]).
    #[inline]
    pub fn client_tag(&self, client: &Client) -> Option<u32> {
        match self.tagging.and_then(|at| self.entries.get(at)) {
            Some(entry) => entry.layer.client_tag(client),
            None => Some(0),
        }
    }

    /// Times the stack was changed.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.name == name)
    }

    fn collect_hooks(&mut self) {
        self.hooks = self.entries.iter().fold(Hooks::empty(), |all, entry| all | entry.hooks);
        self.opaque = self.entries.iter().any(|entry| !entry.layer.is_transparent());
        let mut tagging =
            (0..self.entries.len()).filter(|at| self.entries[*at].layer.sees_clients());
        self.tagging = tagging.next();
        // The tags of two layers do not fit into one.
        self.opaque |= tagging.next().is_some();
        self.generation += 1;
    }
}
