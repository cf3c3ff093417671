//! A guest without an operating system: it finds the memory that the host shares, attaches to the
//! region in it as secondary, echoes messages until the host closes; attaches again, serves calls
//! and sends a stream; and exits with what came of it.
#![no_std]
#![no_main]

mod boot;
mod machine;

use core::fmt::Write;
use core::hint::spin_loop;
use core::panic::PanicInfo;
use core::ptr::NonNull;

use hqq_core::advanced::{
    AdvancedLink, Event, MessageKey, PollError, Progress, SessionOptions, Transfer,
};
use hqq_core::link::AttachOptions;
use hqq_core::ring::exclusive::{ExclusiveConsumer, ExclusiveProducer};
use hqq_core::{
    Dynamic, DynamicLink, Format, FormatError, Identity, Presence, Region, Role, TryRecvError,
    TrySendError,
};

/// The exit code of a guest that did all it was asked to.
const DONE: u8 = 0x10;
const FAILED: u8 = 0x11;

/// Answers with each byte of the request plus one.
const INCREMENT: u64 = 1;
/// Answers with nothing, then sends a message of as many bytes as the request says (u64, little-endian).
const STREAM: u64 = 2;

const LONGEST_CALL: usize = 8192;

type End =
    AdvancedLink<ExclusiveProducer<Dynamic>, ExclusiveConsumer<Dynamic>, 2, LONGEST_CALL, 4, 2>;

#[unsafe(no_mangle)]
extern "C" fn guest_main() -> ! {
    let result = run();
    let code = match result {
        Ok(()) => DONE,
        Err(reason) => {
            // The serial line never fails.
            let _ = writeln!(machine::Serial, "guest: {reason}");
            FAILED
        }
    };
    machine::exit(code)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(machine::Serial, "guest: {info}");
    machine::exit(FAILED)
}

fn run() -> Result<(), &'static str> {
    let (base, len) = machine::shared_memory().ok_or("there is no ivshmem device")?;
    if base + len > 1 << 32 {
        return Err("the shared memory lies above 4 GiB");
    }
    let base = NonNull::new(base as *mut u8).ok_or("the shared memory has no address")?;
    // SAFETY: the device's memory, mapped for ever, reached by nothing else in this program.
    let region = unsafe { Region::from_raw(base, len) }.map_err(|_| "no region fits there")?;
    while let Err(error) = Identity::read(&region) {
        match error {
            FormatError::Empty | FormatError::Initialising { .. } => spin_loop(),
            _ => return Err("the shared memory holds no region"),
        }
    }
    let _ = writeln!(machine::Serial, "guest: attaching");
    echo(attach(&region)?)?;
    advanced(attach(&region)?)
}

/// Takes the secondary role, once the host has the other one.
fn attach(region: &Region) -> Result<DynamicLink, &'static str> {
    // There is one guest, so nobody else can have the role.
    let options = AttachOptions::new(Role::Secondary).presence(Presence::Alone, Presence::Alone);
    let mut link =
        DynamicLink::attach(region.clone(), &options).map_err(|_| "the region is refused")?;
    while !link.sender().is_peer_open() || !link.receiver().is_peer_open() {
        spin_loop();
    }
    Ok(link)
}

/// Sends back what comes, until the host has closed both halves.
fn echo(mut link: DynamicLink) -> Result<(), &'static str> {
    let mut message = [0; 65536];
    loop {
        match link.try_recv(&mut message) {
            Ok(len) => {
                let message = message.get(..len).unwrap_or_default();
                while let Err(error) = link.try_send(message) {
                    match error {
                        TrySendError::Full => spin_loop(),
                        _ => return Err("an echo is not sent"),
                    }
                }
            }
            Err(TryRecvError::Empty) => spin_loop(),
            Err(TryRecvError::Disconnected) => break,
            Err(_) => return Err("a message is not received"),
        }
    }
    while link.sender().is_peer_open() {
        spin_loop();
    }
    Ok(())
}

/// What is on its way to the host.
struct Sending {
    transfer: Transfer,
    body: [u8; LONGEST_CALL],
    len: usize,
    /// What follows an answer: bytes of a stream.
    then: u64,
}

fn advanced(link: DynamicLink) -> Result<(), &'static str> {
    let options = SessionOptions::new().max_message_size(1 << 30);
    let mut end = End::new(link.split(), Role::Secondary, Format::V2, options);
    let mut sending: Option<Sending> = None;
    loop {
        if let Some(answer) = &mut sending {
            let body = answer.body.get(..answer.len).unwrap_or_default();
            match end.advance(&mut answer.transfer, body, 16) {
                Ok(Progress::Finished) if answer.then > 0 => {
                    stream(&mut end, answer.then)?;
                    sending = None;
                }
                Ok(Progress::Finished) => sending = None,
                Ok(_) => {}
                Err(_) => return Err("an answer is not sent"),
            }
        }
        if sending.is_some() {
            continue;
        }
        let mut request: Option<(MessageKey, u64, usize)> = None;
        let mut body = [0; LONGEST_CALL];
        match end.poll(machine::ticks()) {
            Ok(Some(Event::Message {
                key,
                aux,
                body: bytes,
                ..
            })) => {
                request = Some((key, aux, bytes.copy_to(0, &mut body)));
            }
            Ok(Some(_)) => {}
            Ok(None) => spin_loop(),
            Err(PollError::Disconnected) => return Ok(()),
            Err(_) => return Err("the Advanced link is over"),
        }
        if let Some((key, method, len)) = request {
            let bytes = body.get_mut(..len).unwrap_or_default();
            let (len, then) = match method {
                INCREMENT => {
                    for byte in bytes {
                        *byte = byte.wrapping_add(1);
                    }
                    (len, 0)
                }
                STREAM => match bytes.first_chunk::<8>() {
                    Some(total) => (0, u64::from_le_bytes(*total)),
                    None => return Err("a stream without a length"),
                },
                _ => return Err("an unknown method"),
            };
            let transfer = end
                .begin_response(&key, 0, false, len as u64)
                .map_err(|_| "an answer cannot be begun")?;
            sending = Some(Sending {
                transfer,
                body,
                len,
                then,
            });
        }
    }
}

/// Sends a message of `total` bytes, filled in place: byte `i` is `i % 251`.
fn stream(end: &mut End, total: u64) -> Result<(), &'static str> {
    let mut transfer = end
        .begin_message(0, total)
        .map_err(|_| "a stream cannot be begun")?;
    let mut pattern = [0; 251 * 16];
    for (at, byte) in pattern.iter_mut().enumerate() {
        *byte = (at % 251) as u8;
    }
    let mut sent = 0_u64;
    while sent < total {
        let chunk = end
            .try_reserve_chunk(&mut transfer)
            .map_err(|_| "a chunk is not sent")?;
        let Some(mut chunk) = chunk else {
            spin_loop();
            continue;
        };
        let len = chunk.capacity();
        let mut filled = 0;
        while filled < len {
            let phase = ((sent + filled as u64) % 251) as usize;
            let piece = pattern.get(phase..).unwrap_or_default();
            let piece = piece
                .get(..piece.len().min(len - filled))
                .unwrap_or_default();
            chunk
                .copy_from(filled, piece)
                .map_err(|_| "a chunk is too small")?;
            filled += piece.len();
        }
        chunk
            .commit(len, sent + len as u64 == total)
            .map_err(|_| "a chunk is not sent")?;
        sent += len as u64;
    }
    Ok(())
}
