//! The quick ways of exclusive sides, which find their places by steps, and of handles of shared ones, which go on where
//! they were: rings that are long enough for several in a row, with buffers that are shorter than a line and others.

use std::cell::Cell;
use std::rc::Rc;

use hqq_core::ring::stamp::State;
use hqq_core::ring::{Consumer, Handle, Producer};
use hqq_core::sync::count::{Kind, hooked};
use hqq_core::{
    AttachOptions, Delivery, Direction, DynamicLink, Layout, Link, Position, Receiver, Role,
    Sender, TryRecvError,
};

use crate::common::{Memory, receive};
use crate::{START, Write, make, states};

const RING: usize = 8;
/// Bytes in a buffer and in a message: words and others in their packets, and lines.
const LENGTHS: [(usize, usize); 5] = [(8, 8), (8, 3), (48, 8), (48, 20), (64, 48)];
/// Messages that were sent and received before: what comes is then the first in few steps, in the middle of them, the last
/// before senders are told, at the ring's end and at its start.
const BEFORE: [u64; 5] = [3, 4, 6, 7, 8];

#[derive(Clone, Copy, Debug)]
enum Call {
    Send,
    /// In a grant.
    Commit,
    Receive,
    /// Into a buffer that is too short, and once more.
    ReceiveLate,
    Lend,
}

impl Call {
    const ALL: [Self; 5] = [
        Self::Send,
        Self::Commit,
        Self::Receive,
        Self::ReceiveLate,
        Self::Lend,
    ];

    fn make<P: Producer, C: Consumer>(
        self,
        near: &mut Sender<P>,
        far: &mut Receiver<C>,
        len: usize,
    ) {
        let mut buffer = [0; 64];
        let max = far.max_message_size();
        match self {
            Self::Send => {
                let _ = near.try_send(&buffer[..len]);
            }
            Self::Commit => {
                if let Ok(mut grant) = near.try_reserve() {
                    grant.copy_from(0, &buffer[..len]).unwrap();
                    grant.commit(len).unwrap();
                }
            }
            Self::Receive => {
                let result = far.try_recv(&mut buffer[..len]);
                assert!(result.is_ok_and(|got| got <= len) || result.is_err());
            }
            Self::ReceiveLate => {
                let short = far.try_recv(&mut buffer[..len - 1]);
                assert!(short.is_ok_and(|got| got < len) || short.is_err());
                let result = far.try_recv(&mut buffer);
                assert!(result.is_ok_and(|got| got <= max) || result.is_err());
                if let (Err(TryRecvError::BufferTooSmall { needed, .. }), Ok(got)) = (short, result)
                {
                    assert_eq!(got, needed, "what it was told to be is what it is");
                }
            }
            Self::Lend => {
                if let Ok(message) = far.try_next() {
                    assert!(message.len() <= max);
                    assert_eq!(message.copy_to(0, &mut buffer), message.len());
                }
            }
        }
    }
}

/// Both ends of a ring after so many messages; one more lies there.
fn bring<P: Producer, C: Consumer>(
    memory: &Memory,
    ends: &mut (Sender<P>, Receiver<C>),
    len: usize,
    before: u64,
) {
    let (near, far) = ends;
    for number in 0..before {
        near.try_send(&[1; 64][..len]).unwrap();
        assert_eq!(receive(far).unwrap().len(), len);
        if number == 2 {
            // So that ways do not end with the ring by themselves.
            assert_eq!(receive(far), Err(TryRecvError::Empty));
        }
    }
    near.try_send(&[2; 64][..len]).unwrap();
    let at = Position::new(START + before);
    let state = State::of(memory.stamp(at.get()));
    assert!(
        matches!(state, State::Published(there, _) if there == at),
        "{state:?}"
    );
}

/// What a call at this position could be misled by.
fn writes(memory: &Memory, at: Position) -> Vec<Write> {
    let layout = &memory.layout;
    let direction = Direction::ToSecondary;
    let mut writes = Vec::new();
    for slot in [at.minus(1), at, at.plus(1)] {
        let words = [at.minus(RING), at, at.plus(1)].map(states).concat();
        for word in words.into_iter().map(State::word).chain([u64::MAX]) {
            writes.push(Write::Word(memory.slot_word(slot.get(), 0), word));
        }
    }
    for operand in 1..4 {
        for value in [0, 7, 8, 9, 41, 65, u64::MAX] {
            writes.push(Write::Word(memory.slot_word(at.get(), operand), value));
        }
    }
    for at in [at.minus(1), at.plus(1), at.plus(RING)] {
        writes.push(Write::Word(layout.producer_counter(direction), at.get()));
        writes.push(Write::Word(layout.consumer_counter(direction), at.get()));
        writes.push(Write::Half(layout.released(direction).unwrap(), at.low()));
    }
    for side in [0, 3] {
        writes.extend([1, 2, 3].map(|status| Write::Half(128 + 64 * side, status)));
    }
    writes
}

/// One of these before each access of each call, and what comes after it for two rings: all calls end, in a result that can
/// be, and a call makes few looks at stamps: at most so many where a known way is gone, and where it may not be. How many
/// runs that were.
fn one_write_anywhere<P: Producer, C: Consumer>(
    attach: impl Fn(&Memory) -> (Sender<P>, Receiver<C>),
    limits: [usize; 2],
) -> usize {
    let mut runs = 0;
    for (size, len) in LENGTHS {
        let memory = Memory::zeroed(Layout::new(RING, size, 64, 4).unwrap());
        for (before, call) in BEFORE
            .into_iter()
            .flat_map(|before| Call::ALL.map(|call| (before, call)))
        {
            let writes = writes(&memory, Position::new(START + before));
            let run = |write: Option<(usize, Write)>| {
                make(&memory, Delivery::AtMostOnce);
                let mut ends = attach(&memory);
                bring(&memory, &mut ends, len, before);
                let (mut near, mut far) = ends;
                let counts = Rc::new([const { Cell::new(0) }; 2]);
                let counted = Rc::clone(&counts);
                let hook = move |kind| {
                    if let Some((_, write)) = write.filter(|(at, _)| *at == counted[0].get()) {
                        write.to(&memory);
                    }
                    counted[0].set(counted[0].get() + 1);
                    counted[1].set(counted[1].get() + usize::from(kind == Kind::Stamp));
                };
                hooked(hook, || call.make(&mut near, &mut far, len));
                let [accesses, stamps] = [0, 1].map(|which| counts[which].get());
                let limit = limits[usize::from(write.is_some())];
                assert!(stamps <= limit, "{call:?} of {len}: {stamps}, {write:x?}");
                if write.is_some() {
                    for _ in 0..2 * RING {
                        Call::Send.make(&mut near, &mut far, len);
                        Call::Receive.make(&mut near, &mut far, len);
                    }
                }
                memory.assert_canaries();
                accesses
            };
            for access in 0..run(None) {
                for write in &writes {
                    run(Some((access, *write)));
                    runs += 1;
                }
            }
        }
    }
    runs
}

#[test]
fn one_write_anywhere_beside_the_quick_ways() {
    let attach = |memory: &Memory| {
        let attach = |role| -> DynamicLink {
            Link::attach(memory.region(), &AttachOptions::new(role)).unwrap()
        };
        (
            attach(Role::Primary).split().0,
            attach(Role::Secondary).split().1,
        )
    };
    // A look, a store, and as much again where another way is tried; and what end-of-file asks.
    let runs = one_write_anywhere(attach, [2, 8]);
    println!("{runs} runs beside the quick ways");
}

/// One handle of either side, which goes on where it was.
fn handles(
    memory: &Memory,
) -> (
    Sender<impl Producer + use<>>,
    Receiver<impl Consumer + use<>>,
) {
    let (near, far) = (memory.shared(Role::Primary), memory.shared(Role::Secondary));
    let (to, from) = (near.split().0, far.split().1);
    (
        Sender::new(Handle::owned(to)),
        Receiver::new(Handle::owned(from)),
    )
}

#[test]
fn one_write_anywhere_beside_the_quick_ways_of_shared_sides() {
    // Two looks, an exchange, a store; then one attempt to claim.
    let runs = one_write_anywhere(handles, [4, 4 + 2 * RING + 8]);
    println!("{runs} runs beside the quick ways of shared sides");
}

/// PROTOCOL.md, "Bounds": two attempts in few steps, and one of 2N + 8, which is reached and not passed.
#[test]
fn an_adversary_that_keeps_a_receiver_in_a_row_from_getting_on() {
    let memory = Memory::zeroed(Layout::new(RING, 64, 64, 4).unwrap());
    make(&memory, Delivery::AtMostOnce);
    let (mut near, mut far) = handles(&memory);
    for _ in 0..2 {
        near.try_send(&[1; 8]).unwrap();
        receive(&mut far).unwrap();
    }
    let looks = Rc::new(Cell::new(0_usize));
    let counted = Rc::clone(&looks);
    let hook = move |kind| {
        if kind != Kind::Stamp {
            return;
        }
        let look = counted.replace(counted.get() + 1);
        // A run for the first attempt, a message inside for all others; gone before each exchange.
        let opcode = if look < 2 { 0xfc } else { 0xfd };
        let later = if look.is_multiple_of(2) { 0 } else { 8 * RING };
        let r = memory.get64(memory.layout.consumer_counter(Direction::ToSecondary));
        for at in (0..RING).map(|ahead| Position::new(r).plus(ahead)) {
            memory.set_stamp(at.get(), State::Published(at.plus(later), opcode).word());
        }
    };
    let result = hooked(hook, || far.try_recv(&mut [0; 64]));
    assert_eq!(result, Err(TryRecvError::Busy));
    // A look and an exchange each.
    assert_eq!(looks.get(), 2 * (2 + 2 * RING + 8));
    memory.assert_canaries();
}
