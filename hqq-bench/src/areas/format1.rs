//! The area `format1`: what the links cost on a region of format 1, next to a ring that is written
//! by hand.

use hqq_core::ring::exclusive::{ExclusiveConsumer, ExclusiveProducer};
use hqq_core::ring::format1::{Format1Consumer, Format1Producer};
use hqq_core::ring::{Consumer, Either, Handle, Owned, Producer};
use hqq_core::{
    AttachOptions, Dynamic, Format1Link, InitOptions, Layout, Receiver, Role, Sender, initialise,
};

use crate::error::BenchError;
use crate::hqq::hand_written::{HandWritten, Refused};
use crate::hqq::link::LinkEnd;
use crate::measure::named;
use crate::memory::{LINE, Lines, region, words};
use crate::patience::{Hint, Patience};
use crate::runner::{Measure, Part, Row, Suite};
use crate::work::{Buffered, End, Messages, Way};

/// Buffers in each direction.
const COUNT: usize = 64;
/// Bytes in a buffer.
const SIZE: usize = 1024;
/// Bytes in a page.
const PAGE: usize = 4096;
/// All rows spin alike.
const HINT: Hint = Hint::SpinLoop;
/// What a link may cost, as a multiple of what the ring written by hand does.
const GOAL: f64 = 1.1;

/// Who moves the messages.
#[derive(Clone, Copy, Debug)]
enum By {
    Hand,
    /// A link of `hqq-core` that is of format 1.
    Link,
    /// One that could be of either format, as those of `hqq-std` are.
    Either,
}

/// The three rows of one way and size; the links are compared with what is written by hand.
macro_rules! compared {
    ($way:ident, $id:literal, $name:literal, $size:literal) => {{
        let measure = |by, id, who| {
            Box::new(Format1 {
                id,
                name: named(format!(
                    concat!("format 1, ", $name, ", ", $size, " bytes: {}"),
                    who
                )),
                by,
                way: Way::$way,
                size: $size,
            })
        };
        let timed = |row: Row| match Way::$way {
            Way::RoundTrip => row.latency(),
            Way::OneWay => row,
        };
        let hand = concat!("hand-", $id, "-", $size);
        let link = concat!("link-", $id, "-", $size);
        let either = concat!("either-", $id, "-", $size);
        [
            timed(Row::reference(measure(By::Hand, hand, "ring by hand"))),
            timed(Row::against(
                measure(By::Link, link, "link"),
                hand,
                Some(GOAL),
            )),
            timed(Row::against(
                measure(By::Either, either, "link of either format"),
                hand,
                Some(GOAL),
            )),
        ]
    }};
}

/// Round trips, then messages one way.
pub(crate) fn suite() -> Suite {
    let rows = [
        compared!(RoundTrip, "round-trip", "round trip", 8),
        compared!(RoundTrip, "round-trip", "round trip", 64),
        compared!(RoundTrip, "round-trip", "round trip", 1024),
        compared!(OneWay, "one-way", "one way", 8),
        compared!(OneWay, "one-way", "one way", 64),
        compared!(OneWay, "one-way", "one way", 1024),
    ];
    Suite {
        rows: rows.into_iter().flatten().collect(),
        goals: Vec::new(),
        operations: 500,
        most_rounds: u32::MAX,
    }
}

/// Messages of `size` bytes through a region of format 1.
struct Format1 {
    id: &'static str,
    name: &'static str,
    by: By,
    way: Way,
    size: usize,
}

impl Format1 {
    fn layout() -> Result<Layout, BenchError> {
        Ok(Layout::format_1(COUNT, SIZE, PAGE)?)
    }

    fn part(&self, lines: Lines, role: Role) -> Result<Box<dyn Part>, BenchError> {
        if let By::Hand = self.by {
            let ring = HandWritten::new(words(lines), &Self::layout()?, role)
                .ok_or(BenchError::NotLaidOut { measure: self.id })?;
            return Ok(self.moving(ring, role));
        }
        let link = Format1Link::<Dynamic>::attach(region(lines)?, &AttachOptions::new(role))?;
        let (producer, consumer) = link.split();
        let (producer, consumer) = (Handle::owned(producer), Handle::owned(consumer));
        Ok(if let By::Either = self.by {
            let producer = EitherProducer::Second(producer);
            self.moving(link_end(producer, EitherConsumer::Second(consumer)), role)
        } else {
            self.moving(link_end(producer, consumer), role)
        })
    }

    /// The part of the process that has this role.
    fn moving(&self, end: impl End + 'static, role: Role) -> Box<dyn Part> {
        let end = Buffered::new(end, Messages::new(self.id, self.size));
        match role {
            Role::Primary => self.way.first(end),
            Role::Secondary => self.way.second(end),
        }
    }
}

impl Measure for Format1 {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self) -> Result<usize, BenchError> {
        // Regions of format 1 consist of pages.
        Ok(Self::layout()?.len() / LINE)
    }

    fn first(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        initialise(&region(lines)?, &Self::layout()?, &InitOptions::new())?;
        self.part(lines, Role::Primary)
    }

    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        self.part(lines, Role::Secondary)
    }
}

type EitherProducer = Either<ExclusiveProducer<Dynamic>, Handle<Owned<Format1Producer<Dynamic>>>>;
type EitherConsumer = Either<ExclusiveConsumer<Dynamic>, Handle<Owned<Format1Consumer<Dynamic>>>>;

fn link_end<P: Producer, C: Consumer>(producer: P, consumer: C) -> LinkEnd<P, C> {
    LinkEnd {
        sender: Sender::new(producer),
        receiver: Receiver::new(consumer),
        hint: HINT,
    }
}

impl End for HandWritten {
    #[inline]
    fn send(&mut self, message: &[u8], patience: &mut Patience<'_>) -> Result<(), BenchError> {
        settle(patience, || self.try_send(message))
    }

    #[inline]
    fn recv(
        &mut self,
        buffer: &mut [u8],
        patience: &mut Patience<'_>,
    ) -> Result<usize, BenchError> {
        settle(patience, || self.try_recv(buffer))
    }
}

/// Repeats `attempt` until it is no longer blocked.
#[inline]
fn settle<T>(
    patience: &mut Patience<'_>,
    mut attempt: impl FnMut() -> Result<T, Refused>,
) -> Result<T, BenchError> {
    let settled = patience.until(HINT, || match attempt() {
        Err(Refused::Blocked) => None,
        settled => Some(settled),
    })?;
    Ok(settled?)
}
