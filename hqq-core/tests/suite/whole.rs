//! All of a request or response in few steps: what is sent so arrives by every way, and what comes so is
//! what packets say.

use crate::common::{Memory, fill, in_every_pairing, pattern, receive};
use hqq_core::link::{Missed, Unwanted, WholeGrant};
use hqq_core::packet::{ConnectionCopy, Packet, PacketError, Whole};
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{Dynamic, ExclusiveReceiver, Receiver, Sender, TryRecvError, TrySendError};

pub(super) const COUNT: usize = 4;
pub(super) const SIZE: usize = 256;
const LENGTHS: [usize; 9] = [0, 1, 16, 31, 40, 64, 65, 255, 256];
/// Few steps are taken where registers are many.
pub(super) const QUICKLY: bool = cfg!(target_pointer_width = "64");

pub(super) fn any_of(number: u64, len: usize) -> Whole {
    match number % 3 {
        0 => Whole::request(number, 7, len),
        1 => Whole::response(number, 0, false, len),
        _ => Whole::response(number, 5, true, len),
    }
}

/// How the next one is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    Grant,
    Taking,
}

impl By {
    pub(super) const ALL: [Self; 2] = [Self::Grant, Self::Taking];

    /// The next one, where few steps do.
    pub(super) fn quickly<C: Consumer>(
        self,
        receiver: &mut Receiver<C>,
    ) -> Result<(Whole, Vec<u8>), Missed> {
        let mut bytes = vec![0; SIZE];
        let whole = match self {
            Self::Grant => {
                let grant = receiver.next_whole()?;
                assert_eq!(grant.copy_to(&mut bytes), grant.len());
                assert_eq!(grant.is_empty(), grant.whole().len() == 0);
                let whole = *grant.whole();
                grant.release();
                whole
            }
            Self::Taking => receiver.take_whole(|whole, body| {
                assert_eq!(body.copy_to(&mut bytes), body.len());
                assert_eq!(body.is_empty(), whole.len() == 0);
                Some(*whole)
            })?,
        };
        bytes.truncate(usize::try_from(whole.len()).unwrap());
        Ok((whole, bytes))
    }

    /// The next one, which is refused.
    pub(super) fn refused<C: Consumer>(
        self,
        receiver: &mut Receiver<C>,
    ) -> Result<Unwanted, Missed> {
        match self {
            Self::Grant => receiver.next_whole().map(WholeGrant::refuse),
            Self::Taking => match receiver.take_whole(|_, _| None::<()>) {
                Ok(()) => panic!("taken"),
                Err(Missed::Unwanted(unwanted)) => Ok(unwanted),
                // What comes first, and now and then.
                Err(Missed::Something) => Self::Grant.refused(receiver),
                Err(missed) => Err(missed),
            },
        }
    }
}

/// The next one, by few steps or by many, and whether it was by few.
fn next<C: Consumer>(by: By, receiver: &mut Receiver<C>) -> (Whole, Vec<u8>, bool) {
    match by.quickly(receiver) {
        Ok((whole, body)) => return (whole, body, true),
        Err(Missed::Something) => {}
        Err(missed) => panic!("{missed:?}"),
    }
    let (whole, body) = opened(receiver, None).unwrap();
    (whole.unwrap(), body, false)
}

/// A packet that was not taken, or the next one: what it is, where it is whole, and its bytes.
pub(super) fn opened<C: Consumer>(
    receiver: &mut Receiver<C>,
    unwanted: Option<Unwanted>,
) -> Result<(Option<Whole>, Vec<u8>), TryRecvError> {
    let grant = match unwanted {
        Some(unwanted) => receiver.open(unwanted)?,
        None => receiver.try_next_packet()?,
    };
    let mut body = vec![0; grant.len()];
    grant.copy_to(0, &mut body);
    let whole = match grant.packet() {
        Packet::ConnectionCopy(copy) => Whole::read(&copy.operands(), SIZE),
        _ => None,
    };
    Ok((whole, body))
}

/// Sends more of them than the ring holds; says how many came in few steps.
fn pass<P: Producer, C: Consumer>(
    by: By,
    sender: &mut Sender<P>,
    receiver: &mut Receiver<C>,
) -> usize {
    let before = [sender.counters(), receiver.counters()];
    let mut quick = 0;
    for number in 0..99 {
        let body = pattern(
            number,
            LENGTHS[usize::try_from(number).unwrap() % LENGTHS.len()],
        );
        let whole = any_of(number, body.len());
        sender.try_send_whole(&whole, &body).unwrap();
        assert!(receiver.is_readable());
        let (came, bytes, quickly) = next(by, receiver);
        assert_eq!((came, bytes), (whole, body));
        quick += usize::from(quickly);
        assert!(!receiver.is_readable());
    }
    let after = [sender.counters(), receiver.counters()];
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(after.messages - before.messages, 99);
        assert_eq!(after.bytes - before.bytes, 11 * 728);
    }
    quick
}

fn passes<P: Producer, C: Consumer>(sender: &mut Sender<P>, receiver: &mut Receiver<C>) {
    for by in By::ALL {
        pass(by, sender, receiver);
    }
    // What is refused and never opened keeps no slot.
    for number in 0..4 * COUNT {
        let whole = any_of(number as u64, 3);
        sender.try_send_whole(&whole, &[1, 2, 3]).unwrap();
        if By::Taking.refused(receiver).is_err() {
            drop(receiver.try_next_packet().unwrap());
        }
        assert!(matches!(receiver.next_whole(), Err(Missed::Nothing)));
    }
}

#[test]
fn what_is_sent_arrives_in_every_pairing() {
    in_every_pairing!(Memory::new(COUNT, SIZE, 0), passes);
}

#[test]
fn between_exclusive_sides_most_take_few_steps() {
    for by in By::ALL {
        let memory = Memory::new(COUNT, SIZE, 0);
        let (mut near, mut far) = memory.pair();
        let quick = pass(by, near.sender(), far.receiver());
        assert_eq!(quick > 40, QUICKLY, "{by:?}: {quick}");
    }
}

/// Both ends in one process, with `whole` sent.
fn with_one(whole: &Whole, body: &[u8], check: impl Fn(&Memory, &mut ExclusiveReceiver<Dynamic>)) {
    let memory = Memory::new(COUNT, SIZE, 0);
    let (mut near, mut far) = memory.pair();
    near.sender().try_send_whole(whole, body).unwrap();
    near.try_send(b"after").unwrap();
    check(&memory, far.receiver());
    assert_eq!(receive(far.receiver()), Ok(b"after".to_vec()));
    // All slots were given back.
    for _ in 0..3 * COUNT {
        near.try_send(b"on").unwrap();
        assert_eq!(receive(far.receiver()), Ok(b"on".to_vec()));
    }
    memory.assert_canaries();
}

#[test]
fn what_is_refused_is_opened_later_or_dropped() {
    let (whole, body) = (Whole::request(1, 2, 100), pattern(1, 100));
    for by in By::ALL {
        with_one(&whole, &body, |_, receiver| {
            let unwanted = by.refused(receiver).ok();
            assert_eq!(unwanted.is_some(), QUICKLY);
            let (came, bytes) = opened(receiver, unwanted).unwrap();
            assert_eq!((came, bytes), (Some(whole), body.clone()));
        });
        with_one(&whole, &body, |_, receiver| {
            let refused = by.refused(receiver).map(drop);
            if refused.is_err() {
                drop(receiver.try_next_packet().unwrap());
            }
        });
    }
    with_one(&whole, &body, |_, receiver| {
        let released = receiver.next_whole().map(WholeGrant::release);
        if released.is_err() {
            drop(receiver.try_next_packet().unwrap());
        }
    });
}

#[test]
fn other_packets_are_opened_or_refused_as_ever() {
    let whole = Whole::request(1, 2, 8);
    let open = |by: By, receiver: &mut ExclusiveReceiver<Dynamic>| {
        let unwanted = match by.quickly(receiver) {
            Err(Missed::Unwanted(unwanted)) => Some(unwanted),
            Err(Missed::Something) => None,
            _ => panic!("taken"),
        };
        opened(receiver, unwanted)
    };
    // Each operand as a peer may have written it, and what is found.
    type Found = Result<(Option<Whole>, Vec<u8>), TryRecvError>;
    type Case = (usize, u64, fn(&Found) -> bool);
    let cases: [Case; 6] = [
        (
            0,
            3,
            |found| matches!(found, Ok((None, body)) if body.len() == 8),
        ),
        (2, 9, |found| {
            matches!(
                found,
                Err(TryRecvError::Malformed(PacketError::ChunkEdges { .. }))
            )
        }),
        (3, 1, |found| {
            matches!(
                found,
                Err(TryRecvError::Malformed(PacketError::ChunkRange { .. }))
            )
        }),
        (4, 1 << 40, |found| {
            matches!(
                found,
                Err(TryRecvError::Malformed(PacketError::ChunkRange { .. }))
            )
        }),
        (5, 3, |found| {
            matches!(found, Err(TryRecvError::Malformed(PacketError::Aux { .. })))
        }),
        (5, 1 << 20, |found| {
            matches!(
                found,
                Err(TryRecvError::Malformed(PacketError::UnknownFlags(_)))
            )
        }),
    ];
    let ways = || By::ALL.into_iter();
    for (by, (operand, value, is_right)) in ways().flat_map(|by| cases.map(|case| (by, case))) {
        with_one(&whole, &[7; 8], |memory, receiver| {
            memory.set64(memory.slot_word(0, 1 + operand), value);
            let found = open(by, receiver);
            assert!(is_right(&found), "operand {operand} = {value}: {found:?}");
            let errors = u64::from(found.is_err());
            assert_eq!(receiver.counters().errors, errors);
        });
    }
    // Longer than a buffer, and consistently so.
    for by in ways() {
        with_one(&whole, &[7; 8], |memory, receiver| {
            for operand in [2, 4] {
                memory.set64(memory.slot_word(0, 1 + operand), SIZE as u64 + 1);
            }
            let found = open(by, receiver);
            assert!(
                matches!(
                    found,
                    Err(TryRecvError::Malformed(PacketError::Size { .. }))
                ),
                "{found:?}"
            );
        });
    }
}

#[test]
fn nothing_is_sent_that_is_too_long_or_finds_no_room_or_no_receiver() {
    let memory = Memory::new(COUNT, SIZE, 0);
    let (mut near, mut far) = memory.pair();
    let max = SIZE;
    for (said, len) in [(7, 8), (8, 7), (SIZE + 1, SIZE + 1)] {
        let error = near
            .sender()
            .try_send_whole(&any_of(1, said), &vec![0; len]);
        assert_eq!(error, Err(TrySendError::TooLong { len, max }));
    }
    assert!(matches!(far.receiver().next_whole(), Err(Missed::Nothing)));
    assert_eq!(fill(near.sender(), b"x"), COUNT);
    let whole = Whole::response(1, 0, false, 1);
    assert_eq!(
        near.sender().try_send_whole(&whole, b"y"),
        Err(TrySendError::Full)
    );
    for _ in 0..COUNT {
        assert_eq!(receive(far.receiver()), Ok(b"x".to_vec()));
    }
    drop(far);
    assert_eq!(
        near.sender().try_send_whole(&whole, b"y"),
        Err(TrySendError::Disconnected)
    );
}

#[test]
fn a_message_that_was_begun_stays_the_next_one() {
    let memory = Memory::new(COUNT, SIZE, 0);
    let (mut near, mut far) = memory.pair();
    near.try_send(&[9; 50]).unwrap();
    assert_eq!(far.receiver().try_read(&mut [0; 20]), Ok(20));
    for by in By::ALL {
        let missed = by.quickly(far.receiver());
        assert!(matches!(missed, Err(Missed::Something)));
    }
    assert_eq!(far.receiver().try_read(&mut [0; 99]), Ok(30));
}

#[test]
fn it_is_the_packet_that_it_says() {
    for number in 0..3 {
        let whole = any_of(number, 20);
        let copy = ConnectionCopy::from_operands(&whole.operands()).unwrap();
        assert_eq!(copy, whole.into());
        assert_eq!(
            (copy.kind(), copy.chunk().message_id),
            (whole.kind(), number)
        );
        assert_eq!(
            (copy.chunk().aux, copy.chunk().chunk_size),
            (whole.aux(), whole.len())
        );
        assert_eq!(whole.is_response(), number != 0);
        assert_eq!(whole.is_failure(), number == 2);
    }
}
