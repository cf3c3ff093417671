//! Logical streams: opening, closing, and how much may be sent on each (PROTOCOL.md, "Advanced
//! protocol: streams").

use super::table::Table;
use crate::packet::{ErrorCode, Opcode, Reason, Sound};

/// A stream.
///
/// | state | event | sends | next |
/// |---|---|---|---|
/// | – | this side dials | ConnectionCreate | Dialling |
/// | – | ConnectionCreate, an id of the peer's, agreed, listening, room | – | Offered |
/// | – | ConnectionCreate otherwise | Error (id, 5) | – |
/// | Offered | this side accepts | ConnectionAccept | Open |
/// | Offered | this side refuses or closes | Error (id, 5) | Closing |
/// | Dialling | ConnectionAccept | – | Open |
/// | Dialling | ConnectionCreate of the same id (format 1, both dial) | ConnectionAccept | Open |
/// | Dialling | Error (id, code) | – | – |
/// | Dialling, Open | this side closes | ConnectionClose | Closing |
/// | any | ConnectionClose | – | – |
/// | Closing | what it sends was sent | – | – |
///
/// What waits to be sent when a stream is closed is never sent: a dial that the peer has not heard
/// of is forgotten, and where it was not told that its own was accepted, that is refused. Messages
/// wait until the peer was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum StreamState {
    /// This side asked for it and waits for the answer.
    Dialling,
    /// The peer asked for it and waits for the answer.
    Offered,
    /// Both use it.
    Open,
    /// This side closes it.
    Closing,
}

/// How much of a stream is on its way, where credits were agreed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    /// Bytes that may be sent yet.
    pub(super) sendable: usize,
    /// Bytes that came, and that the peer was not told to have been taken.
    owed: usize,
    /// Nothing is to be told for now.
    paused: bool,
}

impl Flow {
    const fn new(window: usize) -> Self {
        Self {
            sendable: window,
            owed: 0,
            paused: false,
        }
    }

    /// How many bytes to tell the peer of now: at least half a window, as each telling costs a slot.
    const fn credit(&self, window: usize) -> Option<usize> {
        if self.paused || self.owed < window.div_ceil(2) {
            None
        } else {
            Some(self.owed)
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    state: StreamState,
    /// The peer has not been told of its state.
    untold: bool,
    /// The peer was told that this side wants it.
    created: bool,
    /// Where it is closing: the peer's dial is refused.
    refused: bool,
    reason: Reason,
    flow: Flow,
}

/// What a stream, or all of them, has to tell the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    State(u64, StreamState),
    Credit(u64, usize),
}

/// Streams, at most `N`, and the flow of the link itself.
#[derive(Debug)]
pub(super) struct Streams<const N: usize> {
    streams: Table<Stream, N>,
    link: Flow,
    /// The initial credit of a stream in bytes; 0 where credits were not agreed on.
    window: usize,
    next_id: u64,
    id_step: u64,
    /// Streams with something to tell, an upper bound that spares looking at all of them.
    untold: usize,
    /// Whether the peer may be owed credit for one of them: `false` spares looking, too.
    owing: bool,
    pub(super) listening: bool,
}

impl<const N: usize> Streams<N> {
    pub(super) const fn new(first_id: u64, id_step: u64) -> Self {
        Self {
            streams: Table::new(),
            link: Flow::new(0),
            window: 0,
            next_id: first_id,
            id_step,
            untold: 0,
            owing: false,
            listening: false,
        }
    }

    /// Credits were agreed on.
    pub(super) fn set_window(&mut self, window: usize) {
        self.window = window;
        self.link = Flow::new(window);
        for stream in self.streams.values_mut() {
            stream.flow = Flow::new(window);
        }
        self.owing = false;
    }

    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    pub(super) fn state(&self, id: u64) -> Option<StreamState> {
        self.streams.get(id).map(|stream| stream.state)
    }

    fn insert(&mut self, id: u64, state: StreamState, untold: bool) -> bool {
        let stream = Stream {
            state,
            untold,
            created: false,
            refused: false,
            reason: Reason::NORMAL,
            flow: Flow::new(self.window),
        };
        self.untold += usize::from(untold);
        self.streams.insert(id, stream)
    }

    /// A new stream of this side's.
    pub(super) fn dial(&mut self) -> Option<u64> {
        if self.streams.len() == N {
            return None;
        }
        // In format 1 the peer may have taken some, fewer than there is room for; one more is 0.
        for _ in 0..=N {
            let id = self.next_id;
            self.next_id = self.next_id.wrapping_add(self.id_step);
            if id != 0 && !self.streams.contains(id) {
                return self.insert(id, StreamState::Dialling, true).then_some(id);
            }
        }
        None
    }

    /// Whether only this side gives such ids: every other one, in format 2.
    const fn is_own(&self, id: u64) -> bool {
        self.id_step == 2 && id % 2 == self.next_id % 2
    }

    /// The peer asks for a stream: `Some(true)` where it is new, `Some(false)` where it is known,
    /// `None` where it is refused.
    pub(super) fn offered(&mut self, id: u64) -> Option<bool> {
        match self.state(id) {
            Some(StreamState::Dialling) if !self.is_own(id) => {
                self.change(id, StreamState::Open);
                Some(true)
            }
            Some(_) => Some(false),
            None if id == 0 || self.is_own(id) => None,
            None if !self.listening || self.streams.len() == N => None,
            None => self.insert(id, StreamState::Offered, false).then_some(true),
        }
    }

    /// Moves a stream on to a state that the peer is told of.
    fn change(&mut self, id: u64, state: StreamState) {
        if let Some(stream) = self.streams.get_mut(id) {
            self.untold += usize::from(!stream.untold);
            stream.untold = true;
            stream.state = state;
        }
    }

    /// This side accepts a stream; `false` where none is offered.
    pub(super) fn accept(&mut self, id: u64) -> bool {
        let offered = self.state(id) == Some(StreamState::Offered);
        if offered {
            self.change(id, StreamState::Open);
        }
        offered
    }

    /// Whether the peer has to answer a dial of this side's.
    fn is_asked(&self, id: u64) -> bool {
        self.streams
            .get(id)
            .is_some_and(|stream| stream.state == StreamState::Dialling && !stream.untold)
    }

    /// The peer accepts; `false` where this side had not dialled.
    pub(super) fn accepted(&mut self, id: u64) -> bool {
        let asked = self.is_asked(id);
        if asked && let Some(stream) = self.streams.get_mut(id) {
            stream.state = StreamState::Open;
        }
        asked
    }

    /// The peer refuses; `false` where this side had not dialled.
    pub(super) fn refused(&mut self, id: u64) -> bool {
        self.is_asked(id) && self.remove(id).is_some()
    }

    /// This side closes a stream; `false` where there is none.
    pub(super) fn close(&mut self, id: u64, reason: Reason) -> bool {
        let Some(stream) = self.streams.get(id).copied() else {
            return false;
        };
        let refused = match stream.state {
            StreamState::Closing => return false,
            // The peer never hears of it.
            StreamState::Dialling if stream.untold => return self.remove(id).is_some(),
            StreamState::Dialling => false,
            StreamState::Offered => true,
            // The peer still waits for an answer, unless it took this side's dial for one.
            StreamState::Open => stream.untold && !stream.created,
        };
        self.change(id, StreamState::Closing);
        if let Some(stream) = self.streams.get_mut(id) {
            stream.reason = reason;
            stream.refused = refused;
        }
        true
    }

    /// Forgets a stream; says in which state it was.
    pub(super) fn remove(&mut self, id: u64) -> Option<StreamState> {
        let stream = self.streams.remove(id)?;
        self.untold = self.untold.saturating_sub(usize::from(stream.untold));
        if self.owing {
            self.recount_owing();
        }
        Some(stream.state)
    }

    fn flow(&self, id: u64) -> Option<&Flow> {
        match id {
            0 => Some(&self.link),
            _ => self.streams.get(id).map(|stream| &stream.flow),
        }
    }

    #[inline]
    fn flow_mut(&mut self, id: u64) -> Option<&mut Flow> {
        match id {
            0 => Some(&mut self.link),
            _ => self.streams.get_mut(id).map(|stream| &mut stream.flow),
        }
    }

    /// Bytes that may be sent on a stream now; no bound where credits were not agreed on, none
    /// before the peer knows that the stream is open.
    pub(super) fn sendable(&self, id: u64) -> usize {
        match self.flow(id) {
            _ if self.streams.get(id).is_some_and(|stream| stream.untold) => 0,
            Some(flow) if self.window > 0 => flow.sendable,
            _ => usize::MAX,
        }
    }

    /// Whether something is to be told.
    #[inline]
    pub(super) const fn has_telling(&self) -> bool {
        self.untold > 0 || self.owing
    }

    /// Bytes that may be sent on the link itself now.
    #[inline]
    pub(super) const fn sendable_on_link(&self) -> usize {
        if self.window > 0 {
            self.link.sendable
        } else {
            usize::MAX
        }
    }

    /// Notes that a chunk was sent.
    #[inline]
    pub(super) fn sent(&mut self, id: u64, cost: usize) {
        if self.window > 0
            && let Some(flow) = self.flow_mut(id)
        {
            flow.sendable = flow.sendable.saturating_sub(cost);
        }
    }

    /// Notes that a chunk came.
    #[inline]
    pub(super) fn received(&mut self, id: u64, cost: usize) {
        let window = self.window;
        if window > 0
            && let Some(flow) = self.flow_mut(id)
        {
            flow.owed = flow.owed.saturating_add(cost);
            let owing = flow.credit(window).is_some();
            self.owing |= owing;
        }
    }

    /// Looks anew whether the peer is owed credit.
    fn recount_owing(&mut self) {
        let window = self.window;
        let owes = |flow: &Flow| window > 0 && flow.credit(window).is_some();
        self.owing = owes(&self.link) || self.streams.iter().any(|(_, stream)| owes(&stream.flow));
    }

    /// The peer has taken bytes off a stream.
    pub(super) fn credited(&mut self, id: u64, bytes: u64) {
        let window = self.window;
        if let Some(flow) = self.flow_mut(id) {
            // More than a window is never outstanding: a peer that says so gains nothing.
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            flow.sendable = flow.sendable.saturating_add(bytes).min(window);
        }
    }

    /// Tells the peer nothing of what is taken off a stream, or does so again. Says whether that is a change.
    pub(super) fn set_paused(&mut self, id: u64, paused: bool) -> bool {
        let Some(flow) = self.flow_mut(id).filter(|flow| flow.paused != paused) else {
            return false;
        };
        flow.paused = paused;
        self.recount_owing();
        true
    }

    /// Whether credit for a stream is held back.
    pub(super) fn is_paused(&self, id: u64) -> bool {
        self.flow(id).is_some_and(|flow| flow.paused)
    }

    /// Whether the peer has less credit left on a stream than `cost`, where credits were agreed on.
    pub(super) fn is_spent(&self, id: u64, cost: usize) -> bool {
        let left = self
            .flow(id)
            .map(|flow| self.window.saturating_sub(flow.owed));
        self.window > 0 && left.is_some_and(|left| left < cost)
    }

    /// Puts what there is to tell into `packet`; says what it is, if there is something.
    #[inline(never)]
    pub(super) fn tell(&self, packet: &mut Sound) -> Option<Telling> {
        let mut streams = self.streams.iter();
        if self.untold > 0
            && let Some((id, stream)) = streams.find(|(_, stream)| stream.untold)
        {
            let (opcode, operand) = match stream.state {
                StreamState::Dialling => (Opcode::ConnectionCreate, 0),
                StreamState::Offered | StreamState::Open => (Opcode::ConnectionAccept, 0),
                StreamState::Closing if stream.refused => {
                    (Opcode::Error, ErrorCode::ConnectionNotFound.as_code())
                }
                StreamState::Closing => (Opcode::ConnectionClose, stream.reason.get()),
            };
            packet.set(opcode, [id, operand, 0]);
            return Some(Telling::State(id, stream.state));
        }
        if !self.owing {
            return None;
        }
        let mut owing = self.link.credit(self.window).map(|bytes| (0, bytes));
        for (id, stream) in self.streams.iter() {
            if owing.is_none() {
                owing = stream.flow.credit(self.window).map(|bytes| (id, bytes));
            }
        }
        let (id, bytes) = owing?;
        packet.set(Opcode::ConnectionCredit, [id, bytes as u64, 0]);
        Some(Telling::Credit(id, bytes))
    }

    /// Notes that the peer was told.
    pub(super) fn told(&mut self, telling: Telling) {
        match telling {
            Telling::State(id, state) => match self.streams.get_mut(id) {
                Some(_) if state == StreamState::Closing => {
                    let _ = self.remove(id);
                }
                Some(stream) => {
                    stream.created |= state == StreamState::Dialling;
                    if stream.state == state {
                        self.untold = self.untold.saturating_sub(usize::from(stream.untold));
                        stream.untold = false;
                    }
                }
                None => {}
            },
            Telling::Credit(id, bytes) => {
                if let Some(flow) = self.flow_mut(id) {
                    flow.owed = flow.owed.saturating_sub(bytes);
                }
                self.recount_owing();
            }
        }
    }
}
