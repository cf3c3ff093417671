//! Exclusive sides: one member, one thread, no compare-and-swap; positions are private.

mod consumer;
mod producer;

pub use consumer::ExclusiveConsumer;
pub use producer::ExclusiveProducer;
