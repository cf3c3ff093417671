//! The same for tasks: futures that any runtime polls.

use super::super::engine::Engine;
use super::super::error::{CallError, LinkFailure, ReceiveError};
use super::super::message::Message;
use super::super::stream::Stream;
use super::super::waiters::Interest;
use super::AdvancedLink;
use super::receiving::take_message;
use super::streams::accept_offered;

impl AdvancedLink {
    /// As [`AdvancedLink::call`], for a task of any runtime: sending may block for as long as the
    /// ring is full.
    ///
    /// # Errors
    /// As there.
    pub async fn call_async(&self, method: u64, body: &[u8]) -> Result<Vec<u8>, CallError> {
        self.start_call(method, body)?.await
    }

    /// As [`AdvancedLink::receive`], for a task of any runtime.
    ///
    /// # Errors
    /// As there.
    pub async fn receive_async(&self) -> Result<Message, ReceiveError> {
        self.shared().lock().messages_read = true;
        self.task(|engine| take_message(engine, |_| true)).await?
    }

    /// As [`AdvancedLink::accept`], for a task of any runtime.
    ///
    /// # Errors
    /// As there.
    pub async fn accept_async(&self) -> Result<Stream, ReceiveError> {
        let stream = self.task(accept_offered).await??;
        Ok(Stream::new(self.clone(), stream))
    }

    /// Waits as a task until `check` gives a value.
    pub(super) async fn task<T>(
        &self,
        mut check: impl FnMut(&mut Engine) -> Result<T, Interest>,
    ) -> Result<T, LinkFailure> {
        self.start_background()?;
        let mut waiting = Waiting {
            link: self,
            token: None,
        };
        let value = std::future::poll_fn(|context| {
            let shared = waiting.link.shared();
            shared.poll_wait(context, &mut waiting.token, &mut check)
        });
        Ok(value.await)
    }
}

/// A task that waits; it is forgotten when it is dropped.
struct Waiting<'a> {
    link: &'a AdvancedLink,
    token: Option<u64>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(token) = self.token {
            self.link.shared().lock().waiters.remove(token);
        }
    }
}
