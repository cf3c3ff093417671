//! Messages that arrive in chunks: which chunk may come next, and who makes room for whom
//! (PROTOCOL.md, "Advanced protocol: messages").

use core::fmt;

use crate::packet::{ConnectionCopy, CopyFlags, MessageKind, UNKNOWN_SIZE};

/// The name of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MessageKey {
    /// The stream, or 0 for the link itself.
    pub connection: u64,
    /// The message, counted by its sender; a response has its request's.
    pub id: u64,
    /// What it is for.
    pub kind: MessageKind,
}

/// Why a message died before it was complete. Others go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
// Which it is, in a byte where programs have to be small: the compiler would take a word as wide as the
// fields are aligned.
#[cfg_attr(not(target_pointer_width = "64"), repr(u8))]
pub enum DiscardReason {
    /// It is longer than this side takes.
    TooLong {
        /// Bytes it has, as far as is known.
        len: u64,
        /// Bytes at most.
        max: u64,
    },
    /// A chunk came that is not the next one, or says another size, or begins it again.
    OutOfOrder {
        /// Where the next chunk should have begun.
        expected: u64,
        /// Where it begins.
        found: u64,
    },
    /// All room is taken by messages that make progress, or a younger one needed its room while it
    /// made none.
    NoRoom,
    /// Nothing of it came for too long.
    Stale,
    /// It needs a feature that was not agreed on.
    NotAgreed,
    /// There is no such stream.
    UnknownConnection,
    /// The caller of [`discard`](super::Session::discard) said so.
    Dropped,
}

impl fmt::Display for DiscardReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, max } => write!(
                f,
                "it has {len} bytes, this side takes {max}: raise the limit, or stream it"
            ),
            Self::OutOfOrder { expected, found } => write!(
                f,
                "a chunk at byte {found} came where byte {expected} is next: the peer breaks the protocol"
            ),
            Self::NoRoom => {
                f.write_str("too many messages arrive at once: allow more, or send fewer at a time")
            }
            Self::Stale => f.write_str("no part of it came for too long"),
            Self::NotAgreed => f.write_str("it needs a feature that was not negotiated"),
            Self::UnknownConnection => f.write_str("there is no such stream"),
            Self::Dropped => f.write_str("this side gave it up"),
        }
    }
}

/// How far a message that arrives has come. A chunk leads to the first row that fits.
///
/// | state | event | next |
/// |---|---|---|
/// | – | a chunk that does not begin it | –, stray |
/// | – | a chunk that begins and ends it | –, all of it is there |
/// | – | a chunk that begins it, and there is a place, or one can be made | Begun |
/// | – | the same, and there is none | –, dies: `NoRoom` |
/// | Begun, Continued | its sender gives it up | –, aborted |
/// | Begun, Continued | its stream closes | – |
/// | Begun, Continued | a chunk makes it too long | –, dies: `TooLong` |
/// | Begun, Continued | a chunk that is not the next one | –, dies: `OutOfOrder` |
/// | Begun, Continued | the last chunk | –, all of it is there |
/// | Begun, Continued | the next chunk | Continued |
/// | Begun, Continued | nothing came for longer than the patience | –, dies: `Stale`, or `NoRoom` where another needs its place |
/// | Begun, Continued | this side wants no more of it | –, dies: `Dropped` |
/// | Begun | another message needs its place | –, dies: `NoRoom` |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ArrivalState {
    Begun,
    /// More than its first chunk came.
    Continued,
}

/// A message of which not all chunks have come.
#[derive(Clone, Copy, Debug)]
struct Partial {
    key: MessageKey,
    total: u64,
    next: u64,
    aux: u64,
    error: bool,
    /// When its last chunk came, in ticks that this side had counted.
    last: u64,
    state: ArrivalState,
}

/// A chunk that belongs where it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Arrival {
    /// Its message.
    pub key: MessageKey,
    /// Bytes in the message; `None` where its sender did not know when it began.
    pub total: Option<u64>,
    /// Where the chunk begins in the message.
    pub offset: u64,
    /// Bytes in the chunk.
    pub len: usize,
    /// The method of a request, the status of a response.
    pub aux: u64,
    /// The response reports a failure.
    pub error: bool,
    /// The message's place among those that arrive, below the number there can be; `None` where
    /// this chunk is all of it.
    pub slot: Option<usize>,
    /// It is the message's last chunk.
    pub last: bool,
}

impl Arrival {
    /// What a chunk is, as far as it says so itself; it has `len` bytes in its buffer.
    pub(super) fn of(packet: &ConnectionCopy, len: usize) -> Self {
        let chunk = packet.chunk();
        let is_known = chunk.total_size != UNKNOWN_SIZE;
        Self {
            key: MessageKey {
                connection: chunk.connection_id,
                id: chunk.message_id,
                kind: packet.kind(),
            },
            total: is_known.then_some(chunk.total_size),
            offset: chunk.chunk_offset,
            len,
            aux: chunk.aux,
            error: chunk.flags.contains(CopyFlags::ERROR),
            slot: None,
            last: chunk.flags.contains(CopyFlags::END),
        }
    }
}

/// What a chunk led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reception {
    /// It belongs there.
    Arrived,
    /// It ended its message.
    Discarded(DiscardReason),
    /// Its sender gave the message up, of which something had come; or a request, of which all may
    /// have.
    Aborted,
    /// It belongs to no message that is known: one that was discarded, most likely.
    Stray,
}

/// On which terms a chunk is taken in.
pub(super) struct Terms {
    /// How much this side has looked for messages, in ticks.
    pub(super) now: u64,
    /// Messages of which nothing came since make room first.
    pub(super) horizon: u64,
    /// The most bytes of the message.
    pub(super) max: u64,
}

/// Messages of which not all chunks have come, at most `N`.
///
/// # Invariants
/// No place from `end` on is taken, and the one before it is. The first free one is taken next, so that
/// few have to be looked at.
#[derive(Debug)]
pub(super) struct Inbound<const N: usize> {
    places: [Option<Partial>; N],
    end: usize,
}

impl<const N: usize> Inbound<N> {
    pub(super) const fn new() -> Self {
        Self {
            places: [const { None }; N],
            end: 0,
        }
    }

    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.end == 0
    }

    pub(super) fn len(&self) -> usize {
        self.places().iter().flatten().count()
    }

    fn places(&self) -> &[Option<Partial>] {
        self.places.get(..self.end).unwrap_or_default()
    }

    /// Where the message lies.
    fn find(&self, key: &MessageKey) -> Option<usize> {
        let is_it = |place: &Option<Partial>| matches!(place, Some(partial) if partial.key == *key);
        self.places().iter().position(is_it)
    }

    /// Forgets a message: the one way out for all of them.
    fn remove(&mut self, slot: usize) {
        if let Some(place) = self.places.get_mut(slot) {
            *place = None;
        }
        while let Some(None) = self.places().last() {
            self.end -= 1;
        }
    }

    pub(super) fn discard(&mut self, key: &MessageKey) -> bool {
        let found = self.find(key);
        if let Some(slot) = found {
            self.remove(slot);
        }
        found.is_some()
    }

    /// Forgets all messages of a stream, but requests where they go on without it.
    pub(super) fn discard_connection(&mut self, connection: u64, but_requests: bool) {
        for slot in 0..N {
            let partial = self.places.get(slot).and_then(Option::as_ref);
            let is_over = partial.is_some_and(|Partial { key, .. }| {
                key.connection == connection && !(but_requests && key.kind == MessageKind::Request)
            });
            if is_over {
                self.remove(slot);
            }
        }
    }

    /// The message of which nothing has come for longest, not since `horizon`, and when its last part did;
    /// not one that is held up by this side.
    pub(super) fn oldest(
        &self,
        horizon: u64,
        is_held: impl Fn(&MessageKey) -> bool,
    ) -> Option<(u64, MessageKey)> {
        let slot = self.oldest_of(|partial| partial.last < horizon && !is_held(&partial.key))?;
        let partial = self.places.get(slot)?.as_ref()?;
        Some((partial.last, partial.key))
    }

    /// Where, among those that `are`, the one lies of which nothing has come for longest.
    fn oldest_of(&self, are: impl Fn(&Partial) -> bool) -> Option<usize> {
        let mut oldest = None;
        let mut since = u64::MAX;
        for (slot, place) in self.places().iter().enumerate() {
            if let Some(partial) = place
                && are(partial)
                && (oldest.is_none() || partial.last < since)
            {
                since = partial.last;
                oldest = Some(slot);
            }
        }
        oldest
    }

    /// What arrives on a stream may go on from `now`: it was held up until then.
    pub(super) fn resume(&mut self, connection: u64, now: u64) {
        for partial in self.places.iter_mut().flatten() {
            if partial.key.connection == connection {
                partial.last = now;
            }
        }
    }

    /// Takes in a chunk that says of itself what `arrival` does, and completes that. For a new message
    /// another one may have to go, which becomes `displaced`; none has to while that is one.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    pub(super) fn receive(
        &mut self,
        packet: &ConnectionCopy,
        arrival: &mut Arrival,
        terms: &Terms,
        displaced: &mut Option<MessageKey>,
    ) -> Reception {
        let chunk = packet.chunk();
        let begins = chunk.flags.contains(CopyFlags::BEGIN);
        let found = self.find(&arrival.key);
        if packet.is_abort() {
            if let Some(slot) = found {
                self.remove(slot);
            } else if arrival.key.kind == MessageKind::Plain {
                return Reception::Stray;
            }
            return Reception::Aborted;
        }
        if found.is_none() && !begins {
            return Reception::Stray;
        }
        let end = chunk.chunk_offset.saturating_add(chunk.chunk_size);
        let len = arrival.total.unwrap_or(end);
        let max = terms.max;
        let partial = found.and_then(|slot| self.places.get_mut(slot)?.as_mut());
        let wrong = match partial {
            _ if len > max => DiscardReason::TooLong { len, max },
            Some(partial)
                if begins
                    || partial.next != chunk.chunk_offset
                    || partial.total != chunk.total_size =>
            {
                DiscardReason::OutOfOrder {
                    expected: partial.next,
                    found: chunk.chunk_offset,
                }
            }
            Some(partial) => {
                partial.next = end;
                partial.last = terms.now;
                partial.state = ArrivalState::Continued;
                arrival.aux = partial.aux;
                arrival.error = partial.error;
                arrival.slot = found;
                if !arrival.last {
                    return Reception::Arrived;
                }
                return self.over(found, Reception::Arrived);
            }
            None if arrival.last => return Reception::Arrived,
            None => {
                let Some(slot) = self.make_room(terms.horizon, displaced) else {
                    return Reception::Discarded(DiscardReason::NoRoom);
                };
                if let Some(place) = self.places.get_mut(slot) {
                    *place = Some(Partial {
                        key: arrival.key,
                        total: chunk.total_size,
                        next: end,
                        aux: arrival.aux,
                        error: arrival.error,
                        last: terms.now,
                        state: ArrivalState::Begun,
                    });
                    self.end = self.end.max(slot + 1);
                }
                arrival.slot = Some(slot);
                return Reception::Arrived;
            }
        };
        self.over(found, Reception::Discarded(wrong))
    }

    /// The message that was found is over with this.
    fn over(&mut self, found: Option<usize>, reception: Reception) -> Reception {
        if let Some(slot) = found {
            self.remove(slot);
        }
        reception
    }

    /// A place for one more message: stale ones make room first, then the oldest of which nothing but
    /// the beginning came. One that makes progress never has to go.
    fn make_room(&mut self, horizon: u64, displaced: &mut Option<MessageKey>) -> Option<usize> {
        let free = self.places.iter().position(Option::is_none);
        if free.is_some() || displaced.is_some() {
            return free;
        }
        // What is stale is older than what is not.
        let may_go =
            |partial: &Partial| partial.last < horizon || partial.state == ArrivalState::Begun;
        let victim = self.oldest_of(may_go)?;
        let partial = self.places.get(victim)?.as_ref();
        *displaced = partial.map(|partial| partial.key);
        self.remove(victim);
        Some(victim)
    }
}
