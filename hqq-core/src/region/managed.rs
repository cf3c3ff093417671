//! The parts of a region as a [`Platform`] cleans and invalidates them: whole cache lines.

use super::{Buffer, Part, Region, RingMemory, Slot, SuperblockMemory};
use crate::layout::{Geometry, LINE, MEMBER_LEN, MEMBERS, SIDES, ring};
use crate::platform::Platform;

impl Region {
    /// Writes all of the region back to memory, and waits for it: after
    /// [`initialise`](crate::initialise), before another core looks.
    pub fn clean(&self, platform: &impl Platform) {
        Part::whole(self).clean_range(0, self.len() / LINE * LINE, platform);
        platform.barrier();
    }

    /// Forgets all of the region, so that it is read from memory again.
    pub(crate) fn invalidate(&self, platform: &impl Platform) {
        platform.barrier();
        Part::whole(self).invalidate_range(0, self.len() / LINE * LINE, platform);
    }
}

impl Part {
    /// Cleans the lines that `len` bytes from `offset` on lie on; they lie inside the region, in
    /// one part of it.
    fn clean_range(&self, offset: usize, len: usize, platform: &impl Platform) {
        let (start, end) = lines(offset, len);
        // SAFETY: inside the region, whose parts begin and end with a line.
        let at = unsafe { self.at(start) };
        platform.clean(at, end - start);
    }

    /// Invalidates lines, likewise.
    fn invalidate_range(&self, offset: usize, len: usize, platform: &impl Platform) {
        let (start, end) = lines(offset, len);
        // SAFETY: as in `clean_range`.
        let at = unsafe { self.at(start) };
        platform.invalidate(at, end - start);
    }
}

/// Where the lines start and end that `len` bytes from `offset` on lie on.
const fn lines(offset: usize, len: usize) -> (usize, usize) {
    (offset / LINE * LINE, (offset + len).next_multiple_of(LINE))
}

impl SuperblockMemory {
    const fn records(&self) -> usize {
        MEMBERS + 2 * self.members * MEMBER_LEN - SIDES
    }

    /// What this side has recorded of itself.
    pub(crate) fn clean_records(&self, platform: &impl Platform) {
        self.part.clean_range(SIDES, self.records(), platform);
        platform.barrier();
    }

    /// What others have recorded.
    pub(crate) fn invalidate_records(&self, platform: &impl Platform) {
        platform.barrier();
        self.part.invalidate_range(SIDES, self.records(), platform);
    }
}

impl<G: Geometry> RingMemory<G> {
    /// All slots, and waits for it.
    pub(crate) fn clean_slots(&self, platform: &impl Platform) {
        self.part
            .clean_range(ring::SLOTS, self.count() * LINE, platform);
        platform.barrier();
    }

    /// The consumers' counters, which this side has written.
    pub(crate) fn clean_consumers(&self, platform: &impl Platform) {
        for word in [ring::R, ring::RELEASED] {
            self.part.clean_range(word, LINE, platform);
        }
    }

    /// The consumers' counters, which the other side writes.
    pub(crate) fn invalidate_consumers(&self, platform: &impl Platform) {
        for word in [ring::R, ring::RELEASED] {
            self.part.invalidate_range(word, LINE, platform);
        }
    }
}

impl Slot<'_> {
    pub(crate) fn clean(self, platform: &impl Platform) {
        self.part.part().clean_range(self.offset, LINE, platform);
    }

    pub(crate) fn invalidate(self, platform: &impl Platform) {
        self.part
            .part()
            .invalidate_range(self.offset, LINE, platform);
    }
}

impl Buffer<'_> {
    pub(crate) fn clean(self, platform: &impl Platform) {
        self.part
            .part()
            .clean_range(self.offset, self.len, platform);
    }

    pub(crate) fn invalidate(self, platform: &impl Platform) {
        self.part
            .part()
            .invalidate_range(self.offset, self.len, platform);
    }
}
