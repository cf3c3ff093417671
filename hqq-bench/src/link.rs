//! Round trips of the exclusive link, spinning.

use hqq_core::{AttachOptions, DynamicLink, InitOptions, Layout, Role, initialise};

use crate::end::{End, LinkEnd, Messages, Way};
use crate::error::BenchError;
use crate::memory::{LINE, Lines, region};
use crate::patience::Hint;
use crate::runner::{Measure, Part};

/// Buffers in each direction.
const COUNT: usize = 64;
/// Bytes in a buffer.
const SIZE: usize = 256;

/// Round trips of messages of `size` bytes, written, echoed and compared.
pub(crate) struct LinkRoundTrip {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// A multiple of 8, at most [`SIZE`].
    pub(crate) size: usize,
    pub(crate) hint: Hint,
}

impl LinkRoundTrip {
    fn layout() -> Result<Layout, BenchError> {
        Ok(Layout::compact(COUNT, SIZE)?)
    }

    fn end(&self, lines: Lines, role: Role) -> Result<impl End + use<>, BenchError> {
        let link = DynamicLink::attach(region(lines)?, &AttachOptions::new(role))?;
        let (sender, receiver) = link.split();
        Ok(LinkEnd {
            sender,
            receiver,
            hint: self.hint,
        })
    }

    fn messages(&self) -> Messages {
        Messages {
            measure: self.id,
            size: self.size,
            fresh: self.size,
        }
    }
}

impl Measure for LinkRoundTrip {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self) -> Result<usize, BenchError> {
        Ok(Self::layout()?.len().div_ceil(LINE))
    }

    fn first(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        initialise(&region(lines)?, &Self::layout()?, &InitOptions::new())?;
        let end = self.end(lines, Role::Primary)?;
        Ok(Way::RoundTrip.first(end, self.messages()))
    }

    fn second(&self, lines: Lines) -> Result<Box<dyn Part>, BenchError> {
        let end = self.end(lines, Role::Secondary)?;
        Ok(Way::RoundTrip.second(end, self.messages()))
    }
}
