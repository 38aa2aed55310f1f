//! Texts of JSON that follow each other in one file.

use crate::check::place::Position;

use super::{YamlEntry, YamlNode, YamlValue, of_yaml};

/// JSON documents one after the other; `None` where that is not what the text is.
pub(super) fn concatenated(text: &str) -> Option<Vec<YamlNode<'_>>> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    let (mut all, mut from) = (Vec::new(), 0);
    while let Some(next) = stream.next() {
        next.ok()?;
        let to = stream.byte_offset();
        let (found, error) = of_yaml(&text[from..to]);
        let before = &text[..from];
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count();
        let moved = Position {
            line: u32::try_from(before.matches('\n').count()).ok()?,
            column: u32::try_from(column).ok()?,
        };
        all.extend(found.into_iter().map(|node| node.moved(moved)));
        if error.is_some() {
            return None;
        }
        from = to;
    }
    Some(all)
}

impl YamlNode<'_> {
    /// The same so many lines further down; and on its first line, so many columns to the right.
    fn moved(self, by: Position) -> Self {
        let mark = |at: Position| Position {
            line: at.line + by.line,
            column: at.column + if at.line == 1 { by.column } else { 0 },
        };
        let moved = |node: Self| node.moved(by);
        Self {
            at: mark(self.at),
            value: match self.value {
                YamlValue::List(nodes) => YamlValue::List(nodes.into_iter().map(moved).collect()),
                YamlValue::Map(entries) => {
                    let entries = entries.into_iter().map(|entry| YamlEntry {
                        at: mark(entry.at),
                        node: entry.node.moved(by),
                        ..entry
                    });
                    YamlValue::Map(entries.collect())
                }
                value => value,
            },
        }
    }
}
