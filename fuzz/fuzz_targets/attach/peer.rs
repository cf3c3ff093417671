//! What happens to the region while a call of ours waits or holds a grant.

use std::ops::ControlFlow;
use std::slice::Iter;

use hqq_core::{Wait, Waiting};

use crate::input::Waits;
use crate::memory::Memory;
use crate::scribble::Scribble;

/// A peer that changes the region now and then, and a wait that gives up.
pub(crate) struct Peer<'a> {
    memory: &'a Memory,
    scribbles: Iter<'a, Scribble>,
    limit: u32,
    rounds: u32,
}

impl<'a> Peer<'a> {
    pub(crate) fn new(memory: &'a Memory, scribbles: &'a [Scribble]) -> Self {
        Self {
            memory,
            scribbles: scribbles.iter(),
            limit: 0,
            rounds: 0,
        }
    }

    /// Makes the next change, while there are any.
    pub(crate) fn act(&mut self) {
        if let Some(scribble) = self.scribbles.next() {
            self.memory.scribble(scribble);
        }
    }

    /// Lets the wait go on for as long as `waits` says; `None` for a call that does not wait.
    pub(crate) fn patient(&mut self, waits: Waits) -> Option<&mut Self> {
        self.limit = waits.rounds()?;
        Some(self)
    }

    /// How often the call has looked at the region.
    pub(crate) fn attempts(&self) -> u32 {
        1 + self.rounds
    }

    /// That a call which gave up did so because this wait said so.
    pub(crate) fn check_gave_up(&self) {
        assert!(
            self.rounds > self.limit,
            "gave up after {} rounds",
            self.rounds
        );
    }
}

impl Wait for Peer<'_> {
    fn wait(&mut self, waiting: &Waiting) -> ControlFlow<()> {
        self.rounds += 1;
        assert_eq!(waiting.round, self.rounds);
        assert!(
            self.rounds <= self.limit + 1,
            "waits on after being told to give up"
        );
        self.act();
        if self.rounds > self.limit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
