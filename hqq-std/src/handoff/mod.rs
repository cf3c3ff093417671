//! Handing the descriptor of a region over a Unix socket, to a peer that was authorised by who it
//! is (Linux; PROTOCOL.md, "Handing a region over").
//!
//! The region is anonymous memory that is sealed: nobody can make it shorter or longer, so that no
//! access to it can fail, whatever its other users do. Nobody but those whom it was handed to can
//! reach it: it has no name.
//!
//! A [`Listener`] waits at a path. Whoever connects becomes a [`Guest`] if the kernel says that it is
//! a user, or of a group, that [`Allow`] lets in; the listener's process makes a region and hands it
//! over. A [`Connector`] asks, in turn, who listens there, and what it was handed: whether it is
//! such memory, and not too large. Nothing of the other side is believed, and each step has a
//! deadline.
//!
//! ```
//! use std::time::Duration;
//! use hqq_std::LinkOptions;
//! use hqq_std::handoff::{Allow, Connector, Listener};
//!
//! const PATIENCE: Duration = Duration::from_secs(10);
//! # let path = std::env::temp_dir().join(format!("hqq-doc-handoff-{}", std::process::id()));
//! let listener = Listener::bind(&path, Allow::same_user())?;
//! # let socket = path.clone();
//! let far = std::thread::spawn(move || -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
//!     let connector = Connector::new(Allow::same_user());
//!     let mut link = connector.connect(&socket, &LinkOptions::new(), PATIENCE)?;
//!     Ok(link.recv_vec()?)
//! });
//! let guest = listener.accept(Some(PATIENCE))?;
//! assert_eq!(guest.credentials().pid, std::process::id());
//! let mut near = guest.make_region(&LinkOptions::new().count(16).size(256), PATIENCE)?;
//! near.send(b"only you and I")?;
//! assert_eq!(far.join().unwrap().unwrap(), b"only you and I");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod allow;
mod connector;
mod error;
mod listener;
mod message;
mod socket;

pub use allow::{Allow, Credentials};
pub use connector::{Connector, DEFAULT_MOST};
pub use error::{HandoffError, Refusal};
pub use listener::{Guest, Listener};
