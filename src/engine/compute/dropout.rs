//! Random masks: which values a dropout keeps.
//!
//! What becomes of a value is a hash of its place and of the mask's key. So each device works a mask out by itself, with
//! any number of threads, and all of them draw the same one.

use super::ImageOps;
#[cfg(feature = "flex")]
use burn::tensor::TensorData;
use burn::tensor::{Device, Int, IntDType, Tensor};
use rand::Rng;
#[cfg(feature = "flex")]
use rayon::prelude::*;

/// What distinguishes one mask from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct MaskKey([u32; 2]);

/// A hash is compared in so many bits: less than an `f32` or `i32` holds.
const BITS: u32 = 24;

/// Values that one thread works out, at least.
#[cfg(feature = "flex")]
const CHUNK: usize = 4096;

/// Factors and shifts of a good hash of 32 bits ("lowbias32" of Wellons 2018, "Prospecting for hash functions").
const FACTORS: [u32; 2] = [0x7feb_352d, 0x846c_a68b];
const SHIFTS: [u32; 3] = [16, 15, 16];

impl MaskKey {
    /// The next one of a generator.
    pub(in crate::engine) fn draw(rng: &mut impl Rng) -> Self {
        Self([rng.next_u32(), rng.next_u32()])
    }

    /// The upper bits of the hash of a place.
    #[cfg(feature = "flex")]
    fn hash(self, place: u32) -> u32 {
        let mix = |hash: u32| {
            let hash = (hash ^ (hash >> SHIFTS[0])).wrapping_mul(FACTORS[0]);
            let hash = (hash ^ (hash >> SHIFTS[1])).wrapping_mul(FACTORS[1]);
            hash ^ (hash >> SHIFTS[2])
        };
        self.0.iter().fold(place, |hash, key| mix(hash ^ key)) >> (u32::BITS - BITS)
    }

    /// The same for the first `count` places, on a device.
    fn hashes(self, count: usize, device: &Device) -> Tensor<1, Int> {
        let shifted = |hash: Tensor<1, Int>, bits: u32| {
            hash.clone().bitwise_right_shift_scalar(bits).bitwise_xor(hash)
        };
        let mix = |hash: Tensor<1, Int>| {
            let hash = shifted(hash, SHIFTS[0]).mul_scalar(FACTORS[0]);
            let hash = shifted(hash, SHIFTS[1]).mul_scalar(FACTORS[1]);
            shifted(hash, SHIFTS[2])
        };
        let places = Tensor::<1, Int>::arange(0..count as i64, device).cast(IntDType::U32);
        let hash = self.0.iter().fold(places, |hash, &key| mix(hash.bitwise_xor_scalar(key)));
        hash.bitwise_right_shift_scalar(u32::BITS - BITS)
    }

    /// 0 with probability `rate`, and elsewhere what keeps the mean. In the order of `shape` on every device.
    pub(in crate::engine) fn mask<const D: usize>(
        self,
        shape: [usize; D],
        rate: f64,
        image: ImageOps,
        device: &Device,
    ) -> Tensor<D> {
        let count = shape.iter().product::<usize>();
        let dropped = (rate * f64::from(1_u32 << BITS)).round() as u32;
        let kept = (1.0 / (1.0 - rate)) as f32;
        match image {
            ImageOps::Burn => {
                let keeps = self.hashes(count, device).greater_equal_elem(dropped);
                keeps.float().mul_scalar(kept).reshape(shape)
            }
            #[cfg(feature = "flex")]
            ImageOps::Cpu => {
                // Places beyond 32 bits, which no activation has, would begin again.
                let value = |place| if self.hash(place as u32) < dropped { 0.0 } else { kept };
                let places = (0..count).into_par_iter().with_min_len(CHUNK);
                let values: Vec<f32> = places.map(value).collect();
                Tensor::from_data(TensorData::new(values, shape), device)
            }
        }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::engine::seed;

    fn values(key: MaskKey, count: usize, rate: f64, image: ImageOps) -> Vec<f32> {
        let mask = key.mask([count], rate, image, &Device::flex());
        mask.try_into_vec_as().expect("floats")
    }

    #[test]
    fn the_processor_and_burn_draw_the_same_mask() {
        let rng = &mut seed::rng(1, "test", 0);
        for rate in [0.0, 0.1, 0.5, 0.999] {
            let key = MaskKey::draw(rng);
            let [ours, burns] =
                [ImageOps::Cpu, ImageOps::Burn].map(|image| values(key, 10_000, rate, image));
            assert_eq!(ours, burns);
        }
    }

    #[test]
    fn values_are_kept_at_the_rate_whatever_their_place_and_key() {
        // Neighbours, and the same places under keys that follow each other, must not go together: each mean of a
        // sample is within five standard deviations.
        let (count, rate) = (40_000, 0.3);
        let keys = (0..8).map(|i| MaskKey([i, 7]));
        let masks: Vec<Vec<bool>> = keys
            .map(|key| values(key, count, rate, ImageOps::Cpu).iter().map(|&it| it > 0.0).collect())
            .collect();
        let near = |found: usize, of: usize, share: f64, what: &str| {
            let (mean, deviation) = (of as f64 * share, (of as f64 * share * (1.0 - share)).sqrt());
            assert!((found as f64 - mean).abs() < 5.0 * deviation, "{what}: {found} of {of}");
        };
        let both = (1.0 - rate) * (1.0 - rate);
        for (number, mask) in masks.iter().enumerate() {
            near(mask.iter().filter(|&&kept| kept).count(), count, 1.0 - rate, "kept");
            for step in [1, 2, 28, 784] {
                let pairs = mask.iter().zip(&mask[step..]).filter(|(a, b)| **a && **b).count();
                near(pairs, count - step, both, "neighbours");
            }
            let next = &masks[(number + 1) % masks.len()];
            let pairs = mask.iter().zip(next).filter(|(a, b)| **a && **b).count();
            near(pairs, count, both, "keys");
        }
    }

    #[test]
    fn the_mean_stays() {
        let kept = values(MaskKey([3, 4]), 100_000, 0.25, ImageOps::Cpu);
        let mean = kept.iter().map(|&value| f64::from(value)).sum::<f64>() / kept.len() as f64;
        // The deviation of a value is sqrt(1/3).
        assert!((mean - 1.0).abs() < 5.0 * (1.0_f64 / 3.0 / 1e5).sqrt(), "{mean}");
    }
}
