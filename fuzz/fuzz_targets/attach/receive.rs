//! Calls of receiving halves, and what must hold of their results.

use std::error::Error;
use std::mem;
use std::sync::Arc;

use hqq_core::link::{Missed, PacketGrant};
use hqq_core::packet::Packet;
use hqq_core::ring::Consumer;
use hqq_core::ring::Handle;
use hqq_core::ring::shared::SharedConsumer;
use hqq_core::{Dynamic, ExclusiveReceiver, Fixed, ReadGrant, Receiver, RecvError, TryRecvError};

use crate::input::{FIXED_COUNT, FIXED_SIZE, ReceiveCall, Waits};
use crate::peer::Peer;
use crate::steps::Steps;

/// The longest buffer that is tried; longer than any message.
const MAX_LEN: usize = 300;
/// What buffers hold before a call.
const UNTOUCHED: u8 = 0xa5;
/// Messages of a batch, or copies out of a grant at most.
const MAX_PARTS: usize = 24;

/// A receiver of any type.
pub(crate) enum ReceiveHalf {
    Dynamic(ExclusiveReceiver<Dynamic>),
    Fixed(ExclusiveReceiver<Fixed<FIXED_COUNT, FIXED_SIZE>>),
    Shared {
        side: Arc<SharedConsumer<Dynamic>>,
        receiver: Receiver<Handle<Arc<SharedConsumer<Dynamic>>>>,
    },
}

impl ReceiveHalf {
    /// A handle to a shared side.
    pub(crate) fn shared(side: Arc<SharedConsumer<Dynamic>>) -> Self {
        Self::Shared {
            receiver: Receiver::new(Handle::new(side.clone())),
            side,
        }
    }

    /// Another handle, where the side is shared.
    pub(crate) fn share(&self) -> Option<Self> {
        match self {
            Self::Shared { side, .. } => Some(Self::shared(side.clone())),
            _ => None,
        }
    }

    pub(crate) fn make(&mut self, call: &ReceiveCall, peer: Peer<'_>) {
        match self {
            Self::Dynamic(receiver) => make(receiver, call, peer),
            Self::Fixed(receiver) => make(receiver, call, peer),
            Self::Shared { receiver, .. } => make(receiver, call, peer),
        }
    }
}

fn make<C: Consumer>(receiver: &mut Receiver<C>, call: &ReceiveCall, mut peer: Peer<'_>) {
    let (count, size) = (receiver.capacity(), receiver.max_message_size());
    let steps = Steps::start();
    // Each message and each copy is a call of its own to the steps.
    let mut parts = 1;
    match call {
        ReceiveCall::Bytes { len, waits } => {
            let mut buffer = [UNTOUCHED; MAX_LEN];
            let len = usize::from(*len).min(MAX_LEN);
            let to = &mut buffer[..len];
            let result = match peer.patient(*waits) {
                None => receiver.try_recv(to).map_err(Refusal::from),
                Some(wait) => receiver.recv(to, wait).map_err(Refusal::from),
            };
            check_untouched(&buffer, *result.as_ref().unwrap_or(&0));
            match result {
                Ok(received) => assert!(received <= len.min(size)),
                Err(refusal) => check_refusal(&refusal, len, size, *waits, &peer),
            }
        }
        ReceiveCall::Stream { len, waits } => {
            let mut buffer = [UNTOUCHED; MAX_LEN];
            let len = usize::from(*len).min(MAX_LEN);
            let to = &mut buffer[..len];
            let result = match peer.patient(*waits) {
                None => receiver.try_read(to).map_err(Refusal::from),
                Some(wait) => receiver.read(to, wait).map_err(Refusal::from),
            };
            check_untouched(&buffer, *result.as_ref().unwrap_or(&0));
            match result {
                Ok(read) => assert!(read <= len.min(size) && (read == 0) == (len == 0)),
                Err(Refusal::TooSmall { .. }) => panic!("a stream takes any part of a message"),
                Err(refusal) => check_refusal(&refusal, len, size, *waits, &peer),
            }
        }
        ReceiveCall::Value => value::<C, 1>(receiver, size, &peer),
        ReceiveCall::LargeValue => value::<C, 6>(receiver, size, &peer),
        ReceiveCall::Grant {
            waits,
            copies,
            leak,
        } => {
            parts = 1 + copies.len().min(MAX_PARTS);
            let result = match peer.patient(*waits) {
                None => receiver.try_next().map_err(Refusal::from),
                Some(wait) => receiver.next(wait).map_err(Refusal::from),
            };
            match result {
                Ok(grant) => {
                    read(&grant, copies, size, &mut peer);
                    if *leak {
                        mem::forget(grant);
                    }
                }
                Err(Refusal::TooSmall { .. }) => panic!("a grant has no size of its own"),
                Err(refusal) => check_refusal(&refusal, size, size, *waits, &peer),
            }
        }
        ReceiveCall::Batch { limit } => {
            let limit = usize::from(*limit).min(MAX_PARTS);
            parts = limit.max(1);
            let result = receiver.try_recv_batch(limit, |grant| {
                read(grant, &[(0, u8::MAX)], size, &mut peer);
            });
            match result.map_err(Refusal::from) {
                Ok(received) => assert!(received <= limit),
                Err(Refusal::TooSmall { .. }) => panic!("a batch has no buffer"),
                Err(refusal) => check_refusal(&refusal, size, size, Waits::Not, &peer),
            }
        }
        ReceiveCall::Iterate => {
            // While the peer is still, the ring holds N packets in doubt and N more at most.
            let items = 2 * count + 1;
            parts = items;
            let mut seen = 0;
            for item in receiver.try_iter::<FIXED_SIZE>() {
                seen += 1;
                assert!(seen <= items, "more items than a ring can hold");
                match item.map_err(Refusal::from) {
                    Ok(message) => assert!(message.len() <= size.min(FIXED_SIZE)),
                    Err(refusal) => check_refusal(&refusal, FIXED_SIZE, size, Waits::Not, &peer),
                }
            }
        }
        ReceiveCall::Inspect => {
            // What the peer says of itself may be anything.
            let _ = (receiver.is_readable(), receiver.is_peer_open());
            let _ = receiver.counters();
        }
        ReceiveCall::Packet { leak } => {
            let result = receiver.try_next_packet();
            packet(result, *leak, size, &mut peer);
        }
        ReceiveCall::Whole { wanted, lent, leak } => {
            // The few steps, and then the many.
            parts = 2;
            let missed = if *lent {
                lend_whole(receiver, *wanted, size, &mut peer)
            } else {
                take_whole(receiver, *wanted, size, &mut peer)
            };
            peer.act();
            match missed {
                Ok(()) | Err(Missed::Nothing) => {}
                Err(Missed::Something) => {
                    let result = receiver.try_next_packet();
                    packet(result, *leak, size, &mut peer);
                }
                Err(Missed::Unwanted(unwanted)) => {
                    let result = receiver.open(unwanted);
                    packet(result, *leak, size, &mut peer);
                }
            }
        }
    }
    steps.check(peer.attempts() + parts as u32, count, size);
}

/// Copies the bytes of a packet out, and keeps or leaks it.
fn packet<C: Consumer>(
    result: Result<PacketGrant<'_, C>, TryRecvError>,
    leak: bool,
    size: usize,
    peer: &mut Peer<'_>,
) {
    let grant = match result.map_err(Refusal::from) {
        Ok(grant) => grant,
        Err(Refusal::TooSmall { .. }) => panic!("a packet has no buffer of ours"),
        Err(refusal) => return check_refusal(&refusal, size, size, Waits::Not, peer),
    };
    let len = grant.len();
    assert!(len <= size);
    if let Packet::StandardInline(message) = grant.packet() {
        assert!(len == 0 && message.payload().len() <= size);
    }
    peer.act();
    let mut buffer = [UNTOUCHED; MAX_LEN];
    assert_eq!(grant.copy_to(0, &mut buffer), len);
    check_untouched(&buffer, len);
    assert_eq!(grant.len(), len);
    if leak {
        mem::forget(grant);
    }
}

/// Lends all of a request or response, and gives it back or refuses it.
fn lend_whole<C: Consumer>(
    receiver: &mut Receiver<C>,
    wanted: bool,
    size: usize,
    peer: &mut Peer<'_>,
) -> Result<(), Missed> {
    let grant = receiver.next_whole()?;
    let len = grant.len();
    assert!(len <= size && grant.whole().len() == len as u64);
    peer.act();
    let mut buffer = [UNTOUCHED; MAX_LEN];
    assert_eq!(grant.copy_to(&mut buffer), len);
    check_untouched(&buffer, len);
    if wanted {
        grant.release();
        return Ok(());
    }
    Err(Missed::Unwanted(grant.refuse()))
}

/// Takes all of a request or response, if it is wanted.
fn take_whole<C: Consumer>(
    receiver: &mut Receiver<C>,
    wanted: bool,
    size: usize,
    peer: &mut Peer<'_>,
) -> Result<(), Missed> {
    receiver.take_whole(|whole, body| {
        assert!(body.len() <= size && whole.len() == body.len() as u64);
        peer.act();
        let mut buffer = [UNTOUCHED; MAX_LEN];
        assert_eq!(body.copy_to(&mut buffer), body.len());
        check_untouched(&buffer, body.len());
        wanted.then_some(())
    })
}

/// Receives a value of `WORDS` words.
fn value<C: Consumer, const WORDS: usize>(
    receiver: &mut Receiver<C>,
    size: usize,
    peer: &Peer<'_>,
) {
    let wanted = size_of::<[u64; WORDS]>();
    match receiver
        .try_recv_as::<[u64; WORDS]>()
        .map_err(Refusal::from)
    {
        Ok(_) => assert!(wanted <= size),
        Err(refusal) => check_refusal(&refusal, wanted, size, Waits::Not, peer),
    }
}

/// Copies parts of a message out while the peer goes on writing.
fn read<C: Consumer>(
    grant: &ReadGrant<'_, C>,
    copies: &[(u16, u8)],
    size: usize,
    peer: &mut Peer<'_>,
) {
    let (len, is_in_doubt) = (grant.len(), grant.is_in_doubt());
    assert!(len <= size);
    for (at, capacity) in copies.iter().take(MAX_PARTS) {
        peer.act();
        let mut buffer = [UNTOUCHED; MAX_LEN];
        let (at, capacity) = (usize::from(*at), usize::from(*capacity));
        let copied = grant.copy_to(at, &mut buffer[..capacity]);
        assert_eq!(copied, capacity.min(len.saturating_sub(at)));
        check_untouched(&buffer, copied);
    }
    peer.act();
    // Decided when it was claimed, whatever the peer wrote since.
    assert_eq!((grant.len(), grant.is_in_doubt()), (len, is_in_doubt));
    assert_eq!(grant.is_empty(), len == 0);
}

/// That nothing was written past what the call says it wrote.
fn check_untouched(buffer: &[u8], written: usize) {
    assert!(buffer[written..].iter().all(|byte| *byte == UNTOUCHED));
}

fn check_refusal(refusal: &Refusal, capacity: usize, size: usize, waits: Waits, peer: &Peer<'_>) {
    match *refusal {
        Refusal::TooSmall {
            needed,
            capacity: found,
        } => {
            assert!(needed > capacity && needed <= size);
            assert_eq!(found, capacity);
        }
        Refusal::Blocked if waits.rounds().is_some() => peer.check_gave_up(),
        Refusal::Blocked | Refusal::Settled => {}
    }
}

/// Why nothing was received.
#[derive(Debug)]
enum Refusal {
    TooSmall {
        needed: usize,
        capacity: usize,
    },
    /// Empty or contended, to the end of the wait if there was one.
    Blocked,
    /// The peer left, or sent what is no message.
    Settled,
}

fn check_display(error: &dyn Error) {
    assert!(!error.to_string().is_empty());
}

impl From<TryRecvError> for Refusal {
    fn from(error: TryRecvError) -> Self {
        check_display(&error);
        match error {
            TryRecvError::BufferTooSmall { needed, capacity } => {
                Self::TooSmall { needed, capacity }
            }
            TryRecvError::Empty | TryRecvError::Busy => Self::Blocked,
            _ => Self::Settled,
        }
    }
}

impl From<RecvError> for Refusal {
    fn from(error: RecvError) -> Self {
        check_display(&error);
        match error {
            RecvError::BufferTooSmall { needed, capacity } => Self::TooSmall { needed, capacity },
            RecvError::TimedOut | RecvError::Corrupt(_) => Self::Blocked,
            _ => Self::Settled,
        }
    }
}
