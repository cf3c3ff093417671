//! The clock by which messages that arrive grow old. It stands still while this side does not look.

/// Of a time in which something came, at most this part of the patience counts.
const SHARE: u64 = 16;

/// How long this side has looked for more and would have found it, in the caller's ticks.
///
/// What a sender cannot help must not make its messages old: that this side does something else for
/// long, that the ring is full meanwhile. So time counts from one look that finds the ring empty to the
/// next. Where nothing came between the two, there was room all along; where something did, perhaps not
/// before this side looked again, so that only a little of it counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attention {
    counted: u64,
    /// When the ring was found empty last.
    emptied: Option<u64>,
    /// Something came since.
    came: bool,
}

impl Attention {
    /// What has been counted.
    pub(super) const fn counted(&self) -> u64 {
        self.counted
    }

    /// When `due` will have been counted, if nothing comes until then.
    pub(super) fn when(&self, due: u64) -> u64 {
        let left = due.saturating_sub(self.counted);
        self.emptied.unwrap_or(0).saturating_add(left)
    }

    /// Notes that something was taken out of the ring.
    #[inline]
    pub(super) const fn taken(&mut self) {
        self.came = true;
    }

    /// Notes that the ring is empty at `now`.
    #[inline]
    pub(super) fn emptied(&mut self, now: u64, patience: u64) {
        let since = self.emptied.replace(now).unwrap_or(now);
        let gap = now.saturating_sub(since);
        let most = if self.came {
            (patience / SHARE).max(1)
        } else {
            gap
        };
        self.counted = self.counted.saturating_add(gap.min(most));
        self.came = false;
    }
}
