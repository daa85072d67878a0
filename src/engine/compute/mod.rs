//! What operations compute with: activations of a batch, who computes images, and what a forward pass carries along.

#[cfg(feature = "flex")]
mod cpu;
mod dropout;
mod image;

pub(in crate::engine) use super::kernels::fused::Fused;
pub(in crate::engine) use dropout::MaskKey;
pub(in crate::engine) use image::{Filters, ImageOps, Sweep};

use super::ops::{ActivationFunction, Merge, Own, Shape};
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

/// Keeps the variance of a batch normalisation away from zero, as in PyTorch.
pub(in crate::engine) const EPSILON: f64 = 1e-5;

/// The values that travel along a link.
#[derive(Clone, Debug)]
pub(in crate::engine) enum Activation {
    /// A batch of images, as the [`ImageOps`] in use lay them out.
    Image(Tensor<4>),
    /// `[batch, features]`.
    Flat(Tensor<2>),
}

impl Activation {
    /// The images.
    pub(in crate::engine) fn image(self) -> Tensor<4> {
        match self {
            Self::Image(x) => x,
            Self::Flat(_) => {
                unreachable!("a checked graph gives no flat vector to an image operation")
            }
        }
    }

    /// The vectors.
    pub(in crate::engine) fn flat(self) -> Tensor<2> {
        match self {
            Self::Flat(x) => x,
            Self::Image(_) => {
                unreachable!("a checked graph gives no image to an operation on vectors")
            }
        }
    }

    /// How much memory it takes.
    pub(in crate::engine) fn bytes(&self) -> usize {
        let count = match self {
            Self::Image(x) => x.shape().num_elements(),
            Self::Flat(x) => x.shape().num_elements(),
        };
        count * size_of::<f32>()
    }

    /// How many examples there are.
    pub(in crate::engine) fn batch(&self) -> usize {
        match self {
            Self::Image(x) => x.dims()[0],
            Self::Flat(x) => x.dims()[0],
        }
    }

    /// Where it lies.
    pub(in crate::engine) fn device(&self) -> Device {
        match self {
            Self::Image(x) => x.device(),
            Self::Flat(x) => x.device(),
        }
    }

    fn add(self, other: Self) -> Self {
        match self {
            Self::Image(x) => Self::Image(x + other.image()),
            Self::Flat(x) => Self::Flat(x + other.flat()),
        }
    }

    fn scale(self, factor: f64) -> Self {
        match self {
            Self::Image(x) => Self::Image(x.mul_scalar(factor)),
            Self::Flat(x) => Self::Flat(x.mul_scalar(factor)),
        }
    }

    /// The shape of each example.
    pub(in crate::engine) fn shape(&self, image: ImageOps) -> Shape {
        match self {
            Self::Image(x) => Shape::Image(image.shape(x)),
            Self::Flat(x) => Shape::Flat(x.dims()[1]),
        }
    }

    /// What `function`, which keeps shapes, makes of images, and of vectors as images of one pixel.
    pub(in crate::engine) fn map(
        self,
        image: ImageOps,
        function: impl FnOnce(Tensor<4>) -> Tensor<4>,
    ) -> Self {
        match self {
            Self::Image(x) => Self::Image(function(x)),
            Self::Flat(x) => {
                let dims = x.dims();
                Self::Flat(function(image.one_pixel(x)).reshape(dims))
            }
        }
    }

    /// A function of each value, or of the channels of each pixel.
    pub(in crate::engine) fn apply(self, function: ActivationFunction, image: ImageOps) -> Self {
        match self {
            Self::Image(x) => Self::Image(function.apply(x, image.channel_dimension())),
            Self::Flat(x) => Self::Flat(function.apply(x, 1)),
        }
    }

    /// What a node is given for what arrives at its slots; `None` when nothing does. Slots of the shapes `slots` that
    /// nothing arrives at are zeros where their place counts, and left out elsewhere.
    pub(in crate::engine) fn merge(
        incoming: Vec<Option<Self>>,
        merge: Merge,
        slots: &[Shape],
        image: ImageOps,
    ) -> Option<Self> {
        match merge {
            Merge::Mean | Merge::Sum => {
                let count = incoming.iter().flatten().count();
                let total = incoming.into_iter().flatten().reduce(Self::add)?;
                let mean = merge == Merge::Mean && count > 1;
                Some(if mean { total.scale(1.0 / count as f64) } else { total })
            }
            Merge::Concatenate => {
                let (batch, device) =
                    incoming.iter().flatten().map(|x| (x.batch(), x.device())).next()?;
                let device = device.without_autodiff();
                let parts: Vec<_> = incoming
                    .into_iter()
                    .zip(slots)
                    .map(|(x, &shape)| {
                        x.unwrap_or_else(|| Self::zeros(shape, batch, image, &device))
                    })
                    .collect();
                Some(Self::concatenate(parts, image))
            }
        }
    }

    /// Zeros for `batch` images of this shape.
    pub(in crate::engine) fn zeros(
        shape: Shape,
        batch: usize,
        image: ImageOps,
        device: &Device,
    ) -> Self {
        match shape {
            Shape::Image([channels, height, width]) => {
                Self::Image(image.zeros([batch, channels, height, width], device))
            }
            Shape::Flat(features) => Self::Flat(Tensor::zeros([batch, features], device)),
        }
    }

    fn concatenate(parts: Vec<Self>, image: ImageOps) -> Self {
        match parts.first() {
            Some(Self::Image(_)) => {
                Self::Image(image.concatenate(parts.into_iter().map(Self::image).collect()))
            }
            Some(Self::Flat(_)) | None => {
                Self::Flat(Tensor::cat(parts.into_iter().map(Self::flat).collect(), 1))
            }
        }
    }
}

/// Mean and population variance of every channel.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Statistics {
    // [channels]
    pub(in crate::engine) mean: Tensor<1>,
    // [channels]
    pub(in crate::engine) variance: Tensor<1>,
}

impl Statistics {
    /// Constants, whatever they were computed from.
    pub(in crate::engine) fn new(mean: Tensor<1>, variance: Tensor<1>) -> Self {
        Self { mean: mean.without_autodiff(), variance: variance.without_autodiff() }
    }
}

/// Which statistics batch normalisations use.
pub(in crate::engine) enum Norms<'a> {
    /// Those of the batch itself; they are written into the list, which has a place for each batch normalisation of the
    /// supernet.
    Batch(&'a mut [Option<Statistics>]),
    /// These, one for each batch normalisation of the supernet.
    Fixed(&'a [Statistics]),
}

/// The context of a forward pass: everything except activations and weights.
pub(in crate::engine) struct Pass<'a> {
    /// Who computes images.
    pub(in crate::engine) image: ImageOps,
    /// Where batch normalisations take mean and variance from.
    pub(in crate::engine) norms: Norms<'a>,
    /// Where the keys of dropout masks are drawn; without it nothing is dropped.
    pub(in crate::engine) dropout: Option<&'a mut ChaCha8Rng>,
}

/// A batch normalisation: its place among those of the supernet, and its learned factor and summand per channel.
pub(in crate::engine) struct BatchNorm {
    pub(in crate::engine) place: usize,
    pub(in crate::engine) gamma: Tensor<1>,
    pub(in crate::engine) beta: Tensor<1>,
}

impl Pass<'_> {
    /// Convolution, batch normalisation, activation function (`Linear` for none) and upper bound, any of which may be
    /// missing.
    pub(in crate::engine) fn block(
        &mut self,
        x: Tensor<4>,
        conv: Option<(Filters, Sweep)>,
        norm: Option<BatchNorm>,
        function: ActivationFunction,
        most: Option<f64>,
    ) -> Tensor<4> {
        let ops = self.image;
        let fused = function.fused(most);
        let along = fused.unwrap_or(Fused::Nothing);
        let x = match (norm, conv) {
            (None, Some((filters, sweep))) => ops.convolve(x, filters, sweep, along),
            (None, None) => image::activate(x, along),
            (Some(norm), conv) => self.normalised(x, conv, norm, along),
        };
        if fused.is_some() {
            return x;
        }
        let x = function.apply(x, ops.channel_dimension());
        match most {
            Some(most) => x.clamp_max(most),
            None => x,
        }
    }

    /// Batch normalisation, of what a convolution gives where there is one, with what is computed along.
    pub(in crate::engine) fn normalised(
        &mut self,
        x: Tensor<4>,
        conv: Option<(Filters, Sweep)>,
        BatchNorm { place, gamma, beta }: BatchNorm,
        fused: Fused,
    ) -> Tensor<4> {
        let ops = self.image;
        match &mut self.norms {
            Norms::Batch(seen) => {
                let norm = [gamma, beta];
                let (x, statistics) = match conv {
                    Some((filters, sweep)) => {
                        ops.convolve_and_normalise(x, filters, sweep, norm, fused)
                    }
                    None => ops.normalise(x, norm, fused),
                };
                seen[place] = Some(statistics);
                x
            }
            Norms::Fixed(statistics) => {
                // With known statistics a batch normalisation is a factor and a summand per channel, and
                // these go into the convolution before it, which makes it free.
                let Statistics { mean, variance } = &statistics[place];
                let scale = gamma / variance.clone().add_scalar(EPSILON).sqrt();
                let shift = beta - mean.clone() * scale.clone();
                match conv {
                    Some((Filters { weight, bias, shape }, sweep)) => {
                        let shift = match bias {
                            Some(bias) => shift + bias * scale.clone(),
                            None => shift,
                        };
                        let [filters, channels, rows, columns] = shape;
                        let weight = weight.reshape([filters, channels * rows * columns])
                            * scale.reshape([filters, 1]);
                        let weight = weight.flatten(0, 1);
                        ops.convolve(x, Filters { weight, bias: Some(shift), shape }, sweep, fused)
                    }
                    None => ops.scale(x, scale, shift, fused),
                }
            }
        }
    }
}

impl BatchNorm {
    /// The next of an operation, whose factor and summand are the next two values.
    pub(in crate::engine) fn of(own: &mut Own<'_>) -> Self {
        Self { place: own.next_norm(), gamma: own.next_value(), beta: own.next_value() }
    }
}
