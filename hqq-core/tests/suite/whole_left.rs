//! All of a request or response that is taken, left or refused: its room is given back, and it is opened no more.

use std::mem::forget;

use super::whole::{By, COUNT, QUICKLY, SIZE, any_of, opened};
use crate::common::{LINE, Memory, heir, receive};
use hqq_core::link::{Missed, WholeGrant};
use hqq_core::packet::Whole;
use hqq_core::ring::Consumer;
use hqq_core::{Delivery, InitOptions, Layout, Receiver, Role, TryRecvError};

/// What may be done with one that came.
#[derive(Clone, Copy, Debug)]
enum Left {
    Released,
    Dropped,
    Refused,
    Taken,
    NotTaken,
}

impl Left {
    const ALL: [Self; 5] = [
        Self::Released,
        Self::Dropped,
        Self::Refused,
        Self::Taken,
        Self::NotTaken,
    ];

    /// Does so with the next one, where few steps do.
    fn leave<C: Consumer>(self, receiver: &mut Receiver<C>) -> Result<(), Missed> {
        match self {
            Self::Released => receiver.next_whole().map(WholeGrant::release),
            Self::Dropped => receiver.next_whole().map(drop),
            Self::Refused => By::Grant.refused(receiver).map(drop),
            Self::Taken => By::Taking.quickly(receiver).map(drop),
            Self::NotTaken => By::Taking.refused(receiver).map(drop),
        }
    }
}

/// Fills rings and empties them again and again; one of each filling is `left`, or all of them.
fn gives_room_back(left: Left) {
    for (count, all) in [(2, false), (2, true), (COUNT, false), (COUNT, true)] {
        let memory = Memory::new(count, SIZE, 0);
        let (mut near, mut far) = memory.pair();
        let (sender, receiver) = (near.sender(), far.receiver());
        for round in 0..2 * count {
            for number in 0..count {
                let whole = Whole::request(number as u64, 7, 4);
                sender.try_send_whole(&whole, b"body").unwrap();
            }
            for number in 0..count {
                let is_left = all || number == round % count;
                let way = if is_left { left } else { Left::Released };
                if way.leave(receiver).is_err() {
                    // By few steps only where registers are many.
                    drop(receiver.try_next_packet().unwrap());
                }
            }
            assert!(matches!(receiver.next_whole(), Err(Missed::Nothing)));
        }
        memory.assert_canaries();
    }
}

#[test]
fn what_is_left_gives_its_room_back() {
    for left in Left::ALL {
        gives_room_back(left);
    }
}

/// Producers are told of each message at once.
fn telling_at_once() -> Memory {
    let layout = Layout::new(COUNT, SIZE, LINE, 4).unwrap();
    let options = InitOptions::new().delivery(Delivery::AtLeastOnce);
    Memory::with(layout, &options)
}

#[test]
fn what_is_left_is_given_back_with_the_next_one() {
    for left in Left::ALL {
        let memory = telling_at_once();
        let (mut near, mut far) = memory.pair();
        let (sender, receiver) = (near.sender(), far.receiver());
        let whole = Whole::request(1, 7, 4);
        for _ in 0..COUNT {
            sender.try_send_whole(&whole, b"body").unwrap();
        }
        for way in [left, Left::Released] {
            if way.leave(receiver).is_err() {
                drop(receiver.try_next_packet().unwrap());
            }
        }
        for _ in 0..2 {
            let sent = sender.try_send_whole(&whole, b"body");
            assert_eq!(sent, Ok(()), "{left:?}");
        }
    }
}

#[test]
fn what_was_given_back_is_opened_no_more() {
    if !QUICKLY {
        return;
    }
    let memory = Memory::new(COUNT, SIZE, 0);
    let (mut near, mut far) = memory.pair();
    near.sender().try_send_whole(&any_of(1, 0), &[]).unwrap();
    let receiver = far.receiver();
    let unwanted = receiver.next_whole().ok().unwrap().refuse();
    assert!(matches!(receiver.next_whole(), Err(Missed::Nothing)));
    assert_eq!(opened(receiver, Some(unwanted)), Err(TryRecvError::Empty));
}

#[test]
fn what_is_opened_too_late_is_the_next_one() {
    if !QUICKLY {
        return;
    }
    let memory = Memory::new(COUNT, SIZE, 0);
    let (mut near, mut far) = memory.pair();
    let (mut sent, mut old) = (Vec::new(), Vec::new());
    for number in 1..=2 {
        let whole = any_of(number, 3);
        near.sender().try_send_whole(&whole, &[1, 2, 3]).unwrap();
        sent.push(whole);
    }
    let receiver = far.receiver();
    old.push(receiver.next_whole().ok().unwrap().refuse());
    // It is given back by whatever comes next.
    assert_eq!(opened(receiver, None).unwrap().0, Some(sent[1]));
    near.sender().try_send_whole(&any_of(3, 0), &[]).unwrap();
    assert_eq!(opened(receiver, old.pop()).unwrap().0, Some(any_of(3, 0)));
    assert!(matches!(receiver.next_whole(), Err(Missed::Nothing)));
}

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
#[test]
fn what_one_receiver_left_another_does_not_open() {
    if !QUICKLY {
        return;
    }
    let memories = [(); 2].map(|()| Memory::new(COUNT, SIZE, 0));
    let (mut near, mut far) = memories[0].pair();
    let whole = any_of(1, 1);
    near.sender().try_send_whole(&whole, b"x").unwrap();
    let unwanted = far.receiver().next_whole().ok().unwrap().refuse();
    let near = memories[1].shared(Role::Primary);
    let far = memories[1].shared(Role::Secondary);
    let other = opened(&mut far.receiver(), Some(unwanted));
    assert_eq!(other, Err(TryRecvError::Empty));
    near.sender().try_send(b"on").unwrap();
    assert_eq!(receive(&mut far.receiver()), Ok(b"on".to_vec()));
}

/// Whoever leaves, and whoever dies after nothing else was found, had it.
#[test]
fn what_is_left_does_not_come_to_the_next_receiver() {
    for left in Left::ALL {
        for dies in [false, true] {
            let memory = telling_at_once();
            let (mut near, mut far) = memory.pair();
            let whole = Whole::request(1, 7, 4);
            near.sender().try_send_whole(&whole, b"body").unwrap();
            if left.leave(far.receiver()).is_err() {
                drop(far.receiver().try_next_packet().unwrap());
            }
            if dies {
                assert_eq!(receive(far.receiver()), Err(TryRecvError::Empty));
                forget(far);
            } else {
                drop(far);
            }
            assert_eq!(memory.released(), 1, "{left:?}");
            let mut far = memory.exclusive_as(&heir(Role::Secondary));
            let again = receive(far.receiver());
            assert_eq!(again, Err(TryRecvError::Empty), "{left:?}");
        }
    }
}

#[test]
fn what_a_look_in_vain_gave_back_is_opened_no_more() {
    if !QUICKLY {
        return;
    }
    for by in By::ALL {
        let memory = Memory::new(COUNT, SIZE, 0);
        let (mut near, mut far) = memory.pair();
        let whole = Whole::request(1, 7, 4);
        let sender = near.sender();
        sender.try_send_whole(&whole, b"body").unwrap();
        let receiver = far.receiver();
        // The first few steps of a ring may not be there to be taken.
        if let Ok(unwanted) = by.refused(receiver) {
            assert_eq!(receive(receiver), Err(TryRecvError::Empty));
            assert_eq!(memory.released(), 1);
            let late = opened(receiver, Some(unwanted));
            assert_eq!(late, Err(TryRecvError::Empty));
        }
    }
}
