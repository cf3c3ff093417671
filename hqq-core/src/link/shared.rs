//! An endpoint that many threads use at once, beside other members of its role.

use super::attach::Taken;
use super::{AttachOptions, Receiver, Sender};
use crate::layout::Geometry;
use crate::link::AttachError;
use crate::member::Mode;
use crate::region::Region;
use crate::ring::shared::{SharedConsumer, SharedProducer};
use crate::ring::{Handle, join};

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
pub struct SharedLink<G: Geometry> {
    producer: SharedProducer<G>,
    consumer: SharedConsumer<G>,
}

impl<G: Geometry> SharedLink<G> {
    /// Takes a role of an initialised region, beside other members of it and for any number of
    /// threads. See [`Link::attach`](super::Link::attach) for what the caller serialises.
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
            join::first_consumer(&taken.incoming, Mode::Shared, member, delivery, |_| {})
                .map_err(corrupt(role.receives()))?
        } else {
            join::further_consumer(&taken.incoming, member, delivery)
        };
        let [sending_alarm, receiving_alarm] = taken.alarms(&region, options);
        let (sending, receiving) = (taken.sending.0.kept(), taken.receiving.0.kept());
        let (outgoing, incoming) = (taken.outgoing, taken.incoming);
        Ok(Self {
            producer: SharedProducer::new(outgoing, member, delivery, sending, sending_alarm),
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
