//! What a call does while it waits besides waiting: it looks, now and then, whether somebody has died,
//! and repairs what that one left.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use hqq_core::{Wait, Waiting};

use crate::attach::Attachment;
use crate::wait::Waiter;

/// Rounds of waiting before it is looked for the first time: answers come sooner.
const QUIET: u32 = 500;
/// How long after that it is looked for the first time; each time is twice as long as the one before.
const FIRST: Duration = Duration::from_millis(10);
/// So many wakeups in a row that brought nothing may have been made for nothing.
const WOKEN: u32 = 8;
/// The longest time between two looks.
const SLICE: Duration = Duration::from_millis(250);

/// Waits as a [`Waiter`] does, and looks after the living and the dead meanwhile.
pub(super) struct Watch<'a> {
    inner: &'a mut Waiter,
    attachment: &'a Attachment,
    next: Option<Instant>,
    pause: Duration,
    woken: u32,
    /// Who waits can take over what a dead receiver of its side was reading.
    inherits: bool,
    /// The deadline is over, and it was looked once more.
    is_over: bool,
    /// A message of a dead receiver waits for one to take it over.
    has_heritage: bool,
    /// The wait was ended for that.
    was_ended: bool,
}

impl<'a> Watch<'a> {
    pub(super) const fn new(inner: &'a mut Waiter, attachment: &'a Attachment) -> Self {
        Self {
            inner,
            attachment,
            next: None,
            pause: FIRST,
            woken: 0,
            inherits: false,
            is_over: false,
            has_heritage: false,
            was_ended: false,
        }
    }

    /// For a receiver, which can take over what dead ones of its side were reading: the wait ends
    /// where there may be such a thing.
    pub(super) const fn inheriting(mut self) -> Self {
        self.inherits = true;
        self
    }

    /// Whether the wait was ended for the caller to take something over, if it can.
    pub(super) const fn heritage(&mut self) -> bool {
        std::mem::replace(&mut self.has_heritage, false)
    }

    /// Whether the wait was ended before its time, and no deadline was reached.
    pub(super) const fn goes_on(&mut self) -> bool {
        std::mem::replace(&mut self.was_ended, false)
    }

    /// The call that waits begins anew, and has as long as it had.
    pub(super) const fn go_on(&mut self) {
        // How it ends from here on is no matter of that end.
        self.was_ended = false;
        self.inner.go_on();
    }

    /// Looks whether somebody has died; `true` where it is worth trying again.
    fn attend(&mut self) -> bool {
        let Some(repaired) = self.attachment.attend() else {
            return false;
        };
        self.has_heritage = self.inherits && repaired.in_doubt > 0;
        repaired.has_changed()
    }
}

impl Wait for Watch<'_> {
    #[inline]
    fn wait(&mut self, waiting: &Waiting) -> ControlFlow<()> {
        if self.inner.wait(waiting).is_break() {
            // A short deadline is no reason not to find out why nothing came.
            if !self.is_over {
                self.is_over = true;
                if self.attend() && !self.has_heritage {
                    return ControlFlow::Continue(());
                }
            }
            return ControlFlow::Break(());
        }
        if waiting.round > QUIET || self.inner.has_slept() {
            return self.look();
        }
        ControlFlow::Continue(())
    }

    fn worth(&self) -> u32 {
        self.inner.worth()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.inner.finish();
    }
}

impl Watch<'_> {
    #[cold]
    fn look(&mut self) -> ControlFlow<()> {
        if self.attachment.is_forked() || self.attachment.is_cut() {
            return ControlFlow::Break(());
        }
        let is_told = self.inner.has_news();
        if !is_told && self.inner.was_woken() && self.woken < WOKEN {
            // Who woke it has something for it.
            self.woken += 1;
            return ControlFlow::Continue(());
        }
        self.woken = 0;
        let now = Instant::now();
        match self.next {
            _ if is_told => {
                self.attend();
            }
            Some(next) if now < next => return ControlFlow::Continue(()),
            Some(_) => {
                self.pause = (self.pause * 2).min(SLICE);
                self.attachment.look_out();
                self.attend();
            }
            // It has slept for a slice already.
            None if self.inner.has_slept() => {
                self.attachment.look_out();
                self.attend();
            }
            None => {}
        }
        self.next = now.checked_add(self.pause);
        if self.has_heritage {
            self.was_ended = true;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// The same for whoever looks again and again by other means.
pub(super) struct Pulse<'a> {
    attachment: &'a Attachment,
    next: Option<Instant>,
}

impl<'a> Pulse<'a> {
    pub(super) const fn new(attachment: &'a Attachment) -> Self {
        Self {
            attachment,
            next: None,
        }
    }

    /// To be called once a look, between two of which there may have been a sleep.
    pub(super) fn beat(&mut self) {
        let now = Instant::now();
        match self.next {
            None => self.next = now.checked_add(FIRST),
            Some(next) if now >= next => {
                self.attachment.look_out();
                self.attachment.attend();
                self.next = now.checked_add(SLICE);
            }
            Some(_) => {}
        }
    }
}
