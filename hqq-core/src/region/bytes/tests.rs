//! Both ways to copy against a reference: every length, every place in a buffer, every alignment.

use core::ptr::NonNull;

#[cfg(target_arch = "x86_64")]
use super::assembly;
use super::words;

/// Past every step between two ways to move the bytes but the last.
const LONGEST: usize = 300;
/// Around and past the last step.
const LONG: [usize; 11] = [448, 511, 512, 513, 575, 576, 1000, 5001, 8191, 8192, 9001];
/// Bytes before or after a copy, which must stay as they are.
const MARGIN: usize = 32;

type CopyIn = unsafe fn(NonNull<u8>, usize, &[u8]);
type CopyOut = unsafe fn(NonNull<u8>, usize, &mut [u8]);

#[repr(align(64))]
struct Aligned<const LEN: usize>([u8; LEN]);

/// Bytes that differ from their neighbours, and from those of another seed.
fn pattern<const LEN: usize>(seed: u8) -> Aligned<LEN> {
    Aligned(core::array::from_fn(|at| {
        (at as u8).wrapping_mul(37).wrapping_add((at >> 8) as u8) ^ seed
    }))
}

/// Copies `len` bytes both ways, from and to each alignment.
fn check<const LEN: usize>(copy_in: CopyIn, copy_out: CopyOut, len: usize) {
    let (filled, other) = (pattern::<LEN>(0x5a), pattern::<LEN>(0xa5));
    for at in 0..16 {
        for skew in 0..16 {
            let (there, here) = (at..at + len, skew..skew + len);

            let mut buffer = Aligned(other.0);
            let start = NonNull::from(&mut buffer.0).cast();
            // SAFETY: `LEN` bytes that nobody else uses, a multiple of 8 and aligned.
            unsafe { copy_in(start, at, &filled.0[here.clone()]) };
            let mut expected = other.0;
            expected[there.clone()].copy_from_slice(&filled.0[here.clone()]);
            assert!(buffer.0 == expected, "{len} bytes in, from {skew} to {at}");

            let mut private = Aligned(other.0);
            let mut buffer = Aligned(filled.0);
            let start = NonNull::from(&mut buffer.0).cast();
            // SAFETY: as above.
            unsafe { copy_out(start, at, &mut private.0[here.clone()]) };
            let mut expected = other.0;
            expected[here].copy_from_slice(&filled.0[there]);
            assert!(
                private.0 == expected,
                "{len} bytes out, from {at} to {skew}"
            );
            assert!(buffer.0 == filled.0, "{len} bytes out changed the buffer");
        }
    }
}

fn check_all(copy_in: CopyIn, copy_out: CopyOut) {
    for len in 0..=LONGEST {
        check::<{ (LONGEST + MARGIN).next_multiple_of(8) }>(copy_in, copy_out, len);
    }
    for len in LONG {
        check::<9040>(copy_in, copy_out, len);
    }
}

#[test]
fn words_copy_exactly_what_they_should() {
    check_all(words::copy_in, words::copy_out);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn assembly_copies_exactly_what_it_should() {
    check_all(
        |buffer, at, from| {
            // SAFETY: inside the buffer, by the promise to a `CopyIn`.
            let to = unsafe { buffer.add(at) };
            // SAFETY: as above.
            unsafe { assembly::copy(from.as_ptr(), to.as_ptr(), from.len()) };
        },
        |buffer, at, to| {
            // SAFETY: inside the buffer, by the promise to a `CopyOut`.
            let from = unsafe { buffer.add(at) };
            // SAFETY: as above.
            unsafe { assembly::copy(from.as_ptr(), to.as_mut_ptr(), to.len()) };
        },
    );
}

/// Where in its page a copy goes, from where in its page it comes, decides how it is made.
#[test]
fn a_copy_to_a_few_bytes_further_in_its_page_is_as_exact() {
    const LEN: usize = 16384;
    #[repr(align(4096))]
    struct Page([u8; LEN]);
    let (mut buffer, other) = (Page(pattern::<LEN>(0x5a).0), pattern::<LEN>(0xa5).0);
    let mut private = Page(other);
    let start = NonNull::from(&mut buffer.0).cast();
    for beyond in (0..40).chain([63, 64, 4095]) {
        for len in [8191, 8192, 8193, 8255, 8256, 10000] {
            let to = &mut private.0[beyond..beyond + len];
            // SAFETY: inside the buffer, which nobody else uses.
            unsafe { super::copy_out(start, 0, to) };
            assert!(private.0[beyond..beyond + len] == buffer.0[..len]);
            let mut rest = private.0[..beyond].iter().zip(&other);
            assert!(rest.all(|(byte, before)| byte == before));
            let end = beyond + len;
            assert!(private.0[end..] == other[end..], "{len} bytes, {beyond}");
            private.0 = other;
        }
    }
}

/// What the links use in this build.
#[test]
fn the_way_in_use_copies_exactly_what_it_should() {
    check_all(super::copy_in, super::copy_out);
}
