//! A descriptor that event loops wait on: readable while there may be messages, or room.
//!
//! The half that is asked for it starts one helper thread, which sleeps where the half would and
//! makes the descriptor readable when it is woken. When a `try_` call of the half finds nothing it
//! makes the descriptor unreadable, puts the flag up that has the peer wake (PROTOCOL.md, W3), and
//! looks once more: what comes after that look makes the descriptor readable again, and so does the half
//! itself if that look finds anything.
//!
//! The helper also looks after the living and the dead, as a call does that waits. What only the half can
//! do, taking over what a dead receiver of its side was reading, it leaves to the half's next call.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hqq_core::ring::wake::Ticket;

use super::{Berth, berth};
use crate::attach::Attachment;
use crate::fork::notice_child;
use crate::sys::{self, Slept};

/// Longest sleep of the helper, which looks so often whether its peer lives, however often it is woken.
const SLICE: Duration = Duration::from_millis(250);
/// How often a half whose peer wakes nobody looks by itself.
const POLL: Duration = Duration::from_millis(1);

/// What half and helper share.
struct Signal {
    /// The helper's end; a byte in it makes the other end readable.
    set: UnixStream,
    seen: UnixStream,
    /// The half found nothing since the descriptor was last made readable.
    wanted: AtomicBool,
    /// A dead receiver of the half's side may have left messages, which a receiver has to take over.
    heritage: AtomicBool,
    closed: AtomicBool,
}

impl Signal {
    fn set(&self) {
        // Relaxed: says only whether writing is of use; the stream orders what it carries.
        self.wanted.store(false, Ordering::Relaxed);
        // It fails where it is full, and then the other end is readable.
        let _ = (&self.set).write(&[1]);
    }

    fn clear(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.seen).read(&mut bytes), Ok(read) if read == bytes.len()) {}
    }
}

/// A descriptor that is readable while the half it belongs to may have messages (a receiver) or room
/// (a sender), for `poll`, `epoll`, mio, tokio's `AsyncFd` and the like.
///
/// *Level*: it is readable from when something may be there until a `try_` call of the half reports
/// [`Empty`](hqq_core::TryRecvError::Empty) or [`Full`](hqq_core::TrySendError::Full); also when the
/// peer closes, comes or dies, and when another receiver of the half's side has died and left messages in doubt. *Edge*: after such a report each piece of news makes it
/// readable anew, so that edge-triggered loops call until that report, too. It may be readable with
/// nothing there, and is so every quarter of a second while nothing comes: a peer that was stopped before it
/// woke anybody, or means harm, keeps no loop from what is there for longer. Nobody reads from the descriptor itself.
///
/// An [`AdvancedLink`](crate::AdvancedLink) has no descriptor: await its futures instead.
///
/// Calls that wait do not disturb it and are not seen by it. Clones are the same descriptor; it stays
/// valid, and is no longer made readable, when the half is gone. In a forked child it is the parent's: what
/// the child's half does changes nothing of it.
///
/// ```
/// use std::os::fd::AsFd;
/// use rustix::event::{PollFd, PollFlags, poll};
/// let (mut near, mut far) = hqq_std::pair()?;
/// let readiness = far.receiver().readiness()?;
/// let mut message = [0; 64];
/// assert!(far.receiver().try_recv(&mut message).is_err());
/// near.send(b"wake up")?;
/// let mut polled = [PollFd::new(&readiness, PollFlags::IN)];
/// assert_eq!(poll(&mut polled, None)?, 1);
/// assert_eq!(far.receiver().try_recv(&mut message), Ok(7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Readiness(Arc<Signal>);

impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.seen.as_fd()
    }
}

impl AsRawFd for Readiness {
    fn as_raw_fd(&self) -> RawFd {
        self.0.seen.as_raw_fd()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readiness").field(&self.as_raw_fd()).finish()
    }
}

/// A half's descriptor and its helper thread.
pub(crate) struct Ready {
    signal: Arc<Signal>,
    berth: Option<Berth>,
    helper: Option<JoinHandle<()>>,
    /// After the berth: it keeps its memory.
    attachment: Arc<Attachment>,
}

impl Ready {
    /// A descriptor that is readable, and its helper.
    pub(crate) fn new(berth: Option<Berth>, attachment: Arc<Attachment>) -> io::Result<Self> {
        let (set, seen) = UnixStream::pair()?;
        set.set_nonblocking(true)?;
        seen.set_nonblocking(true)?;
        let signal = Arc::new(Signal {
            set,
            seen,
            wanted: AtomicBool::new(true),
            heritage: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        // From before the half first finds nothing: whatever has it woken later is a change.
        let ticket = berth.as_ref().map(|berth| berth.words().ticket());
        signal.set();
        let helper = std::thread::Builder::new()
            .name("hqq-ready".to_owned())
            .spawn({
                let (signal, berth) = (Arc::clone(&signal), berth.clone());
                let attachment = Arc::clone(&attachment);
                move || help(&signal, berth.as_ref(), ticket, &attachment)
            })?;
        Ok(Self {
            signal,
            berth,
            helper: Some(helper),
            attachment,
        })
    }

    pub(crate) fn readiness(&self) -> Readiness {
        Readiness(Arc::clone(&self.signal))
    }

    /// The half found nothing: makes the descriptor unreadable and has the peer wake the helper. The
    /// half looks once more after this. Nothing in a forked child: the descriptor is its parent's, for whom
    /// it stays readable.
    #[cold]
    pub(crate) fn rearm(&self) {
        if self.attachment.is_forked() {
            return;
        }
        self.signal.clear();
        // Relaxed: as in `set`.
        self.signal.wanted.store(true, Ordering::Relaxed);
        if let Some(berth) = &self.berth {
            // The helper sleeps on the sequence whatever it is: it sees every change.
            let _ = berth.arm();
            if !berth::barrier() {
                self.signal.set();
            }
        }
    }

    /// The half's last look, after [`Ready::rearm`], found something. Nothing in a forked child, as there.
    pub(crate) fn stay_readable(&self) {
        if !self.attachment.is_forked() {
            self.signal.set();
        }
    }

    /// Whether `take` took something over, which is called where a dead receiver may have left messages.
    pub(crate) fn inherits(&self, take: impl FnOnce() -> bool) -> bool {
        // Relaxed: says only whether looking is of use. Where it was of none because somebody else was at it,
        // the helper says so anew, a slice later.
        let inherits = self.signal.heritage.swap(false, Ordering::Relaxed) && take();
        if inherits {
            // It takes one at a time.
            self.signal.heritage.store(true, Ordering::Relaxed);
        }
        inherits
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        notice_child();
        // Release: pairs with the Acquire in `help`.
        self.signal.closed.store(true, Ordering::Release);
        if let Some(berth) = &self.berth {
            berth.kick();
        }
        match self.helper.take() {
            // A forked child has no such thread.
            helper if self.attachment.is_forked() => std::mem::forget(helper),
            // It has nothing to say.
            helper => drop(helper.map(JoinHandle::join)),
        }
    }
}

impl Signal {
    /// Looks whether somebody has died, repairs what that one left, and says what is left for the half.
    fn attend(&self, attachment: &Attachment, receives: bool) {
        attachment.look_out();
        let repaired = attachment.attend();
        let is_in_doubt = repaired.is_some_and(|repaired| repaired.in_doubt > 0);
        if receives && is_in_doubt && attachment.has_heritage() {
            // Relaxed: as in `Ready::inherits`.
            self.heritage.store(true, Ordering::Relaxed);
            self.set();
        }
    }
}

/// What the helper does until the half is gone. `attachment` keeps the memory of `berth`.
fn help(
    signal: &Signal,
    berth: Option<&Berth>,
    mut ticket: Option<Ticket>,
    attachment: &Attachment,
) {
    let mut news = 0;
    let mut looked = Instant::now();
    let receives = berth.is_some_and(Berth::is_consumer);
    attachment.look_out();
    // Acquire: pairs with the Release in `drop`.
    while !signal.closed.load(Ordering::Acquire) {
        let (Some(berth), Some(last)) = (berth.filter(|berth| berth.is_woken()), ticket) else {
            std::thread::sleep(POLL);
            if looked.elapsed() >= SLICE {
                signal.attend(attachment, receives);
                looked = Instant::now();
            }
            // Relaxed: as in `Signal::set`.
            if signal.wanted.load(Ordering::Relaxed) {
                signal.set();
            }
            continue;
        };
        let slept = sys::sleep(&[(berth.words(), last)], SLICE);
        // Read before the descriptor is set: a change after that is seen by the next sleep.
        let now = berth.words().ticket();
        let is_told = attachment.has_news(&mut news);
        // Not only where nothing woke it: others may publish behind what a dead sender left, and a peer that
        // means harm may wake for nothing.
        let is_time = slept == Slept::TimedOut || looked.elapsed() >= SLICE;
        if is_told || is_time {
            signal.attend(attachment, receives);
            looked = Instant::now();
        }
        // The half looks as often as one that waits in a call would: that its peer has died is told only there,
        // and a flag that somebody has taken down who woke nobody keeps all other news from this thread.
        // Relaxed: as in `Signal::set`.
        let has_to_look = is_time && signal.wanted.load(Ordering::Relaxed);
        if now != last || is_told || has_to_look {
            ticket = Some(now);
            signal.set();
        }
    }
}
