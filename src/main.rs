//! The `aso-guard` binary.
fn main() {}
