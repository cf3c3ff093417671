//! The Advanced protocol of `hqq-std`: calls, messages, streams, futures, servers; two ends in one
//! program, or in two.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod behind;
mod beside_the_dead;
mod by_id;
mod calls;
#[path = "../common/mod.rs"]
mod common;
mod endings;
mod flow;
mod futures;
mod idle;
mod limits;
mod lone;
mod memory;
mod messages;
mod negotiation;
mod offers;
mod parked;
mod patience;
mod processes;
mod reading;
mod renewal;
mod room;
mod servers;
mod streams;
mod support;
mod timeouts;
mod turns;
mod unread;
mod wakers;
