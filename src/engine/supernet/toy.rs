//! Small templates and data for tests.

use crate::engine::{
    data::{Dataset, Images},
    ops::{
        ConvBlock, Op,
        samples::{dense, dropout, input, max_pool},
    },
    seed,
    template::{BlocksPerLayer, Graph, Link, Network, Node},
};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use std::sync::Arc;

/// A graph of nodes (id, layer, operations), joined by links from id to id.
pub(in crate::engine) fn graph(nodes: &[(&str, u32, &[Op])], links: &[(&str, &str)]) -> Arc<Graph> {
    let network = Network {
        blocks_per_layer: BlocksPerLayer::Any,
        nodes: nodes.iter().map(|&(id, layer, ops)| Node::new(id, layer, ops.to_vec())).collect(),
        links: links.iter().map(|&(from, to)| Link(from.into(), to.into())).collect(),
    };
    Arc::new(Graph::new(network).expect("the toy is right"))
}

/// Nodes in a row, the first of which is the input.
pub(in crate::engine) fn chain(nodes: &[(&str, &[Op])]) -> Arc<Graph> {
    let links: Vec<_> = nodes.windows(2).map(|pair| (pair[0].0, pair[1].0)).collect();
    let nodes: Vec<_> =
        nodes.iter().enumerate().map(|(i, &(id, ops))| (id, i as u32, ops)).collect();
    graph(&nodes, &links)
}

/// A convolution with padding that keeps the size, batch norm and ReLU.
pub(in crate::engine) fn block(filters: usize, kernel: usize) -> Op {
    ConvBlock::new(filters, kernel).into()
}

/// Two layers of two convolutions with a pooling between them, and a dense head: a small VGG for images
/// of 1×8×8 and two classes.
pub(in crate::engine) fn small_vgg() -> Arc<Graph> {
    let pool = max_pool(2, 2, 0);
    graph(
        &[
            ("in", 0, &[input([1, 8, 8])]),
            ("a3", 1, &[block(4, 3)]),
            ("a5", 1, &[block(4, 5)]),
            ("pool", 2, &[pool]),
            ("b1", 3, &[block(6, 1)]),
            ("b3", 3, &[block(6, 3)]),
            ("head", 4, &[Op::GlobalAveragePool, dropout(0.1), dense(2)]),
            ("out", 5, &[Op::Output]),
        ],
        &[
            ("in", "a3"),
            ("in", "a5"),
            ("a3", "pool"),
            ("a5", "pool"),
            ("pool", "b1"),
            ("pool", "b3"),
            ("b1", "head"),
            ("b3", "head"),
            ("head", "out"),
        ],
    )
}

/// Noisy images of 1×8×8 with bars that lie (class 0) or stand (class 1).
pub(in crate::engine) fn bars(train: usize, val: usize) -> Dataset {
    let mut rng = seed::rng(3, "test/bars", 0);
    let mut images = |count: usize| {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for i in 0..count {
            let class = i % 2;
            let phase = rng.random_range(0..2);
            for place in 0..64 {
                let line = if class == 0 { place / 8 } else { place % 8 };
                let bright = (line + phase) % 2 == 0;
                pixels.push(if bright { 150 } else { 50 } + rng.random_range(0..80));
            }
            labels.push(class as u8);
        }
        Images::new([1, 8, 8], pixels, labels).expect("sizes match")
    };
    let names = vec!["lying".to_owned(), "standing".to_owned()];
    Dataset::new("bars", names, images(train), images(val), images(2)).expect("the toy is right")
}

/// Numbers between -1 and 1.
pub(in crate::engine) fn noise(count: usize, index: u64) -> Vec<f32> {
    let mut rng = seed::rng(5, "test/noise", index);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// A tensor on the CPU.
pub(in crate::engine) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}
