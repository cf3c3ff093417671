//! The packets of the peer, and what it must get.

use hqq_core::link::Missed;
use hqq_core::packet::{
    Chunk, ConnectionAccept, ConnectionCopy, CopyFlags, MessageKind, Opcode, Packet,
};
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{Format, TryRecvError};

use crate::end::End;
use crate::input::{Call, Kind};

impl<P: Producer, C: Consumer> End<'_, P, C> {
    /// Sends a chunk whose begin and end are where it begins and ends, if it can be one.
    pub(crate) fn send_chunk(&mut self, call: &Call) {
        let Call::Chunk {
            connection,
            id,
            kind,
            total,
            offset,
            len,
            aux,
        } = *call
        else {
            return;
        };
        let kind = match kind {
            Kind::Plain => MessageKind::Plain,
            Kind::Request => MessageKind::Request,
            Kind::Response => MessageKind::Response,
        };
        let (total_size, chunk_offset) = (total.get(self.size), offset.get(self.size));
        let size = u64::from(len).min(self.size as u64);
        let chunk_size = size.min(total_size.saturating_sub(chunk_offset));
        let mut flags = CopyFlags::from(kind);
        let begins = chunk_offset == 0;
        if begins {
            flags = flags | CopyFlags::BEGIN;
        }
        if chunk_offset.checked_add(chunk_size) == Some(total_size) {
            flags = flags | CopyFlags::END;
        }
        let chunk = Chunk {
            connection_id: u64::from(connection % 8),
            message_id: u64::from(id % 16),
            total_size,
            chunk_offset,
            chunk_size,
            flags,
            aux: if begins && kind != MessageKind::Plain {
                aux.into()
            } else {
                0
            },
        };
        if let Ok(copy) = ConnectionCopy::new(chunk) {
            self.send(&copy.into());
        }
    }

    /// Sends a packet; `false` where there is no room.
    pub(crate) fn send(&mut self, packet: &Packet) -> bool {
        let sent = self.sender.try_send_packet(packet).is_ok();
        if sent {
            self.sent += 1;
            let asks = matches!(packet, Packet::Negotiate(_) | Packet::ConnectionCreate(_));
            self.questions += usize::from(asks);
        }
        sent
    }

    /// Sends what may be no packet.
    pub(crate) fn forge(&mut self, opcode: u8, operands: [u64; 7]) {
        // Mostly one that there is.
        let opcode = match opcode {
            0..=127 => opcode % 8,
            128..=191 => 4,
            _ => opcode,
        };
        let index = self.sent % self.sender.capacity();
        let placeholder = ConnectionAccept { connection_id: 0 };
        let is_state = [0xe0, 0xe1].contains(&opcode);
        if !is_state && self.send(&placeholder.into()) {
            let direction = self.role.receives();
            self.memory.forge(direction, index, opcode, operands);
            self.questions += usize::from([1, 5].contains(&opcode));
        }
    }

    /// The peer takes what the end has sent: packets that keep the rules.
    pub(crate) fn take(&mut self, all: bool) {
        loop {
            let taken = self.receiver.try_next_packet();
            let taken = taken.map(|grant| (*grant.packet(), grant.len()));
            match taken {
                Ok((packet, len)) => self.see(&packet, len),
                Err(TryRecvError::Malformed(error)) => panic!("{error}"),
                Err(_) => return,
            }
            if !all {
                return;
            }
        }
    }

    fn see(&mut self, packet: &Packet, len: usize) {
        assert!(len <= self.size);
        if packet.opcode() == Opcode::Error {
            self.errors += 1;
            assert!(
                self.errors <= self.questions,
                "an error that answers nothing"
            );
        }
        if self.format == Format::V1 {
            assert_ne!(packet.opcode(), Opcode::ConnectionCredit);
        }
    }

    /// As [`End::take`] one packet, which is taken or lent in few steps where it is `wanted` and all of a request
    /// or response; else it is opened.
    pub(crate) fn take_whole(&mut self, wanted: bool, lent: bool) {
        let mut bytes = [0; 128];
        let missed = if lent {
            match self.receiver.next_whole() {
                Ok(grant) => {
                    assert!(grant.len() <= self.size);
                    assert_eq!(grant.copy_to(&mut bytes), grant.len());
                    if wanted {
                        return grant.release();
                    }
                    Missed::Unwanted(grant.refuse())
                }
                Err(missed) => missed,
            }
        } else {
            let taken = self.receiver.take_whole(|whole, body| {
                assert_eq!(body.len() as u64, whole.len());
                assert_eq!(body.copy_to(&mut bytes), body.len());
                wanted.then_some(())
            });
            match taken {
                Ok(()) => return,
                Err(missed) => missed,
            }
        };
        match missed {
            Missed::Nothing => {}
            Missed::Something => self.take(false),
            Missed::Unwanted(unwanted) => {
                let grant = self.receiver.open(unwanted);
                let grant = grant.unwrap_or_else(|error| panic!("{error}"));
                let (packet, len) = (*grant.packet(), grant.len());
                drop(grant);
                self.see(&packet, len);
            }
        }
    }
}
