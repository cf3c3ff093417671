//! What two ends have done, and what must come of it.

mod observe;

use std::collections::{HashMap, HashSet};

use hqq_core::Format;
use hqq_core::advanced::{AdvanceError, Progress, SessionOptions, Transfer};
use hqq_core::packet::Reason;

use crate::advanced::support::*;
use crate::common::pattern;

/// What one end does. Numbers choose among what there is.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Begin {
        on: u8,
        len: usize,
        is_call: bool,
        is_sized: bool,
    },
    Advance {
        which: u8,
        chunks: usize,
    },
    Abort(u8),
    Cancel(u8),
    Answer {
        which: u8,
        len: usize,
        error: bool,
    },
    Dial,
    Decide {
        which: u8,
        accepted: bool,
    },
    Close(u8),
    Pause {
        on: u8,
        paused: bool,
    },
    Poll,
    Drain,
    Tick(u64),
}

/// Messages that an end sends at a time.
const TRANSFERS: usize = 8;
/// Ticks that a message may stand still.
const PATIENCE: u64 = 500;
const ROUNDS: usize = 10_000;

/// A message that was begun.
#[derive(Debug)]
struct Sent {
    body: Vec<u8>,
    aux: u64,
    error: bool,
    is_whole: bool,
    given_up: bool,
    arrived: bool,
    dead: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Waits,
    /// Its request was given up, which may have come after it failed.
    Dropped,
    Over,
}

/// One end.
#[derive(Default)]
struct Side {
    transfers: Vec<Transfer>,
    sent: HashMap<MessageKey, Sent>,
    calls: HashMap<u64, (u64, Call)>,
    to_answer: Vec<MessageKey>,
    /// Calls that the peer could not answer, and knows so.
    unanswerable: HashSet<u64>,
    offered: Vec<u64>,
    streams: Vec<u64>,
}

pub(super) struct Model<R: Rings> {
    pair: Pair<R>,
    sides: [Side; 2],
    /// Streams that somebody has closed: what was on its way there may be gone.
    closed: HashSet<u64>,
}

fn pick(len: usize, which: u8) -> Option<usize> {
    (len > 0).then(|| usize::from(which) % len.max(1))
}

impl<R: Rings> Model<R> {
    pub(super) fn new(count: usize, size: usize) -> Self {
        let options = SessionOptions::new().patience(PATIENCE);
        let mut pair = Pair::with(count, size, options);
        pair.near.link.listen(true);
        pair.far.link.listen(true);
        Self {
            pair,
            sides: [Side::default(), Side::default()],
            closed: HashSet::new(),
        }
    }

    fn party(&mut self, at: usize) -> &mut Party<R> {
        match at {
            0 => &mut self.pair.near,
            _ => &mut self.pair.far,
        }
    }

    /// Both sides.
    fn split(&mut self, at: usize) -> (&mut Party<R>, &mut Side) {
        let party = match at {
            0 => &mut self.pair.near,
            _ => &mut self.pair.far,
        };
        (party, &mut self.sides[at])
    }

    pub(super) fn apply(&mut self, at: usize, op: &Op) {
        let connection = |side: &Side, on: u8| match pick(side.streams.len() + 1, on) {
            Some(index) if index > 0 => side.streams[index - 1],
            _ => 0,
        };
        match *op {
            Op::Begin {
                on,
                len,
                is_call,
                is_sized,
            } => {
                let connection = connection(&self.sides[at], on);
                self.begin(at, connection, len, is_call, is_sized);
            }
            Op::Advance { which, chunks } => {
                if let Some(index) = pick(self.sides[at].transfers.len(), which) {
                    self.advance(at, index, chunks);
                }
            }
            Op::Abort(which) => {
                if let Some(index) = pick(self.sides[at].transfers.len(), which) {
                    self.abort(at, index);
                }
            }
            Op::Cancel(which) => self.cancel(at, which),
            Op::Answer { which, len, error } => {
                if let Some(index) = pick(self.sides[at].to_answer.len(), which) {
                    self.answer(at, index, len, error);
                }
            }
            // In format 1 both count the same ids, so what one end says of a stream may reach another.
            Op::Dial => {
                let (party, side) = self.split(at);
                side.streams.extend(party.link.dial());
            }
            Op::Decide { which, accepted } => self.decide(at, which, accepted),
            Op::Close(which) => {
                if let Some(index) = pick(self.sides[at].streams.len(), which) {
                    let id = self.sides[at].streams[index];
                    self.close(at, id);
                }
            }
            Op::Pause { on, paused } => {
                let connection = connection(&self.sides[at], on);
                self.party(at).link.set_paused(connection, paused);
            }
            Op::Poll => {
                if let Some(seen) = self.party(at).poll() {
                    self.observe(at, seen);
                }
            }
            Op::Drain => {
                self.drain(at);
            }
            Op::Tick(ticks) => self.party(at).now += ticks,
        }
    }

    fn begin(&mut self, at: usize, connection: u64, len: usize, is_call: bool, is_sized: bool) {
        let is_closed = self.closed.contains(&connection);
        let (party, side) = self.split(at);
        // Format 1 lets messages go on any id; who has closed a stream does not.
        if is_closed || side.transfers.len() == TRANSFERS {
            return;
        }
        let (link, total) = (&mut party.link, len as u64);
        let begun = match (is_call, is_sized || R::FORMAT == Format::V1) {
            (true, _) => link.begin_request(connection, total, total),
            (false, true) => link.begin_message(connection, total),
            (false, false) => link.begin_unsized(connection),
        };
        let Ok(transfer) = begun else {
            return;
        };
        let key = *transfer.key();
        if is_call {
            side.calls.insert(key.id, (connection, Call::Waits));
        }
        side.begun(transfer, len, if is_call { total } else { 0 }, false);
    }

    fn answer(&mut self, at: usize, index: usize, len: usize, error: bool) {
        let (party, side) = self.split(at);
        let request = side.to_answer.swap_remove(index);
        let begun = party
            .link
            .begin_response(&request, request.id, error, len as u64);
        match begun {
            Ok(transfer) => side.begun(transfer, len, request.id, error),
            // Its stream is closed.
            Err(_) => {
                assert!(self.closed.contains(&request.connection));
                self.sides[1 - at].unanswerable.insert(request.id);
            }
        }
    }

    fn advance(&mut self, at: usize, index: usize, chunks: usize) {
        let (party, side) = self.split(at);
        let transfer = &mut side.transfers[index];
        let key = *transfer.key();
        let sent = side.sent.get_mut(&key).expect("begun");
        match party.link.advance(transfer, &sent.body, chunks) {
            Ok(Progress::Finished) => {
                sent.is_whole = true;
                let _ = side.transfers.swap_remove(index);
            }
            Ok(Progress::More | Progress::Blocked) => {}
            Err(AdvanceError::Closed | AdvanceError::GivenUp) => self.abort(at, index),
            Err(error) => panic!("{error}"),
        }
    }

    fn abort(&mut self, at: usize, index: usize) {
        let (party, side) = self.split(at);
        let mut transfer = side.transfers.swap_remove(index);
        party.link.abort(&mut transfer);
        assert!(transfer.is_finished());
        let key = transfer.key();
        side.sent.get_mut(key).expect("begun").given_up = true;
        if key.kind == MessageKind::Request
            && let Some((_, call @ Call::Waits)) = side.calls.get_mut(&key.id)
        {
            *call = Call::Dropped;
        }
    }

    fn cancel(&mut self, at: usize, which: u8) {
        let (party, side) = self.split(at);
        let mut ids: Vec<_> = side.calls.keys().copied().collect();
        ids.sort_unstable();
        let Some(index) = pick(ids.len(), which) else {
            return;
        };
        let id = ids[index];
        let (connection, call) = side.calls.get_mut(&id).expect("just listed");
        if party.link.cancel_call(*connection, id) {
            assert_eq!(*call, Call::Waits);
            *call = Call::Over;
            let request = key(*connection, id, MessageKind::Request);
            side.sent.get_mut(&request).expect("begun").given_up = true;
        }
    }

    fn decide(&mut self, at: usize, which: u8, accepted: bool) {
        let (party, side) = self.split(at);
        let Some(index) = pick(side.offered.len(), which) else {
            return;
        };
        let id = side.offered.swap_remove(index);
        // The peer may have taken its dial back.
        if accepted && party.link.accept_stream(id) {
            side.streams.push(id);
        } else {
            party.link.refuse_stream(id);
        }
    }

    fn close(&mut self, at: usize, id: u64) {
        self.party(at).link.close_stream(id, Reason::NORMAL);
        self.closed.insert(id);
    }

    fn drain(&mut self, at: usize) -> bool {
        let seen = self.party(at).drain();
        let any = !seen.is_empty();
        for event in seen {
            self.observe(at, event);
        }
        any
    }

    /// Sends what is left and takes in what comes, until nothing moves.
    fn settle(&mut self) {
        let mut idle = 0;
        for _ in 0..ROUNDS {
            let mut moved = false;
            for at in [0, 1] {
                for index in (0..self.sides[at].transfers.len()).rev() {
                    let before = self.sides[at].transfers[index].offset();
                    self.advance(at, index, 2);
                    let after = self.sides[at].transfers.get(index);
                    moved |= after.is_none_or(|transfer| transfer.offset() != before);
                }
                moved |= self.drain(at);
            }
            idle = if moved { 0 } else { idle + 1 };
            if idle == 4 {
                return;
            }
        }
        panic!("no end of it");
    }

    /// Ends everything in good order; then nothing may be left, and every message accounted for.
    pub(super) fn finish(&mut self) {
        for at in [0, 1] {
            let (party, side) = self.split(at);
            party.link.listen(false);
            for connection in side.streams.iter().chain(&[0]) {
                party.link.set_paused(*connection, false);
            }
            for id in std::mem::take(&mut side.offered) {
                party.link.refuse_stream(id);
            }
        }
        self.settle();
        for at in [0, 1] {
            while !self.sides[at].to_answer.is_empty() {
                self.answer(at, 0, 20, false);
                self.settle();
            }
        }
        for at in [0, 1] {
            let stuck = &self.sides[at].transfers;
            assert!(stuck.is_empty(), "stuck: {stuck:?}");
        }
        let unsent: u64 = [&self.pair.near, &self.pair.far]
            .map(|party| party.link.session().counters().unsent)
            .iter()
            .sum();
        for at in [0, 1] {
            let (party, side) = self.split(at);
            let waiting: Vec<_> = side
                .calls
                .iter()
                .filter(|(_, (_, call))| *call == Call::Waits)
                .map(|(id, (connection, _))| (*connection, *id))
                .collect();
            let arriving = party.link.session().arriving();
            // Only what was dropped for want of room leaves something waiting.
            let answerable = |(_, id): &(u64, u64)| !side.unanswerable.contains(id);
            assert!(unsent > 0 || !waiting.iter().any(answerable), "{waiting:?}");
            assert!(unsent > 0 || arriving == 0, "{arriving} arrive");
            for (connection, id) in waiting {
                assert!(party.link.cancel_call(connection, id));
            }
            party.now += 10 * PATIENCE;
            for id in std::mem::take(&mut side.streams) {
                self.close(at, id);
            }
        }
        // What was given up at last is reported, too.
        for side in &mut self.sides {
            for (key, sent) in &mut side.sent {
                sent.given_up |= key.kind == MessageKind::Request;
            }
        }
        self.settle();
        for at in [0, 1] {
            // Dials that nobody answered for want of room.
            for id in 1..1000 {
                self.party(at).link.close_stream(id, Reason::NORMAL);
                self.closed.insert(id);
            }
        }
        self.settle();
        self.pair.near.assert_empty();
        self.pair.far.assert_empty();
        for (key, sent) in self.sides.iter().flat_map(|side| &side.sent) {
            let must = sent.is_whole && key.connection == 0 && key.kind != MessageKind::Response;
            assert!(!must || sent.arrived || sent.dead, "{key:?} is lost");
        }
    }
}

impl Side {
    fn begun(&mut self, transfer: Transfer, len: usize, aux: u64, error: bool) {
        let key = *transfer.key();
        let sent = Sent {
            body: pattern(key.id, len),
            aux,
            error,
            is_whole: false,
            given_up: false,
            arrived: false,
            dead: false,
        };
        assert!(self.sent.insert(key, sent).is_none(), "{key:?} again");
        self.transfers.push(transfer);
    }
}
