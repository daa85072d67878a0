//! Cases computed: numbers that the script with PyTorch makes as well, forward pass and gradients.

use super::{
    super::{Own, Shape},
    cases::{Case, What},
};
use crate::engine::{
    compute::{Activation, ImageOps, Norms, Pass, Statistics},
    seed,
    supernet::vector,
};
use burn::tensor::{Device, Tensor};

/// Numbers in `-1..1` that depend on `purpose` only, and are the same in any language: a linear congruential generator
/// of 32 bits, of which the upper 24 are a number that floats hold exactly. Its start is the FNV-1a hash of the purpose.
pub(super) fn sequence(purpose: &str, count: usize) -> Vec<f32> {
    let mut state = hash(purpose);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// FNV-1a.
pub(super) fn hash(text: &str) -> u32 {
    text.bytes()
        .fold(2_166_136_261, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619))
}

/// The numbers that a case is computed with.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    pub(super) batch: usize,
    /// Of what arrives at the slots: images as `[batch, channels, height, width]`.
    pub(super) inputs: Vec<Vec<f32>>,
    pub(super) parameters: Vec<Vec<f32>>,
    /// What each value of the output counts in the sum that is differentiated.
    pub(super) weights: Vec<f32>,
    /// Mean and variance of each batch normalisation, for evaluation.
    pub(super) statistics: Vec<[Vec<f32>; 2]>,
}

impl Numbers {
    pub(super) fn new(case: &Case, batch: usize) -> Self {
        let of = |purpose: &str, count| sequence(&format!("{}/{purpose}", case.name), count);
        let shifted = |purpose: &str, count, middle: f32| -> Vec<f32> {
            of(purpose, count).into_iter().map(|value| middle + 0.5 * value).collect()
        };
        let input = |(slot, &shape): (usize, &Shape)| {
            let values = of(&format!("input/{slot}"), batch * shape.size());
            values.into_iter().map(|value| case.span * value).collect()
        };
        let learned = case.learned();
        let parameter = |(place, parameter): (usize, &super::super::Parameter)| {
            let (purpose, count) = (format!("parameter/{place}"), parameter.size() as usize);
            // A normalisation's factor is around 1.
            if parameter.role.ends_with("gamma") {
                shifted(&purpose, count, 1.0)
            } else {
                of(&purpose, count)
            }
        };
        let statistic = |(place, norm): (usize, &super::super::NormSlot)| {
            [
                shifted(&format!("mean/{place}"), norm.channels, 0.0),
                shifted(&format!("variance/{place}"), norm.channels, 1.0),
            ]
        };
        Self {
            batch,
            inputs: case.inputs.iter().enumerate().map(input).collect(),
            parameters: learned.parameters.iter().enumerate().map(parameter).collect(),
            weights: of("weight", batch * case.output().size()),
            statistics: learned.norms.iter().enumerate().map(statistic).collect(),
        }
    }

    /// Inputs, then parameters.
    pub(super) fn tensors(&mut self) -> impl Iterator<Item = &mut Vec<f32>> {
        self.inputs.iter_mut().chain(&mut self.parameters)
    }
}

/// How a case is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// As training does: batch normalisations use the batch, dropout draws.
    Training,
    /// The same, but nothing is dropped.
    Undropped,
    /// As evaluation does: batch normalisations use given statistics.
    Evaluation,
}

/// The results of a case.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) shape: Shape,
    /// Images as `[batch, channels, height, width]`.
    pub(super) output: Vec<f32>,
    /// Of the inputs, then of the parameters.
    pub(super) gradients: Vec<Vec<f32>>,
    /// What the batch normalisations saw; empty in evaluation.
    pub(super) statistics: Vec<[Vec<f32>; 2]>,
}

impl Found {
    /// All values with what they are, in a fixed order.
    pub(super) fn parts(&self, case: &Case) -> Vec<(String, &[f32])> {
        let mut parts = vec![("the output".to_owned(), self.output.as_slice())];
        let names = tensor_names(case);
        parts.extend(
            names
                .into_iter()
                .zip(&self.gradients)
                .map(|(name, values)| (format!("the gradient of {name}"), values.as_slice())),
        );
        for (place, [mean, variance]) in self.statistics.iter().enumerate() {
            parts.push((format!("the mean that norm {place} saw"), mean));
            parts.push((format!("the variance that norm {place} saw"), variance));
        }
        parts
    }
}

/// Names of inputs and parameters.
pub(super) fn tensor_names(case: &Case) -> Vec<String> {
    let inputs = (0..case.inputs.len()).map(|slot| format!("input {slot}"));
    inputs.chain(case.learned().parameters.iter().map(|it| it.role.to_owned())).collect()
}

/// Who computes, and with which operations on images.
#[derive(Clone, Debug)]
pub(super) struct Backend {
    device: Device,
    image: ImageOps,
}

impl Backend {
    /// What a supernet on this device uses.
    pub(super) fn of(device: Device) -> Self {
        Self { image: ImageOps::of(&device), device }
    }

    /// The processor with its own kernels, and with those of Burn.
    pub(super) fn of_processor() -> [Self; 2] {
        let device = Device::flex();
        let own = Self::of(device.clone());
        assert_ne!(own.image, ImageOps::Burn, "the processor has no kernels of its own");
        [own, Self { device, image: ImageOps::Burn }]
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().expect("the device answers")
}

/// The output, flat.
fn compute(
    case: &Case,
    image: ImageOps,
    inputs: &[Tensor<1>],
    own: &[Tensor<1>],
    batch: usize,
    pass: &mut Pass<'_>,
) -> (Shape, Tensor<1>) {
    let enter = |(shape, x): (&Shape, &Tensor<1>)| match *shape {
        Shape::Image([channels, height, width]) => {
            Activation::Image(image.enter(x.clone().reshape([batch, channels, height, width])))
        }
        Shape::Flat(features) => Activation::Flat(x.clone().reshape([batch, features])),
    };
    let slots = case.inputs.iter().zip(inputs).zip(&case.kept);
    let mut slots = slots.map(|(slot, &kept)| kept.then(|| enter(slot)));
    let output = match &case.what {
        What::Op(op) => {
            let x = slots.next().flatten().expect("an operation has an input");
            op.forward(x, Own::alone(own, 0), pass)
        }
        What::Merge(merge) => {
            let incoming = merge.slots(slots);
            let merged = Activation::merge(incoming, *merge, &case.inputs, image);
            merged.expect("something arrives")
        }
    };
    match output {
        Activation::Image(x) => {
            let shape = Shape::Image(image.shape(&x));
            let count = x.shape().num_elements();
            (shape, image.leave(x).reshape([count]))
        }
        Activation::Flat(x) => {
            let [batch, features] = x.dims();
            (Shape::Flat(features), x.reshape([batch * features]))
        }
    }
}

/// The output alone.
pub(super) fn forward(
    case: &Case,
    backend: &Backend,
    mode: Mode,
    numbers: &Numbers,
) -> (Shape, Vec<f32>) {
    let leaf = |values: &Vec<f32>| vector(values.clone(), &backend.device);
    let (shape, output, _, _) = run(case, backend, mode, numbers, &leaf);
    (shape, values(output))
}

/// The output and its gradients.
pub(super) fn differentiate(
    case: &Case,
    backend: &Backend,
    mode: Mode,
    numbers: &Numbers,
) -> Found {
    let device = &backend.device;
    let leaf = |values: &Vec<f32>| vector(values.clone(), device).autodiff().require_grad();
    let (shape, output, leaves, statistics) = run(case, backend, mode, numbers, &leaf);
    let weights = vector(numbers.weights.clone(), device);
    let sum = (output.clone() * weights).sum();
    let mut gradients = sum.is_tracked().then(|| sum.backward());
    let gradients = leaves
        .iter()
        .map(|leaf| {
            let gradient = gradients.as_mut().and_then(|gradients| leaf.grad_remove(gradients));
            // What nothing depends on has a gradient of 0.
            gradient.map_or_else(|| vec![0.0; leaf.dims()[0]], values)
        })
        .collect();
    Found { shape, output: values(output.without_autodiff()), gradients, statistics }
}

type Ran = (Shape, Tensor<1>, Vec<Tensor<1>>, Vec<[Vec<f32>; 2]>);

fn run(
    case: &Case,
    &Backend { ref device, image }: &Backend,
    mode: Mode,
    numbers: &Numbers,
    leaf: &dyn Fn(&Vec<f32>) -> Tensor<1>,
) -> Ran {
    let leaves: Vec<_> = numbers.inputs.iter().chain(&numbers.parameters).map(leaf).collect();
    let (inputs, own) = leaves.split_at(numbers.inputs.len());
    let given: Vec<_> = numbers
        .statistics
        .iter()
        .map(|[mean, variance]| {
            Statistics::new(vector(mean.clone(), device), vector(variance.clone(), device))
        })
        .collect();
    let mut seen = vec![None; given.len()];
    let mut masks = seed::rng(1, "test/conformance", 0);
    let norms = match mode {
        Mode::Training | Mode::Undropped => Norms::Batch(&mut seen),
        Mode::Evaluation => Norms::Fixed(&given),
    };
    let dropout = (mode == Mode::Training).then_some(&mut masks);
    let mut pass = Pass { image, norms, dropout };
    let (shape, output) = compute(case, image, inputs, own, numbers.batch, &mut pass);
    let statistics = seen
        .into_iter()
        .flatten()
        .map(|Statistics { mean, variance }| [values(mean), values(variance)])
        .collect();
    (shape, output, leaves, statistics)
}
