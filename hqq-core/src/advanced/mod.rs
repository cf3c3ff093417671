//! The Advanced protocol over a link: messages of any length, calls, streams (PROTOCOL.md, "Advanced
//! protocol"). No thread, no heap: everything moves when it is polled, every bound is a constant.
//!
//! | module | job |
//! |---|---|
//! | [`session`] | the state of one end, without any I/O |
//! | `negotiate` | what both sides can do |
//! | `inbound` | which chunk of which message may come next |
//! | `transfer` | messages that leave in chunks |
//! | `calls` | calls that wait for their answers |
//! | `streams` | opening, closing, credit |
//! | `event`, `link` | [`AdvancedLink`], which drives a session over the two halves of a link |

mod calls;
mod event;
mod inbound;
mod link;
mod negotiate;
pub mod session;
mod streams;
mod table;
mod transfer;

pub use calls::CallFailure;
pub use event::{Body, Event};
pub use inbound::{Arrival, DiscardReason, MessageKey};
pub use link::{AdvanceError, AdvancedLink, ChunkGrant, PollError, Progress, Reception};
pub use negotiate::{Agreement, NegotiateError, NegotiationState};
pub use session::{Notice, Session, SessionCounters, SessionOptions, Step};
pub use streams::StreamState;
pub use transfer::{BeginError, ChunkRefusal, Transfer};
