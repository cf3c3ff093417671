//! What an endpoint counts, for people and for tests.

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
    messages: core::sync::atomic::AtomicU64,
    bytes: core::sync::atomic::AtomicU64,
    tombstones: core::sync::atomic::AtomicU64,
    blocked: core::sync::atomic::AtomicU64,
    errors: core::sync::atomic::AtomicU64,
}

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
impl SharedCounters {
    // Relaxed throughout: statistics, private to this program; nothing is ordered by them.

    #[inline]
    pub(crate) fn add(&self, event: Event) {
        use core::sync::atomic::Ordering::Relaxed;
        let counter = match event {
            Event::Message(bytes) => {
                self.bytes.fetch_add(bytes as u64, Relaxed);
                &self.messages
            }
            Event::Tombstone => &self.tombstones,
            Event::Blocked => &self.blocked,
            Event::Error => &self.errors,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self) -> Counters {
        use core::sync::atomic::Ordering::Relaxed;
        Counters {
            messages: self.messages.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            tombstones: self.tombstones.load(Relaxed),
            blocked: self.blocked.load(Relaxed),
            errors: self.errors.load(Relaxed),
        }
    }
}
