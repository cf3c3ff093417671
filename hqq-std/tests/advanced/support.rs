//! Two ends that have agreed, and bytes that follow from a number.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hqq_std::{AdvancedLink, AdvancedOptions, Format, LinkOptions, Server, Stream};

use super::common::LIMIT;

/// Both, the one that knows more first.
pub(super) const FORMATS: [Format; 2] = [Format::V2, Format::V1];

/// When only a hang has not ended.
pub(super) fn limit() -> Option<Instant> {
    Instant::now().checked_add(LIMIT)
}

/// Two ends that have agreed.
pub(super) fn pair(format: Format, count: usize, size: usize) -> (AdvancedLink, AdvancedLink) {
    let options = AdvancedOptions::new();
    pair_with(format, count, size, options, options)
}

/// As [`pair`], each with its options.
pub(super) fn pair_with(
    format: Format,
    count: usize,
    size: usize,
    near: AdvancedOptions,
    far: AdvancedOptions,
) -> (AdvancedLink, AdvancedLink) {
    let region = LinkOptions::new().format(format).count(count).size(size);
    let ends = region.pair().unwrap();
    let (near, far) = (
        AdvancedLink::new(ends.0, near),
        AdvancedLink::new(ends.1, far),
    );
    agree(&near, &far);
    (near, far)
}

/// `near` asks and `far` answers.
pub(super) fn agree(near: &AdvancedLink, far: &AdvancedLink) {
    std::thread::scope(|scope| {
        scope.spawn(|| far.wait_for_negotiation(limit()).unwrap());
        near.negotiate(limit()).unwrap();
    });
}

/// Takes in what has come, without waiting for more.
pub(super) fn look(link: &AdvancedLink) {
    // Whether the other end has done so is not asked.
    let _ = link.wait_drained(Some(Instant::now()));
}

/// A stream from `near`, and `far`'s end of it.
pub(super) fn stream(near: &AdvancedLink, far: &AdvancedLink) -> (Stream, Stream) {
    far.listen(true);
    let (dialled, accepted) = std::thread::scope(|scope| {
        let accepting = scope.spawn(|| far.accept(limit()).unwrap());
        let dialled = near.dial(limit()).unwrap();
        (dialled, accepting.join().unwrap())
    });
    assert_eq!(dialled.id(), accepted.id());
    (dialled, accepted)
}

/// Runs `work` while `server` answers what comes from `link`'s other end.
pub(super) fn serving<T>(server: &Server<'_>, link: &AdvancedLink, work: impl FnOnce() -> T) -> T {
    /// Stops the server also where `work` fails.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            // Relaxed: only ends the serving.
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stopping = Stop(&stop);
        let serving = scope.spawn(|| server.serve_until(link, &stop));
        let result = work();
        drop(stopping);
        // The other end may have gone, as part of the test.
        let _ = serving.join().unwrap();
        result
    })
}

/// Fails unless an end holds nothing of any message or call.
#[track_caller]
pub(super) fn assert_idle(link: &AdvancedLink) {
    let stats = link.stats();
    let held = (stats.pending_calls, stats.arriving, stats.buffered_bytes);
    assert_eq!(held, (0, 0, 0), "calls, messages, bytes");
}

/// Random numbers that are the same in every run.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// 0, or a size of up to `bits` bits, as many of each number of bits.
    pub(super) fn size(&mut self, bits: u32) -> usize {
        match self.next() % u64::from(bits + 1) {
            0 => 0,
            bits => {
                let low = 1 << (bits - 1);
                low + self.below(low)
            }
        }
    }
}

/// `len` bytes that follow from a number.
pub(super) fn body(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
