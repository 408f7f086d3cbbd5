//! What travels with a signal: 64 bits of ours inside the kernel's `siginfo_t`.

use super::slots::SENT;
use nix::libc;

const SLOT_BITS: u32 = 6;
const GENERATION_BITS: u32 = SENT.count_ones();
const MAGIC_SHIFT: u32 = SLOT_BITS + GENERATION_BITS;

/// How many slots a value can name.
pub(super) const SLOTS: usize = 1 << SLOT_BITS;

/// What stands in place of a slot in the value of a timer: it is the thread's own, or the process's.
pub(super) const THREAD: usize = 0;
pub(super) const PROCESS: usize = 1;

/// What `si_code` says of a timer's signal. (libc has it, but not on every target.)
pub(super) const SI_TIMER: i32 = -2;

/// `magic:32 | generation:26 | slot:6`.
#[inline(always)]
pub(super) fn pack(magic: u32, generation: u64, slot: usize) -> u64 {
    let slot = slot as u64 & (SLOTS as u64 - 1);
    u64::from(magic) << MAGIC_SHIFT | (generation & SENT) << SLOT_BITS | slot
}

/// The magic, the bits of the generation, the slot.
#[inline(always)]
pub(super) fn unpack(value: u64) -> (u32, u64, usize) {
    let magic = (value >> MAGIC_SHIFT) as u32;
    let slot = value as usize & (SLOTS - 1);
    (magic, value >> SLOT_BITS & SENT, slot)
}

/// The kernel's `siginfo_t` where it carries a value, as in rt_sigqueueinfo(2); the same on all
/// 64-bit machines.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Info {
    pub(super) signal: i32,
    pub(super) errno: i32,
    pub(super) code: i32,
    padding: i32,
    pub(super) pid: i32,
    pub(super) uid: u32,
    pub(super) value: u64,
    rest: [u64; 12],
}

// The kernel reads and writes this many bytes.
const _: [(); size_of::<libc::siginfo_t>()] = [(); size_of::<Info>()];

impl Info {
    /// Of a timer's signal: how many periods ended, those included that no signal could be sent for.
    /// The kernel has the overrun where other signals have the sender's uid.
    #[inline(always)]
    pub(super) fn periods(&self) -> u32 {
        let missed = self.uid.cast_signed();
        if missed > 0 {
            (missed as u32).wrapping_add(1)
        } else {
            1
        }
    }

    pub(super) fn new(signal: i32, pid: i32, uid: u32, value: u64) -> Self {
        Self {
            signal,
            errno: 0,
            code: libc::SI_QUEUE,
            padding: 0,
            pid,
            uid,
            value,
            rest: [0; 12],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_was_packed() {
        let check = |magic: u32, generation: u64, slot: usize, expected: (u32, u64, usize)| {
            assert_eq!(unpack(pack(magic, generation, slot)), expected);
        };
        check(0, 0, 0, (0, 0, 0));
        check(u32::MAX, SENT, 63, (u32::MAX, SENT, 63));
        check(0x1234_5678, 42, 7, (0x1234_5678, 42, 7));
        check(1, SENT + 6, 1, (1, 5, 1));
    }

    #[test]
    fn periods_are_one_and_those_that_were_missed() {
        let check = |overrun: i32, expected: u32| {
            let uid = overrun.cast_unsigned();
            assert_eq!(Info::new(23, 0, uid, 0).periods(), expected);
        };
        check(0, 1);
        check(3, 4);
        check(i32::MAX, 1 << 31);
        check(-1, 1);
    }

    #[test]
    fn the_kernels_structure_has_its_fields_where_libc_reads_them() {
        let info = Info::new(libc::SIGURG, 4711, 1234, 0x0123_4567_89ab_cdef);
        // SAFETY: `Info` has the size of siginfo_t, is initialised to the last byte, and any bytes
        // are a valid siginfo_t; the accessors read the fields that SI_QUEUE has.
        unsafe {
            let theirs = &*(&raw const info).cast::<libc::siginfo_t>();
            assert_eq!((theirs.si_signo, theirs.si_code), (libc::SIGURG, -1));
            assert_eq!((theirs.si_pid(), theirs.si_uid()), (4711, 1234));
            assert_eq!(theirs.si_value().sival_ptr as u64, 0x0123_4567_89ab_cdef);
        }
    }
}
