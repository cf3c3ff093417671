//! What an endpoint counts, for people and for tests.

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Totals of one half of a link since it was attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Counters {
    /// Messages sent or received.
    pub messages: u64,
    /// Bytes in these messages.
    pub bytes: u64,
    /// Tombstones published or skipped.
    pub tombstones: u64,
    /// Calls that found the ring full (sending) or empty (receiving).
    pub blocked: u64,
    /// Packets that were refused or could not be sent.
    pub errors: u64,
}

/// Something to count.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Message(usize),
    Tombstone,
    Blocked,
    Error,
}

impl Counters {
    #[inline]
    pub(crate) fn add(&mut self, event: Event) {
        match event {
            Event::Message(bytes) => {
                self.messages = self.messages.wrapping_add(1);
                self.bytes = self.bytes.wrapping_add(bytes as u64);
            }
            Event::Tombstone => self.tombstones = self.tombstones.wrapping_add(1),
            Event::Blocked => self.blocked = self.blocked.wrapping_add(1),
            Event::Error => self.errors = self.errors.wrapping_add(1),
        }
    }
}

/// [`Counters`] that many threads add to.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
#[derive(Default)]
pub(crate) struct SharedCounters {
    messages: AtomicU64,
    bytes: AtomicU64,
    tombstones: AtomicU64,
    blocked: AtomicU64,
    errors: AtomicU64,
}

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
impl SharedCounters {
    // Relaxed throughout: statistics, private to this program; nothing is ordered by them.

    /// Counts an event; `alone` where no other thread counts now, which costs less.
    #[inline]
    pub(crate) fn add(&self, event: Event, alone: bool) {
        let add = |counter: &AtomicU64, value: u64| {
            if alone {
                counter.store(counter.load(Relaxed).wrapping_add(value), Relaxed);
            } else {
                counter.fetch_add(value, Relaxed);
            }
        };
        let counter = match event {
            Event::Message(bytes) => {
                add(&self.bytes, bytes as u64);
                &self.messages
            }
            Event::Tombstone => &self.tombstones,
            Event::Blocked => &self.blocked,
            Event::Error => &self.errors,
        };
        add(counter, 1);
    }

    pub(crate) fn read(&self) -> Counters {
        Counters {
            messages: self.messages.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            tombstones: self.tombstones.load(Relaxed),
            blocked: self.blocked.load(Relaxed),
            errors: self.errors.load(Relaxed),
        }
    }
}
