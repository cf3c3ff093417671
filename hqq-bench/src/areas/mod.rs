//! What can be measured, area by area: each is a suite of rows that take turns.

mod crowds;
mod floor;
mod format1;
mod large;
mod messages;
pub(crate) mod peers;
mod round_trips;
mod sweep;
mod waiting;

use crate::suite::{Plan, Suite};

/// A suite that can be run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    RoundTrips,
    Messages,
    Threads,
    Large,
    Advanced,
    Trust,
    Waiting,
    Sweep,
    Floor,
    Format1,
}

impl Area {
    /// In the order of the report. `floor` is part of `rtt`.
    pub(crate) const ALL: &'static [Self] = &[
        Self::RoundTrips,
        Self::Messages,
        Self::Threads,
        Self::Large,
        Self::Advanced,
        Self::Trust,
        Self::Waiting,
        Self::Sweep,
        Self::Format1,
    ];

    /// As a subcommand.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RoundTrips => "rtt",
            Self::Messages => "messages",
            Self::Threads => "threads",
            Self::Large => "large",
            Self::Advanced => "advanced",
            Self::Trust => "trust",
            Self::Waiting => "park",
            Self::Sweep => "sweep",
            Self::Floor => "floor",
            Self::Format1 => "format1",
        }
    }

    /// Its rows; the same in both processes.
    pub(crate) fn suite(self, plan: &Plan) -> Suite {
        match self {
            Self::RoundTrips => round_trips::suite(),
            Self::Messages => messages::suite(),
            Self::Threads => crowds::suite(plan),
            Self::Large => large::suite(plan),
            Self::Advanced => crate::advanced::suite(),
            Self::Trust => messages::trust(),
            Self::Waiting => waiting::suite(),
            Self::Sweep => sweep::suite(plan),
            Self::Floor => floor::suite(),
            Self::Format1 => format1::suite(),
        }
    }
}
