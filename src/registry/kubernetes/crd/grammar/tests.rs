//! What the schemas take, aso-guard reads, and the other way round: the same cases for both.

use regex::Regex;
use rstest::rstest;

use super::*;
use crate::arm;
use crate::claim::Justification;
use crate::object::text;
use crate::registry::kubernetes::crd::crds;

fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).unwrap().is_match(text)
}

/// Whether the schema of a field takes a text.
fn takes(shape: FieldGrammar, text: &str) -> bool {
    let mut schema = JSONSchemaProps::default();
    shape.tighten(&mut schema);
    let length = i64::try_from(text.chars().count()).unwrap();
    let rules = schema.x_kubernetes_validations.unwrap_or_default();
    let by_rules = rules.iter().all(|rule| {
        let (wanted, rule) = match rule.rule.strip_prefix('!') {
            None => (true, &*rule.rule),
            Some(rule) => (false, rule),
        };
        let pattern = rule.strip_prefix("self.matches(r'").unwrap();
        matches(pattern.strip_suffix("')").unwrap(), text) == wanted
    });
    schema.max_length.is_none_or(|most| length <= most)
        && schema.pattern.is_none_or(|pattern| matches(&pattern, text))
        && by_rules
}

/// Texts that are awkward wherever they stand.
const AWKWARD: [&str; 30] = [
    "",
    " ",
    "a",
    "A",
    "a b",
    " a",
    "a ",
    "-a",
    "a-",
    "a.b",
    "a..b",
    ".",
    "..",
    "...",
    ".a",
    "a/b",
    "a#b",
    "a;b",
    "`id`",
    "$(id)",
    "\x1b[2J",
    "a\nb",
    "\u{7f}",
    "\u{85}",
    "a\u{a0}b",
    "\u{a0}",
    "\u{200b}",
    "\u{202e}x",
    "grün",
    "\u{feff}",
];

/// The same, and names that are long.
fn awkward() -> Vec<String> {
    let mut all: Vec<String> = AWKWARD.iter().map(|text| (*text).to_owned()).collect();
    for length in [62, 63, 64, 252, 253, 254, 300] {
        all.push("n".repeat(length));
        all.push("ü".repeat(length));
    }
    all.push(format!("{}.{}", "n".repeat(100), "m".repeat(152)));
    all
}

/// Every way to put an awkward text into an identity, and words out of their places.
fn identities() -> Vec<String> {
    let mut all = Vec::new();
    for one in awkward() {
        for around in [
            "/subscriptions/{}",
            "/subscriptions/s/resourceGroups/{}",
            "/subscriptions/s/resourceGroups/{}/providers/P/t/n",
            "/subscriptions/s/providers/{}/t/n",
            "/subscriptions/s/providers/P/{}/n",
            "/subscriptions/s/providers/P/t/{}",
            "/subscriptions/s/providers/P/t/{}#User/a",
            "/subscriptions/s/providers/P/t/n#{}/a",
            "/subscriptions/s/providers/P/t/n#User/{}",
            "/tenants/{}/providers/P/t/n",
            "{}/subscriptions/s",
        ] {
            all.push(around.replace("{}", &one));
        }
    }
    let words = [
        "subscriptions",
        "Subscriptions",
        "\u{17f}ubscriptions",
        "resourceGroups",
        "providers",
        "PROVIDERS",
        "provider",
        "providersx",
        "tenants",
        "x",
        "y",
    ];
    // Every path of these words, up to six of them long, in steps that never repeat.
    let (mut state, mut path) = (1_u32, Vec::new());
    for _ in 0..20_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let pick = usize::try_from(state >> 16).unwrap();
        if path.len() >= 8 || pick.is_multiple_of(13) {
            path.clear();
        }
        path.push(words[pick % words.len()]);
        all.push(format!("/{}", path.join("/")));
    }
    for length in [2047, 2048, 2049, 5000] {
        let name = |c: &str, before: &str| format!("{before}{}", c.repeat(length - before.len()));
        all.push(name("s", "/subscriptions/"));
        all.push(name("ü", "/subscriptions/s/resourceGroups/"));
    }
    all
}

#[test]
fn an_identity_is_taken_if_and_only_if_it_is_read() {
    let [(structure, _), (slips, _)] = identity();
    let (structure, slips) = (Regex::new(&structure).unwrap(), Regex::new(&slips).unwrap());
    let takes = |text: &str| {
        text.chars().count() <= MAX_LEN && structure.is_match(text) && !slips.is_match(text)
    };
    let (mut accepted, all) = (0, identities());
    for text in &all {
        let read = text.parse::<arm::Identity>();
        // One slash at the end is dropped when it is read, and never written.
        let is_read = read.as_ref().is_ok_and(|read| read.as_str() == text);
        assert_eq!(takes(text), is_read, "{text:?}: {read:?}");
        accepted += usize::from(is_read);
    }
    assert!(accepted > 100 && all.len() - accepted > 100, "{accepted}");
}

#[test]
fn names_are_taken_if_and_only_if_they_are_read() {
    for name in awkward() {
        assert_eq!(takes(Label, &name), text::is_dns_label(&name), "{name:?}");
        let subdomain = text::is_dns_subdomain(&name);
        assert_eq!(takes(Subdomain, &name), subdomain, "{name:?}");
        assert_eq!(takes(Kind, &name), text::is_kind(&name), "{name:?}");
    }
}

#[test]
fn what_is_written_of_any_text_is_taken() {
    for one in awkward() {
        let written = text::printable(&one, 200);
        assert!(takes(NAME, &written), "{one:?}");
        let why = Justification::new(&one);
        assert_eq!(why.is_some(), takes(Said(REASON), &one) || why.is_some());
        if let Some(why) = why {
            assert!(takes(Said(REASON), why.as_str()), "{one:?}");
            assert_eq!(Justification::new(why.as_str()), Some(why), "{one:?}");
        }
        // What is taken says something.
        assert!(
            !takes(Said(REASON), &one) || Justification::new(&one).is_some(),
            "{one:?}"
        );
    }
}

#[rstest]
#[case("2026-01-01T00:00:00Z", true)]
#[case("2026-01-01T00:00:00.123456789Z", true)]
#[case("1970-01-01T00:00:00Z", true)]
#[case("2026-01-01T00:00:00.1234567890Z", false)]
#[case("2026-01-01T00:00:00+99:99", false)]
#[case("2026-01-01T00:00:00+01:00", false)]
#[case("2026-01-01t00:00:00z", false)]
#[case("9999-12-31T23:59:59Z", false)]
#[case("2026-01-01T00:00:00", false)]
#[case("2026-01-01", false)]
#[case("", false)]
fn times_that_are_taken_are_read(#[case] time: &str, #[case] taken: bool) {
    assert_eq!(takes(Time, time), taken);
    let read = time.parse::<jiff::Timestamp>();
    if taken {
        assert_eq!(read.unwrap().to_string(), time);
    }
}

/// A field that is misspelt here, or forgotten, would hold anything.
#[test]
fn every_text_of_the_schemas_has_a_shape() {
    for mut crd in crds() {
        let kind = crd.spec.names.kind.clone();
        let schema = crd.spec.versions[0].schema.as_mut().unwrap();
        let schema = schema.open_api_v3_schema.as_mut().unwrap();
        for (path, _) in fields(&kind) {
            assert!(field(schema, path).is_some(), "{kind} has no {path}");
        }
        for top in ["spec", "status"] {
            let mut free = Vec::new();
            unshaped(field(schema, top).unwrap(), top, &mut free);
            // What people say of a transfer is made fit when it is read, and what they write in
            // a namespace's annotation is compared as it stands.
            let as_it_stands = ["spec.reason", "spec.policyChanges.policy"];
            free.retain(|path| !as_it_stands.contains(&&**path));
            assert!(free.is_empty(), "{kind}: {free:?}");
        }
    }
}

fn unshaped(schema: &JSONSchemaProps, path: &str, free: &mut Vec<String>) {
    for (name, one) in schema.properties.iter().flatten() {
        unshaped(one, &format!("{path}.{name}"), free);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
        unshaped(item, path, free);
    }
    let kind = schema.type_.as_deref();
    let shaped = schema.pattern.is_some()
        || schema.enum_.is_some()
        || schema.maximum.is_some()
        || schema.x_kubernetes_validations.is_some();
    if matches!(kind, Some("string" | "integer")) && !shaped {
        free.push(path.to_owned());
    }
}
