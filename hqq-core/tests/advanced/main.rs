//! The Advanced protocol through public calls, in both formats.
#![cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests are tests, too"
)]

mod abuse;
mod calls;
#[path = "../common/mod.rs"]
mod common;
mod credit;
mod discards;
mod endings;
mod flood;
mod messages;
mod negotiation;
mod random;
mod sharing;
mod stream_ids;
mod streams;
mod support;
