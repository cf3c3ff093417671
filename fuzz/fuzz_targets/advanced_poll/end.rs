//! An end, its peer, and what must hold whatever the peer sends.

use std::mem;

use hqq_core::advanced::{
    AdvancedLink, Body, Event, MessageKey, Notice, Progress, Reception, SessionOptions, Transfer,
};
use hqq_core::packet::{
    Capabilities, Features, MessageKind, Negotiate, Packet, ProtocolVersion, Reason,
};
use hqq_core::ring::{Consumer, Producer};
use hqq_core::{Format, Receiver, Role, Sender};

use crate::input::{Call, Input, Rarely};
use crate::memory::Memory;

const ASSEMBLIES: usize = 3;
const MESSAGE: usize = 200;
const PENDING: usize = 4;
const CONNECTIONS: usize = 4;
/// Calls made of one input at most.
const MAX_CALLS: usize = 128;
/// Messages on their way at a time at most.
const MAX_TRANSFERS: usize = 8;

static BODY: [u8; 512] = [0x3c; 512];

pub(crate) struct End<'a, P: Producer, C: Consumer> {
    pub(crate) memory: &'a Memory,
    link: AdvancedLink<P, C, ASSEMBLIES, MESSAGE, PENDING, CONNECTIONS>,
    pub(crate) sender: Sender<P>,
    pub(crate) receiver: Receiver<C>,
    pub(crate) role: Role,
    pub(crate) format: Format,
    pub(crate) size: usize,
    max: usize,
    now: u64,
    /// Slots that the peer has filled.
    pub(crate) sent: usize,
    /// Packets of the peer's that an Error packet may answer.
    pub(crate) questions: usize,
    pub(crate) errors: usize,
    transfers: Vec<Transfer>,
    requests: Vec<MessageKey>,
    arriving: Vec<MessageKey>,
}

impl<'a, P: Producer, C: Consumer> End<'a, P, C> {
    pub(crate) fn new(
        memory: &'a Memory,
        near: (Sender<P>, Receiver<C>),
        (sender, receiver): (Sender<P>, Receiver<C>),
        role: Role,
        format: Format,
        input: &Input,
    ) -> Self {
        let max = usize::from(input.max % 400);
        let options = SessionOptions::new()
            .features(Features::from_bits(u64::from(!input.features)))
            .max_message_size(max as u64)
            .patience(u64::from(input.patience));
        let reception = if input.streams {
            Reception::Stream
        } else {
            Reception::Assemble
        };
        let mut end = Self {
            memory,
            link: AdvancedLink::new(near, role, format, options).with_reception(reception),
            sender,
            receiver,
            role,
            format,
            size: input.size(),
            max,
            now: 0,
            sent: 0,
            questions: 0,
            errors: 0,
            transfers: Vec::new(),
            requests: Vec::new(),
            arriving: Vec::new(),
        };
        if input.strangers != Rarely::Yes {
            end.send(&Packet::from(Negotiate {
                version: ProtocolVersion::CURRENT,
                features: Features::KNOWN,
                capabilities: Capabilities::KNOWN,
            }));
            end.poll(false);
            assert!(end.link.session().agreement().is_some());
        }
        end
    }

    pub(crate) fn run(mut self, input: &Input) {
        for call in input.calls.iter().take(MAX_CALLS) {
            self.make(call);
            self.check();
        }
        // What is there is taken in, and comes to an end.
        for _ in 0..4 * self.receiver.capacity() + 64 {
            self.poll(false);
            self.take(true);
            self.check();
        }
        assert!(self.link.session().control().is_none());
    }

    fn make(&mut self, call: &Call) {
        match *call {
            Call::Chunk { .. } => self.send_chunk(call),
            Call::Packet { opcode, operands } => {
                let operands = operands.map(|value| value.get(self.size));
                self.forge(opcode, operands);
            }
            Call::Take { all } => self.take(all),
            Call::Poll { ticks, ref leak } => {
                self.now += u64::from(ticks);
                self.poll(*leak == Rarely::Yes);
            }
            Call::Negotiate(ticks) => {
                let _ = self.link.negotiate(self.now + u64::from(ticks));
            }
            Call::Message {
                connection,
                len,
                unsized_,
            } => {
                let connection = u64::from(connection % 8);
                let begun = if unsized_ {
                    self.link.begin_unsized(connection)
                } else {
                    self.link.begin_message(connection, u64::from(len))
                };
                self.begun(begun.ok());
            }
            Call::Request { connection, len } => {
                let (connection, len) = (u64::from(connection % 8), u64::from(len));
                let begun = self.link.begin_request(connection, 1, len);
                self.begun(begun.ok());
            }
            Call::Response { which, len } => {
                if let Some(index) = pick(self.requests.len(), which) {
                    let request = self.requests.swap_remove(index);
                    let begun = self
                        .link
                        .begin_response(&request, 2, len % 2 == 0, len.into());
                    self.begun(begun.ok());
                }
            }
            Call::Advance { which, len, chunks } => {
                if let Some(index) = pick(self.transfers.len(), which) {
                    self.advance(index, usize::from(len), usize::from(chunks % 8));
                }
            }
            Call::Reserve {
                which,
                len,
                ends,
                leak,
            } => {
                if let Some(index) = pick(self.transfers.len(), which) {
                    self.reserve(index, usize::from(len), ends, leak);
                }
            }
            Call::Abort(which) => {
                if let Some(index) = pick(self.transfers.len(), which) {
                    let mut transfer = self.transfers.swap_remove(index);
                    self.link.abort(&mut transfer);
                    assert!(transfer.is_finished());
                }
            }
            Call::Cancel { connection, id } => {
                let (connection, id) = (u64::from(connection % 8), u64::from(id));
                let pending = self.link.session().pending_calls();
                if self.link.cancel_call(connection, id) {
                    assert_eq!(self.link.session().pending_calls(), pending - 1);
                }
            }
            Call::Discard(which) => {
                if let Some(index) = pick(self.arriving.len(), which) {
                    let key = self.arriving.swap_remove(index);
                    let _ = self.link.discard(&key);
                }
            }
            Call::Listen(listening) => self.link.listen(listening),
            Call::Dial => {
                let _ = self.link.dial();
            }
            Call::Accept(id) => {
                let _ = self.link.accept_stream(u64::from(id % 8));
            }
            Call::Refuse(id) => {
                let _ = self.link.refuse_stream(u64::from(id % 8));
            }
            Call::Close(id) => {
                let _ = self.link.close_stream(u64::from(id % 8), Reason::NORMAL);
            }
            Call::Pause { connection, paused } => {
                self.link.set_paused(u64::from(connection % 8), paused);
            }
            Call::TryRequest(len) => {
                let len = usize::from(len);
                let pending = self.link.session().pending_calls();
                let key = self.link.try_request(1, &BODY[..len]);
                let is_sent = key.unwrap_or_else(|error| panic!("{error}")).is_some();
                assert!(!is_sent || len <= self.size.min(self.max));
                let more = self.link.session().pending_calls() - pending;
                assert_eq!(more, usize::from(is_sent));
            }
            Call::TryRespond { which, len } => {
                if let Some(index) = pick(self.requests.len(), which) {
                    let request = self.requests[index];
                    let len = usize::from(len);
                    let sent = self
                        .link
                        .try_respond(&request, 2, len % 2 == 0, &BODY[..len]);
                    if sent.unwrap_or_else(|error| panic!("{error}")) {
                        assert!(len <= self.size.min(self.max));
                        let _ = self.requests.swap_remove(index);
                    }
                }
            }
            Call::TakeWhole { wanted, lent } => self.take_whole(wanted, lent),
        }
    }

    fn begun(&mut self, transfer: Option<Transfer>) {
        if self.transfers.len() < MAX_TRANSFERS {
            self.transfers.extend(transfer);
        } else if let Some(mut transfer) = transfer {
            self.link.abort(&mut transfer);
        }
    }

    fn advance(&mut self, index: usize, len: usize, chunks: usize) {
        let transfer = &mut self.transfers[index];
        let before = transfer.offset();
        let body = &BODY[..len.min(BODY.len())];
        let (first, second) = body.split_at(body.len() / 3);
        let pieces = [first, second].into_iter();
        let result = self.link.advance_pieces(transfer, pieces, chunks);
        let moved = transfer.offset() - before;
        assert!(moved <= (chunks * self.size) as u64);
        assert!(moved == 0 || transfer.offset() <= body.len() as u64);
        match result {
            Ok(Progress::Finished) => assert!(transfer.is_finished()),
            Ok(_) => assert!(!transfer.is_finished()),
            Err(error) => {
                assert!(!error.to_string().is_empty());
                let mut transfer = self.transfers.swap_remove(index);
                self.link.abort(&mut transfer);
                return;
            }
        }
        if self.transfers[index].is_finished() {
            let _ = self.transfers.swap_remove(index);
        }
    }

    fn reserve(&mut self, index: usize, len: usize, ends: bool, leak: bool) {
        let transfer = &mut self.transfers[index];
        let before = transfer.offset();
        let Ok(Some(mut grant)) = self.link.try_reserve_chunk(transfer) else {
            return;
        };
        assert!(grant.capacity() <= self.size);
        let copied = grant.copy_from(0, &BODY[..len]);
        assert_eq!(copied.is_ok(), len <= self.size);
        // One that is leaked blocks a ring that could be shared, and is documented to.
        if leak && self.format == Format::V2 {
            mem::forget(grant);
        } else if grant.commit(len, ends).is_ok() {
            assert_eq!(transfer.offset() - before, len as u64);
        }
    }

    fn poll(&mut self, leak: bool) {
        // A ring's worth of events, and what happened besides, have an end.
        for _ in 0..4 * self.receiver.capacity() + 64 {
            let event = match self.link.poll(self.now) {
                Ok(Some(event)) => event,
                Ok(None) => return,
                // What was forged is a packet, not the ring.
                Err(error) => panic!("{error}"),
            };
            match event {
                Event::Message { key, body, .. } => {
                    assert!(body.len() <= self.size.max(MESSAGE));
                    assert!(body.len() <= self.max);
                    if key.kind == MessageKind::Request && self.requests.len() < 16 {
                        self.requests.push(key);
                    }
                    read(body, leak);
                }
                Event::Chunk { arrival, body } => {
                    assert_eq!(arrival.len, body.len());
                    assert!(body.len() <= self.size);
                    assert!(arrival.slot.is_none_or(|slot| slot < ASSEMBLIES));
                    if arrival.offset == 0 && self.arriving.len() < 16 {
                        self.arriving.push(arrival.key);
                    }
                    read(body, leak);
                }
                Event::Notice(Notice::Discarded(key, reason)) => {
                    assert!(!reason.to_string().is_empty());
                    assert_ne!(key.kind, MessageKind::Response);
                }
                Event::Malformed(error) => assert!(!error.to_string().is_empty()),
                _ => {}
            }
        }
        panic!("events without end");
    }

    fn check(&self) {
        let session = self.link.session();
        assert!(session.arriving() <= ASSEMBLIES);
        assert!(session.pending_calls() <= PENDING);
        assert!(session.streams() <= CONNECTIONS);
    }
}

fn read<C: Consumer>(body: Body<'_, C>, leak: bool) {
    let mut bytes = [0; 512];
    assert_eq!(body.copy_to(0, &mut bytes), body.len());
    let rest = body.copy_to(body.len() / 2, &mut bytes);
    assert_eq!(rest, body.len() - body.len() / 2);
    if leak {
        mem::forget(body);
    }
}

fn pick(len: usize, which: u8) -> Option<usize> {
    (len > 0).then(|| usize::from(which) % len.max(1))
}
