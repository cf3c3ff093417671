//! What the tests of this package share: names of regions, other processes, messages to send.
//! The other process is `src/bin/peer.rs`, `src/bin/rogue.rs`, the `hqq` command, or `format1/peer.c`.

pub mod foreign;
pub mod hosting;
mod messages;
mod numbered;
mod obey;
mod process;
mod raw_peer;
pub mod scribble;
mod sheet;
#[path = "../../hqq-std/tests/common/mod.rs"]
mod support;
mod traffic;

pub use messages::{attached, fill_message, is_message};
pub use numbered::{Numbered, STOP, Sums, Tally, parse_sums, receive_numbered, send_numbered};
pub use obey::obey;
pub use process::{Outcome, Process};
pub use raw_peer::RawPeer;
pub use sheet::{LOG, Note, Phase, Sheet, THREADS};
pub use support::{LIMIT, Name, bare_region, bounded, eventually};
pub use traffic::Traffic;

/// The `hqq` command with these arguments.
#[macro_export]
macro_rules! hqq {
    ($($argument:expr),* $(,)?) => {{
        let mut command = ::std::process::Command::new(env!("CARGO_BIN_EXE_hqq-under-test"));
        $(command.arg(::std::convert::AsRef::<::std::ffi::OsStr>::as_ref(&*$argument));)*
        command
    }};
}

/// The other process of a test, doing what these arguments say; see `src/bin/peer.rs`.
#[macro_export]
macro_rules! peer {
    ($($argument:expr),* $(,)?) => {{
        let mut command = ::std::process::Command::new(env!("CARGO_BIN_EXE_peer"));
        $(command.arg(::std::string::ToString::to_string(&*$argument));)*
        command
    }};
}

/// A stranger or a peer that means harm, doing what these arguments say; see `src/bin/rogue.rs`.
#[macro_export]
macro_rules! rogue {
    ($($argument:expr),* $(,)?) => {{
        let mut command = ::std::process::Command::new(env!("CARGO_BIN_EXE_rogue"));
        $(command.arg(::std::string::ToString::to_string(&*$argument));)*
        command
    }};
}

/// The other implementation of format 1, doing what these arguments say; see `format1/peer.c`.
#[macro_export]
macro_rules! c_peer {
    ($($argument:expr),* $(,)?) => {{
        let mut command = ::std::process::Command::new(env!("FORMAT1_PEER"));
        $(command.arg(::std::string::ToString::to_string(&*$argument));)*
        command
    }};
}

/// The README, so that its code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
