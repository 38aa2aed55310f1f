//! What must hold of any input, whoever made it up: libFuzzer, `proptest` in
//! `tests/properties`, or a person, in `seeds`.
//!
//! Each property takes bytes and panics where it does not hold.

pub mod answer;
pub mod arm_id;
pub mod learning;
pub mod owners;
pub mod review;
pub mod script;
pub mod story;
pub mod world;

/// A property of one sort of input.
pub struct Property {
    /// Its name: of the fuzz target, of its seeds and of its dictionary.
    pub name: &'static str,
    /// Panics where it does not hold.
    pub check: fn(&[u8]),
}

/// All of them.
pub const PROPERTIES: [Property; 5] = [
    Property {
        name: "arm_id",
        check: arm_id::check,
    },
    Property {
        name: "learning",
        check: learning::check,
    },
    Property {
        name: "owners",
        check: owners::check,
    },
    Property {
        name: "review",
        check: review::check,
    },
    Property {
        name: "story",
        check: story::check,
    },
];

/// Whether an error's words fit into a log line: short, and all to be seen.
pub fn assert_readable(words: &str) {
    assert!(!words.is_empty() && words.len() < 1024, "{words:?}");
    assert!(!words.contains(char::is_control), "{words:?}");
}
