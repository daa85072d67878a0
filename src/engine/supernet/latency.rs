//! How long a candidate takes on a device.

use super::{EvaluationError, Supernet};
use crate::engine::{mask::Mask, median::median, seed};
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;
use serde::Serialize;
use std::time::Instant;

/// Passes before the clock runs: kernels are compiled and chosen, and memory is found, in the first ones.
const WARM_UP: usize = 3;

/// How long a forward pass of a candidate takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Images in the batch.
    pub batch: usize,
    /// Passes that were timed.
    pub passes: usize,
    /// Median of their times in seconds, for the whole batch.
    pub median_secs: f64,
}

impl Supernet {
    /// Times forward passes of the valid candidate `mask` in evaluation mode, on images that are on the device
    /// already, until the class scores are back on the host; after some passes that are not timed. Weights do
    /// not matter to it. Other work on the machine does.
    ///
    /// # Errors
    /// When the device fails.
    pub fn latency(
        &self,
        mask: &Mask,
        batch: usize,
        passes: usize,
    ) -> Result<Latency, EvaluationError> {
        let (batch, passes) = (batch.max(1), passes.max(1));
        let [channels, height, width] = self.graph.image_shape();
        let mut rng = seed::rng(0, "latency", 0);
        // Zeros would be quicker than images on some machines.
        let pixels: Vec<f32> =
            (0..batch * channels * height * width).map(|_| rng.random()).collect();
        let images = TensorData::new(pixels, [batch, channels, height, width]);
        let images = Tensor::<4>::from_data(images, &self.device);
        let mut seconds = Vec::with_capacity(passes);
        for pass in 0..WARM_UP + passes {
            let images = images.clone();
            let clock = Instant::now();
            self.forward_with_statistics(mask, images, &self.running)
                .try_into_vec_as::<f32>()
                .map_err(|error| EvaluationError::Device(error.to_string()))?;
            if pass >= WARM_UP {
                seconds.push(clock.elapsed().as_secs_f64());
            }
        }
        Ok(Latency { batch, passes, median_secs: median(&mut seconds) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{candidate, supernet::toy::small_vgg};
    use burn::tensor::Device;

    #[test]
    fn a_pass_of_any_batch_is_timed() {
        let supernet = Supernet::new(small_vgg(), 1, &Device::flex());
        let mask = candidate::sample(supernet.graph(), &mut seed::rng(1, "test", 0));
        for batch in [1, 7] {
            let latency = supernet.latency(&mask, batch, 2).expect("the CPU answers");
            assert_eq!((latency.batch, latency.passes), (batch, 2));
            assert!(latency.median_secs > 0.0 && latency.median_secs.is_finite());
        }
    }
}
