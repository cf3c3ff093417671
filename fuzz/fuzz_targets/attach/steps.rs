//! How many shared words a call touches, in builds with `--cfg hqq_count`; nothing in others.

/// The accesses made so far when a call began.
pub(crate) struct Steps(u64);

impl Steps {
    pub(crate) fn start() -> Self {
        Self(total())
    }

    /// That `attempts` looks at a ring of `count` buffers of `size` bytes took a number of
    /// accesses that grows with these and with nothing that lies in the region.
    pub(crate) fn check(&self, attempts: u32, count: usize, size: usize) {
        let steps = total() - self.0;
        // An attempt takes at most 2N packets out of the ring, each with its operands; the rest
        // is the member table's four entries and one message's words.
        let one = 64 * count as u64 + 2 * size as u64 + 256;
        let limit = u64::from(attempts) * one;
        assert!(
            steps <= limit,
            "{steps} accesses in {attempts} attempts, at most {limit} expected"
        );
    }
}

#[cfg(hqq_count)]
fn total() -> u64 {
    use hqq_core::sync::count::{Kind, total};
    [Kind::Stamp, Kind::Counter, Kind::Data, Kind::Word32]
        .map(total)
        .iter()
        .sum()
}

#[cfg(not(hqq_count))]
const fn total() -> u64 {
    0
}
