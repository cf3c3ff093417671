//! What it takes one core to copy bytes.

use std::hint::black_box;

use crate::error::BenchError;
use crate::measure::{Measure, Nothing, Part, Place};
use crate::memory::Lines;
use crate::patience::Patience;

/// Copies of `size` bytes from one place to another, which stay where the last copy left them.
pub(crate) struct Memcpy {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) size: usize,
}

impl Measure for Memcpy {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn first(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        Ok(Box::new(Copying {
            from: vec![1; self.size],
            to: vec![0; self.size],
        }))
    }

    fn second(&self, _: Lines) -> Result<Box<dyn Part>, BenchError> {
        Ok(Box::new(Nothing))
    }

    fn place(&self) -> Place {
        Place::Alone
    }
}

struct Copying {
    from: Vec<u8>,
    to: Vec<u8>,
}

impl Part for Copying {
    fn run(&mut self, operations: u32, _: &mut Patience<'_>) -> Result<(), BenchError> {
        for _ in 0..operations {
            black_box(&mut self.to).copy_from_slice(black_box(&self.from));
        }
        Ok(())
    }
}
