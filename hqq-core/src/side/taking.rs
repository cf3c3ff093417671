//! Checking that a side is free, taking it, and recording what becomes of its members.

#[cfg(all(target_has_atomic = "64", not(loom)))]
use core::sync::atomic::fence;

use super::{Attached, Presence, SideError, SideState, SideStatus};
use crate::counters::Counters;
use crate::layout::Direction;
use crate::member::{Member, Mode, Role};
use crate::region::SuperblockMemory;
use crate::sync::ordering;
#[cfg(all(target_has_atomic = "64", not(loom)))]
use crate::sync::ordering::Ordering;

pub(super) const STATUS: usize = 0;
pub(super) const MEMBER_STATUS: usize = 0;
const MEMBER_PID: usize = 1;
/// Words of a member's half that hold its totals, from here to the end.
#[cfg(all(target_has_atomic = "64", not(loom)))]
const TOTALS: usize = 2;
/// How long its calls take.
#[cfg(all(target_has_atomic = "64", not(hqq_narrow), not(loom)))]
const LATENCY: usize = 14;

/// One side of one ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) role: Role,
    pub(crate) consumer: bool,
}

impl Side {
    pub(crate) const fn direction(self) -> Direction {
        if self.consumer {
            self.role.receives()
        } else {
            self.role.sends()
        }
    }

    pub(crate) fn status(self, memory: &SuperblockMemory) -> SideStatus {
        let word = memory.side(self.direction(), self.consumer, STATUS);
        // Pairs with the Release in `take`, in `Attached::drop` and in `record_death`.
        SideStatus(word.load(ordering::see_status()))
    }

    pub(super) fn opposite_status(self, memory: &SuperblockMemory) -> SideStatus {
        let word = memory.side(self.direction(), !self.consumer, STATUS);
        // Pairs as in `status`.
        SideStatus(word.load(ordering::see_status()))
    }

    pub(crate) fn member_status(
        self,
        memory: &SuperblockMemory,
        member: Member,
    ) -> Option<SideStatus> {
        let secondary = self.role.is_secondary();
        let word = memory.member(secondary, member, self.consumer, MEMBER_STATUS)?;
        // Pairs with the Release in `set_member`.
        Some(SideStatus(word.load(ordering::see_status())))
    }

    pub(super) fn set_member(
        self,
        memory: &SuperblockMemory,
        member: Member,
        status: SideStatus,
        pid: u32,
    ) {
        let secondary = self.role.is_secondary();
        let word = |index| memory.member(secondary, member, self.consumer, index);
        if let (Some(pid_word), Some(status_word)) = (word(MEMBER_PID), word(MEMBER_STATUS)) {
            // Pairs with the Acquire in `member_status`.
            pid_word.store(pid, ordering::store_status());
            status_word.store(status.0, ordering::store_status());
        }
    }

    /// Records totals (PROTOCOL.md, "Totals"). Relaxed throughout but for what brackets them: they are
    /// for people, and nothing is decided by them.
    ///
    /// Not where programs have to be small, nor in models, which have no members.
    #[cfg_attr(
        any(loom, not(target_has_atomic = "64")),
        allow(unused_variables, clippy::unused_self, reason = "nothing is recorded")
    )]
    #[cfg_attr(any(loom, not(target_has_atomic = "64")), inline)]
    pub(super) fn set_totals(self, memory: &SuperblockMemory, member: Member, totals: &Counters) {
        #[cfg(all(target_has_atomic = "64", not(loom)))]
        {
            let secondary = self.role.is_secondary();
            let Some(half) = memory.member_half(secondary, member, self.consumer) else {
                return;
            };
            let version = half.word(TOTALS);
            let recorded = version.load(Ordering::Relaxed);
            if recorded == 0 && is_nothing(totals) {
                return;
            }
            let writing = recorded | 1;
            version.store(writing, Ordering::Relaxed);
            // Whoever sees a word of what follows sees that it is being written; pairs with the
            // Acquire of a reader that looks at the version last.
            fence(Ordering::Release);
            let low = |value: u64| (value & u64::from(u32::MAX)) as u32;
            let high = |value: u64| (value >> 32) as u32;
            let values = [
                low(totals.messages),
                high(totals.messages),
                low(totals.bytes),
                high(totals.bytes),
                low(totals.tombstones),
                high(totals.tombstones),
                low(totals.blocked),
                high(totals.blocked),
                low(totals.errors),
                high(totals.errors),
            ];
            for (index, value) in (TOTALS + 2..).zip(values) {
                half.word(index).store(value, Ordering::Relaxed);
            }
            // Whoever sees this sees all of it; pairs with the Acquire of a reader.
            version.store(writing.wrapping_add(1), Ordering::Release);
        }
    }

    /// Records how long calls take (PROTOCOL.md, "Totals"). Relaxed: two hints for people.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow), not(loom)))]
    pub(super) fn set_latency(self, memory: &SuperblockMemory, member: Member, latency: [u32; 2]) {
        let secondary = self.role.is_secondary();
        for (index, value) in (LATENCY..).zip(latency) {
            if let Some(word) = memory.member(secondary, member, self.consumer, index)
                && word.load(Ordering::Relaxed) != value
            {
                word.store(value, Ordering::Relaxed);
            }
        }
    }

    /// The process id that a member has recorded here.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    pub(crate) fn member_pid(self, memory: &SuperblockMemory, member: Member) -> Option<u32> {
        let secondary = self.role.is_secondary();
        let word = memory.member(secondary, member, self.consumer, MEMBER_PID)?;
        // Pairs with the Release in `set_member`.
        Some(word.load(ordering::see_status()))
    }

    /// Records that a member which is recorded as open has died; says whether it was.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    pub(crate) fn bury_member(self, memory: &SuperblockMemory, member: Member) -> bool {
        match self.member_status(memory, member) {
            Some(status) if status.state() == SideState::Open => {
                let dead = SideStatus(status.0 | super::DEAD);
                self.set_member(memory, member, dead, 0);
                true
            }
            _ => false,
        }
    }

    /// Records that the last member of a side which is recorded as open has died: nobody takes or
    /// leaves the side meanwhile, and what its members had claimed was repaired. Says whether it was.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    pub(crate) fn record_death(self, memory: &SuperblockMemory) -> bool {
        let found = self.status(memory);
        found.state() == SideState::Open
            && exchange(memory, self, found, SideStatus(found.0 | super::DEAD))
    }

    /// Whether the side can be taken: what its status is and what it will be, and whether others
    /// have it. Writes nothing.
    pub(crate) fn check(
        self,
        memory: &SuperblockMemory,
        mode: Mode,
        member: Member,
        presence: Presence,
    ) -> Result<Vacancy, SideError> {
        let found = self.status(memory);
        let occupied = match presence {
            Presence::Recorded => found.state() == SideState::Open,
            Presence::Alone => false,
            Presence::Others => true,
        };
        if occupied && (mode, found.mode()) != (Mode::Shared, Some(Mode::Shared)) {
            return Err(self.mismatch(mode, found));
        }
        let Some(recorded) = self.member_status(memory, member) else {
            return Err(SideError::NoSuchMember {
                member,
                members: memory.members(),
            });
        };
        if presence == Presence::Recorded && occupied && recorded.is_open_in(found.epoch()) {
            return Err(SideError::MemberInUse { member });
        }
        let status = if occupied {
            found
        } else {
            SideStatus::new(SideState::Open, mode, found.epoch().wrapping_add(1))
        };
        Ok(Vacancy {
            found,
            status,
            occupied,
        })
    }

    const fn mismatch(self, wanted: Mode, found: SideStatus) -> SideError {
        SideError::Mode {
            direction: self.direction(),
            wanted,
            found: found.mode(),
        }
    }

    /// Takes the side; says whether as its first member. Serialised with every other taking and
    /// leaving of the region by the caller (PROTOCOL.md A1), except that two which both believe
    /// the records cannot both get it exclusively where there is compare-and-swap.
    pub(crate) fn take(
        self,
        memory: &SuperblockMemory,
        mode: Mode,
        member: Member,
        pid: u32,
        presence: Presence,
    ) -> Result<(Attached, bool), SideError> {
        let Vacancy {
            found,
            status,
            occupied,
        } = self.check(memory, mode, member, presence)?;
        if !occupied && !exchange(memory, self, found, status) {
            return Err(self.mismatch(mode, found));
        }
        self.set_member(memory, member, status, pid);
        self.set_totals(memory, member, &Counters::default());
        #[cfg(all(target_has_atomic = "64", not(hqq_narrow), not(loom)))]
        self.set_latency(memory, member, [0; 2]);
        let restore = (!occupied).then_some(found);
        let attached = Attached::taken(memory, self, mode, member, restore);
        Ok((attached, !occupied))
    }
}

// Not in the way of sides that have recorded something.
#[cfg(all(target_has_atomic = "64", not(loom)))]
#[cold]
#[inline(never)]
fn is_nothing(totals: &Counters) -> bool {
    *totals == Counters::default()
}

/// A side that can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vacancy {
    found: SideStatus,
    status: SideStatus,
    occupied: bool,
}

/// Moves the status of a side from `found` to `status`; `false` where somebody else has moved it.
fn exchange(memory: &SuperblockMemory, side: Side, found: SideStatus, status: SideStatus) -> bool {
    let word = memory.side(side.direction(), side.consumer, STATUS);
    #[cfg(target_has_atomic = "32")]
    {
        // Pairs with the Acquire in `status`.
        word.compare_exchange(
            found.0,
            status.0,
            ordering::store_status(),
            ordering::see_status(),
        )
        .is_ok()
    }
    #[cfg(not(target_has_atomic = "32"))]
    {
        let _ = found;
        // Pairs as above. Without an exchange the role was agreed beforehand.
        word.store(status.0, ordering::store_status());
        true
    }
}
