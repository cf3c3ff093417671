//! What the machine can do at all.

pub(crate) mod cache_line;
pub(crate) mod futex;
pub(crate) mod memcpy;
pub(crate) mod pipeline;
