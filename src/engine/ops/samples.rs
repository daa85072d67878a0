//! Short ways to write and to run operations in tests.

use super::{
    ActivationFunction, AveragePool, ConvBlock, Dense, Dropout, Input, MaxPool, Op, Own, Pair,
    Shape,
};
use crate::engine::compute::{Activation, ImageOps, Norms, Pass, Statistics};
use burn::tensor::{Device, Tensor, TensorData};

/// The input of images of this shape.
pub(in crate::engine) fn input(shape: [usize; 3]) -> Op {
    Op::Input(Input { shape })
}

/// A dense layer without activation function.
pub(in crate::engine) fn dense(units: usize) -> Op {
    Dense::new(units).into()
}

/// A dense layer with a ReLU.
pub(in crate::engine) fn dense_relu(units: usize) -> Op {
    Dense { activation: ActivationFunction::Relu, ..Dense::new(units) }.into()
}

/// A dropout.
pub(in crate::engine) fn dropout(rate: f64) -> Op {
    Dropout { rate }.into()
}

/// A ReLU alone, in a block as files of version 1 have it.
pub(in crate::engine) fn relu() -> Op {
    ConvBlock { conv: false, batch_norm: false, ..ConvBlock::new(1, 1) }.into()
}

/// Square max pooling.
pub(in crate::engine) fn max_pool(kernel: usize, stride: usize, padding: usize) -> Op {
    let [kernel, stride, padding] = [kernel, stride, padding].map(Pair::square);
    MaxPool { kernel, stride, padding }.into()
}

/// Square average pooling.
pub(in crate::engine) fn average_pool(kernel: usize, stride: usize, padding: usize) -> Op {
    let [kernel, stride, padding] = [kernel, stride, padding].map(Pair::square);
    AveragePool { kernel, stride, padding }.into()
}

/// An operation, the shape of its input and the values of its parameters.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Run<'a> {
    pub(in crate::engine) op: &'a Op,
    pub(in crate::engine) input: Shape,
    pub(in crate::engine) parameters: &'a [&'a [f32]],
}

impl Run<'_> {
    /// What it makes of a batch whose examples lie one behind the other, each in the order of channels, rows and
    /// columns; with the statistics that its batch normalisations have seen.
    pub(in crate::engine) fn with_statistics_of_the_batch(
        &self,
        x: &[f32],
    ) -> (Vec<f32>, Vec<Statistics>) {
        let mut answers = self.layouts().map(|image| {
            let mut seen = vec![None; self.op.learned(self.input).norms.len()];
            let found = self.forward(x, image, Norms::Batch(&mut seen));
            (found, seen.into_iter().map(|it| it.expect("seen")).collect::<Vec<_>>())
        });
        assert_close(&answers[0].0, &answers[1].0, 1e-4);
        std::mem::take(&mut answers[0])
    }

    /// The same with given statistics.
    pub(in crate::engine) fn with_statistics(&self, x: &[f32], known: &[Statistics]) -> Vec<f32> {
        let [own, burn] = self.layouts().map(|image| self.forward(x, image, Norms::Fixed(known)));
        assert_close(&own, &burn, 1e-4);
        own
    }

    /// The processor's own operations and Burn's, which must agree.
    fn layouts(&self) -> [ImageOps; 2] {
        [ImageOps::of(&Device::flex()), ImageOps::Burn]
    }

    fn forward(&self, x: &[f32], image: ImageOps, norms: Norms<'_>) -> Vec<f32> {
        let device = Device::flex();
        let learned = self.op.learned(self.input);
        assert_eq!(learned.parameters.len(), self.parameters.len(), "parameters of {}", self.op);
        for (parameter, values) in learned.parameters.iter().zip(self.parameters) {
            assert_eq!(parameter.size(), values.len() as u64, "{} of {}", parameter.role, self.op);
        }
        let values: Vec<Tensor<1>> =
            self.parameters.iter().map(|&values| Tensor::from_floats(values, &device)).collect();
        let batch = x.len() / self.input.size();
        let x = match self.input {
            Shape::Image([channels, height, width]) => {
                let data = TensorData::new(x.to_vec(), [batch, channels, height, width]);
                Activation::Image(image.enter(Tensor::from_data(data, &device)))
            }
            Shape::Flat(features) => {
                let data = TensorData::new(x.to_vec(), [batch, features]);
                Activation::Flat(Tensor::from_data(data, &device))
            }
        };
        let own = Own::alone(&values, 0);
        let x = self.op.forward(x, own, &mut Pass { image, norms, dropout: None });
        let inferred = self.op.infer(Some(self.input)).expect("fits").0;
        assert_eq!(x.shape(image), inferred, "{}", self.op);
        match x {
            Activation::Image(x) => image.leave(x).try_to_vec_as(),
            Activation::Flat(x) => x.try_to_vec_as(),
        }
        .expect("floats")
    }
}

/// What an operation makes of a batch; see [`Run`].
pub(in crate::engine) fn answer(
    op: &Op,
    input: Shape,
    x: &[f32],
    parameters: &[&[f32]],
) -> Vec<f32> {
    Run { op, input, parameters }.with_statistics_of_the_batch(x).0
}

/// Values between -1 and 1 that are all different.
pub(in crate::engine) fn wave(count: usize, speed: f32) -> Vec<f32> {
    (0..count).map(|place| (place as f32 * speed).sin()).collect()
}

/// Makes sure that no value is further than `tolerance` from what it should be.
pub(in crate::engine) fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance, "at {i}: {a} instead of {b}\n{found:?}\n{expected:?}");
    }
}
