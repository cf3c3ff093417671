//! Locks on a region's file that forked children never have.

#![allow(unsafe_code, reason = "leaves a descriptor that is no more")]

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::OpenError;
use crate::fork::{Ended, Generation, NotInherited, Turn, notice_child};
use crate::sys::ByteLocks;
use crate::wait::{Backoff, poll};

/// Longer than any fork takes, but for one that cannot go on before the caller has: a handler of another library's may
/// wait for a lock that the caller has.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens a region's file, or opens it again, where that is given that was opened before.
pub(crate) type Open<'a> = dyn FnMut(Option<&File>) -> Result<File, OpenError> + 'a;

/// The locks of this process alone.
pub(crate) struct OwnLocks {
    /// Until the locks go: their descriptor's number may be another one's once that is closed.
    kept: Option<NotInherited>,
    locks: ManuallyDrop<ByteLocks>,
    process: Generation,
    /// Not any more: they go with the last descriptor of their description, whoever has it.
    is_given: bool,
}

impl OwnLocks {
    /// Of the file that `open` gives, at `path`. It is called while nobody forks, and again where somebody has begun to
    /// before children were kept from what it gave: they may have that description for as long as they live.
    ///
    /// # Errors
    /// Those of `open`; [`OpenError::Forking`] where there was no time without a fork, [`OpenError::Io`] where forks cannot be
    /// handled.
    pub(crate) fn new(path: &Path, open: &mut Open<'_>) -> Result<Self, OpenError> {
        Self::within(PATIENCE, path, open)
    }

    /// As [`OwnLocks::new`], where forks may go on for so long.
    pub(crate) fn within(
        patience: Duration,
        path: &Path,
        open: &mut Open<'_>,
    ) -> Result<Self, OpenError> {
        let started = Instant::now();
        let turn = Turn::take().map_err(|error| OpenError::Io {
            path: path.to_owned(),
            action: "keep forked children out of",
            error,
        })?;
        // What keeps children away goes before what it is of.
        let mut earlier: Option<(NotInherited, File)> = None;
        loop {
            let left = patience.saturating_sub(started.elapsed());
            let quiet = poll(Backoff::within(Some(left)), || {
                Some(Ended::now(&turn)).filter(|ended| ended.are_all())
            });
            let ended = quiet.ok_or_else(|| OpenError::Forking {
                path: path.to_owned(),
                waited: started.elapsed(),
            })?;
            let file = open(earlier.as_ref().map(|(_, file)| file))?;
            let kept = NotInherited::descriptor(&file);
            if ended.are_all() {
                return Ok(Self {
                    kept: Some(kept),
                    locks: ManuallyDrop::new(ByteLocks::new(file)),
                    process: Generation::current(),
                    is_given: false,
                });
            }
            earlier = Some((kept, file));
        }
    }

    /// The file with its locks, for whoever is to have it: children have it, too.
    ///
    /// # Errors
    /// Where there is no descriptor left.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn give(mut self) -> io::Result<File> {
        // Of the same description, and not noted.
        let file = self.locks.file().try_clone()?;
        self.is_given = true;
        Ok(file)
    }
}

impl Drop for OwnLocks {
    fn drop(&mut self) {
        notice_child();
        // A child that is forked before the descriptor is closed is not to keep them, and leaves its parent's alone. Nothing can be done about a failure; closing frees them, too.
        if !self.is_given && !self.process.is_over() {
            let _ = self.locks.unlock_all();
        }
        // A child in which nothing could take the descriptor's number has nothing to close.
        if self.process.is_over() && rustix::io::fcntl_getfd(self.locks.file()).is_err() {
            return;
        }
        self.kept = None;
        // SAFETY: nobody uses them after this.
        unsafe { ManuallyDrop::drop(&mut self.locks) };
    }
}

impl Deref for OwnLocks {
    type Target = ByteLocks;

    fn deref(&self) -> &ByteLocks {
        &self.locks
    }
}
