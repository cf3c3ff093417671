//! Sleeping and waking (PROTOCOL.md; rules W1 to W3), under store buffers as x86 has them: a store
//! is seen by others later, an exchange and a fence wait until it is, and a sleeper's membarrier
//! waits for the stores of every process that registered for it.

use crate::explorer::{Fault, Model};

const PUBLISHERS: usize = 2;
const SLEEPERS: usize = 3;
/// Stores that a publisher can have ahead of others' view: a message, a flag, a close.
const BUFFERED: usize = 4;

/// A rule that a configuration breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// W1: no fence though not registered.
    NoFence,
    /// W1: the process registers, but the sleeper makes no barrier.
    NoBarrier,
    /// W2: the sleeper has no barrier and asks publishers for fences, instead of timed sleeps.
    AsksForFences,
    /// W3: the flag is raised without looking again.
    LooksOnce,
    /// W3: the sequence is loaded after the flag is raised.
    LoadsLate,
    /// W3: the sequence moves on before the flag is taken down.
    MovesFirst,
    /// W3: one is woken.
    WakesOne,
    /// W3: the flag is what sleepers sleep on, though they are several.
    OneWord,
    /// C1: leaving wakes nobody.
    ClosesQuietly,
}

/// A word of the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Word {
    Messages,
    Closed,
    Flag,
    /// Sleepers ask for fences.
    Fences,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Publishing {
    Next,
    Fence,
    LoadFlag,
    Lower,
    Advance,
    Wake,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sleeping {
    Look,
    LoadSequence,
    Raise,
    Barrier,
    LookAgain,
    Wait,
    Asleep,
    /// Has other things to do, for good, or knows that nothing more will come.
    Gone,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Publisher {
    next: Publishing,
    left: u8,
    buffer: [Option<(Word, u8)>; BUFFERED],
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Sleeper {
    next: Sleeping,
    sequence: u8,
    /// Its flag is raised, and not yet seen by others.
    raising: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    messages: u8,
    taken: u8,
    flag: u8,
    fences: u8,
    sequence: u8,
    closed: u8,
    publishers: [Publisher; PUBLISHERS],
    sleepers: [Sleeper; SLEEPERS],
}

impl State {
    fn set(&mut self, (word, value): (Word, u8)) {
        match word {
            Word::Messages => self.messages = value,
            Word::Closed => self.closed += value,
            Word::Flag => self.flag = value,
            Word::Fences => self.fences = value,
        }
    }

    /// The oldest store of a publisher becomes visible; `false` where it has none.
    fn flush_one(&mut self, publisher: usize) -> bool {
        let buffer = &mut self.publishers[publisher].buffer;
        let Some(store) = buffer[0].take() else {
            return false;
        };
        buffer.rotate_left(1);
        self.set(store);
        true
    }

    fn flush(&mut self, publisher: usize) {
        while self.flush_one(publisher) {}
    }

    fn store(&mut self, publisher: usize, word: Word, value: u8) {
        if self.publishers[publisher].buffer[BUFFERED - 1].is_some() {
            // No room: the oldest has to become visible first.
            self.flush_one(publisher);
        }
        let buffer = &mut self.publishers[publisher].buffer;
        if let Some(free) = buffer.iter_mut().find(|entry| entry.is_none()) {
            *free = Some((word, value));
        }
    }

    /// What a publisher sees: its own last store, or what is visible.
    fn load(&self, publisher: usize, word: Word, visible: u8) -> u8 {
        self.publishers[publisher]
            .buffer
            .iter()
            .flatten()
            .rfind(|(stored, _)| *stored == word)
            .map_or(visible, |(_, value)| *value)
    }
}

/// One direction's news: publishers that send and leave, sleepers that wait for messages. The other
/// way round, consumers that release and producers that wait for room, is the same.
#[derive(Clone, Debug)]
struct Handshake {
    publishers: usize,
    sleepers: usize,
    /// Messages each.
    messages: u8,
    /// Whether each publisher's process has registered for the barrier.
    registered: [bool; PUBLISHERS],
    /// Sleepers wake by themselves after a time.
    timed: bool,
    one_word: bool,
    broken: Option<Broken>,
}

impl Handshake {
    const fn new(publishers: usize, sleepers: usize, messages: u8) -> Self {
        Self {
            publishers,
            sleepers,
            messages,
            registered: [true; PUBLISHERS],
            timed: false,
            one_word: false,
            broken: None,
        }
    }

    fn breaks(&self, rule: Broken) -> bool {
        self.broken == Some(rule)
    }

    fn publish(&self, state: &mut State, me: usize) -> bool {
        let publisher = state.publishers[me];
        let fences =
            self.breaks(Broken::AsksForFences) && state.load(me, Word::Fences, state.fences) == 1;
        let fenced = fences
            || !self.registered[me]
                && !self.breaks(Broken::NoFence)
                && !self.breaks(Broken::AsksForFences);
        let next = match publisher.next {
            Publishing::Next if publisher.left == 0 => {
                // C1: the close comes after the last message, and wakes whoever sleeps.
                state.store(me, Word::Closed, 1);
                state.publishers[me].left = u8::MAX;
                if self.breaks(Broken::ClosesQuietly) {
                    Publishing::Gone
                } else {
                    Publishing::Fence
                }
            }
            Publishing::Next => {
                if self.publishers == 1 {
                    // T3x, or T3 by the only one: a plain store.
                    let sent = state.load(me, Word::Messages, state.messages);
                    state.store(me, Word::Messages, sent + 1);
                } else {
                    // T1 is an exchange.
                    state.flush(me);
                    state.messages += 1;
                }
                state.publishers[me].left -= 1;
                Publishing::Fence
            }
            Publishing::Fence => {
                if fenced {
                    state.flush(me);
                }
                Publishing::LoadFlag
            }
            Publishing::LoadFlag if state.load(me, Word::Flag, state.flag) == 0 => {
                self.after(state, me)
            }
            Publishing::LoadFlag if self.breaks(Broken::MovesFirst) => Publishing::Advance,
            Publishing::LoadFlag => Publishing::Lower,
            Publishing::Lower => {
                state.store(me, Word::Flag, 0);
                if self.breaks(Broken::MovesFirst) || self.one_word() {
                    Publishing::Wake
                } else {
                    Publishing::Advance
                }
            }
            Publishing::Advance => {
                // An exchange, as several may wake at once.
                state.flush(me);
                state.sequence += 1;
                if self.breaks(Broken::MovesFirst) {
                    Publishing::Lower
                } else {
                    Publishing::Wake
                }
            }
            Publishing::Wake => {
                // A system call.
                state.flush(me);
                for sleeper in &mut state.sleepers {
                    if sleeper.next == Sleeping::Asleep {
                        sleeper.next = Sleeping::Look;
                        if self.breaks(Broken::WakesOne) {
                            break;
                        }
                    }
                }
                self.after(state, me)
            }
            Publishing::Gone => return false,
        };
        state.publishers[me].next = next;
        true
    }

    fn after(&self, state: &State, me: usize) -> Publishing {
        if state.publishers[me].left == u8::MAX {
            Publishing::Gone
        } else {
            Publishing::Next
        }
    }

    fn one_word(&self) -> bool {
        self.one_word || self.breaks(Broken::OneWord)
    }

    /// `leaves`: this sleeper takes a message and does not come back.
    fn sleep(&self, state: &mut State, me: usize, leaves: bool) -> bool {
        let sleeper = state.sleepers[me];
        let news = state.taken < state.messages;
        let over = usize::from(state.closed) == self.publishers;
        if leaves && !(sleeper.next == Sleeping::Look && news && self.sleepers > 1) {
            return false;
        }
        let next = match sleeper.next {
            Sleeping::Look if news => {
                state.taken += 1;
                if leaves {
                    Sleeping::Gone
                } else {
                    Sleeping::Look
                }
            }
            Sleeping::Look if over => Sleeping::Gone,
            Sleeping::Look if self.breaks(Broken::LoadsLate) => Sleeping::Raise,
            Sleeping::Look => Sleeping::LoadSequence,
            Sleeping::LoadSequence => {
                state.sleepers[me].sequence = state.sequence;
                if self.breaks(Broken::LoadsLate) {
                    Sleeping::Barrier
                } else {
                    Sleeping::Raise
                }
            }
            Sleeping::Raise => {
                state.sleepers[me].raising = true;
                if self.breaks(Broken::LoadsLate) {
                    Sleeping::LoadSequence
                } else {
                    Sleeping::Barrier
                }
            }
            Sleeping::Barrier => {
                let none = self.breaks(Broken::NoBarrier);
                for publisher in 0..self.publishers {
                    if self.registered[publisher] && !none {
                        state.flush(publisher);
                    }
                }
                if !none {
                    self.seen(state, me);
                }
                if self.breaks(Broken::LooksOnce) {
                    Sleeping::Wait
                } else {
                    Sleeping::LookAgain
                }
            }
            Sleeping::LookAgain if news || over => Sleeping::Look,
            Sleeping::LookAgain => Sleeping::Wait,
            Sleeping::Wait => {
                // A system call, which compares before it sleeps.
                self.seen(state, me);
                let same = if self.one_word() {
                    state.flag == 1
                } else {
                    state.sequence == state.sleepers[me].sequence
                };
                if same {
                    Sleeping::Asleep
                } else {
                    Sleeping::Look
                }
            }
            Sleeping::Asleep if self.timed => Sleeping::Look,
            Sleeping::Asleep | Sleeping::Gone => return false,
        };
        let sleeper = &mut state.sleepers[me];
        sleeper.next = next;
        if next == Sleeping::Look || next == Sleeping::Gone || next == Sleeping::Asleep {
            sleeper.sequence = 0;
        }
        true
    }

    /// A sleeper's raised flag becomes visible.
    fn seen(&self, state: &mut State, me: usize) -> bool {
        let raising = std::mem::take(&mut state.sleepers[me].raising);
        if raising {
            state.flag = 1;
            state.fences |= u8::from(self.breaks(Broken::AsksForFences));
        }
        raising
    }
}

impl Model for Handshake {
    type State = State;

    fn start(&self) -> State {
        State {
            messages: 0,
            taken: 0,
            flag: 0,
            fences: 0,
            sequence: 0,
            closed: 0,
            publishers: [Publisher {
                next: Publishing::Next,
                left: self.messages,
                buffer: [None; BUFFERED],
            }; PUBLISHERS],
            sleepers: [Sleeper {
                next: Sleeping::Look,
                sequence: 0,
                raising: false,
            }; SLEEPERS],
        }
    }

    /// For each publisher its next step and its next store's becoming visible; for each sleeper the
    /// same, and its leaving.
    fn actions(&self) -> usize {
        2 * self.publishers + 3 * self.sleepers
    }

    fn act(&self, state: &mut State, action: usize) -> Result<bool, Fault> {
        let Some(action) = action.checked_sub(2 * self.publishers) else {
            let publisher = action / 2;
            return Ok(if action.is_multiple_of(2) {
                self.publish(state, publisher)
            } else {
                state.flush_one(publisher)
            });
        };
        let sleeper = action / 3;
        Ok(match action % 3 {
            0 => self.sleep(state, sleeper, false),
            1 => self.sleep(state, sleeper, true),
            _ => self.seen(state, sleeper),
        })
    }

    /// Nobody sleeps while there is something to take, or to be told that there will be nothing.
    fn is_done(&self, state: &State) -> bool {
        let sleepers = &state.sleepers[..self.sleepers];
        sleepers
            .iter()
            .all(|sleeper| sleeper.next == Sleeping::Gone)
    }

    fn is_misfortune(&self, _: usize) -> bool {
        false
    }

    fn describe(&self, before: &State, action: usize, _: &State) -> String {
        let Some(sleeper) = action.checked_sub(2 * self.publishers) else {
            let next = before.publishers[action / 2].next;
            let what = if action.is_multiple_of(2) {
                format!("{next:?}")
            } else {
                format!("{:?} is seen", before.publishers[action / 2].buffer[0])
            };
            return format!("publisher {}: {what}", action / 2);
        };
        let what = match sleeper % 3 {
            0 => format!("{:?}", before.sleepers[sleeper / 3].next),
            1 => "takes one and leaves".into(),
            _ => "its flag is seen".into(),
        };
        format!("sleeper {}: {what}", sleeper / 3)
    }
}

#[path = "wake_tests.rs"]
mod tests;
