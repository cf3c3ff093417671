//! Packets that wait for room besides those that are derived from the state.

use heapless::Deque;

use super::super::inbound::MessageKey;
use crate::packet::{Chunk, CopyFlags, ErrorCode, Opcode, Sound};

/// How many there can be; what does not fit is dropped and counted.
const ROOM: usize = 16;

/// What the peer is told about a message, or a stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Posting {
    /// There is no such stream as the message's.
    Refusal,
    /// The message goes no further.
    Abort,
    /// The request died on its way: the answer to it says so.
    Failure(ErrorCode),
}

/// As little of each as makes it, since there may be many of them.
#[derive(Debug)]
pub(super) struct Outbox(Deque<(MessageKey, Posting), ROOM>);

impl Outbox {
    pub(super) const fn new() -> Self {
        Self(Deque::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is half full.
    pub(super) fn is_crowded(&self) -> bool {
        self.0.len() >= ROOM / 2
    }

    /// Adds one; `false` where there is no room.
    pub(super) fn push(&mut self, key: &MessageKey, posting: Posting) -> bool {
        self.0.push_back((*key, posting)).is_ok()
    }

    pub(super) fn pop(&mut self) {
        let _ = self.0.pop_front();
    }

    /// Puts the first into `packet`; `false` where there is none.
    pub(super) fn tell(&self, packet: &mut Sound) -> bool {
        let Some((key, posting)) = self.0.front() else {
            return false;
        };
        let (flags, aux) = match posting {
            Posting::Refusal => {
                let code = ErrorCode::ConnectionNotFound.as_code();
                packet.set(Opcode::Error, [key.connection, code, 0]);
                return true;
            }
            Posting::Abort => (CopyFlags::ABORT | key.kind.into(), 0),
            Posting::Failure(code) => {
                let whole = CopyFlags::BEGIN | CopyFlags::END;
                (
                    whole | CopyFlags::RESPONSE | CopyFlags::ERROR,
                    code.as_code(),
                )
            }
        };
        packet.set_chunk(&Chunk {
            connection_id: key.connection,
            message_id: key.id,
            total_size: 0,
            chunk_offset: 0,
            chunk_size: 0,
            flags,
            aux,
        });
        true
    }
}
