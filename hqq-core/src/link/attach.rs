//! Attaching: which role to take and how, and taking both sides of it at once.

use crate::layout::{Format, Geometry, Layout};
use crate::link::AttachError;
use crate::member::{Member, Mode, Role};
use crate::region::{Region, RingMemory, SuperblockMemory};
use crate::ring::wake::{Alarm, WakeHook};
use crate::side::{Attached, Presence, Side, SideError};
use crate::superblock::{FormatError, Identity};

/// Which role to take, and how.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AttachOptions {
    pub(super) role: Role,
    pub(super) member: Member,
    pub(super) pid: u32,
    pub(super) sending: Presence,
    pub(super) receiving: Presence,
    pub(super) identity: Option<Identity>,
    pub(super) wake_hook: Option<WakeHook>,
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
pub(super) struct Taken<G> {
    pub(super) identity: Identity,
    pub(super) outgoing: RingMemory<G>,
    pub(super) incoming: RingMemory<G>,
    pub(super) sending: (Attached, bool),
    pub(super) receiving: (Attached, bool),
}

impl<G: Geometry> Taken<G> {
    pub(super) fn new(
        region: &Region,
        options: &AttachOptions,
        mode: Mode,
    ) -> Result<Self, AttachError> {
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
    pub(super) fn alarms(&self, region: &Region, options: &AttachOptions) -> [Alarm; 2] {
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
pub(super) fn check_layout<G: Geometry>(
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
