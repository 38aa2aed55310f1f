//! YAML (and so JSON) documents whose every value knows where it stands.

mod json;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::place::Mark;

/// How deep values may be nested: deeper than any manifest, and shallow enough to be walked
/// by recursion.
const DEPTH: usize = 128;
/// How many values aliases may repeat, all in all, in one text. A few lines of aliases to
/// aliases make billions.
const REPEATED: usize = 1_000_000;

/// A value, and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Node<'a> {
    /// Where it begins.
    pub at: Mark,
    /// What it is.
    pub value: Value<'a>,
}

/// A YAML value, as the API server would see it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is written.
    Number(Cow<'a, str>),
    /// A text.
    Text(Cow<'a, str>),
    /// A sequence.
    List(Vec<Node<'a>>),
    /// A mapping, in the order of its entries.
    Map(Vec<Entry<'a>>),
}

/// One entry of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<'a> {
    /// The key, as text.
    pub key: Cow<'a, str>,
    /// Where the key stands.
    pub at: Mark,
    /// What it is set to.
    pub node: Node<'a>,
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub struct YamlError {
    /// Where.
    pub at: Mark,
    /// What.
    pub what: String,
}

impl<'a> Node<'a> {
    /// The entry of a mapping with this key.
    pub fn entry(&self, key: &str) -> Option<&Entry<'a>> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        entries.iter().find(|entry| entry.key == key)
    }

    /// What a mapping has under this key.
    pub fn get(&self, key: &str) -> Option<&Node<'a>> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// What it has under a key of a key, and so on.
    pub fn find(&self, path: &[&str]) -> Option<&Node<'a>> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The values of a sequence; none where it is something else.
    pub fn items(&self) -> &[Node<'a>] {
        match &self.value {
            Value::List(nodes) => nodes,
            _ => &[],
        }
    }

    /// The entries of a mapping whose values are plain, as texts.
    pub fn texts(&self) -> BTreeMap<String, String> {
        let Value::Map(entries) = &self.value else {
            return BTreeMap::new();
        };
        let plain = entries.iter().filter_map(|entry| {
            let text = match &entry.node.value {
                Value::Text(text) | Value::Number(text) => text.clone().into_owned(),
                Value::Bool(yes) => yes.to_string(),
                Value::Null | Value::List(_) | Value::Map(_) => return None,
            };
            Some((entry.key.to_string(), text))
        });
        plain.collect()
    }

    /// The same as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(yes) => Json::Bool(*yes),
            Value::Number(text) => {
                let text: &str = text;
                let number = text.parse::<i64>().map(serde_json::Number::from).ok();
                let number =
                    number.or_else(|| serde_json::Number::from_f64(text.parse::<f64>().ok()?));
                number.map_or_else(|| Json::String(text.to_owned()), Json::Number)
            }
            Value::Text(text) => Json::String(text.clone().into_owned()),
            Value::List(nodes) => nodes.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                let pairs = entries.iter();
                let pairs = pairs.map(|entry| (entry.key.to_string(), entry.node.to_json()));
                Json::Object(pairs.collect())
            }
        }
    }

    fn size(&self) -> usize {
        1 + match &self.value {
            Value::List(nodes) => nodes.iter().map(Self::size).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.node.size()).sum(),
            _ => 0,
        }
    }
}

/// The documents of a text, as far as they can be read, and what stopped the reading. Texts of
/// JSON may follow each other without a separator.
pub fn documents(text: &str) -> (Vec<Node<'_>>, Option<YamlError>) {
    let (found, error) = of_yaml(text);
    match error {
        Some(error) if text.trim_start().starts_with('{') => {
            json::concatenated(text).map_or((found, Some(error)), |found| (found, None))
        }
        error => (found, error),
    }
}

fn of_yaml(text: &str) -> (Vec<Node<'_>>, Option<YamlError>) {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        stack: Vec::new(),
        anchors: HashMap::new(),
        repeated: 0,
    };
    let mut found = Vec::new();
    loop {
        match reader.document() {
            Ok(Some(document)) => found.push(document),
            Ok(None) => return (found, None),
            Err(error) => return (found, Some(error)),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    stack: Vec<Open<'a>>,
    anchors: HashMap<usize, Node<'a>>,
    repeated: usize,
}

/// A sequence or mapping whose end has not come.
struct Open<'a> {
    at: Mark,
    anchor: usize,
    nodes: Vec<Node<'a>>,
    entries: Option<Entries<'a>>,
}

/// The entries of an open mapping, and the key that waits for its value.
#[derive(Default)]
struct Entries<'a> {
    done: Vec<Entry<'a>>,
    key: Option<Node<'a>>,
}

impl<'a> Reader<'a> {
    /// The next document; `None` at the end.
    fn document(&mut self) -> Result<Option<Node<'a>>, YamlError> {
        self.anchors.clear();
        loop {
            let (event, span) = match self.parser.next_event() {
                None => return Ok(None),
                Some(Ok(next)) => next,
                Some(Err(error)) => {
                    let what = format!("this is not YAML: {}", error.info());
                    let at = Mark::of(error.marker());
                    return Err(YamlError { at, what });
                }
            };
            let complete = match event {
                Event::StreamEnd => return Ok(None),
                Event::Scalar(text, style, anchor, tag) => {
                    let value = scalar(text, style, tag.as_deref());
                    self.close(anchor, node(&span, value))?
                }
                Event::Alias(anchor) => {
                    let aliased = self.alias(anchor, &span)?;
                    self.close(0, aliased)?
                }
                Event::SequenceStart(anchor, _) => {
                    self.open(anchor, &span, None)?;
                    None
                }
                Event::MappingStart(anchor, _) => {
                    self.open(anchor, &span, Some(Entries::default()))?;
                    None
                }
                Event::SequenceEnd | Event::MappingEnd => self.end()?,
                Event::Nothing
                | Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd => None,
            };
            if complete.is_some() {
                return Ok(complete);
            }
        }
    }

    fn open(
        &mut self,
        anchor: usize,
        span: &Span,
        entries: Option<Entries<'a>>,
    ) -> Result<(), YamlError> {
        let at = Mark::of(&span.start);
        if self.stack.len() >= DEPTH {
            let what = format!("values are nested more than {DEPTH} deep");
            return Err(YamlError { at, what });
        }
        self.stack.push(Open {
            at,
            anchor,
            nodes: Vec::new(),
            entries,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<Option<Node<'a>>, YamlError> {
        let Some(open) = self.stack.pop() else {
            return Ok(None);
        };
        let value = match open.entries {
            Some(entries) => Value::Map(merged(entries.done)),
            None => Value::List(open.nodes),
        };
        self.close(open.anchor, Node { at: open.at, value })
    }

    /// Puts a value where it belongs, and gives it back where it is a whole document.
    fn close(&mut self, anchor: usize, node: Node<'a>) -> Result<Option<Node<'a>>, YamlError> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.stack.last_mut() else {
            return Ok(Some(node));
        };
        match &mut open.entries {
            None => open.nodes.push(node),
            Some(entries) => match entries.key.take() {
                None => entries.key = Some(node),
                Some(key) => {
                    let at = key.at;
                    let key = key_text(key)?;
                    if let Some(before) = entries.done.iter().find(|entry| entry.key == key) {
                        let what = format!("the key {key:?} is here twice, first at {}", before.at);
                        return Err(YamlError { at, what });
                    }
                    entries.done.push(Entry { key, at, node });
                }
            },
        }
        Ok(None)
    }

    fn alias(&mut self, anchor: usize, span: &Span) -> Result<Node<'a>, YamlError> {
        let at = Mark::of(&span.start);
        let Some(known) = self.anchors.get(&anchor) else {
            let what = "an alias to a value that contains it".to_owned();
            return Err(YamlError { at, what });
        };
        self.repeated += known.size();
        if self.repeated > REPEATED {
            let what = format!("aliases repeat more than {REPEATED} values");
            return Err(YamlError { at, what });
        }
        Ok(Node {
            at,
            value: known.value.clone(),
        })
    }
}

fn node<'a>(span: &Span, value: Value<'a>) -> Node<'a> {
    Node {
        at: Mark::of(&span.start),
        value,
    }
}

fn key_text(key: Node<'_>) -> Result<Cow<'_, str>, YamlError> {
    match key.value {
        Value::Text(text) | Value::Number(text) => Ok(text),
        Value::Bool(yes) => Ok(yes.to_string().into()),
        Value::Null => Ok("null".into()),
        Value::List(_) | Value::Map(_) => Err(YamlError {
            at: key.at,
            what: "a key has to be a text".to_owned(),
        }),
    }
}

/// Takes in what `<<` merges; a mapping's own entries come first.
fn merged(mut entries: Vec<Entry<'_>>) -> Vec<Entry<'_>> {
    let Some(at) = entries.iter().position(|entry| entry.key == "<<") else {
        return entries;
    };
    let sources = match entries.remove(at).node.value {
        Value::Map(more) => vec![more],
        Value::List(nodes) => {
            let maps = nodes.into_iter().filter_map(|node| match node.value {
                Value::Map(more) => Some(more),
                _ => None,
            });
            maps.collect()
        }
        _ => Vec::new(),
    };
    for entry in sources.into_iter().flatten() {
        if !entries.iter().any(|own| own.key == entry.key) {
            entries.push(entry);
        }
    }
    entries
}

fn scalar<'a>(text: Cow<'a, str>, style: ScalarStyle, tag: Option<&Tag>) -> Value<'a> {
    let tagged = tag.filter(|tag| tag.is_yaml_core_schema());
    if style != ScalarStyle::Plain || tagged.is_some_and(|tag| tag.suffix == "str") {
        return Value::Text(text);
    }
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        plain if is_number(plain) => Value::Number(text),
        _ => Value::Text(text),
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['-', '+']);
    let starts = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let based = |prefix: &str, radix| {
        let rest = digits.strip_prefix(prefix);
        rest.is_some_and(|rest| i128::from_str_radix(rest, radix).is_ok())
    };
    let special = matches!(digits, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN");
    starts && (text.parse::<f64>().is_ok() || based("0x", 16) || based("0o", 8) || special)
}

#[cfg(test)]
mod tests;
