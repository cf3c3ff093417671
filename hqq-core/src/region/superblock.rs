//! The superblock of a region: its identity, the records of sides and those of members.

use super::{Part, Region, View};
use crate::layout::{Direction, IDENTITY, IDENTITY_LEN, LINE, Layout, MEMBER_LEN, MEMBERS, SIDES};
use crate::member::Member;
use crate::sync::SharedU32;
use crate::sync::ordering::Ordering;

/// The superblock of a region.
///
/// # Invariants
/// `members` entries a role fit the region.
#[derive(Clone)]
pub(crate) struct SuperblockMemory {
    pub(super) part: Part,
    pub(super) members: usize,
}

impl SuperblockMemory {
    /// The identity and the sides only, before the number of members is known.
    pub(crate) fn new(region: &Region) -> Self {
        Self {
            part: Part::whole(region),
            members: 0,
        }
    }

    /// With the member table of `layout`; `None` where that is larger than the region.
    pub(crate) fn with_layout(region: &Region, layout: &Layout) -> Option<Self> {
        (layout.len() <= region.len()).then(|| Self {
            part: Part::whole(region),
            members: layout.members(),
        })
    }

    /// Entries of the member table, each role.
    pub(crate) fn members(&self) -> usize {
        self.members
    }

    /// Word `index` of the identity, 32 words.
    pub(crate) fn identity(&self, index: usize) -> &SharedU32 {
        let index = index % (IDENTITY_LEN / 4);
        // SAFETY: the identity lies inside the smallest region, and is made of 32-bit words.
        unsafe { self.part.word32(IDENTITY + index * 4) }
    }

    /// Zeroes the records of sides and members, and what is reserved beside them.
    pub(crate) fn clear_records(&self) {
        for offset in (SIDES..MEMBERS + 2 * self.members * MEMBER_LEN).step_by(4) {
            // SAFETY: sides and members fit the region by the invariant, and are made of 32-bit
            // words.
            let word = unsafe { self.part.word32(offset) };
            // Relaxed: published by the region's state.
            word.store(0, Ordering::Relaxed);
        }
    }

    /// Word `index` of the record of one side of one direction, 16 words.
    pub(crate) fn side(&self, direction: Direction, consumer: bool, index: usize) -> &SharedU32 {
        let record = 2 * direction as usize + usize::from(consumer);
        // SAFETY: the four records lie inside the smallest region; 32-bit words only are used.
        unsafe { self.part.word32(SIDES + record * LINE + index % 16 * 4) }
    }

    /// The status word of one side of one direction, for who looks at it often.
    pub(crate) fn status_word(&self, direction: Direction, consumer: bool) -> StatusWord {
        let record = 2 * direction as usize + usize::from(consumer);
        // SAFETY: the four records lie inside the smallest region.
        StatusWord(unsafe { self.part.part_from(SIDES + record * LINE) })
    }

    /// Word `index` of one half of a member's record, 16 words; `None` for a member the table has
    /// no room for.
    pub(crate) fn member(
        &self,
        secondary: bool,
        member: Member,
        consumer: bool,
        index: usize,
    ) -> Option<&SharedU32> {
        let half = self.member_half(secondary, member, consumer)?;
        Some(half.word(index))
    }

    /// One half of a member's record; `None` for a member the table has no room for.
    #[inline]
    pub(crate) fn member_half(
        &self,
        secondary: bool,
        member: Member,
        consumer: bool,
    ) -> Option<MemberHalf<'_>> {
        let at = usize::from(member.get()) - 1;
        let record = usize::from(secondary) * self.members + at;
        // What lies below `members` fits the region by the invariant.
        (at < self.members).then_some(MemberHalf {
            part: self.part.view(),
            offset: MEMBERS + record * MEMBER_LEN + usize::from(consumer) * LINE,
        })
    }
}

/// One half of a member's record.
///
/// # Invariants
/// 16 words of 32 bits from `offset` on lie inside the region.
#[derive(Clone, Copy)]
pub(crate) struct MemberHalf<'a> {
    part: View<'a>,
    offset: usize,
}

impl<'a> MemberHalf<'a> {
    /// Word `index`, 16 words.
    #[inline]
    pub(crate) fn word(self, index: usize) -> &'a SharedU32 {
        // SAFETY: one of the 16 words by the invariant.
        unsafe { self.part.word32(self.offset + index % 16 * 4) }
    }
}

/// The status word of a side.
///
/// # Invariants
/// The part starts at the record of a side.
pub(crate) struct StatusWord(Part);

impl StatusWord {
    /// The word.
    #[inline]
    pub(crate) fn get(&self) -> &SharedU32 {
        // SAFETY: a record starts with its status, a 32-bit word.
        unsafe { self.0.word32(0) }
    }
}
