//! Rules without expressions, in a word: what a table holds that threads read while others write.

use super::{Cfa, Place, Rules};
use gimli::{Encoding, Format};

/// What packing leaves out: it concerns expressions only.
const ENCODING: Encoding = Encoding {
    address_size: 8,
    format: Format::Dwarf32,
    version: 1,
};
/// Bits of what is packed, from the lowest: whether the CFA is counted from the frame pointer, two places
/// of a kind and an offset, a mark, the CFA's offset.
const PLACE: u32 = 17;
const RA: u32 = 1 + PLACE;
const MARK: u32 = RA + PLACE;
const CFA: u32 = MARK + 1;
const _: [(); 1] = [(); (u64::BITS - CFA >= 24) as usize];

impl Rules {
    /// `None` for those with expressions, of signal handlers, or with offsets that no compiler makes.
    /// Never 0.
    pub(in crate::probe::stacks) fn pack(&self) -> Option<u64> {
        let (of_fp, offset) = match self.cfa {
            Cfa::Sp(offset) => (0, offset),
            Cfa::Fp(offset) => (1, offset),
            Cfa::Expression(_) => return None,
        };
        let bits = u64::BITS - CFA;
        let cfa = words(offset, bits)? << CFA;
        let places = self.fp.pack()? << 1 | self.ra.pack()? << RA;
        (!self.signal).then_some(of_fp | places | 1 << MARK | cfa)
    }

    /// What was packed.
    pub(in crate::probe::stacks) fn unpack(packed: u64) -> Self {
        let offset = ((packed as i64) >> CFA).wrapping_mul(8);
        Self {
            cfa: match packed & 1 {
                0 => Cfa::Sp(offset),
                _ => Cfa::Fp(offset),
            },
            fp: Place::unpack(packed >> 1),
            ra: Place::unpack(packed >> RA),
            encoding: ENCODING,
            signal: false,
        }
    }
}

impl Place {
    fn pack(self) -> Option<u64> {
        match self {
            Place::Kept => Some(0),
            Place::Gone => Some(1),
            Place::At(offset) => Some(2 | words(offset, PLACE - 2)? << 2),
            Place::Is(_) | Place::Read(_) | Place::Value(_) => None,
        }
    }

    fn unpack(packed: u64) -> Self {
        let shift = u64::BITS - PLACE;
        match packed & 3 {
            0 => Place::Kept,
            1 => Place::Gone,
            _ => Place::At(((packed << shift) as i64 >> (shift + 2)).wrapping_mul(8)),
        }
    }
}

/// `offset` in words, as a signed number of `bits`.
fn words(offset: i64, bits: u32) -> Option<u64> {
    let words = offset / 8;
    let limit = 1_i64 << (bits - 1);
    let fits = offset % 8 == 0 && (-limit..limit).contains(&words);
    fits.then_some(words as u64 & ((1 << bits) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_comes_back_and_what_does_not_is_refused() {
        let check = |cfa: Cfa, fp: Place, ra: Place, fits: bool| {
            let rules = Rules {
                cfa,
                fp,
                ra,
                encoding: ENCODING,
                signal: false,
            };
            let packed = rules.pack();
            assert_eq!(packed.map(Rules::unpack), fits.then_some(rules));
            assert_ne!(packed, Some(0));
        };
        check(Cfa::Sp(8), Place::Kept, Place::At(-8), true);
        check(Cfa::Fp(16), Place::At(-16), Place::At(-8), true);
        check(Cfa::Sp(0), Place::Gone, Place::Kept, true);
        check(Cfa::Sp(0), Place::Kept, Place::Gone, true);
        check(Cfa::Sp(-8), Place::At(1 << 16), Place::At(-(1 << 17)), true);
        check(
            Cfa::Sp((1 << 27) - 8),
            Place::At((1 << 17) - 8),
            Place::At(0),
            true,
        );
        check(Cfa::Sp(1 << 40), Place::Kept, Place::Kept, false);
        check(Cfa::Sp(12), Place::Kept, Place::Kept, false);
        check(Cfa::Sp(8), Place::At(1 << 17), Place::Kept, false);
        check(Cfa::Sp(8), Place::Kept, Place::Is(8), false);
        let signal = Rules {
            signal: true,
            ..Rules::unpack(2)
        };
        assert_eq!(signal.pack(), None);
    }
}
