//! Messages that lie in several pieces.

use std::time::Instant;

use super::super::error::TransferError;
use super::super::limit::Limit;
use super::super::stream::Route;
use super::AdvancedLink;
use super::sending::begin_message;

impl AdvancedLink {
    /// As [`AdvancedLink::send_large_until`], of what the pieces are together. Pieces of a buffer and more are
    /// sent from where they lie, smaller ones are put together first, so that none takes a buffer of its own.
    ///
    /// ```
    /// use hqq_std::{AdvancedLink, AdvancedOptions};
    /// let (near, far) = hqq_std::pair()?;
    /// let options = AdvancedOptions::new();
    /// let (near, far) = (AdvancedLink::new(near, options), AdvancedLink::new(far, options));
    /// let sender = std::thread::spawn(move || {
    ///     near.negotiate(None)?;
    ///     let (head, body) = ([1, 2], vec![3; 100_000]);
    ///     near.send_pieces([&head[..], &body[..]], None)?;
    ///     Ok::<_, std::io::Error>(())
    /// });
    /// far.wait_for_negotiation(None)?;
    /// let message = far.receive()?;
    /// assert_eq!((message.body().len(), &message.body()[..3]), (100_002, &[1, 2, 3][..]));
    /// sender.join().unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    pub fn send_pieces<'b>(
        &self,
        pieces: impl IntoIterator<Item = &'b [u8]>,
        deadline: Option<Instant>,
    ) -> Result<(), TransferError> {
        self.send_pieces_on(0, pieces, deadline)
    }

    /// As [`AdvancedLink::send_pieces`], on the stream of this id.
    ///
    /// # Errors
    /// As [`AdvancedLink::send_large_on`].
    pub fn send_pieces_on<'b>(
        &self,
        connection: u64,
        pieces: impl IntoIterator<Item = &'b [u8]>,
        deadline: Option<Instant>,
    ) -> Result<(), TransferError> {
        let pieces: Vec<&[u8]> = pieces.into_iter().collect();
        let len = pieces.iter().map(|piece| piece.len() as u64).sum();
        let mut engine = self.shared().lock();
        let mut transfer = begin_message(&mut engine, Route::of_any(connection), len)?;
        let size = engine.buffer_size();
        drop(engine);
        let mut limit = Limit::until(deadline);
        // Less than a buffer of what comes next, as all of it is not in one piece.
        let mut kept = Vec::new();
        for mut piece in pieces {
            loop {
                if kept.is_empty() && piece.len() >= size {
                    let sent = self.advance(&mut transfer, piece, true, &mut limit, None)?;
                    piece = piece.get(sent..).unwrap_or_default();
                    continue;
                }
                let part = piece.len().min(size - kept.len());
                let (now, later) = piece.split_at(part);
                kept.extend_from_slice(now);
                piece = later;
                if kept.len() < size {
                    break;
                }
                self.advance(&mut transfer, &kept, true, &mut limit, None)?;
                kept.clear();
            }
        }
        if !transfer.is_finished() {
            self.advance(&mut transfer, &kept, true, &mut limit, None)?;
        }
        Ok(())
    }
}
