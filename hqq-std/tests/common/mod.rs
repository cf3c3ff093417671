//! What every test with regions needs: names of its own, and an end to waiting.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::panic,
    clippy::expect_used,
    reason = "each test uses its part of this; a helper that fails fails the test"
)]

use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine; only a hang gets there.
pub const LIMIT: Duration = Duration::from_secs(120);

/// The name of a region that no other test uses. Dropping it removes the region, if there is one.
#[derive(Debug)]
pub struct Name(String);

impl Name {
    /// `hqq-test-<pid>-<n>`.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Relaxed: only makes names of this process differ.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(format!("hqq-test-{}-{number}", std::process::id()))
    }

    /// Where the region's file lies.
    #[must_use]
    pub fn path(&self) -> std::path::PathBuf {
        hqq_std::RegionName::new(self)
            .expect("a name of digits and letters")
            .path()
    }

    /// Whether there is a file of this name.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path().symlink_metadata().is_ok()
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // Most tests have removed it themselves.
        let _ = hqq_std::unlink(&self.0);
    }
}

/// The region as it is without hqq-std: all that a guest or a microcontroller has. Mapped for ever.
#[must_use]
pub fn bare_region(name: &Name) -> hqq_core::Region {
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(name.path())
        .expect("a region");
    let mapping = memmap2::MmapRaw::map_raw(&file).expect("its memory");
    let mapping = Box::leak(Box::new(mapping));
    let base = NonNull::new(mapping.as_mut_ptr()).expect("an address");
    // SAFETY: nobody shortens the file; the mapping is kept for ever, and reached through the
    // region only.
    unsafe { hqq_core::Region::from_raw(base, mapping.len()) }.expect("room for a region")
}

/// Runs `work` on a thread of its own and fails the test if it does not end.
pub fn bounded<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    bounded_by(LIMIT, work)
}

/// As [`bounded`], of work that takes as long as it was asked to.
pub fn bounded_by<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, result) = channel();
    let worker = std::thread::spawn(move || {
        // The test may have given up.
        let _ = done.send(work());
    });
    match result.recv_timeout(limit) {
        Ok(value) => value,
        Err(RecvTimeoutError::Timeout) => panic!("the test did not end within {limit:?}"),
        Err(RecvTimeoutError::Disconnected) => match worker.join() {
            Err(reason) => std::panic::resume_unwind(reason),
            Ok(()) => panic!("the test ended without a result"),
        },
    }
}

/// Waits until `condition` gives a value; fails the test, saying what was waited for, if it does
/// not.
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(started.elapsed() < LIMIT, "waited {LIMIT:?} for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
