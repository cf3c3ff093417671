//! What hqq-core does, through public calls: one program, as each more would be compiled and linked
//! for every target, width of words and feature. What needs a `cfg` or a feature of its own stands beside it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests are tests, too"
)]

mod advanced;
mod attach_refused;
mod closing;
#[path = "../common/mod.rs"]
mod common;
mod format1_golden;
mod format1_packets;
mod format1_refused;
mod format1_scribble;
mod format1_states;
mod format1_threads;
mod golden;
mod grants;
mod halves;
mod hostile_packets;
mod joining;
mod joining_shared;
mod messages;
mod mixed;
mod panics;
mod places;
mod platform;
mod repair;
mod rest_of_runs;
mod rows;
mod runs;
mod scribble;
mod sides;
mod taken_over;
mod threads;
mod trusted;
mod types;
mod waiting;
mod whole;
mod whole_left;
mod wrap;
