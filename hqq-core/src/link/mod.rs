//! The Standard link: messages of up to one buffer in both directions (PROTOCOL.md, "Standard
//! link").
//!
//! [`Link`] is an endpoint that one thread owns; it [splits](Link::split) into [`Sender`] and
//! [`Receiver`]. [`SharedLink`] is one that many threads use at once, each through a sender or
//! receiver of its own.

mod at_hand;
mod attach;
#[cfg(feature = "embedded-io")]
mod embedded_io;
#[cfg(feature = "embedded-io-async")]
mod embedded_io_async;
mod error;
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
mod format1;
#[cfg(not(loom))]
mod grant;
#[cfg(not(all(target_has_atomic = "64", not(hqq_narrow))))]
mod no_shared;
#[cfg(feature = "embedded-io-async")]
mod notified;
mod packets;
mod receive_path;
mod received;
mod receiver;
mod reserved;
mod send_path;
mod sender;
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
mod shared;
mod take;
mod waiting;
mod whole;

pub use attach::AttachOptions;
pub use error::{AttachError, GrantError, RecvError, SendError, TryRecvError, TrySendError};
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub use format1::Format1Link;
#[cfg(not(loom))]
pub use grant::{Trusted, TrustedReadGrant, TrustedWriteGrant};
#[cfg(not(all(target_has_atomic = "64", not(hqq_narrow))))]
pub use no_shared::{Format1Link, SharedLink, SharedSides};
#[cfg(feature = "embedded-io-async")]
pub use notified::{Bell, Notified};
pub use packets::PacketGrant;
pub(crate) use packets::{Claim, Decoded};
pub(crate) use receive_path::SHORT_WAYS;
pub use received::{ReadGrant, TryIter};
pub use receiver::Receiver;
pub use reserved::WriteGrant;
pub use sender::{REASON_DROPPED, REASON_EMPTY, REASON_TOO_LONG, Sender};
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub use shared::SharedLink;
pub use whole::{Missed, Unwanted, WholeBody, WholeGrant};

use attach::Taken;

use crate::layout::{Dynamic, Fixed, Geometry};
use crate::member::Mode;
#[cfg(not(loom))]
use crate::member::Role;
#[cfg(not(loom))]
use crate::platform::Platform;
use crate::region::Region;
use crate::region::RingMemory;
#[cfg(not(loom))]
use crate::region::SuperblockMemory;
use crate::ring::exclusive::{ExclusiveConsumer, ExclusiveProducer};
use crate::ring::join;
#[cfg(not(loom))]
use crate::ring::managed::{ManagedConsumer, ManagedProducer};
#[cfg(not(loom))]
use crate::ring::wake::Alarm;
#[cfg(not(loom))]
use crate::side::{Attached, Side};
#[cfg(not(loom))]
use crate::superblock::{Delivery, Fresh};
#[cfg(not(loom))]
use crate::superblock::{FormatError, Identity};
use crate::wait::Wait;

/// The sending half of an exclusive link.
pub type ExclusiveSender<G> = Sender<ExclusiveProducer<G>>;
/// Both halves of an exclusive link on a core whose caches its peer does not see.
#[cfg(not(loom))]
pub type Managed<G, X> = (
    Sender<ManagedProducer<G, X>>,
    Receiver<ManagedConsumer<G, X>>,
);
/// The receiving half of an exclusive link.
pub type ExclusiveReceiver<G> = Receiver<ExclusiveConsumer<G>>;

/// An exclusive link of a geometry that the compiler knows: `COUNT` buffers of `SIZE` bytes in
/// each direction.
pub type StandardLink<const COUNT: usize, const SIZE: usize> = Link<Fixed<COUNT, SIZE>>;
/// An exclusive link of a geometry known at run time.
pub type DynamicLink = Link<Dynamic>;

/// An endpoint of a region that one thread at a time uses.
///
/// ```
/// use hqq_core::StaticRegion;
/// static REGION: StaticRegion<8, 64> = StaticRegion::new();
///
/// let (mut near, mut far) = REGION.take().ok_or("taken only once")?;
/// near.try_send(b"hello")?;
/// let mut message = [0; 64];
/// let len = far.try_recv(&mut message)?;
/// assert_eq!(&message[..len], b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
// In this order: the sender is found where the link is.
#[repr(C)]
pub struct Link<G: Geometry> {
    sender: ExclusiveSender<G>,
    receiver: ExclusiveReceiver<G>,
}

impl<G: Geometry> Link<G> {
    /// Takes a role of an initialised region, for one thread alone.
    ///
    /// Attaching and dropping endpoints of one region must not happen at the same time from
    /// several places; `hqq-std` holds a lock for it, firmware does it before it starts its peers.
    ///
    /// # Errors
    /// [`AttachError`], one kind for each way the region may not fit.
    pub fn attach(region: Region, options: &AttachOptions) -> Result<Self, AttachError> {
        let (producer, consumer) = Self::attach_sides(region, options)?;
        Ok(Self {
            sender: Sender::new(producer),
            receiver: Receiver::new(consumer),
        })
    }

    /// Both roles, primary first, of a region that was initialised just now and that nobody else
    /// knows of. There is nothing to check, to repair or to
    /// resume, so that firmware with a region of its own carries no code for that.
    #[cfg(not(loom))]
    pub(crate) fn first(fresh: &Fresh<G>) -> (Self, Self) {
        let Fresh {
            superblock,
            to_secondary: there,
            to_primary: back,
        } = fresh;
        let end = |role, outgoing: &RingMemory<G>, incoming: &RingMemory<G>| {
            let side = |consumer| Attached::first(superblock, Side { role, consumer });
            let start = crate::Position::new(0);
            let producer = ExclusiveProducer::new(
                outgoing.clone(),
                start,
                Delivery::AtMostOnce,
                side(false),
                Alarm::none(),
            );
            let consumer = ExclusiveConsumer::first(incoming.clone(), side(true));
            Self {
                sender: Sender::new(producer),
                receiver: Receiver::new(consumer),
            }
        };
        (
            end(Role::Primary, there, back),
            end(Role::Secondary, back, there),
        )
    }

    /// As [`Link::attach`], the two sides alone: for senders and receivers that wrap them, such as
    /// in [`Either`](crate::ring::Either).
    ///
    /// # Errors
    /// As there.
    pub fn attach_sides(
        region: Region,
        options: &AttachOptions,
    ) -> Result<(ExclusiveProducer<G>, ExclusiveConsumer<G>), AttachError> {
        Self::attach_sides_with(region, options, |_| {})
    }

    /// As [`Link::attach_sides`]; `written` is called as A3 has written what is to be seen before what comes next.
    fn attach_sides_with(
        region: Region,
        options: &AttachOptions,
        written: impl Fn(&RingMemory<G>),
    ) -> Result<(ExclusiveProducer<G>, ExclusiveConsumer<G>), AttachError> {
        let taken = Taken::<G>::new(&region, options, Mode::Exclusive)?;
        let corrupt = |direction| {
            move |corruption| AttachError::Corrupt {
                direction,
                corruption,
            }
        };
        let role = options.role;
        let next = join::first_producer(&taken.outgoing).map_err(corrupt(role.sends()))?;
        let delivery = taken.identity.delivery;
        let (incoming, mode) = (&taken.incoming, Mode::Exclusive);
        let resume = join::first_consumer(incoming, mode, options.member, delivery, written)
            .map_err(corrupt(role.receives()))?;
        let [sending_alarm, receiving_alarm] = taken.alarms(&region, options);
        let (sending, receiving) = (taken.sending.0.kept(), taken.receiving.0.kept());
        Ok((
            ExclusiveProducer::new(taken.outgoing, next, delivery, sending, sending_alarm),
            ExclusiveConsumer::new(taken.incoming, resume, delivery, receiving, receiving_alarm),
        ))
    }

    /// As [`Link::attach`], on a core whose caches the peer does not see: both halves, which call
    /// `platform` around what they do.
    ///
    /// # Errors
    /// As there.
    #[cfg(not(loom))]
    pub fn attach_managed<X: Platform>(
        region: Region,
        options: &AttachOptions,
        platform: X,
    ) -> Result<Managed<G, X>, AttachError> {
        region.invalidate(&platform);
        // A cache gives lines back when it likes: `released` before a slot, which it would then write over what a producer
        // had put there; or a slot before `r`, and fail.
        let written = |incoming: &RingMemory<G>| {
            incoming.clean_slots(&platform);
            incoming.clean_consumers(&platform);
            platform.barrier();
        };
        let attach = || -> Result<_, AttachError> {
            let (producer, consumer) = Self::attach_sides_with(region.clone(), options, written)?;
            let identity = options
                .identity
                .map_or_else(|| Identity::read(&region), Ok)?;
            let memory = SuperblockMemory::with_layout(&region, &identity.layout).ok_or(
                FormatError::Truncated {
                    needed: identity.layout.len() as u64,
                    found: region.len() as u64,
                },
            )?;
            Ok((producer, consumer, memory))
        };
        let attached = attach();
        // What attaching has recorded and mended, also where it failed: its sides are left again by now, and the cache
        // would write over what others do later.
        region.clean(&platform);
        let (producer, consumer, memory) = attached?;
        let producer = ManagedProducer::new(producer, memory.clone(), platform.clone());
        let consumer = ManagedConsumer::new(consumer, memory, platform);
        Ok((Sender::new(producer), Receiver::new(consumer)))
    }

    /// The two halves, for two threads or to close one direction before the other.
    #[must_use]
    pub fn split(self) -> (ExclusiveSender<G>, ExclusiveReceiver<G>) {
        (self.sender, self.receiver)
    }

    /// The sending half.
    pub const fn sender(&mut self) -> &mut ExclusiveSender<G> {
        &mut self.sender
    }

    /// The receiving half.
    pub const fn receiver(&mut self) -> &mut ExclusiveReceiver<G> {
        &mut self.receiver
    }

    /// As [`Sender::try_send`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        self.sender.try_send(message)
    }

    /// As [`Sender::send`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn send(&mut self, message: &[u8], wait: &mut impl Wait) -> Result<(), SendError> {
        self.sender.send(message, wait)
    }

    /// As [`Receiver::try_recv`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn try_recv(&mut self, buffer: &mut [u8]) -> Result<usize, TryRecvError> {
        self.receiver.try_recv(buffer)
    }

    /// As [`Receiver::recv`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn recv(&mut self, buffer: &mut [u8], wait: &mut impl Wait) -> Result<usize, RecvError> {
        self.receiver.recv(buffer, wait)
    }
}

#[cfg(not(loom))]
impl<P: crate::ring::Producer> Sender<P> {
    /// Vouches for everybody who can write the region, for calls that lend slices over it.
    ///
    /// # Safety
    /// For as long as the result or a grant made from it exists, nobody writes a buffer that
    /// somebody else has claimed, and stamps and counters change only by the rules of PROTOCOL.md.
    #[allow(unsafe_code, reason = "the one call in which the user vouches")]
    pub const unsafe fn trusted(&mut self) -> Trusted<'_, Self> {
        // SAFETY: the caller's promise is the same.
        unsafe { Trusted::new(self) }
    }
}

#[cfg(not(loom))]
impl<C: crate::ring::Consumer> Receiver<C> {
    /// Vouches for everybody who can write the region, for calls that lend slices over it.
    ///
    /// # Safety
    /// As for [`Sender::trusted`].
    #[allow(unsafe_code, reason = "the one call in which the user vouches")]
    pub const unsafe fn trusted(&mut self) -> Trusted<'_, Self> {
        // SAFETY: the caller's promise is the same.
        unsafe { Trusted::new(self) }
    }
}
