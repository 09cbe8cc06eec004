//! Between Lua values and ours: the arguments of a call, its failure, and [`Data`].

use std::collections::BTreeMap;

use dns::Name;
use mlua::{Lua, MultiValue, Table, Value};

use crate::data::Data;
use crate::host::HostError;

/// How deep a table may be nested on its way out of Lua; deeper ones are cyclic or hostile.
const DEPTH_MAX: usize = 100;

/// Why a call from Lua failed; the text is what Lua sees.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The process refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The arguments are wrong.
    #[error("{0}")]
    Usage(String),
    /// The interpreter itself failed (out of memory).
    #[error(transparent)]
    Lua(#[from] mlua::Error),
}

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Self::Usage(text.to_owned())
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Usage(text)
    }
}

/// What a bound function returns to Lua.
pub(crate) type Answer = Result<MultiValue, Failure>;

/// The arguments of a call. Positions count from 0.
pub(crate) struct Args(Vec<Value>);

impl Args {
    pub(crate) fn new(values: MultiValue) -> Self {
        Self(values.into_iter().collect())
    }

    /// How many there are, a trailing `nil` included.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Refuses more arguments than there may be.
    pub(crate) fn at_most(&self, count: usize, usage: &str) -> Result<(), Failure> {
        match self.0.len() > count {
            true => Err(usage.into()),
            false => Ok(()),
        }
    }

    /// The argument, `nil` where there is none.
    pub(crate) fn value(&self, at: usize) -> Value {
        self.0.get(at).cloned().unwrap_or(Value::Nil)
    }

    /// Whether the argument is absent or `nil`.
    pub(crate) fn is_nil(&self, at: usize) -> bool {
        self.0.get(at).is_none_or(Value::is_nil)
    }

    /// Text, or a number as text.
    pub(crate) fn bytes(&self, at: usize) -> Option<Vec<u8>> {
        match self.0.get(at)? {
            Value::String(text) => Some(text.as_bytes().to_vec()),
            Value::Integer(number) => Some(number.to_string().into_bytes()),
            Value::Number(number) => Some(lua_number(*number).into_bytes()),
            _ => None,
        }
    }

    /// Text that is UTF-8, or a number as text.
    pub(crate) fn text(&self, at: usize) -> Option<String> {
        String::from_utf8(self.bytes(at)?).ok()
    }

    /// A number, or text that is one.
    pub(crate) fn number(&self, at: usize) -> Option<f64> {
        number_of(self.0.get(at)?)
    }

    /// A whole number within `i64`.
    pub(crate) fn integer(&self, at: usize) -> Option<i64> {
        let number = self.number(at)?;
        // 2^53: above it f64 skips whole numbers.
        (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
    }

    /// A table.
    pub(crate) fn table(&self, at: usize) -> Option<&Table> {
        self.0.get(at)?.as_table()
    }

    /// Yes or no, nothing else.
    pub(crate) fn boolean(&self, at: usize) -> Option<bool> {
        self.0.get(at)?.as_boolean()
    }
}

/// A domain name as text, up to its first zero octet as strings of C go.
pub(crate) fn name_of_text(text: &[u8]) -> Option<Name> {
    let text = text.split(|octet| *octet == 0).next()?;
    Name::from_text(text, &Name::root()).ok()
}

/// A number, or text that is one.
pub(crate) fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        Value::String(text) => text.to_str().ok()?.trim().parse().ok(),
        _ => None,
    }
}

/// A number as Lua 5.1 prints it (`%.14g`).
pub(crate) fn lua_number(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if number == 0.0 {
        return if number.is_sign_negative() { "-0".into() } else { "0".into() };
    }
    let scientific = format!("{number:.13e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..14).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim_zeros(mantissa), exponent.abs());
    }
    let decimals = usize::try_from(13 - exponent).unwrap_or(0);
    trim_zeros(&format!("{number:.decimals$}")).to_owned()
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// A Lua value as data. Functions, threads and userdata become nothing; a table with keys 1 to n
/// and no other becomes a list.
pub(crate) fn to_data(value: &Value) -> Result<Data, Failure> {
    to_data_at(value, DEPTH_MAX)
}

fn to_data_at(value: &Value, depth: usize) -> Result<Data, Failure> {
    Ok(match value {
        Value::Boolean(flag) => Data::Bool(*flag),
        Value::Integer(number) => Data::Number(*number as f64),
        Value::Number(number) => Data::Number(*number),
        Value::String(text) => Data::Text(text.as_bytes().to_vec()),
        Value::Table(table) => {
            let depth = depth.checked_sub(1).ok_or("the table is cyclic or nested too deeply")?;
            table_to_data(table, depth)?
        }
        _ => Data::Nil,
    })
}

fn table_to_data(table: &Table, depth: usize) -> Result<Data, Failure> {
    let pairs: Vec<(Value, Value)> = table.pairs().collect::<Result<_, _>>()?;
    let numbered = pairs.iter().all(|(key, _)| matches!(key, Value::Integer(_) | Value::Number(_)));
    if numbered && !pairs.is_empty() {
        let mut items: Vec<(f64, &Value)> =
            pairs.iter().filter_map(|(key, value)| Some((number_of(key)?, value))).collect();
        items.sort_by(|a, b| a.0.total_cmp(&b.0));
        let items = items.into_iter().map(|(_, value)| to_data_at(value, depth));
        return Ok(Data::List(items.collect::<Result<_, _>>()?));
    }
    let mut map = BTreeMap::new();
    for (key, value) in &pairs {
        let key = match key {
            Value::String(text) => String::from_utf8_lossy(&text.as_bytes()).into_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Number(number) => lua_number(*number),
            Value::Boolean(flag) => flag.to_string(),
            _ => continue,
        };
        map.insert(key, to_data_at(value, depth)?);
    }
    Ok(Data::Map(map))
}

/// Data as a Lua value.
pub(crate) fn from_data(lua: &Lua, data: &Data) -> Result<Value, Failure> {
    Ok(match data {
        Data::Nil => Value::Nil,
        Data::Bool(flag) => Value::Boolean(*flag),
        Data::Number(number) => Value::Number(*number),
        Data::Text(text) => Value::String(lua.create_string(text)?),
        Data::List(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            let mut next = 1;
            for item in items {
                // Items that are nothing vanish, so that the rest stays a sequence.
                let value = from_data(lua, item)?;
                if !value.is_nil() {
                    table.raw_set(next, value)?;
                    next += 1;
                }
            }
            Value::Table(table)
        }
        Data::Map(map) => {
            let table = lua.create_table_with_capacity(0, map.len())?;
            for (key, item) in map {
                table.raw_set(key.as_str(), from_data(lua, item)?)?;
            }
            Value::Table(table)
        }
    })
}

#[cfg(test)]
mod tests;
