//! Models of the ring for loom, through public calls: every interleaving within a preemption bound,
//! and every value that the memory orderings let a load see.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release -p hqq-core --test loom`; docs/testing.md says what
//! the bounds are and what the models cannot show.
#![cfg(loom)]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a model that meets an error it does not expect has failed"
)]

mod closing;
mod exclusive;
mod format1;
mod grants;
mod joining;
mod shared;
mod sleeping;
mod support;
mod weakening;
