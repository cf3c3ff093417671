//! An end on `hqq-core` alone, of a region that an endpoint of `hqq-std` has the other end of: it can send
//! what no endpoint would.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "it maps the region itself; what fails fails the test"
)]

use std::fs::File;
use std::ptr::NonNull;
use std::time::Instant;

use hqq_core::packet::{Capabilities, Features, Negotiate, Packet, ProtocolVersion};
use hqq_core::{AttachOptions, DynamicLink, Presence, Region, TrySendError};
use hqq_std::{AdvancedLink, RegionName, Role, StandIn};
use memmap2::MmapRaw;

use crate::{LIMIT, Name};

/// The other end, which hqq-std knows nothing of but that it lives. The memory after what uses it.
pub struct RawPeer {
    /// Its end.
    pub link: DynamicLink,
    _memory: MmapRaw,
    _alive: StandIn,
}

impl RawPeer {
    /// Takes the secondary role of a region.
    pub fn new(name: &Name) -> Self {
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
    pub fn try_send(&mut self, packet: &Packet) -> bool {
        while let Ok(packet) = self.link.receiver().try_next_packet() {
            drop(packet);
        }
        match self.link.sender().try_send_packet(packet) {
            Ok(()) => true,
            Err(TrySendError::Full) => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends a packet, taking all that comes off the ring until there is room.
    pub fn send(&mut self, packet: impl Into<Packet>) {
        let packet = packet.into();
        let started = Instant::now();
        while !self.try_send(&packet) {
            assert!(started.elapsed() < LIMIT, "nothing moves any more");
            std::thread::yield_now();
        }
    }

    /// Agrees on what both have of `features`.
    pub fn agree(&mut self, link: &AdvancedLink, features: Features) {
        self.send(Negotiate {
            version: ProtocolVersion::CURRENT,
            features,
            capabilities: Capabilities::KNOWN,
        });
        let deadline = Instant::now().checked_add(LIMIT);
        let _ = link.wait_for_negotiation(deadline).unwrap();
    }
}
