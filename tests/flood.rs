//! A peer that begins messages without end: memory stays within its bound, and a message that goes on
//! arrives.
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

    /// Sends a packet, taking all that comes off the ring meanwhile.
    fn send(&mut self, packet: impl Into<Packet>) {
        let packet = packet.into();
        let started = Instant::now();
        loop {
            while let Ok(packet) = self.link.receiver().try_next_packet() {
                drop(packet);
            }
            match self.link.sender().try_send_packet(&packet) {
                Ok(()) => return,
                Err(TrySendError::Full) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
            assert!(started.elapsed() < LIMIT, "nothing moves any more");
        }
    }

    /// Sends the chunk at `offset` of a message, of zeros.
    fn send_chunk(&mut self, id: u64, total: u64, offset: u64) {
        let mut flags = CopyFlags::from(MessageKind::Plain);
        if offset == 0 {
            flags = flags | CopyFlags::BEGIN;
        }
        if offset + SIZE == total {
            flags = flags | CopyFlags::END;
        }
        let chunk = Chunk {
            connection_id: 0,
            message_id: id,
            total_size: total,
            chunk_offset: offset,
            chunk_size: SIZE,
            flags,
            aux: 0,
        };
        self.send(ConnectionCopy::new(chunk).unwrap());
    }
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
        let deadline = || Instant::now().checked_add(LIMIT);
        peer.send(Negotiate {
            version: ProtocolVersion::CURRENT,
            features: Features::KNOWN,
            capabilities: Capabilities::KNOWN,
        });
        let _ = link.wait_for_negotiation(deadline()).unwrap();
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
                peer.send_chunk(id, CLAIMED, 0);
                // Its first two in a row: it has to get started.
                let due = offset <= SIZE || id % (FLOOD / 30) == 0;
                if due && offset < GOOD {
                    peer.send_chunk(GOOD_ID, GOOD, offset);
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
