//! What a guest does for its host, with hqq-core alone: it echoes messages, then serves calls and sends
//! a stream. Nothing here is of a machine, so that it runs in a test as well.

use hqq_core::advanced::{
    AdvancedLink, Event, MessageKey, PollError, Progress, SessionOptions, Transfer,
};
use hqq_core::link::AttachOptions;
use hqq_core::ring::exclusive::{ExclusiveConsumer, ExclusiveProducer};
use hqq_core::{
    Dynamic, DynamicLink, Format, Presence, Region, Role, TryRecvError, TrySendError, side,
};

/// Answers with each byte of the request plus one.
const INCREMENT: u64 = 1;
/// Answers with nothing, then sends a message of as many bytes as the request says (u64, little-endian).
const STREAM: u64 = 2;

const LONGEST_CALL: usize = 8192;
/// Answers that are on their way at a time.
const ANSWERS: usize = 4;
/// Every byte of the stream is its offset modulo this.
const PERIOD: usize = 251;

type End =
    AdvancedLink<ExclusiveProducer<Dynamic>, ExclusiveConsumer<Dynamic>, 2, LONGEST_CALL, 4, 2>;

/// Takes the secondary role, once the host has the other one; `idle` is called between two looks.
fn attach(region: &Region, idle: impl Fn()) -> Result<DynamicLink, &'static str> {
    // There is one guest, so nobody else can have the role.
    let options = AttachOptions::new(Role::Secondary).presence(Presence::Alone, Presence::Alone);
    let mut link =
        DynamicLink::attach(region.clone(), &options).map_err(|_| "the region is refused")?;
    while !link.sender().is_peer_open() || !link.receiver().is_peer_open() {
        idle();
    }
    Ok(link)
}

/// Sends back what comes, until the host has closed the half that it sends by; leaves, and waits until
/// the host has, too.
pub(crate) fn echo(region: &Region, idle: impl Fn()) -> Result<(), &'static str> {
    let mut link = attach(region, &idle)?;
    // Whether that changes or is taken anew, it is another one.
    let receiving = side::status(region, Role::Primary, true);
    let mut message = [0; 65536];
    loop {
        match link.try_recv(&mut message) {
            Ok(len) => {
                let message = message.get(..len).unwrap_or_default();
                while let Err(error) = link.try_send(message) {
                    match error {
                        TrySendError::Full => idle(),
                        _ => return Err("an echo is not sent"),
                    }
                }
            }
            Err(TryRecvError::Empty) => idle(),
            Err(TryRecvError::Disconnected) => break,
            Err(_) => return Err("a message is not received"),
        }
    }
    drop(link);
    while side::status(region, Role::Primary, true) == receiving {
        idle();
    }
    Ok(())
}

/// Serves calls until the host has closed its half. `ticks` is a clock of any pace.
pub(crate) fn serve(
    region: &Region,
    ticks: impl Fn() -> u64,
    idle: impl Fn(),
) -> Result<(), &'static str> {
    let options = SessionOptions::new().max_message_size(1 << 30);
    let link = attach(region, &idle)?;
    let mut end = End::new(link.split(), Role::Secondary, Format::V2, options);
    let mut answers = [const { None::<Answer> }; ANSWERS];
    let mut stream: Option<Stream> = None;
    loop {
        let mut moved = false;
        for place in &mut answers {
            let Some(answer) = place else { continue };
            moved = true;
            if answer.advance(&mut end)? {
                if let Some(total) = answer.then {
                    stream = Some(Stream::begin(&mut end, total)?);
                }
                *place = None;
            }
        }
        if let Some(current) = &mut stream {
            moved |= current.advance(&mut end)?;
            if current.is_finished() {
                stream = None;
            }
        }
        // Also while something is sent: what the host grants to send, a poll takes in.
        if let Some(place) = answers.iter_mut().find(|place| place.is_none()) {
            match Request::take(&mut end, ticks()) {
                Ok(Some(request)) => *place = Some(request.answer(&mut end)?),
                Ok(None) if !moved => idle(),
                Ok(None) => {}
                Err(PollError::Disconnected) => return Ok(()),
                Err(_) => return Err("the Advanced link is over"),
            }
        }
    }
}

struct Request {
    key: MessageKey,
    method: u64,
    body: [u8; LONGEST_CALL],
    len: usize,
}

impl Request {
    /// The next one, if it is there.
    fn take(end: &mut End, now: u64) -> Result<Option<Self>, PollError> {
        let Some(Event::Message { key, aux, body, .. }) = end.poll(now)? else {
            return Ok(None);
        };
        let mut bytes = [0; LONGEST_CALL];
        let len = body.copy_to(0, &mut bytes);
        Ok(Some(Self {
            key,
            method: aux,
            body: bytes,
            len,
        }))
    }

    /// Does what is asked for.
    fn answer(mut self, end: &mut End) -> Result<Answer, &'static str> {
        let bytes = self.body.get_mut(..self.len).unwrap_or_default();
        let (len, then) = match self.method {
            INCREMENT => {
                for byte in bytes {
                    *byte = byte.wrapping_add(1);
                }
                (self.len, None)
            }
            STREAM => match bytes.first_chunk::<8>() {
                Some(total) => (0, Some(u64::from_le_bytes(*total))),
                None => return Err("a stream without a length"),
            },
            _ => return Err("an unknown method"),
        };
        let transfer = end
            .begin_response(&self.key, 0, false, len as u64)
            .map_err(|_| "an answer cannot be begun")?;
        Ok(Answer {
            transfer,
            body: self.body,
            len,
            then,
        })
    }
}

/// An answer on its way to the host.
struct Answer {
    transfer: Transfer,
    body: [u8; LONGEST_CALL],
    len: usize,
    /// A stream of so many bytes follows.
    then: Option<u64>,
}

impl Answer {
    /// Whether all of it is sent now.
    fn advance(&mut self, end: &mut End) -> Result<bool, &'static str> {
        let body = self.body.get(..self.len).unwrap_or_default();
        end.advance(&mut self.transfer, body, 16)
            .map(|progress| progress == Progress::Finished)
            .map_err(|_| "an answer is not sent")
    }
}

/// A message on its way to the host, whose chunks are filled in place.
struct Stream {
    transfer: Transfer,
    pattern: [u8; PERIOD * 16],
    sent: u64,
    total: u64,
}

impl Stream {
    fn begin(end: &mut End, total: u64) -> Result<Self, &'static str> {
        let transfer = end
            .begin_message(0, total)
            .map_err(|_| "a stream cannot be begun")?;
        let mut pattern = [0; PERIOD * 16];
        for (at, byte) in pattern.iter_mut().enumerate() {
            *byte = (at % PERIOD) as u8;
        }
        Ok(Self {
            transfer,
            pattern,
            sent: 0,
            total,
        })
    }

    const fn is_finished(&self) -> bool {
        self.sent == self.total
    }

    /// Sends a chunk, if there is room and the host grants it; whether it did.
    fn advance(&mut self, end: &mut End) -> Result<bool, &'static str> {
        let chunk = end
            .try_reserve_chunk(&mut self.transfer)
            .map_err(|_| "a chunk is not sent")?;
        let Some(mut chunk) = chunk else {
            return Ok(false);
        };
        let len = chunk.capacity();
        let mut filled = 0;
        while filled < len {
            let phase = ((self.sent + filled as u64) % PERIOD as u64) as usize;
            let piece = self.pattern.get(phase..).unwrap_or_default();
            let piece = piece
                .get(..piece.len().min(len - filled))
                .unwrap_or_default();
            chunk
                .copy_from(filled, piece)
                .map_err(|_| "a chunk is too small")?;
            filled += piece.len();
        }
        let ends = self.sent + len as u64 == self.total;
        chunk.commit(len, ends).map_err(|_| "a chunk is not sent")?;
        self.sent += len as u64;
        Ok(true)
    }
}
