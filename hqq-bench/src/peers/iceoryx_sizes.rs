//! `iceoryx2` publish-subscribe with messages of any size, as slices that are written and read in place. Settings
//! are those of `iceoryx` for one way.

use std::os::unix::process::parent_id;
use std::process;

use iceoryx2::node::Node;
use iceoryx2::port::backpressure_strategy::BackpressureStrategy;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;

use super::failed;
use super::iceoryx::{Ipc, NAME, node, service_name};
use super::in_process::check;
use crate::error::BenchError;
use crate::hqq::link::CoreLink;
use crate::measure::{Measure, Part};
use crate::memory::Lines;
use crate::patience::{Hint, Patience};
use crate::work::{Receiving, Sending, Sink, Source};

/// Messages of `size` bytes, a multiple of 8, one way.
pub(crate) struct Slices {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) size: usize,
}

impl Slices {
    fn service(
        &self,
        node: &Node<Ipc>,
        first: u32,
    ) -> Result<PortFactory<Ipc, [u64], ()>, BenchError> {
        node.service_builder(&service_name(self.id, first, "there")?)
            .publish_subscribe::<[u64]>()
            .max_publishers(1)
            .max_subscribers(1)
            .history_size(0)
            .subscriber_max_buffer_size(CoreLink::depth(self.size))
            .enable_safe_overflow(false)
            .open_or_create()
            .map_err(failed(NAME))
    }

    const fn words(&self) -> usize {
        self.size / size_of::<u64>()
    }
}

impl Measure for Slices {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn first(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        let node = node(process::id())?;
        let service = self.service(&node, process::id())?;
        let publisher = service
            .publisher_builder()
            .initial_max_slice_len(self.words())
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered);
        Ok(Box::new(Sending::new(Publishing {
            words: self.words(),
            publisher: publisher.create().map_err(failed(NAME))?,
            _node: node,
        })))
    }

    fn second(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        let node = node(parent_id())?;
        let service = self.service(&node, parent_id())?;
        let subscriber = service.subscriber_builder();
        Ok(Box::new(Receiving::new(Subscribed {
            measure: self.id,
            words: self.words(),
            subscriber: subscriber.create().map_err(failed(NAME))?,
            _node: node,
        })))
    }
}

struct Publishing {
    words: usize,
    publisher: Publisher<Ipc, [u64], ()>,
    _node: Node<Ipc>,
}

impl Source for Publishing {
    #[inline]
    fn send(&mut self, number: u64, _: &mut Patience<'_>) -> Result<(), BenchError> {
        let sample = self.publisher.loan_slice_uninit(self.words);
        let sample = sample.map_err(failed(NAME))?;
        let sample = sample.write_from_fn(|word| number + word as u64);
        sample.send().map_err(failed(NAME))?;
        Ok(())
    }
}

struct Subscribed {
    measure: &'static str,
    words: usize,
    subscriber: Subscriber<Ipc, [u64], ()>,
    _node: Node<Ipc>,
}

impl Sink for Subscribed {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let sample = patience
            .until(Hint::SpinLoop, || self.subscriber.receive().transpose())?
            .map_err(failed(NAME))?;
        let payload = sample.payload();
        if payload.len() != self.words {
            return Err(BenchError::Changed {
                measure: self.measure,
            });
        }
        check(self.measure, payload, number)
    }
}
