//! Sleeping and waking (PROTOCOL.md, "Sleeping", W1 to W3): who waits sleeps on a word of the
//! region; who publishes, releases, takes or leaves a side wakes it.
//!
//! This crate has no operating system: what waking means is a [`WakeHook`] that the user gives. A
//! side without one wakes nobody, and says so in its record, so that sleepers look by themselves.

mod alarm;

use core::fmt;

pub(crate) use alarm::Alarm;

use crate::layout::{Direction, Layout};
use crate::region::{Region, SuperblockMemory, WaitMemory};
use crate::sync::ordering::{self, Ordering};

/// Words of a side's wait line.
const FLAG: usize = 0;
const SEQUENCE: usize = 1;
const NOTE: usize = 2;
const NOTE_WORDS: usize = 2;
/// The word of a side's record that says how its members wake.
const WAKES: usize = 1;
/// The bit of that word: some member publishes without a fence.
const UNFENCED: u32 = 1;

/// How a side wakes those who sleep at the other one: what the system does for it, and what it
/// relies on.
///
/// ```
/// use hqq_core::ring::wake::{WaitWords, WakeHook};
/// /// The other core waits with WFE.
/// fn send_event(_: &WaitWords) { /* asm!("sev") */ }
/// const HOOK: WakeHook = WakeHook::new(send_event);
/// # use hqq_core::{AttachOptions, Role};
/// let options = AttachOptions::new(Role::Primary).wake_hook(HOOK);
/// ```
#[derive(Clone, Copy)]
pub struct WakeHook {
    wake: fn(&WaitWords),
    note: fn() -> [u32; NOTE_WORDS],
    domain: Option<WakeDomain>,
    fenced: bool,
}

impl WakeHook {
    /// A hook that is called, with the wait words of the other side, when somebody sleeps there and
    /// there is news: after their sequence has moved on.
    #[must_use]
    pub const fn new(wake: fn(&WaitWords)) -> Self {
        Self {
            wake,
            note: || [0; NOTE_WORDS],
            domain: None,
            fenced: true,
        }
    }

    /// What a waker leaves for the sleeper, as a hint: such as when and where it woke.
    #[must_use]
    pub const fn noting(mut self, note: fn() -> [u32; NOTE_WORDS]) -> Self {
        self.note = note;
        self
    }

    /// What is recorded of the side, for sleepers to know that they will be woken.
    #[must_use]
    pub const fn domain(mut self, domain: WakeDomain) -> Self {
        self.domain = Some(domain);
        self
    }

    /// Leaves the fence after each publication out: every sleeper makes one on behalf of all
    /// publishers, as `membarrier` does on Linux for processes that have registered.
    #[must_use]
    pub const fn unfenced(mut self) -> Self {
        self.fenced = false;
        self
    }
}

impl fmt::Debug for WakeHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeHook")
            .field("domain", &self.domain)
            .field("fenced", &self.fenced)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for WakeHook {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "WakeHook({}, fenced: {})", self.domain, self.fenced);
    }
}

/// Those who can wake each other, such as the processes of one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WakeDomain(u32);

impl WakeDomain {
    /// The domain with this name, of which 31 bits count.
    #[must_use]
    pub const fn new(name: u32) -> Self {
        match name << 1 {
            // That is nobody's.
            0 => Self(1 << 1),
            domain => Self(domain),
        }
    }
}

/// How the members of a side wake, as the side's record has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Wakes(u32);

impl Wakes {
    /// How the members of one side of a direction wake.
    #[must_use]
    pub fn read(region: &Region, direction: Direction, consumer: bool) -> Self {
        let memory = SuperblockMemory::new(region);
        // Pairs with the Release in `record`.
        Self(
            memory
                .side(direction, consumer, WAKES)
                .load(ordering::see_status()),
        )
    }

    /// Whether a sleeper of `domain` is woken by all of them.
    #[must_use]
    pub const fn reach(self, domain: WakeDomain) -> bool {
        self.0 & !UNFENCED == domain.0
    }

    /// Whether some of them publish without a fence, so that a sleeper must make it for them.
    #[must_use]
    pub const fn need_barrier(self) -> bool {
        self.0 & UNFENCED != 0
    }
}

/// The wait words of one side of a ring.
///
/// A sleeper [arms](WaitWords::arm), makes a full barrier, looks again at what it waits for, and
/// sleeps while the sequence is the one it got. A waker takes the flag down, moves the sequence on,
/// and wakes all that sleep.
#[derive(Clone, Debug)]
pub struct WaitWords {
    memory: WaitMemory,
}

impl WaitWords {
    /// The words of one side of a direction; `None` in format 1, or where `layout` is larger than
    /// the region.
    #[must_use]
    pub fn new(
        region: &Region,
        layout: &Layout,
        direction: Direction,
        consumer: bool,
    ) -> Option<Self> {
        let memory = WaitMemory::new(region, layout, direction, consumer)?;
        Some(Self { memory })
    }

    /// W3, first half of a sleeper's: reads the sequence, then puts the flag up. A full barrier must
    /// follow, and another look, before sleeping.
    #[must_use]
    pub fn arm(&self) -> Ticket {
        #[cfg(loom)]
        if ordering::weakened("sequence_read_after_flag") {
            self.memory.word(FLAG).store(1, Ordering::Relaxed);
            return Ticket(self.sequence());
        }
        let ticket = Ticket(self.sequence());
        // Relaxed: the barrier that follows orders it before the next look (W1).
        self.memory.word(FLAG).store(1, Ordering::Relaxed);
        ticket
    }

    /// The sequence as it is, without having anybody woken who would not be.
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        Ticket(self.sequence())
    }

    /// Whether the sequence has moved on since the ticket was got.
    #[must_use]
    pub fn has_moved(&self, ticket: Ticket) -> bool {
        self.sequence() != ticket.0
    }

    fn sequence(&self) -> u32 {
        // Pairs with the Release in `wake`.
        self.memory.word(SEQUENCE).load(ordering::see_sequence())
    }

    /// What the last waker has noted.
    #[must_use]
    pub fn note(&self) -> [u32; NOTE_WORDS] {
        // Relaxed: hints.
        core::array::from_fn(|index| self.memory.word(NOTE + index).load(Ordering::Relaxed))
    }

    /// The sequence's word, for a system that sleeps on it: it holds [`Ticket::in_memory`].
    #[cfg(not(loom))]
    #[must_use]
    pub fn sequence_ptr(&self) -> *mut u32 {
        self.memory.word(SEQUENCE).as_ptr()
    }

    /// W3, a waker's part: all who sleep with a ticket from before look again.
    pub fn wake(&self, hook: &WakeHook) {
        let (flag, sequence) = (self.memory.word(FLAG), self.memory.word(SEQUENCE));
        for (index, word) in (hook.note)().into_iter().enumerate() {
            // Relaxed: a hint.
            self.memory
                .word(NOTE + index)
                .store(word, Ordering::Relaxed);
        }
        #[cfg(loom)]
        if ordering::weakened("sequence_before_flag") {
            sequence.increment(ordering::advance_sequence());
            flag.store(0, Ordering::Relaxed);
            (hook.wake)(self);
            return;
        }
        // Relaxed: ordered by the Release that follows. Before the sequence: whoever arms with the
        // new one has its flag stay up.
        flag.store(0, Ordering::Relaxed);
        // Pairs with the Acquire in `sequence`. An exchange, so that it never goes back.
        sequence.increment(ordering::advance_sequence());
        (hook.wake)(self);
    }
}

/// What a sleeper must find unchanged to go to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ticket(u32);

impl Ticket {
    /// The sequence as it lies in memory, as a native integer.
    #[must_use]
    pub const fn in_memory(self) -> u32 {
        self.0.to_le()
    }
}

/// Wakes everybody who sleeps at `sides`.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub(crate) fn wake_all<'a>(sides: impl IntoIterator<Item = &'a WaitWords>, hook: &WakeHook) {
    // What they should see was stored before; pairs with the barrier of a sleeper that arms now.
    ordering::full_fence();
    for words in sides {
        words.wake(hook);
    }
}
