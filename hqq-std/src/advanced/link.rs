//! The Advanced link that threads share.

mod answering;
mod calling;
mod pieces;
mod reading;
mod receiving;
mod sending;
mod streams;
mod tasks;

pub(super) use answering::Answer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hqq_core::advanced::{Agreement, MessageKey, NegotiateError, NegotiationState};
use hqq_core::{Format, Role};

use super::engine::{Engine, SHORT_SLICE};
use super::error::{BodyFailure, LinkFailure, NegotiationError};
use super::options::AdvancedOptions;
use super::owner::Owner;
use super::shared::Shared;
use super::stats::AdvancedStats;
use super::waiters::Interest;
use crate::error::OpenError;
use crate::link::StandardLink;
use crate::options::LinkOptions;

/// The longest request that is sent under one lock with the first looks for its answer.
const AT_ONCE: usize = 4096;

/// One end of the Advanced protocol, for any number of threads; clones are the same end. Dropping the
/// last closes it.
///
/// # What moves it
/// A link moves only while some call of it waits, whichever, or a future of it is pending: then what comes is
/// taken in for all, credit and refusals are sent, deaths are noticed. In between nothing is: the peer's
/// messages stay in the ring, and a peer that waits for an answer, or for room, goes on waiting. So keep a thread
/// in a call such as [`receive`](AdvancedLink::receive) or [`Server::serve`](super::Server::serve) where the peer
/// is not to depend on this end's own calls. Only what such a call could not say any more (an abort, a refusal)
/// is sent later by a thread in the background, which is started for that, or for the first future.
///
/// # Event loops
/// It has no descriptor as a half of a [`StandardLink`] has ([`Readiness`](crate::wait::Readiness)): that could not tell whose answer has come, and
/// somebody has to move the link before there is one. Its futures do for any loop, each with a waker that makes a
/// descriptor readable; what moves the link is the thread in the background then.
/// ```
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
/// use std::sync::Arc;
/// use std::task::{Context, Poll, Wake, Waker};
/// use hqq_std::{AdvancedLink, AdvancedOptions};
/// use rustix::event::{PollFd, PollFlags, poll};
///
/// struct Bell(UnixStream);
/// impl Wake for Bell {
///     fn wake(self: Arc<Self>) {
///         // It fails where it is full, and readable therefore.
///         let _ = (&self.0).write(&[1]);
///     }
/// }
///
/// let (near, far) = hqq_std::pair()?;
/// let options = AdvancedOptions::new();
/// let (near, far) = (AdvancedLink::new(near, options), AdvancedLink::new(far, options));
/// let sender = std::thread::spawn(move || {
///     near.negotiate(None)?;
///     near.send_large(b"wake up")?;
///     Ok::<(), std::io::Error>(())
/// });
/// far.wait_for_negotiation(None)?;
/// let (readable, bell) = UnixStream::pair()?;
/// bell.set_nonblocking(true)?;
/// let waker = Waker::from(Arc::new(Bell(bell)));
/// let mut receiving = Box::pin(far.receive_async());
/// let message = loop {
///     if let Poll::Ready(message) = receiving.as_mut().poll(&mut Context::from_waker(&waker)) {
///         break message?;
///     }
///     // With whatever else the loop waits for.
///     poll(&mut [PollFd::new(&readable, PollFlags::IN)], None)?;
///     (&readable).read(&mut [0; 64])?;
/// };
/// assert_eq!(message.body(), b"wake up");
/// sender.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Peers that stand still
/// A peer that was stopped is not told from one that takes long: calls end at their deadlines (`TimedOut`), and those
/// without one wait. [`PeerStalled`](crate::SendError::PeerStalled) says which member of a shared side has a slot in its hand; here each side
/// has one, and an exclusive side's claims are seen by nobody.
///
/// # What it copies
/// Bytes of messages are copied into the ring once, and out of it once, into memory of this side's; what a reader
/// gives, twice into it. Filling a buffer in place, and reading one there, are for `hqq-core`'s
/// [`AdvancedLink`](hqq_core::advanced::AdvancedLink) alone: threads share the ring of this one under a lock, which
/// whoever fills or reads a slot would hold up for all others, calls included, for as long as that takes.
///
/// # Example
/// ```
/// use hqq_std::{AdvancedLink, AdvancedOptions, Message};
/// let (near, far) = hqq_std::pair()?;
/// let options = AdvancedOptions::new();
/// let (near, far) = (AdvancedLink::new(near, options), AdvancedLink::new(far, options));
/// let server = std::thread::spawn(move || {
///     far.wait_for_negotiation(None)?;
///     while let Ok(Message::Request(request)) = far.receive() {
///         let answer = request.body().to_ascii_uppercase();
///         far.respond(&request, &answer)?;
///     }
///     Ok::<(), std::io::Error>(())
/// });
/// near.negotiate(None)?;
/// let answer = near.call(7, b"hello")?;
/// assert_eq!(answer, b"HELLO");
/// drop(near);
/// server.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AdvancedLink {
    owner: Arc<Owner>,
}

impl AdvancedLink {
    /// Takes a link over; nothing else may have been sent on it.
    #[must_use]
    pub fn new(link: StandardLink, options: AdvancedOptions) -> Self {
        let (sender, receiver) = link.split();
        let engine = Engine::new(sender, receiver, options);
        Self::of(Arc::new_cyclic(|owner| Owner::new(engine, owner)))
    }

    pub(super) const fn of(owner: Arc<Owner>) -> Self {
        Self { owner }
    }

    /// Creates a named region and takes a role in it; see [`LinkOptions::create`].
    ///
    /// # Errors
    /// As there: where the name is taken or no name, the options do not fit together, or the system has no
    /// room.
    pub fn create(
        name: &str,
        region: &LinkOptions,
        options: AdvancedOptions,
    ) -> Result<Self, OpenError> {
        Ok(Self::new(region.create(name)?, options))
    }

    /// Opens a named region and takes a role in it; see [`LinkOptions::open`].
    ///
    /// # Errors
    /// As there: where there is no such region, it is none of HQQ's or another one than was asked for, or its
    /// roles are taken.
    pub fn open(
        name: &str,
        region: &LinkOptions,
        options: AdvancedOptions,
    ) -> Result<Self, OpenError> {
        Ok(Self::new(region.open(name)?, options))
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.owner.shared
    }

    pub(super) fn start_background(&self) -> Result<(), LinkFailure> {
        // Without a thread nobody would ever drive the ring for tasks.
        self.owner
            .start_background()
            .map_err(|error| LinkFailure::NoThread(error.kind()))
    }

    /// Sees to it that the peer gets to know what was just decided, also where the ring is full now
    /// and this thread goes on to something else.
    pub(super) fn settle(&self) {
        let mut engine = self.shared().lock();
        engine.poll();
        if !engine.has_control() {
            return;
        }
        drop(engine);
        // Without a thread the next call of this link sends it.
        if self.start_background().is_ok() {
            self.shared().notify_background();
        }
    }

    /// The role this end has.
    #[must_use]
    pub fn role(&self) -> Role {
        self.shared().lock().role()
    }

    /// The format of its region.
    #[must_use]
    pub fn format(&self) -> Format {
        self.shared().lock().format()
    }

    /// Waits until a peer is attached; `false` where none came in time, in a forked child, and where the file
    /// was made shorter. In format 1 that is not told, and always so.
    #[must_use]
    pub fn wait_for_peer(&self, timeout: Option<Duration>) -> bool {
        let mut waiter = self.shared().lock().waiter();
        waiter
            .within(timeout)
            .wait_for(|| {
                let mut engine = self.shared().lock();
                if engine.is_forked() {
                    return Some(false);
                }
                let has_peer = engine.has_peer();
                let is_over = engine.is_truncated();
                (has_peer || is_over).then_some(!is_over)
            })
            .unwrap_or(false)
    }

    /// Begins anew with the peer that comes next, after the last one has left: nothing is agreed on,
    /// and what belonged to the last peer is over. What other threads send or have asked fails as if the
    /// peer had just left; who receives or accepts waits on, for the next one, as do all that come later.
    pub fn renew(&self) {
        let mut engine = self.shared().lock();
        if engine.failure == Some(LinkFailure::Closed) || engine.is_forked() {
            return;
        }
        engine.renew_for_next();
        if engine.has_control() {
            // The next one has asked already.
            engine.poll();
        }
        drop(engine);
        self.shared().kick();
    }

    /// Ends the link for all of its handles: what waits on it fails with [`LinkFailure::Closed`], and so
    /// does what is begun later. The peer learns of it once the last handle is dropped.
    pub fn close(&self) {
        let mut engine = self.shared().lock();
        engine.fail(LinkFailure::Closed);
        // Also where it has failed before: it is not to be renewed.
        engine.failure = Some(LinkFailure::Closed);
        drop(engine);
        self.shared().kick();
    }

    /// Packets that were sent and that the peer has not taken out of the ring.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.shared().lock().unread()
    }

    /// Waits until the peer has taken everything out of the ring that was sent; `false` where it has
    /// not until `deadline`, the link is over, or the peer has left and this end takes nothing in, as too much waits to be
    /// received.
    #[must_use]
    pub fn wait_drained(&self, deadline: Option<Instant>) -> bool {
        let mut waiter = self.shared().lock().waiter();
        // What other threads find out does not wake this one.
        waiter.set_most(SHORT_SLICE);
        let drained = waiter.until(deadline).wait_for(|| {
            let mut engine = self.shared().lock();
            engine.poll();
            engine.look_for_death(false);
            match (engine.unread(), engine.unanswered()) {
                (0, _) => Some(true),
                (_, Some(_)) => Some(false),
                _ => None,
            }
        });
        drained.unwrap_or(false)
    }

    /// Asks the peer to negotiate and waits for its answer until `deadline`; `None` is for ever.
    ///
    /// # Errors
    /// [`NegotiationError::Negotiate`] where this end has asked before, the two do not fit, or the peer refuses;
    /// [`NegotiationError::TimedOut`] where it did not answer in time, after which this end cannot ask again;
    /// [`NegotiationError::Link`] where the link is over, or ends meanwhile.
    pub fn negotiate(&self, deadline: Option<Instant>) -> Result<Agreement, NegotiationError> {
        let mut engine = self.shared().lock();
        let ticks = engine.ticks(deadline);
        engine
            .session
            .negotiate(ticks)
            .map_err(NegotiationError::Negotiate)?;
        drop(engine);
        // Whichever clock has noticed it first.
        self.agreed(deadline).map_err(|error| match error {
            NegotiationError::Negotiate(NegotiateError::TimedOut) => NegotiationError::TimedOut,
            error => error,
        })
    }

    /// Waits until the peer has asked to negotiate, until `deadline`; `None` is for ever. It is answered by
    /// whatever call of this link is waiting.
    ///
    /// # Errors
    /// [`NegotiationError::Negotiate`] where the two do not fit; [`NegotiationError::TimedOut`] where the peer has
    /// not asked in time: it still may; [`NegotiationError::Link`] where the link is over, or ends meanwhile.
    pub fn wait_for_negotiation(
        &self,
        deadline: Option<Instant>,
    ) -> Result<Agreement, NegotiationError> {
        self.agreed(deadline)
    }

    fn agreed(&self, deadline: Option<Instant>) -> Result<Agreement, NegotiationError> {
        let agreed = self
            .shared()
            .wait(deadline, |engine| match engine.session.negotiation() {
                NegotiationState::Agreed(agreement) => Ok(Ok(agreement)),
                NegotiationState::Failed(error) => Ok(Err(NegotiationError::Negotiate(error))),
                _ => match engine.failure {
                    Some(failure) => Ok(Err(failure.into())),
                    None => Err(Interest::Any),
                },
            });
        agreed.unwrap_or(Err(NegotiationError::TimedOut))
    }

    /// What was agreed on.
    #[must_use]
    pub fn agreement(&self) -> Option<Agreement> {
        self.shared().lock().session.agreement()
    }

    /// A message or request that died on its way to this end, and why: given up by its sender (not requests,
    /// whose callers know), or dropped here. The oldest first, each once, at most the last 64 of them; not those
    /// that somebody reads as they come, as the reader tells. Answers are not among them: their calls fail.
    /// [`AdvancedStats::dropped`](super::AdvancedStats) counts them all.
    #[must_use]
    pub fn take_dead(&self) -> Option<(MessageKey, BodyFailure)> {
        self.shared().lock().take_dead()
    }

    /// What this end has done.
    #[must_use]
    pub fn stats(&self) -> AdvancedStats {
        let mut engine = self.shared().lock();
        let request_latency = engine.request_latency().cloned();
        let recorder = &engine.recorder;
        AdvancedStats {
            messages_sent: recorder.messages_sent,
            messages_received: recorder.messages_received,
            requests_sent: recorder.requests_sent,
            requests_received: recorder.requests_received,
            responses_sent: recorder.responses_sent,
            responses_received: recorder.responses_received,
            bytes_sent: recorder.bytes_sent,
            bytes_received: recorder.bytes_received,
            malformed: recorder.malformed,
            dropped: engine.session.counters(),
            pending_calls: engine.session.pending_calls(),
            arriving: engine.session.arriving(),
            buffered_bytes: engine.buffered(),
            streams: engine.session.streams(),
            messages_unhandled: recorder.messages_unhandled,
            call_latency: recorder.latency().cloned(),
            request_latency,
        }
    }
}
