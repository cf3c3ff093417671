//! Requests that were handed out: whoever executes them learns here that nobody waits any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use foldhash::{HashMap, HashMapExt};
use hqq_core::advanced::MessageKey;

/// Requests that are kept without a table, and without memory of their own.
const NEAR: usize = 8;
/// Those in the table are looked through for dropped ones whenever there are more.
const FAR: usize = 1024;

/// What says to a request that it was cancelled; `key` while it is the request's.
#[derive(Debug)]
struct Place {
    key: Option<MessageKey>,
    cancelled: Arc<AtomicBool>,
}

impl Place {
    /// Whether its request was answered or dropped.
    fn is_free(&self) -> bool {
        self.key.is_none() || Arc::strong_count(&self.cancelled) == 1
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Served {
    near: [Place; NEAR],
    far: HashMap<MessageKey, Arc<AtomicBool>>,
}

fn cancel(cancelled: &AtomicBool) {
    // Relaxed: a hint to whoever executes the request.
    cancelled.store(true, Ordering::Relaxed);
}

impl Served {
    pub(super) fn new() -> Self {
        Self {
            near: std::array::from_fn(|_| Place {
                key: None,
                cancelled: Arc::default(),
            }),
            far: HashMap::new(),
        }
    }

    /// Notes that a request was handed out; what this gives says whether its caller has given up.
    pub(super) fn begin(&mut self, key: MessageKey) -> Arc<AtomicBool> {
        if let Some(place) = self.near.iter_mut().find(|place| place.is_free()) {
            place.key = Some(key);
            match Arc::get_mut(&mut place.cancelled) {
                Some(cancelled) => *cancelled.get_mut() = false,
                // An answered request still has it.
                None => place.cancelled = Arc::default(),
            }
            return Arc::clone(&place.cancelled);
        }
        if self.far.len() >= FAR {
            self.far
                .retain(|_, cancelled| Arc::strong_count(cancelled) > 1);
        }
        let cancelled = Arc::<AtomicBool>::default();
        self.far.insert(key, Arc::clone(&cancelled));
        cancelled
    }

    /// Notes that a request was answered.
    pub(super) fn end(&mut self, key: &MessageKey) {
        let found = self.near.iter_mut().find(|place| place.key == Some(*key));
        match found {
            Some(place) => place.key = None,
            None => {
                self.far.remove(key);
            }
        }
    }

    /// The caller of a request has given up.
    pub(super) fn cancel(&mut self, key: &MessageKey) {
        for place in &mut self.near {
            if place.key == Some(*key) {
                cancel(&place.cancelled);
                place.key = None;
            }
        }
        if let Some(cancelled) = self.far.remove(key) {
            cancel(&cancelled);
        }
    }

    /// Nobody waits for answers any more.
    pub(super) fn cancel_all(&mut self) {
        for place in &mut self.near {
            if place.key.take().is_some() {
                cancel(&place.cancelled);
            }
        }
        for (_, cancelled) in self.far.drain() {
            cancel(&cancelled);
        }
    }
}
