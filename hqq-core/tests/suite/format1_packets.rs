//! Messages, grants and packets in a ring of format 1: what there is to send, and what a receiver
//! makes of packets that break the protocol.
#![cfg(all(target_has_atomic = "64", not(hqq_narrow)))]

use std::ops::ControlFlow;

use crate::common::{Memory, fill, pattern, receive};
use hqq_core::packet::opcode::{RESERVED_FREE, RESERVED_WRITING};
use hqq_core::packet::{ErrorCode, Opcode, PacketError};
use hqq_core::{GrantError, Role, SendError, SpinFor, TryRecvError, TrySendError, Waiting};

const COUNT: usize = 4;
const SIZE: usize = 48;
const COPY: u64 = 0xff;
const INLINE: u64 = 0xfd;
const TOMBSTONE: u64 = 0xfe;

fn words(memory: &Memory, position: u64) -> [u64; 8] {
    std::array::from_fn(|word| memory.get64(memory.slot_word(position, word)))
}

fn never(_: &Waiting) -> ControlFlow<()> {
    panic!("nothing to wait for")
}

#[test]
fn messages_of_every_length_travel_in_buffers() {
    let memory = Memory::format_1(COUNT, SIZE);
    let near = memory.format_1_link(Role::Primary);
    let far = memory.format_1_link(Role::Secondary);
    for len in 1..=SIZE {
        let message = pattern(len as u64, len);
        let position = len as u64 - 1;
        near.sender().try_send(&message).unwrap();
        let index = position % COUNT as u64;
        let packet = [COPY, len as u64, index, len as u64, 0, 0, 0, 0];
        assert_eq!(words(&memory, position), packet);
        assert_eq!(receive(&mut far.receiver()), Ok(message));
    }
    let too_long = TrySendError::TooLong {
        len: SIZE + 1,
        max: SIZE,
    };
    assert_eq!(near.sender().try_send(&[0; SIZE + 1]), Err(too_long));
    assert_eq!(near.sender().unread(), 0);
    assert_eq!(near.sender().large_message_threshold(), SIZE);
    assert!(near.sender().is_large_message(SIZE + 1) && !near.sender().is_large_message(SIZE));
    assert_eq!(far.receiver().counters().messages, SIZE as u64);
    memory.assert_canaries();
}

#[test]
fn an_empty_message_is_refused_and_nothing_published() {
    let memory = Memory::format_1(COUNT, SIZE);
    let link = memory.format_1_link(Role::Primary);
    let mut sender = link.sender();
    let image = memory.image();
    let empty = Err(TrySendError::EmptyMessage);
    assert_eq!(sender.try_send(b""), empty);
    assert_eq!(sender.try_send_vectored::<&[u8]>(&[]), empty);
    assert_eq!(sender.try_send_vectored(&[b"", b""]), empty);
    assert_eq!(sender.try_send_as(&[0_u64; 0]), empty);
    let nothing: [&[u8]; 2] = [b"", b"x"];
    assert_eq!(
        sender.try_send_batch(&nothing),
        Err(TrySendError::EmptyMessage)
    );
    let empty = Err(SendError::EmptyMessage);
    assert_eq!(sender.send(b"", &mut never), empty);
    assert_eq!(sender.send_vectored(&[b""], &mut never), empty);
    assert_eq!(sender.counters().errors, 7);
    {
        // SAFETY: only this test has the region, through this crate.
        let mut trusted = unsafe { sender.trusted() };
        let unasked = |_: &mut [u8]| panic!("there is nothing to fill");
        let sent = trusted.try_send_with(0, unasked);
        assert_eq!(sent, Err::<(), _>(TrySendError::EmptyMessage));
        let sent = trusted.send_with(0, &mut never, unasked);
        assert_eq!(sent, Err::<(), _>(SendError::EmptyMessage));
    }
    assert!(memory.image() == image, "nothing was published");
    // What comes before an empty one is sent.
    let one: [&[u8]; 3] = [b"x", b"", b"y"];
    assert_eq!(sender.try_send_batch(&one), Ok(1));
    // It is refused where there is no room, too: no wait would mend it.
    assert_eq!(fill(&mut sender, b"full"), COUNT - 1);
    assert_eq!(sender.send(b"", &mut never), Err(SendError::EmptyMessage));
    let shown = TrySendError::EmptyMessage.to_string();
    assert!(shown.contains("at least one byte"), "{shown}");
}

#[test]
fn a_grant_that_sends_nothing_leaves_a_tombstone() {
    let memory = Memory::format_1(COUNT, SIZE);
    let link = memory.format_1_link(Role::Primary);
    let far = memory.format_1_link(Role::Secondary);
    let mut sender = link.sender();
    let mut receiver = far.receiver();
    sender.try_send(b"1").unwrap();
    drop(sender.try_reserve().unwrap());
    sender.try_reserve().unwrap().abort(0);
    sender.try_reserve().unwrap().abort(9);
    for (position, reason) in [(1, 6), (2, 6), (3, 9)] {
        let packet = [TOMBSTONE, position + 1, position, reason, 0, 0, 0, 0];
        assert_eq!(words(&memory, position), packet);
    }
    assert_eq!(receive(&mut receiver), Ok(b"1".to_vec()));
    assert_eq!(receive(&mut receiver), Err(TryRecvError::Empty));
    let grant = sender.reserve(&mut SpinFor(0)).unwrap();
    assert_eq!(grant.commit(0), Err(GrantError::EmptyMessage));
    let mut grant = sender.try_reserve().unwrap();
    let too_long = GrantError::TooLong {
        len: SIZE + 1,
        max: SIZE,
    };
    assert_eq!(grant.copy_from(SIZE, &[0]), Err(too_long));
    assert_eq!(grant.commit(SIZE + 1), Err(too_long));
    for (position, reason) in [(4, 2), (5, 7)] {
        assert_eq!(memory.tombstone_reason(position), Some(reason));
    }
    // Ids go on: one for each packet, from 1 on, tombstones and messages alike.
    let mut grant = sender.try_reserve().unwrap();
    grant.copy_from(0, b"in").unwrap();
    grant.copy_from(2, b" place").unwrap();
    grant.commit(8).unwrap();
    assert_eq!(words(&memory, 6), [COPY, 7, 2, 8, 0, 0, 0, 0]);
    assert_eq!(receive(&mut receiver), Ok(b"in place".to_vec()));
    assert_eq!(receiver.counters().tombstones, 5);
    assert_eq!(sender.counters().tombstones, 5);
    // Each endpoint counts its own; another process on the side starts from 1 again.
    let other = memory.format_1_link(Role::Primary);
    other.sender().try_send(b"x").unwrap();
    assert_eq!(words(&memory, 7)[1], 1);
    memory.assert_canaries();
}

#[test]
fn a_sender_that_owns_its_side_counts_as_one_that_shares_it() {
    use hqq_core::Sender;
    use hqq_core::ring::Handle;
    let memory = Memory::format_1(COUNT, SIZE);
    let (producer, _) = memory.format_1_link(Role::Primary).split();
    let mut sender = Sender::new(Handle::owned(producer));
    for _ in 0..COUNT {
        sender.try_send(b"x").unwrap();
    }
    for position in 0..COUNT as u64 {
        assert_eq!(words(&memory, position)[1], position + 1);
    }
    assert_eq!(sender.counters().messages, COUNT as u64);
}

#[test]
fn messages_are_read_in_pieces_and_in_place() {
    let memory = Memory::format_1(COUNT, SIZE);
    let near = memory.format_1_link(Role::Primary);
    let far = memory.format_1_link(Role::Secondary);
    let mut receiver = far.receiver();
    near.sender().try_send(b"0123456789").unwrap();
    let mut piece = [0; 4];
    let mut read = Vec::new();
    for len in [4, 4, 2] {
        assert_eq!(receiver.try_read(&mut piece), Ok(len));
        read.extend_from_slice(&piece[..len]);
    }
    assert_eq!(read, b"0123456789");
    assert_eq!(receiver.try_read(&mut piece), Err(TryRecvError::Empty));

    near.sender().try_send(b"stays").unwrap();
    let too_small = TryRecvError::BufferTooSmall {
        needed: 5,
        capacity: 4,
    };
    assert_eq!(receiver.try_recv(&mut piece), Err(too_small));
    assert!(receiver.is_readable());
    let message = receiver.try_next().unwrap();
    assert_eq!((message.len(), message.is_in_doubt()), (5, false));
    let mut copied = [0; 9];
    assert_eq!(message.copy_to(1, &mut copied), 4);
    assert_eq!(&copied[..4], b"tays");
    drop(message);

    let mut sender = near.sender();
    // SAFETY: only this test has the region, through this crate.
    let sent = unsafe { sender.trusted() }.try_send_with(3, |bytes| {
        bytes.copy_from_slice(b"abc");
    });
    assert_eq!(sent, Ok(()));
    // SAFETY: as above.
    let same = unsafe { receiver.trusted() }.try_recv_with(|bytes| bytes == b"abc");
    assert_eq!(same, Ok(true));
}

/// What a receiver makes of a packet with these words; the message after it must still arrive.
fn received(packet: [u64; 8]) -> Result<Vec<u8>, TryRecvError> {
    let memory = Memory::format_1(COUNT, SIZE);
    let near = memory.format_1_link(Role::Primary);
    let far = memory.format_1_link(Role::Secondary);
    let (mut sender, mut receiver) = (near.sender(), far.receiver());
    sender.try_send(b"x").unwrap();
    sender.try_send(b"after").unwrap();
    for (word, value) in packet.into_iter().enumerate() {
        memory.set64(memory.slot_word(0, word), value);
    }
    let first = receive(&mut receiver);
    assert_eq!(memory.sequence(0), COUNT as u64, "the slot is given back");
    if let Err(TryRecvError::Malformed(_) | TryRecvError::Peer(_)) = first {
        assert_eq!(receiver.counters().errors, 1);
    }
    if first != Ok(b"after".to_vec()) {
        assert_eq!(receive(&mut receiver), Ok(b"after".to_vec()));
    }
    for _ in 0..2 * COUNT {
        sender.try_send(b"on").unwrap();
        assert_eq!(receive(&mut receiver), Ok(b"on".to_vec()));
    }
    memory.assert_canaries();
    first
}

fn malformed(packet: [u64; 8]) -> PacketError {
    match received(packet) {
        Err(TryRecvError::Malformed(error)) => error,
        other => panic!("{packet:x?}: {other:?}"),
    }
}

#[test]
fn opcodes_that_are_not_of_the_standard_link_are_refused() {
    for opcode in 0..=u8::MAX {
        let error = match Opcode::from_byte(opcode) {
            Ok(Opcode::Error | Opcode::StandardTombstone | Opcode::StandardCopy) => continue,
            // Format 1 has no packets that carry their message, and no runs.
            Ok(Opcode::StandardInline | Opcode::StandardRun) | Err(_) => {
                PacketError::UnknownOpcode(opcode)
            }
            Ok(known) => PacketError::NotStandard(known),
        };
        assert_eq!(malformed([opcode.into(), 1, 0, 0, 0, 0, 0, 0]), error);
    }
    assert!(
        [RESERVED_FREE, RESERVED_WRITING]
            .map(Opcode::from_byte)
            .iter()
            .all(Result::is_err)
    );
    let inline = malformed([INLINE, 1, 8, u64::MAX, 0, 0, 0, 0]);
    assert_eq!(inline, PacketError::UnknownOpcode(0xfd));
}

#[test]
fn bits_that_must_be_zero_are_refused() {
    for bit in 8..64 {
        let value = 1 << bit;
        let error = PacketError::ReservedBits { word: 0, value };
        assert_eq!(malformed([COPY | value, 1, 0, 5, 0, 0, 0, 0]), error);
        assert_eq!(malformed([TOMBSTONE | value, 1, 0, 5, 0, 0, 0, 0]), error);
    }
    for word in 4..8_u8 {
        let mut packet = [COPY, 1, 0, 5, 0, 0, 0, 0];
        packet[usize::from(word)] = 1;
        let error = PacketError::ReservedBits { word, value: 1 };
        assert_eq!(malformed(packet), error);
    }
}

#[test]
fn a_size_that_no_message_has_is_refused() {
    for size in [0, SIZE as u64 + 1, 1 << 32, u64::MAX] {
        let error = PacketError::Size {
            size,
            minimum: 1,
            maximum: SIZE as u64,
        };
        assert_eq!(malformed([COPY, 1, 0, size, 0, 0, 0, 0]), error);
    }
}

#[test]
fn an_index_that_a_peer_names_is_never_used() {
    for index in [1, COUNT as u64, u64::MAX] {
        let message = received([COPY, u64::MAX, index, 1, 0, 0, 0, 0]);
        assert_eq!(message, Ok(b"x".to_vec()));
    }
}

#[test]
fn an_error_packet_is_the_peer_s_error() {
    for code in 1..=7 {
        let error = TryRecvError::Peer(ErrorCode::from_code(code).unwrap());
        assert_eq!(received([0, 9, code, 0, 0, 0, 0, 0]), Err(error));
    }
    let error = malformed([0, 9, 8, 0, 0, 0, 0, 0]);
    assert_eq!(error, PacketError::UnknownErrorCode(8));
}

#[test]
fn a_tombstone_of_any_reason_is_skipped() {
    for reason in [0, 2, 6, 7, u64::MAX] {
        let message = received([TOMBSTONE, 1, 7, reason, 0, 0, 0, 0]);
        assert_eq!(message, Ok(b"after".to_vec()));
    }
}
