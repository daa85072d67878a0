//! Blocks of neighbouring channels in vector registers, whatever the processor's vectors are.

#![allow(
    clippy::needless_range_loop,
    clippy::manual_memcpy,
    reason = "loops over registers are unrolled by index; a copy would go through memory"
)]

use pulp::Simd;

/// Channels that are computed together: two vectors of eight.
pub(super) const BLOCK: usize = 16;

/// Implements `WithSimd` by the method `run::<S, V>`, where `V` vectors make a block.
macro_rules! in_vectors {
    ($task:ident) => {
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

/// The first `count` values of a block; the rest is 0.
#[inline(always)]
pub(super) fn load<S: Simd, const V: usize>(simd: S, from: &[f32], count: usize) -> [S::f32s; V] {
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

/// Writes the first `count` values of a block.
#[inline(always)]
pub(super) fn store<S: Simd, const V: usize>(into: &mut [f32], block: [S::f32s; V], count: usize) {
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
