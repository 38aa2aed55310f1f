//! Numbers that look random and are the same for the same seed.

use std::time::Duration;

/// A generator: splitmix64, whose step and mixing constants are in the public domain.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of a seed and of what it is for.
    pub fn new(seed: u64, of: u64) -> Self {
        let mut random = Self(seed ^ of.wrapping_mul(0xd1b5_4a32_d192_ed03));
        random.next();
        random
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below this one.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Some part of a span.
    pub fn part_of(&mut self, span: Duration) -> Duration {
        span.mul_f64((self.next() >> 11) as f64 / (1_u64 << 53) as f64)
    }
}
