//! Messages that both ends of a test can make, each from its number.

/// Messages of random sizes and contents, cheap to make and to compare.
#[derive(Debug)]
pub struct Traffic {
    bytes: Vec<u8>,
    seed: u64,
    max: usize,
}

/// Messages start at so many places of the same random bytes.
const STARTS: usize = 4096;

impl Traffic {
    /// Messages of 0 to `max` bytes. Other seeds make other messages.
    #[must_use]
    pub fn new(seed: u64, max: usize) -> Self {
        let bytes = (0..(max + STARTS) as u64)
            .map(|index| mixed(seed ^ index << 20).to_le_bytes()[0])
            .collect();
        Self { bytes, seed, max }
    }

    /// The message of this number.
    #[must_use]
    pub fn message(&self, number: u64) -> &[u8] {
        let random = mixed(self.seed.wrapping_add(number)).to_le_bytes();
        let [a, b, c, d, e, f, ..] = random.map(usize::from);
        let len = (a | b << 8 | c << 16) % (self.max + 1);
        let start = (d | e << 8 | f << 16) % STARTS;
        &self.bytes[start..][..len]
    }
}

/// A step of splitmix64.
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}
