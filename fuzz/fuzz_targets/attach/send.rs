//! Calls of sending halves, and what must hold of their results.

use std::error::Error;
use std::mem;
use std::sync::Arc;

use hqq_core::ring::Handle;
use hqq_core::ring::Producer;
use hqq_core::ring::shared::SharedProducer;
use hqq_core::{
    Dynamic, ExclusiveSender, Fixed, GrantError, SendError, Sender, TrySendError, WriteGrant,
};

use crate::input::{FIXED_COUNT, FIXED_SIZE, SendCall, Waits, WriteEnd};
use crate::peer::Peer;
use crate::steps::Steps;

/// The longest message that is tried; longer than any buffer.
const MAX_LEN: usize = 300;
static MESSAGE: [u8; MAX_LEN] = [0x3c; MAX_LEN];
/// Pieces, messages of a batch, or copies into a grant at most.
const MAX_PARTS: usize = 24;

/// A sender of any type.
pub(crate) enum SendHalf {
    Dynamic(ExclusiveSender<Dynamic>),
    Fixed(ExclusiveSender<Fixed<FIXED_COUNT, FIXED_SIZE>>),
    Shared {
        side: Arc<SharedProducer<Dynamic>>,
        sender: Sender<Handle<Arc<SharedProducer<Dynamic>>>>,
    },
}

impl SendHalf {
    /// A handle to a shared side.
    pub(crate) fn shared(side: Arc<SharedProducer<Dynamic>>) -> Self {
        Self::Shared {
            sender: Sender::new(Handle::new(side.clone())),
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

    pub(crate) fn make(&mut self, call: &SendCall, peer: Peer<'_>) {
        match self {
            Self::Dynamic(sender) => make(sender, call, peer),
            Self::Fixed(sender) => make(sender, call, peer),
            Self::Shared { sender, .. } => make(sender, call, peer),
        }
    }
}

fn make<P: Producer>(sender: &mut Sender<P>, call: &SendCall, mut peer: Peer<'_>) {
    let (count, size) = (sender.capacity(), sender.max_message_size());
    let steps = Steps::start();
    // Each message and each copy is a call of its own to the steps.
    let mut parts = 1;
    match call {
        SendCall::Bytes { len, waits } => {
            let message = message(usize::from(*len));
            let result = match peer.patient(*waits) {
                None => sender.try_send(message).map_err(Refusal::from),
                Some(wait) => sender.send(message, wait).map_err(Refusal::from),
            };
            check_sent(&result, message.len(), size, *waits, &peer);
        }
        SendCall::Pieces { lens, waits } => {
            let pieces = pieces(lens);
            let len = pieces.iter().map(|piece| piece.len()).sum();
            let result = match peer.patient(*waits) {
                None => sender.try_send_vectored(&pieces).map_err(Refusal::from),
                Some(wait) => sender.send_vectored(&pieces, wait).map_err(Refusal::from),
            };
            check_sent(&result, len, size, *waits, &peer);
        }
        SendCall::Batch { lens } => {
            let messages = pieces(lens);
            parts = messages.len().max(1);
            let result = sender.try_send_batch(&messages).map_err(Refusal::from);
            if let Ok(sent) = result {
                assert!(sent <= messages.len());
                assert!(
                    messages
                        .iter()
                        .take(sent)
                        .all(|message| message.len() <= size)
                );
            }
        }
        SendCall::Value(value) => {
            let result = sender.try_send_as(value).map_err(Refusal::from);
            check_sent(&result, size_of_val(value), size, Waits::Not, &peer);
        }
        SendCall::Reserve { waits, copies, end } => {
            parts = 1 + copies.len().min(MAX_PARTS);
            let result = match peer.patient(*waits) {
                None => sender.try_reserve().map_err(Refusal::from),
                Some(wait) => sender.reserve(wait).map_err(Refusal::from),
            };
            match result {
                Ok(grant) => fill(grant, copies, end, size, &mut peer),
                Err(refusal) => assert_ne!(refusal, Refusal::TooLong),
            }
        }
        SendCall::Inspect => {
            assert!(sender.unread() <= count);
            assert_eq!(sender.large_message_threshold(), size);
            // What the peer says of itself may be anything.
            let _ = (sender.is_writable(), sender.is_peer_open());
            let _ = (sender.is_peer_closed(), sender.counters());
        }
    }
    steps.check(peer.attempts() + parts as u32, count, size);
}

fn fill<P: Producer>(
    mut grant: WriteGrant<'_, P>,
    copies: &[(u16, u8)],
    end: &WriteEnd,
    size: usize,
    peer: &mut Peer<'_>,
) {
    assert_eq!(grant.capacity(), size);
    for (at, len) in copies.iter().take(MAX_PARTS) {
        peer.act();
        let (at, bytes) = (usize::from(*at), message(usize::from(*len)));
        let result = grant.copy_from(at, bytes);
        check_fits(&result, at + bytes.len(), size);
    }
    peer.act();
    match end {
        WriteEnd::Commit(len) => {
            let len = usize::from(*len);
            check_fits(&grant.commit(len), len, size);
        }
        WriteEnd::Abort(reason) => grant.abort(*reason),
        WriteEnd::Drop => drop(grant),
        WriteEnd::Leak => mem::forget(grant),
    }
}

fn message(len: usize) -> &'static [u8] {
    &MESSAGE[..len.min(MAX_LEN)]
}

fn pieces(lens: &[u8]) -> Vec<&'static [u8]> {
    lens.iter()
        .take(MAX_PARTS)
        .map(|len| message(usize::from(*len)))
        .collect()
}

/// That exactly what is longer than a buffer was refused as such.
fn check_fits(result: &Result<(), GrantError>, end: usize, size: usize) {
    assert_eq!(result.is_err(), end > size);
    if let Err(error) = result {
        assert!(!error.to_string().is_empty());
    }
}

/// That exactly messages longer than a buffer were refused as such, and others only once the wait
/// was over.
fn check_sent(
    result: &Result<(), Refusal>,
    len: usize,
    size: usize,
    waits: Waits,
    peer: &Peer<'_>,
) {
    assert_eq!(*result == Err(Refusal::TooLong), len > size);
    if *result == Err(Refusal::Blocked) && waits.rounds().is_some() {
        peer.check_gave_up();
    }
}

/// Why nothing was sent.
#[derive(Debug, PartialEq)]
enum Refusal {
    TooLong,
    Disconnected,
    /// Full or contended, to the end of the wait if there was one.
    Blocked,
}

fn check_display(error: &dyn Error) {
    assert!(!error.to_string().is_empty());
}

impl From<TrySendError> for Refusal {
    fn from(error: TrySendError) -> Self {
        check_display(&error);
        match error {
            TrySendError::TooLong { .. } => Self::TooLong,
            TrySendError::Disconnected => Self::Disconnected,
            _ => Self::Blocked,
        }
    }
}

impl From<SendError> for Refusal {
    fn from(error: SendError) -> Self {
        check_display(&error);
        match error {
            SendError::TooLong { .. } => Self::TooLong,
            SendError::Disconnected => Self::Disconnected,
            _ => Self::Blocked,
        }
    }
}
