//! Any packets and calls into an end of the Advanced protocol: events and typed errors, tables that
//! keep their bounds, and packets out that keep the rules.
#![no_main]

mod end;
mod input;
mod memory;
mod peer;

use hqq_core::ring::Handle;
use hqq_core::{
    AttachOptions, Dynamic, DynamicLink, Format, Format1Link, Layout, Link, Receiver, Role, Sender,
};
use libfuzzer_sys::fuzz_target;

use end::End;
use input::Input;
use memory::Memory;

fuzz_target!(|input: Input| {
    let (count, size) = (input.count(), input.size());
    let layout = if input.format_1 {
        Layout::format_1(count, size, 4096)
    } else {
        Layout::compact(count, size)
    };
    let memory = Memory::new(layout.expect("a plan has geometries that a region can have only"));
    let role = if input.secondary {
        Role::Secondary
    } else {
        Role::Primary
    };
    if input.format_1 {
        let halves = |role| {
            let link =
                Format1Link::<Dynamic>::attach(memory.region(), &AttachOptions::new(role)).unwrap();
            let (producer, consumer) = link.split();
            let sender = Sender::new(Handle::owned(producer));
            (sender, Receiver::new(Handle::owned(consumer)))
        };
        let (near, far) = (halves(role), halves(role.peer()));
        End::new(&memory, near, far, role, Format::V1, &input).run(&input);
    } else {
        let link = |role| -> DynamicLink {
            Link::attach(memory.region(), &AttachOptions::new(role)).unwrap()
        };
        let (near, far) = (link(role).split(), link(role.peer()).split());
        End::new(&memory, near, far, role, Format::V2, &input).run(&input);
    }
});
