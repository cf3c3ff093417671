//! SIGINT and SIGTERM: noted, so that commands end in order and leave nothing behind.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::failure::Failure;

static CAUGHT: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// Notes the first of these signals; the second one of a kind ends the process as usual.
pub fn install() -> Result<(), Failure> {
    let caught = Arc::clone(CAUGHT.get_or_init(Arc::default));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let number = usize::try_from(signal).unwrap_or(0);
        signal_hook::flag::register_usize(signal, Arc::clone(&caught), number)
            .map_err(|error| Failure::Failed(format!("cannot watch for signals: {error}")))?;
    }
    Ok(())
}

/// `Err` once a signal asked to stop. Commands call this at least every 100 ms.
pub fn check() -> Result<(), Failure> {
    // Relaxed: a single word that nothing else depends on.
    match CAUGHT
        .get()
        .map_or(0, |caught| caught.load(Ordering::Relaxed))
    {
        0 => Ok(()),
        number => Err(Failure::Signal(i32::try_from(number).unwrap_or(0))),
    }
}
