//! Any bytes at all.

use proptest::collection::vec;
use proptest::prelude::*;

use super::fuzz::PROPERTIES;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_property_holds_of_any_bytes(input in vec(any::<u8>(), 0..300)) {
        for property in PROPERTIES {
            (property.check)(&input);
        }
    }

    #[test]
    fn every_property_holds_of_any_text(input in "(\\PC{0,12}[ |=/#\n{}\"]){0,20}") {
        for property in PROPERTIES {
            (property.check)(input.as_bytes());
        }
    }
}
