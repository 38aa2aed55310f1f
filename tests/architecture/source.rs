//! The package's source files, and how they hang together: each is a target's
//! root, or named by a `mod`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::slice::from_ref;

use crate::tokens::{Token, tokens};

/// Where Rust files are.
const FOLDERS: [&str; 4] = ["src", "tests", "benches", "examples"];

/// Rust files by their path in the package.
pub type Files = BTreeMap<PathBuf, String>;

/// A file that is compiled.
#[derive(Debug)]
pub struct Module {
    /// Its file.
    pub file: PathBuf,
    /// Its path in its crate, such as `claim`, `record`.
    pub path: Vec<String>,
    /// Whether it is compiled for tests only.
    pub for_tests: bool,
    /// What is in it, without what is for tests only.
    pub tokens: Vec<Token>,
}

/// A `mod name;`.
#[derive(Debug, PartialEq, Eq)]
struct Declaration {
    /// The modules with a body that it stands in.
    inside: Vec<String>,
    name: String,
    /// What `#[path]` says.
    at: Option<String>,
    for_tests: bool,
}

/// Reads all Rust files of the package.
pub fn read(package: &Path) -> Files {
    let mut files = Files::new();
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|name| package.join(name)).collect();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.insert(path.strip_prefix(package).unwrap().to_owned(), text);
            }
        }
    }
    files
}

/// What cargo compiles by itself: the library, the binaries, and each file or
/// folder in `tests`, `benches` and `examples`.
fn is_root(file: &Path) -> bool {
    let parts: Vec<&str> = file.iter().filter_map(|part| part.to_str()).collect();
    matches!(
        parts[..],
        ["src", "lib.rs" | "main.rs"]
            | ["src", "bin", _]
            | ["tests" | "benches" | "examples", _]
            | ["tests" | "benches" | "examples", _, "main.rs"]
    )
}

/// Every module of every target. A file of two targets is there twice.
pub fn modules(files: &Files) -> Vec<Module> {
    let mut found = Vec::new();
    let roots = files.keys().filter(|file| is_root(file));
    let mut todo: Vec<(PathBuf, Vec<String>, bool)> = roots
        .map(|file| (file.clone(), Vec::new(), !file.starts_with("src")))
        .collect();
    while let Some((file, path, for_tests)) = todo.pop() {
        let Some(text) = files.get(&file) else {
            continue;
        };
        let all = tokens(text);
        for declared in declarations(&all) {
            let path = [&path[..], &declared.inside, from_ref(&declared.name)].concat();
            let for_tests = for_tests || declared.for_tests;
            for candidate in candidates(&file, &declared) {
                todo.push((candidate, path.clone(), for_tests));
            }
        }
        found.push(Module {
            file,
            path,
            for_tests,
            tokens: without_tests(&all),
        });
    }
    found
}

/// The files that no target compiles.
pub fn orphans(files: &Files) -> Vec<PathBuf> {
    let compiled: BTreeSet<PathBuf> = modules(files).into_iter().map(|one| one.file).collect();
    let all = files.keys();
    all.filter(|file| !compiled.contains(*file))
        .cloned()
        .collect()
}

/// Where the file of a declared module may be.
fn candidates(file: &Path, declared: &Declaration) -> Vec<PathBuf> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let stem = file
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let own = if is_root(file) || stem == "mod" {
        folder.to_owned()
    } else {
        folder.join(stem)
    };
    let inside: PathBuf = declared.inside.iter().collect();
    match &declared.at {
        Some(at) if declared.inside.is_empty() => vec![plain(&folder.join(at))],
        Some(at) => vec![plain(&own.join(inside).join(at))],
        None => {
            let base = own.join(inside);
            let name = &declared.name;
            vec![
                base.join(format!("{name}.rs")),
                base.join(name).join("mod.rs"),
            ]
        }
    }
}

/// A path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// Every `mod name;` in a file.
fn declarations(tokens: &[Token]) -> Vec<Declaration> {
    let mut found = Vec::new();
    // The names of the modules around, and of other braces as nothing.
    let mut around: Vec<Option<(String, bool)>> = Vec::new();
    let mut attributes: Vec<&[Token]> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if let Some(length) = attribute(&tokens[at..]) {
            attributes.push(&tokens[at..at + length]);
            at += length;
            continue;
        }
        if let [first, Token::Word(name), Token::Mark(end @ (';' | '{')), ..] = &tokens[at..]
            && first.is("mod")
        {
            let for_tests = attributes.iter().any(|one| is_for_tests(one));
            if *end == '{' {
                around.push(Some((name.clone(), for_tests)));
            } else {
                let modules = around.iter().flatten();
                found.push(Declaration {
                    inside: modules.clone().map(|(name, _)| name.clone()).collect(),
                    name: name.clone(),
                    at: attributes.iter().find_map(|one| path_in(one)),
                    for_tests: for_tests || modules.clone().any(|(_, for_tests)| *for_tests),
                });
            }
            at += 3;
            attributes.clear();
            continue;
        }
        match token {
            Token::Mark('{') => around.push(None),
            Token::Mark('}') => drop(around.pop()),
            _ => {}
        }
        // `pub`, `pub(crate)` stand between an attribute and its module.
        if matches!(token, Token::Mark('{' | '}' | ';')) {
            attributes.clear();
        }
        at += 1;
    }
    found
}

/// The length of the attribute that these tokens begin with.
fn attribute(tokens: &[Token]) -> Option<usize> {
    let [Token::Mark('#'), Token::Mark('['), ..] = tokens else {
        return None;
    };
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Mark('[') => depth += 1,
            Token::Mark(']') => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// Whether an attribute is `#[cfg(test)]`.
fn is_for_tests(attribute: &[Token]) -> bool {
    matches!(attribute, [_, _, cfg, Token::Mark('('), test, Token::Mark(')'), _]
        if cfg.is("cfg") && test.is("test"))
}

/// What a `#[path = "…"]` says.
fn path_in(attribute: &[Token]) -> Option<String> {
    match attribute {
        [_, _, path, Token::Mark('='), Token::Text(at), _] if path.is("path") => Some(at.clone()),
        _ => None,
    }
}

/// Leaves out every item that is for tests only.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match attribute(&tokens[at..]) {
            Some(length) if is_for_tests(&tokens[at..at + length]) => {
                at += length;
                at += item(&tokens[at..]);
            }
            Some(length) => {
                kept.extend_from_slice(&tokens[at..at + length]);
                at += length;
            }
            None => {
                kept.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    kept
}

/// The length of an item: up to its `;`, or to the end of its body.
fn item(tokens: &[Token]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Mark(';') if depth == 0 => return at + 1,
            Token::Mark('{' | '(' | '[') => depth += 1,
            Token::Mark('}' | ')' | ']') => depth -= 1,
            _ => {}
        }
        if depth <= 0 && *token == Token::Mark('}') {
            return at + 1;
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(files: &[(&str, &str)]) -> Files {
        let files = files.iter();
        files
            .map(|(path, text)| (PathBuf::from(path), (*text).to_owned()))
            .collect()
    }

    #[test]
    fn a_file_that_nothing_names_is_an_orphan() {
        let files = package(&[
            (
                "src/lib.rs",
                "mod a; // mod e;\nconst B: &str = \"mod e;\";",
            ),
            ("src/a/mod.rs", "pub(crate) mod b; mod inline { mod d; }"),
            ("src/a/b.rs", "#[cfg(test)] mod c;"),
            ("src/a/b/c.rs", ""),
            ("src/a/inline/d.rs", ""),
            ("src/e.rs", "mod f;"),
            ("src/e/f.rs", ""),
            ("tests/one.rs", "#[path = \"shared/mod.rs\"] mod shared;"),
            (
                "tests/two/main.rs",
                "#[path = \"../shared/mod.rs\"] mod shared; mod part;",
            ),
            ("tests/two/part.rs", ""),
            ("tests/two/forgotten.rs", ""),
            ("tests/shared/mod.rs", "mod deep;"),
            ("tests/shared/deep.rs", ""),
        ]);
        let expected = ["src/e/f.rs", "src/e.rs", "tests/two/forgotten.rs"];
        assert_eq!(orphans(&files), expected.map(PathBuf::from));
    }

    #[test]
    fn modules_know_where_they_are_and_whether_they_are_for_tests() {
        let files = package(&[
            ("src/lib.rs", "pub mod a;"),
            (
                "src/a/mod.rs",
                "mod b; #[cfg(test)] mod tests { mod c; } #[cfg(test)] mod d;",
            ),
            ("src/a/b.rs", ""),
            ("src/a/tests/c.rs", ""),
            ("src/a/d.rs", "mod e;"),
            ("src/a/d/e.rs", ""),
        ]);
        let all = modules(&files);
        let for_tests = |path: &str| {
            let found = all.iter().find(|one| one.path.join("::") == path);
            found.map(|one| one.for_tests)
        };
        assert_eq!(for_tests("a::b"), Some(false));
        assert_eq!(for_tests("a::tests::c"), Some(true));
        assert_eq!(for_tests("a::d::e"), Some(true));
        assert_eq!(for_tests("a::e"), None);
    }

    #[test]
    fn only_what_is_for_tests_is_left_out() {
        let source = "use a; #[cfg(test)] use b; #[cfg(test)] #[rstest] mod c { fn d() {} } \
                      #[derive(E)] struct F; #[cfg(test)] fn g() -> [u8; 2] { {} } fn h() {}";
        let kept = without_tests(&tokens(source));
        let words = kept.iter().filter_map(|token| match token {
            Token::Word(word) => Some(word.as_str()),
            Token::Text(_) | Token::Mark(_) => None,
        });
        let words: Vec<_> = words.collect();
        assert_eq!(words.join(" "), "use a derive E struct F fn h");
    }
}
