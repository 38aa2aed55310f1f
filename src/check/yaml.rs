//! YAML (and so JSON) documents whose every value knows where it stands.

mod json;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::place::Position;

/// How deep values may be nested: deeper than any manifest, and shallow enough to be walked
/// by recursion.
const DEPTH: usize = 128;
/// How many values aliases may repeat, all in all, in one text. A few lines of aliases to
/// aliases make billions.
const REPEATED: usize = 1_000_000;

/// A value, and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct YamlNode<'a> {
    /// Where it begins.
    pub at: Position,
    /// What it is.
    pub value: YamlValue<'a>,
}

/// A YAML value, as the API server would see it.
#[derive(Clone, Debug, PartialEq)]
pub enum YamlValue<'a> {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is written.
    Number(Cow<'a, str>),
    /// A text.
    Text(Cow<'a, str>),
    /// A sequence.
    List(Vec<YamlNode<'a>>),
    /// A mapping, in the order of its entries.
    Map(Vec<YamlEntry<'a>>),
}

/// One entry of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct YamlEntry<'a> {
    /// The key, as text.
    pub key: Cow<'a, str>,
    /// Where the key stands.
    pub at: Position,
    /// What it is set to.
    pub node: YamlNode<'a>,
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub struct YamlError {
    /// Where.
    pub at: Position,
    /// What.
    pub what: String,
}

impl<'a> YamlNode<'a> {
    /// The entry of a mapping with this key.
    pub fn entry(&self, key: &str) -> Option<&YamlEntry<'a>> {
        let YamlValue::Map(entries) = &self.value else {
            return None;
        };
        entries.iter().find(|entry| entry.key == key)
    }

    /// What a mapping has under this key.
    pub fn get(&self, key: &str) -> Option<&YamlNode<'a>> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// What it has under a key of a key, and so on.
    pub fn find(&self, path: &[&str]) -> Option<&YamlNode<'a>> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            YamlValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The values of a sequence; none where it is something else.
    pub fn items(&self) -> &[YamlNode<'a>] {
        match &self.value {
            YamlValue::List(nodes) => nodes,
            _ => &[],
        }
    }

    /// The entries of a mapping whose values are plain, as texts.
    pub fn texts(&self) -> BTreeMap<String, String> {
        let YamlValue::Map(entries) = &self.value else {
            return BTreeMap::new();
        };
        let plain = entries.iter().filter_map(|entry| {
            let text = match &entry.node.value {
                YamlValue::Text(text) | YamlValue::Number(text) => text.clone().into_owned(),
                YamlValue::Bool(yes) => yes.to_string(),
                YamlValue::Null | YamlValue::List(_) | YamlValue::Map(_) => return None,
            };
            Some((entry.key.to_string(), text))
        });
        plain.collect()
    }

    /// The same as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            YamlValue::Null => Json::Null,
            YamlValue::Bool(yes) => Json::Bool(*yes),
            YamlValue::Number(text) => {
                let text: &str = text;
                let number = text.parse::<i64>().map(serde_json::Number::from).ok();
                let number =
                    number.or_else(|| serde_json::Number::from_f64(text.parse::<f64>().ok()?));
                number.map_or_else(|| Json::String(text.to_owned()), Json::Number)
            }
            YamlValue::Text(text) => Json::String(text.clone().into_owned()),
            YamlValue::List(nodes) => nodes.iter().map(Self::to_json).collect(),
            YamlValue::Map(entries) => {
                let pairs = entries.iter();
                let pairs = pairs.map(|entry| (entry.key.to_string(), entry.node.to_json()));
                Json::Object(pairs.collect())
            }
        }
    }

    fn size(&self) -> usize {
        1 + match &self.value {
            YamlValue::List(nodes) => nodes.iter().map(Self::size).sum(),
            YamlValue::Map(entries) => entries.iter().map(|entry| entry.node.size()).sum(),
            _ => 0,
        }
    }
}

/// The documents of a text, as far as they can be read, and what stopped the reading. Texts of
/// JSON may follow each other without a separator.
pub fn documents(text: &str) -> (Vec<YamlNode<'_>>, Option<YamlError>) {
    let (found, error) = of_yaml(text);
    match error {
        Some(error) if text.trim_start().starts_with('{') => {
            json::concatenated(text).map_or((found, Some(error)), |found| (found, None))
        }
        error => (found, error),
    }
}

fn of_yaml(text: &str) -> (Vec<YamlNode<'_>>, Option<YamlError>) {
    let mut reader = YamlReader {
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

struct YamlReader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    stack: Vec<OpenNode<'a>>,
    anchors: HashMap<usize, YamlNode<'a>>,
    repeated: usize,
}

/// A sequence or mapping whose end has not come.
struct OpenNode<'a> {
    at: Position,
    anchor: usize,
    nodes: Vec<YamlNode<'a>>,
    entries: Option<OpenMapping<'a>>,
}

/// The entries of an open mapping, and the key that waits for its value.
#[derive(Default)]
struct OpenMapping<'a> {
    done: Vec<YamlEntry<'a>>,
    key: Option<YamlNode<'a>>,
}

impl<'a> YamlReader<'a> {
    /// The next document; `None` at the end.
    fn document(&mut self) -> Result<Option<YamlNode<'a>>, YamlError> {
        self.anchors.clear();
        loop {
            let (event, span) = match self.parser.next_event() {
                None => return Ok(None),
                Some(Ok(next)) => next,
                Some(Err(error)) => {
                    let what = format!("this is not YAML: {}", error.info());
                    let at = Position::of(error.marker());
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
                    self.open(anchor, &span, Some(OpenMapping::default()))?;
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
        entries: Option<OpenMapping<'a>>,
    ) -> Result<(), YamlError> {
        let at = Position::of(&span.start);
        if self.stack.len() >= DEPTH {
            let what = format!("values are nested more than {DEPTH} deep");
            return Err(YamlError { at, what });
        }
        self.stack.push(OpenNode {
            at,
            anchor,
            nodes: Vec::new(),
            entries,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<Option<YamlNode<'a>>, YamlError> {
        let Some(open) = self.stack.pop() else {
            return Ok(None);
        };
        let value = match open.entries {
            Some(entries) => YamlValue::Map(merged(entries.done)),
            None => YamlValue::List(open.nodes),
        };
        self.close(open.anchor, YamlNode { at: open.at, value })
    }

    /// Puts a value where it belongs, and gives it back where it is a whole document.
    fn close(
        &mut self,
        anchor: usize,
        node: YamlNode<'a>,
    ) -> Result<Option<YamlNode<'a>>, YamlError> {
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
                    entries.done.push(YamlEntry { key, at, node });
                }
            },
        }
        Ok(None)
    }

    fn alias(&mut self, anchor: usize, span: &Span) -> Result<YamlNode<'a>, YamlError> {
        let at = Position::of(&span.start);
        let Some(known) = self.anchors.get(&anchor) else {
            let what = "an alias to a value that contains it".to_owned();
            return Err(YamlError { at, what });
        };
        self.repeated += known.size();
        if self.repeated > REPEATED {
            let what = format!("aliases repeat more than {REPEATED} values");
            return Err(YamlError { at, what });
        }
        Ok(YamlNode {
            at,
            value: known.value.clone(),
        })
    }
}

fn node<'a>(span: &Span, value: YamlValue<'a>) -> YamlNode<'a> {
    YamlNode {
        at: Position::of(&span.start),
        value,
    }
}

fn key_text(key: YamlNode<'_>) -> Result<Cow<'_, str>, YamlError> {
    match key.value {
        YamlValue::Text(text) | YamlValue::Number(text) => Ok(text),
        YamlValue::Bool(yes) => Ok(yes.to_string().into()),
        YamlValue::Null => Ok("null".into()),
        YamlValue::List(_) | YamlValue::Map(_) => Err(YamlError {
            at: key.at,
            what: "a key has to be a text".to_owned(),
        }),
    }
}

/// Takes in what `<<` merges; a mapping's own entries come first.
fn merged(mut entries: Vec<YamlEntry<'_>>) -> Vec<YamlEntry<'_>> {
    let Some(at) = entries.iter().position(|entry| entry.key == "<<") else {
        return entries;
    };
    let sources = match entries.remove(at).node.value {
        YamlValue::Map(more) => vec![more],
        YamlValue::List(nodes) => {
            let maps = nodes.into_iter().filter_map(|node| match node.value {
                YamlValue::Map(more) => Some(more),
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

fn scalar<'a>(text: Cow<'a, str>, style: ScalarStyle, tag: Option<&Tag>) -> YamlValue<'a> {
    let tagged = tag.filter(|tag| tag.is_yaml_core_schema());
    if style != ScalarStyle::Plain || tagged.is_some_and(|tag| tag.suffix == "str") {
        return YamlValue::Text(text);
    }
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => YamlValue::Null,
        "true" | "True" | "TRUE" => YamlValue::Bool(true),
        "false" | "False" | "FALSE" => YamlValue::Bool(false),
        plain if is_number(plain) => YamlValue::Number(text),
        _ => YamlValue::Text(text),
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
