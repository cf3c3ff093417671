//! Packets that come: what they are kept as, and who hears of them.

use std::time::Duration;

use hqq_core::TryRecvError;
use hqq_core::advanced::{
    Arrival, CallFailure, DiscardReason, MessageKey, Notice, PollError, Step,
};
use hqq_core::link::{PacketGrant, Unwanted};
use hqq_core::packet::{MessageKind, Negotiate, Packet, Whole};
use hqq_core::ring::Consumer;

use super::super::arriving::{Arriving, Share};
use super::super::error::{BodyFailure, DialError, LinkFailure};
use super::super::waiters::Interest;
use super::express::{Taken, Want};
use super::{DEAD, Engine, PendingCall};
use crate::link::Sender;

/// Once a reader has so many bytes to read it is let read them, before more is taken in: they are still in the cache then.
const MUCH: usize = 16 << 10;

impl Engine {
    /// Takes one packet in, `packet` where that was claimed already. What is wanted, where all of it is in
    /// there, is given to the caller at once, and nobody else hears of it.
    pub(super) fn take_packet(
        &mut self,
        want: Want,
        packet: Option<Unwanted>,
    ) -> Result<Taken, LinkFailure> {
        if self.receiver.is_truncated() {
            return Err(LinkFailure::Truncated);
        }
        let grant = match next(self.receiver.core(), packet) {
            Ok(grant) => grant,
            // The packet is gone, and nothing else with it.
            Err(TryRecvError::Malformed(_) | TryRecvError::Peer(_)) => {
                self.recorder.malformed += 1;
                return Ok(Taken::Other);
            }
            Err(TryRecvError::Disconnected) => return Err(LinkFailure::Disconnected),
            Err(TryRecvError::PeerDead) => return Err(LinkFailure::PeerDead),
            Err(TryRecvError::Corrupt(found)) => {
                return Err(LinkFailure::Corrupt(PollError::Corrupt(found)));
            }
            // Tombstones were passed over: there may be more behind them.
            Err(TryRecvError::Busy) => return Ok(Taken::Other),
            Err(_) => return Ok(Taken::Nothing),
        };
        let len = grant.len();
        let wanted = match grant.packet() {
            Packet::ConnectionCopy(copy) => {
                Whole::read(&copy.operands(), len).filter(|whole| want.is(whole))
            }
            _ => None,
        };
        if let Packet::Negotiate(offer) = *grant.packet()
            && self.session.agreement().is_some()
        {
            drop(grant);
            return self.offered_again(offer);
        }
        let step = self.session.accept(grant.packet(), len);
        if let (Some(whole), Step::Chunk(_)) = (wanted, &step) {
            self.recorder.bytes_received += len as u64;
            let mut body = zeroed(len);
            grant.copy_to(0, &mut body);
            return Ok(Taken::Wanted(whole, body));
        }
        match step {
            Step::Nothing => {}
            Step::Notice(notice) => {
                drop(grant);
                self.notice(notice);
            }
            Step::Chunk(arrival) => {
                self.recorder.bytes_received += len as u64;
                let most = self.options.max_message_size;
                let arriving = match arrival.key.kind {
                    MessageKind::Response => {
                        let call = self.calls.get_mut(&arrival.key.id);
                        call.map(|call| {
                            // All of an error is what the call gives.
                            let streamed = call.streamed && !arrival.error;
                            call.answer.get_or_insert_with(|| {
                                let mut answer = begun(&arrival, streamed);
                                if !streamed {
                                    let len = announced(&arrival, most);
                                    answer.expect(len);
                                    answer.reuse(self.spare.take(len));
                                }
                                answer
                            })
                        })
                    }
                    // The peer's numbers are used once, while their messages are here: this one is none.
                    _ if arrival.offset == 0 && self.arriving.contains_key(&arrival.key) => {
                        drop(grant);
                        self.recorder.malformed += 1;
                        if !arrival.last {
                            self.session.discard(&arrival.key);
                        }
                        return Ok(Taken::Other);
                    }
                    _ if arrival.offset == 0 => {
                        self.order.push_back(arrival.key);
                        self.requests += usize::from(arrival.key.kind == MessageKind::Request);
                        let fresh = self.arriving.entry(arrival.key);
                        let fresh = fresh.insert_entry(begun(&arrival, false)).into_mut();
                        let len = announced(&arrival, most);
                        fresh.expect(len);
                        fresh.reuse(self.spare.take(len));
                        Some(fresh)
                    }
                    _ => self.arriving.get_mut(&arrival.key),
                };
                if let Some(arriving) = arriving {
                    let before = arriving.buffered();
                    grant.copy_to(0, arriving.room(len, &mut self.kept));
                    arriving.complete = arrival.last;
                    arriving.progressed |= arrival.offset > 0;
                    // Not of what comes on top of it: there are other messages behind that.
                    let to_read = arriving.taken && before < MUCH && arriving.buffered() >= MUCH;
                    drop(grant);
                    self.arrived(&arrival);
                    if to_read {
                        return Ok(Taken::ToRead);
                    }
                }
            }
        }
        Ok(Taken::Other)
    }

    /// Somebody offers what was agreed on before: the same peer, which is told, or another one.
    #[cold]
    #[inline(never)]
    fn offered_again(&mut self, offer: Negotiate) -> Result<Taken, LinkFailure> {
        if self.options.successors {
            self.renew();
        } else if self.is_replaced() {
            // Answered once the link is renewed.
            self.successor = Some(offer);
            return Err(LinkFailure::Disconnected);
        }
        let step = self.session.accept(&offer.into(), 0);
        if let Step::Notice(notice) = step {
            self.notice(notice);
        }
        Ok(Taken::Other)
    }

    /// A chunk was stored.
    pub(super) fn arrived(&mut self, arrival: &Arrival) {
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
    pub(super) fn is_too_much(&self, request: usize) -> bool {
        self.held.request > self.options.incoming_bytes.max(request)
    }

    /// The oldest message that has not got past its first part and that nobody reads, but for one.
    pub(super) fn idle_beginning(&self, except: &MessageKey) -> Option<MessageKey> {
        self.order.iter().copied().find(|key| {
            let is_idle = |arriving: &Arriving| !arriving.progressed && !arriving.is_over();
            key != except && self.arriving.get(key).is_some_and(is_idle)
        })
    }

    pub(super) fn answer_arrived(&mut self, arrival: &Arrival) {
        let max = self.options.max_message_size;
        let Some(call) = self.calls.get_mut(&arrival.key.id) else {
            return;
        };
        let Some(answer) = &mut call.answer else {
            return;
        };
        if !answer.taken && answer.buffered() > max {
            let len = answer.buffered() as u64;
            let reason = DiscardReason::TooLong {
                len,
                max: max as u64,
            };
            self.refuse_answer(arrival.key.id, reason);
        } else if answer.complete
            && let Some(latency) = self.recorder.answered(call.began)
        {
            tell(&mut self.sender, latency);
        }
        self.recount_answer(arrival.key.id);
        if !arrival.last && self.held.assembly > self.options.max_assembly_bytes {
            self.refuse_answer(arrival.key.id, DiscardReason::NoRoom);
        }
        self.waiters.wake(Interest::Call(arrival.key.id));
        let call = self.calls.get(&arrival.key.id);
        if call.is_some_and(PendingCall::is_over) {
            self.waiters.wake_request(arrival.key.id);
        }
    }

    /// Gives up a call whose answer cannot be put together; what came of it makes room.
    pub(super) fn refuse_answer(&mut self, id: u64, reason: DiscardReason) {
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
        self.flush();
        self.account(connection, Share::default(), accounted.unwrap_or_default());
    }

    /// Keeps that a message has died, where no reader of it learns so.
    fn note_death(&mut self, key: MessageKey, failure: BodyFailure) {
        if self
            .arriving
            .get(&key)
            .is_some_and(|arriving| arriving.taken)
        {
            return;
        }
        if self.dead.len() >= DEAD {
            self.dead.pop_front();
        }
        self.dead.push_back((key, failure));
    }

    /// The oldest message that has died of those that are kept.
    pub(in crate::advanced) fn take_dead(&mut self) -> Option<(MessageKey, BodyFailure)> {
        self.dead.pop_front()
    }

    pub(super) fn end_body(&mut self, key: &MessageKey, failure: BodyFailure) {
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

    pub(super) fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Aborted(key) => {
                self.cancel_served(&key);
                // A caller that gives up is no loss.
                if key.kind == MessageKind::Plain {
                    self.note_death(key, BodyFailure::Aborted);
                }
                self.end_body(&key, BodyFailure::Aborted);
                if self.arriving.get(&key).is_some_and(Arriving::is_over) {
                    self.forget(&key);
                }
            }
            Notice::Discarded(key, reason) => {
                let failure = BodyFailure::Discarded(reason);
                // Its caller was told: another answer would be late.
                self.cancel_served(&key);
                self.note_death(key, failure);
                self.end_body(&key, failure);
            }
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
                self.waiters.wake_request(id);
            }
            Notice::Offered(id) => self.offered.push_back(id),
            Notice::Opened(id) => {
                if let Some(dial) = self.dials.get_mut(&id) {
                    *dial = Some(Ok(()));
                }
            }
            Notice::Refused { connection, code } => {
                if let Some(dial) = self.dials.get_mut(&connection) {
                    *dial = Some(Err(DialError::Refused(code)));
                }
            }
            Notice::Closed { connection, reason } => {
                if let Some(dial @ None) = self.dials.get_mut(&connection) {
                    *dial = Some(Err(DialError::Closed(reason)));
                }
                self.stream_closed(connection, false);
            }
            // What has no meaning here is no reason to stop: the packet is gone.
            _ => {}
        }
    }

    /// Nobody waits for the answer to a request that was handed out: nor does who sends that answer, for room.
    fn cancel_served(&mut self, key: &MessageKey) {
        self.served.cancel(key);
        if key.kind == MessageKind::Request {
            self.waiters.wake(Interest::Room);
        }
    }

    /// A stream is over, at either end: who reads from it learns so. Requests may go on
    /// ([`Session::keeps_requests`](hqq_core::advanced::Session)).
    pub(in crate::advanced) fn stream_closed(&mut self, connection: u64, but_requests: bool) {
        self.offered.retain(|id| *id != connection);
        let is_over = |key: &MessageKey| {
            key.connection == connection && !(but_requests && key.kind == MessageKind::Request)
        };
        let keys: Vec<MessageKey> = self
            .arriving
            .values()
            .filter(|arriving| is_over(&arriving.key) && !arriving.is_over())
            .map(|arriving| arriving.key)
            .collect();
        for key in keys {
            self.end_body(&key, BodyFailure::StreamClosed);
        }
        // Where this side has closed it the ring tells nothing.
        self.waiters.wake(Interest::Any);
        self.waiters.wake(Interest::Room);
    }
}

/// The next packet, or one that was claimed already.
#[inline]
fn next<C: Consumer>(
    core: &mut hqq_core::Receiver<C>,
    packet: Option<Unwanted>,
) -> Result<PacketGrant<'_, C>, TryRecvError> {
    match packet {
        Some(packet) => core.open(packet),
        None => core.try_next_packet(),
    }
}

/// Lets tools know how long calls take.
pub(super) fn tell(sender: &mut Sender, [median, slow]: [Duration; 2]) {
    sender.core().record_call_latency(median, slow);
}

/// So many zeros.
#[inline]
#[allow(
    clippy::slow_vector_initialization,
    reason = "for a short one `calloc` takes several times as long"
)]
pub(super) fn zeroed(len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    bytes.resize(len, 0);
    bytes
}

/// Bytes in the message, where its sender says so, others are to follow, and it is no longer than `most`;
/// else none.
fn announced(arrival: &Arrival, most: usize) -> usize {
    let total = arrival.total.filter(|_| !arrival.last);
    let len = total.and_then(|total| usize::try_from(total).ok());
    len.filter(|len| *len <= most).unwrap_or(0)
}

pub(super) fn begun(arrival: &Arrival, taken: bool) -> Arriving {
    let mut arriving = Arriving::new(arrival.key, arrival.aux, arrival.error, arrival.total);
    arriving.taken = taken;
    arriving
}
