//! What all threads of a link share, under its lock: the protocol's state, both halves, and what
//! arrived. Nothing here waits.

mod bounds;
mod express;
mod incoming;
mod outgoing;
mod peer;
mod served;
mod turns;

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use foldhash::{HashMap, HashMapExt};
use hqq_core::advanced::{CallFailure, MessageKey, Session, Transfer};
use hqq_core::packet::{Negotiate, Packet};
use hqq_core::{Format, Role};

use super::arriving::{Arriving, Share};
use super::error::{BodyFailure, DialError, LinkFailure, TransferError};
use super::options::AdvancedOptions;
use super::spare::Spare;
use super::stats::{Began, Recorder};
use super::waiters::{Interest, Kicker, Waiters};
use crate::attach::Attachment;
use crate::fork::Generation;
use crate::link::{Receiver, Sender};
use crate::wait::{Berth, Waiter};
use bounds::{Loose, Stall};
pub(super) use express::Look;
use express::{Taken, Want};
use served::Served;
pub(super) use served::Ticket;
pub(super) use turns::Place;
use turns::Turns;

/// Messages that can arrive in parts at a time, at most; see `AdvancedOptions::max_assemblies`.
pub(super) const ASSEMBLIES: usize = 256;
/// Calls that can wait for their answers.
pub(super) const PENDING: usize = 4096;
/// Streams that can be open.
pub(super) const CONNECTIONS: usize = 256;
/// Longest sleep of who drives: it looks then whether the peer lives. With calls under way, which a
/// death ends, that is sooner.
const SLICE: Duration = Duration::from_millis(250);
const CALL_SLICE: Duration = Duration::from_millis(50);
/// The same where what others do is no news of the ring, or patience ends.
pub(super) const SHORT_SLICE: Duration = Duration::from_millis(5);
/// Packets that are taken in before others get at the lock.
const BATCH: usize = 32;
/// Polls after which the clock is read again, unless whoever drives has slept.
const CLOCK: u32 = 64;
/// How long nothing may come before it is looked whether the peer lives; each time is twice as long as
/// the one before, up to the longest sleep.
const SILENCE: Duration = Duration::from_millis(10);
/// How long a message that is too long to be put together may hold up the ring before anybody has
/// begun to read messages as they come; and how long nothing may be taken out of the ring before the end of a peer that
/// has gone until calls end.
const GRACE: Duration = Duration::from_secs(1);
/// What a message that nobody has taken counts for besides its bytes: what the shortest chunk costs
/// of a stream's credit.
const OVERHEAD: usize = 64;
/// Messages that have died that are kept to be asked for; older ones are forgotten.
const DEAD: usize = 64;
/// Refusals that wait for room in the ring; further ones are dropped.
const REFUSALS: usize = PENDING;
/// Other packets that wait for that besides the session's own, at most: a caller may give up all of its
/// calls, and new ones are begun only after the callee was told.
const PUT_OFF: usize = 2 * PENDING;

/// A call that was begun.
#[derive(Debug)]
pub(super) struct PendingCall {
    pub(super) connection: u64,
    began: Option<Began>,
    /// Its answer is read as it comes.
    pub(super) streamed: bool,
    pub(super) answer: Option<Arriving>,
    pub(super) failed: Option<CallFailure>,
    /// The peer died before it took all of the request, and no other gets it.
    pub(super) not_executed: bool,
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
            not_executed: false,
            unsent: None,
        }
    }

    /// Whether the answer is there, or will never come.
    pub(super) fn is_over(&self) -> bool {
        let answer = self.answer.as_ref();
        self.failed.is_some() || answer.is_some_and(Arriving::is_over)
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
    /// The peer has left, though not all was received that it had sent.
    Left(LinkFailure),
}

/// See the module.
///
/// # Invariants
/// `order` names the messages and requests in `arriving` that nobody takes yet, in the order they
/// began; `requests` of them are requests. `streams` and `held` are the sums of the shares of what
/// arrives, answers that are streamed included; `loose` names what has a loose share. `settled` implies [`Engine::is_quiet`].
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
    /// The epochs of the peer's sides, once it was seen and where they are recorded.
    peer: Option<[u32; 2]>,
    /// What the next peer offers, which came before this one was found to have left.
    successor: Option<Negotiate>,
    /// The session's clock, as it was read last, and polls until it is read again.
    clock: u64,
    clock_due: u32,
    pub(super) arriving: HashMap<MessageKey, Arriving>,
    pub(super) order: VecDeque<MessageKey>,
    pub(super) calls: HashMap<u64, PendingCall>,
    /// Streams that were dialled: `None` while the peer has not answered.
    pub(super) dials: HashMap<u64, Option<Result<(), DialError>>>,
    pub(super) offered: VecDeque<u64>,
    /// Streams of the peer's are offered, not refused.
    pub(super) listening: bool,
    served: Served,
    refusals: VecDeque<Transfer>,
    /// What the session had to say, and has no room for; only where it has more to say.
    put_off: VecDeque<Packet>,
    /// Messages that have died and that nobody reads, the newest of them.
    dead: VecDeque<(MessageKey, BodyFailure)>,
    /// Bytes that stop a stream, and those of them that are loose, where there are any.
    streams: HashMap<u64, Share>,
    held: Share,
    /// So much waits on all streams that each with something stops.
    is_crowded: bool,
    /// What cannot be put together and nobody takes.
    loose: Vec<Loose>,
    /// What was given back of messages that were received.
    pub(super) spare: Spare,
    /// Memory of what was read last as it came, for what comes next: see [`Arriving::read`].
    pub(super) kept: Vec<u8>,
    requests: usize,
    stall: Option<Stall>,
    /// Somebody reads messages as they come, or may yet: see [`Engine::is_stalled`].
    pub(super) streams_read: bool,
    /// Somebody receives messages that are no requests.
    pub(super) messages_read: bool,
    grace_used: bool,
    /// When it is looked whether the peer lives, as nothing comes; and how long after that again.
    next_look: Option<Instant>,
    silence: Duration,
    pub(super) failure: Option<LinkFailure>,
    /// Since when the peer is known to have gone beside a ring out of which nothing is taken.
    ended_since: Option<Instant>,
    /// Why no call is answered any more, though the link is not over.
    calls_over: Option<LinkFailure>,
    pub(super) recorder: Recorder,
    pub(super) waiters: Waiters,
    /// Who drives the ring.
    pub(super) driver: Option<ThreadId>,
    /// How many wakers it is in that wait themselves.
    pub(super) nested: u32,
    turns: Turns,
    /// [`Engine::is_quiet`] was found to be so, and nothing has changed since.
    pub(super) settled: bool,
    /// Bytes of what was taken at once and is not [counted](Engine::count_taken) yet.
    taken: Option<u64>,
    pub(super) closed: bool,
    /// The process whose threads these are.
    process: Generation,
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
            peer: None,
            successor: None,
            clock: 0,
            clock_due: 0,
            arriving: HashMap::new(),
            order: VecDeque::new(),
            calls: HashMap::new(),
            dials: HashMap::new(),
            offered: VecDeque::new(),
            listening: false,
            served: Served::new(),
            refusals: VecDeque::new(),
            put_off: VecDeque::new(),
            dead: VecDeque::new(),
            streams: HashMap::new(),
            held: Share::default(),
            is_crowded: false,
            loose: Vec::new(),
            spare: Spare::default(),
            kept: Vec::new(),
            requests: 0,
            stall: None,
            streams_read: false,
            messages_read: false,
            grace_used: false,
            next_look: None,
            silence: SILENCE,
            failure: None,
            ended_since: None,
            calls_over: None,
            recorder: Recorder::new(),
            waiters: Waiters::default(),
            driver: None,
            nested: 0,
            turns: Turns::new(count),
            settled: false,
            taken: None,
            closed: false,
            process: Generation::current(),
        }
    }

    pub(super) fn format(&self) -> Format {
        self.sender.format()
    }

    /// Bytes in a buffer.
    pub(super) fn buffer_size(&self) -> usize {
        self.sender.max_message_size()
    }

    pub(super) fn role(&self) -> Role {
        self.sender.role()
    }

    /// The session's clock: milliseconds. It is read now and then only, which costs much less; who
    /// waits polls often enough.
    fn now(&mut self) -> u64 {
        match self.clock_due.checked_sub(1) {
            Some(due) => {
                self.clock_due = due;
                self.clock
            }
            None => self.read_clock(),
        }
    }

    fn read_clock(&mut self) -> u64 {
        self.clock_due = CLOCK - 1;
        self.clock = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
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
        if self.process.is_over() && failure != LinkFailure::Forked {
            return self.leave_parent();
        }
        // What is missing reads as zeros, of which anything may seem to follow.
        let failure = match failure {
            LinkFailure::Corrupt(_) | LinkFailure::Disconnected | LinkFailure::PeerDead
                if self.is_truncated() =>
            {
                LinkFailure::Truncated
            }
            failure => failure,
        };
        if failure == LinkFailure::PeerDead {
            self.retract_requests();
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

    /// Where whoever drives sleeps: for messages, and for room.
    fn berths(&self) -> [Option<Berth>; 2] {
        [self.receiver.berth(), self.sender.berth()]
    }

    /// What both halves are attached to.
    pub(super) fn attachment(&self) -> Arc<Attachment> {
        Arc::clone(self.receiver.shared_attachment())
    }

    /// A way to wait for either.
    pub(super) fn waiter(&self) -> Waiter {
        let policy = self.receiver.wait_policy();
        Waiter::new(self.berths(), self.attachment(), policy)
    }

    /// What wakes whoever sleeps there.
    pub(super) fn kicker(&self) -> Kicker {
        Kicker::new(self.berths(), self.attachment())
    }

    /// How long whoever drives may sleep: until it is to be looked whether the peer lives, or time itself
    /// ends something.
    pub(super) fn longest_sleep(&self) -> Duration {
        if self.stall.is_some() {
            return SHORT_SLICE;
        }
        let most = self.longest_silence();
        let Some(due) = self.session.next_deadline() else {
            return most;
        };
        // At the next tick it is over.
        let due = Duration::from_millis(due.saturating_add(1));
        let left = due.saturating_sub(self.started.elapsed());
        left.clamp(Duration::from_millis(1), most)
    }

    /// Whoever drives has slept: the clock is to be read again.
    pub(super) const fn time_has_passed(&mut self) {
        self.clock_due = 0;
    }

    /// Moves on what can be moved without waiting, as much as fits into one look; says whether anything was.
    pub(super) fn poll(&mut self) -> bool {
        if self.failure.is_some() {
            return false;
        }
        self.count_taken();
        let awaits_peer = self.awaits_peer();
        self.note_peer();
        // An answer that an earlier end of this side did not take is none to this one's offer.
        let mut is_empty = false;
        let mut progress = !self.session.is_about_to_offer() && self.flush();
        let mut now = self.now();
        while let Some(notice) = self.session.next_notice(now) {
            self.notice(notice);
            if self.session.is_crowded() {
                self.flush();
            }
            progress = true;
        }
        let (mut came, mut to_read) = (false, false);
        for _ in 0..BATCH {
            if to_read || awaits_peer || self.failure.is_some() || self.is_stalled() {
                break;
            }
            match self.take_packet(Want::Nothing, None) {
                Ok(Taken::Nothing) => {
                    // What still arrives gets old from here on.
                    if self.session.arriving() > 0 {
                        now = self.read_clock();
                    }
                    self.session.emptied(now);
                    is_empty = true;
                    break;
                }
                Ok(taken) => {
                    came = true;
                    to_read = matches!(taken, Taken::ToRead);
                }
                Err(failure) => {
                    self.fail(failure);
                    return true;
                }
            }
            while let Some(notice) = self.session.next_notice(now) {
                self.notice(notice);
            }
            if self.session.is_crowded() {
                self.flush();
            }
        }
        if came {
            self.goes_on();
        }
        progress |= came;
        if is_empty || !self.session.is_about_to_offer() {
            progress |= self.flush();
        }
        if progress {
            self.heard();
            self.waiters.wake(Interest::Any);
        }
        if self.waiters.has(Interest::Room) && self.sender.is_writable() {
            self.waiters.wake(Interest::Room);
        }
        progress
    }
}
