//! How names in Azure are compared.

use std::cmp::Ordering;
use std::hash::Hasher;

/// A character in the case that names in Azure are compared in.
///
/// Azure says of names that they are [to be compared without regard to case][rules], and a
/// resource group's may have letters of any script in it. ARM is a .NET service, where that
/// comparison of identifiers is `OrdinalIgnoreCase`: character by character, by Unicode's
/// simple mapping to upper case, in no language's way. [.NET leaves out][dotnet] `İ`, `ı` and
/// `ſ`, so that nothing but an ASCII letter is ever equal to an ASCII letter.
///
/// ASCII letters are put in lower case here: that is as good for comparing, and what claims
/// have been named by.
///
/// [rules]: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
/// [dotnet]: https://github.com/dotnet/runtime/pull/55520
pub fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) if !one.is_ascii() => one,
        // The full mapping has several characters; the simple one may have one all the same.
        (Some(_), Some(_)) => simple_upper(c),
        _ => c,
    }
}

/// Unicode's simple mapping to upper case, of the Greek letters that have another full one.
fn simple_upper(c: char) -> char {
    let beyond = match c {
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => 8,
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => 9,
        _ => 0,
    };
    char::from_u32(u32::from(c) + beyond).unwrap_or(c)
}

/// A text in the case that names in Azure are compared in: see [`fold`].
pub fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().map(fold).collect()
}

/// Whether Azure takes two names for the same: see [`fold`].
pub fn same_name(a: &str, b: &str) -> bool {
    if a.is_ascii() || b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.chars().map(fold).eq(b.chars().map(fold))
}

/// What follows a prefix in a text, by the same comparison.
pub(super) fn rest_after<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    if text.is_ascii() && prefix.is_ascii() {
        let (start, rest) = text.split_at_checked(prefix.len())?;
        return start.eq_ignore_ascii_case(prefix).then_some(rest);
    }
    let mut chars = text.chars();
    let mut prefix = prefix.chars();
    prefix
        .all(|wanted| chars.next().is_some_and(|c| fold(c) == fold(wanted)))
        .then_some(chars.as_str())
}

pub(super) fn folded_cmp(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        let fold = |byte: u8| byte.to_ascii_lowercase();
        return a.bytes().map(fold).cmp(b.bytes().map(fold));
    }
    a.chars().map(fold).cmp(b.chars().map(fold))
}

pub(super) fn folded_hash<H: Hasher>(text: &str, state: &mut H) {
    if !text.is_ascii() {
        text.chars().for_each(|c| state.write_u32(fold(c).into()));
        return;
    }
    for chunk in text.as_bytes().chunks(64) {
        let mut folded = [0; 64];
        let folded = &mut folded[..chunk.len()];
        folded.copy_from_slice(chunk);
        folded.make_ascii_lowercase();
        state.write(folded);
    }
    state.write_u8(0xff);
}
