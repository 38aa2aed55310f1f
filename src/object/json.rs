//! JSON objects, and nothing else, for what is one.
//!
//! Serde takes an array for a struct as well, its elements for the fields in their
//! order. In JSON nobody means that.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_path_to_error::Track;

use super::text::printable;

/// The longest name of a field in an error, in characters.
const FIELD: usize = 256;

/// What is wrong with a JSON text, for a person: the field and what it has to be, or where the
/// text is no JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(String);

/// Reads a text that is one JSON object.
///
/// # Errors
/// It is no JSON, something else, or not a `T`.
pub fn from_json<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, JsonError> {
    whole(serde_json::Deserializer::from_str(json))
        .map_err(|error| JsonError::of::<T>(json, &error))
}

impl JsonError {
    /// The text is read once more: few are wrong, and the field is not known without.
    fn of<'a, T: Deserialize<'a>>(json: &'a str, error: &serde_json::Error) -> Self {
        let (mut reader, mut track) = (serde_json::Deserializer::from_str(json), Track::new());
        let again = serde_path_to_error::Deserializer::new(&mut reader, &mut track);
        let _: Result<T, _> = object(again);
        let field = printable(&track.path().to_string(), FIELD);
        let (why, place) = (
            error.to_string(),
            format!(" at line {} column {}", error.line(), error.column()),
        );
        Self(match why.strip_suffix(&place) {
            Some(why) if error.is_data() && field == "." => why.to_owned(),
            Some(why) if error.is_data() => format!("{field}: {why}"),
            _ => why,
        })
    }
}

/// Reads bytes that are one JSON object.
///
/// # Errors
/// They are no JSON, something else, or not a `T`.
pub fn from_slice<'a, T: Deserialize<'a>>(json: &'a [u8]) -> serde_json::Result<T> {
    whole(serde_json::Deserializer::from_slice(json))
}

fn whole<'a, R, T>(mut reader: serde_json::Deserializer<R>) -> serde_json::Result<T>
where
    R: serde_json::de::Read<'a>,
    T: Deserialize<'a>,
{
    let read = object(&mut reader)?;
    reader.end()?;
    Ok(read)
}

/// Reads a JSON object within another one.
///
/// # Errors
/// It is something else, or not a `T`.
pub fn object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_map(Object(PhantomData))
}

/// Reads a JSON object within another one, or null for `None`.
///
/// # Errors
/// It is something else, or not a `T`.
pub fn optional_object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_option(OptionalObject(PhantomData))
}

struct Object<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

struct OptionalObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OptionalObject<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_none<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        object(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde::Deserialize;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Outer<'a> {
        #[serde(borrow, deserialize_with = "super::object")]
        one: Inner<'a>,
        #[serde(borrow, default, deserialize_with = "super::optional_object")]
        other: Option<Inner<'a>>,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Inner<'a> {
        #[serde(default)]
        text: &'a str,
    }

    #[rstest]
    #[case(r#"{"one": {"text": "a"}, "other": {"text": "b"}}"#, Some(Inner { text: "b" }))]
    #[case(r#"{"one": {"text": "a"}, "other": null}"#, None)]
    #[case(r#"{"one": {"text": "a"}}"#, None)]
    fn objects_are_read(#[case] json: &str, #[case] other: Option<Inner<'_>>) {
        let one = Inner { text: "a" };
        let read: Outer<'_> = serde_json::from_str(json).unwrap();
        assert_eq!(read, Outer { one, other });
    }

    #[rstest]
    #[case::a_field(
        r#"{"one": {"text": 7}}"#,
        "one.text: invalid type: integer `7`, expected a borrowed string"
    )]
    #[case::a_field_that_is_missing("{}", "missing field `one`")]
    #[case::no_object("[]", "invalid type: sequence, expected an object")]
    #[case::no_json(r#"{"one": "#, "EOF while parsing a value at line 1 column 8")]
    fn an_error_says_the_field(#[case] json: &str, #[case] expected: &str) {
        let error = super::from_json::<Outer<'_>>(json).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[rstest]
    #[case(r#"{"one": []}"#)]
    #[case(r#"{"one": ["a"]}"#)]
    #[case(r#"{"one": null}"#)]
    #[case(r#"{"one": {}, "other": ["a"]}"#)]
    #[case(r#"{"one": {}, "other": "a"}"#)]
    fn other_things_are_not(#[case] json: &str) {
        let error = serde_json::from_str::<Outer<'_>>(json).unwrap_err();
        assert!(error.to_string().contains("expected an object"), "{error}");
    }
}
