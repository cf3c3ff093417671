//! Locks on a region's file that forked children never have.

use std::fs::File;
use std::io;
use std::ops::Deref;

use crate::fork::{Begun, Generation, NotInherited};
use crate::sys::{self, ByteLocks};

/// The locks of this process alone.
pub(crate) struct OwnLocks {
    /// Before the locks: their descriptor's number may be another one's once that is closed.
    _kept: NotInherited,
    locks: ByteLocks,
    process: Generation,
}

impl OwnLocks {
    /// Of a file that was opened after `begun`.
    pub(crate) fn new(mut file: File, mut begun: Begun) -> io::Result<Self> {
        loop {
            let kept = NotInherited::descriptor(&file);
            let now = Begun::now();
            if now == begun {
                return Ok(Self {
                    _kept: kept,
                    locks: ByteLocks::new(file),
                    process: Generation::current(),
                });
            }
            // A child that was forked meanwhile may have this description for as long as it lives.
            begun = now;
            let other = sys::reopen(&file)?;
            // Before it is closed.
            drop(kept);
            file = other;
        }
    }
}

impl Drop for OwnLocks {
    fn drop(&mut self) {
        // A child that is forked before the descriptor is closed is not to keep them; one that could not put anything in
        // its place leaves its parent's alone. Nothing can be done about a failure; closing frees them, too.
        if !self.process.is_over() {
            let _ = self.locks.unlock_all();
        }
    }
}

impl Deref for OwnLocks {
    type Target = ByteLocks;

    fn deref(&self) -> &ByteLocks {
        &self.locks
    }
}
