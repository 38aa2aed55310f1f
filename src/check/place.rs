//! Where something is written.

use std::fmt;
use std::sync::Arc;

use saphyr_parser::Marker;

/// A line and a column, both counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl Position {
    /// The very beginning.
    pub const START: Self = Self { line: 1, column: 1 };

    pub(super) fn of(marker: &Marker) -> Self {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            line: number(marker.line()).max(1),
            column: number(marker.col()).saturating_add(1),
        }
    }
}

/// `12:3`.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file, as it was named; `-` for standard input.
    pub file: Arc<str>,
    /// Where in it.
    pub at: Position,
}

/// `clusters/a/shop.yaml:12`.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.at.line)
    }
}
