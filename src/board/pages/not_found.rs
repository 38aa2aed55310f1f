//! An address that leads nowhere.

use super::{PageError, PageRequest, PageResult};

pub(in crate::board) async fn page(_: PageRequest) -> PageResult {
    let words = "The board has no page at this address.".to_owned();
    Err(PageError::Missing(words))
}
