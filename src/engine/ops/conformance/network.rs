//! Small templates around a case, and data for them.

use super::{
    super::{Conv2d, Dense, Op, Place, Shape, samples},
    cases::{Case, What},
    run::sequence,
};
use crate::engine::{
    data::{Dataset, Images},
    supernet::{Supernet, vector},
    template::{BlocksPerLayer, Graph, Link, Network, Node},
};
use burn::tensor::Device;
use std::sync::Arc;

/// The node that holds what is checked.
pub(super) fn home(case: &Case) -> &'static str {
    match case.op().map(Op::place) {
        Some(Place::First) => "in",
        Some(Place::Anywhere) | None => "case",
        Some(Place::Last) => "out",
    }
}

/// What turns something of this shape into a vector.
fn flattened(shape: Shape) -> Option<Op> {
    match shape {
        Shape::Image(_) => Some(Op::Flatten),
        Shape::Flat(_) => None,
    }
}

/// A template in which the case has an alternative (an operation that is one; a way to merge is fed by several), and is
/// read by two others. `trainable` is said of the node that holds the case.
pub(super) fn graph(case: &Case, trainable: bool) -> Arc<Graph> {
    let mut nodes = Vec::new();
    let mut links = Vec::new();
    let mut link = |from: &str, to: &str| links.push(Link(from.into(), to.into()));
    let first = match case.inputs[0] {
        Shape::Image(dims) => vec![samples::input(dims)],
        Shape::Flat(features) => vec![samples::input([features, 1, 1]), Op::Flatten],
    };
    let mut output = vec![Op::Output];
    match &case.what {
        What::Op(op) => {
            let (flatten, mut own, mut other) =
                (flattened(case.output()), vec![], vec![Op::BatchNorm]);
            match op.place() {
                // The terminals are there already; dense layers stand in the place of the case.
                Place::First => {}
                Place::Last => output = vec![op.clone()],
                Place::Anywhere => {
                    own.push(op.clone());
                    other.push(op.clone());
                }
            }
            own.extend(flatten.clone());
            other.extend(flatten);
            nodes.push(Node::new(
                "in",
                0,
                match op.place() {
                    Place::First => vec![op.clone()],
                    Place::Anywhere | Place::Last => first,
                },
            ));
            nodes.push(Node::new("case", 1, own));
            nodes.push(Node::new("other", 1, other));
            for name in ["case", "other"] {
                link("in", name);
                link(name, "left");
                link(name, "right");
            }
        }
        What::Merge(merge) => {
            nodes.push(Node::new("in", 0, first));
            for (slot, &shape) in case.inputs.iter().enumerate() {
                let name = format!("slot{slot}");
                let op = match shape {
                    Shape::Image([channels, ..]) => Conv2d::new(channels, 1).into(),
                    Shape::Flat(features) => Dense::new(features).into(),
                };
                nodes.push(Node::new(name.as_str(), 1, vec![op]));
                link("in", &name);
                link(&name, "case");
            }
            let own: Vec<_> = flattened(case.output()).into_iter().collect();
            nodes.push(Node { merge: *merge, ..Node::new("case", 2, own) });
            link("case", "left");
            link("case", "right");
        }
    }
    nodes.push(Node::new("left", 3, vec![samples::dense(2)]));
    nodes.push(Node::new("right", 3, vec![samples::dense_relu(2)]));
    nodes.push(Node::new("out", 4, output));
    link("left", "out");
    link("right", "out");
    for node in &mut nodes {
        node.trainable = trainable || node.id.as_str() != home(case);
    }
    let network = Network { blocks_per_layer: BlocksPerLayer::Any, nodes, links };
    Arc::new(Graph::new(network).unwrap_or_else(|problems| panic!("{problems:?}")))
}

/// A supernet whose weights are all different: alternatives that start alike could be mistaken for one another.
pub(super) fn supernet(case: &Case, trainable: bool) -> Supernet {
    let mut supernet = Supernet::new(graph(case, trainable), 1, &Device::flex());
    let names: Vec<_> = supernet.parameter_names().map(str::to_owned).collect();
    for (value, name) in supernet.values_mut().iter_mut().zip(names) {
        let middle = if name.ends_with("gamma") { 1.0 } else { 0.0 };
        let numbers = sequence(&name, value.dims()[0]).into_iter().map(|it| middle + 0.5 * it);
        *value = vector(numbers.collect(), &Device::flex());
    }
    supernet
}

/// Images of two classes in the shape that the case's template takes.
pub(super) fn data(case: &Case) -> Dataset {
    let shape = match case.inputs[0] {
        Shape::Image(dims) => dims,
        Shape::Flat(features) => [features, 1, 1],
    };
    let images = |split: &str, count: usize| {
        let pixels = sequence(split, count * shape.iter().product::<usize>());
        let pixels: Vec<_> =
            pixels.into_iter().map(|value| (128.0 + 100.0 * value) as u8).collect();
        let labels: Vec<_> = (0..count).map(|i| (i % 2) as u8).collect();
        Images::new(shape, pixels, labels).expect("sizes match")
    };
    let names = vec!["one".to_owned(), "two".to_owned()];
    Dataset::new("toy", names, images("train", 24), images("val", 20), images("test", 4))
        .expect("the toy is right")
}
