//! Links over a region's file: an exclusive one and one that threads share.

mod half;
mod nowhere;
mod receiver;
mod sender;
mod stdio;
mod watch;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hqq_core::ring::exclusive::{ExclusiveConsumer, ExclusiveProducer};
use hqq_core::ring::format1::{Format1Consumer, Format1Producer};
use hqq_core::ring::shared::{SharedConsumer, SharedProducer};
use hqq_core::ring::{Either, Handle, Owned};
use hqq_core::{Dynamic, Format, Format1Link, Link, Role};

use crate::attach::{Attachment, Endpoint, SideByte};
use crate::error::{DrainError, OpenError, RecvError, SendError};
use crate::kept::{Kept, SharedSide};
use crate::trace::event;
use crate::wait::{Berth, Policy};

pub use half::Half;
use half::MISSING;
pub(crate) use nowhere::nowhere;
pub use receiver::{Incoming, Received, Receiver};
pub use sender::Sender;

/// The producing side of a [`StandardLink`], of whichever format its region has.
pub type AnyProducer = Either<ExclusiveProducer<Dynamic>, Handle<Owned<Format1Producer<Dynamic>>>>;
/// The consuming side of a [`StandardLink`], of whichever format its region has.
pub type AnyConsumer = Either<ExclusiveConsumer<Dynamic>, Handle<Owned<Format1Consumer<Dynamic>>>>;
/// A thread's way to the producing side of a [`SharedLink`].
pub type AnySharedProducer = Either<
    Handle<SharedSide<SharedProducer<Dynamic>>>,
    Handle<SharedSide<Format1Producer<Dynamic>>>,
>;
/// A thread's way to the consuming side of a [`SharedLink`].
pub type AnySharedConsumer = Either<
    Handle<SharedSide<SharedConsumer<Dynamic>>>,
    Handle<SharedSide<Format1Consumer<Dynamic>>>,
>;
/// A sender on a side that threads and processes share.
pub type SharedSender = Sender<AnySharedProducer>;
/// A receiver on a side that threads and processes share.
pub type SharedReceiver = Receiver<AnySharedConsumer>;

/// Links whose region can be handed on.
pub trait HasRegion {
    /// A new descriptor of the region's file, with a description of its own: it carries none of
    /// this link's locks along.
    ///
    /// # Errors
    /// Where the system gives none.
    fn region_fd(&self) -> io::Result<OwnedFd>;
}

/// Where the sending and the receiving half of an endpoint sleep.
fn berths(endpoint: &Endpoint) -> [Option<Berth>; 2] {
    let layout = endpoint.layout();
    [false, true].map(|consumer| {
        Berth::new(
            &endpoint.region,
            layout?,
            endpoint.attachment.role(),
            consumer,
        )
    })
}

/// Both directions of an endpoint, each to be left when what keeps it is dropped.
fn keep<S, R>(attachment: &Arc<Attachment>, (sending, receiving): (S, R)) -> (Kept<S>, Kept<R>) {
    let side = |consumer| Some(SideByte::new(attachment.role(), consumer));
    (
        Kept::new(sending, Arc::clone(attachment), side(false)),
        Kept::new(receiving, Arc::clone(attachment), side(true)),
    )
}

/// An endpoint of a region that one thread at a time uses; it splits into halves.
///
/// Dropping it closes both directions: the peer receives what was sent, then end-of-file (format 1 has none).
pub struct StandardLink {
    sender: Sender,
    receiver: Receiver,
}

impl StandardLink {
    pub(crate) fn attach(endpoint: Endpoint, policy: Policy) -> Result<Self, OpenError> {
        let [for_room, for_messages] = berths(&endpoint);
        let Endpoint {
            attachment,
            region,
            options,
        } = endpoint;
        let refused = |error| attachment.refused(error);
        let (producer, consumer) = match attachment.format() {
            Format::V1 => {
                let link = Format1Link::attach(region, &options).map_err(refused)?;
                let (producer, consumer) = link.split();
                (
                    Either::Second(Handle::owned(producer)),
                    Either::Second(Handle::owned(consumer)),
                )
            }
            Format::V2 => {
                let (producer, consumer) = Link::attach_sides(region, &options).map_err(refused)?;
                (Either::First(producer), Either::First(consumer))
            }
        };
        let halves = (
            hqq_core::Sender::new(producer),
            hqq_core::Receiver::new(consumer),
        );
        let (sender, receiver) = keep(&attachment, halves);
        let link = Self {
            sender: Sender::new(sender, for_room, policy),
            receiver: Receiver::new(receiver, for_messages, policy),
        };
        attachment.attached()?;
        event!(DEBUG, path = %attachment.path().display(), role = %attachment.role(), "link opened");
        Ok(link)
    }

    /// Both halves. Dropping one closes its direction and leaves the other open.
    #[must_use]
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }

    /// The sending half.
    pub const fn sender(&mut self) -> &mut Sender {
        &mut self.sender
    }

    /// The receiving half.
    pub const fn receiver(&mut self) -> &mut Receiver {
        &mut self.receiver
    }

    /// The role this end has.
    #[must_use]
    pub fn role(&self) -> Role {
        self.sender.role()
    }

    /// The format of its region.
    #[must_use]
    pub fn format(&self) -> Format {
        self.sender.format()
    }

    /// As [`Sender::send`].
    ///
    /// # Errors
    /// As there.
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.sender.send(message)
    }

    /// As [`Sender::send_timeout`].
    ///
    /// # Errors
    /// As there.
    pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.sender.send_timeout(message, timeout)
    }

    /// As [`Sender::send_deadline`].
    ///
    /// # Errors
    /// As there.
    pub fn send_deadline(&mut self, message: &[u8], deadline: Instant) -> Result<(), SendError> {
        self.sender.send_deadline(message, deadline)
    }

    /// As [`Receiver::recv`].
    ///
    /// # Errors
    /// As there.
    pub fn recv(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        self.receiver.recv(buffer)
    }

    /// As [`Receiver::recv_timeout`].
    ///
    /// # Errors
    /// As there.
    pub fn recv_timeout(
        &mut self,
        buffer: &mut [u8],
        timeout: Duration,
    ) -> Result<usize, RecvError> {
        self.receiver.recv_timeout(buffer, timeout)
    }

    /// As [`Receiver::recv_deadline`].
    ///
    /// # Errors
    /// As there.
    pub fn recv_deadline(
        &mut self,
        buffer: &mut [u8],
        deadline: Instant,
    ) -> Result<usize, RecvError> {
        self.receiver.recv_deadline(buffer, deadline)
    }

    /// As [`Receiver::recv_vec`].
    ///
    /// # Errors
    /// As there.
    pub fn recv_vec(&mut self) -> Result<Vec<u8>, RecvError> {
        self.receiver.recv_vec()
    }

    /// As [`Sender::wait_drained`].
    ///
    /// # Errors
    /// As there.
    pub fn wait_drained(&self, timeout: Option<Duration>) -> Result<(), DrainError> {
        self.sender.wait_drained(timeout)
    }

    /// As [`Sender::wait_for_peer`].
    #[must_use]
    pub fn wait_for_peer(&self, timeout: Option<Duration>) -> bool {
        self.sender.wait_for_peer(timeout)
    }

    /// As [`Sender::set_timeout`]: for sending calls without a timeout of their own.
    ///
    /// # Errors
    /// As there.
    pub fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.sender.set_timeout(timeout)
    }

    /// As [`Receiver::set_timeout`]: for receiving calls without a timeout of their own.
    ///
    /// # Errors
    /// As there.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.receiver.set_timeout(timeout)
    }

    /// What calls of both halves do while they wait, from now on.
    pub const fn set_wait_policy(&mut self, policy: Policy) {
        self.sender.set_wait_policy(policy);
        self.receiver.set_wait_policy(policy);
    }

    /// As [`HasRegion::region_fd`]: to hand to the other end.
    ///
    /// # Errors
    /// As there.
    pub fn region_fd(&self) -> io::Result<OwnedFd> {
        HasRegion::region_fd(self)
    }

    /// Closes the link and gives a descriptor of the region's file.
    ///
    /// # Errors
    /// As [`StandardLink::region_fd`].
    pub fn into_fd(self) -> io::Result<OwnedFd> {
        self.region_fd()
    }
}

impl HasRegion for StandardLink {
    fn region_fd(&self) -> io::Result<OwnedFd> {
        self.sender.attachment().reopen()
    }
}

/// An endpoint of a region that many threads use at once, each through a sender and receiver of
/// its own; clones are the same endpoint. Other processes can share its role.
///
/// Its directions close when the last clone, sender and receiver of it is dropped.
///
/// ```
/// use hqq_std::LinkOptions;
/// let (near, far) = LinkOptions::new().count(8).size(64).shared().pair()?;
/// let workers: Vec<_> = (0..4_u8)
///     .map(|worker| {
///         let mut sender = near.sender();
///         std::thread::spawn(move || sender.send(&[worker]))
///     })
///     .collect();
/// for worker in workers {
///     worker.join().unwrap()?;
/// }
/// let mut seen: Vec<u8> = far.receiver().incoming().take(4).flatten().flatten().collect();
/// seen.sort();
/// assert_eq!(seen, [0, 1, 2, 3]);
/// # Ok::<(), hqq_std::Error>(())
/// ```
#[derive(Clone)]
pub struct SharedLink {
    /// Before the attachment, which keeps their memory.
    berths: [Option<Berth>; 2],
    policy: Policy,
    attachment: Arc<Attachment>,
    producer: Either<SharedSide<SharedProducer<Dynamic>>, SharedSide<Format1Producer<Dynamic>>>,
    consumer: Either<SharedSide<SharedConsumer<Dynamic>>, SharedSide<Format1Consumer<Dynamic>>>,
}

impl SharedLink {
    pub(crate) fn attach(endpoint: Endpoint, policy: Policy) -> Result<Self, OpenError> {
        let berths = berths(&endpoint);
        let Endpoint {
            attachment,
            region,
            options,
        } = endpoint;
        let refused = |error| attachment.refused(error);
        let (producer, consumer) = match attachment.format() {
            Format::V1 => {
                let link = Format1Link::attach(region, &options).map_err(refused)?;
                let (producer, consumer) = keep(&attachment, link.split());
                (
                    Either::Second(SharedSide::new(producer)),
                    Either::Second(SharedSide::new(consumer)),
                )
            }
            Format::V2 => {
                let link = hqq_core::SharedLink::attach(region, &options).map_err(refused)?;
                let (producer, consumer) = keep(&attachment, link.split());
                (
                    Either::First(SharedSide::new(producer)),
                    Either::First(SharedSide::new(consumer)),
                )
            }
        };
        let link = Self {
            berths,
            policy,
            attachment: Arc::clone(&attachment),
            producer,
            consumer,
        };
        attachment.attached()?;
        event!(DEBUG, path = %attachment.path().display(), role = %attachment.role(), "shared link opened");
        Ok(link)
    }

    /// A sender for one thread.
    #[must_use]
    pub fn sender(&self) -> SharedSender {
        let side = match &self.producer {
            Either::First(side) => Either::First(Handle::new(side.clone())),
            Either::Second(side) => Either::Second(Handle::new(side.clone())),
        };
        let attachment = Arc::clone(&self.attachment);
        let [for_room, _] = &self.berths;
        let core = Kept::new(hqq_core::Sender::new(side), attachment, None);
        Sender::new(core, for_room.clone(), self.policy)
    }

    /// A receiver for one thread.
    #[must_use]
    pub fn receiver(&self) -> SharedReceiver {
        let side = match &self.consumer {
            Either::First(side) => Either::First(Handle::new(side.clone())),
            Either::Second(side) => Either::Second(Handle::new(side.clone())),
        };
        let attachment = Arc::clone(&self.attachment);
        let [_, for_messages] = &self.berths;
        let core = Kept::new(hqq_core::Receiver::new(side), attachment, None);
        Receiver::new(core, for_messages.clone(), self.policy)
    }

    /// What calls of senders and receivers that are made from now on do while they wait.
    pub const fn set_wait_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// A sender and a receiver, without the link: each direction closes with its own.
    #[must_use]
    pub fn split(self) -> (SharedSender, SharedReceiver) {
        (self.sender(), self.receiver())
    }

    /// The role this end has.
    #[must_use]
    pub fn role(&self) -> Role {
        self.attachment.role()
    }

    /// The format of its region.
    #[must_use]
    pub fn format(&self) -> Format {
        self.attachment.format()
    }
}

impl HasRegion for SharedLink {
    fn region_fd(&self) -> io::Result<OwnedFd> {
        self.attachment.reopen()
    }
}
