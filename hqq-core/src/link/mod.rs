//! The Standard link: messages of up to one buffer in both directions (PROTOCOL.md, "Standard
//! link").
//!
//! [`Link`] is an endpoint that one thread owns; it [splits](Link::split) into [`Sender`] and
//! [`Receiver`]. [`SharedLink`] is one that many threads use at once, each through a sender or
//! receiver of its own.

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
mod send_path;
mod sender;

use core::ops::ControlFlow;

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
pub use received::{ReadGrant, TryIter};
pub use receiver::Receiver;
pub use sender::{REASON_DROPPED, REASON_EMPTY, REASON_TOO_LONG, Sender, WriteGrant};

#[cfg(not(loom))]
use crate::layout::Direction;
use crate::layout::{Dynamic, Fixed, Format, Geometry, Layout};
use crate::member::{Member, Mode, Role};
#[cfg(not(loom))]
use crate::platform::Platform;
use crate::region::{Region, RingMemory, SuperblockMemory};
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
use crate::ring::Handle;
use crate::ring::exclusive::{ExclusiveConsumer, ExclusiveProducer};
#[cfg(not(loom))]
use crate::ring::managed::{ManagedConsumer, ManagedProducer};
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
use crate::ring::shared::{SharedConsumer, SharedProducer};
use crate::ring::wake::{Alarm, WakeHook};
use crate::ring::{Corruption, Obstacle, join};
use crate::side::{Attached, Presence, Side, SideError};
use crate::superblock::{FormatError, Identity};
use crate::wait::{Wait, WaitReason, Waiting};
use error::Retry;

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

/// Which role to take, and how.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AttachOptions {
    role: Role,
    member: Member,
    pid: u32,
    sending: Presence,
    receiving: Presence,
    identity: Option<Identity>,
    wake_hook: Option<WakeHook>,
}

impl AttachOptions {
    /// This role, as its first member, believing what the region records of others.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self {
            role,
            member: Member::FIRST,
            pid: 0,
            sending: Presence::Recorded,
            receiving: Presence::Recorded,
            identity: None,
            wake_hook: None,
        }
    }

    /// The member id to use; it is free among the members of the role.
    #[must_use]
    pub const fn member(mut self, member: Member) -> Self {
        self.member = member;
        self
    }

    /// A process id to record, for people to read; 0 for none.
    #[must_use]
    pub const fn pid(mut self, pid: u32) -> Self {
        self.pid = pid;
        self
    }

    /// What is known of the other members of the sending and of the receiving side.
    #[must_use]
    pub const fn presence(mut self, sending: Presence, receiving: Presence) -> Self {
        self.sending = sending;
        self.receiving = receiving;
        self
    }

    /// What the region was found to be: a caller that has checked its identity passes it on, as a
    /// peer may change what lies in the region meanwhile.
    #[must_use]
    pub const fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// How the peer is woken where it sleeps; without this it is not, and has to look by itself.
    #[must_use]
    pub const fn wake_hook(mut self, hook: WakeHook) -> Self {
        self.wake_hook = Some(hook);
        self
    }

    /// How the region is laid out, where [`AttachOptions::identity`] was given.
    #[must_use]
    pub const fn layout(&self) -> Option<&Layout> {
        match &self.identity {
            None => None,
            Some(identity) => Some(&identity.layout),
        }
    }

    fn side_error(&self, error: SideError) -> AttachError {
        AttachError::Side {
            role: self.role,
            error,
        }
    }
}

/// Both rings of a region and both sides of a role, taken.
struct Taken<G> {
    identity: Identity,
    outgoing: RingMemory<G>,
    incoming: RingMemory<G>,
    sending: (Attached, bool),
    receiving: (Attached, bool),
}

impl<G: Geometry> Taken<G> {
    fn new(region: &Region, options: &AttachOptions, mode: Mode) -> Result<Self, AttachError> {
        let identity = options
            .identity
            .map_or_else(|| Identity::read(region), Ok)?;
        let layout = &identity.layout;
        let truncated = check_layout::<G>(layout, Format::V2, region)?;
        let ring = |direction| RingMemory::new(region, layout, direction);
        let outgoing = ring(options.role.sends()).ok_or(truncated)?;
        let incoming = ring(options.role.receives()).ok_or(truncated)?;
        let superblock = SuperblockMemory::with_layout(region, layout).ok_or(truncated)?;
        let side = |consumer| Side {
            role: options.role,
            consumer,
        };
        let presences = [(false, options.sending), (true, options.receiving)];
        for (consumer, presence) in presences {
            // Both before either is taken, so that being refused leaves no trace.
            side(consumer)
                .check(&superblock, mode, options.member, presence)
                .map_err(|error| options.side_error(error))?;
        }
        let [sending, receiving] = presences.map(|(consumer, presence)| {
            side(consumer)
                .take(&superblock, mode, options.member, options.pid, presence)
                .map_err(|error| options.side_error(error))
        });
        // Where the second cannot be had after all, dropping the first leaves it.
        let (sending, receiving) = (sending?, receiving?);
        Ok(Self {
            identity,
            outgoing,
            incoming,
            sending,
            receiving,
        })
    }
}

impl<G> Taken<G> {
    /// What the sending and the receiving side wake the peer with. Wakes it: both were taken, and
    /// nothing can fail any more.
    fn alarms(&self, region: &Region, options: &AttachOptions) -> [Alarm; 2] {
        let (layout, role) = (&self.identity.layout, options.role);
        let alarm = |direction, consumer, first| {
            Alarm::new(
                region,
                layout,
                direction,
                consumer,
                first,
                options.wake_hook,
            )
        };
        [
            alarm(role.sends(), false, self.sending.1),
            alarm(role.receives(), true, self.receiving.1),
        ]
    }
}

/// That `layout` is of `format` and of a geometry that `G` can have. What there is to say should the
/// region prove too short for it, too.
fn check_layout<G: Geometry>(
    layout: &Layout,
    format: Format,
    region: &Region,
) -> Result<AttachError, AttachError> {
    let found = layout.format();
    if found != format {
        let expected = format;
        return Err(FormatError::OtherFormat { expected, found }.into());
    }
    let (count, size) = (layout.count(), layout.size());
    if let Some((expected_count, expected_size)) = G::EXPECTED {
        if expected_count != count {
            return Err(AttachError::Count {
                expected: expected_count,
                found: count,
            });
        }
        if expected_size != size {
            return Err(AttachError::Size {
                expected: expected_size,
                found: size,
            });
        }
    }
    Ok(AttachError::Format(FormatError::Truncated {
        needed: layout.len() as u64,
        found: region.len() as u64,
    }))
}

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
    /// knows of; `None` where `layout` does not fit it. There is nothing to check, to repair or to
    /// resume, so that firmware with a region of its own carries no code for that.
    #[cfg(not(loom))]
    pub(crate) fn first(region: &Region, layout: &Layout) -> Option<(Self, Self)> {
        let superblock = SuperblockMemory::with_layout(region, layout)?;
        let there = RingMemory::new(region, layout, Direction::ToSecondary)?;
        let back = RingMemory::new(region, layout, Direction::ToPrimary)?;
        let end = |role, outgoing: &RingMemory<G>, incoming: &RingMemory<G>| {
            let side = |consumer| Attached::first(&superblock, Side { role, consumer });
            let start = crate::Position::new(0);
            let producer =
                ExclusiveProducer::new(outgoing.clone(), start, side(false), Alarm::none());
            let consumer = ExclusiveConsumer::first(incoming.clone(), side(true));
            Self {
                sender: Sender::new(producer),
                receiver: Receiver::new(consumer),
            }
        };
        Some((
            end(Role::Primary, &there, &back),
            end(Role::Secondary, &back, &there),
        ))
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
        let resume =
            join::first_consumer(&taken.incoming, Mode::Exclusive, options.member, delivery)
                .map_err(corrupt(role.receives()))?;
        let [sending_alarm, receiving_alarm] = taken.alarms(&region, options);
        let (sending, receiving) = (taken.sending.0.kept(), taken.receiving.0.kept());
        Ok((
            ExclusiveProducer::new(taken.outgoing, next, sending, sending_alarm),
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
        let (producer, consumer) = Self::attach_sides(region.clone(), options)?;
        // What attaching has recorded and mended.
        region.clean(&platform);
        let identity = options
            .identity
            .map_or_else(|| Identity::read(&region), Ok)?;
        let memory = SuperblockMemory::with_layout(&region, &identity.layout).ok_or(
            FormatError::Truncated {
                needed: identity.layout.len() as u64,
                found: region.len() as u64,
            },
        )?;
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

/// An endpoint of a region that many threads use at once, each through a [`Sender`] or
/// [`Receiver`] of its own.
///
/// ```
/// use hqq_core::{AttachOptions, Dynamic, InitOptions, Layout, Region, Role, SharedLink};
/// #[repr(align(64))]
/// struct Bytes([u8; 4096]);
/// let bytes: &'static mut Bytes = Box::leak(Box::new(Bytes([0; 4096])));
/// let (near, far) = Region::pair_from_static(&mut bytes.0)?;
/// hqq_core::initialise(&near, &Layout::compact(8, 64)?, &InitOptions::new())?;
/// let near = SharedLink::<Dynamic>::attach(near, &AttachOptions::new(Role::Primary))?;
/// let far = SharedLink::<Dynamic>::attach(far, &AttachOptions::new(Role::Secondary))?;
/// std::thread::scope(|scope| {
///     for worker in 0..4_u8 {
///         let mut sender = near.sender();
///         scope.spawn(move || sender.try_send(&[worker]));
///     }
/// });
/// let mut seen = [false; 4];
/// for message in far.receiver().try_iter::<64>() {
///     seen[usize::from(message?[0])] = true;
/// }
/// assert_eq!(seen, [true; 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
pub struct SharedLink<G: Geometry> {
    producer: SharedProducer<G>,
    consumer: SharedConsumer<G>,
}

#[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
impl<G: Geometry> SharedLink<G> {
    /// Takes a role of an initialised region, beside other members of it and for any number of
    /// threads. See [`Link::attach`] for what the caller serialises.
    ///
    /// # Errors
    /// [`AttachError`], one kind for each way the region may not fit.
    pub fn attach(region: Region, options: &AttachOptions) -> Result<Self, AttachError> {
        let taken = Taken::<G>::new(&region, options, Mode::Shared)?;
        let corrupt = |direction| {
            move |corruption| AttachError::Corrupt {
                direction,
                corruption,
            }
        };
        let (role, member) = (options.role, options.member);
        let delivery = taken.identity.delivery;
        if taken.sending.1 {
            join::first_producer(&taken.outgoing).map_err(corrupt(role.sends()))?;
        } else {
            join::further_producer(&taken.outgoing, member);
        }
        let resume = if taken.receiving.1 {
            join::first_consumer(&taken.incoming, Mode::Shared, member, delivery)
                .map_err(corrupt(role.receives()))?
        } else {
            join::further_consumer(&taken.incoming, member, delivery)
        };
        let [sending_alarm, receiving_alarm] = taken.alarms(&region, options);
        let (sending, receiving) = (taken.sending.0.kept(), taken.receiving.0.kept());
        let (outgoing, incoming) = (taken.outgoing, taken.incoming);
        Ok(Self {
            producer: SharedProducer::new(outgoing, member, sending, sending_alarm),
            consumer: SharedConsumer::new(
                incoming,
                member,
                delivery,
                resume,
                receiving,
                receiving_alarm,
            ),
        })
    }

    /// A sender for one thread; dropping it closes nothing.
    pub const fn sender(&self) -> Sender<Handle<&SharedProducer<G>>> {
        Sender::new(Handle::new(&self.producer))
    }

    /// A receiver for one thread; dropping it closes nothing.
    pub const fn receiver(&self) -> Receiver<Handle<&SharedConsumer<G>>> {
        Receiver::new(Handle::new(&self.consumer))
    }

    /// The two sides, which close their directions when dropped.
    #[must_use]
    pub fn split(self) -> (SharedProducer<G>, SharedConsumer<G>) {
        (self.producer, self.consumer)
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

/// The round of waiting in which it is noted who is in the way: late enough not to slow answers down
/// that come at once.
const OBSTACLE: u32 = 2;
/// Looks, or what waits stand for, after which a ring is looked at for corruption.
const SUSPICION: u32 = 256;

/// Repeats `attempt` until it settles, or `wait` gives up, or the same corruption was found twice,
/// many rounds apart. `attempt` learns whether it is the first of the call; `look` says what is wrong
/// with what comes next, and who is in its way.
#[inline]
fn wait_until<S, T, E: Retry>(
    state: &mut S,
    wait: &mut impl Wait,
    reason: WaitReason,
    mut attempt: impl FnMut(&mut S, bool) -> Result<T, E>,
    look: impl Fn(&S) -> (Option<Corruption>, Option<Obstacle>),
) -> Result<T, E::Final> {
    let mut round = 0_u32;
    let mut looks = 0_u32;
    let mut suspected = None;
    let mut in_the_way = None;
    loop {
        match attempt(state, round == 0).map_err(Retry::settled) {
            Ok(value) => return Ok(value),
            Err(Some(error)) => return Err(error),
            Err(None) => {}
        }
        round = round.saturating_add(1);
        if round == OBSTACLE {
            in_the_way = look(state).1;
        }
        looks = looks.saturating_add(if round == 1 { 1 } else { wait.worth() });
        if looks >= SUSPICION {
            looks = 0;
            let (found, _) = look(state);
            // Once proves nothing: a 32-bit peer may be between the halves of a stamp.
            if found.is_some() && found == suspected {
                return Err(E::timed_out(found, None));
            }
            suspected = found;
        }
        if let ControlFlow::Break(()) = wait.wait(&Waiting { reason, round }) {
            let (corruption, obstacle) = look(state);
            let obstacle = obstacle.filter(|_| obstacle == in_the_way);
            return Err(E::timed_out(corruption, obstacle));
        }
    }
}
