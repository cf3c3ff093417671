//! The self-check as a program of its own on a machine without an operating system.
#![no_std]
#![no_main]

mod check;

use core::panic::PanicInfo;

/// Ends the program; the emulator's exit code says whether all is well.
fn exit(result: Result<(), &'static str>) -> ! {
    machine::exit(result.is_ok())
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    exit(Err("panicked"))
}

#[cfg(target_arch = "arm")]
mod machine {
    use cortex_m_semihosting::debug;

    #[cortex_m_rt::entry]
    fn main() -> ! {
        super::exit(super::check::check())
    }

    pub fn exit(success: bool) -> ! {
        let status = if success {
            debug::EXIT_SUCCESS
        } else {
            debug::EXIT_FAILURE
        };
        loop {
            debug::exit(status);
        }
    }
}

#[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))]
mod machine {
    core::arch::global_asm!(
        ".section .text.entry",
        ".globl _start",
        "_start:",
        "la sp, _stack_end",
        "call start",
    );

    #[unsafe(no_mangle)]
    extern "C" fn start() -> ! {
        super::exit(super::check::check())
    }

    /// The "test finisher" of QEMU's machine.
    pub fn exit(success: bool) -> ! {
        const FINISHER: *mut u32 = 0x10_0000 as *mut u32;
        let word = if success { 0x5555 } else { 1 << 16 | 0x3333 };
        loop {
            // SAFETY: a device register of the machine this is built for.
            unsafe { FINISHER.write_volatile(word) };
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod machine {
    core::arch::global_asm!(
        ".section .text.entry",
        ".globl _start",
        "_start:",
        // The compiler uses vector registers.
        "mov x0, #0x300000",
        "msr cpacr_el1, x0",
        "isb",
        "adrp x0, _stack_end",
        "add x0, x0, :lo12:_stack_end",
        "mov sp, x0",
        "bl start",
    );

    #[unsafe(no_mangle)]
    extern "C" fn start() -> ! {
        super::exit(super::check::check())
    }

    /// The semihosting call SYS_EXIT.
    pub fn exit(success: bool) -> ! {
        let block = [0x2_0026_u64, u64::from(!success)];
        loop {
            // SAFETY: the emulator reads the two words and ends.
            unsafe {
                core::arch::asm!(
                    "hlt #0xf000",
                    inout("x0") 0x18_u64 => _,
                    in("x1") block.as_ptr(),
                );
            }
        }
    }
}

#[cfg(target_arch = "wasm32")]
mod machine {
    #[unsafe(no_mangle)]
    extern "C" fn selfcheck() -> i32 {
        i32::from(super::check::check().is_err())
    }

    pub fn exit(_: bool) -> ! {
        core::arch::wasm32::unreachable()
    }
}
