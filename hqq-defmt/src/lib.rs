//! `defmt` over HQQ: a global logger that writes log frames into a Standard link, as `defmt-rtt`
//! does through a debug probe. `hqq defmt --elf FIRMWARE NAME` prints them on the host.
//!
//! ```ignore
//! use hqq_core::{AttachOptions, DynamicLink, Region, Role};
//!
//! let link = DynamicLink::attach(region, &AttachOptions::new(Role::Secondary))?;
//! let (sender, _) = link.split();
//! hqq_defmt::init(sender);
//! defmt::info!("up");
//! ```
//!
//! Depending on this crate makes its logger the program's; there can be only one. Logging works in
//! every context, interrupt handlers included, and never waits: a frame that finds no room, or is
//! longer than [`LONGEST`], is dropped and [counted](dropped). One frame is one message where the
//! link's buffers are long enough, several otherwise; a receiver concatenates them.
//!
//! A frame is encoded under the program's `critical-section`, and so is sending it.
#![no_std]
#![deny(unsafe_code)]

use core::cell::RefCell;

use critical_section::{Mutex, RestoreState};
use defmt::Encoder;
use hqq_core::{Dynamic, ExclusiveSender};

/// Bytes of the longest encoded frame that is sent.
pub const LONGEST: usize = 256;

/// What the logger has, under the critical section.
struct State {
    sender: Option<ExclusiveSender<Dynamic>>,
    encoder: Encoder,
    /// What `acquire` took and `release` gives back; `None` while nobody logs.
    section: Option<RestoreState>,
    frame: [u8; LONGEST],
    len: usize,
    /// The frame that is being encoded got too long.
    overflown: bool,
    /// The last frame was sent in part: the next begins by ending it.
    torn: bool,
    dropped: u32,
}

static STATE: Mutex<RefCell<State>> = Mutex::new(RefCell::new(State {
    sender: None,
    encoder: Encoder::new(),
    section: None,
    frame: [0; LONGEST],
    len: 0,
    overflown: false,
    torn: false,
    dropped: 0,
}));

impl State {
    /// Encodes with `step`; what comes out is added to the frame.
    fn encode(&mut self, step: impl FnOnce(&mut Encoder, &mut dyn FnMut(&[u8]))) {
        let Self {
            encoder,
            frame,
            len,
            overflown,
            ..
        } = self;
        step(encoder, &mut |bytes| {
            let room = frame
                .get_mut(*len..)
                .and_then(|rest| rest.get_mut(..bytes.len()));
            match room {
                Some(room) => {
                    room.copy_from_slice(bytes);
                    *len += bytes.len();
                }
                None => *overflown = true,
            }
        });
    }

    /// Sends the frame, or drops it.
    fn send(&mut self) {
        let frame = self.frame.get(..self.len).unwrap_or_default();
        let sent = match &mut self.sender {
            Some(sender) if !self.overflown => {
                // The end of a frame, for the one that was torn.
                let mended = !self.torn || sender.try_send(&[0]).is_ok();
                self.torn &= !mended;
                let max = sender.max_message_size();
                let mut parts = frame.chunks(max.max(1));
                let first = mended
                    && parts
                        .next()
                        .is_none_or(|part| sender.try_send(part).is_ok());
                let all = first && parts.all(|part| sender.try_send(part).is_ok());
                self.torn |= first && !all;
                all
            }
            _ => false,
        };
        if !sent {
            self.dropped = self.dropped.saturating_add(1);
        }
        self.len = 0;
        self.overflown = false;
    }
}

/// Lets logs go into this half of a link from now on; gives back the half they went into before.
/// What is logged without one is dropped.
pub fn init(sender: ExclusiveSender<Dynamic>) -> Option<ExclusiveSender<Dynamic>> {
    critical_section::with(|token| STATE.borrow_ref_mut(token).sender.replace(sender))
}

/// How many frames were dropped since the program started.
#[must_use]
pub fn dropped() -> u32 {
    critical_section::with(|token| STATE.borrow_ref(token).dropped)
}

/// The logger that `defmt`'s macros reach.
mod logger {
    #![allow(
        unsafe_code,
        reason = "defmt takes and gives back the critical section in two calls"
    )]

    use critical_section::CriticalSection;

    use super::{STATE, State};

    #[defmt::global_logger]
    struct Logger;

    /// Does something with the state, inside the section that `acquire` has entered.
    fn with_state(work: impl FnOnce(&mut State)) {
        // SAFETY: defmt calls `write`, `flush` and `release` between `acquire` and `release` only.
        let token = unsafe { CriticalSection::new() };
        // A logger that logs, from within itself, is the only way not to get it.
        if let Ok(mut state) = STATE.borrow(token).try_borrow_mut() {
            work(&mut state);
        }
    }

    // SAFETY: from `acquire` to `release` the critical section is held, so that no other context's
    // frame comes between; the state says whether somebody is in there.
    unsafe impl defmt::Logger for Logger {
        fn acquire() {
            // SAFETY: given back in `release`, on which defmt insists.
            let section = unsafe { critical_section::acquire() };
            with_state(|state| {
                state.section = Some(section);
                state.encode(|encoder, write| encoder.start_frame(write));
            });
        }

        unsafe fn flush() {}

        unsafe fn release() {
            let mut section = None;
            with_state(|state| {
                state.encode(|encoder, write| encoder.end_frame(write));
                state.send();
                section = state.section.take();
            });
            if let Some(section) = section {
                // SAFETY: what `acquire` took, once.
                unsafe { critical_section::release(section) };
            }
        }

        unsafe fn write(bytes: &[u8]) {
            with_state(|state| state.encode(|encoder, write| encoder.write(bytes, write)));
        }
    }
}
