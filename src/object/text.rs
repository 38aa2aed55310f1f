//! Texts of unknown origin: which characters nobody can see, which texts can be names in
//! Kubernetes, and how any text is written as one word of a shell's line.

use std::error::Error;

/// Characters that nobody can see, or that change how others are seen: controls (a terminal
/// obeys them), white space other than the plain blank, marks of direction, and the like.
/// As ranges, for the registry's CRDs say the same as patterns.
pub const UNPRINTABLE: [(char, char); 15] = [
    ('\0', '\x1f'),
    ('\x7f', '\u{a0}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{2000}', '\u{200f}'),
    ('\u{2028}', '\u{202f}'),
    ('\u{205f}', '\u{206f}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Whether a character is one of [`UNPRINTABLE`].
pub fn is_unprintable(c: char) -> bool {
    UNPRINTABLE
        .iter()
        .any(|&(from, to)| (from..=to).contains(&c))
}

/// A text with what nobody can see replaced, and what is beyond `longest` characters cut off.
pub fn printable(text: &str, longest: usize) -> String {
    let mut kept: String = text.chars().take(longest).map(seen).collect();
    if text.chars().nth(longest).is_some() {
        kept.push('…');
    }
    kept
}

fn seen(c: char) -> char {
    if is_unprintable(c) {
        char::REPLACEMENT_CHARACTER
    } else {
        c
    }
}

/// A text as one word of a shell's line: as it is where no shell sees more in it than a word,
/// else between quotes. Names in Azure and on a hub may hold anything, and people paste what
/// they are told to type.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | ':');
    let option = text.starts_with('-');
    if !text.is_empty() && !option && text.chars().all(plain) {
        return text.to_owned();
    }
    let seen: String = text.chars().map(seen).collect();
    format!("'{}'", seen.replace('\'', "'\\''"))
}

/// Whether a text is a DNS label (RFC 1123): what names of namespaces, members, transfers and
/// labels' values have in common.
pub fn is_dns_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let ends = |b: Option<&u8>| b.is_some_and(|&b| b != b'-');
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.iter().all(|&b| inner(b))
        && ends(bytes.first())
        && ends(bytes.last())
}

/// Whether a text is a DNS subdomain (RFC 1123): what Kubernetes takes as the name of a custom
/// resource's object, and as an API group.
pub fn is_dns_subdomain(text: &str) -> bool {
    let part = |part: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !part.is_empty()
            && part.bytes().all(inner)
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(part)
}

/// Whether Kubernetes takes a text as a kind.
pub fn is_kind(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    text.len() <= 63
        && text.bytes().all(inner)
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with('-')
}

/// What an error says that is news to a person: without the layers of the HTTP client, which say
/// in several ways that there was an error.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut next = Some(error);
    let mut words: Vec<String> = Vec::new();
    while let Some(error) = next {
        let text = error.to_string();
        next = error.source();
        let is_layer = text.starts_with("ServiceError: ") || text.starts_with("client error (");
        if !is_layer && !words.iter().any(|said| said.contains(&text)) {
            words.push(text);
        }
    }
    if words.is_empty() {
        return error.to_string();
    }
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("rg-shop", "rg-shop")]
    #[case(
        "/subscriptions/s/resourceGroups/rg",
        "/subscriptions/s/resourceGroups/rg"
    )]
    #[case("", "''")]
    #[case("-rf", "'-rf'")]
    #[case("a b", "'a b'")]
    #[case("a;b", "'a;b'")]
    #[case("`id`", "'`id`'")]
    #[case("$(id)", "'$(id)'")]
    #[case("~", "'~'")]
    #[case("a'b", "'a'\\''b'")]
    #[case("a\nb\x1b[2J", "'a\u{fffd}b\u{fffd}[2J'")]
    #[case("a\u{202e}b\u{85}", "'a\u{fffd}b\u{fffd}'")]
    fn a_shell_sees_one_word(#[case] text: &str, #[case] word: &str) {
        assert_eq!(quoted(text), word);
    }

    #[test]
    fn all_controls_and_white_space_but_the_blank_are_unprintable() {
        let all = '\0'..=char::MAX;
        for c in all.filter(|&c| c.is_control() || (c.is_whitespace() && c != ' ')) {
            assert!(is_unprintable(c), "{c:?}");
        }
        assert!(!"aZ09 ü語-_.()…'\"".chars().any(is_unprintable));
    }

    #[test]
    fn what_is_long_is_cut_and_what_is_unseen_replaced() {
        assert_eq!(printable("ab\tc", 9), "ab\u{fffd}c");
        assert_eq!(printable("abcd", 3), "abc…");
    }

    #[rstest]
    #[case("rg", true, true)]
    #[case("a.b-c", true, false)]
    #[case("", false, false)]
    #[case("a..b", false, false)]
    #[case("-a", false, false)]
    #[case("a-.b", false, false)]
    #[case("A", false, true)]
    #[case("a;b", false, false)]
    #[case("Resource-Group", false, true)]
    #[case("a\n", false, false)]
    fn names_in_kubernetes(#[case] text: &str, #[case] subdomain: bool, #[case] kind: bool) {
        assert_eq!((is_dns_subdomain(text), is_kind(text)), (subdomain, kind));
    }
}
