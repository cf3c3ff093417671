//! A peer that writes anything anywhere into a region of format 1, between our calls and while they
//! run: each call returns, none panics, and nothing outside the region changes.
#![cfg(all(target_has_atomic = "64", not(hqq_narrow)))]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::common::Memory;
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{
    AttachOptions, Direction, Dynamic, Fixed, Format1Link, Geometry, Layout, Receiver, Role,
    Sender, SpinFor,
};
use proptest::prelude::*;

const COUNT: usize = 4;
const SIZE: usize = 64;
/// Writes while other threads call; fewer where the machine is emulated.
const WRITES: usize = if cfg!(target_endian = "big") {
    20_000
} else {
    3_000_000
};

/// Numbers that look random, the same for the same seed (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 |= 1;
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}

/// The peer: one write into the region, mostly where it matters.
fn scribble(words: &[&AtomicU64], layout: &Layout, random: &mut Random) {
    let direction = random.one_of(&Direction::BOTH);
    let slot = layout.slots(direction) + random.below(COUNT) * layout.slot_len();
    let counters = [
        layout.producer_counter(direction),
        layout.consumer_counter(direction),
    ];
    // Relaxed throughout: a hostile peer orders nothing.
    let position = words[random.one_of(&counters) / 8].load(Ordering::Relaxed);
    let position = u64::from_le(position);
    let near = position
        .wrapping_add(random.next() % 12)
        .wrapping_sub(2 * COUNT as u64);
    let noise = random.next().wrapping_mul(random.next());
    let (offset, value) = match random.below(8) {
        0 => (random.one_of(&counters), near),
        1 => (random.one_of(&counters), noise),
        2 | 3 => (slot + 64, near),
        4 => (slot + 64, noise),
        5 => (slot, random.one_of(&[0xff, 0xfe, 0xfd, 0, 4, noise])),
        6 => (
            slot + 8 + 8 * random.below(7),
            random.one_of(&[0, 1, SIZE as u64, SIZE as u64 + 1, noise]),
        ),
        _ => (random.below(words.len()) * 8, noise),
    };
    words[offset / 8].store(value.to_le(), Ordering::Relaxed);
}

/// A call on the sending half; what it returns is the peer's to decide.
fn send<P: Producer>(sender: &mut Sender<P>, random: &mut Random) {
    let len = random.below(SIZE + 9);
    let message = vec![5; len];
    match random.below(8) {
        0 | 1 => drop(sender.try_send(&message)),
        2 => drop(sender.send(&message, &mut SpinFor(2))),
        3 => drop(sender.try_send_vectored(&[&message, &message])),
        4 => drop(sender.try_send_batch(&[&message, &message, &message])),
        5 | 6 => {
            if let Ok(mut grant) = sender.try_reserve() {
                let copied = grant.copy_from(random.below(9), &message);
                assert!(copied.is_ok() || len + 8 > SIZE);
                match random.below(4) {
                    0 => drop(grant),
                    1 => std::mem::forget(grant),
                    2 => grant.abort(random.next()),
                    _ => drop(grant.commit(len)),
                }
            }
        }
        _ => {
            assert!(sender.unread() <= sender.capacity());
            let _ = (sender.is_writable(), sender.counters());
        }
    }
}

/// A call on the receiving half, as above.
fn take<C: Consumer>(receiver: &mut Receiver<C>, random: &mut Random) {
    let mut buffer = vec![0; random.below(SIZE + 9)];
    let len = buffer.len();
    let fits = |got: Option<usize>| assert!(got.is_none_or(|got| got <= len));
    match random.below(8) {
        0 | 1 => fits(receiver.try_recv(&mut buffer).ok()),
        2 => fits(receiver.recv(&mut buffer, &mut SpinFor(2)).ok()),
        3 => fits(receiver.try_read(&mut buffer).ok()),
        4 => {
            if let Ok(message) = receiver.try_next() {
                assert!(message.len() <= SIZE);
                let copied = message.copy_to(random.below(SIZE), &mut buffer);
                assert!(copied <= message.len());
                if random.below(2) == 0 {
                    std::mem::forget(message);
                }
            }
        }
        5 => {
            let received = receiver.try_recv_batch(3, |message| assert!(message.len() <= SIZE));
            assert!(received.is_err() || received.is_ok_and(|received| received <= 3));
        }
        6 => {
            let _ = receiver.try_recv_as::<[u64; 2]>();
            // The peer may refill the ring for ever.
            let _ = receiver.try_iter::<16>().take(16).count();
        }
        _ => drop((receiver.is_readable(), receiver.counters())),
    }
}

fn attach<G: Geometry>(memory: &Memory) -> [Format1Link<G>; 2] {
    Role::BOTH.map(|role| Format1Link::attach(memory.region(), &AttachOptions::new(role)).unwrap())
}

fn in_turns<G: Geometry>(seed: u64, steps: usize) {
    let memory = Memory::format_1(COUNT, SIZE);
    let words = memory.words();
    let mut random = Random(seed);
    for link in attach::<G>(&memory) {
        let (mut sender, mut receiver) = (link.sender(), link.receiver());
        for _ in 0..steps {
            send(&mut sender, &mut random);
            scribble(&words, &memory.layout, &mut random);
            take(&mut receiver, &mut random);
            scribble(&words, &memory.layout, &mut random);
        }
        memory.assert_canaries();
    }
    for role in Role::BOTH {
        // Whatever it is by now: a region or a typed error.
        let _ = Format1Link::<G>::attach(memory.region(), &AttachOptions::new(role));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(target_endian = "big") { 8 } else { 512 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn calls_return_whatever_was_written(seed: u64, steps in 1..150_usize) {
        in_turns::<Dynamic>(seed, steps);
        in_turns::<Fixed<COUNT, SIZE>>(seed, steps);
    }

    #[test]
    fn any_superblock_is_a_region_or_a_typed_error(
        bytes in prop::collection::vec(any::<u64>(), 8),
        start in prop::sample::select(vec![0_usize, 2, 4, 5, 6, 7]),
    ) {
        let memory = Memory::format_1(COUNT, SIZE);
        for (index, word) in bytes.iter().enumerate().skip(start) {
            memory.set64(index * 8, *word);
        }
        for role in Role::BOTH {
            let options = AttachOptions::new(role);
            prop_assert!(Format1Link::<Dynamic>::attach(memory.region(), &options).is_err());
        }
        memory.assert_canaries();
    }
}

#[test]
fn calls_return_while_a_peer_writes() {
    let memory = Memory::format_1(COUNT, SIZE);
    let words = memory.words();
    let links = attach::<Dynamic>(&memory);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for (link, seed) in links.iter().zip([3, 5]) {
            let done = &done;
            scope.spawn(move || {
                let mut random = Random(seed);
                let (mut sender, mut receiver) = (link.sender(), link.receiver());
                // Relaxed: nothing is ordered by it.
                while !done.load(Ordering::Relaxed) {
                    send(&mut sender, &mut random);
                    take(&mut receiver, &mut random);
                }
            });
        }
        let mut random = Random(0x5eed);
        for _ in 0..WRITES {
            scribble(&words, &memory.layout, &mut random);
        }
        done.store(true, Ordering::Relaxed);
    });
    memory.assert_canaries();
}
