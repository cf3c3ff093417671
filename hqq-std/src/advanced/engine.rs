//! What all threads of a link share, under its lock: the protocol's state, both halves, and what
//! arrived. Nothing here waits.

mod express;
mod served;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use foldhash::{HashMap, HashMapExt};
use hqq_core::advanced::{
    Arrival, CallFailure, ChunkRefusal, DiscardReason, MessageKey, Notice, PollError, Session,
    Step, Transfer,
};
use hqq_core::packet::{ErrorCode, Features, MessageKind, Packet};
use hqq_core::{Format, Role, TryRecvError, TrySendError};

use super::arriving::{Arriving, Share};
use super::error::{BodyFailure, LinkFailure, TransferError};
use super::options::AdvancedOptions;
use super::stats::{Began, Recorder};
use super::waiters::{Interest, Waiters};
use crate::link::{MISSING, Receiver, Sender};
pub(super) use express::Look;
use express::{Taken, Want};
use served::Served;

/// Messages that can arrive in parts at a time, at most; see `AdvancedOptions::max_assemblies`.
pub(super) const ASSEMBLIES: usize = 256;
/// Calls that can wait for their answers.
pub(super) const PENDING: usize = 4096;
/// Streams that can be open.
pub(super) const CONNECTIONS: usize = 256;
/// Packets that are taken in before others get at the lock.
const BATCH: usize = 32;
/// Polls after which the clock is read again; between two of them lies a millisecond at most.
const CLOCK: u32 = 64;
/// How long nothing may come before it is looked whether the peer lives.
const SILENCE: Duration = Duration::from_millis(100);
/// How long a message that is too long to be put together may hold up the ring before anybody has
/// begun to read messages as they come.
const GRACE: Duration = Duration::from_secs(1);
/// What a message that nobody has taken counts for besides its bytes: what the shortest chunk costs
/// of a stream's credit.
const OVERHEAD: usize = 64;
/// Refusals that wait for room in the ring; further ones are dropped.
const REFUSALS: usize = 256;

/// A call that was begun.
#[derive(Debug)]
pub(super) struct PendingCall {
    pub(super) connection: u64,
    began: Option<Began>,
    /// Its answer is read as it comes.
    pub(super) streamed: bool,
    pub(super) answer: Option<Arriving>,
    pub(super) failed: Option<CallFailure>,
    /// Why the request could not be sent to its end.
    pub(super) unsent: Option<TransferError>,
}

impl PendingCall {
    const fn new(connection: u64, began: Option<Began>, streamed: bool) -> Self {
        Self {
            connection,
            began,
            streamed,
            answer: None,
            failed: None,
            unsent: None,
        }
    }
}

/// What came of a message that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advance {
    /// This many bytes of it were sent.
    Sent(usize),
    /// All of it was sent before.
    Finished,
    /// The ring is full.
    NoRoom,
    /// Its stream's receiver has to take something first.
    NoCredit,
    /// Its stream is closed.
    Closed,
}

/// See the module.
///
/// # Invariants
/// `order` names the messages and requests in `arriving` that nobody takes yet, in the order they
/// began; `requests` of them are requests. `streams` and `held` are the sums of the shares of what
/// arrives, answers that are streamed included.
pub(super) struct Engine {
    pub(super) session: Box<Session<ASSEMBLIES, PENDING, CONNECTIONS>>,
    sender: Sender,
    receiver: Receiver,
    pub(super) options: AdvancedOptions,
    started: Instant,
    /// How many peers there were before this one, and the number of the first message to it.
    pub(super) generation: u64,
    /// The last peer has left, and the next one was not seen yet.
    is_between_peers: bool,
    first_message: u64,
    /// The session's clock, as it was read last, and polls until it is read again.
    clock: u64,
    clock_due: u32,
    pub(super) arriving: HashMap<MessageKey, Arriving>,
    pub(super) order: VecDeque<MessageKey>,
    pub(super) calls: HashMap<u64, PendingCall>,
    /// Streams that were dialled: `None` while the peer has not answered.
    pub(super) dials: HashMap<u64, Option<Result<(), ErrorCode>>>,
    pub(super) offered: VecDeque<u64>,
    served: Served,
    refusals: VecDeque<Transfer>,
    /// Bytes that stop a stream, where there are any.
    streams: HashMap<u64, usize>,
    held: Share,
    requests: usize,
    stalled_since: Option<Instant>,
    /// Somebody reads messages as they come, or may yet: see [`Engine::is_stalled`].
    pub(super) streams_read: bool,
    grace_used: bool,
    /// Since when whoever waits has seen nothing come.
    silent_since: Option<Instant>,
    pub(super) failure: Option<LinkFailure>,
    pub(super) recorder: Recorder,
    pub(super) waiters: Waiters,
    /// Somebody drives the ring.
    pub(super) driven: bool,
    pub(super) closed: bool,
}

impl Engine {
    pub(super) fn new(sender: Sender, receiver: Receiver, options: AdvancedOptions) -> Self {
        let (count, size) = (sender.capacity(), sender.max_message_size());
        let (role, format) = (sender.role(), sender.format());
        Self {
            session: Box::new(Session::new(role, format, count, size, options.session())),
            sender,
            receiver,
            options,
            started: Instant::now(),
            generation: 0,
            is_between_peers: false,
            first_message: 0,
            clock: 0,
            clock_due: 0,
            arriving: HashMap::new(),
            order: VecDeque::new(),
            calls: HashMap::new(),
            dials: HashMap::new(),
            offered: VecDeque::new(),
            served: Served::new(),
            refusals: VecDeque::new(),
            streams: HashMap::new(),
            held: Share::default(),
            requests: 0,
            stalled_since: None,
            streams_read: false,
            grace_used: false,
            silent_since: None,
            failure: None,
            recorder: Recorder::new(),
            waiters: Waiters::default(),
            driven: false,
            closed: false,
        }
    }

    pub(super) fn format(&self) -> Format {
        self.sender.format()
    }

    /// Bytes in a buffer.
    pub(super) fn buffer_size(&self) -> usize {
        self.sender.max_message_size()
    }

    /// Begins anew with the peer that comes next: everything of the last one is over.
    // A session passes through the stack here: inlined, each caller would have that frame.
    #[cold]
    #[inline(never)]
    pub(super) fn renew(&mut self) {
        let layout = (self.sender.capacity(), self.sender.max_message_size());
        let options = self.options.session();
        let (role, format) = (self.role(), self.format());
        // Calls and messages of this side's that are under way are told by their numbers.
        self.first_message = self.session.next_message_id();
        *self.session = Session::new(role, format, layout.0, layout.1, options);
        self.session.number_from(self.first_message);
        self.generation += 1;
        self.fail(LinkFailure::Disconnected);
        self.arriving.clear();
        self.order.clear();
        self.calls.clear();
        self.dials.clear();
        self.offered.clear();
        self.refusals.clear();
        self.streams.clear();
        (self.held, self.requests, self.stalled_since) = (Share::default(), 0, None);
        self.grace_used = false;
        self.served.cancel_all();
        self.failure = None;
    }

    /// As [`Engine::renew`], after the last peer has left: until the next one comes nothing fails.
    pub(super) fn renew_for_next(&mut self) {
        self.renew();
        self.is_between_peers = true;
    }

    /// Whether there is nobody to talk to, which is no failure.
    fn awaits_peer(&mut self) -> bool {
        self.is_between_peers = self.is_between_peers && !self.has_peer();
        self.is_between_peers
    }

    /// Whether a message of this side's was for a peer that has gone.
    pub(super) const fn is_of_earlier_peer(&self, id: u64) -> bool {
        id < self.first_message
    }

    /// Whether a peer is attached and alive.
    pub(super) fn has_peer(&mut self) -> bool {
        self.receiver.is_peer_open() && !self.receiver.is_peer_dead()
    }

    /// Whether something besides messages waits for room in the ring.
    pub(super) fn has_control(&self) -> bool {
        self.failure.is_none() && (self.session.has_control() || !self.refusals.is_empty())
    }

    /// Packets that the peer has not taken out of the ring.
    pub(super) fn unread(&self) -> usize {
        self.sender.unread()
    }

    pub(super) fn role(&self) -> Role {
        self.sender.role()
    }

    /// Bytes that arrived and were not taken.
    pub(super) fn buffered(&self) -> usize {
        let answers = self.calls.values().filter_map(|call| call.answer.as_ref());
        let all = self.arriving.values().chain(answers);
        all.map(Arriving::buffered).sum()
    }

    /// The session's clock: milliseconds. It is read now and then only, which costs much less; who
    /// waits polls often enough.
    fn now(&mut self) -> u64 {
        if self.clock_due == 0 {
            self.clock_due = CLOCK;
            self.clock = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        }
        self.clock_due -= 1;
        self.clock
    }

    /// When a session's deadline is, for a wait until `deadline`.
    pub(super) fn ticks(&self, deadline: Option<Instant>) -> u64 {
        deadline.map_or(u64::MAX, |deadline| {
            let since = deadline.saturating_duration_since(self.started);
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }

    /// The link is over: everybody learns of it.
    pub(super) fn fail(&mut self, failure: LinkFailure) {
        if self.failure.is_some() {
            return;
        }
        self.failure = Some(failure);
        self.served.cancel_all();
        for arriving in self
            .arriving
            .values_mut()
            .filter(|arriving| !arriving.is_over())
        {
            arriving.failed = Some(BodyFailure::Link(failure));
        }
        for call in self.calls.values_mut() {
            if let Some(answer) = call.answer.as_mut().filter(|answer| !answer.is_over()) {
                answer.failed = Some(BodyFailure::Link(failure));
            }
        }
        self.waiters.wake_all();
    }

    /// Looks whether the peer's process has died, where nothing has come for a while.
    pub(super) fn look_for_death(&mut self) {
        let since = *self.silent_since.get_or_insert_with(Instant::now);
        if since.elapsed() < SILENCE {
            return;
        }
        self.silent_since = None;
        // What is to be repaired is, whoever waits here; that is recorded for everybody else.
        self.receiver.attachment().attend();
        if !self.awaits_peer() && self.receiver.is_peer_dead() && !self.receiver.is_readable() {
            self.fail(LinkFailure::PeerDead);
        }
    }

    /// Moves everything on that can be moved without waiting; says whether anything was.
    pub(super) fn poll(&mut self) -> bool {
        if self.failure.is_some() {
            return false;
        }
        let awaits_peer = self.awaits_peer();
        let mut progress = self.flush();
        let now = self.now();
        while let Some(notice) = self.session.next_notice(now) {
            self.notice(notice);
            progress = true;
        }
        for _ in 0..BATCH {
            if awaits_peer || self.failure.is_some() || self.is_stalled() {
                break;
            }
            match self.take_packet(now, Want::Nothing) {
                Ok(Taken::Nothing) => break,
                Ok(_) => progress = true,
                Err(failure) => {
                    self.fail(failure);
                    return true;
                }
            }
            while let Some(notice) = self.session.next_notice(now) {
                self.notice(notice);
            }
        }
        if progress {
            self.silent_since = None;
            self.flush();
            self.waiters.wake(Interest::Any);
        }
        if self.waiters.has(Interest::Room) && self.sender.is_writable() {
            self.waiters.wake(Interest::Room);
        }
        progress
    }

    /// Takes one packet in. What `want` names is given to the caller at once, and nobody else hears of
    /// it.
    fn take_packet(&mut self, now: u64, want: Want) -> Result<Taken, LinkFailure> {
        if self.receiver.is_truncated() {
            return Err(LinkFailure::Corrupt(PollError::Corrupt(MISSING)));
        }
        let grant = match self.receiver.core().try_next_packet() {
            Ok(grant) => grant,
            // The packet is gone, and nothing else with it.
            Err(TryRecvError::Malformed(_) | TryRecvError::Peer(_)) => return Ok(Taken::Other),
            Err(TryRecvError::Disconnected) => return Err(LinkFailure::Disconnected),
            Err(TryRecvError::PeerDead) => return Err(LinkFailure::PeerDead),
            Err(TryRecvError::Corrupt(found)) => {
                return Err(LinkFailure::Corrupt(PollError::Corrupt(found)));
            }
            Err(_) => return Ok(Taken::Nothing),
        };
        let len = grant.len();
        let wanted = want.is(grant.packet());
        if !wanted {
            // From now on anything may come of a call.
            want.keep(&mut self.calls);
        }
        if let Packet::Negotiate(offer) = *grant.packet()
            && self.options.successors
            && self.session.agreement().is_some()
        {
            drop(grant);
            self.renew();
            self.session.accept(&offer.into(), 0, now);
            return Ok(Taken::Other);
        }
        let step = self.session.accept(grant.packet(), len, now);
        if wanted {
            if let Step::Chunk(arrival) = step {
                self.recorder.bytes_received += len as u64;
                let mut body = zeroed(len);
                grant.copy_to(0, &mut body);
                return Ok(Taken::Wanted(arrival, body));
            }
            want.keep(&mut self.calls);
        }
        match step {
            Step::Nothing => {}
            Step::Notice(notice) => {
                drop(grant);
                self.notice(notice);
            }
            Step::Chunk(arrival) => {
                self.recorder.bytes_received += len as u64;
                let arriving = match arrival.key.kind {
                    MessageKind::Response => {
                        let call = self.calls.get_mut(&arrival.key.id);
                        call.map(|call| {
                            let streamed = call.streamed;
                            call.answer.get_or_insert_with(|| begun(&arrival, streamed))
                        })
                    }
                    _ if arrival.offset == 0 => {
                        self.order.push_back(arrival.key);
                        self.requests += usize::from(arrival.key.kind == MessageKind::Request);
                        let fresh = self.arriving.entry(arrival.key);
                        Some(fresh.insert_entry(begun(&arrival, false)).into_mut())
                    }
                    _ => self.arriving.get_mut(&arrival.key),
                };
                if let Some(arriving) = arriving {
                    grant.copy_to(0, arriving.room(len));
                    arriving.complete = arrival.last;
                    arriving.progressed |= arrival.offset > 0;
                    drop(grant);
                    self.arrived(&arrival);
                }
            }
        }
        Ok(Taken::Other)
    }

    /// A chunk was stored.
    fn arrived(&mut self, arrival: &Arrival) {
        let key = arrival.key;
        if key.kind == MessageKind::Response {
            self.answer_arrived(arrival);
            return;
        }
        self.recount(&key);
        let Some(arriving) = self.arriving.get(&key) else {
            return;
        };
        let is_request = key.kind == MessageKind::Request;
        let begins = arrival.offset == 0;
        let share = arriving.accounted;
        let refused = share.assembly > 0 && self.held.assembly > self.options.max_assembly_bytes
            || share.request > 0 && self.is_too_much(share.request)
            || is_request && begins && self.requests > self.options.incoming_queue
            || is_request && !arriving.taken && arriving.buffered() > self.options.max_message_size;
        let is_crowded = begins && self.session.arriving() > self.options.max_assemblies;
        if is_crowded && !refused {
            let victim = self.idle_beginning(&key).unwrap_or(key);
            self.refuse(&victim);
        }
        if refused {
            self.refuse(&key);
        } else if arrival.last {
            match key.kind {
                MessageKind::Request => self.recorder.requests_received += 1,
                _ => self.recorder.messages_received += 1,
            }
        }
    }

    /// Whether a request that has come is more than may wait; one always may.
    fn is_too_much(&self, request: usize) -> bool {
        self.held.request > self.options.incoming_bytes.max(request)
    }

    /// The oldest message that has not got past its first part and that nobody reads, but for one.
    fn idle_beginning(&self, except: &MessageKey) -> Option<MessageKey> {
        self.order.iter().copied().find(|key| {
            let is_idle = |arriving: &Arriving| !arriving.progressed && !arriving.is_over();
            key != except && self.arriving.get(key).is_some_and(is_idle)
        })
    }

    fn answer_arrived(&mut self, arrival: &Arrival) {
        let max = self.options.max_message_size;
        let Some(call) = self.calls.get_mut(&arrival.key.id) else {
            return;
        };
        let Some(answer) = &mut call.answer else {
            return;
        };
        if answer.complete {
            self.recorder.answered(call.began);
        } else if !answer.taken && answer.buffered() > max {
            let len = answer.buffered() as u64;
            let reason = DiscardReason::TooLong {
                len,
                max: max as u64,
            };
            self.refuse_answer(arrival.key.id, reason);
        }
        self.recount_answer(arrival.key.id);
        if !arrival.last && self.held.assembly > self.options.max_assembly_bytes {
            self.refuse_answer(arrival.key.id, DiscardReason::NoRoom);
        }
        self.waiters.wake(Interest::Call(arrival.key.id));
    }

    /// Gives up a call whose answer cannot be put together; what came of it makes room.
    fn refuse_answer(&mut self, id: u64, reason: DiscardReason) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| {
            let answer = call.answer.as_ref();
            answer.is_some_and(|answer| !answer.taken)
        }) else {
            return;
        };
        let connection = call.connection;
        let accounted = call.answer.take().map(|answer| answer.accounted);
        call.failed = Some(CallFailure::Discarded(reason));
        self.session.cancel_call(connection, id);
        self.account(connection, Share::default(), accounted.unwrap_or_default());
    }

    /// As [`Engine::recount`], for an answer: what somebody reads as it comes stops its stream, what is
    /// put together takes memory.
    fn recount_answer(&mut self, id: u64) {
        if let Some(call) = self.calls.get_mut(&id)
            && let Some(answer) = call.answer.as_mut()
        {
            let (bytes, mut now) = (answer.buffered(), Share::default());
            if answer.taken {
                now.stream = bytes;
            } else if !answer.is_over() {
                now.assembly = bytes;
            }
            let before = std::mem::replace(&mut answer.accounted, now);
            let connection = call.connection;
            self.account(connection, now, before);
        }
    }

    /// Bytes that a stream may have waiting.
    fn window(&self) -> usize {
        self.sender
            .capacity()
            .saturating_mul(self.sender.max_message_size())
    }

    /// What the bytes of a message count as. Its stream stops for those that somebody has to take
    /// before more can come; not for requests, as answers come on the same stream: too many of them
    /// are refused instead.
    fn share(&self, arriving: &Arriving) -> Share {
        let max = self.options.max_message_size as u64;
        let is_assembled = arriving.total.is_some_and(|total| total <= max);
        let bytes = arriving.buffered();
        let mut share = Share::default();
        match arriving.key.kind {
            _ if arriving.taken => share.stream = bytes,
            _ if is_assembled && !arriving.is_over() => share.assembly = bytes,
            MessageKind::Request if arriving.is_over() => share.request = bytes,
            // Also empty ones take memory.
            _ => share.stream = bytes + OVERHEAD.min(self.buffer_size()),
        }
        share
    }

    /// Brings the sums up to date after a message's bytes, or what they count for, have changed.
    pub(super) fn recount(&mut self, key: &MessageKey) {
        let Some(now) = self.arriving.get(key).map(|arriving| self.share(arriving)) else {
            return;
        };
        if let Some(arriving) = self.arriving.get_mut(key) {
            let before = std::mem::replace(&mut arriving.accounted, now);
            self.account(key.connection, now, before);
        }
    }

    /// A message on a stream counts as `now` where it counted as `before`; tells the peer to stop
    /// sending there, or to go on, where that is time.
    fn account(&mut self, connection: u64, now: Share, before: Share) {
        self.held.assembly = self.held.assembly + now.assembly - before.assembly;
        self.held.request = self.held.request + now.request - before.request;
        self.held.stream = self.held.stream + now.stream - before.stream;
        let window = self.window();
        let is_crowded = self.held.stream > self.options.incoming_bytes
            || self.messages() > self.options.incoming_queue;
        let bytes = self.streams.entry(connection).or_insert(0);
        *bytes = *bytes + now.stream - before.stream;
        match *bytes {
            0 => {
                self.streams.remove(&connection);
                self.session.set_paused(connection, false);
            }
            bytes if bytes >= window || is_crowded => self.session.set_paused(connection, true),
            bytes if bytes <= window / 2 => self.session.set_paused(connection, false),
            _ => {}
        }
    }

    /// Messages, without requests, that nobody has taken.
    fn messages(&self) -> usize {
        self.order.len() - self.requests
    }

    /// Whether nothing more may be taken out of the ring: too much waits to be received, and the
    /// peer cannot be told to stop a single stream.
    fn is_stalled(&mut self) -> bool {
        if self.held.stream == 0 && self.order.is_empty() {
            self.stalled_since = None;
            return false;
        }
        let credits = self
            .session
            .agreement()
            .is_some_and(|agreement| agreement.features.contains(Features::CREDIT));
        let window = self.window();
        let full = if credits {
            // No peer gets there that keeps to its credits: on each stream it may send one window
            // before it is told to stop, and has another under way.
            let streams = self.session.streams() + 1;
            let most = [
                self.options.incoming_bytes,
                self.options.max_assembly_bytes,
                streams.saturating_mul(window.saturating_mul(3)),
            ];
            self.held.stream > most.into_iter().fold(0, usize::saturating_add)
        } else {
            self.held.stream > window.max(self.options.incoming_bytes)
                || self.messages() >= self.options.incoming_queue
        };
        if !full {
            self.stalled_since = None;
            return false;
        }
        // Where nobody reads messages as they come, one that cannot be put together holds up all others:
        // once for as long as a program may take to get there, then not at all.
        let patience = match (self.streams_read, self.grace_used) {
            (true, _) => self.options.patience,
            (false, false) => self.options.patience.min(GRACE),
            (false, true) => Duration::ZERO,
        };
        let since = *self.stalled_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= patience {
            self.stalled_since = None;
            self.grace_used |= self.drop_unreadable();
        }
        true
    }

    /// Drops the oldest message that nobody takes and that cannot be assembled either; `false` where
    /// there is none.
    fn drop_unreadable(&mut self) -> bool {
        let found = self.order.iter().copied().find(|key| {
            self.arriving
                .get(key)
                .is_some_and(|arriving| !arriving.is_over() && !arriving.taken)
        });
        if let Some(key) = found {
            self.refuse(&key);
        }
        found.is_some()
    }

    /// Gives a message that arrives up; of a request, the caller is told.
    fn refuse(&mut self, key: &MessageKey) {
        self.forget(key);
        match self.session.discard_for_room(key) {
            Some(notice) => self.notice(notice),
            // All of it has come: only this side knows of it.
            None if key.kind == MessageKind::Request => {
                let status = ErrorCode::BufferOverflow.as_code();
                if let Ok(transfer) = self.session.begin_response(key, status, true, Some(0))
                    && self.refusals.len() < REFUSALS
                {
                    self.refusals.push_back(transfer);
                }
            }
            None => {}
        }
    }

    /// Removes a message that nobody is to get any more.
    pub(super) fn forget(&mut self, key: &MessageKey) -> Option<Arriving> {
        let arriving = self.arriving.remove(key)?;
        self.unlist(key);
        self.account(key.connection, Share::default(), arriving.accounted);
        Some(arriving)
    }

    /// Takes a message off the list of those that can be received.
    pub(super) fn unlist(&mut self, key: &MessageKey) {
        if let Some(index) = self.order.iter().position(|other| other == key) {
            self.order.remove(index);
            self.requests -= usize::from(key.kind == MessageKind::Request);
        }
    }

    fn end_body(&mut self, key: &MessageKey, failure: BodyFailure) {
        match self.arriving.get_mut(key) {
            // Its reader learns of it.
            Some(arriving) if arriving.taken => {
                arriving.failed = Some(failure);
                self.recount(key);
            }
            Some(_) => {
                self.forget(key);
            }
            None => {}
        }
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Aborted(key) => {
                self.served.cancel(&key);
                self.end_body(&key, BodyFailure::Aborted);
                if self.arriving.get(&key).is_some_and(Arriving::is_over) {
                    self.forget(&key);
                }
            }
            Notice::Discarded(key, reason) => self.end_body(&key, BodyFailure::Discarded(reason)),
            Notice::CallFailed { id, failure, .. } => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.failed = Some(failure);
                    if let Some(answer) = &mut call.answer {
                        answer.failed = Some(match failure {
                            CallFailure::Discarded(reason) => BodyFailure::Discarded(reason),
                            CallFailure::Closed => BodyFailure::StreamClosed,
                            _ => BodyFailure::Aborted,
                        });
                    }
                }
                self.recount_answer(id);
                self.waiters.wake(Interest::Call(id));
            }
            Notice::Offered(id) => self.offered.push_back(id),
            Notice::Opened(id) => {
                if let Some(dial) = self.dials.get_mut(&id) {
                    *dial = Some(Ok(()));
                }
            }
            Notice::Refused { connection, code } => {
                if let Some(dial) = self.dials.get_mut(&connection) {
                    *dial = Some(Err(code));
                }
            }
            Notice::Closed { connection, .. } => self.stream_closed(connection),
            // What has no meaning here is no reason to stop: the packet is gone.
            _ => {}
        }
    }

    /// A stream is over, at either end: who reads from it learns so.
    pub(super) fn stream_closed(&mut self, connection: u64) {
        self.offered.retain(|id| *id != connection);
        let keys: Vec<MessageKey> = self
            .arriving
            .values()
            .filter(|arriving| arriving.key.connection == connection && !arriving.is_over())
            .map(|arriving| arriving.key)
            .collect();
        for key in keys {
            self.end_body(&key, BodyFailure::StreamClosed);
        }
    }

    /// Sends what is to be sent besides messages; says whether anything was.
    fn flush(&mut self) -> bool {
        if !self.session.has_control() && self.refusals.is_empty() || self.is_between_peers {
            return false;
        }
        let mut progress = false;
        while let Some((control, packet)) = self.session.control() {
            match self.sender.core().try_send_packet(&packet) {
                Ok(()) => self.session.control_sent(control),
                Err(error) => {
                    self.unsent(error);
                    return progress;
                }
            }
            progress = true;
        }
        while let Some(mut transfer) = self.refusals.pop_front() {
            if let Advance::NoRoom | Advance::NoCredit = self.advance(&mut transfer, &[], true) {
                self.refusals.push_front(transfer);
                break;
            }
            progress = true;
        }
        progress
    }

    fn unsent(&mut self, error: TrySendError) {
        match error {
            TrySendError::Disconnected => self.fail(LinkFailure::Disconnected),
            TrySendError::PeerDead => self.fail(LinkFailure::PeerDead),
            TrySendError::Corrupt(found) => {
                self.fail(LinkFailure::Corrupt(PollError::Corrupt(found)));
            }
            _ => {}
        }
    }

    /// Sends the next chunk of a message, of which `bytes` come next; `ends` where its size was not
    /// known and these are its last.
    pub(super) fn advance(&mut self, transfer: &mut Transfer, bytes: &[u8], ends: bool) -> Advance {
        let key = transfer.key();
        let is_given_up = match key.kind {
            MessageKind::Request => !self.calls.contains_key(&key.id),
            // It was for an earlier peer.
            MessageKind::Plain => self.is_of_earlier_peer(key.id),
            MessageKind::Response => false,
        };
        if is_given_up {
            return Advance::Closed;
        }
        let packet = match self.session.next_chunk(transfer, bytes.len() as u64, ends) {
            Ok(packet) => packet,
            Err(ChunkRefusal::NoCredit) => return Advance::NoCredit,
            Err(ChunkRefusal::Finished) => return Advance::Finished,
            Err(_) => return Advance::Closed,
        };
        let len = usize::try_from(packet.chunk().chunk_size).unwrap_or(usize::MAX);
        let chunk = bytes.get(..len).unwrap_or_default();
        match self.sender.core().try_send_chunk(packet, chunk) {
            Ok(()) => {
                self.session.chunk_sent(transfer, &packet);
                self.recorder.bytes_sent += len as u64;
                Advance::Sent(len)
            }
            Err(error) => {
                self.unsent(error);
                Advance::NoRoom
            }
        }
    }

    /// Notes that a call was begun.
    pub(super) fn call_begun(&mut self, key: &MessageKey, streamed: bool) {
        let began = self.recorder.begun();
        let call = PendingCall::new(key.connection, began, streamed);
        self.calls.insert(key.id, call);
    }

    /// The request of a call could not be sent to its end.
    pub(super) fn call_unsent(&mut self, id: u64, error: TransferError) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.unsent = Some(error);
            self.waiters.wake(Interest::Call(id));
        }
    }

    /// Gives a call up, answered or not.
    pub(super) fn end_call(&mut self, id: u64) {
        if let Some(call) = self.calls.remove(&id) {
            self.session.cancel_call(call.connection, id);
            if let Some(answer) = &call.answer {
                self.account(call.connection, Share::default(), answer.accounted);
            }
            self.flush();
        }
    }

    /// Reads from the answer to a call; the rest of its stream goes on once there is room.
    pub(super) fn read_answer(&mut self, id: u64, to: &mut [u8]) -> usize {
        let Some(call) = self.calls.get_mut(&id) else {
            return 0;
        };
        let read = call.answer.as_mut().map_or(0, |answer| answer.read(to));
        self.recount_answer(id);
        self.flush();
        read
    }

    /// Notes that a request was handed out; what this gives says whether its caller has given up.
    pub(super) fn serve(&mut self, key: MessageKey) -> Arc<AtomicBool> {
        self.served.begin(key)
    }

    /// Notes that a request was answered.
    pub(super) fn served(&mut self, key: &MessageKey) {
        self.served.end(key);
    }

    /// Nobody reads a message as it comes any more: the rest is dropped.
    pub(super) fn drop_body(&mut self, key: &MessageKey) {
        self.forget(key);
        // A request's caller is not told: an answer may still be made without all of it.
        if key.kind == MessageKind::Plain {
            self.session.discard(key);
        }
        self.flush();
    }

    /// Lets the peer know at once what it may send, after something was taken.
    pub(super) fn taken(&mut self, key: &MessageKey) {
        self.recount(key);
        self.flush();
    }
}

/// So many zeros.
#[inline]
#[allow(
    clippy::slow_vector_initialization,
    reason = "for a short one `calloc` takes several times as long"
)]
fn zeroed(len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    bytes.resize(len, 0);
    bytes
}

fn begun(arrival: &Arrival, taken: bool) -> Arriving {
    let mut arriving = Arriving::new(arrival.key, arrival.aux, arrival.error, arrival.total);
    arriving.taken = taken;
    arriving
}
