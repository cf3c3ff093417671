//! Message passing through memory that two parties share: two processes, two cores of a
//! microcontroller, a kernel and firmware, a host and a guest.
//!
//! `#![no_std]`, no allocation, raw bytes underneath. What lies in the bytes is in PROTOCOL.md;
//! whatever a peer writes there, safe calls stay inside the region, end within a bound, and never
//! panic.
//!
//! # The layers
//!
//! ```text
//! bytes ─► region ─► ring ─► packet ─► link ─► advanced
//!            │                          │         └ messages of any length, calls, streams
//!            │                          └ Sender, Receiver, grants
//!            └ the only place with raw pointers
//! ```
//!
//! | module | job |
//! |---|---|
//! | [`layout`] | sizes and offsets, geometry |
//! | [`region`] | the shared bytes, [`StaticRegion`] |
//! | [`superblock`] | what a region is: initialise, check, refuse |
//! | [`side`], [`member`] | who uses which side |
//! | [`position`], [`ring`] | positions, slots, and who may move them |
//! | [`packet`] | the 64-byte packets, pure bytes |
//! | [`link`] | messages: [`Link`], [`SharedLink`], [`Sender`], [`Receiver`] |
//! | [`advanced`] | the Advanced protocol, polled |
//! | `repair` | what dead members leave, mended while others go on (64-bit atomics only) |
//! | [`platform`] | cores whose caches do not see each other |
//! | [`wait`] | what waiting means where this runs |
//!
//! # Start here
//!
//! ```
//! use hqq_core::StaticRegion;
//! static REGION: StaticRegion<8, 64> = StaticRegion::new();
//! let (mut near, mut far) = REGION.take().ok_or("taken only once")?;
//! near.try_send(b"ping")?;
//! let mut message = [0; 64];
//! assert_eq!(far.try_recv(&mut message)?, 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(not(any(test, loom, hqq_count)), no_std)]
#![deny(unsafe_code)]

#[cfg(not(any(test, loom, hqq_count)))]
extern crate core;

pub mod advanced;
mod counters;
pub mod layout;
pub mod link;
pub mod member;
pub mod packet;
#[cfg(not(loom))]
pub mod platform;
pub mod position;
pub mod region;
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub mod repair;
pub mod ring;
pub mod side;
pub mod superblock;
#[cfg(not(any(loom, hqq_count)))]
mod sync;
#[cfg(any(loom, hqq_count))]
pub mod sync;
pub mod wait;

pub use counters::Counters;
pub use layout::{Direction, Dynamic, Fixed, Format, Geometry, Layout, LayoutError, size_of_link};
#[cfg(not(loom))]
pub use link::Trusted;
pub use link::{
    AttachError, AttachOptions, DynamicLink, ExclusiveReceiver, ExclusiveSender, GrantError, Link,
    ReadGrant, Receiver, RecvError, SendError, Sender, StandardLink, TryRecvError, TrySendError,
    WriteGrant,
};
#[cfg(feature = "embedded-io-async")]
pub use link::{Bell, Notified};
pub use link::{Format1Link, SharedLink};
pub use member::{Member, MemberSet, Mode, Role};
#[cfg(not(loom))]
pub use platform::Platform;
pub use position::Position;
pub use region::{Region, RegionError, StaticRegion};
pub use ring::wake::{WaitWords, WakeDomain, WakeHook};
pub use side::Presence;
#[cfg(target_has_atomic = "32")]
pub use superblock::try_claim;
pub use superblock::{Delivery, FormatError, Identity, InitOptions, initialise};
pub use wait::{Spin, SpinFor, Wait, WaitReason, Waiting};
