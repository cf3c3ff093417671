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
    /// Whether more than its first chunk came.
    progressed: bool,
    slot: usize,
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

/// What a chunk led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reception {
    /// It belongs there; another message was discarded for it, where one is given.
    Arrived(Arrival, Option<MessageKey>),
    /// It ended its message.
    Discarded(DiscardReason),
    /// Its sender gave the message up, of which something had come; or a request, of which all may
    /// have.
    Aborted,
    /// It belongs to no message that is known: one that was discarded, most likely.
    Stray,
}

/// Messages of which not all chunks have come, at most `N`.
#[derive(Debug)]
pub(super) struct Inbound<const N: usize> {
    partials: heapless::Vec<Partial, N>,
    used: [bool; N],
}

impl<const N: usize> Inbound<N> {
    pub(super) const fn new() -> Self {
        Self {
            partials: heapless::Vec::new(),
            used: [false; N],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.partials.len()
    }

    fn find(&self, key: &MessageKey) -> Option<usize> {
        self.partials.iter().position(|partial| partial.key == *key)
    }

    /// Forgets a message: the one way out for those that are not completed.
    fn remove(&mut self, index: usize) -> Option<Partial> {
        // The last takes its place. By hand: builds for size would call a function that moves memory.
        if index >= self.partials.len() {
            return None;
        }
        let mut partial = self.partials.pop()?;
        if let Some(place) = self.partials.get_mut(index) {
            core::mem::swap(place, &mut partial);
        }
        if let Some(used) = self.used.get_mut(partial.slot) {
            *used = false;
        }
        Some(partial)
    }

    pub(super) fn discard(&mut self, key: &MessageKey) -> bool {
        let found = self.find(key);
        found.and_then(|index| self.remove(index)).is_some()
    }

    /// Forgets all messages of a stream, but requests where they go on without it.
    pub(super) fn discard_connection(&mut self, connection: u64, but_requests: bool) {
        let is_over = |key: &MessageKey| {
            key.connection == connection && !(but_requests && key.kind == MessageKind::Request)
        };
        while let Some(index) = self
            .partials
            .iter()
            .position(|partial| is_over(&partial.key))
        {
            let _ = self.remove(index);
        }
    }

    /// The message of which nothing has come for longest, not since `horizon`, and when its last part did;
    /// not one that is held up by this side.
    pub(super) fn oldest(
        &self,
        horizon: u64,
        is_held: impl Fn(&MessageKey) -> bool,
    ) -> Option<(u64, MessageKey)> {
        let partials = self.partials.iter();
        let old = partials.filter(|partial| partial.last < horizon && !is_held(&partial.key));
        let oldest = old.min_by_key(|partial| partial.last)?;
        Some((oldest.last, oldest.key))
    }

    /// What arrives on a stream may go on from `now`: it was held up until then.
    pub(super) fn resume(&mut self, connection: u64, now: u64) {
        for partial in &mut self.partials {
            if partial.key.connection == connection {
                partial.last = now;
            }
        }
    }

    /// Takes a chunk in, of a message of up to `max` bytes. Those of which nothing came since
    /// `horizon` make room first; none does unless `may_displace`.
    pub(super) fn receive(
        &mut self,
        packet: &ConnectionCopy,
        len: usize,
        now: u64,
        horizon: u64,
        max: u64,
        may_displace: bool,
    ) -> Reception {
        let chunk = packet.chunk();
        let key = MessageKey {
            connection: chunk.connection_id,
            id: chunk.message_id,
            kind: packet.kind(),
        };
        let found = self.find(&key);
        if packet.is_abort() {
            let was_known = found.and_then(|index| self.remove(index)).is_some();
            return if was_known || key.kind != MessageKind::Plain {
                Reception::Aborted
            } else {
                Reception::Stray
            };
        }
        let end = chunk.chunk_offset.saturating_add(chunk.chunk_size);
        let known = chunk.total_size != UNKNOWN_SIZE;
        let size = if known { chunk.total_size } else { end };
        if size > max {
            let was_known = found.and_then(|index| self.remove(index)).is_some();
            return if was_known || chunk.flags.contains(CopyFlags::BEGIN) {
                Reception::Discarded(DiscardReason::TooLong { len: size, max })
            } else {
                Reception::Stray
            };
        }
        let last = chunk.flags.contains(CopyFlags::END);
        let mut arrival = Arrival {
            key,
            total: known.then_some(chunk.total_size),
            offset: chunk.chunk_offset,
            len,
            aux: chunk.aux,
            error: chunk.flags.contains(CopyFlags::ERROR),
            slot: None,
            last,
        };
        if chunk.flags.contains(CopyFlags::BEGIN) {
            if let Some(partial) = found.and_then(|index| self.remove(index)) {
                let (expected, found) = (partial.next, 0);
                return Reception::Discarded(DiscardReason::OutOfOrder { expected, found });
            }
            if last {
                return Reception::Arrived(arrival, None);
            }
            let Ok(displaced) = self.make_room(horizon, may_displace) else {
                return Reception::Discarded(DiscardReason::NoRoom);
            };
            let Some(slot) = self.used.iter().position(|used| !used) else {
                return Reception::Discarded(DiscardReason::NoRoom);
            };
            let partial = Partial {
                key,
                total: chunk.total_size,
                next: end,
                aux: chunk.aux,
                error: arrival.error,
                last: now,
                progressed: false,
                slot,
            };
            if self.partials.push(partial).is_ok()
                && let Some(used) = self.used.get_mut(slot)
            {
                *used = true;
            }
            arrival.slot = Some(slot);
            return Reception::Arrived(arrival, displaced);
        }
        let Some(index) = found else {
            return Reception::Stray;
        };
        let Some(partial) = self.partials.get_mut(index) else {
            return Reception::Stray;
        };
        if partial.next != chunk.chunk_offset || partial.total != chunk.total_size {
            let (expected, found) = (partial.next, chunk.chunk_offset);
            let _ = self.remove(index);
            return Reception::Discarded(DiscardReason::OutOfOrder { expected, found });
        }
        partial.next = end;
        partial.last = now;
        partial.progressed = true;
        arrival.aux = partial.aux;
        arrival.error = partial.error;
        arrival.slot = Some(partial.slot);
        if last {
            let _ = self.remove(index);
        }
        Reception::Arrived(arrival, None)
    }

    /// Makes room for one more message: stale ones go first, then the oldest of which nothing but
    /// the beginning came. One that makes progress never has to go.
    fn make_room(&mut self, horizon: u64, may_displace: bool) -> Result<Option<MessageKey>, ()> {
        if !self.partials.is_full() {
            return Ok(None);
        }
        if !may_displace {
            return Err(());
        }
        let victim = self
            .partials
            .iter()
            .enumerate()
            .filter(|(_, partial)| partial.last < horizon || !partial.progressed)
            .min_by_key(|(_, partial)| (partial.last >= horizon, partial.last))
            .map(|(index, _)| index);
        let displaced = victim.and_then(|index| self.remove(index)).ok_or(())?;
        Ok(Some(displaced.key))
    }
}
