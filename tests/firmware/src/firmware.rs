//! Firmware of a Cortex-M3, which has no 64-bit atomics: main loop and interrupt handler exchange
//! messages, then calls; the region's image goes to the host and comes back with the host's messages
//! in it. Its logs go through a link of their own.
#![no_std]
#![no_main]

mod host;

use core::cell::RefCell;
use core::panic::PanicInfo;

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{entry, exception};
use critical_section::Mutex;
use hqq_core::advanced::{AdvancedLink, Event, MessageKey, SessionOptions, Transfer};
use hqq_core::ring::exclusive::{ExclusiveConsumer, ExclusiveProducer};
use hqq_core::{
    AttachOptions, DynamicLink, Fixed, Format, InitOptions, Layout, Region, Role, StandardLink,
    StaticRegion, TryRecvError, TrySendError, initialise,
};

use host::File;

type Geometry = Fixed<8, 64>;
type Link = StandardLink<8, 64>;
/// One message of up to 192 bytes arriving at a time, 2 calls, 2 streams.
type End = AdvancedLink<ExclusiveProducer<Geometry>, ExclusiveConsumer<Geometry>, 1, 192, 2, 2>;

const MESSAGES: usize = 5000;
const CALLS: u32 = 200;
const REVERSE: u64 = 1;
/// What the host sends; see `tests/firmware.rs`.
const FROM_HOST: u32 = 5;

static MESSAGES_REGION: StaticRegion<8, 64> = StaticRegion::new();
static CALLS_REGION: StaticRegion<8, 64> = StaticRegion::new();

/// What the interrupt handler works on, handed over by the main loop.
struct Handler {
    link: Option<Link>,
    callee: Option<Callee>,
    ticks: u64,
}

static HANDLER: Mutex<RefCell<Option<Handler>>> = Mutex::new(RefCell::new(None));

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let line = info.location().map_or(0, |location| location.line());
    defmt::error!("panicked at line {=u32}", line);
    host::exit(false)
}

#[entry]
fn main() -> ! {
    let mut logs = Logs::start();
    let result = run(&mut logs);
    match result {
        Ok(()) => defmt::info!("all is well, {=u32} frames dropped", hqq_defmt::dropped()),
        Err(what) => defmt::error!("failed: {=str}", what),
    }
    logs.drain();
    // For the host to read out of the image.
    defmt::info!("left in the region");
    logs.dump();
    host::exit(result.is_ok())
}

fn run(logs: &mut Logs) -> Result<(), &'static str> {
    let (mut link, handler_link) = MESSAGES_REGION.take().ok_or("taken")?;
    let (calls, handler_calls) = CALLS_REGION.take().ok_or("taken")?;
    let handler = Handler {
        link: Some(handler_link),
        callee: Some(Callee::new(handler_calls)),
        ticks: 0,
    };
    critical_section::with(|token| HANDLER.borrow_ref_mut(token).replace(handler));
    start_interrupts().ok_or("no peripherals")?;

    exchange(&mut link)?;
    defmt::info!(
        "{=usize} messages echoed by the interrupt handler",
        MESSAGES
    );
    logs.drain();
    call(calls)?;
    defmt::info!("{=u32} calls answered by the interrupt handler", CALLS);
    logs.drain();
    host_takes_part(&mut link)?;
    defmt::info!("{=u32} messages of the host", FROM_HOST);
    Ok(())
}

/// The handler runs every 4,000 cycles, wherever the main loop is.
fn start_interrupts() -> Option<()> {
    let mut timer = cortex_m::Peripherals::take()?.SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(3999);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
    Some(())
}

#[exception]
fn SysTick() {
    // The handler's own from its first run on: the main loop never looks at it again.
    static mut MINE: Option<Handler> = None;
    if MINE.is_none() {
        *MINE = critical_section::with(|token| HANDLER.borrow_ref_mut(token).take());
    }
    let Some(handler) = MINE else { return };
    handler.ticks += 1;
    if let Some(link) = &mut handler.link
        && !echo(link)
    {
        defmt::debug!("the handler leaves after {=u64} ticks", handler.ticks);
        handler.link = None;
    }
    if let Some(callee) = &mut handler.callee
        && !callee.poll(handler.ticks)
    {
        handler.callee = None;
    }
}

/// Sends some messages back; `false` for an empty one: the main loop wants the handler to leave.
fn echo(link: &mut Link) -> bool {
    let mut message = [0; 64];
    for _ in 0..4 {
        if !link.sender().is_writable() {
            return true;
        }
        match link.try_recv(&mut message) {
            Ok(0) => return false,
            Ok(len) => {
                let echo = message.get_mut(..len).unwrap_or_default();
                for byte in echo.iter_mut() {
                    *byte = !*byte;
                }
                // There was room.
                let _ = link.try_send(echo);
            }
            Err(_) => return true,
        }
    }
    true
}

/// Byte `at` of message `number`.
fn byte(number: usize, at: usize) -> u8 {
    (number * 31 + at * 7) as u8
}

/// Messages of 1 to 64 bytes to the handler and back, as many under way as fit.
fn exchange(link: &mut Link) -> Result<(), &'static str> {
    let (mut sent, mut received) = (0, 0);
    let (mut message, mut echo) = ([0; 64], [0; 64]);
    while received < MESSAGES {
        while sent < MESSAGES {
            let len = sent % 64 + 1;
            for (at, to) in message.iter_mut().enumerate() {
                *to = byte(sent, at);
            }
            if link
                .try_send(message.get(..len).unwrap_or_default())
                .is_err()
            {
                break;
            }
            sent += 1;
        }
        match link.try_recv(&mut echo) {
            Ok(len) => {
                let right = echo
                    .iter()
                    .take(len)
                    .enumerate()
                    .all(|(at, got)| !*got == byte(received, at));
                if len != received % 64 + 1 || !right {
                    return Err("an echo has changed");
                }
                received += 1;
            }
            Err(TryRecvError::Empty) => cortex_m::asm::wfi(),
            Err(_) => return Err("an echo is not received"),
        }
    }
    Ok(())
}

fn end(link: Link, role: Role) -> End {
    End::new(link.split(), role, Format::V2, SessionOptions::new())
}

/// Answers requests with their bytes in the other order, in the interrupt handler.
struct Callee {
    end: End,
    body: [u8; 192],
    sending: Option<(Transfer, usize)>,
}

impl Callee {
    fn new(link: Link) -> Self {
        Self {
            end: end(link, Role::Secondary),
            body: [0; 192],
            sending: None,
        }
    }

    /// `false` when the caller has gone.
    fn poll(&mut self, now: u64) -> bool {
        if let Some((transfer, len)) = &mut self.sending {
            let body = self.body.get(..*len).unwrap_or_default();
            match self.end.advance(transfer, body, 4) {
                Ok(hqq_core::advanced::Progress::Finished) => self.sending = None,
                Ok(_) => return true,
                Err(_) => return false,
            }
        }
        let mut request: Option<(MessageKey, usize)> = None;
        match self.end.poll(now) {
            Ok(Some(Event::Message {
                key,
                aux: REVERSE,
                body,
                ..
            })) => {
                request = Some((key, body.copy_to(0, &mut self.body)));
            }
            Ok(_) => {}
            Err(_) => return false,
        }
        if let Some((key, len)) = request {
            self.body.get_mut(..len).unwrap_or_default().reverse();
            match self.end.begin_response(&key, 0, false, len as u64) {
                Ok(transfer) => self.sending = Some((transfer, len)),
                Err(_) => return false,
            }
        }
        true
    }
}

/// Calls of 1 to 180 bytes, one after the other.
fn call(link: Link) -> Result<(), &'static str> {
    let mut caller = end(link, Role::Primary);
    let mut now = 0;
    caller
        .negotiate(u64::MAX)
        .map_err(|_| "negotiated before")?;
    while caller.session().agreement().is_none() {
        now += 1;
        caller.poll(now).map_err(|_| "the Advanced link is over")?;
    }
    let mut body = [0; 180];
    for number in 0..CALLS as usize {
        let len = number % 180 + 1;
        for (at, to) in body.iter_mut().enumerate() {
            *to = byte(number, at);
        }
        let bytes = body.get(..len).unwrap_or_default();
        let mut request = caller
            .begin_request(0, REVERSE, len as u64)
            .map_err(|_| "no call")?;
        let mut sent = false;
        loop {
            now += 1;
            if !sent {
                let progress = caller.advance(&mut request, bytes, 4);
                sent = matches!(progress, Ok(hqq_core::advanced::Progress::Finished));
            }
            match caller.poll(now) {
                Ok(Some(Event::Message {
                    key, body: answer, ..
                })) if key.id == request.key().id => {
                    let mut got = [0; 180];
                    let answered = answer.copy_to(0, &mut got);
                    let reversed = got.iter().take(len).rev();
                    if answered != len || !reversed.eq(bytes) {
                        return Err("an answer is wrong");
                    }
                    break;
                }
                Ok(Some(_)) => {}
                Ok(None) => cortex_m::asm::wfi(),
                Err(_) => return Err("the Advanced link is over"),
            }
        }
    }
    Ok(())
}

/// The handler leaves, the host takes its role: the region's image goes to it with messages in it,
/// and comes back with its own.
fn host_takes_part(link: &mut Link) -> Result<(), &'static str> {
    // All of it before the handler can run: when it has left, nothing more can be sent.
    critical_section::with(|_| {
        link.try_send(&[])?;
        link.try_send(b"from the firmware")?;
        link.try_send(&[0xa5; 64])?;
        link.try_send(&MESSAGES.to_le_bytes())
    })
    .map_err(|_| "no room")?;
    while link.receiver().is_peer_open() || link.sender().is_peer_open() {
        cortex_m::asm::wfi();
    }
    let base = (&raw const MESSAGES_REGION).cast_mut().cast::<u8>();
    let len = StaticRegion::<8, 64>::LEN;
    dump("region.bin\0", base, len).ok_or("the image is not written")?;
    // The host renames it when it is done.
    let mut image = loop {
        if let Some(image) = File::existing("answer.bin\0") {
            break image;
        }
        cortex_m::asm::wfi();
    };
    // SAFETY: the region's bytes, which nobody has a reference to but through shared words.
    if !unsafe { image.read_into(base, len) } {
        return Err("the image that came back is too short");
    }
    let mut message = [0; 64];
    for number in 0..FROM_HOST {
        let len = link
            .try_recv(&mut message)
            .map_err(|_| "a message of the host is missing")?;
        if len != 60
            || message
                .iter()
                .take(len)
                .any(|byte| u32::from(*byte) != number * 3)
        {
            return Err("a message of the host has changed");
        }
    }
    if link.try_recv(&mut message) != Err(TryRecvError::Disconnected) {
        return Err("the host has not closed");
    }
    if link.try_send(b"x") != Err(TrySendError::Disconnected) {
        return Err("the host has not closed the other half");
    }
    Ok(())
}

/// Writes memory that others may change to a file of the host.
fn dump(name: &str, base: *const u8, len: usize) -> Option<()> {
    File::create(name)?.write_from(base, len).then_some(())
}

/// Where logs go: a region of their own, whose other end the main loop empties into a file.
struct Logs {
    reader: Option<DynamicLink>,
    file: Option<File>,
    base: *const u8,
}

impl Logs {
    const LAYOUT: Layout = match Layout::compact(16, 64) {
        Ok(layout) => layout,
        Err(_) => unreachable!(),
    };

    fn start() -> Self {
        #[repr(align(64))]
        struct Bytes([u8; Logs::LAYOUT.len()]);
        static mut BYTES: Bytes = Bytes([0; Logs::LAYOUT.len()]);
        // SAFETY: called once, so this is the only reference there ever is.
        let bytes: &'static mut [u8] = unsafe { &mut (*(&raw mut BYTES)).0 };
        let base = bytes.as_ptr();
        let ends = Region::pair_from_static(bytes)
            .ok()
            .and_then(|(near, far)| {
                initialise(&near, &Self::LAYOUT, &InitOptions::new()).ok()?;
                let writer = DynamicLink::attach(near, &AttachOptions::new(Role::Primary)).ok()?;
                let reader = DynamicLink::attach(far, &AttachOptions::new(Role::Secondary)).ok()?;
                Some((writer, reader))
            });
        let reader = ends.map(|(writer, reader)| {
            hqq_defmt::init(writer.split().0);
            reader
        });
        Self {
            reader,
            file: File::create("defmt.bin\0"),
            base,
        }
    }

    /// What was logged goes to the file.
    fn drain(&mut self) {
        let (Some(reader), Some(file)) = (&mut self.reader, &mut self.file) else {
            return;
        };
        let mut frame = [0; 64];
        while let Ok(len) = reader.try_recv(&mut frame) {
            file.write(frame.get(..len).unwrap_or_default());
        }
    }

    /// The region goes to the host with what is left in it, for the host to read in our place.
    fn dump(mut self) {
        self.reader = None;
        // The test misses it where it is not written.
        let _ = dump("logs.bin\0", self.base, Self::LAYOUT.len());
    }
}
