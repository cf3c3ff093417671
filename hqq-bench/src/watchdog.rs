//! Ends the program when it stops making progress: some of what is measured waits in the system, for a
//! process that may have died.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// The longest time between two signs of life.
const LIMIT: Duration = Duration::from_secs(120);

/// What was done last, and when.
type State = Mutex<(Instant, &'static str)>;

/// Watches until it is dropped.
pub(crate) struct Watchdog(Arc<State>);

impl Watchdog {
    pub(crate) fn start() -> Self {
        let state: Arc<State> = Arc::new(Mutex::new((Instant::now(), "the start")));
        let watched = Arc::downgrade(&state);
        // Without a thread for it nobody watches, which changes no figure.
        let _ = thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || watch(&watched));
        Self(state)
    }

    /// A sign of life: this is measured now.
    pub(crate) fn alive(&self, what: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), what);
    }
}

fn watch(state: &Weak<State>) {
    while let Some(state) = state.upgrade() {
        let (since, what) = *state.lock().unwrap_or_else(PoisonError::into_inner);
        if since.elapsed() > LIMIT {
            eprintln!("hqq-bench: {what} has made no progress for {LIMIT:?}");
            // The second process ends with this one.
            std::process::exit(1);
        }
        drop(state);
        thread::sleep(Duration::from_secs(1));
    }
}
