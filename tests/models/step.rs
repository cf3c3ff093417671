//! What an actor does next.

use crate::world::Side;

/// What follows once a tombstone is in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Then {
    /// A2 goes on with the next slot.
    Claims { last: i32 },
    /// A further producer goes on with its id's next slot.
    Tidy,
    /// A repairer goes on with the next slot.
    Repair(Side, u8),
    /// T8 goes on with the next position.
    Retract { first: u8, ahead: u8 },
}

/// What an actor does next. One step is one access to shared memory, and what follows from it
/// until the next access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Away,
    Dead,
    /// Left; `informed`: a consumer that knew that nothing more would come.
    Gone {
        informed: bool,
    },
    Idle,

    // Attaching. Joined: ATTACH, the side's and the id's bytes are had.
    Joined,
    /// A2, step 1.
    Smallest {
        index: u8,
        smallest: i32,
    },
    /// A2, step 2.
    Mend {
        index: u8,
        smallest: i32,
    },
    MendSlot {
        index: u8,
        smallest: i32,
        word: u64,
        whole: u64,
    },
    /// A2, steps 3 to 5.
    Claims {
        index: u8,
        last: i32,
    },
    /// A2, step 6.
    Check {
        ahead: u8,
        next: u8,
    },
    StoreW {
        next: u8,
    },
    Tidy {
        index: u8,
    },
    /// T6 in two steps: the tombstone's operands, then the exchange.
    Bury {
        word: u64,
        stored: bool,
        then: Then,
    },
    /// A3, step 1.
    LoadR,
    Nearby {
        r: u64,
    },
    /// A3, step 2.
    Advance {
        next: u8,
        tried: u8,
    },
    Explained {
        next: u8,
    },
    /// A3, step 3. Of a broken rule: after the slots, whose first in doubt is known by then.
    StoreNext {
        next: u8,
        start: Option<u8>,
    },
    LoadReleased {
        next: u8,
    },
    /// A3, step 5.
    Walk {
        next: u8,
        back: u8,
        start: u8,
        released: u32,
    },
    Settle {
        next: u8,
        back: u8,
        start: u8,
        released: u32,
        word: u64,
        new: u64,
    },
    OutdateReleased {
        next: u8,
        start: u8,
    },
    /// A3, step 7.
    StoreStart {
        next: u8,
        start: u8,
    },
    /// What a further consumer's id left behind.
    Reclaim {
        index: u8,
    },
    ReclaimMove {
        index: u8,
        word: u64,
    },
    ReclaimSlot {
        index: u8,
        word: u64,
    },

    // Producers.
    LookToWrite {
        position: u8,
    },
    LookAtReleased {
        position: u8,
        word: u64,
    },
    ClaimToWrite {
        position: u8,
        word: u64,
    },
    LookForFree,
    HelpW {
        position: u8,
        claimed: bool,
    },
    /// T2 before a position is claimed, or where there is no room.
    MoveW {
        position: u8,
        /// The stamp, where it is to be claimed.
        word: Option<u64>,
    },
    Fill {
        position: u8,
    },
    /// The first half of a 32-bit store.
    PublishHigh {
        position: u8,
    },
    Publish {
        position: u8,
    },

    /// T8: from `r` on, as it is read now.
    Retract,
    RetractLook {
        first: u8,
        ahead: u8,
    },
    RetractClaim {
        first: u8,
        ahead: u8,
        word: u64,
    },
    /// Broken: the operands are a tombstone's already.
    RetractAtOnce {
        first: u8,
        ahead: u8,
        word: u64,
    },

    // Consumers.
    LookToRead {
        position: u8,
    },
    ClaimToRead {
        position: u8,
        word: u64,
    },
    HelpR {
        position: u8,
        /// The opcode where this consumer claimed the position itself.
        claimed: Option<u8>,
    },
    /// T2 before a position is claimed, or where there is no packet.
    MoveR {
        position: u8,
        /// The stamp, where it is to be claimed.
        word: Option<u64>,
    },
    StoreRHigh {
        position: u8,
        opcode: u8,
    },
    StoreR {
        position: u8,
        opcode: u8,
    },
    Read {
        position: u8,
        opcode: u8,
        doubt: bool,
    },
    /// The rest of a run is claimed: `taken` says nothing any more.
    ClearTaken {
        position: u8,
        opcode: u8,
        /// Of a broken rule: `r` is yet to be stored.
        first: bool,
    },
    /// Leaving amid a run: `taken`, then `r`.
    StoreTaken {
        position: u8,
    },
    MoveBack {
        position: u8,
    },
    MoveReleased {
        position: u8,
    },
    Release {
        position: u8,
    },
    Flush {
        blocked: bool,
    },
    Blocked,
    /// End-of-file: everything is looked at again.
    Recheck,
    RecheckSlot {
        position: u8,
    },
    RecheckReading {
        position: u8,
        back: u8,
    },
    RecheckR {
        position: u8,
    },
    /// T7 for a dead member whose byte is held.
    Adopt {
        member: u8,
        index: u8,
    },
    AdoptSlot {
        member: u8,
        index: u8,
        word: u64,
    },

    // Leaving.
    Leave {
        informed: bool,
    },
    Close {
        informed: bool,
    },

    // Repairers.
    /// Everything is repaired, and nobody of the side lives: after its half stamps were mended, as
    /// in A2, it is recorded as dead.
    RecordDeath,
    Repair {
        side: Side,
        member: u8,
        index: u8,
    },
    RepairMove {
        member: u8,
        index: u8,
        word: u64,
    },
    RepairFree {
        member: u8,
        index: u8,
        word: u64,
    },
}
