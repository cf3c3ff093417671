//! A guest without an operating system: it finds the memory that the host shares, attaches to the
//! region in it as secondary, echoes messages until the host closes; attaches again, serves calls
//! and sends a stream; and exits with what came of it.
#![no_std]
#![no_main]

mod boot;
mod machine;
mod service;

use core::fmt::Write;
use core::hint::spin_loop;
use core::panic::PanicInfo;
use core::ptr::NonNull;

use hqq_core::{FormatError, Identity, Region};

/// The exit code of a guest that did all it was asked to.
const DONE: u8 = 0x10;
const FAILED: u8 = 0x11;

#[unsafe(no_mangle)]
extern "C" fn guest_main() -> ! {
    let code = match run() {
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
    service::echo(&region, spin_loop)?;
    service::serve(&region, machine::ticks, spin_loop)
}
