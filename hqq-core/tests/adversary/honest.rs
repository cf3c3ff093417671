//! Others that keep to the rules, and do whatever they may between any two accesses of one call: it is
//! not told that the region is corrupt.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::rc::Rc;

use hqq_core::ring::stamp::{State, published};
use hqq_core::sync::count::hooked;
use hqq_core::{
    AttachOptions, Delivery, Member, Mode, Position, RecvError, Role, SharedLink, Waiting,
};

use crate::common::Memory;
use crate::{COUNT, START, attach, layout, make};

/// A tombstone, which a consumer passes over, as its sender has left it.
fn bury(memory: &Memory, position: u64) {
    let at = Position::new(position);
    for (operand, value) in [(1, position + 1), (2, position % COUNT as u64), (3, 4)] {
        memory.set64(memory.slot_word(position, operand), value);
    }
    memory.set_stamp(position, published(at, 0xfe));
}

/// Between two accesses of a receiver: a message comes, another receiver claims it and dies before it
/// has moved `r` on, its slot is freed, and the senders go on for a lap.
#[test]
fn a_lap_beside_a_counter_that_lags() {
    let memory = Memory::zeroed(layout());
    let mut accesses = 0;
    for at in 0.. {
        make(&memory, Delivery::AtMostOnce);
        let _near = attach(&memory, Mode::Shared, &AttachOptions::new(Role::Primary)).unwrap();
        let options = AttachOptions::new(Role::Secondary).member(Member::new(2).unwrap());
        let far = SharedLink::<hqq_core::Dynamic>::attach(memory.region(), &options).unwrap();
        let count = Rc::new(Cell::new(0));
        let seen = Rc::clone(&count);
        let others = move |_| {
            if seen.get() == at {
                let mine = Position::new(START);
                memory.set_stamp(START, published(mine, 0xff));
                memory.set_stamp(START, State::Reading(mine, Member::FIRST, 0xff).word());
                memory.set_stamp(START, State::Free(mine.plus(COUNT)).word());
                for later in 1..=COUNT as u64 {
                    bury(&memory, START + later);
                }
            }
            seen.set(seen.get() + 1);
        };
        // The deadline is over once it has to wait.
        let mut over = |_: &Waiting| ControlFlow::Break(());
        let mut receiver = far.receiver();
        let result = hooked(others, || receiver.recv(&mut [0; 64], &mut over));
        assert_eq!(result, Err(RecvError::TimedOut), "before access {at}");
        if count.get() <= at {
            accesses = at;
            break;
        }
    }
    println!("a lap before each of {accesses} accesses of a call that ends at its deadline");
    assert!(accesses > 5);
}
