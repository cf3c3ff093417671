//! The machine's devices: ports, the serial line, the clock, the exit, and the memory that a host
//! shares through an "ivshmem" PCI device.

use core::arch::asm;
use core::fmt;

/// Writes a port.
fn out8(port: u16, value: u8) {
    // SAFETY: ports reach devices only, none of which touches this program's memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack)) };
}

fn out32(port: u16, value: u32) {
    // SAFETY: as in `out8`.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nomem, nostack)) };
}

fn in32(port: u16) -> u32 {
    let value;
    // SAFETY: as in `out8`.
    unsafe { asm!("in eax, dx", in("dx") port, out("eax") value, options(nomem, nostack)) };
    value
}

/// Ends the virtual machine: its process exits with `code << 1 | 1`.
pub fn exit(code: u8) -> ! {
    loop {
        out8(0xf4, code);
    }
}

/// The first serial line, where the host reads what happened.
pub struct Serial;

impl fmt::Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            out8(0x3f8, byte);
        }
        Ok(())
    }
}

/// A clock in ticks of some 0.3 milliseconds.
pub fn ticks() -> u64 {
    // SAFETY: reads a counter.
    unsafe { core::arch::x86_64::_rdtsc() >> 20 }
}

/// Where the memory of the first ivshmem device lies, and its length in bytes.
pub fn shared_memory() -> Option<(usize, usize)> {
    const IVSHMEM: u32 = 0x1110_1af4;
    /// Where it goes if the firmware has left it without an address: above memory, in the part of the
    /// first 4 GiB that the machine has for devices.
    const PLACE: u32 = 0xc000_0000;
    let device = (0..32).find(|device| read(*device, 0) == IVSHMEM)?;
    // Its third BAR, 64 bits wide.
    let (low, high) = (read(device, 0x18), read(device, 0x1c));
    write(device, 0x18, u32::MAX);
    let size = !(read(device, 0x18) & !0xf) as usize + 1;
    let placed = u64::from(high) << 32 | u64::from(low & !0xf);
    let base = if placed == 0 {
        u64::from(PLACE)
    } else {
        placed
    };
    write(device, 0x18, base as u32);
    write(device, 0x1c, (base >> 32) as u32);
    // It answers to memory accesses from now on.
    write(device, 4, read(device, 4) | 2);
    Some((base as usize, size))
}

/// A word of the configuration of a device on PCI bus 0.
fn read(device: u32, offset: u32) -> u32 {
    out32(0xcf8, 1 << 31 | device << 11 | offset);
    in32(0xcfc)
}

fn write(device: u32, offset: u32, value: u32) {
    out32(0xcf8, 1 << 31 | device << 11 | offset);
    out32(0xcfc, value);
}
