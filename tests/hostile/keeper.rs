//! A region that is made anew when it is beyond repair.

use std::sync::Mutex;
use std::time::Duration;

use hqq_std::{Delivery, Format, LinkOptions, OpenError};
use hqq_tests::Name;
use hqq_tests::scribble::Victim;

use super::tally::Tally;

/// How long opening waits for others that are at it.
pub(super) const PATIENCE: Duration = Duration::from_millis(20);

pub(super) struct Keeper {
    name: Name,
    victim: Victim,
    options: LinkOptions,
    times: Mutex<u64>,
}

impl Keeper {
    pub(super) fn new(format: Format, count: usize, size: usize) -> Self {
        Self::of(LinkOptions::new(), format, count, size)
    }

    /// One in which what a receiver leaves unread, having claimed it, comes to another one in doubt.
    pub(super) fn at_least_once(count: usize, size: usize) -> Self {
        let options = LinkOptions::new().delivery(Delivery::AtLeastOnce);
        Self::of(options, Format::V2, count, size)
    }

    fn of(options: LinkOptions, format: Format, count: usize, size: usize) -> Self {
        let name = Name::new();
        let options = options.format(format).count(count).size(size);
        options.create_region(&name).unwrap();
        let victim = Victim {
            name: name.to_string(),
            format,
            count,
            size,
        };
        Self {
            name,
            victim,
            options: options.attach_timeout(PATIENCE),
            times: Mutex::new(0),
        }
    }

    pub(super) const fn victim(&self) -> &Victim {
        &self.victim
    }

    pub(super) const fn options(&self) -> &LinkOptions {
        &self.options
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How often it was made anew.
    pub(super) fn times(&self) -> u64 {
        *self.times.lock().unwrap()
    }

    /// Makes it anew, unless somebody has since it was as `seen`.
    pub(super) fn renew(&self, seen: u64) {
        let mut times = self.times.lock().unwrap();
        if *times != seen {
            return;
        }
        hqq_std::unlink(&self.name).unwrap();
        self.options.create_region(&self.name).unwrap();
        *times += 1;
    }

    /// Opens it in some way; where that cannot be, makes it anew or waits a little.
    pub(super) fn open<T>(
        &self,
        tally: &Tally,
        open: impl FnOnce(&LinkOptions, &str) -> Result<T, OpenError>,
    ) -> Option<(T, u64)> {
        let seen = self.times();
        let opened = tally.timed("open", PATIENCE, || open(&self.options, &self.name));
        match opened {
            Ok(link) => Some((link, seen)),
            Err(error) => {
                tally.error("OpenError", &error);
                match error {
                    // Somebody else has it, or is at it.
                    OpenError::RolesTaken { .. }
                    | OpenError::MembersTaken { .. }
                    | OpenError::Busy { .. }
                    | OpenError::NotFound { .. } => std::thread::sleep(Duration::from_millis(1)),
                    _ => self.renew(seen),
                }
                None
            }
        }
    }
}
