//! An adversary that acts before each access, in the ways that keep a call longest.

use hqq_core::ring::stamp::{State, published};
use hqq_core::sync::count::Kind;
use hqq_core::{Delivery, Direction, Member, Position};

use crate::common::Memory;
use crate::{COUNT, Call, MODES, PACKETS, START, STEPS, assert_works, layout, limit, run};

/// The point that a call has come to.
#[derive(Clone, Copy)]
struct Point {
    /// Accesses before.
    access: usize,
    /// Looks at stamps before.
    looks: usize,
    /// What comes next is a look at a stamp.
    look: bool,
}

/// An adversary that acts before each access: how it keeps the call from getting on.
type Strategy = (&'static str, fn(&Memory, Point));

fn counter(memory: &Memory, consumers: bool) -> usize {
    if consumers {
        memory.layout.consumer_counter(Direction::ToSecondary)
    } else {
        memory.layout.producer_counter(Direction::ToSecondary)
    }
}

fn set_slots(memory: &Memory, state: impl Fn(Position) -> State, from: u64) {
    for ahead in 0..COUNT {
        let at = Position::new(from).plus(ahead);
        memory.set_stamp(at.get(), state(at).word());
    }
}

const SENDING: [Strategy; 4] = [
    ("every position is claimed", |memory, _| {
        let w = memory.get64(counter(memory, false));
        set_slots(memory, |at| State::Writing(at, Member::FIRST), w);
    }),
    (
        "every position is free, until the exchange",
        |memory, point| {
            let w = memory.get64(counter(memory, false));
            let later = if point.looks.is_multiple_of(2) {
                0
            } else {
                8 * COUNT
            };
            set_slots(memory, |at| State::Free(at.plus(later)), w);
        },
    ),
    ("w moves on", |memory, point| {
        let w = counter(memory, false);
        memory.set64(w, START + 8 * point.access as u64);
    }),
    ("w moves back", |memory, point| {
        let w = counter(memory, false);
        memory.set64(w, START - point.access as u64 % 8);
    }),
];

const RECEIVING: [Strategy; 4] = [
    ("every position is being read", |memory, _| {
        let r = memory.get64(counter(memory, true));
        set_slots(memory, |at| State::Reading(at, Member::FIRST, 0xfd), r);
    }),
    ("every packet goes before the exchange", |memory, point| {
        let r = memory.get64(counter(memory, true));
        let later = if point.looks.is_multiple_of(2) {
            0
        } else {
            8 * COUNT
        };
        set_slots(memory, |at| State::Published(at.plus(later), 0xfc), r);
    }),
    ("r moves on", |memory, point| {
        let r = counter(memory, true);
        memory.set64(r, START + 8 * point.access as u64);
    }),
    ("tombstones without end", |memory, point| {
        if point.look {
            let r = memory.get64(counter(memory, true));
            memory.set_stamp(r, published(Position::new(r), 0xfe));
            for (operand, value) in [(1, r + 1), (2, r % COUNT as u64), (3, 4)] {
                memory.set64(memory.slot_word(r, operand), value);
            }
        }
    }),
];

/// The bound of 2N + 8 steps is reached, and never passed.
#[test]
fn an_adversary_that_keeps_a_call_from_getting_on() {
    let memory = Memory::zeroed(layout());
    let mut busy = [Vec::new(), Vec::new()];
    for (which, call) in [(0, Call::Send), (0, Call::SendLine), (1, Call::Receive)] {
        let strategies: &[Strategy] = if which == 0 { &SENDING } else { &RECEIVING };
        for &(name, strategy) in strategies {
            for modes in MODES.map(|near| MODES.map(|far| [near, far])).concat() {
                let target = memory;
                let mut looks = 0;
                let adversary = move |access, kind| {
                    let look = kind == Kind::Stamp;
                    let point = Point {
                        access,
                        looks,
                        look,
                    };
                    looks += usize::from(look);
                    strategy(&target, point);
                };
                let done = run(&memory, call, modes, Delivery::AtMostOnce, adversary);
                println!(
                    "{call:?} {modes:?}, {name}: {} looks, busy: {}",
                    done.stamps, done.busy
                );
                assert!(done.stamps <= limit(call, modes), "{name}: {}", done.stamps);
                if done.busy {
                    busy[which].push(done.stamps);
                }
                assert_works(&memory);
            }
        }
    }
    // Busy is what a call reports that used all of its steps, here with two looks each; or that took
    // all the packets off the ring that one call may.
    for looks in &busy {
        assert!(looks.contains(&(2 * STEPS)), "{busy:?}");
    }
    assert!(busy[1].contains(&PACKETS), "{busy:?}");
}
