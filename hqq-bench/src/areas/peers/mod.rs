//! Rows of what could be used instead, and what is asked of HQQ next to them; nothing where they are not
//! built in (feature `peers`).

#[cfg(feature = "peers")]
pub(crate) use built_in::{calls, crowds, messages, round_trips, sweep};
#[cfg(not(feature = "peers"))]
pub(crate) use left_out::{calls, crowds, messages, round_trips, sweep};

#[cfg(feature = "peers")]
mod built_in;
#[cfg(feature = "peers")]
mod queues;

#[cfg(not(feature = "peers"))]
mod left_out {
    use crate::suite::{Goal, Plan, Row};

    pub(crate) const fn round_trips(_: &mut Vec<Row>, _: &mut Vec<Goal>) {}
    pub(crate) const fn messages(_: &mut Vec<Row>, _: &mut Vec<Goal>) {}
    pub(crate) const fn crowds(_: &Plan, _: &mut Vec<Row>, _: &mut Vec<Goal>) {}
    pub(crate) const fn calls(_: &mut Vec<Row>, _: &mut Vec<Goal>) {}
    pub(crate) const fn sweep(_: &Plan, _: &mut Vec<Row>) {}
}
