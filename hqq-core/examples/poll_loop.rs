//! The Advanced protocol the way firmware uses it: no thread, no heap, everything in a `static`, and
//! a main loop that polls. Here both ends are in one program, so that it runs anywhere; on a device
//! the other end is an interrupt handler, another core, or a host.

use hqq_core::advanced::{AdvancedLink, Event, MessageKey, Progress, SessionOptions, Transfer};
use hqq_core::ring::exclusive::{ExclusiveConsumer, ExclusiveProducer};
use hqq_core::{Fixed, Format, Link, Role, StaticRegion};

/// 8 buffers of 64 bytes each way.
type Geometry = Fixed<8, 64>;
/// 2 messages of up to 256 bytes arriving at a time, 2 calls, 2 streams.
type End = AdvancedLink<ExclusiveProducer<Geometry>, ExclusiveConsumer<Geometry>, 2, 256, 2, 2>;

static REGION: StaticRegion<8, 64> = StaticRegion::new();

/// The method that the sensor answers: its reading, repeated as often as the request says.
const READ: u64 = 1;

fn end(link: Link<Geometry>, role: Role) -> End {
    // Ticks are milliseconds here: a message may take two seconds between two chunks.
    let options = SessionOptions::new().patience(2000);
    AdvancedLink::new(link.split(), role, Format::V2, options)
}

/// Answers requests; what it is sending goes on from poll to poll.
struct Sensor {
    link: End,
    answer: [u8; 200],
    sending: Option<(Transfer, usize)>,
}

impl Sensor {
    fn poll(&mut self, now: u64) -> Result<(), &'static str> {
        if let Some((transfer, len)) = &mut self.sending {
            let body = self.answer.get(..*len).unwrap_or_default();
            match self.link.advance(transfer, body, 2) {
                Ok(Progress::Finished) => self.sending = None,
                Ok(_) => {}
                Err(_) => return Err("the answer cannot be sent"),
            }
        }
        let mut request: Option<(MessageKey, u8)> = None;
        match self.link.poll(now) {
            Ok(Some(Event::Message {
                key,
                aux: READ,
                body,
                ..
            })) => {
                let mut count = [0];
                body.copy_to(0, &mut count);
                request = Some((key, count[0]));
            }
            Ok(_) => {}
            Err(_) => return Err("the link is over"),
        }
        if let (Some((key, count)), None) = (request, &self.sending) {
            let len = usize::from(count).min(self.answer.len());
            self.answer.fill(42);
            let transfer = self.link.begin_response(&key, 0, false, len as u64);
            self.sending = Some((transfer.map_err(|_| "the answer cannot be begun")?, len));
        }
        Ok(())
    }
}

fn main() -> Result<(), &'static str> {
    let (host, sensor) = REGION.take().ok_or("taken only once")?;
    let mut host = end(host, Role::Primary);
    let mut sensor = Sensor {
        link: end(sensor, Role::Secondary),
        answer: [0; 200],
        sending: None,
    };
    host.negotiate(1000).map_err(|_| "negotiated before")?;
    let mut call = None;
    for now in 0..1000 {
        sensor.poll(now)?;
        if call.is_none() && host.session().agreement().is_some() {
            let mut request = host
                .begin_request(0, READ, 1)
                .map_err(|_| "no call can be begun")?;
            host.advance(&mut request, &[150], 1)
                .map_err(|_| "the request cannot be sent")?;
            call = Some(request.key().id);
        }
        match host.poll(now) {
            Ok(Some(Event::Message { key, body, .. })) if Some(key.id) == call => {
                println!("{} readings after {now} polls", body.len());
                return Ok(());
            }
            Ok(_) => {}
            Err(_) => return Err("the link is over"),
        }
    }
    Err("no answer")
}
