//! `iceoryx2` publish-subscribe with messages of any size, as slices that are written and read in place. The
//! settings that compete are those of `iceoryx` for one way.

use std::mem::MaybeUninit;
use std::os::unix::process::parent_id;
use std::process;

use iceoryx2::node::Node;
use iceoryx2::port::backpressure_strategy::BackpressureStrategy;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::Alignment;
use iceoryx2::sample_mut_uninit::SampleMutUninit;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;

use super::failed;
use super::iceoryx::{Ipc, NAME, Setting, node, service_name};
use super::in_process::check;
use crate::error::BenchError;
use crate::hqq::link::CoreLink;
use crate::measure::{Measure, Part};
use crate::memory::{LINE, Lines};
use crate::patience::{Hint, Patience};
use crate::work::{Receiving, Sending, Sink, Source};

/// Messages of `size` bytes, a multiple of 8, one way.
pub(crate) struct Slices {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) size: usize,
    pub(crate) setting: Setting,
}

impl Slices {
    fn service(
        &self,
        node: &Node<Ipc>,
        first: u32,
    ) -> Result<PortFactory<Ipc, [u64], ()>, BenchError> {
        let line = if self.setting.lined {
            LINE
        } else {
            align_of::<u64>()
        };
        let line = Alignment::new(line).ok_or(BenchError::NotLaidOut { measure: self.id })?;
        node.service_builder(&service_name(self.id, first, "there")?)
            .publish_subscribe::<[u64]>()
            .payload_alignment(line)
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
            ahead: self.setting.ahead,
            loaned: None,
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
            hint: self.setting.hint,
            subscriber: subscriber.create().map_err(failed(NAME))?,
            _node: node,
        })))
    }
}

type Loan = SampleMutUninit<Ipc, [MaybeUninit<u64>], ()>;

struct Publishing {
    words: usize,
    ahead: bool,
    loaned: Option<Loan>,
    publisher: Publisher<Ipc, [u64], ()>,
    _node: Node<Ipc>,
}

impl Publishing {
    #[inline]
    fn loan(&self) -> Result<Loan, BenchError> {
        let loan = self.publisher.loan_slice_uninit(self.words);
        loan.map_err(failed(NAME))
    }
}

impl Source for Publishing {
    #[inline]
    fn send(&mut self, number: u64, _: &mut Patience<'_>) -> Result<(), BenchError> {
        let loaned = self.loaned.take();
        let sample = loaned.map_or_else(|| self.loan(), Ok)?;
        let sample = sample.write_from_fn(|word| number + word as u64);
        sample.send().map_err(failed(NAME))?;
        if self.ahead {
            self.loaned = Some(self.loan()?);
        }
        Ok(())
    }
}

struct Subscribed {
    measure: &'static str,
    words: usize,
    hint: Hint,
    subscriber: Subscriber<Ipc, [u64], ()>,
    _node: Node<Ipc>,
}

impl Sink for Subscribed {
    #[inline]
    fn take(&mut self, number: u64, patience: &mut Patience<'_>) -> Result<(), BenchError> {
        let sample = patience
            .until(self.hint, || self.subscriber.receive().transpose())?
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
