//! A peer that writes anything anywhere between our calls: each call returns, none panics, and
//! nothing outside the region changes.

use crate::common::Memory;
use hqq_core::packet::Whole;
use hqq_core::ring::stamp::State;
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{
    AttachOptions, Direction, DynamicLink, Geometry, Link, Member, Position, Presence, Receiver,
    Role, Sender, SpinFor,
};
use proptest::prelude::*;

/// Buffers and bytes in each: a line, which is put and taken in few steps; and less, where only what is in packets is,
/// with rings that are long enough for more than one such step in a row.
const LINES: (usize, usize) = (4, 64);
const WORDS: (usize, usize) = (8, 8);
const SHORT: (usize, usize) = (8, 48);
/// The longest of them.
const SIZE: usize = 64;

/// What a call does, or what the peer writes.
#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    Reserve {
        at: usize,
        len: usize,
        end: u8,
    },
    Batch(usize),
    Receive(usize),
    Read(usize),
    Grant {
        at: usize,
        leak: bool,
    },
    ReceiveBatch(usize),
    Value,
    Whole {
        len: usize,
        take: bool,
    },
    Look,
    Attach(Presence),
    /// Any byte pattern at any word.
    Noise {
        word: usize,
        value: u64,
    },
    /// A stamp of a state, near to a position that the ring may be at.
    Stamp {
        index: usize,
        near: i8,
        state: u8,
    },
    /// A counter, near to where it may be.
    Counter {
        which: u8,
        near: i8,
    },
}

fn presence() -> impl Strategy<Value = Presence> {
    prop_oneof![
        Just(Presence::Recorded),
        Just(Presence::Alone),
        Just(Presence::Others)
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let len = 0..SIZE + 9;
    prop_oneof![
        3 => len.clone().prop_map(Step::Send),
        2 => (0..SIZE + 9, len.clone(), any::<u8>())
            .prop_map(|(at, len, end)| Step::Reserve { at, len, end }),
        1 => (0..9_usize).prop_map(Step::Batch),
        3 => len.clone().prop_map(Step::Receive),
        2 => len.prop_map(Step::Read),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(at, leak)| Step::Grant { at, leak }),
        1 => (0..9_usize).prop_map(Step::ReceiveBatch),
        1 => Just(Step::Value),
        2 => (0..SIZE + 9, any::<bool>()).prop_map(|(len, take)| Step::Whole { len, take }),
        1 => Just(Step::Look),
        1 => presence().prop_map(Step::Attach),
        3 => (any::<usize>(), any::<u64>()).prop_map(|(word, value)| Step::Noise { word, value }),
        3 => (0..8_usize, -9..9_i8, any::<u8>())
            .prop_map(|(index, near, state)| Step::Stamp { index, near, state }),
        1 => (any::<u8>(), -9..9_i8).prop_map(|(which, near)| Step::Counter { which, near }),
    ]
}

/// Calls on the sending half; what they return is the peer's to decide.
fn send<P: Producer>(sender: &mut Sender<P>, step: &Step) {
    match *step {
        Step::Send(len) => {
            let _ = sender.try_send(&vec![1; len]);
            let _ = sender.send(&vec![2; len], &mut SpinFor(2));
            let _ = sender.try_send_vectored(&[vec![3; len / 2], vec![4; len - len / 2]]);
        }
        Step::Reserve { at, len, end } => {
            if let Ok(mut grant) = sender.try_reserve() {
                let _ = grant.copy_from(at, &vec![5; len]);
                match end % 4 {
                    0 => drop(grant),
                    1 => std::mem::forget(grant),
                    2 => grant.abort(u64::from(end)),
                    _ => drop(grant.commit(at)),
                }
            }
        }
        Step::Batch(count) => {
            let _ = sender.try_send_batch(&vec![[6; 8]; count]);
        }
        Step::Whole { len, .. } => {
            let _ = sender.try_send_whole(&Whole::request(1, 7, len), &vec![7; len]);
        }
        Step::Look => {
            assert!(sender.unread() <= sender.capacity());
            let _ = (sender.is_writable(), sender.is_peer_closed());
            let _ = (sender.is_peer_open(), sender.counters());
        }
        _ => {}
    }
}

/// Calls on the receiving half, as above.
fn take<C: Consumer>(receiver: &mut Receiver<C>, step: &Step) {
    let size = receiver.max_message_size();
    match *step {
        Step::Receive(len) => {
            let mut buffer = vec![0; len];
            for got in [
                receiver.try_recv(&mut buffer).ok(),
                receiver.recv(&mut buffer, &mut SpinFor(2)).ok(),
            ] {
                assert!(got.is_none_or(|got| got <= len));
            }
        }
        Step::Read(len) => {
            let got = receiver.try_read(&mut vec![0; len]);
            assert!(got.is_ok_and(|got| got <= len) || got.is_err());
        }
        Step::Grant { at, leak } => {
            if let Ok(grant) = receiver.try_next() {
                assert!(grant.len() <= size);
                let copied = grant.copy_to(at, &mut [0; SIZE + 1]);
                assert!(copied <= grant.len());
                if leak {
                    std::mem::forget(grant);
                }
            }
        }
        Step::ReceiveBatch(limit) => {
            let received = receiver.try_recv_batch(limit, |message| {
                assert!(message.len() <= size);
            });
            assert!(received.is_ok_and(|received| received <= limit) || received.is_err());
        }
        Step::Value => {
            let _ = receiver.try_recv_as::<[u64; 2]>();
            // A hostile ring may be refilled for ever, not within 4 rings' worth of calls.
            let _ = receiver.try_iter::<16>().take(16).count();
        }
        Step::Whole { take: true, .. } => {
            let taken = receiver.take_whole(|_, body| {
                assert!(body.len() <= size);
                Some(body.copy_to(&mut [0; SIZE]))
            });
            assert!(!taken.is_ok_and(|copied| copied > size));
        }
        Step::Whole { take: false, .. } => {
            if let Ok(whole) = receiver.next_whole() {
                assert!(whole.copy_to(&mut [0; SIZE]) <= size);
                whole.release();
            }
        }
        Step::Look => {
            let _ = (receiver.is_readable(), receiver.is_peer_open());
        }
        _ => {}
    }
}

/// The peer's writes.
fn scribble(memory: &Memory, start: u64, step: &Step) {
    let near = |distance: i8| Position::new(start.wrapping_add_signed(i64::from(distance)));
    match *step {
        Step::Noise { word, value } => memory.set64(word % (memory.layout.len() / 8) * 8, value),
        Step::Stamp {
            index,
            near: distance,
            state,
        } => {
            let at = near(distance);
            let opcode = [0xfd, 0xff, 0xfe, 0, 5, 0x77, 0xfc, 4][usize::from(state / 4) % 8];
            let state = match state % 4 {
                0 => State::Free(at),
                1 => State::Writing(at, Member::FIRST),
                2 => State::Published(at, opcode),
                _ => State::Reading(at, Member::FIRST, opcode),
            };
            for direction in Direction::BOTH {
                let index = index % memory.layout.count();
                let slot = memory.layout.slots(direction) + index * 64;
                memory.set64(slot, state.word());
            }
        }
        Step::Counter {
            which,
            near: distance,
        } => {
            let at = near(distance);
            for direction in Direction::BOTH {
                match which % 3 {
                    0 => memory.set64(memory.layout.producer_counter(direction), at.get()),
                    1 => memory.set64(memory.layout.consumer_counter(direction), at.get()),
                    _ => memory.set32(memory.layout.released(direction).unwrap(), at.low()),
                }
            }
        }
        _ => {}
    }
}

/// Attaching as `presence` says, where it can be had.
fn options(role: Role, presence: Presence) -> AttachOptions {
    AttachOptions::new(role).presence(presence, presence)
}

fn exclusive<G: Geometry>((count, size): (usize, usize), start: u64, steps: &[Step]) {
    let memory = &Memory::new(count, size, start);
    let attach = |role, presence| Link::<G>::attach(memory.region(), &options(role, presence)).ok();
    let mut ends = Role::BOTH.map(|role| attach(role, Presence::Recorded));
    for (number, step) in steps.iter().enumerate() {
        let which = number % 2;
        if let Step::Attach(presence) = step {
            if number % 3 == 0 {
                ends[which] = None;
            }
            if let Some(link) = attach(Role::BOTH[which], *presence) {
                ends[which] = Some(link);
            }
        }
        if let Some(link) = &mut ends[which] {
            send(link.sender(), step);
            take(link.receiver(), step);
        }
        scribble(memory, start, step);
        memory.assert_canaries();
    }
}

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
fn shared((count, size): (usize, usize), start: u64, steps: &[Step]) {
    use hqq_core::{Dynamic, SharedLink};
    let memory = &Memory::new(count, size, start);
    let attach = |role, id, presence| {
        let options = options(role, presence).member(Member::new(id).unwrap());
        SharedLink::<Dynamic>::attach(memory.region(), &options).ok()
    };
    let mut links: Vec<_> = (0..4_u8)
        .map(|number| {
            attach(
                Role::BOTH[usize::from(number) % 2],
                number / 2 + 1,
                Presence::Recorded,
            )
        })
        .collect();
    for (number, step) in steps.iter().enumerate() {
        let which = number % links.len();
        if let Step::Attach(presence) = step {
            let anew = attach(Role::BOTH[which % 2], which as u8 / 2 + 1, *presence);
            if anew.is_some() || number % 3 == 0 {
                links[which] = anew;
            }
        }
        if let Some(link) = &links[which] {
            send(&mut link.sender(), step);
            take(&mut link.receiver(), step);
        }
        scribble(memory, start, step);
        memory.assert_canaries();
    }
}

fn start() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![0, (1 << 16) - 3, (1 << 32) - 3, (1 << 48) - 3])
}

fn config() -> ProptestConfig {
    ProptestConfig {
        // Emulated machines get a sample.
        cases: if cfg!(target_endian = "big") { 8 } else { 192 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn exclusive_sides_stay_in_bounds_and_in_time(
        start in start(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        for ring in [LINES, WORDS, SHORT] {
            exclusive::<hqq_core::Dynamic>(ring, start, &steps);
        }
        exclusive::<hqq_core::Fixed<4, 64>>(LINES, start, &steps);
        exclusive::<hqq_core::Fixed<8, 8>>(WORDS, start, &steps);
        exclusive::<hqq_core::Fixed<8, 48>>(SHORT, start, &steps);
    }

    #[test]
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    fn shared_sides_stay_in_bounds_and_in_time(
        start in start(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        for ring in [LINES, WORDS] {
            shared(ring, start, &steps);
        }
    }

    #[test]
    fn any_bytes_are_a_region_or_a_typed_error(
        bytes in prop::collection::vec(any::<u64>(), 128 / 8..400),
    ) {
        let memory = Memory::new(4, SIZE, 0);
        for (index, word) in bytes.iter().enumerate() {
            memory.set64(index * 8 % memory.layout.len(), *word);
        }
        for role in Role::BOTH {
            prop_assert!(DynamicLink::attach(memory.region(), &AttachOptions::new(role)).is_err());
        }
        memory.assert_canaries();
    }
}
