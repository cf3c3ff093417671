//! What an Advanced link has done.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use hqq_core::advanced::SessionCounters;

/// The longest time that is told apart, in nanoseconds: longer ones count as this.
const LONGEST: u64 = 60_000_000_000;
/// The calls from the first on that are timed one by one, as reading the clock costs a good part of one.
const EACH: u64 = 64;
/// Of later ones one in so many is timed, and counts for all of them.
const SAMPLE: u64 = 64;
/// How often it is told how long calls take, at most.
const TELL: Duration = Duration::from_millis(250);

/// What an Advanced link has done since it was made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AdvancedStats {
    /// Messages sent, without requests and responses.
    pub messages_sent: u64,
    /// Messages received, without requests and responses.
    pub messages_received: u64,
    /// Of these, those that a [`Server`](super::Server) without a handler for them has dropped.
    pub messages_unhandled: u64,
    /// Requests sent.
    pub requests_sent: u64,
    /// Requests received.
    pub requests_received: u64,
    /// Responses sent.
    pub responses_sent: u64,
    /// Responses received.
    pub responses_received: u64,
    /// Bytes in what was sent.
    pub bytes_sent: u64,
    /// Bytes in what was received.
    pub bytes_received: u64,
    /// Packets that were none, and were dropped.
    pub malformed: u64,
    /// What was dropped.
    pub dropped: SessionCounters,
    /// Calls that wait for their answers now.
    pub pending_calls: usize,
    /// Messages of which not all parts have come.
    pub arriving: usize,
    /// Bytes of these, and of messages that wait to be received.
    pub buffered_bytes: usize,
    /// Streams that are open.
    pub streams: usize,
    /// Nanoseconds from the beginning of a call to the last part of its answer; `None` where there was
    /// no memory for it. After the first 64 calls one in 64 is timed and counts 64 times: so do those
    /// that take longest, of which there may be 64 times fewer or more than it says.
    pub call_latency: Option<Histogram<u64>>,
    /// Nanoseconds from when a request was handed out to the beginning of its answer: what executing it takes.
    /// Counted as `call_latency` is; requests that were dropped, or whose caller gave up, are not in it.
    pub request_latency: Option<Histogram<u64>>,
}

/// When a call or a request began, and whether it counts for many: in one word, which a call that is not timed
/// carries along at no cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Began(NonZeroU64);

impl Began {
    const SAMPLED: u64 = 1;

    /// What begins `after` the recorder did.
    fn new(after: Duration, sampled: bool) -> Option<Self> {
        let nanoseconds = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX).max(1);
        NonZeroU64::new(nanoseconds << 1 | u64::from(sampled)).map(Self)
    }

    /// As a word, of which 0 is none.
    pub(super) const fn word(began: Option<Self>) -> u64 {
        match began {
            Some(Self(word)) => word.get(),
            None => 0,
        }
    }

    pub(super) fn from_word(word: u64) -> Option<Self> {
        NonZeroU64::new(word).map(Self)
    }

    const fn after(self) -> Duration {
        Duration::from_nanos(self.0.get() >> 1)
    }

    const fn weight(self) -> u64 {
        if self.0.get() & Self::SAMPLED == 0 {
            1
        } else {
            SAMPLE
        }
    }
}

/// How long what is now and then timed takes.
#[derive(Debug)]
pub(super) struct Latency {
    histogram: Option<Histogram<u64>>,
    /// When it began to be recorded.
    start: Instant,
}

impl Latency {
    fn new() -> Self {
        Self {
            histogram: Histogram::new_with_bounds(1, LONGEST, 3).ok(),
            start: Instant::now(),
        }
    }

    /// Something begins; `sampled` where it counts for many.
    #[cold]
    #[inline(never)]
    fn begun(&self, sampled: bool) -> Option<Began> {
        Began::new(self.start.elapsed(), sampled)
    }

    /// It is over; the time now.
    fn over(&mut self, began: Began) -> Option<(Instant, &Histogram<u64>)> {
        let histogram = self.histogram.as_mut()?;
        let now = Instant::now();
        let took = (now - self.start).saturating_sub(began.after());
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(LONGEST);
        histogram.saturating_record_n(nanoseconds.clamp(1, LONGEST), began.weight());
        Some((now, histogram))
    }
}

/// Requests that are handed out, of which some are timed.
#[derive(Debug)]
pub(super) struct Handling {
    latency: Latency,
    /// How many are handed out until one is timed, and how many were timed.
    until: u64,
    timed: u64,
}

impl Handling {
    pub(super) fn new() -> Self {
        Self {
            latency: Latency::new(),
            until: 1,
            timed: 0,
        }
    }

    /// A request is handed out; whether it is to be [timed](Handling::begun).
    #[inline(always)]
    pub(super) const fn is_next_timed(&mut self) -> bool {
        self.until = self.until.wrapping_sub(1);
        self.until == 0
    }

    /// One that is timed is handed out now.
    pub(super) fn begun(&mut self) -> Option<Began> {
        self.timed = self.timed.saturating_add(1);
        let sampled = self.timed > EACH;
        self.until = if self.timed >= EACH { SAMPLE } else { 1 };
        self.latency.begun(sampled)
    }

    /// Its answer begins.
    pub(super) fn answered(&mut self, began: Began) {
        self.latency.over(began);
    }

    pub(super) const fn latency(&self) -> Option<&Histogram<u64>> {
        self.latency.histogram.as_ref()
    }
}

/// Counted as it happens.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) messages_sent: u64,
    pub(super) messages_received: u64,
    pub(super) messages_unhandled: u64,
    pub(super) malformed: u64,
    pub(super) requests_sent: u64,
    pub(super) requests_received: u64,
    pub(super) responses_sent: u64,
    pub(super) responses_received: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    calls: Latency,
    told: Option<Instant>,
}

impl Recorder {
    pub(super) fn new() -> Self {
        Self {
            messages_sent: 0,
            messages_received: 0,
            messages_unhandled: 0,
            malformed: 0,
            requests_sent: 0,
            requests_received: 0,
            responses_sent: 0,
            responses_received: 0,
            bytes_sent: 0,
            bytes_received: 0,
            calls: Latency::new(),
            told: None,
        }
    }

    /// A request is sent; `None` where the call is not timed.
    #[inline]
    pub(super) fn begun(&mut self) -> Option<Began> {
        let earlier = self.requests_sent;
        self.requests_sent += 1;
        if earlier >= EACH && !earlier.is_multiple_of(SAMPLE) {
            return None;
        }
        self.calls.begun(earlier >= EACH)
    }

    /// All of the answer to a call came. Now and then this gives how long calls take: the median and the
    /// 99th percentile.
    #[inline]
    pub(super) fn answered(&mut self, began: Option<Began>) -> Option<[Duration; 2]> {
        self.responses_received += 1;
        self.timed(began?)
    }

    /// As [`Recorder::answered`], of a call that was timed.
    #[cold]
    #[inline(never)]
    fn timed(&mut self, began: Began) -> Option<[Duration; 2]> {
        let (now, histogram) = self.calls.over(began)?;
        if self.told.is_some_and(|told| now - told < TELL) {
            return None;
        }
        self.told = Some(now);
        Some([0.5, 0.99].map(|part| Duration::from_nanos(histogram.value_at_quantile(part))))
    }

    pub(super) const fn latency(&self) -> Option<&Histogram<u64>> {
        self.calls.histogram.as_ref()
    }
}
