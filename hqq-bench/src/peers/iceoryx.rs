//! `iceoryx2`: publish-subscribe and request-response over shared memory, written and read in place.
//!
//! As its own benchmark does, "subscribers employ multithreaded busy waiting and promptly respond upon
//! message reception", with one publisher and one subscriber, no history, and samples loaned uninitialised
//! (`loan_uninit`, "zero copy API"). `send_copy` is called "slower, inefficient" in its documentation.
//! What else that benchmark does competes with what one does at first: it loans the next sample before it waits,
//! looks again without a spin hint, and of round trips queues hold one sample (`subscriber_max_buffer_size(1)`,
//! `enable_safe_overflow(true)`, `max_response_buffer_size(1)`). One way nothing may be lost, so that a full
//! queue, as deep as the others, makes the publisher wait (`RetryUntilDelivered`) instead of overwriting.
//! Payloads that begin a line of their own (`payload_alignment`) compete, too. Signals are left alone.

use std::fs;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::unix::process::parent_id;
use std::path::PathBuf;
use std::process;

use iceoryx2::active_request::ActiveRequest;
use iceoryx2::config::Config;
use iceoryx2::node::{Node, NodeBuilder};
use iceoryx2::port::backpressure_strategy::BackpressureStrategy;
use iceoryx2::port::client::Client;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::server::Server;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::{
    Alignment, FileName, LogLevel, Path as IceoryxPath, SemanticString, SignalHandlingMode, ipc,
    set_log_level,
};
use iceoryx2::request_mut_uninit::RequestMutUninit;
use iceoryx2::sample::Sample;
use iceoryx2::sample_mut_uninit::SampleMutUninit;

use super::failed;
use super::in_process::{Item, Words, check};
use crate::error::BenchError;
use crate::measure::{Measure, Part};
use crate::memory::{LINE, Lines};
use crate::patience::{Hint, Patience};
use crate::work::{Asking, Echo, Echoing, Receiving, Sending, Sink, Source, Way};

pub(super) const NAME: &str = "iceoryx2";

pub(super) type Ipc = ipc::Service;

/// What the names of everything begin with that belongs to this first process.
fn prefix(first: u32) -> String {
    format!("hqq-bench-{first}_")
}

/// Where files are.
fn root(first: u32) -> PathBuf {
    std::env::temp_dir().join(format!("hqq-bench-{first}"))
}

/// Removes what stays in the system after the last node has gone.
pub(crate) fn clean_up(first: u32) {
    // What is not there was not used.
    let _ = fs::remove_dir_all(root(first));
    let prefix = prefix(first);
    for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            // As above.
            let _ = fs::remove_file(entry.path());
        }
    }
}

pub(super) fn node(first: u32) -> Result<Node<Ipc>, BenchError> {
    // What it warns of is not what is measured.
    set_log_level(LogLevel::Error);
    let mut config = Config::default();
    config.global.prefix = FileName::new(prefix(first).as_bytes()).map_err(failed(NAME))?;
    let root = root(first);
    let root = IceoryxPath::new(root.as_os_str().as_encoded_bytes()).map_err(failed(NAME))?;
    config.global.set_root_path(&root);
    NodeBuilder::new()
        .config(&config)
        .signal_handling_mode(SignalHandlingMode::Disabled)
        .create()
        .map_err(failed(NAME))
}

/// A service's name, of the measure and the first process.
pub(super) fn service_name(
    id: &str,
    first: u32,
    way: &str,
) -> Result<iceoryx2::prelude::ServiceName, BenchError> {
    let name = format!("hqq-bench/{first}/{id}/{way}");
    name.as_str().try_into().map_err(failed(NAME))
}

/// What competes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// The next sample is loaned before something is waited for; of round trips, queues hold one sample.
    pub(crate) ahead: bool,
    /// Payloads begin lines.
    pub(crate) lined: bool,
    pub(crate) hint: Hint,
}

/// Messages of `W` words over publish-subscribe.
pub(crate) struct PublishSubscribe<const W: usize> {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) way: Way,
    /// Samples that a queue holds, where it does not hold one.
    pub(crate) depth: usize,
    pub(crate) setting: Setting,
}

type Loan<const W: usize> = SampleMutUninit<Ipc, MaybeUninit<Words<W>>, ()>;

/// One end: a publisher to the other and a subscriber to it.
struct End<const W: usize> {
    measure: &'static str,
    setting: Setting,
    loaned: Option<Loan<W>>,
    publisher: Publisher<Ipc, Words<W>, ()>,
    subscriber: Subscriber<Ipc, Words<W>, ()>,
    _node: Node<Ipc>,
}

impl<const W: usize> PublishSubscribe<W> {
    fn end(&self, first: u32, publish: &str, subscribe: &str) -> Result<End<W>, BenchError> {
        let node = node(first)?;
        let one = self.setting.ahead && self.way == Way::RoundTrip;
        let line = if self.setting.lined { LINE } else { 1 };
        let line = Alignment::new(line).ok_or(BenchError::NotLaidOut { measure: self.id })?;
        let service = |way| {
            node.service_builder(&service_name(self.id, first, way)?)
                .publish_subscribe::<Words<W>>()
                .payload_alignment(line)
                .max_publishers(1)
                .max_subscribers(1)
                .history_size(0)
                .subscriber_max_buffer_size(if one { 1 } else { self.depth })
                .enable_safe_overflow(one)
                .open_or_create()
                .map_err(failed(NAME))
        };
        let publisher = service(publish)?
            .publisher_builder()
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()
            .map_err(failed(NAME))?;
        let incoming = service(subscribe)?;
        let subscriber = incoming.subscriber_builder();
        Ok(End {
            measure: self.id,
            setting: self.setting,
            loaned: None,
            publisher,
            subscriber: subscriber.create().map_err(failed(NAME))?,
            _node: node,
        })
    }
}

impl<const W: usize> Measure for PublishSubscribe<W> {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn first(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        let end = self.end(process::id(), "there", "back")?;
        Ok(match self.way {
            Way::RoundTrip => Box::new(Asking::new(end)),
            Way::OneWay => Box::new(Sending::new(end)),
        })
    }

    fn second(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        let end = self.end(parent_id(), "back", "there")?;
        Ok(match self.way {
            Way::RoundTrip => Box::new(Echoing(end)),
            Way::OneWay => Box::new(Receiving::new(end)),
        })
    }
}

impl<const W: usize> End<W> {
    #[inline]
    fn loan(&self) -> Result<Loan<W>, BenchError> {
        self.publisher.loan_uninit().map_err(failed(NAME))
    }

    #[inline]
    fn publish(&mut self, item: Words<W>) -> Result<(), BenchError> {
        let loaned = self.loaned.take();
        let sample = loaned.map_or_else(|| self.loan(), Ok)?;
        sample.write_payload(item).send().map_err(failed(NAME))?;
        if self.setting.ahead {
            self.loaned = Some(self.loan()?);
        }
        Ok(())
    }

    #[inline]
    fn receive(
        &self,
        patience: &mut Patience<'_>,
    ) -> Result<Sample<Ipc, Words<W>, ()>, BenchError> {
        patience
            .until(self.setting.hint, || self.subscriber.receive().transpose())?
            .map_err(failed(NAME))
    }
}

impl<const W: usize> Source for End<W> {
    #[inline]
    fn send(&mut self, number: u64, _: &mut Patience<'_>) -> Result<(), BenchError> {
        self.publish(Item::of(number))
    }
}

impl<const W: usize> Sink for End<W> {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let sample = self.receive(patience)?;
        check(self.measure, sample.payload(), number)
    }
}

impl<const W: usize> Echo for End<W> {
    #[inline]
    fn echo(&mut self, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let sample = self.receive(patience)?;
        let item = *sample.payload();
        self.publish(item)
    }
}

/// Calls of `W` words both ways over request-response.
pub(crate) struct RequestResponse<const W: usize> {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) setting: Setting,
    pub(crate) words: PhantomData<Words<W>>,
}

impl<const W: usize> RequestResponse<W> {
    fn service(
        &self,
        node: &Node<Ipc>,
        first: u32,
    ) -> Result<
        iceoryx2::service::port_factory::request_response::PortFactory<
            Ipc,
            Words<W>,
            (),
            Words<W>,
            (),
        >,
        BenchError,
    > {
        let service = node
            .service_builder(&service_name(self.id, first, "calls")?)
            .request_response::<Words<W>, Words<W>>()
            .max_clients(1)
            .max_servers(1);
        let service = if self.setting.ahead {
            service.max_response_buffer_size(1)
        } else {
            service
        };
        service.open_or_create().map_err(failed(NAME))
    }
}

impl<const W: usize> Measure for RequestResponse<W> {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn first(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        let node = node(process::id())?;
        let service = self.service(&node, process::id())?;
        let client = service.client_builder();
        Ok(Box::new(Calling {
            measure: self.id,
            setting: self.setting,
            loaned: None,
            client: client.create().map_err(failed(NAME))?,
            number: 0,
            _node: node,
        }))
    }

    fn second(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        let node = node(parent_id())?;
        let service = self.service(&node, parent_id())?;
        let server = service.server_builder();
        Ok(Box::new(Answering {
            hint: self.setting.hint,
            server: server.create().map_err(failed(NAME))?,
            _node: node,
        }))
    }
}

type LoanedRequest<const W: usize> = RequestMutUninit<Ipc, MaybeUninit<Words<W>>, (), Words<W>, ()>;

struct Calling<const W: usize> {
    measure: &'static str,
    setting: Setting,
    loaned: Option<LoanedRequest<W>>,
    client: Client<Ipc, Words<W>, (), Words<W>, ()>,
    number: u64,
    _node: Node<Ipc>,
}

impl<const W: usize> Calling<W> {
    #[inline]
    fn loan(&self) -> Result<LoanedRequest<W>, BenchError> {
        self.client.loan_uninit().map_err(failed(NAME))
    }
}

impl<const W: usize> Part for Calling<W> {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        for _ in 0..operations {
            self.number += 1;
            let loaned = self.loaned.take();
            let request = loaned.map_or_else(|| self.loan(), Ok)?;
            let request = request.write_payload(Item::of(self.number));
            let pending = request.send().map_err(failed(NAME))?;
            if self.setting.ahead {
                self.loaned = Some(self.loan()?);
            }
            let response = patience
                .until(self.setting.hint, || pending.receive().transpose())?
                .map_err(failed(NAME))?;
            check(self.measure, response.payload(), self.number)?;
        }
        Ok(())
    }
}

struct Answering<const W: usize> {
    hint: Hint,
    server: Server<Ipc, Words<W>, (), Words<W>, ()>,
    _node: Node<Ipc>,
}

impl<const W: usize> Part for Answering<W> {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        for _ in 0..operations {
            let request: ActiveRequest<Ipc, Words<W>, (), Words<W>, ()> = patience
                .until(self.hint, || self.server.receive().transpose())?
                .map_err(failed(NAME))?;
            let response = request.loan_uninit().map_err(failed(NAME))?;
            let response = response.write_payload(*request.payload());
            response.send().map_err(failed(NAME))?;
        }
        Ok(())
    }
}
