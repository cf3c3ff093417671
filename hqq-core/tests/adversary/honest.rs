//! Others that keep to the rules, and do whatever they may between any two accesses of one call: it is
//! not told that the region is corrupt.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::rc::Rc;

use hqq_core::ring::stamp::{State, published};
use hqq_core::sync::count::hooked;
use hqq_core::{
    AttachOptions, Delivery, Member, Mode, Position, RecvError, Role, SharedLink, TrySendError,
    Waiting,
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

/// A sender that has sent one message after the other leaves a full ring to its receiver for a moment: whenever that
/// releases a message, the same call sends if it looks once more after that, and else the next one, where nothing else
/// happens.
#[test]
fn a_ring_that_becomes_free_while_its_sender_rests() {
    // Of one slot there is none.
    for buffers in [2, 4, 16] {
        let mut accesses = 0;
        for at in 0.. {
            let memory = Memory::new(buffers, 64, START);
            let near = memory.shared(Role::Primary);
            let mut sender = near.sender();
            let far = Rc::new(memory.shared(Role::Secondary));
            // In a row, so that it rests.
            for _ in 0..20 {
                sender.try_send(b"before").unwrap();
                far.receiver().try_recv(&mut [0; 64]).unwrap();
            }
            for _ in 0..buffers {
                sender.try_send(b"full").unwrap();
            }
            let (count, receiver) = (Rc::new(Cell::new(0)), Rc::clone(&far));
            let seen = Rc::clone(&count);
            let releases = move |_| {
                if seen.get() == at {
                    receiver.receiver().try_recv(&mut [0; 64]).unwrap();
                }
                seen.set(seen.get() + 1);
            };
            let sent = hooked(releases, || sender.try_send(b"on"));
            if count.get() <= at {
                assert_eq!(sent, Err(TrySendError::Full));
                accesses = at;
                break;
            }
            if sent.is_err() {
                // Not seen any more: after the last look, whether anybody else got on or has died.
                assert_eq!(sent, Err(TrySendError::Full), "{at} of {}", count.get());
                assert!(at + 3 >= count.get(), "{at} of {}", count.get());
                assert_eq!(sender.try_send(b"on"), Ok(()), "{at}");
            }
            assert_eq!(sender.try_send(b"more"), Err(TrySendError::Full));
            assert_eq!(sender.unread(), buffers);
        }
        println!(
            "a release before each of {accesses} accesses of a call that meets a full ring of {buffers}"
        );
        // With the rest: it looks once for each hint.
        assert!(accesses > 60, "{accesses}");
    }
}
