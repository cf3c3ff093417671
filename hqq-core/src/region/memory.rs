//! The parts of a region, each with accessors that cannot leave it.

#[cfg(not(loom))]
use super::bytes;
use super::{Part, Region, View};
use crate::layout::{
    Direction, Format, Geometry, IDENTITY, IDENTITY_LEN, LINE, Layout, MEMBER_LEN, MEMBERS, SIDES,
    ring,
};
use crate::member::Member;
use crate::position::Position;
use crate::sync::ordering::Ordering;
use crate::sync::{Counter, SharedU32, Stamp};

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

/// The buffers of one direction.
///
/// # Invariants
/// `geometry.count()` buffers of `geometry.size()` bytes from the start of `part` on lie inside the
/// region; the count is a power of two, the size and where the part starts are multiples of 8.
#[derive(Clone)]
pub(crate) struct Buffers<G> {
    pub(super) part: Part,
    geometry: G,
}

impl<G: Geometry> Buffers<G> {
    /// The buffers of `direction`; `None` where `layout` is larger than the region or not of this
    /// geometry.
    // Always: nothing of it is left where the compiler knows the layout.
    #[inline(always)]
    pub(super) fn new(region: &Region, layout: &Layout, direction: Direction) -> Option<Self> {
        let geometry = G::matching(layout.count(), layout.size())?;
        if layout.len() > region.len() {
            return None;
        }
        Some(Self {
            part: Part::new(region, layout.buffers(direction))?,
            geometry,
        })
    }

    /// Buffers, and slots, in the ring; a power of two.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.geometry.count()
    }

    /// Bytes in a buffer.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.geometry.size()
    }

    /// The buffer that belongs to the slot of `position`.
    #[inline]
    pub(crate) fn at(&self, position: Position) -> Buffer<'_> {
        self.at_index(self.index(position))
    }

    /// The buffer of this index, which [`Buffers::index`] gave.
    #[inline]
    fn at_index(&self, index: usize) -> Buffer<'_> {
        let size = self.geometry.size();
        Buffer {
            part: self.part.view(),
            offset: index * size,
            len: size,
        }
    }

    /// The index of the slot, and buffer, of `position`.
    #[inline]
    pub(crate) fn index(&self, position: Position) -> usize {
        position.index_by_mask(self.geometry.mask())
    }
}

/// One ring of format 2 with its buffers.
///
/// # Invariants
/// The ring's header, from the start of `part` on, and as many slots as there are buffers, from
/// `ring::SLOTS` on, lie inside the region.
#[derive(Clone)]
pub(crate) struct RingMemory<G> {
    buffers: Buffers<G>,
    pub(super) part: Part,
}

impl<G: Geometry> RingMemory<G> {
    /// The ring of `direction`; `None` where `layout` is larger than the region, or not of this
    /// geometry or of format 2.
    // Always: nothing of it is left where the compiler knows the layout.
    #[inline(always)]
    pub(crate) fn new(region: &Region, layout: &Layout, direction: Direction) -> Option<Self> {
        if layout.format() != Format::V2 {
            return None;
        }
        Some(Self {
            buffers: Buffers::new(region, layout, direction)?,
            part: Part::new(region, layout.ring(direction))?,
        })
    }

    /// The buffers beside the ring.
    #[inline]
    pub(crate) fn buffers(&self) -> &Buffers<G> {
        &self.buffers
    }

    /// Slots in the ring, a power of two.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.buffers.count()
    }

    /// `w`, the producers' claim counter.
    #[inline]
    pub(crate) fn w(&self) -> &Counter {
        // SAFETY: the header lies inside the region.
        unsafe { self.part.counter(ring::W) }
    }

    /// `r`, the consumers' claim counter.
    #[inline]
    pub(crate) fn r(&self) -> &Counter {
        // SAFETY: the header lies inside the region.
        unsafe { self.part.counter(ring::R) }
    }

    /// `taken`, how many messages of the packet at `r` were received, with the low half
    /// of that position above it.
    #[inline]
    pub(crate) fn taken(&self) -> &SharedU32 {
        // SAFETY: the header lies inside the region.
        unsafe { self.part.word32(ring::TAKEN) }
    }

    /// `released`, the low 32 bits of a position.
    #[inline]
    pub(crate) fn released(&self) -> &SharedU32 {
        // SAFETY: the header lies inside the region.
        unsafe { self.part.word32(ring::RELEASED) }
    }

    /// The flag that a sleeper on one side sets: whoever moves the ring on for that side looks at it.
    #[inline]
    pub(crate) fn sleeping(&self, consumer: bool) -> &SharedU32 {
        let words = if consumer {
            ring::CONSUMERS_WAIT
        } else {
            ring::PRODUCERS_WAIT
        };
        // SAFETY: the header lies inside the region; wait words are 32-bit words.
        unsafe { self.part.word32(words) }
    }

    /// Zeroes what the header has besides the counters: the wait words and what is reserved.
    pub(crate) fn clear_header(&self) {
        let counters = [ring::W, ring::W + 4, ring::R, ring::R + 4, ring::RELEASED];
        // Where counters are made of 32-bit words as well, this does no harm to them: they are set later.
        let halves = cfg!(not(all(target_has_atomic = "64", not(hqq_narrow))));
        for offset in (0..ring::SLOTS).step_by(4) {
            if halves || !counters.contains(&offset) {
                // SAFETY: the header lies inside the region; besides its counters it is made of
                // 32-bit words.
                let word = unsafe { self.part.word32(offset) };
                // Relaxed: published by the region's state.
                word.store(0, Ordering::Relaxed);
            }
        }
    }

    /// The slot that `position` falls into.
    #[inline]
    pub(crate) fn slot(&self, position: Position) -> Slot<'_> {
        self.place(position).0
    }

    /// The slot that `position` falls into, and the first cache line of its buffer; `None` where
    /// buffers are shorter.
    #[inline]
    pub(crate) fn line(&self, position: Position) -> Option<(Slot<'_>, Buffer<'_>)> {
        let (slot, buffer) = self.place(position);
        // A length that the compiler knows: whoever checks against it as well does so for nothing.
        (buffer.len >= LINE).then_some((
            slot,
            Buffer {
                len: LINE,
                ..buffer
            },
        ))
    }

    /// The slot at this offset from the first.
    ///
    /// It is one of this ring: only for [`Walk`](super::Walk), which knows that.
    #[cfg(target_pointer_width = "64")]
    #[inline]
    pub(super) fn slot_at(&self, offset: usize) -> Slot<'_> {
        Slot {
            part: self.part.view(),
            offset: ring::SLOTS + offset,
        }
    }

    /// The slot that `position` falls into, and its buffer.
    #[inline]
    pub(crate) fn place(&self, position: Position) -> (Slot<'_>, Buffer<'_>) {
        let index = self.buffers.index(position);
        let slot = Slot {
            part: self.part.view(),
            offset: ring::SLOTS + index * LINE,
        };
        (slot, self.buffers.at_index(index))
    }
}

/// The wait words of one side of a ring.
///
/// # Invariants
/// The part starts at a side's wait words.
#[derive(Clone, Debug)]
pub(crate) struct WaitMemory {
    part: Part,
}

impl WaitMemory {
    /// The words of a side; `None` in format 1, or where `layout` is larger than the region.
    pub(crate) fn new(
        region: &Region,
        layout: &Layout,
        direction: Direction,
        consumer: bool,
    ) -> Option<Self> {
        let offset = layout.wait_words(direction, consumer)?;
        (layout.len() <= region.len()).then(|| Self {
            // SAFETY: a side's wait words lie inside the region, which `layout` fits.
            part: unsafe { region.part_from(offset) },
        })
    }

    /// Word `index`, 16 words.
    #[inline]
    pub(crate) fn word(&self, index: usize) -> &SharedU32 {
        // SAFETY: a side's 16 wait words lie inside the region by the invariant.
        unsafe { self.part.word32(index % 16 * 4) }
    }
}

/// One slot.
///
/// # Invariants
/// `offset` is that of a slot of the ring that `part` starts at, inside the region; its first word is
/// a stamp, or is not used through this type.
#[derive(Clone, Copy)]
pub(crate) struct Slot<'a> {
    pub(super) part: View<'a>,
    pub(super) offset: usize,
}

impl<'a> Slot<'a> {
    /// Word 0.
    #[inline]
    pub(crate) fn stamp(self) -> &'a Stamp {
        // SAFETY: a slot inside the region, by the invariant.
        unsafe { self.part.stamp(self.offset) }
    }

    /// Asks for the line of the fourth slot after this one, or of what lies behind the last, which is to be
    /// written soon: by then it has come over, and those between are on their way at the same time.
    #[inline]
    pub(crate) fn prefetch_fourth(self) {
        #[cfg(not(loom))]
        {
            // SAFETY: where the part starts.
            let base = unsafe { self.part.at(0) };
            // In the same terms as the accesses to this slot, so that no address is made for it.
            let index = self.offset.wrapping_sub(ring::SLOTS);
            bytes::prefetch_to_write::<{ ring::SLOTS + 4 * LINE }>(base, index);
        }
    }

    /// Makes all operands zero.
    pub(crate) fn clear_operands(self) {
        for index in 0..7 {
            // SAFETY: words 1 to 7 of a slot inside the region.
            let word = unsafe { self.part.data(self.offset + 8 + index * 8) };
            word.store(0);
        }
    }

    /// Asks for the slot's line, which is about to be written.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    #[inline]
    pub(crate) fn prefetch(self) {
        #[cfg(not(loom))]
        {
            // SAFETY: a slot inside the region, by the invariant.
            let at = unsafe { self.part.at(self.offset) };
            bytes::prefetch_to_write::<0>(at, 0);
        }
    }

    /// Writes words 1 to 7.
    #[inline]
    pub(crate) fn store_operands(self, operands: &[u64; 7]) {
        for (index, operand) in operands.iter().enumerate() {
            // SAFETY: words 1 to 7 of a slot inside the region.
            let word = unsafe { self.part.data(self.offset + 8 + index * 8) };
            word.store(operand.to_le());
        }
    }

    /// Writes word 1.
    #[inline]
    pub(crate) fn store_first_operand(self, operand: u64) {
        // SAFETY: word 1 of a slot inside the region.
        let word = unsafe { self.part.data(self.offset + 8) };
        word.store(operand.to_le());
    }

    /// Reads one operand; the last one for an index past it.
    #[inline]
    pub(crate) fn load_operand(self, index: usize) -> u64 {
        // SAFETY: one of the words 1 to 7 of a slot inside the region.
        let word = unsafe { self.part.data(self.offset + 8 + index.min(6) * 8) };
        u64::from_le(word.load())
    }

    /// Reads words 1 to 7 from operand `FROM` on, each once; zeros before it.
    #[inline]
    pub(crate) fn load_operands<const FROM: usize>(self) -> [u64; 7] {
        core::array::from_fn(|index| {
            if index < FROM {
                return 0;
            }
            // SAFETY: words 1 to 7 of a slot inside the region.
            let word = unsafe { self.part.data(self.offset + 8 + index * 8) };
            u64::from_le(word.load())
        })
    }
}

/// One buffer.
///
/// # Invariants
/// `len` bytes from `offset` on, counted from the start of `part`, lie inside the region; where they
/// start and how many they are are multiples of 8.
#[derive(Clone, Copy)]
pub(crate) struct Buffer<'a> {
    pub(super) part: View<'a>,
    pub(super) offset: usize,
    pub(super) len: usize,
}

impl Buffer<'_> {
    /// Copies `from` into the buffer from byte `at` on; what does not fit is left out. Says how
    /// many bytes were copied.
    #[inline]
    pub(crate) fn copy_in(self, at: usize, from: &[u8]) -> usize {
        let at = at.min(self.len);
        // Not by index: builds for size leave the bound's panic in.
        let from = from.get(..self.len - at).unwrap_or(from);
        #[cfg(not(loom))]
        {
            // SAFETY: that many bytes from `at` on lie inside the buffer, whose start and length are
            // multiples of 8, so the words around them do too.
            unsafe { bytes::copy_in(self.as_ptr(), at, from) };
        }
        #[cfg(loom)]
        self.part.copy_in(self.offset + at, from);
        from.len()
    }

    /// Copies bytes from byte `at` on into `to`; what is past the buffer's end is left out. Says
    /// how many bytes were copied.
    #[inline]
    pub(crate) fn copy_out(self, at: usize, to: &mut [u8]) -> usize {
        let at = at.min(self.len);
        let len = to.len().min(self.len - at);
        // Not by index, as above.
        let to = to.get_mut(..len).unwrap_or_default();
        #[cfg(not(loom))]
        {
            // SAFETY: `len` bytes from `at` on lie inside the buffer, whose start and length are
            // multiples of 8, so the words around them do too.
            unsafe { bytes::copy_out(self.as_ptr(), at, to) };
        }
        #[cfg(loom)]
        self.part.copy_out(self.offset + at, to);
        len
    }

    /// Asks for the buffer's first line ahead of its use.
    #[inline]
    pub(crate) fn prefetch(self) {
        #[cfg(not(loom))]
        bytes::prefetch(self.as_ptr());
    }

    /// As [`Slot::prefetch_fourth`], of buffers of `size` bytes each.
    #[inline]
    pub(crate) fn prefetch_fourth(self, size: usize) {
        #[cfg(not(loom))]
        bytes::prefetch_fourth_to_write(self.as_ptr(), size);
        #[cfg(loom)]
        let _ = size;
    }

    /// The same, where it is about to be written.
    #[cfg(all(target_has_atomic = "64", not(hqq_narrow)))]
    #[inline]
    pub(crate) fn prefetch_to_write(self) {
        #[cfg(not(loom))]
        bytes::prefetch_to_write::<0>(self.as_ptr(), 0);
    }

    /// Where the buffer starts, for trusted slices.
    #[cfg(not(loom))]
    #[inline]
    pub(crate) fn as_ptr(self) -> core::ptr::NonNull<u8> {
        // SAFETY: inside the region, by the invariant.
        unsafe { self.part.at(self.offset) }
    }

    /// Bytes in the buffer.
    #[inline]
    pub(crate) const fn len(self) -> usize {
        self.len
    }
}
