//! What an endpoint counts, for people and for tests.

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering, Ordering::Relaxed};

/// Totals of one half of a link since it was attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Counters {
    /// Messages sent or received.
    pub messages: u64,
    // Between the two that are counted together: side by side the compiler would join them in a
    // vector, which takes three times the steps.
    /// Tombstones published or skipped.
    pub tombstones: u64,
    /// Bytes in the messages.
    pub bytes: u64,
    /// Calls that found the ring full (sending) or empty (receiving).
    pub blocked: u64,
    /// Packets that were refused or could not be sent.
    pub errors: u64,
}

/// Calls that found the ring full or empty between two records of the totals: whoever waits for an
/// answer should look for it, mostly.
const BLOCKED: u64 = 16;

/// Something to count.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Message(usize),
    /// A message of so many bytes that was put or taken quickly, so that its position counts it.
    Quick(usize),
    /// So many messages, and bytes in them.
    Messages(usize, usize),
    Tombstone,
    Blocked,
    Error,
}

impl Counters {
    /// Counts a call that found nothing, unless the totals are due to be recorded with it.
    #[inline(always)]
    pub(crate) fn add_blocked(&mut self) -> bool {
        let blocked = self.blocked.wrapping_add(1);
        let counts = !blocked.is_multiple_of(BLOCKED);
        if counts {
            self.blocked = blocked;
        }
        counts
    }

    /// Counts an event. Says whether the totals are due to be recorded in the region; never for a
    /// message, which is known when compiling.
    #[inline(always)]
    pub(crate) fn add(&mut self, event: Event) -> bool {
        match event {
            Event::Message(bytes) => {
                self.messages = self.messages.wrapping_add(1);
                self.bytes = self.bytes.wrapping_add(bytes as u64);
            }
            Event::Quick(bytes) => self.bytes = self.bytes.wrapping_add(bytes as u64),
            Event::Messages(count, bytes) => {
                self.messages = self.messages.wrapping_add(count as u64);
                self.bytes = self.bytes.wrapping_add(bytes as u64);
            }
            Event::Tombstone => self.tombstones = self.tombstones.wrapping_add(1),
            Event::Blocked => self.blocked = self.blocked.wrapping_add(1),
            Event::Error => self.errors = self.errors.wrapping_add(1),
        }
        match event {
            Event::Message(_) | Event::Quick(_) | Event::Messages(..) => false,
            Event::Blocked => self.blocked.is_multiple_of(BLOCKED),
            Event::Tombstone | Event::Error => true,
        }
    }
}

/// Messages of a shared side between two records of its totals, where nothing else is a reason.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
const MESSAGES: u64 = 256;

/// [`Counters`] that many threads add to.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
#[derive(Default)]
pub(crate) struct SharedCounters {
    messages: AtomicU64,
    bytes: AtomicU64,
    tombstones: AtomicU64,
    blocked: AtomicU64,
    errors: AtomicU64,
    is_recording: AtomicBool,
}

/// What a counter then is.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
#[inline]
fn add(counter: &AtomicU64, value: u64, alone: bool) -> u64 {
    let before = if alone {
        let before = counter.load(Relaxed);
        counter.store(before.wrapping_add(value), Relaxed);
        before
    } else {
        counter.fetch_add(value, Relaxed)
    };
    before.wrapping_add(value)
}

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
impl SharedCounters {
    // Relaxed throughout: statistics, private to this program; nothing is ordered by them.

    /// Counts an event; `alone` where no other thread counts now, which costs less. Says whether the
    /// totals are due to be recorded in the region.
    #[inline]
    pub(crate) fn add(&self, event: Event, alone: bool) -> bool {
        let counter = match event {
            Event::Message(bytes) | Event::Quick(bytes) => {
                return self.add_messages(1, bytes as u64, alone);
            }
            Event::Messages(count, bytes) => {
                return self.add_messages(count as u64, bytes as u64, alone);
            }
            Event::Tombstone => &self.tombstones,
            Event::Blocked => &self.blocked,
            Event::Error => &self.errors,
        };
        let now = add(counter, 1, alone);
        !matches!(event, Event::Blocked) || now.is_multiple_of(BLOCKED)
    }

    /// Counts so many messages, and bytes in them; else as [`SharedCounters::add`].
    #[inline]
    pub(crate) fn add_messages(&self, count: u64, bytes: u64, alone: bool) -> bool {
        add(&self.bytes, bytes, alone);
        // Whether it has come to a multiple, or past it.
        add(&self.messages, count, alone) % MESSAGES < count
    }

    /// Hands the totals to `record`, unless another thread is at it.
    #[cold]
    pub(crate) fn record(&self, record: impl FnOnce(&Counters)) {
        // Acquire and Release pair with each other: one record after the other.
        if !self.is_recording.swap(true, Ordering::Acquire) {
            record(&self.read());
            self.is_recording.store(false, Ordering::Release);
        }
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
