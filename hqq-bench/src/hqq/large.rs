//! A large message over the Advanced protocol: assembled by `hqq-std`, or in chunks that the receiver
//! copies to where they belong.

mod chunks;
mod system;

use hqq_std::LinkOptions;

use crate::error::BenchError;
use crate::measure::{Measure, Part, named};
use crate::memory::{LINE, Lines};

/// How it is sent and received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// `hqq_std::AdvancedLink`: `send_large`, `receive`, and `reuse` of what was received.
    Assembled,
    /// The same, waiting with the default policy, which sleeps where spinning does not pay.
    Adaptive,
    /// The first without `reuse`: each message in memory of its own.
    Anew,
    /// As the first: `send_large`, and `receive_stream` into memory of the receiver's.
    SystemStreamed,
    /// `hqq_core`'s: `advance`, and each chunk copied as it comes.
    Streamed,
    /// The same, sent by filling the buffers in place.
    InPlace,
}

impl How {
    /// What competes for the best geometry.
    pub(crate) const fn group(self) -> &'static str {
        match self {
            Self::Assembled => "assembled",
            Self::Adaptive => "assembled-adaptive",
            Self::Anew => "assembled-anew",
            Self::SystemStreamed => "std-streamed",
            Self::Streamed => "streamed",
            Self::InPlace => "inplace",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Assembled => "send_large, receive, reuse",
            Self::Adaptive => "send_large, receive, reuse, adaptive",
            Self::Anew => "send_large, receive",
            Self::SystemStreamed => "send_large, receive_stream",
            Self::Streamed => "advance, chunks copied as they come",
            Self::InPlace => "filled in place, chunks copied as they come",
        }
    }
}

/// Copies of a large message through `count` buffers of `size` bytes.
pub(crate) struct Large {
    id: &'static str,
    name: &'static str,
    how: How,
    count: usize,
    size: usize,
}

impl Large {
    pub(crate) fn new(how: How, count: usize, size: usize) -> Self {
        let (group, words, kib) = (how.group(), how.words(), size / 1024);
        Self {
            id: named(format!("{group}-{count}x{kib}k")),
            name: named(format!("{words}, {count} x {kib} KiB")),
            how,
            count,
            size,
        }
    }
}

impl Measure for Large {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self) -> Result<usize, BenchError> {
        match self.how {
            How::Assembled | How::Adaptive | How::Anew | How::SystemStreamed => Ok(system::LINES),
            How::Streamed | How::InPlace => {
                Ok(chunks::layout(self.count, self.size)?.len().div_ceil(LINE))
            }
        }
    }

    fn first(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        match self.how {
            How::Assembled | How::Adaptive | How::Anew | How::SystemStreamed => {
                let options = LinkOptions::new().count(self.count).size(self.size);
                system::first(lines, options, self.how)
            }
            How::Streamed => chunks::first(lines, self.count, self.size, false),
            How::InPlace => chunks::first(lines, self.count, self.size, true),
        }
    }

    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        match self.how {
            How::Assembled | How::Adaptive | How::Anew | How::SystemStreamed => {
                system::second(lines, self.id, self.how)
            }
            How::Streamed | How::InPlace => chunks::second(lines, self.id),
        }
    }

    fn most(&self) -> u32 {
        // It takes longer than a turn should.
        1
    }
}
