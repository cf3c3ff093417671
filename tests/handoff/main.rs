//! Regions handed over a Unix socket: between processes and users, and with ends that lie.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod liars;
mod processes;
mod sockets;

use std::path::PathBuf;
use std::time::Duration;

use hqq_std::LinkOptions;
use hqq_std::handoff::{Allow, Connector};

/// Only a hang takes so long.
const PATIENCE: Duration = Duration::from_secs(40);
/// For what is meant to pass.
const SHORT: Duration = Duration::from_millis(50);

fn small() -> LinkOptions {
    LinkOptions::new().count(4).size(64)
}

fn connector() -> Connector {
    Connector::new(Allow::same_user())
}

/// A path for a socket, in a directory of its own.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("socket")
    }
}
