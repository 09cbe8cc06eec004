//! Which questions come often, in bounded memory: for lists that an operator looks at.
//!
//! When the table is full, the oldest entry goes; one that was counted more than once is halved and
//! gets another round instead, a few times at most.

use std::collections::VecDeque;

use dns::{Name, Rtype};
use hashbrown::HashMap;
use resolve::keyed::Keyed;

use crate::Value;

/// Entries looked at to make room for a new one.
const CHANCES_MAX: usize = 8;

/// Questions with how often they came.
pub(crate) struct Frequent {
    counts: HashMap<(Name, Rtype), u64, Keyed>,
    order: VecDeque<(Name, Rtype)>,
    entries_max: usize,
}

impl Frequent {
    /// An empty table of at most so many entries. The keys must be unknown to those who ask.
    pub(crate) fn new(keys: Keyed, entries_max: usize) -> Frequent {
        Frequent { counts: HashMap::with_hasher(keys), order: VecDeque::new(), entries_max }
    }

    /// Counts a question.
    pub(crate) fn count(&mut self, name: &Name, rtype: Rtype) {
        let key = (name.to_lowercase(), rtype);
        if let Some(count) = self.counts.get_mut(&key) {
            *count += 1;
            return;
        }
        if self.counts.len() >= self.entries_max {
            self.make_room();
        }
        self.order.push_back(key.clone());
        self.counts.insert(key, 1);
    }

    fn make_room(&mut self) {
        for chance in 1..=CHANCES_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            match self.counts.get_mut(&oldest) {
                Some(count) if *count > 1 && chance < CHANCES_MAX => {
                    *count /= 2;
                    self.order.push_back(oldest);
                }
                _ => {
                    self.counts.remove(&oldest);
                    return;
                }
            }
        }
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.counts.clear();
        self.order.clear();
    }

    /// `{ { count = …, name = …, type = … }, … }` in the order in which they first came.
    pub(crate) fn to_value(&self) -> Value {
        let entry = |key: &(Name, Rtype)| {
            let count = self.counts.get(key).copied().unwrap_or(0);
            [
                ("count", Value::from(count)),
                ("name", Value::text(key.0.to_string())),
                ("type", Value::text(key.1.to_string())),
            ]
            .into_iter()
            .collect::<Value>()
        };
        self.order.iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_often_stays() {
        let mut table = Frequent::new(Keyed(1, 2), 3);
        let name = |text: &str| text.parse::<Name>().unwrap();
        for _ in 0..9 {
            table.count(&name("Often."), Rtype::A);
        }
        for once in ["a.", "b.", "c.", "d."] {
            table.count(&name(once), Rtype::A);
        }
        let Value::List(items) = table.to_value() else { panic!("a list") };
        let shown: Vec<&str> =
            items.iter().filter_map(|item| item.get("name")?.as_text()).collect();
        assert_eq!(shown.len(), 3);
        assert!(shown.contains(&"often."), "{shown:?}");
        assert!(shown.contains(&"d."), "{shown:?}");
        table.clear();
        assert_eq!(table.to_value(), Value::List(Vec::new()));
    }
}
