//! How often allocations are sampled, and for how many a sample stands.
//!
//! Pure. An allocation is taken with a probability that grows with its size: `p = 1 - exp(-size / rate)`,
//! which is what a Poisson process over the allocated bytes with that mean distance gives. So it stands
//! for `1 / p` allocations of its size, and sums of these are right on average, whatever the sizes.

/// Bits that are kept of a rate behind its first one.
const MANTISSA: u32 = 10;
const UNIT: u64 = 1 << MANTISSA;
/// Objects are counted in parts of this size.
const PARTS: f64 = 65536.0;

/// The mean distance between two samples, in bytes; off, or one that fits into sixteen bits: kept are
/// the eleven highest binary digits, so that powers of two are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate(u16);

impl Rate {
    /// Nothing is sampled.
    pub(super) const OFF: Self = Self(0);
    /// Each allocation is, and stands for itself.
    pub(super) const ALL: Self = Self(1);
    /// One sample in half a megabyte.
    pub(super) const DEFAULT: Self = Self::of(512 << 10);

    /// The nearest one that is not above `bytes`.
    pub(super) const fn of(bytes: u64) -> Self {
        if bytes < UNIT {
            return Self(bytes as u16);
        }
        let shift = u64::BITS - 1 - MANTISSA - bytes.leading_zeros();
        let mantissa = (bytes >> shift) - UNIT;
        Self((((shift + 1) as u64) << MANTISSA | mantissa) as u16)
    }

    /// In bytes; 0 when off.
    pub(super) const fn bytes(self) -> u64 {
        let (exponent, mantissa) = (self.0 as u64 >> MANTISSA, self.0 as u64 & (UNIT - 1));
        match exponent {
            0 => mantissa,
            // A code that nothing makes would shift everything out.
            55.. => u64::MAX,
            _ => (UNIT + mantissa) << (exponent - 1),
        }
    }

    pub(super) const fn code(self) -> u16 {
        self.0
    }

    pub(super) const fn from_code(code: u16) -> Self {
        Self(code)
    }

    /// `doublings` times half as often.
    pub(super) fn slower(self, doublings: u32) -> Self {
        match self {
            Self::OFF | Self::ALL => self,
            _ if doublings >= self.bytes().leading_zeros() => Self::of(u64::MAX),
            _ => Self::of(self.bytes() << doublings),
        }
    }
}

/// Bytes and objects that were estimated from samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    /// Bytes, as they were asked for.
    pub bytes: u64,
    /// Allocations, in 1/65536: a sample may stand for a fraction of one.
    pub objects: u64,
}

impl Amount {
    /// What a sample of `size` bytes stands for that was taken at `rate`.
    pub(super) fn of(size: u64, rate: Rate) -> Self {
        let weight = weight(size, rate.bytes());
        Self {
            bytes: (weight * size as f64).round() as u64,
            objects: (weight * PARTS).round() as u64,
        }
    }

    /// What is left after `other` is taken away; nothing when that is more. Sums go round after 2^48
    /// objects, which is days for a process in a hurry, and differences stay right.
    pub(crate) fn minus(self, other: Self) -> Self {
        let left = |all: u64, part: u64| u64::try_from(all.wrapping_sub(part) as i64).unwrap_or(0);
        Self {
            bytes: left(self.bytes, other.bytes),
            objects: left(self.objects, other.objects),
        }
    }
}

/// How many allocations of `size` bytes one sample of them stands for, at one sample in `rate` bytes on
/// average: 1 divided by the probability that one is taken.
pub(crate) fn weight(size: u64, rate: u64) -> f64 {
    if rate <= 1 {
        return 1.0;
    }
    // Without a size there would be no probability; the language asks for no such allocation.
    let share = size.max(1) as f64 / rate as f64;
    1.0 / -(-share).exp_m1()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_keeps_eleven_digits() {
        let check = |bytes: u64, expected: u64| assert_eq!(Rate::of(bytes).bytes(), expected);
        for exact in [
            0,
            1,
            2,
            1000,
            1023,
            1024,
            1025,
            2046,
            4096,
            512 << 10,
            1 << 40,
            1 << 63,
        ] {
            check(exact, exact);
        }
        check(2047, 2047);
        check(2049, 2048);
        check(1_000_000, 999_936);
        check(u64::MAX, 0xffe0_0000_0000_0000);
        assert_eq!(Rate::from_code(u16::MAX).bytes(), u64::MAX);
        assert_eq!(Rate::DEFAULT.bytes(), 524_288);
        assert_eq!(Rate::from_code(Rate::of(77_000).code()), Rate::of(77_000));
    }

    #[test]
    fn a_rate_is_doubled_and_off_stays_off() {
        assert_eq!(Rate::DEFAULT.slower(3).bytes(), 4 << 20);
        assert_eq!(Rate::OFF.slower(5), Rate::OFF);
        assert_eq!(Rate::ALL.slower(5), Rate::ALL);
        assert_eq!(Rate::of(3).slower(62), Rate::of(u64::MAX));
        assert!(Rate::DEFAULT.slower(200).bytes() > 1 << 63);
    }

    #[test]
    fn a_sample_stands_for_what_was_not_taken() {
        let check = |size: u64, rate: u64, expected: f64| {
            let found = weight(size, rate);
            assert!(
                (found / expected - 1.0).abs() < 1e-4,
                "{size} {rate}: {found}"
            );
        };
        check(16, 1, 1.0);
        check(16, 0, 1.0);
        check(16, 512 << 10, 32768.5);
        check(512 << 10, 512 << 10, 1.581_98);
        check(16 << 20, 512 << 10, 1.0);
        check(0, 1000, 1000.5);
        let amount = Amount::of(1 << 20, Rate::DEFAULT);
        assert_eq!((amount.bytes, amount.objects), (1_212_697, 75_794));
    }

    #[test]
    fn less_than_nothing_is_nothing() {
        let small = Amount {
            bytes: 3,
            objects: 9,
        };
        let large = Amount {
            bytes: 5,
            objects: 4,
        };
        let round = Amount {
            bytes: 2,
            objects: u64::MAX,
        };
        let later = Amount {
            bytes: 5,
            objects: 6,
        };
        let left = Amount {
            bytes: 3,
            objects: 7,
        };
        assert_eq!(later.minus(round), left);
        assert_eq!(
            small.minus(large),
            Amount {
                bytes: 0,
                objects: 5
            }
        );
    }
}
