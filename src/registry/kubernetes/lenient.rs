//! Objects that are read one by one: what is wrong with one of a list is no other's trouble.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::object::json::from_json;

/// An object, or why it is none of its kind.
#[derive(Clone, Debug)]
pub(super) struct LenientObject<K> {
    /// The object's name.
    pub(super) name: String,
    /// `spec.identity`, where there is one.
    pub(super) identity: Option<String>,
    /// The object.
    pub(super) object: Result<K, String>,
}

/// What of an object is there whatever else is wrong with it.
#[derive(Deserialize)]
struct ObjectOutline {
    metadata: OutlineMetadata,
    #[serde(default)]
    spec: serde_json::Value,
}

#[derive(Deserialize)]
struct OutlineMetadata {
    #[serde(default)]
    name: String,
}

impl<'de, K: DeserializeOwned> Deserialize<'de> for LenientObject<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let outline: ObjectOutline =
            serde_json::from_str(raw.get()).map_err(serde::de::Error::custom)?;
        let identity = outline.spec.get("identity");
        Ok(Self {
            name: outline.metadata.name,
            identity: identity.and_then(|text| text.as_str().map(str::to_owned)),
            object: from_json(raw.get()).map_err(|error| error.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use kube::core::ObjectList;

    use super::*;

    #[derive(Clone, Debug, Deserialize)]
    struct Heard {
        heard: Timestamp,
    }

    #[test]
    fn one_time_that_is_none_leaves_the_others_readable() {
        let list = r#"{"apiVersion": "v1", "kind": "List", "metadata": {"continue": "on"}, "items": [
            {"metadata": {"name": "a"}, "heard": "2026-01-01T00:00:00Z"},
            {"metadata": {"name": "b"}, "spec": {"identity": "/x"}, "heard": "2026-01-01T00:00:00+99:99"}
        ]}"#;
        let list: ObjectList<LenientObject<Heard>> = serde_json::from_str(list).unwrap();
        assert_eq!(list.metadata.continue_.as_deref(), Some("on"));
        let [a, b] = &list.items[..] else {
            unreachable!("two items");
        };
        let heard = a.object.as_ref().unwrap().heard;
        assert_eq!((&*a.name, heard.as_second()), ("a", 1_767_225_600));
        assert_eq!((&*b.name, b.identity.as_deref()), ("b", Some("/x")));
        let why = b.object.as_ref().unwrap_err();
        assert!(why.starts_with("heard: "), "{why}");
    }
}
