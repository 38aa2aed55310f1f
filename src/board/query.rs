//! What an address asks for after its `?`, and addresses that ask.

use form_urlencoded::Serializer;
use http::Uri;

/// The named values in an address.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Those of this address: anything is one, for people edit addresses.
    pub(super) fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
        Self(pairs.collect())
    }

    /// The last value of a name, without the space around it; empty where there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        let last = self.0.iter().rev().find(|(known, _)| known == name);
        last.map(|(_, value)| value.trim()).unwrap_or_default()
    }
}

/// The address of a page of the board, with the values that are not empty.
pub(super) fn link(path: &str, values: &[(&str, &str)]) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(values.iter().filter(|(_, value)| !value.is_empty()));
    let query = query.finish();
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_link_asks_for_is_what_is_asked() {
        let wild = "/subscriptions/s/a&b=c d#\"<ü>?+%41";
        let link = link("/claim", &[("id", wild), ("member", "")]);
        assert!(!link.contains("member"), "{link}");
        let query = Query::of(&link.parse().unwrap());
        assert_eq!(query.get("id"), wild);
        assert_eq!(query.get("member"), "");
    }

    #[test]
    fn of_a_name_that_comes_twice_the_last_one_counts() {
        let query = Query::of(&"/?state=live&state=%20parked%20&&=".parse().unwrap());
        assert_eq!(query.get("state"), "parked");
    }
}
