//! What commands take and give, and configurations are made of: values without behaviour.

use std::collections::BTreeMap;

/// A value of the configuration language without functions and cycles.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing.
    #[default]
    Nil,
    Bool(bool),
    /// There is one kind of number.
    Number(f64),
    /// Octets, usually UTF-8.
    Text(Vec<u8>),
    List(Vec<Value>),
    /// Sorted, so that equal values print equally.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// Text.
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into().into_bytes())
    }

    /// `{ result = true }`, what commands say that have nothing else to say.
    pub fn result(good: bool) -> Value {
        Value::Map(BTreeMap::from([("result".to_owned(), Value::Bool(good))]))
    }

    /// Nothing?
    pub fn is_nil(&self) -> bool {
        *self == Value::Nil
    }

    /// The text, if it is one and is UTF-8.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The number, also of a text that is one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Text(_) => self.as_text()?.trim().parse().ok(),
            _ => None,
        }
    }

    /// The truth value, as the language sees it: everything but `nil` and `false` is true.
    pub fn is_true(&self) -> bool {
        !matches!(self, Value::Nil | Value::Bool(false))
    }

    /// The value under a key of a map.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// The items of a list; an empty table counts as one.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            Value::Map(map) if map.is_empty() => Some(&[]),
            _ => None,
        }
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Value {
        Value::Number(number as f64)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl FromIterator<Value> for Value {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Value {
        Value::List(items.into_iter().collect())
    }
}

impl<K: Into<String>> FromIterator<(K, Value)> for Value {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(items: I) -> Value {
        Value::Map(items.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }
}
