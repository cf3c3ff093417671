//! SIGINT, SIGTERM and SIGHUP: noted, so that commands end in order and leave nothing behind.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::Failure;

/// How long a call of a command may block before it looks for signals again.
pub const SLICE: Duration = Duration::from_millis(100);

/// How long a command has to end in order; one that hangs in a write to a full pipe cannot.
const GRACE: Duration = Duration::from_secs(2);

/// The first signal that came; 0 for none.
static CAUGHT: AtomicI32 = AtomicI32::new(0);

/// Notes the first of these signals. A second one, or a command that does not end by itself, ends
/// the process after `clean_up`.
pub fn install(clean_up: fn()) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|error| Failure::Failed(format!("cannot watch for signals: {error}")))?;
    std::thread::spawn(move || {
        let Some(number) = signals.forever().next() else {
            return;
        };
        // Pairs with the load in `check`; Relaxed: nothing else depends on it.
        CAUGHT.store(number, Ordering::Relaxed);
        let caught = Instant::now();
        while caught.elapsed() < GRACE && signals.pending().next().is_none() {
            std::thread::sleep(SLICE / 2);
        }
        clean_up();
        let _ = Failure::Signal(number).report();
        std::process::exit(1);
    });
    Ok(())
}

/// `Err` once a signal asked to stop. Commands call this at least every [`SLICE`].
pub fn check() -> Result<(), Failure> {
    // Pairs with the store in `install`.
    match CAUGHT.load(Ordering::Relaxed) {
        0 => Ok(()),
        number => Err(Failure::Signal(number)),
    }
}
