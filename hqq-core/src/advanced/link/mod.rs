//! A session over the two halves of a link.

mod error;
mod send;

pub use error::{AdvanceError, PollError, Progress};
pub use send::ChunkGrant;

use error::{ended, unsent};

use super::event::{Body, Bytes, Event};
use super::session::{Session, SessionOptions, Step};
use super::{Arrival, MessageKey, NegotiateError, Notice, Transfer};
use crate::layout::Format;
use crate::link::{Claim, Decoded, Receiver, SHORT_WAYS, Sender, TryRecvError};
use crate::member::Role;
use crate::packet::{Reason, Sound};
use crate::ring::{Consumer, Producer};

/// Packets that one poll takes in without an event.
const STEPS: usize = 64;

/// What becomes of messages that arrive in several chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Reception {
    /// They are assembled, up to `MESSAGE` bytes each.
    #[default]
    Assemble,
    /// Each chunk is an event of its own; a message has no limit.
    Stream,
}

/// One end of the Advanced protocol: at most `ASSEMBLIES` messages of up to `MESSAGE` bytes that
/// arrive in several chunks at a time, `PENDING` (a power of two) calls and `CONNECTIONS` streams.
///
/// Everything happens in [`AdvancedLink::poll`], which never waits; `now` is the caller's clock, in
/// ticks of any length. A message that is sent is a [`Transfer`], moved on in between; several of them
/// moved on in turn share the ring fairly.
///
/// ```
/// use hqq_core::StaticRegion;
/// use hqq_core::advanced::{AdvancedLink, Event, Progress, SessionOptions};
/// use hqq_core::{Format, Role};
/// static REGION: StaticRegion<8, 64> = StaticRegion::new();
/// let (near, far) = REGION.take().ok_or("taken only once")?;
/// let end = |halves, role| {
///     AdvancedLink::<_, _, 4, 256, 4, 2>::new(halves, role, Format::V2, SessionOptions::new())
/// };
/// let mut near = end(near.split(), Role::Primary);
/// let mut far = end(far.split(), Role::Secondary);
/// near.negotiate(1000)?;
/// for now in 0..4 {
///     near.poll(now)?;
///     far.poll(now)?;
/// }
/// let question = [7; 200];
/// let mut request = near.begin_request(0, 42, 200)?;
/// assert_eq!(near.advance(&mut request, &question, 10)?, Progress::Finished);
/// let mut answer = None;
/// while let Some(event) = far.poll(4)? {
///     if let Event::Message { key, aux: 42, body, .. } = event {
///         answer = Some((key, body.len()));
///     }
/// }
/// let (request, len) = answer.ok_or("no request came")?;
/// let mut response = far.begin_response(&request, 0, false, 3)?;
/// far.advance(&mut response, len.to_string().as_bytes(), 10)?;
/// if let Some(Event::Message { key, body, .. }) = near.poll(5)? {
///     let mut text = [0; 3];
///     assert_eq!((key.id, body.copy_to(0, &mut text)), (request.id, 3));
///     assert_eq!(&text, b"200");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AdvancedLink<
    P: Producer,
    C: Consumer,
    const ASSEMBLIES: usize,
    const MESSAGE: usize,
    const PENDING: usize,
    const CONNECTIONS: usize,
> {
    sender: Sender<P>,
    receiver: Receiver<C>,
    session: Session<ASSEMBLIES, PENDING, CONNECTIONS>,
    assemblies: [[u8; MESSAGE]; ASSEMBLIES],
    reception: Reception,
}

impl<
    P: Producer,
    C: Consumer,
    const ASSEMBLIES: usize,
    const MESSAGE: usize,
    const PENDING: usize,
    const CONNECTIONS: usize,
> AdvancedLink<P, C, ASSEMBLIES, MESSAGE, PENDING, CONNECTIONS>
{
    /// The end that has `role` in a region of `format`, over the halves of its link. Messages have at
    /// most the bytes that `options` say; those that arrive in several chunks at most `MESSAGE`.
    #[must_use]
    pub fn new(
        (sender, receiver): (Sender<P>, Receiver<C>),
        role: Role,
        format: Format,
        options: SessionOptions,
    ) -> Self {
        let (count, size) = (sender.capacity(), sender.max_message_size());
        let mut session = Session::new(role, format, count, size, options);
        session.set_assembled(Some(MESSAGE as u64));
        Self {
            sender,
            receiver,
            session,
            assemblies: [[0; MESSAGE]; ASSEMBLIES],
            reception: Reception::Assemble,
        }
    }

    /// What becomes of messages that arrive in several chunks; before the first of them.
    #[must_use]
    pub const fn with_reception(mut self, reception: Reception) -> Self {
        self.session.set_assembled(match reception {
            Reception::Assemble => Some(MESSAGE as u64),
            Reception::Stream => None,
        });
        self.reception = reception;
        self
    }

    /// The state of this end.
    #[must_use]
    pub const fn session(&self) -> &Session<ASSEMBLIES, PENDING, CONNECTIONS> {
        &self.session
    }

    /// As [`Session::negotiate`].
    ///
    /// # Errors
    /// As there.
    pub fn negotiate(&mut self, deadline: u64) -> Result<(), NegotiateError> {
        self.session.negotiate(deadline)
    }

    /// Sends what there is to send besides messages, takes in what came, and gives the next event;
    /// `None` where there is none for now, or 64 packets led to none.
    ///
    /// # Errors
    /// [`PollError`]; nothing more will come.
    pub fn poll(&mut self, now: u64) -> Result<Option<Event<'_, C>>, PollError> {
        let mut step = Step::Nothing;
        let mut packet = Decoded::Nothing;
        let mut left = STEPS;
        let mut is_empty = false;
        let found = loop {
            let is_due = left == STEPS || left == 0 || self.session.is_crowded();
            if is_due && (is_empty || !self.session.is_about_to_offer()) {
                match self.flush() {
                    // That nobody will hear of it is no reason not to listen: what the peer had sent before
                    // it left is received first.
                    Err(PollError::Disconnected | PollError::PeerDead) if !is_empty => {}
                    result => result?,
                }
            }
            // Also what a packet led to besides: it is reported before anything that came later.
            if matches!(step, Step::Nothing) && self.session.may_have_notice() {
                self.session.look_for_notice(now, &mut step);
            }
            if let Step::Notice(notice) = step {
                return Ok(Some(Event::Notice(notice)));
            }
            if left == 0 {
                return Ok(None);
            }
            left -= 1;
            let claimed = match self.receiver.claim_packet(&mut packet) {
                Ok(claimed) => claimed,
                // Tombstones were passed over: there may be more behind them.
                Err(TryRecvError::Busy) => continue,
                Err(TryRecvError::Malformed(error)) => return Ok(Some(Event::Malformed(error))),
                Err(error) => {
                    ended(error)?;
                    self.session.emptied(now);
                    is_empty = true;
                    left = 0;
                    continue;
                }
            };
            let len = claimed.len();
            match &packet {
                // The condition, for the compiler: otherwise there are none.
                Decoded::Chunk(copy) if SHORT_WAYS => step = self.session.accept_copy(copy, len),
                Decoded::Other(other) => self.session.accept_sound(other, len, &mut step),
                _ => {}
            }
            let Step::Chunk(arrival) = &step else {
                self.receiver.release_packet(&claimed);
                continue;
            };
            let (Reception::Assemble, Some(slot)) = (self.reception, arrival.slot) else {
                break Found::InRing(claimed);
            };
            let assembled = self.assemble(slot, arrival.offset, &claimed);
            self.receiver.release_packet(&claimed);
            match assembled {
                Some(len) if arrival.last => break Found::Assembled(slot, len),
                Some(_) => step = Step::Nothing,
                // Not where the session kept to what it was told there is room for.
                None => {
                    let key = arrival.key;
                    step = Step::Nothing;
                    self.session.drop_telling(&key, &mut step);
                }
            }
        };
        match &step {
            Step::Chunk(arrival) => Ok(Some(self.event(arrival, found))),
            _ => Ok(None),
        }
    }

    /// The event of a chunk whose bytes lie there.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn event(&mut self, arrival: &Arrival, found: Found) -> Event<'_, C> {
        let reception = self.reception;
        let body = Body(match found {
            Found::InRing(packet) => {
                self.receiver.hold_packet(&packet);
                Bytes::Slot {
                    receiver: &mut self.receiver,
                    packet,
                }
            }
            Found::Assembled(slot, len) => {
                let bytes = self.assemblies.get(slot);
                let bytes = bytes.and_then(|bytes| bytes.get(..len));
                Bytes::Assembled(bytes.unwrap_or_default())
            }
        });
        match reception {
            Reception::Stream => Event::Chunk {
                arrival: *arrival,
                body,
            },
            Reception::Assemble => Event::Message {
                key: arrival.key,
                aux: arrival.aux,
                error: arrival.error,
                body,
            },
        }
    }

    /// Adds a chunk to the message in `slot`, from byte `offset` on; says how many bytes there are then,
    /// `None` where it does not fit.
    // Chunks follow each other without a gap, so that what came before is all that is before.
    fn assemble(&mut self, slot: usize, offset: u64, claimed: &Claim) -> Option<usize> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(claimed.len())?;
        let to = self.assemblies.get_mut(slot)?.get_mut(start..end)?;
        let copied = self.receiver.copy_packet(claimed, 0, to);
        (copied == claimed.len()).then_some(end)
    }

    /// Sends what the session has to tell, as far as there is room.
    #[inline]
    fn flush(&mut self) -> Result<(), PollError> {
        if self.session.has_control() {
            return self.send_control();
        }
        Ok(())
    }

    #[inline(never)]
    fn send_control(&mut self) -> Result<(), PollError> {
        let mut packet = Sound::EMPTY;
        while let Some(control) = self.session.tell(&mut packet) {
            match self.sender.try_send_sound(&packet) {
                Ok(()) => self.session.control_sent(control),
                Err(error) => return unsent(error),
            }
        }
        Ok(())
    }

    /// Sends some of what waits before more is added that would be dropped.
    fn make_room(&mut self) {
        if self.session.is_crowded() {
            // Why it failed, the next poll finds, too.
            let _ = self.flush();
        }
    }

    /// As [`Session::abort`].
    pub fn abort(&mut self, transfer: &mut Transfer) {
        self.make_room();
        self.session.abort(transfer);
    }

    /// As [`Session::discard`].
    pub fn discard(&mut self, key: &MessageKey) -> Option<Notice> {
        self.session.discard(key)
    }

    /// As [`Session::cancel_call`].
    pub fn cancel_call(&mut self, connection: u64, id: u64) -> bool {
        self.make_room();
        self.session.cancel_call(connection, id)
    }

    /// As [`Session::listen`].
    pub const fn listen(&mut self, listening: bool) {
        self.session.listen(listening);
    }

    /// As [`Session::dial`].
    pub fn dial(&mut self) -> Option<u64> {
        self.session.dial()
    }

    /// As [`Session::accept_stream`].
    pub fn accept_stream(&mut self, connection: u64) -> bool {
        self.session.accept_stream(connection)
    }

    /// As [`Session::refuse_stream`].
    pub fn refuse_stream(&mut self, connection: u64) -> bool {
        self.session.refuse_stream(connection)
    }

    /// As [`Session::close_stream`].
    pub fn close_stream(&mut self, connection: u64, reason: Reason) -> bool {
        self.session.close_stream(connection, reason)
    }

    /// As [`Session::set_paused`].
    pub fn set_paused(&mut self, connection: u64, paused: bool) {
        self.session.set_paused(connection, paused);
    }
}

/// Where the bytes of an event lie.
enum Found {
    /// In the buffer of this packet.
    InRing(Claim),
    /// Put together: the place, and how many there are.
    Assembled(usize, usize),
}
