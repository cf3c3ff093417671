//! Shared sides: any number of threads and members; a claim is a compare-and-swap on the slot's
//! own stamp, which then names its owner.

mod consumer;
mod left;
mod producer;

pub use consumer::SharedConsumer;
pub use producer::SharedProducer;

/// Steps in one call, beside that of a quick attempt before: each failed one means that another member got on.
const fn limit(count: usize) -> usize {
    2 * count + 7
}
