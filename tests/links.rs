//! Links between processes: everything that is sent arrives once, in order, with its contents.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]

use std::os::unix::fs::FileExt as _;
use std::process::Stdio;

use hqq_core::{Direction, Layout, Position};
use hqq_std::LinkOptions;
use hqq_tests::{LIMIT, Name, Process, Traffic, bounded, peer};

fn region(count: usize, size: usize) -> Name {
    let name = Name::new();
    LinkOptions::new()
        .count(count)
        .size(size)
        .create_region(&name)
        .unwrap();
    name
}

/// Starts peers, lets them go when all of them are attached, and gives what each printed.
fn run(commands: Vec<std::process::Command>) -> Vec<Vec<u8>> {
    let mut processes: Vec<_> = commands
        .into_iter()
        .map(|mut command| Process::start_with(&mut command, Stdio::piped()))
        .collect();
    for process in &mut processes {
        hqq_tests::eventually("a peer to attach", || {
            assert!(
                process.is_running() || process.stderr().starts_with("attached"),
                "{}",
                process.stderr()
            );
            process.stderr().starts_with("attached").then_some(())
        });
    }
    for process in &mut processes {
        process.say("go");
    }
    processes
        .into_iter()
        .map(|process| process.wait().ok())
        .collect()
}

fn both_ways(name: &Name, task: &str, count: u64) {
    run(vec![
        peer![task, &**name, "primary", "1", "2", count.to_string()],
        peer![task, &**name, "secondary", "2", "1", count.to_string()],
    ]);
}

#[test]
fn a_million_messages_each_way_between_two_processes() {
    // Many buffers, so that two cores that others use too change threads seldom.
    let name = region(4096, 256);
    both_ways(&name, "exchange", 1_000_000);
}

#[test]
fn geometries_from_the_smallest_to_large_ones() {
    for (count, size, messages) in [
        (2, 8, 10_000),
        (2, 65_536, 200),
        (16, 40, 20_000),
        (64, 16_384, 500),
        (4096, 65_536, 5_000),
        (16_384, 8, 40_000),
    ] {
        let name = region(count, size);
        both_ways(&name, "exchange", messages);
    }
}

#[test]
fn both_ends_fill_their_rings_first_and_neither_is_stuck() {
    for (count, size) in [(2, 8), (8, 1024)] {
        let name = region(count, size);
        // Few: where a core has other work, two buffers' worth takes a turn of each process.
        both_ways(&name, "interleave", 4_000);
    }
}

#[test]
fn positions_wrap_around_between_processes() {
    for start in [u64::MAX - 1000, (1 << 48) - 1000, (1 << 32) - 1000] {
        let name = region(64, 64);
        start_at(&name, &Layout::file(64, 64).unwrap(), Position::new(start));
        both_ways(&name, "exchange", 5_000);
    }
}

/// Makes both rings of a fresh region begin at `start` (PROTOCOL.md, "Ring").
fn start_at(name: &Name, layout: &Layout, start: Position) {
    let file = std::fs::File::options()
        .write(true)
        .open(name.path())
        .unwrap();
    let put = |offset: usize, bytes: &[u8]| file.write_all_at(bytes, offset as u64).unwrap();
    for direction in Direction::BOTH {
        put(
            layout.producer_counter(direction),
            &start.get().to_le_bytes(),
        );
        put(
            layout.consumer_counter(direction),
            &start.get().to_le_bytes(),
        );
        put(
            layout.released(direction).unwrap(),
            &start.low().to_le_bytes(),
        );
        for ahead in 0..layout.count() {
            let position = start.plus(ahead);
            let slot = layout.slots(direction) + 64 * position.index(layout.count());
            let stamp = hqq_core::ring::stamp::free(position);
            put(slot, &stamp.to_le_bytes());
        }
    }
}

#[test]
fn four_threads_send_and_four_receive_on_shared_sides() {
    const EACH: u64 = 50_000;
    let numbers = bounded(|| {
        let (near, far) = LinkOptions::new()
            .count(16)
            .size(64)
            .shared()
            .pair()
            .unwrap();
        let receiving: Vec<_> = (0..4)
            .map(|_| {
                let mut receiver = far.receiver();
                receiver.set_timeout(Some(LIMIT)).unwrap();
                std::thread::spawn(move || {
                    let traffic = Traffic::new(9, 56);
                    let mut numbers = Vec::new();
                    for message in receiver.incoming() {
                        let message = message.unwrap();
                        let (number, rest) = message.split_first_chunk().unwrap();
                        let number = u64::from_le_bytes(*number);
                        assert_eq!(rest, traffic.message(number));
                        numbers.push(number);
                    }
                    numbers
                })
            })
            .collect();
        let sending: Vec<_> = (0..4)
            .map(|thread| {
                let mut sender = near.sender();
                sender.set_timeout(Some(LIMIT)).unwrap();
                std::thread::spawn(move || {
                    let traffic = Traffic::new(9, 56);
                    for number in thread * EACH..(thread + 1) * EACH {
                        let pieces = [&number.to_le_bytes()[..], traffic.message(number)];
                        sender.send_vectored(&pieces).unwrap();
                    }
                })
            })
            .collect();
        drop(near);
        for thread in sending {
            thread.join().unwrap();
        }
        let numbers = receiving
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>();
        for of_one in &numbers {
            in_order_per_sender(of_one, EACH);
        }
        numbers
    });
    let mut all: Vec<_> = numbers.into_iter().flatten().collect();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..4 * EACH), "each exactly once");
}

fn in_order_per_sender(numbers: &[u64], each: u64) {
    for sender in 0..4 {
        let mine = numbers.iter().filter(|number| **number / each == sender);
        assert!(mine.is_sorted(), "the messages of one sender, in order");
    }
}

/// Who takes part in a role: the mode, and how many processes of how many threads.
#[derive(Clone, Copy)]
struct Party(&'static str, u64, u64);

const ALONE: Party = Party("exclusive", 1, 1);
const MANY: Party = Party("shared", 2, 2);

/// Runs producers as the primary against consumers as the secondary.
fn flow(producers: Party, consumers: Party) {
    const EACH: u64 = 20_000;
    let name = region(32, 128);
    let Party(mode, processes, threads) = consumers;
    let mut commands: Vec<_> = (0..processes)
        .map(|_| peer!["consume", &*name, "secondary", mode, threads.to_string()])
        .collect();
    let Party(mode, processes, threads) = producers;
    commands.extend((0..processes).map(|process| {
        let stream = 1 + process * threads;
        peer![
            "produce",
            &*name,
            "primary",
            mode,
            stream.to_string(),
            threads.to_string(),
            EACH.to_string()
        ]
    }));
    let mut numbers: Vec<u64> = run(commands)
        .concat()
        .as_chunks::<8>()
        .0
        .iter()
        .map(|bytes| u64::from_le_bytes(*bytes))
        .collect();
    numbers.sort_unstable();
    let streams = 1..=processes * threads;
    let expected = streams.flat_map(|stream| (0..EACH).map(move |index| stream << 32 | index));
    assert!(numbers.into_iter().eq(expected), "each exactly once");
}

#[test]
fn several_processes_share_both_sides() {
    flow(MANY, MANY);
}

#[test]
fn many_producers_and_one_exclusive_consumer() {
    flow(MANY, ALONE);
}

#[test]
fn one_exclusive_producer_and_many_consumers() {
    flow(ALONE, MANY);
}
