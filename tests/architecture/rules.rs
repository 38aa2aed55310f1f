//! What a module may use: the layers, and what is pure.

use crate::map::Map;
use crate::source::Module;
use crate::tokens::Token;

/// Paths that begin with one of these lead out of a pure module.
const IMPURE: [&str; 24] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "axum",
    "futures",
    "http",
    "hyper",
    "hyper_util",
    "k8s_openapi",
    "kube",
    "rustls",
    "tokio",
    "tokio_rustls",
    "tokio_util",
    "tower",
    "tower_http",
    "tracing",
    "uuid::Uuid::new_v4",
];

/// Paths that end with one of these do, too, whatever they begin with.
const IMPURE_CALLS: [&str; 2] = ["now", "new_v4"];

/// Words that a pure module does without.
const IMPURE_WORDS: [&str; 8] = [
    "async", "await", "dbg", "eprint", "eprintln", "print", "println", "unsafe",
];

/// Words that may stand before the `::` of a path without being part of it.
const BEFORE_PATHS: [&str; 8] = ["use", "as", "dyn", "impl", "in", "mut", "return", "where"];

/// What is wrong with a module of the library, a line each.
pub fn offences(module: &Module, map: &Map) -> Vec<String> {
    let Some(top) = module.path.first() else {
        return Vec::new();
    };
    let Some(layer) = map.layer(top) else {
        return vec![format!("{top} has no row in the map of src/lib.rs")];
    };
    let paths = paths(&module.tokens);
    let used = paths
        .iter()
        .filter_map(|path| in_crate(path, &module.path, map));
    let mut found: Vec<String> = used
        .filter(|used| used != top && !layer.may_use.contains(used))
        .map(|used| format!("{top} may not use {used}"))
        .collect();
    if layer.is_pure(&module.path[1..]) {
        found.extend(impurities(&paths, &module.tokens));
    }
    found.sort();
    found.dedup();
    found
}

/// The top module that a path leads to, if it leads through the crate's root.
fn in_crate(path: &[String], from: &[String], map: &Map) -> Option<String> {
    let supers = path.iter().take_while(|part| *part == "super").count();
    let to_root = match path.first()?.as_str() {
        "crate" => 1,
        "super" if supers >= from.len() => supers,
        "self" if from.is_empty() => 1,
        _ => return None,
    };
    // What is not a module is a re-export or a macro of the root itself.
    let top = path.get(to_root)?;
    map.layer(top).map(|layer| layer.name.clone())
}

fn impurities(paths: &[Vec<String>], tokens: &[Token]) -> Vec<String> {
    let paths = paths.iter().filter(|path| {
        let whole = path.join("::");
        let begins = |with: &&str| whole == **with || whole.starts_with(&format!("{with}::"));
        let calls = path.len() > 1
            && path
                .last()
                .is_some_and(|end| IMPURE_CALLS.contains(&&**end));
        calls || IMPURE.iter().any(begins)
    });
    let paths = paths.map(|path| path.join("::"));
    let words = IMPURE_WORDS
        .iter()
        .filter(|word| tokens.iter().any(|token| token.is(word)));
    let words = words.map(|word| (*word).to_owned());
    paths
        .chain(words)
        .map(|what| format!("{what} in a pure module"))
        .collect()
}

/// What is brought in by `use`, one path each.
pub fn uses(tokens: &[Token]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.is("use") {
            path(&tokens[at + 1..], &[], &mut found);
        }
    }
    found
}

/// Every path in a file, those of `use a::{b, c::d};` one by one.
pub fn paths(tokens: &[Token]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = tokens;
    while let Some(token) = rest.first() {
        rest = match token {
            Token::Word(word) if !BEFORE_PATHS.contains(&word.as_str()) => {
                path(rest, &[], &mut found)
            }
            Token::Word(_) | Token::Text(_) | Token::Mark(_) => &rest[1..],
        };
    }
    found
}

/// Follows one path, from a word on; gives what comes after it.
fn path<'a>(tokens: &'a [Token], above: &[String], found: &mut Vec<Vec<String>>) -> &'a [Token] {
    let mut own = above.to_vec();
    let mut rest = tokens;
    while let [Token::Word(word), after @ ..] = rest {
        own.push(word.clone());
        rest = match after {
            [Token::Mark(':'), Token::Mark(':'), after @ ..] => after,
            after => {
                found.push(own);
                return after;
            }
        };
    }
    if let [Token::Mark('{'), inside @ ..] = rest {
        return tree(inside, &own, found);
    }
    found.push(own);
    rest
}

/// Follows what stands in the braces of a `use`; gives what comes after them.
fn tree<'a>(tokens: &'a [Token], above: &[String], found: &mut Vec<Vec<String>>) -> &'a [Token] {
    let mut rest = tokens;
    while let Some(token) = rest.first() {
        rest = match token {
            Token::Mark('}') => return &rest[1..],
            Token::Word(_) => path(rest, above, found),
            Token::Text(_) | Token::Mark(_) => &rest[1..],
        };
    }
    rest
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rstest::rstest;

    use super::{Map, Module};
    use crate::tokens::tokens;

    fn offences(module: &Module) -> Vec<String> {
        super::offences(module, &Map::read(include_str!("../../src/lib.rs")))
    }

    fn module(path: &str, source: &str) -> Module {
        Module {
            file: PathBuf::new(),
            path: path.split("::").map(str::to_owned).collect(),
            for_tests: false,
            tokens: tokens(source),
        }
    }

    #[rstest]
    #[case(
        "claim",
        "use crate::registry::Registry;",
        "claim may not use registry"
    )]
    #[case("arm::id", "use crate::{object::X, cli};", "arm may not use cli")]
    #[case("claim", "fn f(x: super::cluster::X) {}", "claim may not use cluster")]
    #[case(
        "claim::record",
        "use super::super::{server};",
        "claim may not use server"
    )]
    #[case(
        "claim::record",
        "fn f() { crate::admission::g() }",
        "claim may not use admission"
    )]
    #[case(
        "server",
        "use crate::{a::b, claim::{self, X}};",
        "server may not use claim"
    )]
    #[case(
        "telemetry::logs",
        "pub use crate::claim;",
        "telemetry may not use claim"
    )]
    #[case("object", "use crate::policy::Policy;", "object may not use policy")]
    #[case(
        "registry::kubernetes",
        "use crate::cluster::X as Y;",
        "registry may not use cluster"
    )]
    #[case("news", "", "news has no row in the map of src/lib.rs")]
    fn arrows_that_point_upwards_are_found(
        #[case] path: &str,
        #[case] source: &str,
        #[case] offence: &str,
    ) {
        assert_eq!(offences(&module(path, source)), [offence]);
    }

    #[rstest]
    #[case("use tokio::sync::Mutex;", "tokio::sync::Mutex")]
    #[case("use ::tokio as t;", "tokio")]
    #[case("async fn f() {}", "async")]
    #[case("fn f() { g().await }", "await")]
    #[case("use std::{fmt, fs::{self, File}};", "std::fs::File")]
    #[case("use std::fs;", "std::fs")]
    #[case(
        "fn f() -> Option<String> { std::env::var(\"X\").ok() }",
        "std::env::var"
    )]
    #[case("fn f() { let at = jiff::Timestamp::now(); }", "jiff::Timestamp::now")]
    #[case(
        "use jiff::Timestamp; fn f() { Timestamp :: now () }",
        "Timestamp::now"
    )]
    #[case("use std::time::{Duration, Instant};", "std::time::Instant")]
    #[case("fn f() { Uuid::new_v4() }", "Uuid::new_v4")]
    #[case("fn f() { println!(\"x\") }", "println")]
    #[case("use kube::Client;", "kube::Client")]
    #[case("fn f(x: axum::Router) {}", "axum::Router")]
    fn impurity_is_found(#[case] source: &str, #[case] what: &str) {
        let found = offences(&module("claim::record", source));
        assert!(
            found.contains(&format!("{what} in a pure module")),
            "{source}: {found:?}"
        );
        assert_eq!(offences(&module("cluster::observer", source)), [""; 0]);
    }

    #[rstest]
    #[case("use crate::{arm::Identity, object::{ObjectKey}, policy::Policy};")]
    #[case("use super::names::CopyRef; use super::super::claim::Record;")]
    #[case("use std::{collections::BTreeMap, fmt, time::Duration}; use jiff::Timestamp;")]
    #[case("fn f(now: Timestamp) { let heard = Heard::since(last, now); }")]
    #[case("/// See tokio::main, crate::cli.\nconst X: &str = \"async std::fs\";")]
    #[case("fn registry(server: u8) { self.cluster(server) }")]
    fn what_is_allowed_is_not_complained_of(#[case] source: &str) {
        assert_eq!(offences(&module("claim::record", source)), [""; 0]);
    }
}
