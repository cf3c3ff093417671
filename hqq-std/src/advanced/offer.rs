//! Streams that the peer opens, before they are accepted.

use super::error::{LinkFailure, ReceiveError};
use super::link::AdvancedLink;
use super::stream::{Stream, StreamKey};

/// A stream that the peer opens, and that is accepted or refused here; dropping it refuses it.
///
/// ```
/// use hqq_std::advanced::error::DialError;
/// use hqq_std::{AdvancedLink, AdvancedOptions};
/// let (near, far) = hqq_std::pair()?;
/// let options = AdvancedOptions::new();
/// let (near, far) = (AdvancedLink::new(near, options), AdvancedLink::new(far, options));
/// far.listen(true);
/// let server = std::thread::spawn(move || {
///     far.wait_for_negotiation(None)?;
///     // One stream at a time.
///     let stream = far.next_offer(None)?.accept()?;
///     far.next_offer(None)?.refuse();
///     assert_eq!(stream.receive()?.body(), b"the only one");
///     Ok::<(), std::io::Error>(())
/// });
/// near.negotiate(None)?;
/// let stream = near.dial(None)?;
/// assert!(matches!(near.dial(None), Err(DialError::Refused(_))));
/// stream.send_large(b"the only one")?;
/// server.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping an offer refuses the stream"]
pub struct Offer {
    link: AdvancedLink,
    key: StreamKey,
}

impl Offer {
    pub(super) const fn new(link: AdvancedLink, key: StreamKey) -> Self {
        Self { link, key }
    }

    /// The stream's number, the same at both ends.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.key.id
    }

    /// Opens the stream.
    ///
    /// # Errors
    /// [`ReceiveError::StreamClosed`] where the peer has given it up meanwhile; [`ReceiveError::Link`] where
    /// the link is over.
    pub fn accept(self) -> Result<Stream, ReceiveError> {
        let mut engine = self.link.shared().lock();
        if let Some(failure) = engine.failure {
            return Err(failure.into());
        }
        if engine.generation != self.key.generation {
            return Err(LinkFailure::Disconnected.into());
        }
        if !engine.session.accept_stream(self.key.id) {
            return Err(ReceiveError::StreamClosed);
        }
        drop(engine);
        // The peer waits for that, also where there is no room now.
        self.link.settle();
        Ok(Stream::new(self.link.clone(), self.key))
    }

    /// Does not open it: the peer's dial fails as refused.
    pub fn refuse(self) {
        drop(self);
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        // Not one that was accepted.
        self.link.refuse_stream(self.key);
    }
}
