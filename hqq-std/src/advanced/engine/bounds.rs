//! How much may wait in memory, and what has to go or to stop for it.

use std::time::{Duration, Instant};

use hqq_core::advanced::{DiscardReason, MessageKey};
use hqq_core::packet::{ErrorCode, Features, MessageKind};

use super::super::arriving::{Arriving, Share};
use super::{Engine, GRACE, OVERHEAD, REFUSALS};

/// Since when nothing is taken out of the ring, or a stream stands still.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stall {
    /// Some of what may have to go for that would do it alone.
    has_obstacle: bool,
    since: Instant,
}

/// What cannot be put together and nobody takes, and when it last came on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loose {
    key: MessageKey,
    since: Instant,
}

impl Engine {
    /// Bytes that arrived and were not taken.
    pub(in crate::advanced) fn buffered(&self) -> usize {
        let answers = self.calls.values().filter_map(|call| call.answer.as_ref());
        let all = self.arriving.values().chain(answers);
        all.map(Arriving::buffered).sum()
    }

    /// As [`Engine::recount`], for an answer: what somebody reads as it comes stops its stream, what is
    /// put together takes memory.
    pub(super) fn recount_answer(&mut self, id: u64) {
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
    pub(super) fn window(&self) -> usize {
        self.sender
            .capacity()
            .saturating_mul(self.sender.max_message_size())
    }

    /// What the bytes of a message count as. Its stream stops for those that somebody has to take
    /// before more can come; not for requests, as answers come on the same stream: too many of them
    /// are refused instead.
    pub(super) fn share(&self, arriving: &Arriving) -> Share {
        let max = self.options.max_message_size as u64;
        let is_assembled = arriving.total.is_some_and(|total| total <= max);
        let bytes = arriving.buffered();
        let mut share = Share::default();
        match arriving.key.kind {
            _ if arriving.taken => share.stream = bytes,
            kind if is_assembled && !arriving.is_over() => {
                share.assembly = bytes;
                share.unfinished = usize::from(kind == MessageKind::Plain);
            }
            MessageKind::Request if arriving.is_over() => share.request = bytes,
            // Also empty ones take memory.
            _ => {
                share.stream = bytes + self.overhead();
                if !arriving.is_over() {
                    share.loose = share.stream;
                }
            }
        }
        share
    }

    /// What a message counts for besides its bytes.
    fn overhead(&self) -> usize {
        self.buffer_size().clamp(1, OVERHEAD)
    }

    /// Brings the sums up to date after a message's bytes, or what they count for, have changed.
    pub(in crate::advanced) fn recount(&mut self, key: &MessageKey) {
        let Some(now) = self.arriving.get(key).map(|arriving| self.share(arriving)) else {
            return;
        };
        if let Some(arriving) = self.arriving.get_mut(key) {
            let before = std::mem::replace(&mut arriving.accounted, now);
            if before.loose != now.loose {
                self.recount_loose(key, now.loose);
            }
            self.account(key.connection, now, before);
        }
    }

    /// So many bytes of a message that cannot be put together have come, and nobody has taken it; none where that is
    /// not so any more.
    fn recount_loose(&mut self, key: &MessageKey, bytes: usize) {
        let known = self.loose.iter().position(|loose| loose.key == *key);
        let since = Instant::now();
        match (known, bytes) {
            (Some(index), 0) => {
                self.loose.remove(index);
            }
            (Some(index), _) => {
                if let Some(loose) = self.loose.get_mut(index) {
                    loose.since = since;
                }
            }
            (None, 1..) => self.loose.push(Loose { key: *key, since }),
            (None, 0) => {}
        }
    }

    /// A message on a stream counts as `now` where it counted as `before`; tells the peer to stop
    /// sending there, or to go on, where that is time.
    pub(super) fn account(&mut self, connection: u64, now: Share, before: Share) {
        self.held.assembly = self.held.assembly + now.assembly - before.assembly;
        self.held.unfinished = self.held.unfinished + now.unfinished - before.unfinished;
        self.held.request = self.held.request + now.request - before.request;
        self.held.stream = self.held.stream + now.stream - before.stream;
        self.held.loose = self.held.loose + now.loose - before.loose;
        let window = self.window();
        let is_crowded = self.held.stream > self.options.incoming_bytes
            || self.messages() > self.options.incoming_queue;
        let on_stream = self.streams.entry(connection).or_default();
        on_stream.loose = on_stream.loose + now.loose - before.loose;
        on_stream.stream = on_stream.stream + now.stream - before.stream;
        match on_stream.stream {
            0 => {
                self.streams.remove(&connection);
                self.session.set_paused(connection, false);
            }
            bytes if bytes >= window || is_crowded => self.session.set_paused(connection, true),
            bytes if bytes <= window / 2 => self.session.set_paused(connection, false),
            _ => {}
        }
        if std::mem::replace(&mut self.is_crowded, is_crowded) && !is_crowded {
            self.resume();
        }
    }

    /// There is less in all again: what stopped for that goes on, also where nothing of its own was taken.
    #[cold]
    fn resume(&mut self) {
        let most = self.window() / 2;
        for (connection, share) in &self.streams {
            if share.stream <= most {
                self.session.set_paused(*connection, false);
            }
        }
    }

    /// Messages, without requests, that nobody has taken; nor those that are put together, which nobody can
    /// take before more has come: they have bounds of their own.
    pub(super) fn messages(&self) -> usize {
        self.order.len() - self.requests - self.held.unfinished
    }

    /// Whether the peer can be told to stop a single stream.
    fn has_credits(&self) -> bool {
        let agreement = self.session.agreement();
        agreement.is_some_and(|agreement| agreement.features.contains(Features::CREDIT))
    }

    /// Where it cannot: whether so much waits to be received that all of them stop.
    fn is_full(&self) -> bool {
        self.would_be_full(self.held.stream, self.messages())
    }

    fn would_be_full(&self, bytes: usize, messages: usize) -> bool {
        bytes > self.window().max(self.options.incoming_bytes)
            || messages >= self.options.incoming_queue.max(1)
    }

    /// Whether too much waits to be received for more to be taken out of the ring.
    pub(super) fn is_overfull(&self) -> bool {
        self.would_be_overfull(self.held.stream, self.messages())
    }

    /// Whether that would be so with so many messages that wait, and bytes of them.
    fn would_be_overfull(&self, bytes: usize, waiting: usize) -> bool {
        if self.has_credits() {
            // No peer gets there that keeps to its credits: on each stream it may send one window
            // before it is told to stop, and has another under way.
            let streams = self.session.streams() + 1;
            let most = [
                self.options.incoming_bytes,
                self.options.max_assembly_bytes,
                streams.saturating_mul(self.window().saturating_mul(3)),
            ];
            // Empty ones take credit, too.
            let messages =
                streams.saturating_mul(self.window().saturating_mul(3) / self.overhead());
            bytes > most.into_iter().fold(0, usize::saturating_add)
                || waiting > self.options.incoming_queue.saturating_add(messages)
        } else {
            self.would_be_full(bytes, waiting)
        }
    }

    /// Of the messages that nobody takes and that cannot be put together either, where for these alone nothing is
    /// taken out of the ring, the one that has not come on for longest.
    fn plug(&self) -> Option<Loose> {
        let is_plain = |loose: &&Loose| loose.key.kind == MessageKind::Plain;
        let messages = self.loose.iter().filter(is_plain).count();
        if !self.would_be_overfull(self.held.loose, messages) {
            return None;
        }
        self.loose.iter().copied().min_by_key(|loose| loose.since)
    }

    /// A message that nobody takes and that cannot be put together either, and for which its stream
    /// stands still whatever else is received: the one that has not come on for longest, as each has its time from
    /// then on.
    fn obstacle(&self) -> Option<Loose> {
        let most = self.window() / 2;
        // All streams stop for so many, also where all else was received.
        let is_crowded = self.held.loose > self.options.incoming_bytes
            || self.loose.len() > self.options.incoming_queue;
        if self.held.loose <= most && !is_crowded {
            return None;
        }
        let obstacles = self.loose.iter().copied().filter(|Loose { key, .. }| {
            let on_stream = self.streams.get(&key.connection);
            (is_crowded || on_stream.is_some_and(|share| share.loose > most))
                && self.session.is_paused(key.connection)
                && self.session.is_spent(key.connection)
        });
        obstacles.min_by_key(|loose| loose.since)
    }

    /// Whether nothing more may be taken out of the ring: too much waits to be received, and the
    /// peer cannot be told to stop a single stream.
    pub(super) fn is_stalled(&mut self) -> bool {
        if self.held.stream == 0 && self.order.is_empty() {
            self.stall = None;
            return false;
        }
        let full = self.is_overfull();
        let found = if full {
            self.plug()
        } else if !self.streams_read && self.has_credits() {
            self.obstacle()
        } else {
            // Where a single stream can be told to stop, its own reader may take as long as it likes.
            None
        };
        if !full && found.is_none() {
            self.stall = None;
            return false;
        }
        let has_obstacle = found.is_some();
        let stall = match self.stall {
            Some(stall) if stall.has_obstacle == has_obstacle => stall,
            _ => Stall {
                has_obstacle,
                since: Instant::now(),
            },
        };
        self.stall = Some(stall);
        let Some(Loose { key, since }) = found else {
            return full;
        };
        // Where nobody reads messages as they come, one that cannot be put together holds up all others, or
        // those on its stream: once for as long as a program may take to get there, then not at all, unless it may
        // still come to its end.
        let cannot_end = full || self.session.is_exhausted(key.connection);
        let patience = match (self.streams_read, self.grace_used && cannot_end) {
            (true, _) => self.options.patience,
            (false, false) => self.options.patience.min(GRACE),
            (false, true) => Duration::ZERO,
        };
        // Where the ring is not stopped, what the message lacks may be in there.
        let stands_still = stall.since.max(since).elapsed() >= patience;
        if stands_still && (full || !self.receiver.is_readable()) {
            self.drop_unreadable(&key);
            self.grace_used = true;
        }
        full
    }

    /// Drops messages that nobody receives, where they stop what comes behind them.
    pub(in crate::advanced) fn drop_unread(&mut self) {
        let stops = if self.has_credits() {
            self.messages() >= self.options.incoming_queue
                || self.held.stream >= self.window().min(self.options.incoming_bytes)
        } else {
            self.is_full()
        };
        if self.messages_read || self.streams_read || !stops {
            return;
        }
        let is_unread = |key: &&MessageKey| {
            let arriving = self.arriving.get(key);
            key.kind == MessageKind::Plain && arriving.is_some_and(|arriving| arriving.complete)
        };
        let unread: Vec<MessageKey> = self.order.iter().filter(is_unread).copied().collect();
        for key in &unread {
            self.forget(key);
            self.recorder.messages_unhandled += 1;
        }
        self.flush();
    }

    /// Drops a message that nobody takes and that cannot be put together either.
    #[cold]
    fn drop_unreadable(&mut self, key: &MessageKey) {
        let max = self.options.max_message_size as u64;
        let total = self.arriving.get(key).and_then(|arriving| arriving.total);
        // Without a size it may be a short one.
        let reason = total.map_or(DiscardReason::NoRoom, |len| DiscardReason::TooLong {
            len,
            max,
        });
        self.refuse_for(key, reason);
        // Its stream goes on.
        self.flush();
    }

    /// Gives a message that arrives up for want of room; of a request, the caller is told.
    pub(super) fn refuse(&mut self, key: &MessageKey) {
        self.refuse_for(key, DiscardReason::NoRoom);
    }

    fn refuse_for(&mut self, key: &MessageKey, reason: DiscardReason) {
        self.forget(key);
        match self.session.discard_for(key, reason) {
            Some(notice) => self.notice(notice),
            // All of it has come: only this side knows of it.
            None if key.kind == MessageKind::Request => {
                self.post_refusal(key, ErrorCode::BufferOverflow);
            }
            None => {}
        }
    }

    /// Answers a request with an error, once there is room.
    pub(super) fn post_refusal(&mut self, key: &MessageKey, code: ErrorCode) {
        let response = self
            .session
            .begin_response(key, code.as_code(), true, Some(0));
        if let Ok(transfer) = response
            && self.refusals.len() < REFUSALS
        {
            self.refusals.push_back(transfer);
        }
    }

    /// Removes a message that nobody is to get any more.
    pub(in crate::advanced) fn forget(&mut self, key: &MessageKey) -> Option<Arriving> {
        let arriving = self.arriving.remove(key)?;
        self.unlist(key);
        if arriving.accounted.loose > 0 {
            self.recount_loose(key, 0);
        }
        self.account(key.connection, Share::default(), arriving.accounted);
        Some(arriving)
    }

    /// Takes a message off the list of those that can be received.
    pub(in crate::advanced) fn unlist(&mut self, key: &MessageKey) {
        if let Some(index) = self.order.iter().position(|other| other == key) {
            self.order.remove(index);
            self.requests -= usize::from(key.kind == MessageKind::Request);
        }
    }
}
