//! Shared sides: any number of threads and members; a claim is a compare-and-swap on the slot's
//! own stamp, which then names its owner.

mod consumer;
mod left;
mod producer;

pub use consumer::SharedConsumer;
pub use producer::SharedProducer;

/// Spin hints for which whoever meets others leaves the side to them: they claim some positions in a row then. Taking
/// turns for each, all would wait for the same lines all the time.
const REST: usize = 32;
/// Spin hints for which who has filled the ring leaves it to those who read, at most.
const LONG_REST: usize = 64;
/// A model has nothing to gain by a rest.
const RESTS: bool = !cfg!(loom);

/// Others are claiming: leaves the side to them for a moment.
#[cold]
#[inline(never)]
fn give_way() {
    if RESTS {
        rest(REST, || false);
    }
}

/// Does nothing until `is_enough`, for so many spin hints at most.
fn rest(hints: usize, is_enough: impl Fn() -> bool) {
    for _ in 0..hints {
        core::hint::spin_loop();
        if is_enough() {
            return;
        }
    }
}

/// Steps in one call, beside that of a quick attempt before: each failed one means that another member got on.
const fn limit(count: usize) -> usize {
    2 * count + 7
}
