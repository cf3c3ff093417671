//! What is left of members that died, and mending it while others go on (PROTOCOL.md, "Repair").
//!
//! Who has died is for the caller to know: an operating system's locks, a hypervisor, the firmware
//! that resets a core. It says so through [`Liveness`]; [`Repairer`] does the rest.

#![allow(
    unsafe_code,
    reason = "declares a trait whose implementors vouch for a death"
)]

use crate::layout::{Direction, Dynamic};
use crate::member::{Member, MemberSet, Role};
use crate::position::Position;
use crate::region::{Region, RingMemory, SuperblockMemory};
use crate::ring::join::mend_halves;
use crate::ring::repair::{mend, states};
use crate::ring::stamp::State;
use crate::ring::wake::{self, WaitWords, WakeHook};
use crate::side::{Side, SideState, SideStatus};
use crate::superblock::{Delivery, Identity};

/// Who is dead, as somebody knows who cannot be wrong: the kernel that has freed a lock at the end of
/// a process, a hypervisor that has stopped a guest.
///
/// Never a process id, a heartbeat or a record in the region: a member that was only slow could write
/// over what somebody else was given meanwhile.
///
/// # Safety
/// A member, or a side, of which `true` was said has no access to the region any more, and nobody
/// takes its id, or the side, until the implementor is dropped.
pub unsafe trait Liveness {
    /// Whether this member is dead, or the id is nobody's.
    fn is_member_dead(&mut self, role: Role, member: Member) -> bool;

    /// Whether a side has no member that lives.
    fn is_side_dead(&mut self, role: Role, consumer: bool) -> bool;
}

/// What a repair has done, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Repaired {
    /// Dead members whose records are closed now.
    pub members: usize,
    /// Slots that a dead member was filling; they hold tombstones now.
    pub tombstones: usize,
    /// Slots that a dead member was reading; they are free now (at most once).
    pub released: usize,
    /// Messages that a dead member was reading, or that one which has left its receiving side was to hand out, for a
    /// receiver to take over (at least once).
    pub in_doubt: usize,
    /// Sides whose last member has died, and which are recorded so now.
    pub sides: usize,
}

impl Repaired {
    /// Whether anything in the region has changed.
    #[must_use]
    pub const fn has_changed(&self) -> bool {
        self.members + self.tombstones + self.released + self.sides > 0
    }
}

/// A claimed slot, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Claim {
    /// The ring.
    pub direction: Direction,
    /// The position that is claimed.
    pub position: Position,
    /// The role of whoever claimed it.
    pub role: Role,
    /// The member who did.
    pub member: Member,
    /// Whether it is being written; it is being read otherwise.
    pub writing: bool,
}

/// Repairs a region of format 2. It is no member: firmware, a supervisor or a tool can be one.
///
/// ```
/// use hqq_core::repair::{Liveness, Repairer};
/// use hqq_core::{AttachOptions, Identity, InitOptions, Layout, Member, Region, Role, SharedLink};
///
/// /// The other core was reset, and is held in reset.
/// struct Reset;
/// // SAFETY: this program holds the other core in reset.
/// unsafe impl Liveness for Reset {
///     fn is_member_dead(&mut self, role: Role, _: Member) -> bool {
///         role == Role::Secondary
///     }
///     fn is_side_dead(&mut self, role: Role, _: bool) -> bool {
///         role == Role::Secondary
///     }
/// }
///
/// # #[repr(align(64))]
/// # struct Bytes([u8; 4096]);
/// # let bytes: &'static mut Bytes = Box::leak(Box::new(Bytes([0; 4096])));
/// let (near, far) = Region::pair_from_static(&mut bytes.0)?;
/// hqq_core::initialise(&near, &Layout::compact(8, 64)?, &InitOptions::new())?;
/// let identity = Identity::read(&near)?;
/// let far = SharedLink::<hqq_core::Dynamic>::attach(far, &AttachOptions::new(Role::Secondary))?;
/// // It is reset with a buffer half filled:
/// core::mem::forget(far.sender().try_reserve()?);
/// core::mem::forget(far);
///
/// let repairer = Repairer::new(&near, &identity).ok_or("format 2")?;
/// let repaired = repairer.repair(&mut Reset);
/// assert_eq!((repaired.tombstones, repaired.sides), (1, 2));
/// assert!(!repairer.repair(&mut Reset).has_changed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Repairer {
    superblock: SuperblockMemory,
    /// By direction.
    rings: [RingMemory<Dynamic>; 2],
    /// Of the producers and the consumers of each.
    sleepers: [[WaitWords; 2]; 2],
    delivery: Delivery,
}

impl Repairer {
    /// For a region whose identity was checked; `None` where it is not of format 2, or too short.
    #[must_use]
    pub fn new(region: &Region, identity: &Identity) -> Option<Self> {
        let layout = &identity.layout;
        let [first, second] =
            Direction::BOTH.map(|direction| RingMemory::new(region, layout, direction));
        let words = |direction| {
            let words = |consumer| WaitWords::new(region, layout, direction, consumer);
            Some([words(false)?, words(true)?])
        };
        let [forth, back] = Direction::BOTH.map(words);
        Some(Self {
            superblock: SuperblockMemory::with_layout(region, layout)?,
            rings: [first?, second?],
            sleepers: [forth?, back?],
            delivery: identity.delivery,
        })
    }

    /// Wakes everybody who sleeps at any side of the region, to look again after a repair.
    pub fn wake_all(&self, hook: &WakeHook) {
        wake::wake_all(self.sleepers.iter().flatten(), hook);
    }

    fn ring(&self, direction: Direction) -> &RingMemory<Dynamic> {
        let [first, second] = &self.rings;
        match direction {
            Direction::ToSecondary => first,
            Direction::ToPrimary => second,
        }
    }

    /// The ids that members of a role can have.
    pub fn ids(&self) -> impl Iterator<Item = Member> + use<> {
        (1..=u8::MAX)
            .filter_map(Member::new)
            .take(self.superblock.members())
    }

    /// What happens to messages that a dead member was reading.
    #[must_use]
    pub const fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// The status of a side, as recorded.
    #[must_use]
    pub fn side(&self, role: Role, consumer: bool) -> SideStatus {
        Side { role, consumer }.status(&self.superblock)
    }

    /// How a member is recorded on one side of its role, and its process id; `None` for an id the
    /// region has no room for.
    #[must_use]
    pub fn member(&self, role: Role, member: Member, consumer: bool) -> Option<(SideStatus, u32)> {
        let side = Side { role, consumer };
        let status = side.member_status(&self.superblock, member)?;
        Some((status, side.member_pid(&self.superblock, member)?))
    }

    /// Whether a member is recorded as open on either side of its role.
    #[must_use]
    pub fn is_recorded_open(&self, role: Role, member: Member) -> bool {
        [false, true].into_iter().any(|consumer| {
            self.member(role, member, consumer)
                .is_some_and(|(status, _)| status.state() == SideState::Open)
        })
    }

    /// Whether a member is recorded as having left the consuming side of its role. At least once, others take over what
    /// it was to hand out in doubt and left (C1): as from one that has died, though it may send yet.
    #[must_use]
    pub fn has_left(&self, role: Role, member: Member) -> bool {
        self.member(role, member, true)
            .is_some_and(|(status, _)| status.state() == SideState::Closed)
    }

    /// The slots of a ring that members have claimed; they may move on while this is read.
    pub fn claims(&self, direction: Direction) -> impl Iterator<Item = Claim> + '_ {
        let producer = producer_of(direction);
        states(self.ring(direction)).filter_map(move |state| {
            let (position, member, writing) = match state {
                State::Writing(position, member) => (position, member, true),
                State::Reading(position, member, _) => (position, member, false),
                _ => return None,
            };
            Some(Claim {
                direction,
                position,
                role: if writing { producer } else { producer.peer() },
                member,
                writing,
            })
        })
    }

    /// The ids that a record or a stamp says are somebody's, by role, primary first: whoever of them
    /// is dead has left something behind.
    #[must_use]
    pub fn named(&self) -> [MemberSet; 2] {
        let [mut primaries, mut secondaries] = Role::BOTH.map(|role| {
            let mut named = MemberSet::new();
            for member in self.ids().filter(|id| self.is_recorded_open(role, *id)) {
                named.insert(member);
            }
            named
        });
        for claim in Direction::BOTH
            .into_iter()
            .flat_map(|direction| self.claims(direction))
        {
            match claim.role {
                Role::Primary => primaries.insert(claim.member),
                Role::Secondary => secondaries.insert(claim.member),
            }
        }
        [primaries, secondaries]
    }

    /// Mends what dead members have left, while everybody else goes on: T6, then the records of the
    /// members, then those of the sides whose last member has died.
    ///
    /// Interrupted anywhere it can be begun anew, by anybody. At most 8N steps and a constant. Whoever
    /// waits should look again afterwards where [`Repaired::has_changed`]: see [`Repairer::wake_all`].
    pub fn repair(&self, life: &mut impl Liveness) -> Repaired {
        let mut repaired = Repaired::default();
        let mut dead = self.named();
        for (role, dead) in Role::BOTH.into_iter().zip(&mut dead) {
            let mut proven = MemberSet::new();
            for member in dead.iter().filter(|id| life.is_member_dead(role, *id)) {
                proven.insert(member);
            }
            *dead = proven;
        }
        let of = |role: Role| match role {
            Role::Primary => dead[0],
            Role::Secondary => dead[1],
        };
        let mut missed = [MemberSet::new(); 2];
        for (direction, missed) in Direction::BOTH.into_iter().zip(&mut missed) {
            let producer = producer_of(direction);
            let consumer = producer.peer();
            let ring = self.ring(direction);
            let mut left = MemberSet::new();
            if self.delivery == Delivery::AtLeastOnce {
                for member in self.ids().filter(|id| self.has_left(consumer, *id)) {
                    left.insert(member);
                }
            }
            let mended = mend(ring, &of(producer), &of(consumer), &left, self.delivery);
            repaired.tombstones += mended.tombstones;
            repaired.released += mended.released;
            repaired.in_doubt += mended.in_doubt;
            *missed = mended.readers_in_doubt;
        }
        for role in Role::BOTH {
            for member in of(role).iter() {
                // While a message of its waits for a receiver, the record says that there is something
                // left to do.
                let is_missed = match role.receives() {
                    Direction::ToSecondary => missed[0].contains(member),
                    Direction::ToPrimary => missed[1].contains(member),
                };
                let bury = |consumer| Side { role, consumer }.bury_member(&self.superblock, member);
                let buried = [bury(false), !is_missed && bury(true)];
                repaired.members += usize::from(buried.contains(&true));
            }
            for consumer in [false, true] {
                let side = Side { role, consumer };
                let is_open = side.status(&self.superblock).state() == SideState::Open;
                if is_open && life.is_side_dead(role, consumer) {
                    if !consumer {
                        // Before the record, which says that nothing of the dead is left.
                        mend_halves(self.ring(role.sends()));
                    }
                    repaired.sides += usize::from(side.record_death(&self.superblock));
                }
            }
        }
        repaired
    }
}

const fn producer_of(direction: Direction) -> Role {
    match direction {
        Direction::ToSecondary => Role::Primary,
        Direction::ToPrimary => Role::Secondary,
    }
}
