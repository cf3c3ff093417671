//! What dies while it uses a region, at any instant, takes nothing along but what it held.
//!
//! | module | who dies, or stops |
//! |---|---|
//! | `kill9` | senders and receivers, at random instants under full traffic; either role, restarted |
//! | `forked` | a parent, whose child lives on |
//! | `interrupted` | who repairs, or makes a region |
//! | `step` | one process, after each instruction of one call |
//! | `stopped` | nobody: a peer is stopped for a while |
//!
//! `HQQ_KILLS` sets how often; each test prints what it has seen.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod crew;
mod forked;
#[cfg(target_arch = "x86_64")]
mod interrupted;
mod kill9;
mod ledger;
#[cfg(target_arch = "x86_64")]
mod step;
mod stopped;
