//! How a session behaves.

use crate::packet::{Capabilities, Features};

/// How a session behaves. Ticks are the caller's, such as milliseconds.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SessionOptions {
    pub(super) features: Features,
    pub(super) capabilities: Capabilities,
    pub(super) max_message_size: u64,
    pub(super) patience: u64,
}

impl SessionOptions {
    /// All features that the format has, messages of up to 64 MiB, and no limit of age: see
    /// [`SessionOptions::patience`].
    #[must_use]
    pub const fn new() -> Self {
        Self {
            features: Features::KNOWN,
            capabilities: Capabilities::KNOWN,
            max_message_size: 64 << 20,
            patience: u64::MAX,
        }
    }

    /// The features to offer; those that the format has not are left out.
    #[must_use]
    pub const fn features(mut self, features: Features) -> Self {
        self.features = features;
        self
    }

    /// The capabilities to offer: hints only.
    #[must_use]
    pub const fn capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// The most bytes of a message, both ways. Of those that arrive without a size, whoever puts
    /// them together keeps the bound.
    #[must_use]
    pub const fn max_message_size(mut self, bytes: u64) -> Self {
        self.max_message_size = bytes;
        self
    }

    /// How many ticks may pass between two chunks of a message that arrives. Give one wherever the peer is not
    /// trusted to end what it begins: without a limit, which is what there is by default as only the program knows
    /// its clock, messages that are begun, continued and left so keep their places for good, and once they have all
    /// `ASSEMBLIES` of them no other message in several chunks arrives any more.
    #[must_use]
    pub const fn patience(mut self, ticks: u64) -> Self {
        self.patience = ticks;
        self
    }
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self::new()
    }
}
