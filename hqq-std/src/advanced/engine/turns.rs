//! Whose turn it is to put a part of its message into a ring that is full.

use std::collections::VecDeque;

/// A place among those who wait for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Place(u64);

/// Those who wait for room, in the order they came, so that a short message comes through beside a long
/// one. Who does not wait, as it sends the parts of a long message one after the other, may pass the first
/// of them a few times only, which saves changing threads for each part.
///
/// # Invariants
/// Each of `waiting` is a thread that looks again when it is woken for room, or leaves.
#[derive(Debug)]
pub(super) struct Turns {
    waiting: VecDeque<Place>,
    next: u64,
    /// How often the first of them was passed, and how often it may be.
    passed: usize,
    most: usize,
}

impl Turns {
    /// For a ring of `count` buffers.
    pub(super) fn new(count: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            next: 0,
            passed: 0,
            most: (count / 8).max(1),
        }
    }

    /// Whether who has `place`, or none, may send a part now.
    pub(super) fn may_send(&self, place: Option<Place>) -> bool {
        match self.waiting.front() {
            None => true,
            Some(first) if Some(*first) == place => true,
            Some(_) => self.passed < self.most,
        }
    }

    /// Notes that who has `place`, or none, has sent a part.
    pub(super) fn sent(&mut self, place: Option<Place>) {
        if self
            .waiting
            .front()
            .is_some_and(|first| Some(*first) != place)
        {
            self.passed += 1;
        }
    }

    /// The last place.
    pub(super) fn queue(&mut self) -> Place {
        let place = Place(self.next);
        self.next = self.next.wrapping_add(1);
        self.waiting.push_back(place);
        place
    }

    /// Gives a place up; says whether that may be the turn of somebody else.
    pub(super) fn leave(&mut self, place: Place) -> bool {
        if self.waiting.front() == Some(&place) {
            self.passed = 0;
        }
        self.waiting.retain(|other| *other != place);
        !self.waiting.is_empty()
    }
}
