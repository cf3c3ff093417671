//! Handles of shared sides that send, or receive, several messages in a row, and take turns.
#![cfg(all(target_has_atomic = "64", not(hqq_narrow)))]

use std::collections::VecDeque;

use crate::common::{Memory, pattern, receive};
use hqq_core::{Direction, Position, Role, TryRecvError, TrySendError};

const SIZE: usize = 64;
/// Handles on either side.
const HANDLES: u64 = 3;
/// Before the slots lie `w` and, further on, `r`.
const W: usize = 384;
const R: usize = W - 128;

/// A message that goes its way in the packet, in its buffer, or in very few steps.
fn message(number: u64) -> Vec<u8> {
    pattern(number, [7, SIZE, 48][(number / 5 % 3) as usize])
}

/// How many positions a counter, that many bytes before the slots, is behind `position`.
fn behind(memory: &Memory, before: usize, position: u64) -> i64 {
    let offset = memory.layout.slots(Direction::ToSecondary) - before;
    Position::new(position).since(Position::new(memory.get64(offset)))
}

/// Handles take turns as `seed` says, each for a row of messages.
fn take_turns(count: usize, start: u64, seed: u64) {
    let case = format!("{count} buffers from {start}, {seed}");
    let memory = Memory::new(count, SIZE, start);
    let (near, far) = (memory.shared(Role::Primary), memory.shared(Role::Secondary));
    let mut senders: Vec<_> = (0..HANDLES).map(|_| near.sender()).collect();
    let mut receivers: Vec<_> = (0..HANDLES).map(|_| far.receiver()).collect();
    let most = (count as i64 / 2).min(8);
    let mut unread = VecDeque::new();
    let (mut sent, mut received) = (0, 0);
    let mut random = seed;
    for _ in 0..400 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let index = (random >> 40) % HANDLES;
        let row = 1 + (random >> 50) % 20;
        if random >> 63 == 0 {
            let sender = senders.get_mut(index as usize).unwrap();
            for _ in 0..row {
                if unread.len() == count {
                    assert_eq!(
                        sender.try_send(&message(sent)),
                        Err(TrySendError::Full),
                        "{case}"
                    );
                    assert_eq!(behind(&memory, W, start.wrapping_add(sent)), 0, "{case}");
                    break;
                }
                assert_eq!(sender.try_send(&message(sent)), Ok(()), "{case}, {sent}");
                unread.push_back(message(sent));
                sent += 1;
                let behind = behind(&memory, W, start.wrapping_add(sent));
                assert!((0..most.max(1)).contains(&behind), "{case}: {behind}");
            }
        } else {
            let receiver = receivers.get_mut(index as usize).unwrap();
            for _ in 0..row {
                let expected = unread.pop_front().ok_or(TryRecvError::Empty);
                let is_empty = expected.is_err();
                assert_eq!(receive(receiver), expected, "{case}, {received}");
                if is_empty {
                    assert_eq!(
                        behind(&memory, R, start.wrapping_add(received)),
                        0,
                        "{case}"
                    );
                    break;
                }
                received += 1;
                let behind = behind(&memory, R, start.wrapping_add(received));
                assert!((0..most.max(1)).contains(&behind), "{case}: {behind}");
            }
        }
    }
    assert!(received > 100, "{case}");
}

/// PROTOCOL.md, "Rows": every message is received once and in order, room is found where there is some, and the
/// counters are never further behind than that allows.
#[test]
fn handles_that_take_turns_pass_every_message_on_in_order() {
    for count in [2, 4, 8, 64] {
        for start in [0, (1 << 32) - 3, (1 << 48) - 3] {
            for seed in 0..8 {
                take_turns(count, start, seed);
            }
        }
    }
}

/// A handle that was used last before others have gone many times round the ring goes on where they are.
#[test]
fn a_handle_that_comes_back_late_goes_on_where_the_others_are() {
    let memory = Memory::new(4, SIZE, 0);
    let (near, far) = (memory.shared(Role::Primary), memory.shared(Role::Secondary));
    let (mut early, mut sender) = (near.sender(), near.sender());
    let (mut late, mut receiver) = (far.receiver(), far.receiver());
    for number in 0..3 {
        assert_eq!(early.try_send(&message(number)), Ok(()));
        assert_eq!(receive(&mut late), Ok(message(number)));
    }
    for number in 3..1000 {
        assert_eq!(sender.try_send(&message(number)), Ok(()));
        assert_eq!(receive(&mut receiver), Ok(message(number)));
    }
    assert_eq!(early.try_send(&message(1000)), Ok(()));
    assert_eq!(receive(&mut late), Ok(message(1000)));
    assert_eq!(receive(&mut late), Err(TryRecvError::Empty));
}

/// Who holds a message that a row has claimed is in nobody's way: those who wait do so for the next position.
#[test]
fn a_message_that_a_row_holds_is_no_obstacle() {
    let memory = Memory::new(16, SIZE, 0);
    let (near, far) = (memory.shared(Role::Primary), memory.shared(Role::Secondary));
    let (mut sender, mut waiting, mut holding) = (near.sender(), far.receiver(), far.receiver());
    for number in 0..2 {
        assert_eq!(sender.try_send(&pattern(number, 48)), Ok(()));
        assert_eq!(receive(&mut holding), Ok(pattern(number, 48)));
    }
    assert_eq!(receive(&mut waiting), Err(TryRecvError::Empty));
    assert_eq!(sender.try_send(&pattern(2, 48)), Ok(()));
    let error = holding.try_recv(&mut [0; 8]);
    assert!(
        matches!(error, Err(TryRecvError::BufferTooSmall { .. })),
        "{error:?}"
    );
    let held = Position::new(memory.get64(memory.layout.slots(Direction::ToSecondary) - R));
    assert_eq!(
        held,
        Position::new(2),
        "the counter lags behind what is held"
    );
    assert_eq!(waiting.obstacle(), None);
    assert_eq!(receive(&mut waiting), Err(TryRecvError::Empty));
    assert_eq!(receive(&mut holding), Ok(pattern(2, 48)));
}
