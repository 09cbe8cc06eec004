//! A Lua value that means the same outside Lua: what modules take as configuration and return from
//! commands, and what JSON can say.

use std::collections::BTreeMap;

/// A value without functions, threads and cycles.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Data {
    /// Nothing.
    #[default]
    Nil,
    /// Yes or no.
    Bool(bool),
    /// Lua has one kind of number.
    Number(f64),
    /// Octets, usually UTF-8.
    Text(Vec<u8>),
    /// A sequence: keys 1 to n.
    List(Vec<Data>),
    /// A table with text keys; sorted, so that equal tables print equally.
    Map(BTreeMap<String, Data>),
}

impl Data {
    /// Text from a string.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into().into_bytes())
    }

    /// The text, if it is one and is UTF-8.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            Self::Nil | Self::Bool(_) | Self::Number(_) | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The value under a key of a map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(key),
            Self::Nil | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::List(_) => None,
        }
    }
}
