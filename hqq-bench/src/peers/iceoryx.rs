//! `iceoryx2`: publish-subscribe and request-response over shared memory, written and read in place.
//!
//! As its own benchmark does, "subscribers employ multithreaded busy waiting and promptly respond upon
//! message reception", with one publisher and one subscriber, no history, and samples loaned uninitialised
//! (`loan_uninit`, "zero copy API"). `send_copy` is called "slower, inefficient" in its documentation.
//! Nothing may be lost here, so that a full queue makes the publisher wait (`RetryUntilDelivered`) instead
//! of overwriting (`enable_safe_overflow`); the queue is as deep as the others. Signals are left alone.

use std::fs;
use std::marker::PhantomData;
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
    FileName, LogLevel, Path as IceoryxPath, SemanticString, SignalHandlingMode, ipc, set_log_level,
};
use iceoryx2::sample::Sample;

use super::in_process::{Item, check, item};
use super::{DEPTH, failed};
use crate::error::BenchError;
use crate::measure::{Measure, Part};
use crate::memory::Lines;
use crate::patience::{Hint, Patience};
use crate::work::{Asking, Echo, Echoing, Receiving, Sending, Sink, Source, Way};

const NAME: &str = "iceoryx2";

type Ipc = ipc::Service;

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

fn node(first: u32) -> Result<Node<Ipc>, BenchError> {
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
fn service_name(
    id: &str,
    first: u32,
    way: &str,
) -> Result<iceoryx2::prelude::ServiceName, BenchError> {
    let name = format!("hqq-bench/{first}/{id}/{way}");
    name.as_str().try_into().map_err(failed(NAME))
}

/// Messages of `W` words over publish-subscribe.
pub(crate) struct PublishSubscribe<const W: usize> {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) way: Way,
}

/// One end: a publisher to the other and a subscriber to it.
struct End<const W: usize> {
    measure: &'static str,
    publisher: Publisher<Ipc, Item<W>, ()>,
    subscriber: Subscriber<Ipc, Item<W>, ()>,
    _node: Node<Ipc>,
}

impl<const W: usize> PublishSubscribe<W> {
    fn end(&self, first: u32, publish: &str, subscribe: &str) -> Result<End<W>, BenchError> {
        let node = node(first)?;
        let service = |way| {
            node.service_builder(&service_name(self.id, first, way)?)
                .publish_subscribe::<Item<W>>()
                .max_publishers(1)
                .max_subscribers(1)
                .history_size(0)
                .subscriber_max_buffer_size(DEPTH)
                .enable_safe_overflow(false)
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

    fn lines(&self) -> Result<usize, BenchError> {
        Ok(0)
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
    fn publish(&self, item: Item<W>) -> Result<(), BenchError> {
        let sample = self.publisher.loan_uninit().map_err(failed(NAME))?;
        sample.write_payload(item).send().map_err(failed(NAME))?;
        Ok(())
    }

    #[inline]
    fn receive(&self, patience: &mut Patience<'_>) -> Result<Sample<Ipc, Item<W>, ()>, BenchError> {
        patience
            .until(Hint::SpinLoop, || self.subscriber.receive().transpose())?
            .map_err(failed(NAME))
    }
}

impl<const W: usize> Source for End<W> {
    #[inline]
    fn send(&mut self, number: u64, _: &mut Patience<'_>) -> Result<(), BenchError> {
        self.publish(item(number))
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
        self.publish(*sample.payload())
    }
}

/// Calls of `W` words both ways over request-response.
pub(crate) struct RequestResponse<const W: usize> {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) words: PhantomData<Item<W>>,
}

impl<const W: usize> RequestResponse<W> {
    fn service(
        &self,
        node: &Node<Ipc>,
        first: u32,
    ) -> Result<
        iceoryx2::service::port_factory::request_response::PortFactory<
            Ipc,
            Item<W>,
            (),
            Item<W>,
            (),
        >,
        BenchError,
    > {
        node.service_builder(&service_name(self.id, first, "calls")?)
            .request_response::<Item<W>, Item<W>>()
            .max_clients(1)
            .max_servers(1)
            .open_or_create()
            .map_err(failed(NAME))
    }
}

impl<const W: usize> Measure for RequestResponse<W> {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn lines(&self) -> Result<usize, BenchError> {
        Ok(0)
    }

    fn first(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        let node = node(process::id())?;
        let service = self.service(&node, process::id())?;
        let client = service.client_builder();
        Ok(Box::new(Calling {
            measure: self.id,
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
            server: server.create().map_err(failed(NAME))?,
            _node: node,
        }))
    }
}

struct Calling<const W: usize> {
    measure: &'static str,
    client: Client<Ipc, Item<W>, (), Item<W>, ()>,
    number: u64,
    _node: Node<Ipc>,
}

impl<const W: usize> Part for Calling<W> {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        for _ in 0..operations {
            self.number += 1;
            let request = self.client.loan_uninit().map_err(failed(NAME))?;
            let request = request.write_payload(item(self.number));
            let pending = request.send().map_err(failed(NAME))?;
            let response = patience
                .until(Hint::SpinLoop, || pending.receive().transpose())?
                .map_err(failed(NAME))?;
            check(self.measure, response.payload(), self.number)?;
        }
        Ok(())
    }
}

struct Answering<const W: usize> {
    server: Server<Ipc, Item<W>, (), Item<W>, ()>,
    _node: Node<Ipc>,
}

impl<const W: usize> Part for Answering<W> {
    fn run(&mut self, operations: u32, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        for _ in 0..operations {
            let request: ActiveRequest<Ipc, Item<W>, (), Item<W>, ()> = patience
                .until(Hint::SpinLoop, || self.server.receive().transpose())?
                .map_err(failed(NAME))?;
            let response = request.loan_uninit().map_err(failed(NAME))?;
            let response = response.write_payload(*request.payload());
            response.send().map_err(failed(NAME))?;
        }
        Ok(())
    }
}
