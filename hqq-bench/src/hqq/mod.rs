//! What is measured of HQQ.

pub(crate) mod attach;
pub(crate) mod bare;
pub(crate) mod hand_written;
pub(crate) mod idle;
pub(crate) mod large;
pub(crate) mod link;
pub(crate) mod parked;
pub(crate) mod repair;
pub(crate) mod shared;
