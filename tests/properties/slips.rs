//! Good reviews, and changes to their bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A good review of each sort, in full.
pub fn good() -> impl Strategy<Value = String> {
    let all = vec![
        include_str!("../../fuzz/seeds/review/create"),
        include_str!("../../fuzz/seeds/review/update"),
        include_str!("../../fuzz/seeds/review/delete"),
        include_str!("../../fuzz/seeds/review/terminating"),
        include_str!("../../fuzz/seeds/review/namespace_update"),
        include_str!("../../fuzz/seeds/review/namespace_delete"),
        include_str!("../../fuzz/seeds/review/crd_delete"),
    ];
    select(all).prop_map(str::to_owned)
}

/// A change to some bytes.
#[derive(Clone, Debug)]
pub enum Slip {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, u8),
    Repeat(Index, u8),
    Cut(Index),
}

pub fn slip() -> impl Strategy<Value = Slip> {
    let token = prop_oneof![
        vec(any::<u8>(), 1..4),
        select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", "null", "true", "-1e9", "\\u0000", "\\ud800",
        ])
        .prop_map(|token| token.as_bytes().to_vec()),
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Slip::Replace(at, byte)),
        (any::<Index>(), token).prop_map(|(at, bytes)| Slip::Insert(at, bytes)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, many)| Slip::Remove(at, many)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, many)| Slip::Repeat(at, many)),
        any::<Index>().prop_map(Slip::Cut),
    ]
}

impl Slip {
    pub fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        let place = |at: &Index| at.index(length + 1);
        let range = |at: &Index, many: &u8| {
            let at = place(at);
            at..length.min(at + usize::from(*many))
        };
        match self {
            Self::Replace(at, byte) if place(at) < length => bytes[place(at)] = *byte,
            Self::Replace(..) => {}
            Self::Insert(at, new) => drop(bytes.splice(place(at)..place(at), new.iter().copied())),
            Self::Remove(at, many) => drop(bytes.drain(range(at, many))),
            Self::Repeat(at, many) => {
                let again = bytes[range(at, many)].to_vec();
                bytes.splice(place(at)..place(at), again);
            }
            Self::Cut(at) => bytes.truncate(place(at)),
        }
    }
}
