//! Who called Azure for what, and what must hold of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::arm::key;

/// Everything that came in, in its order, with what a story did meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Diary(Vec<Line>);

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A call.
    Call(Entry),
    /// From here on each resource with this prefix may get another writer, once.
    Takeover(String),
}

/// A call that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How long after Azure began.
    pub at: Duration,
    /// Which ASO: the last word of its User-Agent.
    pub who: String,
    /// Such as `PUT`.
    pub method: String,
    /// The path.
    pub path: String,
    /// What was answered.
    pub status: u16,
}

/// A resource that got another writer, though nobody had let it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// The last write before.
    pub before: Entry,
    /// The first of the other one.
    pub after: Entry,
}

impl Entry {
    /// Whether it changed something in Azure.
    pub fn writes(&self) -> bool {
        matches!(self.method.as_str(), "PUT" | "PATCH" | "DELETE") && self.status < 300
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            who,
            method,
            path,
            status,
        } = self;
        let at = at.as_secs_f64();
        write!(f, "{at:8.3} {who:6} {method:6} {status} {path}")
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.before, self.after)
    }
}

impl Diary {
    /// Adds a line.
    pub fn add(&mut self, line: Line) {
        self.0.push(line);
    }

    /// What is about these paths.
    #[must_use]
    pub fn about(&self, these: impl Fn(&str) -> bool) -> Self {
        let is_one = |line: &&Line| match line {
            Line::Call(entry) => these(&entry.path),
            Line::Takeover(of) => these(of),
        };
        Self(self.0.iter().filter(is_one).cloned().collect())
    }

    /// All calls.
    pub fn calls(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter_map(|line| match line {
            Line::Call(entry) => Some(entry),
            Line::Takeover(_) => None,
        })
    }

    /// The calls of one method.
    pub fn of(&self, method: &str) -> Vec<&Entry> {
        self.calls().filter(|call| call.method == method).collect()
    }

    /// Who wrote to an ID last.
    pub fn last_writer(&self, id: &str) -> Option<&str> {
        let id = key(id);
        let writes = self.calls().filter(|call| call.writes());
        let last = writes.filter(|call| key(&call.path) == id).last();
        last.map(|call| call.who.as_str())
    }

    /// Where a resource got another writer without a takeover in between. Two ASOs that both
    /// reconcile it do that once a sync period each.
    pub fn switches(&self) -> Vec<Switch> {
        let mut last: BTreeMap<String, (Entry, bool)> = BTreeMap::new();
        let mut switches = Vec::new();
        for line in &self.0 {
            match line {
                Line::Takeover(of) => {
                    let of = key(of);
                    let taken = last.iter_mut().filter(|(id, _)| is_in(id, &of));
                    taken.for_each(|(_, (_, free))| *free = true);
                }
                Line::Call(call) if call.writes() => {
                    let at = last.entry(key(&call.path));
                    let (before, free) = at.or_insert_with(|| (call.clone(), false));
                    if before.who != call.who {
                        if !*free {
                            let (before, after) = (before.clone(), call.clone());
                            switches.push(Switch { before, after });
                        }
                        *free = false;
                    }
                    *before = call.clone();
                }
                Line::Call(_) => {}
            }
        }
        switches
    }

    /// How many calls of which method came from whom: `aso-a: 3 PUT, 1 GET`.
    pub fn summary(&self) -> String {
        let mut counts: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        for call in self.calls() {
            let of_one = counts.entry(&call.who).or_default();
            *of_one.entry(&call.method).or_default() += 1;
        }
        let lines = counts.iter().map(|(who, counts)| {
            let counts = counts
                .iter()
                .map(|(method, count)| format!("{count} {method}"));
            format!("{who}: {}", counts.collect::<Vec<String>>().join(", "))
        });
        lines.collect::<Vec<String>>().join("; ")
    }
}

/// All of it, a line each.
impl fmt::Display for Diary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.0 {
            match line {
                Line::Call(entry) => writeln!(f, "{entry}")?,
                Line::Takeover(of) => writeln!(f, "         -- takeover of {of}")?,
            }
        }
        Ok(())
    }
}

fn is_in(id: &str, prefix: &str) -> bool {
    let rest = id.strip_prefix(prefix.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "/subscriptions/s/resourceGroups/rg";

    fn call(who: &str, method: &str, path: &str) -> Line {
        Line::Call(Entry {
            at: Duration::ZERO,
            who: who.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            status: 200,
        })
    }

    fn puts(writers: &[&str]) -> Diary {
        let line = |who: &&str| match *who {
            "-" => Line::Takeover(ID.to_uppercase()),
            who => call(who, "PUT", &format!("{ID}/providers/p/t/x")),
        };
        Diary(writers.iter().map(line).collect())
    }

    #[test]
    fn two_writers_by_turns_are_told_and_a_takeover_is_not() {
        for (writers, switches) in [
            (&["a", "a", "-", "b", "b"][..], 0),
            (&["a", "-", "a", "b"], 0),
            (&["a", "-", "b", "a"], 1),
            (&["a", "b", "a"], 2),
            (&["-", "a", "a"], 0),
            (&["a", "-", "b", "-", "a"], 0),
        ] {
            assert_eq!(puts(writers).switches().len(), switches, "{writers:?}");
        }
        // Reading is no writing, and what was refused changed nothing.
        let mut read = puts(&["a"]);
        read.add(call("b", "GET", ID));
        assert_eq!(read.switches(), []);
    }

    #[test]
    fn what_is_about_some_paths_is_told_alone() {
        let mut diary = Diary::default();
        for path in [ID, &format!("{ID}/x"), &format!("{ID}2"), "/other"] {
            diary.add(call("a", "PUT", path));
        }
        assert_eq!(diary.about(|path| path.contains("rg2")).calls().count(), 1);
        assert_eq!(diary.last_writer(ID), Some("a"));
        assert_eq!(diary.summary(), "a: 4 PUT");
    }
}
