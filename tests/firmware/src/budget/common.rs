//! What the budget images have in common: painting the stack, telling the host, and a panic handler
//! that does not link, so that an image which can panic is none.

use core::hint::black_box;
use core::panic::PanicInfo;

use cortex_m_semihosting::syscall;

unsafe extern "C" {
    /// Defined nowhere: only reached where something can panic.
    fn a_panic_is_reachable() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: never linked.
    unsafe { a_panic_is_reachable() }
}

/// Bytes below the stack pointer that are painted.
const PAINTED: usize = 8192;
const PAINT: u32 = 0x5eed_beef;

/// Runs `work` on a painted stack; says how many bytes of it were used, the call's own included. One
/// function for all that is measured, so that no image has more of it than another.
#[inline(never)]
pub fn stack_of(work: &mut dyn FnMut()) -> usize {
    let top = cortex_m::register::msp::read() as usize;
    // What this function itself has pushed lies above.
    let bottom = top - PAINTED;
    for at in (bottom..top).step_by(4) {
        // SAFETY: unused stack, below everything that is live.
        unsafe { (at as *mut u32).write_volatile(PAINT) };
    }
    // Not known to the compiler: inlined, its frame would be this function's.
    black_box(work)();
    let mut used = PAINTED;
    for at in (bottom..top).step_by(4) {
        // SAFETY: as above.
        if unsafe { (at as *const u32).read_volatile() } != PAINT {
            break;
        }
        used -= 4;
    }
    used
}

/// Tells the host a number: a file's name and four bytes.
#[inline(never)]
pub fn tell(name: &str, value: usize) {
    const WRITE: usize = 5;
    let bytes = value.to_le_bytes();
    // SAFETY: the host reads the name and the bytes, which live as long as the calls.
    unsafe {
        let handle = syscall!(OPEN, name.as_ptr(), WRITE, name.len().wrapping_sub(1));
        syscall!(WRITE, handle, bytes.as_ptr(), bytes.len());
        syscall!(CLOSE, handle);
    }
}

/// Ends the emulator.
pub fn exit(success: bool) -> ! {
    use cortex_m_semihosting::debug;
    loop {
        debug::exit(if success {
            debug::EXIT_SUCCESS
        } else {
            debug::EXIT_FAILURE
        });
    }
}
