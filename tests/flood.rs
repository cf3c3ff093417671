//! A peer that sends without end what takes the least of it and the most of its receiver: memory stays
//! within its bound, and a message that goes on arrives.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails fails the test"
)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hqq_core::TryRecvError;
use hqq_core::packet::{
    Chunk, ConnectionCopy, ConnectionCredit, CopyFlags, Features, MessageKind, Packet,
};
use hqq_std::advanced::error::ReceiveError;
use hqq_std::{AdvancedLink, AdvancedOptions, LinkOptions, Message};
use hqq_tests::{LIMIT, Name, RawPeer, bounded, eventually};

const SIZE: u64 = 64;
/// What each beginning says will come.
const CLAIMED: u64 = 64 << 20;
/// The message between them, and its number.
const GOOD: u64 = 20 * SIZE;
const GOOD_ID: u64 = u64::MAX;

/// A chunk of zeros, of `size` bytes at `offset`.
fn chunk(id: u64, total: u64, offset: u64, size: u64) -> ConnectionCopy {
    let mut flags = CopyFlags::from(MessageKind::Plain);
    if offset == 0 {
        flags = flags | CopyFlags::BEGIN;
    }
    if offset + size == total {
        flags = flags | CopyFlags::END;
    }
    let chunk = Chunk {
        connection_id: 0,
        message_id: id,
        total_size: total,
        chunk_offset: offset,
        chunk_size: size,
        flags,
        aux: 0,
    };
    ConnectionCopy::new(chunk).unwrap()
}

/// Memory of this process that is resident, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let mut words = line.unwrap().split_whitespace().skip(1);
    words.next().unwrap().parse::<usize>().unwrap() << 10
}

#[test]
fn beginnings_without_end_take_no_memory_and_do_not_stop_a_message() {
    /// Fewer where the program is not optimised.
    const FLOOD: u64 = if cfg!(debug_assertions) {
        200_000
    } else {
        1_000_000
    };
    /// Far less than one message of what is claimed.
    const MEMORY: usize = 16 << 20;
    bounded(|| {
        let name = Name::new();
        let region = LinkOptions::new().count(64).size(64);
        let link = AdvancedLink::create(&name, &region, AdvancedOptions::new()).unwrap();
        let mut peer = RawPeer::new(&name);
        peer.agree(&link, Features::KNOWN);
        let before = resident();
        let over = AtomicBool::new(false);
        let messages = std::thread::scope(|scope| {
            let receiving = scope.spawn(|| {
                let mut messages = Vec::new();
                // Relaxed: only ends this.
                while !over.load(Ordering::Relaxed) {
                    match link.receive_timeout(Duration::from_millis(10)) {
                        Ok(Message::Plain { id, body, .. }) => {
                            messages.push((id, body.len() as u64))
                        }
                        Ok(_) => panic!("not a message"),
                        Err(ReceiveError::TimedOut) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                messages
            });
            let mut offset = 0;
            for id in 1..=FLOOD {
                peer.send(chunk(id, CLAIMED, 0, SIZE));
                // Its first two in a row: it has to get started.
                let due = offset <= SIZE || id % (FLOOD / 30) == 0;
                if due && offset < GOOD {
                    peer.send(chunk(GOOD_ID, GOOD, offset, SIZE));
                    offset += SIZE;
                }
            }
            eventually("the last to be taken in", || {
                (peer.link.sender().unread() == 0).then_some(())
            });
            over.store(true, Ordering::Relaxed);
            receiving.join().unwrap()
        });
        assert_eq!(messages, [(GOOD_ID, GOOD)]);
        let grown = resident().saturating_sub(before);
        let dropped = link.stats().dropped.discarded;
        println!(
            "{FLOOD} beginnings of {} MiB: {dropped} dropped, {} kept, {} KiB more memory",
            CLAIMED >> 20,
            link.stats().arriving,
            grown >> 10
        );
        assert!(grown < MEMORY, "{grown} bytes");
        assert!(link.stats().arriving <= 128);
        assert!(dropped > FLOOD - 1000);
        let nothing = peer.link.receiver().try_recv(&mut [0; 64]);
        assert!(!matches!(nothing, Err(TryRecvError::Corrupt(_))));
    });
}

/// Takes what comes for requests, of which none comes, until `work` is done.
fn driven<T>(link: &AdvancedLink, work: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Relaxed: only ends this.
            while !over.load(Ordering::Relaxed) {
                let soon = Instant::now().checked_add(Duration::from_millis(10));
                assert!(link.receive_request(soon).is_err());
            }
        });
        let result = work();
        over.store(true, Ordering::Relaxed);
        result
    })
}

/// A reader takes them as they come, and pauses.
#[test]
fn chunks_of_one_byte_take_no_more_memory_than_longer_ones() {
    const CHUNKS: u64 = 1_000_000;
    /// A few bytes each.
    const MEMORY: usize = 8 << 20;
    bounded(|| {
        let name = Name::new();
        let region = LinkOptions::new().count(1024).size(64);
        let link = AdvancedLink::create(&name, &region, AdvancedOptions::new()).unwrap();
        let mut peer = RawPeer::new(&name);
        peer.agree(&link, Features::KNOWN);
        peer.send(chunk(1, CLAIMED, 0, 1));
        let deadline = Instant::now().checked_add(LIMIT);
        let reader = link.receive_stream(deadline).unwrap();
        let before = resident();
        driven(&link, || {
            for offset in 1..CHUNKS {
                peer.send(chunk(1, CLAIMED, offset, 1));
            }
            eventually("the last to be taken in", || {
                (peer.link.sender().unread() == 0).then_some(())
            });
        });
        let grown = resident().saturating_sub(before);
        println!("{CHUNKS} chunks of a byte: {} KiB more memory", grown >> 10);
        assert_eq!(link.stats().buffered_bytes as u64, CHUNKS);
        assert!(grown < MEMORY, "{grown} bytes");
        drop(reader);
    });
}

/// A peer that uses a number again while its message waits to be received.
#[test]
fn a_number_that_is_used_again_counts_once() {
    const TIMES: u64 = 3000;
    bounded(|| {
        for features in [Features::FORMAT_1, Features::KNOWN] {
            let name = Name::new();
            let region = LinkOptions::new().count(64).size(64);
            let link = AdvancedLink::create(&name, &region, AdvancedOptions::new()).unwrap();
            let mut peer = RawPeer::new(&name);
            peer.agree(&link, features);
            driven(&link, || {
                for _ in 0..TIMES {
                    peer.send(chunk(5, 4, 0, 4));
                }
                eventually("the last to be taken in", || {
                    (peer.link.sender().unread() == 0).then_some(())
                });
            });
            assert_eq!(link.stats().malformed, TIMES - 1);
            let deadline = Instant::now().checked_add(LIMIT);
            assert_eq!(link.receive_until(deadline).unwrap().body().len(), 4);
            // Received, it is one like any other; and so is what is begun twice.
            for packet in [(5, 4, 0, 4), (6, 128, 0, 64), (6, 128, 0, 64), (7, 3, 0, 3)] {
                peer.send(chunk(packet.0, packet.1, packet.2, packet.3));
            }
            for len in [4, 3] {
                assert_eq!(link.receive_until(deadline).unwrap().body().len(), len);
            }
            let stats = link.stats();
            assert_eq!((stats.arriving, stats.buffered_bytes), (0, 0));
        }
    });
}

/// Nobody receives them, and the peer does not heed what credit it has.
#[test]
fn empty_messages_wait_up_to_a_number() {
    const MESSAGES: u64 = 30_000;
    /// What may wait, and what the ring's worth of credit is worth in empty messages, thrice.
    const MOST: u64 = 1024 + 3 * 64;
    bounded(|| {
        let name = Name::new();
        let region = LinkOptions::new().count(64).size(64);
        let options = AdvancedOptions::new().patience(Duration::from_secs(3600));
        let link = AdvancedLink::create(&name, &region, options).unwrap();
        let mut peer = RawPeer::new(&name);
        peer.agree(&link, Features::KNOWN);
        driven(&link, || {
            let mut sent = 0;
            let started = Instant::now();
            // The ring stays full once no more is taken in.
            while sent < MESSAGES && started.elapsed() < Duration::from_secs(3) {
                if peer.try_send(&chunk(sent + 1, 0, 0, 0).into()) {
                    sent += 1;
                } else {
                    std::thread::yield_now();
                }
            }
            assert!(sent < MESSAGES, "all were taken in");
        });
        let received = link.stats().messages_received;
        assert!(received <= MOST + 1, "{received} wait");
    });
}

/// How many chunks lie ahead of a short call's request that is sent beside a long message; `COUNT` of them fit
/// into the ring.
fn ahead_of_a_call<const COUNT: usize>(features: Features) -> usize {
    let name = Name::new();
    let region = LinkOptions::new().count(COUNT).size(64);
    let link = AdvancedLink::create(&name, &region, AdvancedOptions::new()).unwrap();
    let mut peer = RawPeer::new(&name);
    peer.agree(&link, features);
    std::thread::scope(|scope| {
        let long = scope.spawn(|| link.send_large(&[0; 1 << 18]));
        eventually("a full ring", || {
            // One buffer has the answer to the negotiation.
            (link.stats().bytes_sent >= (COUNT as u64 - 1) * SIZE).then_some(())
        });
        let has_credit = features.contains(Features::CREDIT);
        let (mut ahead, mut owed) = (0, 0);
        if has_credit {
            eventually("the end of the credit", || {
                while peer.link.receiver().try_next_packet().is_ok() {}
                (link.stats().bytes_sent == COUNT as u64 * SIZE).then_some(())
            });
            owed = COUNT as u64 * SIZE;
        }
        let call = scope.spawn(|| link.call(7, &[0; 64]));
        // Time to find that there is no room, or no credit.
        std::thread::sleep(Duration::from_millis(20));
        let started = Instant::now();
        loop {
            // Half of what the ring holds at a time, as a receiver does.
            let half = COUNT as u64 / 2 * SIZE;
            if has_credit && owed >= half {
                let credit = ConnectionCredit {
                    connection_id: 0,
                    bytes: half,
                };
                let sent = peer.link.sender().try_send_packet(&credit.into());
                assert!(sent.is_ok(), "{sent:?}");
                owed -= half;
            }
            match peer.link.receiver().try_next_packet() {
                Ok(grant) => match grant.packet() {
                    Packet::ConnectionCopy(copy) if copy.kind() == MessageKind::Request => break,
                    _ => {
                        ahead += 1;
                        owed += SIZE;
                    }
                },
                Err(TryRecvError::Empty) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
            assert!(started.elapsed() < LIMIT / 4, "nothing moves any more");
        }
        drop(peer);
        let _ = (long.join().unwrap(), call.join().unwrap());
        ahead
    })
}

/// Beside a long message that takes all room, and all credit, whenever there is some.
#[test]
fn a_short_call_waits_for_a_ring_full_of_a_long_message_at_most() {
    const COUNT: usize = 16;
    bounded(|| {
        for features in [Features::FORMAT_1, Features::KNOWN] {
            let rounds = (0..10).map(|_| ahead_of_a_call::<COUNT>(features));
            let mut ahead: Vec<usize> = rounds.collect();
            ahead.sort_unstable();
            println!("chunks ahead of the call, of {COUNT} in the ring: {ahead:?}");
            // The answer to the negotiation and the part that waited before lie ahead, too. In most rounds: the
            // call may come late where the machine has other work.
            assert!(ahead[5] <= COUNT + COUNT / 8 + 2, "{ahead:?}");
        }
    });
}
