//! The Advanced protocol through public calls, in both formats.
#![cfg(all(target_has_atomic = "64", not(hqq_narrow)))]

mod abuse;
mod at_once;
mod calls;
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
