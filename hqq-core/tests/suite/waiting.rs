//! Calls that wait: how often they look, when they give up, and what they say then.

use std::ops::ControlFlow;

use crate::common::{Memory, drain, fill, in_every_pairing, receive};
use hqq_core::ring::stamp::{free, published};
use hqq_core::ring::{Consumer, Corruption, Producer};
use hqq_core::{
    Position, Receiver, RecvError, SendError, Sender, SpinFor, TryRecvError, WaitReason, Waiting,
};

const COUNT: usize = 2;
const SIZE: usize = 48;

#[test]
fn a_wait_that_gives_up_times_the_call_out() {
    fn give_up<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        for rounds in [1, 2, 7] {
            let mut seen = Vec::new();
            let mut wait = |waiting: &Waiting| {
                seen.push((waiting.reason, waiting.round));
                if waiting.round < rounds {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            };
            let waited = receiver.recv(&mut [0; SIZE], &mut wait);
            assert_eq!(waited, Err(RecvError::TimedOut));
            let waited = receiver.read(&mut [0; SIZE], &mut wait);
            assert_eq!(waited, Err(RecvError::TimedOut));
            assert_eq!(receiver.next(&mut wait).err(), Some(RecvError::TimedOut));
            let expected: Vec<_> = (1..=rounds).map(|n| (WaitReason::Message, n)).collect();
            assert_eq!(seen, [&expected[..]; 3].concat());
        }
        let mut patience = SpinFor(0);
        for _ in 0..COUNT {
            assert_eq!(sender.send(b"x", &mut patience), Ok(()));
        }
        let mut rounds = 0;
        let mut wait = |waiting: &Waiting| {
            assert_eq!(waiting.reason, WaitReason::Space);
            rounds = waiting.round;
            ControlFlow::Break(())
        };
        assert_eq!(sender.send(b"x", &mut wait), Err(SendError::TimedOut));
        assert_eq!(
            sender.send_vectored(&[b"x"], &mut wait),
            Err(SendError::TimedOut)
        );
        assert_eq!(sender.reserve(&mut wait).err(), Some(SendError::TimedOut));
        assert_eq!(rounds, 1);
        assert_eq!(receive(receiver), Ok(b"x".to_vec()));
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), give_up);
}

#[test]
fn what_happens_while_waiting_ends_the_wait() {
    fn meanwhile<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
        let mut sends_in_round_3 = |waiting: &Waiting| {
            if waiting.round == 3 {
                sender.try_send(b"now").unwrap();
            }
            ControlFlow::Continue(())
        };
        let mut buffer = [0; SIZE];
        assert_eq!(receiver.recv(&mut buffer, &mut sends_in_round_3), Ok(3));
        assert_eq!(&buffer[..3], b"now");
        assert_eq!(fill(sender, b"full"), COUNT);
        let mut drains = |_: &Waiting| {
            drain(receiver);
            ControlFlow::Continue(())
        };
        assert_eq!(sender.send(b"room", &mut drains), Ok(()));
        assert_eq!(sender.send_vectored(&[b"ro", b"om"], &mut drains), Ok(()));
    }
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), meanwhile);
}

#[test]
fn an_error_that_no_wait_mends_ends_the_call_at_once() {
    let memory = Memory::new(COUNT, SIZE, 0);
    let (mut near, mut far) = memory.pair();
    let mut never = |_: &Waiting| -> ControlFlow<()> { panic!("nothing to wait for") };
    let too_long = SendError::TooLong {
        len: SIZE + 1,
        max: SIZE,
    };
    assert_eq!(near.send(&[0; SIZE + 1], &mut never), Err(too_long));
    near.try_send(b"12").unwrap();
    let too_small = RecvError::BufferTooSmall {
        needed: 2,
        capacity: 1,
    };
    assert_eq!(far.recv(&mut [0], &mut never), Err(too_small));
}

#[test]
fn spinning_for_some_rounds_looks_so_often() {
    for rounds in [0, 1, 5] {
        let memory = Memory::new(COUNT, SIZE, 0);
        let (_near, mut far) = memory.pair();
        let waited = far.recv(&mut [0; SIZE], &mut SpinFor(rounds));
        assert_eq!(waited, Err(RecvError::TimedOut));
        assert_eq!(far.receiver().counters().blocked, 1);
    }
}

#[test]
fn a_stamp_that_no_rule_explains_is_told_when_the_wait_ends() {
    // Unknown, of another slot, of a ring that is far away.
    let stamps = [
        0x00e1,
        free(Position::new(1)),
        published(Position::new(COUNT as u64 * 5), 0xfd),
        u64::MAX,
    ];
    for stamp in stamps {
        let memory = Memory::new(COUNT, SIZE, 0);
        let (_near, mut far) = memory.pair();
        memory.set_stamp(0, stamp);
        let waited = far.recv(&mut [0; SIZE], &mut SpinFor(3));
        let corruption = Corruption {
            position: Position::new(0),
            stamp,
        };
        assert_eq!(waited, Err(RecvError::Corrupt(corruption)));
        assert!(
            waited
                .unwrap_err()
                .to_string()
                .contains(&format!("{stamp:016x}"))
        );
        // A call that does not wait cannot know whether it is about to change.
        let nothing = far.try_recv(&mut [0; SIZE]);
        assert_eq!(nothing, Err(TryRecvError::Empty));

        let memory = Memory::new(COUNT, SIZE, 0);
        let (mut near, mut far) = memory.pair();
        for _ in 0..COUNT {
            near.try_send(b"full").unwrap();
        }
        memory.set_stamp(0, stamp);
        let waited = near.send(b"more", &mut SpinFor(3));
        let corruption = Corruption {
            position: Position::new(COUNT as u64),
            stamp,
        };
        assert_eq!(waited, Err(SendError::Corrupt(corruption)));
        assert!(
            waited
                .unwrap_err()
                .to_string()
                .contains(&format!("{stamp:016x}"))
        );
        // It is mended when the slot is.
        memory.set_stamp(0, published(Position::new(0), 0xfd));
        assert_eq!(far.try_recv(&mut [0; SIZE]), Ok(4));
    }
}

#[test]
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
fn a_shared_side_tells_damage_too() {
    let memory = Memory::new(COUNT, SIZE, 0);
    let near = memory.shared(hqq_core::Role::Primary);
    let far = memory.shared(hqq_core::Role::Secondary);
    memory.set_stamp(0, 0xe1);
    let corruption = Corruption {
        position: Position::new(0),
        stamp: 0xe1,
    };
    let waited = far.receiver().recv(&mut [0; SIZE], &mut SpinFor(3));
    assert_eq!(waited, Err(RecvError::Corrupt(corruption)));
    let waited = near.sender().send(b"x", &mut SpinFor(3));
    assert_eq!(waited, Err(SendError::Corrupt(corruption)));
}
