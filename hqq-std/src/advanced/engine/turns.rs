//! Whose turn it is to put a part of its message into a ring that is full, or onto a stream without credit.

use std::collections::VecDeque;

/// A place among those who wait for room or credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Place(u64);

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    Room,
    /// Credit of this stream, which who sends on others need not wait for.
    Credit(u64),
}

/// Who waits.
#[derive(Debug)]
struct Waiting {
    place: Place,
    lack: Lack,
    /// How often it was passed.
    passed: usize,
}

impl Waiting {
    /// Whether who sends on a stream has to wait for it.
    fn concerns(&self, stream: u64) -> bool {
        matches!(self.lack, Lack::Room) || self.lack == Lack::Credit(stream)
    }
}

/// Those who wait, in the order they came, so that a short message comes through beside a long
/// one. Who does not wait, as it sends the parts of a long message one after the other, may pass the first
/// of them that sends on its stream, or waits for room, a few times only, which saves changing threads for each part.
///
/// # Invariants
/// Each of `waiting` is a thread that looks again when it is woken for room or credit, or leaves.
#[derive(Debug)]
pub(super) struct Turns {
    waiting: VecDeque<Waiting>,
    next: u64,
    /// How often one of them may be passed.
    most: usize,
    /// What tasks wait for, which have no place, until one of those that have leaves.
    tasks: Next,
}

/// Whose turn it may be: of those who wait for room, and of those who wait for credit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) room: bool,
    pub(super) credit: bool,
}

impl Next {
    const fn add(&mut self, lack: Lack) {
        match lack {
            Lack::Room => self.room = true,
            Lack::Credit(_) => self.credit = true,
        }
    }
}

impl Turns {
    /// For a ring of `count` buffers.
    pub(super) fn new(count: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            next: 0,
            most: (count / 8).max(1),
            tasks: Next::default(),
        }
    }

    /// What is lacking before whose turn it is, where who has `place`, or none, may not send a part on this stream
    /// now.
    pub(super) fn lack(&self, place: Option<Place>, stream: u64) -> Option<Lack> {
        let mut waiting = self.waiting.iter();
        let first = waiting.find(|first| first.concerns(stream))?;
        let may_send = Some(first.place) == place || first.passed < self.most;
        (!may_send).then_some(first.lack)
    }

    /// Notes that who has `place`, or none, has sent a part on this stream.
    pub(super) fn sent(&mut self, place: Option<Place>, stream: u64) {
        let mut waiting = self.waiting.iter_mut();
        if let Some(first) = waiting.find(|first| first.concerns(stream))
            && Some(first.place) != place
        {
            first.passed += 1;
        }
    }

    /// Who has `place`, or none, waits for this. Gives it the last place, unless it has one. Says whether it waited
    /// for room before, so that who sends on other streams need not wait for it any more.
    pub(super) fn wait(&mut self, place: &mut Option<Place>, lack: Lack) -> bool {
        if let Some(place) = *place {
            let mut waiting = self.waiting.iter_mut();
            let Some(known) = waiting.find(|known| known.place == place) else {
                return false;
            };
            let before = std::mem::replace(&mut known.lack, lack);
            return before == Lack::Room && lack != Lack::Room;
        }
        let fresh = *place.insert(Place(self.next));
        self.next = self.next.wrapping_add(1);
        self.waiting.push_back(Waiting {
            place: fresh,
            lack,
            passed: 0,
        });
        false
    }

    /// A task that has no place waits for this.
    pub(super) const fn turned_away(&mut self, lack: Lack) {
        self.tasks.add(lack);
    }

    /// Gives a place up; says whose turn that may be.
    pub(super) fn leave(&mut self, place: Place) -> Next {
        let mut next = std::mem::take(&mut self.tasks);
        self.waiting.retain(|other| other.place != place);
        for waiting in &self.waiting {
            next.add(waiting.lack);
        }
        next
    }
}
