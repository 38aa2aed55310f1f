//! Rust source as tokens: enough to see modules and paths, not to be taken in by
//! comments and strings.

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A word, or a number.
    Word(String),
    /// The inside of a string literal, as written.
    Text(String),
    /// Any other character; `::` is two of them.
    Mark(char),
}

impl Token {
    /// Whether it is this word.
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own == word)
    }
}

/// The tokens of a source, comments left out.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut rest = source;
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (token, length) = if rest.starts_with("//") {
            (None, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (None, block_comment(rest))
        } else if let Some((text, length)) = string(rest) {
            (Some(Token::Text(text)), length)
        } else if first == '\'' {
            (None, quote(rest))
        } else if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            (Some(Token::Word(rest[..length].to_owned())), length)
        } else if first.is_whitespace() {
            (None, first.len_utf8())
        } else {
            (Some(Token::Mark(first)), first.len_utf8())
        };
        tokens.extend(token);
        rest = &rest[length..];
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a block comment; they nest.
fn block_comment(source: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < source.len() {
        if source[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if source[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += source[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// A string literal of any sort: what is in it, and its whole length.
fn string(source: &str) -> Option<(String, usize)> {
    let prefix = source.find('"')?;
    let raw = match &source[..prefix] {
        "" | "b" | "c" => None,
        before => {
            let hashes = before.trim_start_matches(['b', 'c']).strip_prefix('r')?;
            Some(hashes.chars().all(|c| c == '#').then_some(hashes)?)
        }
    };
    let start = prefix + 1;
    if let Some(hashes) = raw {
        let end = format!("\"{hashes}");
        let inside = source[start..].find(&end).unwrap_or(source.len() - start);
        let text = source[start..start + inside].to_owned();
        return Some((text, (start + inside + end.len()).min(source.len())));
    }
    let mut escaped = false;
    for (at, c) in source[start..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some((source[start..start + at].to_owned(), start + at + 1)),
            _ => {}
        }
    }
    Some((source[start..].to_owned(), source.len()))
}

/// The length of a character literal, or of a lifetime's quote.
fn quote(source: &str) -> usize {
    let mut inside = source[1..].char_indices();
    match (inside.next(), inside.next()) {
        (Some((_, '\\')), Some((escaped, c))) => {
            let from = 1 + escaped + c.len_utf8();
            let closing = source[from..].find('\'');
            closing.map_or(source.len(), |at| from + at + 1)
        }
        (Some(_), Some((at, '\''))) => 1 + at + 1,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        let all = tokens(source).into_iter();
        all.filter_map(|token| match token {
            Token::Word(word) => Some(word),
            Token::Text(_) | Token::Mark(_) => None,
        })
        .collect()
    }

    #[test]
    fn comments_and_literals_hide_nothing_and_show_nothing() {
        let source = r##"
            one // tokio "
            /* tokio /* tokio */ tokio */ two
            "tokio \" tokio" three b"tokio" four r#"tokio " tokio"# five
            '"' six '\'' seven 'a' eight '\u{1F600}' nine &'tokio ten
        "##;
        let seen = words(source);
        let expected = "one two three four five six seven eight nine tokio ten";
        assert_eq!(seen.join(" "), expected);
    }

    #[test]
    fn what_never_ends_ends_with_the_file() {
        for source in ["x /* y", "x \"y", "x r#\"y", "x '\\", "x '", "x // y"] {
            assert_eq!(words(source), ["x"], "{source}");
        }
    }

    #[test]
    fn a_string_keeps_its_text() {
        let text = |source| tokens(source)[0].clone();
        assert_eq!(
            text(r#""../lab/mod.rs""#),
            Token::Text("../lab/mod.rs".to_owned())
        );
        assert_eq!(text("r\"a\\b\""), Token::Text("a\\b".to_owned()));
        assert_eq!(text("result"), Token::Word("result".to_owned()));
    }
}
