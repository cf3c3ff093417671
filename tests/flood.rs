//! A peer that sends without end what takes the least of it and the most of its receiver: memory stays
//! within its bound, and a message that goes on arrives.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the peer is this test's own, on hqq-core alone; what fails fails the test"
)]

use std::fs::File;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hqq_core::packet::{
    Capabilities, Chunk, ConnectionCopy, CopyFlags, Features, MessageKind, Negotiate, Packet,
    ProtocolVersion,
};
use hqq_core::{AttachOptions, DynamicLink, Presence, Region, TryRecvError, TrySendError};
use hqq_std::advanced::error::ReceiveError;
use hqq_std::{AdvancedLink, AdvancedOptions, LinkOptions, Message, RegionName, Role, StandIn};
use hqq_tests::{LIMIT, Name, bounded, eventually};
use memmap2::MmapRaw;

const SIZE: u64 = 64;
/// What each beginning says will come.
const CLAIMED: u64 = 64 << 20;
/// The message between them, and its number.
const GOOD: u64 = 20 * SIZE;
const GOOD_ID: u64 = u64::MAX;

/// The other end, which hqq-std knows nothing of but that it lives. The memory after what uses it.
struct Peer {
    link: DynamicLink,
    _memory: MmapRaw,
    _alive: StandIn,
}

impl Peer {
    fn new(name: &Name) -> Self {
        let alive = StandIn::for_role(name, Role::Secondary).unwrap();
        let path = RegionName::new(name).unwrap().path();
        let file = File::options().read(true).write(true).open(path).unwrap();
        let memory = memmap2::MmapOptions::new().map_raw(&file).unwrap();
        let base = NonNull::new(memory.as_mut_ptr()).unwrap();
        // SAFETY: mapped for as long as `_memory` lives, which is dropped after the link; nothing here
        // touches it but the link.
        let region = unsafe { Region::from_raw(base, memory.len()) }.unwrap();
        let options = AttachOptions::new(Role::Secondary);
        let options = options.presence(Presence::Alone, Presence::Alone);
        let link = DynamicLink::attach(region, &options).unwrap();
        Self {
            link,
            _memory: memory,
            _alive: alive,
        }
    }

    /// Whether there is room for a packet; takes all that comes off the ring.
    fn try_send(&mut self, packet: &Packet) -> bool {
        while let Ok(packet) = self.link.receiver().try_next_packet() {
            drop(packet);
        }
        match self.link.sender().try_send_packet(packet) {
            Ok(()) => true,
            Err(TrySendError::Full) => false,
            Err(error) => panic!("{error}"),
        }
    }

    fn send(&mut self, packet: impl Into<Packet>) {
        let packet = packet.into();
        let started = Instant::now();
        while !self.try_send(&packet) {
            assert!(started.elapsed() < LIMIT, "nothing moves any more");
            std::thread::yield_now();
        }
    }

    /// Agrees on all that there is.
    fn agree(&mut self, link: &AdvancedLink) {
        self.send(Negotiate {
            version: ProtocolVersion::CURRENT,
            features: Features::KNOWN,
            capabilities: Capabilities::KNOWN,
        });
        let deadline = Instant::now().checked_add(LIMIT);
        let _ = link.wait_for_negotiation(deadline).unwrap();
    }

    fn send_chunk(&mut self, id: u64, total: u64, offset: u64, size: u64) {
        self.send(chunk(id, total, offset, size));
    }
}

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
        let mut peer = Peer::new(&name);
        peer.agree(&link);
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
                peer.send_chunk(id, CLAIMED, 0, SIZE);
                // Its first two in a row: it has to get started.
                let due = offset <= SIZE || id % (FLOOD / 30) == 0;
                if due && offset < GOOD {
                    peer.send_chunk(GOOD_ID, GOOD, offset, SIZE);
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
        let mut peer = Peer::new(&name);
        peer.agree(&link);
        peer.send_chunk(1, CLAIMED, 0, 1);
        let deadline = Instant::now().checked_add(LIMIT);
        let reader = link.receive_stream(deadline).unwrap();
        let before = resident();
        driven(&link, || {
            for offset in 1..CHUNKS {
                peer.send_chunk(1, CLAIMED, offset, 1);
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
        let mut peer = Peer::new(&name);
        peer.agree(&link);
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
