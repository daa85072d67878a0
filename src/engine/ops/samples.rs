//! Short ways to write operations in tests.

use super::{ActivationFunction, AveragePool, ConvBlock, Dense, Dropout, Input, MaxPool, Op, Pair};

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
