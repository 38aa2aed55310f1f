//! ARM IDs: the paths by which Azure Resource Manager names resources.
//!
//! Every ARM ID is a list of pairs: `subscriptions/<id>`, `resourceGroups/<name>`,
//! then for each provider `providers/<namespace>` and one `<type>/<name>` per
//! level. Azure compares them [without regard to case](super::fold).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::object::text::is_unprintable;

use super::fold::{folded, folded_cmp, folded_hash, same_name};

/// The longest ARM ID that is accepted, in characters. Azure's own are far shorter;
/// the bound keeps records and messages small whatever somebody writes.
pub const MAX_LEN: usize = 2048;

/// A well-formed ARM ID of a subscription, a resource group or a resource. It
/// keeps its spelling, and compares [without regard to case](super::fold).
#[derive(Clone, Debug)]
pub struct ArmId(Box<str>);

/// Why a text is not an ARM ID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArmIdError {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// Longer than [`MAX_LEN`].
    #[error("it is {0} characters long, and an ARM ID has at most {MAX_LEN}")]
    TooLong(usize),
    /// Doesn't begin with a slash.
    #[error("{0} does not begin with a slash")]
    NotAbsolute(String),
    /// One of its segments can't be one.
    #[error("{id}: {problem}")]
    Segment {
        /// The text, shortened.
        id: String,
        /// What is wrong with the segment.
        problem: SegmentError,
    },
    /// A word stands where no ARM ID has it.
    #[error("{id}: {word} is not what comes next in an ARM ID")]
    Unexpected {
        /// The text, shortened.
        id: String,
        /// The word that is out of place.
        word: String,
    },
    /// It stops half-way: after a word without its value, or after `providers/<namespace>`.
    #[error("{0} is cut off: each type needs a name")]
    Incomplete(String),
}

/// Why a text can't be one segment of an ARM ID, such as a resource's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// Nothing there.
    #[error("a name is empty")]
    Empty,
    /// `.` or `..`, which would climb to another resource.
    #[error("`.` and `..` are not names")]
    Dots,
    /// White space at an end.
    #[error("a name begins or ends with white space")]
    Space,
    /// A character that means something else in a path, or that nobody can see.
    #[error("a name has {0:?} in it")]
    Character(char),
}

impl ArmId {
    /// Reads an ARM ID. One slash at its end is dropped, as ASO does.
    ///
    /// # Errors
    /// Where the text is not the ID of a subscription, a resource group or a resource.
    pub fn parse(text: &str) -> Result<Self, ArmIdError> {
        let text = without_last_slash(text);
        check(text)?;
        Ok(Self(text.into()))
    }

    /// The ID as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The ID in one case: equal IDs have equal keys.
    pub fn key(&self) -> String {
        folded(&self.0)
    }

    /// The subscription, where the ID has one.
    pub fn subscription(&self) -> Option<&str> {
        value_at(&self.0, ArmLevel::Subscription)
    }

    /// The resource group's name, where the ID has one.
    pub fn resource_group(&self) -> Option<&str> {
        value_at(&self.0, ArmLevel::ResourceGroup)
    }

    /// The type, such as `Microsoft.Storage/storageAccounts/blobServices`, or
    /// `Microsoft.Resources/resourceGroups`, or `Microsoft.Resources/subscriptions`.
    pub fn resource_type(&self) -> String {
        let mut words = Vec::new();
        for pair in IdPairs::of(&self.0) {
            match pair.level {
                ArmLevel::Start | ArmLevel::Tenant => {}
                ArmLevel::Subscription => words = vec!["Microsoft.Resources", "subscriptions"],
                ArmLevel::ResourceGroup => words = vec!["Microsoft.Resources", "resourceGroups"],
                ArmLevel::Provider => words = vec![pair.value],
                ArmLevel::Resource => words.push(pair.word),
            }
        }
        words.join("/")
    }
}

impl fmt::Display for ArmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for ArmId {
    fn eq(&self, other: &Self) -> bool {
        same_name(&self.0, &other.0)
    }
}

impl Eq for ArmId {}

impl PartialOrd for ArmId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ArmId {
    fn cmp(&self, other: &Self) -> Ordering {
        folded_cmp(&self.0, &other.0)
    }
}

impl Hash for ArmId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        folded_hash(&self.0, state);
    }
}

/// What a pair of an ARM ID names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArmLevel {
    Start,
    Tenant,
    Subscription,
    ResourceGroup,
    Provider,
    Resource,
}

impl ArmLevel {
    /// The level that `word` leads to, or `None` where it can't follow.
    fn next(self, word: &str) -> Option<Self> {
        let provider = word.eq_ignore_ascii_case("providers");
        match self {
            Self::Start if word.eq_ignore_ascii_case("subscriptions") => Some(Self::Subscription),
            Self::Start if word.eq_ignore_ascii_case("tenants") => Some(Self::Tenant),
            Self::Subscription if word.eq_ignore_ascii_case("resourceGroups") => {
                Some(Self::ResourceGroup)
            }
            Self::Provider if provider => None,
            _ if provider => Some(Self::Provider),
            Self::Provider | Self::Resource => Some(Self::Resource),
            Self::Start | Self::Tenant | Self::Subscription | Self::ResourceGroup => None,
        }
    }
}

/// One pair of a well-formed ARM ID.
pub(super) struct IdPair<'a> {
    pub(super) word: &'a str,
    pub(super) value: &'a str,
    pub(super) level: ArmLevel,
    /// How long the ID is up to and with this pair.
    pub(super) end: usize,
}

/// The pairs of a well-formed ARM ID, from its root.
pub(super) struct IdPairs<'a> {
    id: &'a str,
    at: usize,
    level: ArmLevel,
}

impl<'a> IdPairs<'a> {
    pub(super) fn of(id: &'a str) -> Self {
        Self {
            id,
            at: 0,
            level: ArmLevel::Start,
        }
    }
}

impl<'a> Iterator for IdPairs<'a> {
    type Item = IdPair<'a>;

    fn next(&mut self) -> Option<IdPair<'a>> {
        let mut segments = self.id.get(self.at..)?.strip_prefix('/')?.splitn(3, '/');
        let (word, value) = (segments.next()?, segments.next()?);
        self.level = self.level.next(word)?;
        self.at += word.len() + value.len() + 2;
        Some(IdPair {
            word,
            value,
            level: self.level,
            end: self.at,
        })
    }
}

/// Whether `text` is a well-formed ARM ID.
pub(super) fn check(text: &str) -> Result<(), ArmIdError> {
    if text.is_empty() {
        return Err(ArmIdError::Empty);
    }
    check_length(text)?;
    let Some(path) = text.strip_prefix('/') else {
        return Err(ArmIdError::NotAbsolute(excerpt(text)));
    };
    let mut level = ArmLevel::Start;
    let mut segments = path.split('/');
    while let Some(word) = segments.next() {
        let in_segment = |problem| ArmIdError::Segment {
            id: excerpt(text),
            problem,
        };
        check_segment(word).map_err(in_segment)?;
        level = level.next(word).ok_or_else(|| ArmIdError::Unexpected {
            id: excerpt(text),
            word: excerpt(word),
        })?;
        let value = segments
            .next()
            .ok_or_else(|| ArmIdError::Incomplete(excerpt(text)))?;
        check_segment(value).map_err(in_segment)?;
    }
    if matches!(level, ArmLevel::Provider | ArmLevel::Tenant) {
        return Err(ArmIdError::Incomplete(excerpt(text)));
    }
    Ok(())
}

pub(super) fn check_length(text: &str) -> Result<(), ArmIdError> {
    if text.len() <= MAX_LEN {
        return Ok(());
    }
    match text.chars().count() {
        long if long > MAX_LEN => Err(ArmIdError::TooLong(long)),
        _ => Ok(()),
    }
}

/// Whether `text` can be one segment of an ARM ID: a resource's name, or part of its type.
///
/// Azure's own rules differ by type and are stricter. Refused is what would
/// make the ID another one: separators, escapes, and what can't be seen.
pub(super) fn check_segment(text: &str) -> Result<(), SegmentError> {
    check_name(text)?;
    match text.chars().find(|c| matches!(c, '#' | '?' | '%' | '\\')) {
        Some(c) => Err(SegmentError::Character(c)),
        None => Ok(()),
    }
}

/// Whether `text` can be the name of something inside a resource that is not a
/// resource itself. Entra guests, for one, have `#EXT#` in their names.
pub(super) fn check_name(text: &str) -> Result<(), SegmentError> {
    if text.is_empty() {
        return Err(SegmentError::Empty);
    }
    if text == "." || text == ".." {
        return Err(SegmentError::Dots);
    }
    if text.trim().len() != text.len() {
        return Err(SegmentError::Space);
    }
    match text.chars().find(|&c| c == '/' || is_unprintable(c)) {
        Some(c) => Err(SegmentError::Character(c)),
        None => Ok(()),
    }
}

pub(super) fn without_last_slash(text: &str) -> &str {
    text.strip_suffix('/').unwrap_or(text)
}

pub(super) fn value_at(id: &str, level: ArmLevel) -> Option<&str> {
    IdPairs::of(id)
        .find(|pair| pair.level == level)
        .map(|pair| pair.value)
}

/// A text of unknown origin for a message: escaped, quoted, and not too long.
pub(super) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut kept: String = text.chars().take(LONGEST).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    format!("{kept:?}")
}

#[cfg(test)]
pub(super) mod tests;
