//! An address that leads nowhere.

use super::{Look, Shown, Trouble};

pub(in crate::board) async fn page(_: Look) -> Shown {
    let words = "The board has no page at this address.".to_owned();
    Err(Trouble::Missing(words))
}
