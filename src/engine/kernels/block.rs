//! Blocks of neighbouring channels in vector registers, whatever the processor's vectors are.

#![allow(
    clippy::needless_range_loop,
    clippy::manual_memcpy,
    reason = "loops over registers are unrolled by index; a copy would go through memory"
)]

use pulp::Simd;

/// Channels that are computed together: two vectors of eight.
pub(super) const BLOCK: usize = 16;

/// Gives a task the method `work`, which does it in the widest vectors there are, by its method `run::<S, V>`,
/// where `V` vectors make a block. Without vectors, `V` is [`BLOCK`].
macro_rules! in_vectors {
    ($task:ident) => {
        impl $task<'_> {
            // Inlined, it would be there once for each type of closure that calls it.
            #[inline(never)]
            fn work(self) {
                pulp::Arch::new().dispatch(self);
            }
        }

        impl pulp::WithSimd for $task<'_> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: pulp::Simd>(self, simd: S) {
                match S::F32_LANES {
                    16 => self.run::<S, 1>(simd),
                    8 => self.run::<S, 2>(simd),
                    4 => self.run::<S, 4>(simd),
                    _ => self.run::<S, BLOCK>(simd),
                }
            }
        }
    };
}
pub(super) use in_vectors;

/// Implements `WithSimd` by the method `block::<S, V>`, which is called with the first of each block of as many
/// channels as `$channels` says. The last block reaches back where the channels are not a multiple of [`BLOCK`], so
/// `block` must give the same when it is called twice; it is shorter where there are fewer channels than that.
macro_rules! in_blocks {
    ($task:ident, $channels:expr) => {
        in_vectors!($task);

        impl $task<'_> {
            #[inline(always)]
            fn run<S: pulp::Simd, const V: usize>(mut self, simd: S) {
                let channels = $channels(&self);
                if channels < BLOCK {
                    return self.block::<S, V>(simd, 0, First(channels));
                }
                for first in (0..channels).step_by(BLOCK) {
                    self.block::<S, V>(simd, first.min(channels - BLOCK), Whole);
                }
            }
        }
    };
}
pub(super) use in_blocks;

/// How many values of a block there are.
///
/// A type tells whole blocks from others, so that there is no branch in the loops over them: the call behind
/// it, even if it is never made, would keep sums out of the registers.
pub(super) trait Count: Copy {
    fn get(self) -> usize;
}

/// All.
#[derive(Clone, Copy)]
pub(super) struct Whole;

/// The first few.
#[derive(Clone, Copy)]
pub(super) struct First(pub(super) usize);

impl Count for Whole {
    #[inline(always)]
    fn get(self) -> usize {
        BLOCK
    }
}

impl Count for First {
    #[inline(always)]
    fn get(self) -> usize {
        self.0
    }
}

/// Values of a block; what `count` leaves out is 0.
#[inline(always)]
pub(super) fn load<S: Simd, const V: usize>(
    simd: S,
    from: &[f32],
    count: impl Count,
) -> [S::f32s; V] {
    let count = count.get();
    if count == BLOCK {
        return whole::<S, V>(simd, &from[..BLOCK]);
    }
    let mut block = [0.0; BLOCK];
    block[..count].copy_from_slice(&from[..count]);
    whole::<S, V>(simd, &block)
}

#[inline(always)]
fn whole<S: Simd, const V: usize>(simd: S, from: &[f32]) -> [S::f32s; V] {
    let (vectors, _) = S::as_simd_f32s(from);
    let mut block = [simd.splat_f32s(0.0); V];
    for v in 0..V {
        block[v] = vectors[v];
    }
    block
}

/// Writes the values of a block that `count` does not leave out.
#[inline(always)]
pub(super) fn store<S: Simd, const V: usize>(
    into: &mut [f32],
    block: [S::f32s; V],
    count: impl Count,
) {
    let count = count.get();
    if count == BLOCK {
        let (vectors, _) = S::as_mut_simd_f32s(&mut into[..BLOCK]);
        for v in 0..V {
            vectors[v] = block[v];
        }
    } else {
        let mut values = [0.0; BLOCK];
        let (vectors, _) = S::as_mut_simd_f32s(&mut values);
        vectors[..V].copy_from_slice(&block);
        into[..count].copy_from_slice(&values[..count]);
    }
}
