//! Exclusive sides: one member, one thread, no compare-and-swap; positions are private.

mod consumer;
mod producer;

pub use consumer::ExclusiveConsumer;
pub use producer::ExclusiveProducer;

/// Whether the quick ways are used: where registers are many, they make messages cheaper; elsewhere
/// they only make programs longer.
const QUICKLY: bool = cfg!(target_pointer_width = "64");
