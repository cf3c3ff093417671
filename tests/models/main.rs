//! Models of format 2's rules, explored state by state: claims, deaths, repair, successors in other
//! modes, 32-bit peers; and sleeping and waking under store buffers.
//!
//! `ring_holds` and `wake_holds` explore what must hold; `ring_notices` and `wake_notices` break one
//! rule each and expect the model to say so. Each prints the states it reached. `HQQ_MODELS=all`
//! explores the long configurations as well; docs/testing.md says what the models show and what not.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a model that comes to what it was not made for fails; its numbers are small"
)]

mod broken;
mod configurations;
mod consuming;
mod ending;
mod explorer;
mod invariants;
mod joining;
mod producing;
mod repairing;
mod resuming;
mod retracting;
mod setup;
mod step;
mod turn;
mod wake;
mod world;
