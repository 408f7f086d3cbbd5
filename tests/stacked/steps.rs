//! Functions that call one another, so that a thread stands as deep as its name says.
//!
//! `step_12` calls `step_11`, and so on to `step_01`, which calls the leaf. None is inlined, none is
//! equal to another, and none ends with its call: so each is a frame, in every build.

use std::hint::black_box;

/// What stands at the end of the steps: it waits, and comes back with some number.
pub(crate) type Leaf = fn(u64) -> u64;

/// The deepest there is.
pub(crate) const DEEPEST: usize = STEPS.len();

macro_rules! steps {
    ($($name:ident -> $next:path, $number:literal;)*) => {
        $(
            #[inline(never)]
            fn $name(leaf: Leaf, seed: u64) -> u64 {
                let kept = black_box([seed ^ $number; $number]);
                let result = $next(leaf, seed.wrapping_add($number));
                black_box(&kept);
                black_box(result) ^ kept[0]
            }
        )*
        const STEPS: &[fn(Leaf, u64) -> u64] = &[$($name),*];
    };
}

#[inline(always)]
fn end(leaf: Leaf, seed: u64) -> u64 {
    leaf(seed)
}

steps! {
    step_01 -> end, 1;
    step_02 -> step_01, 2;
    step_03 -> step_02, 3;
    step_04 -> step_03, 4;
    step_05 -> step_04, 5;
    step_06 -> step_05, 6;
    step_07 -> step_06, 7;
    step_08 -> step_07, 8;
    step_09 -> step_08, 9;
    step_10 -> step_09, 10;
    step_11 -> step_10, 11;
    step_12 -> step_11, 12;
    step_13 -> step_12, 13;
    step_14 -> step_13, 14;
    step_15 -> step_14, 15;
    step_16 -> step_15, 16;
    step_17 -> step_16, 17;
    step_18 -> step_17, 18;
    step_19 -> step_18, 19;
    step_20 -> step_19, 20;
    step_21 -> step_20, 21;
    step_22 -> step_21, 22;
    step_23 -> step_22, 23;
    step_24 -> step_23, 24;
    step_25 -> step_24, 25;
}

/// Calls `leaf` by way of `depth` functions.
pub(crate) fn descend(depth: usize, leaf: Leaf, seed: u64) -> u64 {
    match depth.checked_sub(1).and_then(|last| STEPS.get(last)) {
        Some(first) => first(leaf, seed),
        None => leaf(seed),
    }
}

/// The same with so much on the stack in each step that 64 KiB hold only the last few.
#[inline(never)]
pub(crate) fn descend_wide(depth: usize, leaf: Leaf, seed: u64) -> u64 {
    let kept = black_box([seed; 512]);
    let result = match depth {
        0 => leaf(seed),
        _ => descend_wide(depth - 1, leaf, seed ^ 1),
    };
    black_box(&kept);
    black_box(result)
}
