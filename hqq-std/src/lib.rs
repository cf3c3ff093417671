//! HQQ links over the shared memory of an operating system.
//!
//! [`hqq_core`] moves the messages; this crate adds named regions and their hygiene
//! ([`LinkOptions`]), waiting with deadlines, the traits of [`std::io`], and, with feature `cli`,
//! the `hqq` command.
//!
//! ```
//! // Two ends in one process, over anonymous memory; `LinkOptions` opens named regions.
//! let (mut near, mut far) = hqq_std::pair()?;
//! let echo = std::thread::spawn(move || {
//!     let mut message = [0; 64];
//!     let len = far.recv(&mut message)?;
//!     far.send(&message[..len])?;
//!     Ok::<(), hqq_std::Error>(())
//! });
//! near.send(b"are you there?")?;
//! let mut answer = [0; 64];
//! let len = near.recv(&mut answer)?;
//! assert_eq!(&answer[..len], b"are you there?");
//! echo.join().unwrap()?;
//! # Ok::<(), hqq_std::Error>(())
//! ```
//!
//! | module | job |
//! |---|---|
//! | [`options`] | which region, how made, which role: [`LinkOptions`] |
//! | [`name`] | names of regions, listing and removing them |
//! | [`link`] | [`StandardLink`], [`SharedLink`], [`Sender`], [`Receiver`] |
//! | [`advanced`] | messages of any length, calls, streams: [`AdvancedLink`] |
//! | [`datagram`] | addresses: `send_to`, `recv_from` |
//! | `handoff` | an anonymous region, handed to an authorised peer over a Unix socket (Linux) |
//! | [`wait`] | spinning, yielding, sleeping, until a deadline |
//! | `stand_in` | `StandIn`: locks for a peer that no kernel here knows (Linux) |
//! | [`inspect`] | looking at a region without taking part |
//! | [`repair`] | who has died, what is stuck, and repairing it, for tools |
//! | [`error`] | what can go wrong |
#![deny(unsafe_code)]

pub mod advanced;
mod attach;
mod coroner;
pub mod datagram;
pub mod error;
mod fork;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub mod handoff;
mod identify;
pub mod inspect;
mod kept;
mod life;
pub mod link;
mod lookout;
mod mapping;
pub mod name;
pub mod options;
mod own_locks;
mod prepare;
pub mod repair;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub mod stand_in;
mod sys;
mod trace;
pub mod wait;

pub use advanced::{
    AdvancedLink, AdvancedOptions, AdvancedStats, BodyReader, Call, Incoming, Message, Offer,
    Refusal, Request, Server, Stream,
};
pub use datagram::LinkAddr;
pub use error::{DrainError, Error, OpenError, RecvError, SendError};
pub use hqq_core::{
    Counters, Delivery, Direction, Dynamic, Format, Member, Mode, Role, TryRecvError, TrySendError,
};
pub use link::{Receiver, Sender, SharedLink, SharedReceiver, SharedSender, StandardLink};
pub use name::{RegionName, list, unlink};
pub use options::{LinkOptions, pair};
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use stand_in::StandIn;
