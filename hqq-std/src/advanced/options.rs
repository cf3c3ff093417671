//! Bounds of an Advanced link.

use std::time::Duration;

use hqq_core::advanced::SessionOptions;
use hqq_core::packet::{Capabilities, Features};

/// How an [`AdvancedLink`](super::AdvancedLink) behaves, and how much memory it may take, besides 1 MiB at most of what was read
/// as it came.
///
/// ```
/// use hqq_std::AdvancedOptions;
/// let options = AdvancedOptions::new().max_message_size(1 << 20).incoming_queue(16);
/// # let _ = options;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AdvancedOptions {
    pub(super) features: Features,
    pub(super) capabilities: Capabilities,
    pub(super) max_message_size: usize,
    pub(super) max_assemblies: usize,
    pub(super) max_assembly_bytes: usize,
    pub(super) incoming_queue: usize,
    pub(super) incoming_bytes: usize,
    pub(super) patience: Duration,
    pub(super) successors: bool,
}

impl AdvancedOptions {
    /// Messages of up to 64 MiB, 128 of them arriving at a time with 256 MiB in all, 1024 waiting to
    /// be received with 64 MiB in all; what makes no progress for 30 s is given up.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            features: Features::KNOWN,
            capabilities: Capabilities::KNOWN,
            max_message_size: 64 << 20,
            max_assemblies: 128,
            max_assembly_bytes: 256 << 20,
            incoming_queue: 1024,
            incoming_bytes: 64 << 20,
            patience: Duration::from_secs(30),
            successors: false,
        }
    }

    /// The features to offer; those that the region's format has not are left out.
    #[must_use]
    pub const fn features(mut self, features: Features) -> Self {
        self.features = features;
        self
    }

    /// The capabilities to offer, which are hints.
    #[must_use]
    pub const fn capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// The most bytes of a message, both ways. What is streamed has no limit, and a message that is no request and no answer
    /// is received also where it is longer, if all of it came before anybody asked for it.
    #[must_use]
    pub const fn max_message_size(mut self, bytes: usize) -> Self {
        self.max_message_size = bytes;
        self
    }

    /// The most messages that arrive in parts at a time, at most 256. A further one takes the place
    /// of one that has not got past its first part, or is given up.
    #[must_use]
    pub const fn max_assemblies(mut self, messages: usize) -> Self {
        self.max_assemblies = messages;
        self
    }

    /// The most bytes of parts of messages, requests and answers. Memory is taken as bytes arrive. What
    /// would need more is given up: a request is refused with status 7, a call fails.
    #[must_use]
    pub const fn max_assembly_bytes(mut self, bytes: usize) -> Self {
        self.max_assembly_bytes = bytes;
        self
    }

    /// The most requests that wait to be received, and the most other messages. Further requests are
    /// refused with status 7. For other messages the streams they are on stop, each by itself, where
    /// the peer agreed to credits; with other peers (format 1) nothing more is taken out of the ring
    /// until some were received.
    #[must_use]
    pub const fn incoming_queue(mut self, messages: usize) -> Self {
        self.incoming_queue = messages;
        self
    }

    /// The most bytes of messages that wait to be received; as [`AdvancedOptions::incoming_queue`].
    #[must_use]
    pub const fn incoming_bytes(mut self, bytes: usize) -> Self {
        self.incoming_bytes = bytes;
        self
    }

    /// How long a message that arrives in parts may make no progress; and how long, with peers of format
    /// 1, one that cannot be put together may hold up all others until
    /// [`receive_stream`](super::AdvancedLink::receive_stream) takes it, where such messages alone are enough for
    /// nothing more to be taken out of the ring. Where that was never called, it
    /// may for a second at most, and only the first one. So may, where the peer agreed to credits, one hold up others on its
    /// stream, whose credit such ones have taken up; and each for which 64 bytes of that are left (or a buffer's, if that is
    /// less), with which it may still end. It is given up then
    /// ([`take_dead`](super::AdvancedLink::take_dead)), and a request refused with status 7.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Whether a peer that negotiates again is the next one, with which everything begins anew as by
    /// [`AdvancedLink::renew`](super::AdvancedLink::renew); without this it is refused. For servers of
    /// format 1, which does not tell when a peer leaves.
    #[must_use]
    pub const fn successors(mut self, successors: bool) -> Self {
        self.successors = successors;
        self
    }

    pub(super) fn session(&self) -> SessionOptions {
        let patience = u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX);
        // Lengths are checked where messages are assembled: streamed ones have no limit.
        SessionOptions::new()
            .features(self.features)
            .capabilities(self.capabilities)
            .max_message_size(u64::MAX - 1)
            .patience(patience)
    }
}

impl Default for AdvancedOptions {
    fn default() -> Self {
        Self::new()
    }
}
