//! The Advanced protocol for programs with threads: messages of any length, calls, streams, futures
//! (PROTOCOL.md, "Advanced protocol").
//!
//! [`AdvancedLink`] is an end that threads share. Under its lock lies an engine (`engine`): the
//! protocol's state from `hqq-core`, both halves of the link, and what arrived. `shared` says who
//! drives it while others wait.

mod arriving;
mod call;
mod engine;
pub mod error;
mod limit;
mod link;
mod locked;
mod message;
mod offer;
mod options;
mod owner;
mod request;
mod serve;
mod shared;
mod spare;
mod stand_ins;
mod stats;
mod stream;
mod waiters;

pub use call::Call;
pub use link::AdvancedLink;
pub use message::{BodyReader, Incoming, Message};
pub use offer::Offer;
pub use options::AdvancedOptions;
pub use request::Request;
pub use serve::{Refusal, Server};
pub use stats::AdvancedStats;
pub use stream::Stream;
