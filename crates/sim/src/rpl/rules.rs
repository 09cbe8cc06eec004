//! Rules of a scenario: `feature-list: policy=…` and `view=…` hold statements of the configuration
//! language, of which the calls that make rules are understood here.
//!
//! The words are those of `policy` and `view`: `policy:add(policy.suffix(policy.DENY,
//! {todname('example.')}))`. Everything else is an error, so that a scenario never plays under other
//! rules than it says.

use std::net::SocketAddr;
use std::sync::Arc;

use dns::{ExtendedErrorCode, Name, Rdatas, Rtype};
use modules::policy::names::{NameSet, Seed};
use modules::policy::pattern::Pattern;
use modules::policy::{Action, AnswerRecords, Client, Filter, List, Network, Rule, RuleId, Rules};
use resolve::{Forward, ForwardKind, Via};

/// A value of an expression.
#[derive(Clone, Debug)]
enum Value {
    Bytes(Vec<u8>),
    Number(u32),
    Truth(bool),
    /// Items with a key of their own have it as a number.
    Table(Vec<(Option<Value>, Value)>, Vec<(String, Value)>),
    Action(Action),
    Rule(Filter, Action),
}

/// Adds the rule of a statement.
pub(super) fn add(rules: &Rules, id: u32, statement: &str) -> Result<(), String> {
    let mut reader = Reader { rest: statement.trim(), seed: rules.seed() };
    let name = reader.name().ok_or("a statement begins with a name")?;
    let arguments = reader.arguments()?;
    if !reader.rest.trim_start().is_empty() {
        return Err(format!("`{}` is left over", reader.rest));
    }
    let (list, client, rule) = match (name.replace(':', ".").as_str(), arguments.as_slice()) {
        ("policy.add", [rule]) => (List::Before, None, rule),
        ("policy.add", [rule, Value::Truth(post)]) => {
            (if *post { List::After } else { List::Before }, None, rule)
        }
        ("view.addr", [Value::Bytes(network), rule]) => {
            (List::View, Some(Client::Source(parse_network(network)?)), rule)
        }
        ("view.addr", [Value::Bytes(network), rule, Value::Truth(true)]) => {
            (List::View, Some(Client::Destination(parse_network(network)?)), rule)
        }
        ("view.tsig", [key, rule]) => (List::View, Some(Client::Tsig(wire_name(key)?)), rule),
        _ => return Err(format!("`{name}` with these arguments is no statement for rules")),
    };
    let Value::Rule(filter, action) = rule.clone() else { return Err("no rule is given".into()) };
    rules.add(RuleId(id), list, Rule { client, filter, action });
    Ok(())
}

/// Reads expressions from the front of a text.
struct Reader<'t> {
    rest: &'t str,
    seed: Seed,
}

impl Reader<'_> {
    fn skip(&mut self, text: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// A name with dots and colons.
    fn name(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn arguments(&mut self) -> Result<Vec<Value>, String> {
        if !self.skip("(") {
            return Err(format!("expected `(` before `{}`", self.rest));
        }
        let mut values = Vec::new();
        while !self.skip(")") {
            values.push(self.value()?);
            if !self.skip(",") && !self.rest.trim_start().starts_with(')') {
                return Err(format!("expected `,` or `)` before `{}`", self.rest));
            }
        }
        Ok(values)
    }

    fn value(&mut self) -> Result<Value, String> {
        self.rest = self.rest.trim_start();
        match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.bytes(quote),
            Some('{') => self.table(),
            Some(digit) if digit.is_ascii_digit() => {
                let text = self.name().unwrap_or_default();
                text.parse().map(Value::Number).map_err(|_| format!("`{text}` is no number"))
            }
            _ => {
                let name = self.name().ok_or_else(|| format!("no value at `{}`", self.rest))?;
                let called = self.rest.trim_start().starts_with('(');
                let arguments = if called { self.arguments()? } else { Vec::new() };
                self.call(&name, &arguments)
            }
        }
    }

    /// A string with decimal escapes.
    fn bytes(&mut self, quote: char) -> Result<Value, String> {
        let text = self.rest.as_bytes();
        let mut bytes = Vec::new();
        let mut at = 1;
        loop {
            match text.get(at) {
                None => return Err("a string has no end".into()),
                Some(byte) if *byte == quote as u8 => break,
                Some(b'\\') => {
                    let digits = text[at + 1..].iter().take(3).take_while(|b| b.is_ascii_digit());
                    let count = digits.count();
                    let number = self.rest.get(at + 1..at + 1 + count).unwrap_or_default();
                    bytes.push(number.parse().map_err(|_| "an unknown escape in a string")?);
                    at += 1 + count;
                }
                Some(byte) => {
                    bytes.push(*byte);
                    at += 1;
                }
            }
        }
        self.rest = self.rest.get(at + 1..).unwrap_or_default();
        Ok(Value::Bytes(bytes))
    }

    fn table(&mut self) -> Result<Value, String> {
        self.skip("{");
        let (mut items, mut fields) = (Vec::new(), Vec::new());
        while !self.skip("}") {
            if self.skip("[") {
                let key = self.value()?;
                if !self.skip("]") || !self.skip("=") {
                    return Err(format!("expected `] =` before `{}`", self.rest));
                }
                items.push((Some(key), self.value()?));
            } else if let Some(name) = self.field() {
                fields.push((name, self.value()?));
            } else {
                items.push((None, self.value()?));
            }
            if !self.skip(",") && !self.rest.trim_start().starts_with('}') {
                return Err(format!("expected `,` or `}}` before `{}`", self.rest));
            }
        }
        Ok(Value::Table(items, fields))
    }

    /// The name of a field and its sign.
    fn field(&mut self) -> Option<String> {
        let before = self.rest;
        let name = self.name();
        if name.is_some() && self.skip("=") {
            return name;
        }
        self.rest = before;
        None
    }

    /// What a name, or a call of it, stands for.
    // Long because it is a table.
    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        let action = |action| Ok(Value::Action(action));
        match (name, arguments) {
            ("true", []) => Ok(Value::Truth(true)),
            ("false", []) => Ok(Value::Truth(false)),
            ("todname", [Value::Bytes(text)]) => Ok(Value::Bytes(text_name(text)?)),
            ("policy.todnames", [Value::Table(items, _)]) => {
                let names = items.iter().map(|(_, item)| match item {
                    Value::Bytes(text) => Ok((None, Value::Bytes(text_name(text)?))),
                    _ => Err("policy.todnames takes strings".to_owned()),
                });
                Ok(Value::Table(names.collect::<Result<_, _>>()?, Vec::new()))
            }
            ("kres.str2ip", [Value::Bytes(text)]) => Ok(Value::Bytes(address_bytes(text)?)),
            ("policy.PASS", []) => action(Action::Pass),
            ("policy.DENY", []) => action(deny(None)),
            ("policy.DENY_MSG", [Value::Bytes(text)]) => {
                action(deny(Some(String::from_utf8_lossy(text).into_owned())))
            }
            ("policy.DROP", []) => action(Action::Drop),
            ("policy.REFUSE", []) => action(Action::Refuse),
            ("policy.NO_ANSWER", []) => action(Action::NoAnswer),
            ("policy.TC", []) => action(Action::Truncate),
            ("policy.FORWARD", [targets]) => action(forward(ForwardKind::Forward, targets)?),
            ("policy.STUB", [targets]) => action(forward(ForwardKind::Stub, targets)?),
            ("policy.ANSWER", [records]) => action(answer(records, false)?),
            ("policy.ANSWER", [records, Value::Truth(nodata)]) => action(answer(records, *nodata)?),
            ("policy.all", [Value::Action(action)]) => Ok(Value::Rule(Filter::All, action.clone())),
            ("policy.suffix", [Value::Action(action), names])
            | ("policy.suffix_common", [Value::Action(action), names, ..]) => {
                Ok(Value::Rule(Filter::Suffix(self.names(names)?), action.clone()))
            }
            ("policy.domains", [Value::Action(action), names]) => {
                Ok(Value::Rule(Filter::Domains(self.names(names)?), action.clone()))
            }
            ("policy.pattern", [Value::Action(action), Value::Bytes(pattern)]) => {
                let pattern = Pattern::new(pattern).map_err(|fault| fault.to_string())?;
                Ok(Value::Rule(Filter::Pattern(pattern), action.clone()))
            }
            _ => match name.strip_prefix("kres.type.").and_then(|rtype| rtype.parse().ok()) {
                Some(Rtype(number)) => Ok(Value::Number(number.into())),
                None => Err(format!("`{name}` with these arguments is not known here")),
            },
        }
    }

    fn names(&self, list: &Value) -> Result<Arc<NameSet>, String> {
        let Value::Table(items, _) = list else { return Err("expected a list of names".into()) };
        let names = items.iter().map(|(_, item)| wire_name(item));
        let names = names.collect::<Result<Vec<Name>, _>>()?;
        NameSet::from_names(self.seed, &names).map(Arc::new).map_err(|fault| fault.to_string())
    }
}

fn wire_name(value: &Value) -> Result<Name, String> {
    let Value::Bytes(wire) = value else { return Err("expected a name".into()) };
    Name::from_wire(wire).map_err(|fault| format!("a name in wire format: {fault}"))
}

fn text_name(text: &[u8]) -> Result<Vec<u8>, String> {
    let name = Name::from_text(text, &Name::root()).map_err(|fault| fault.to_string())?;
    Ok(name.as_wire().to_ascii_lowercase())
}

fn text_of(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|fault| fault.to_string())
}

fn address_bytes(text: &[u8]) -> Result<Vec<u8>, String> {
    let text = text_of(text)?;
    match text.parse() {
        Ok(std::net::IpAddr::V4(address)) => Ok(address.octets().to_vec()),
        Ok(std::net::IpAddr::V6(address)) => Ok(address.octets().to_vec()),
        Err(_) => Err(format!("`{text}` is no address")),
    }
}

fn parse_network(text: &[u8]) -> Result<Network, String> {
    let text = text_of(text)?;
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, length.parse().ok()),
        None => (text, Some(128)),
    };
    match (address.parse(), length) {
        (Ok(address), Some(length)) => Ok(Network::new(address, length)),
        _ => Err(format!("`{text}` is no network")),
    }
}

fn deny(message: Option<String>) -> Action {
    Action::Deny { message, extended_error: ExtendedErrorCode::BLOCKED }
}

fn forward(kind: ForwardKind, targets: &Value) -> Result<Action, String> {
    let one = [(None, targets.clone())];
    let items = match targets {
        Value::Table(items, _) => items.as_slice(),
        _ => &one,
    };
    let targets = items.iter().map(|(_, item)| {
        let Value::Bytes(text) = item else { return Err("expected an address".to_owned()) };
        let text = text_of(text)?;
        let (address, port) = text.split_once('@').unwrap_or((text, "53"));
        match (address.parse(), port.parse()) {
            (Ok(address), Ok(port)) => Ok((SocketAddr::new(address, port), Via::Udp)),
            _ => Err(format!("`{text}` is no address")),
        }
    });
    let targets = targets.collect::<Result<Vec<_>, _>>()?;
    Ok(Action::Forward(Arc::new(Forward { suffix: Name::root(), kind, targets })))
}

fn answer(records: &Value, nodata: bool) -> Result<Action, String> {
    let malformed = || "policy.ANSWER takes { [type] = { rdata =, ttl = } }".to_owned();
    let Value::Table(items, _) = records else { return Err(malformed()) };
    let sets = items.iter().map(|(key, item)| {
        let (Some(Value::Number(rtype)), Value::Table(_, fields)) = (key, item) else {
            return Err(malformed());
        };
        let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, v)| v);
        let ttl = match field("ttl") {
            None => 1,
            Some(Value::Number(ttl)) => *ttl,
            Some(_) => return Err(malformed()),
        };
        let mut rdatas = Rdatas::new();
        match field("rdata") {
            Some(Value::Bytes(rdata)) => {
                rdatas.push(rdata);
            }
            Some(Value::Table(list, _)) => {
                for (_, item) in list {
                    let Value::Bytes(rdata) = item else { return Err(malformed()) };
                    rdatas.push(rdata);
                }
            }
            _ => return Err(malformed()),
        }
        let rtype = Rtype(u16::try_from(*rtype).map_err(|_| malformed())?);
        Ok(AnswerRecords { rtype, ttl, rdatas })
    });
    Ok(Action::Answer { records: sets.collect::<Result<_, _>>()?, nodata })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_become_rules() {
        let rules = Rules::new((1, 2));
        for statement in [
            "policy:add(policy.all(policy.DENY))",
            "policy.add(policy.suffix(policy.FORWARD('1.2.3.4'), {todname('example.cz')}))",
            "policy:add(policy.suffix_common(policy.DENY, policy.todnames({'a.cz', 'b.cz'}), \
             todname('cz')))",
            "policy:add(policy.pattern(policy.DENY, '\\8example[0-8]\\2cz'))",
            "policy.add(policy.domains(policy.STUB({'::1@5353', '192.0.2.1'}), {'\\1a\\0'}), true)",
            "policy.add(policy.all(policy.ANSWER({[kres.type.A] = {rdata = \
             kres.str2ip('192.0.2.1'), ttl = 300}}, true)))",
            "view:addr('127.0.0.0/8', policy.all(policy.DENY_MSG('no')))",
            "view:addr('::1', policy.all(policy.REFUSE), true)",
            "view:tsig('\\5mykey\\0', policy.all(policy.DROP))",
        ] {
            assert_eq!(add(&rules, 1, statement), Ok(()), "{statement}");
        }
        for statement in [
            "policy.add()",
            "policy.add(policy.all(policy.NOPE))",
            "policy.add(policy.all(policy.DENY)) x",
            "policy.add(policy.suffix(policy.DENY, {'cz'}))",
            "print('x')",
        ] {
            assert!(add(&rules, 1, statement).is_err(), "{statement}");
        }
    }
}
