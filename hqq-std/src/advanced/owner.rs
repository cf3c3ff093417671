//! What keeps a link open: its last handle closes it, and ends the background thread.

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::engine::Engine;
use super::shared::Shared;
use crate::fork::notice_child;

/// See the module.
pub(super) struct Owner {
    pub(super) shared: Arc<Shared>,
    background: Mutex<Option<JoinHandle<()>>>,
}

impl Owner {
    pub(super) fn new(mut engine: Engine, this: &Weak<Self>) -> Self {
        engine.set_owner(this);
        Self {
            shared: Arc::new(Shared::new(engine)),
            background: Mutex::new(None),
        }
    }

    /// Starts the background thread, unless it runs.
    pub(super) fn start_background(&self) -> std::io::Result<()> {
        if self.shared.is_in_child() {
            // Whoever asks for it learns next why there is nothing to drive.
            return Ok(());
        }
        let mut background = self.background.lock();
        if background.is_none() {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("hqq-advanced".to_owned());
            *background = Some(thread.spawn(move || shared.drive_for_tasks())?);
        }
        Ok(())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        notice_child();
        if self.shared.is_in_child() {
            // In a forked child, which has none of the threads: nobody waits, and one may have had a lock.
            std::mem::forget(self.background.get_mut().take());
            return;
        }
        self.shared.close();
        if let Some(thread) = self.background.lock().take()
            && thread.thread().id() != std::thread::current().id()
        {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}
