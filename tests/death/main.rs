//! What dies while it uses a region, at any instant, takes nothing along but what it held.
//!
//! | module | who dies, or stops |
//! |---|---|
//! | `coming` | who attaches, takes over what a dead receiver had, takes back what it had not, or leaves |
//! | `forked` | a parent, whose child lives on |
//! | `inherited` | a receiver, with a message that is not all that comes |
//! | `interrupted` | who repairs, or makes a region |
//! | `looking` | a peer, while it is looked whether it lives |
//! | `step` | one process, after each instruction of one call |
//! | `stopped` | nobody: a peer is stopped for a while |
//!
//! Each test prints what it has seen. Kills at random instants are the test `kill9`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

#[cfg(target_arch = "x86_64")]
mod coming;
mod forked;
mod inherited;
#[cfg(target_arch = "x86_64")]
mod interrupted;
#[cfg(target_arch = "x86_64")]
mod looking;
#[cfg(target_arch = "x86_64")]
mod step;
#[cfg(target_arch = "x86_64")]
mod stepper;
mod stopped;
