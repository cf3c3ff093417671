//! Requests that were handed out: whoever executes them learns here that nobody waits any more.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering, fence};
use std::sync::{Arc, Weak};

use foldhash::{HashMap, HashMapExt};
use hqq_core::advanced::MessageKey;
use hqq_core::packet::MessageKind;

use super::super::owner::Owner;
use super::super::stats::{Began, Handling};

/// Requests that are kept without a table, and without memory of their own.
const NEAR: usize = 8;
/// Those in the table are looked through for dropped ones whenever there are more.
const FAR: usize = 1024;

/// Its caller has given up.
const CANCELLED: u8 = 1;
/// An answer to it was begun.
const ANSWERED: u8 = 2;
/// It is timed, and not answered yet.
const TIMED: u8 = 4;

/// What a request that was handed out shares with its link.
#[derive(Debug, Default)]
pub(in crate::advanced) struct Ticket {
    /// Which of the above hold.
    state: AtomicU8,
    /// When it was handed out, where it is timed.
    began: AtomicU64,
    /// The link that it is answered on.
    owner: Weak<Owner>,
}

// Relaxed, all of them: hints to whoever executes the request; decisions are made, and the state is changed, under
// the link's lock.
impl Ticket {
    #[inline]
    fn has(&self, what: u8) -> bool {
        self.state.load(Ordering::Relaxed) & what != 0
    }

    #[inline]
    fn set(&self, state: u8) {
        self.state.store(state, Ordering::Relaxed);
    }

    /// Whether its caller has given up.
    #[inline]
    pub(in crate::advanced) fn is_cancelled(&self) -> bool {
        self.has(CANCELLED)
    }

    /// Whether an answer to it was begun.
    #[inline]
    pub(in crate::advanced) fn is_answered(&self) -> bool {
        self.has(ANSWERED)
    }

    /// Whether neither is so.
    #[inline]
    pub(in crate::advanced) fn is_due(&self) -> bool {
        !self.has(CANCELLED | ANSWERED)
    }

    /// Whether neither is so, and nothing is to be noted when it is answered.
    #[inline]
    pub(in crate::advanced) fn is_simply_due(&self) -> bool {
        self.state.load(Ordering::Relaxed) == 0
    }

    /// Where it is due.
    #[inline]
    pub(in crate::advanced) fn set_answered(&self) {
        self.set(ANSWERED);
    }

    /// The link that it is answered on, if that is still open.
    pub(in crate::advanced) fn owner(&self) -> Option<Arc<Owner>> {
        self.owner.upgrade()
    }

    /// Whether that is this one.
    #[inline(always)]
    pub(in crate::advanced) fn is_of(&self, owner: &Arc<Owner>) -> bool {
        std::ptr::eq(self.owner.as_ptr(), Arc::as_ptr(owner))
    }

    fn cancel(&self) {
        self.set(self.state.load(Ordering::Relaxed) | CANCELLED);
    }

    #[inline]
    fn reset(&self) {
        self.set(0);
    }

    /// It is timed from `began` on; where nobody has it yet.
    fn time(&self, began: Began) {
        self.began
            .store(Began::word(Some(began)), Ordering::Relaxed);
        self.set(TIMED);
    }

    /// When it was handed out, where it is timed: once.
    pub(in crate::advanced) fn take_began(&self) -> Option<Began> {
        if !self.has(TIMED) {
            return None;
        }
        self.set(self.state.load(Ordering::Relaxed) & !TIMED);
        Began::from_word(self.began.load(Ordering::Relaxed))
    }
}

/// What says to a request that it was cancelled; `key` while it is the request's.
#[derive(Debug)]
struct Place {
    key: Option<MessageKey>,
    ticket: Arc<Ticket>,
    /// The same, for the next request: made when there is time.
    spare: Option<Arc<Ticket>>,
}

impl Place {
    /// Whether its request was answered or dropped.
    #[inline]
    fn is_free(&self) -> bool {
        self.key.is_none() || self.is_alone()
    }

    /// Whether no request has its ticket.
    #[inline]
    fn is_alone(&self) -> bool {
        Arc::strong_count(&self.ticket) == 1 + usize::from(self.spare.is_some())
    }

    fn renew(&mut self, owner: &Weak<Owner>) {
        self.spare = None;
        self.ticket = ticket(owner);
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Served {
    near: [Place; NEAR],
    far: HashMap<MessageKey, Arc<Ticket>>,
    /// The link that requests are answered on.
    owner: Weak<Owner>,
    handling: Handling,
}

impl Served {
    pub(super) fn new() -> Self {
        Self {
            near: std::array::from_fn(|_| Place {
                key: None,
                ticket: Arc::default(),
                spare: None,
            }),
            far: HashMap::new(),
            owner: Weak::new(),
            handling: Handling::new(),
        }
    }

    /// How long executing requests takes.
    pub(super) const fn handling(&mut self) -> &mut Handling {
        &mut self.handling
    }

    /// Says which link requests are answered on; before the first of them.
    pub(super) fn set_owner(&mut self, owner: &Weak<Owner>) {
        self.owner = Weak::clone(owner);
        for place in &mut self.near {
            place.renew(owner);
        }
    }

    /// Notes that the request of this number on this stream was handed out; what this gives says whether its
    /// caller has given up.
    #[inline(always)]
    pub(super) fn begin(&mut self, connection: u64, id: u64) -> Arc<Ticket> {
        let ticket = self.begin_untimed(connection, id);
        if self.handling.is_next_timed() {
            self.time(&ticket);
        }
        ticket
    }

    #[cold]
    #[inline(never)]
    fn time(&mut self, ticket: &Ticket) {
        if let Some(began) = self.handling.begun() {
            ticket.time(began);
        }
    }

    #[inline(always)]
    fn begin_untimed(&mut self, connection: u64, id: u64) -> Arc<Ticket> {
        // Written where it stays: the processor waits long for what is copied right after it was written.
        let key = || MessageKey {
            connection,
            id,
            kind: MessageKind::Request,
        };
        let Some(place) = self.near.iter_mut().find(|place| place.is_free()) else {
            return self.begin_far(key());
        };
        place.key = Some(key());
        if place.is_alone() {
            // Pairs with the Release of whoever dropped the last request that had it.
            fence(Ordering::Acquire);
            place.ticket.reset();
        } else {
            // An answered request still has it.
            place.renew(&self.owner);
        }
        let spare = place.spare.take();
        spare.unwrap_or_else(|| Arc::clone(&place.ticket))
    }

    #[cold]
    #[inline(never)]
    fn begin_far(&mut self, key: MessageKey) -> Arc<Ticket> {
        if self.far.len() >= FAR {
            self.far.retain(|_, ticket| Arc::strong_count(ticket) > 1);
        }
        let ticket = ticket(&self.owner);
        self.far.insert(key, Arc::clone(&ticket));
        ticket
    }

    /// Notes that a request was answered.
    #[inline]
    pub(super) fn end(&mut self, key: &MessageKey) {
        let found = self.near.iter_mut().find(|place| place.key == Some(*key));
        match found {
            Some(place) => {
                place.key = None;
                if place.spare.is_none() {
                    place.spare = Some(Arc::clone(&place.ticket));
                }
            }
            None => {
                self.far.remove(key);
            }
        }
    }

    /// The caller of a request has given up.
    pub(super) fn cancel(&mut self, key: &MessageKey) {
        for place in &mut self.near {
            if place.key == Some(*key) {
                place.ticket.cancel();
                place.key = None;
            }
        }
        if let Some(ticket) = self.far.remove(key) {
            ticket.cancel();
        }
    }

    /// Nobody waits for answers any more.
    pub(super) fn cancel_all(&mut self) {
        for place in &mut self.near {
            if place.key.take().is_some() {
                place.ticket.cancel();
            }
        }
        for (_, ticket) in self.far.drain() {
            ticket.cancel();
        }
    }
}

/// A ticket for a request that is answered on this link.
fn ticket(owner: &Weak<Owner>) -> Arc<Ticket> {
    Arc::new(Ticket {
        owner: Weak::clone(owner),
        ..Ticket::default()
    })
}
