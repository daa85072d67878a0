//! How the nodes of a template are computed: their operations with the parameters that these need.

use crate::engine::{
    compute::{Activation, Pass},
    kernels::fused::Fused,
    ops::{Effect, Merge, NormSlot as OpNorm, Op, Own, Parameter as OpParameter, Shape},
    template::Graph,
};
use burn::tensor::Tensor;
use std::{
    collections::{HashMap, HashSet},
    mem::{Discriminant, discriminant},
    ops::Range,
};

/// One operation with what it has learned: ranges of the supernet's lists.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    op: Op,
    parameters: Range<usize>,
    norms: Range<usize>,
    /// What of the operation behind it is computed along; that one has no layer then.
    along: Fused,
}

impl Layer {
    /// What it makes of `x`; `values` are those of all parameters of the supernet.
    pub(super) fn apply(
        &self,
        x: Activation,
        values: &[Tensor<1>],
        pass: &mut Pass<'_>,
    ) -> Activation {
        let values = &values[self.parameters.clone()];
        self.op.forward(x, Own { values, first_norm: self.norms.start, along: self.along }, pass)
    }

    /// Whether it has a batch normalisation.
    pub(super) fn normalises(&self) -> bool {
        !self.norms.is_empty()
    }
}

/// Who a tensor belongs to: an operation of a node, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Owner {
    /// The index of the node.
    pub(super) node: usize,
    /// The key of the operation.
    pub(super) key: u32,
}

/// A parameter that a supernet needs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameter {
    pub(super) owner: Owner,
    /// `<node id>.<op key>.<role>`.
    pub(super) name: String,
    /// Shape, start, decay.
    pub(super) is: OpParameter,
}

/// A batch normalisation's running statistics.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NormSlot {
    pub(super) owner: Owner,
    /// `<node id>.<op key>`, and the role where an operation has several; `.mean` and `.var` are added.
    pub(super) name: String,
    pub(super) channels: usize,
}

/// How one node is computed.
#[derive(Clone, Debug, Default)]
pub(super) struct NodePlan {
    /// How what arrives is joined.
    pub(super) merge: Merge,
    /// The shapes of what the links bring, by slot.
    pub(super) slots: Vec<Shape>,
    /// The operations that do something.
    pub(super) layers: Vec<Layer>,
    /// Whether training changes its weights and running statistics.
    pub(super) trainable: bool,
}

impl NodePlan {
    /// The operations that learn something: their kinds, and the ranges of their parameters and normalisations.
    pub(super) fn learning(
        &self,
    ) -> impl Iterator<Item = (Discriminant<Op>, Range<usize>, Range<usize>)> {
        let learns = |it: &&Layer| !it.parameters.is_empty() || !it.norms.is_empty();
        let all = self.layers.iter().filter(learns);
        all.map(|it| (discriminant(&it.op), it.parameters.clone(), it.norms.clone()))
    }
}

/// How all nodes are computed, and the parameters that takes.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) nodes: Vec<NodePlan>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) norms: Vec<NormSlot>,
}

/// Which tensors of files of weights, and of what optimizers remember, an edit from `old` to `new` keeps: those of
/// operations that are there, under the same key of the same node, as they were and on inputs of the same shape; and
/// what belongs to no operation.
pub(in crate::engine) fn carried_tensors(old: &Graph, new: &Graph) -> impl Fn(&str) -> bool {
    let (before, after) = (Plan::new(old), Plan::new(new));
    let same = |owner: Owner| {
        let twin = new.index_of(old.id(owner.node));
        twin.is_some_and(|twin| {
            operation(old, owner) == operation(new, Owner { node: twin, ..owner })
        })
    };
    let there: HashSet<_> = after.stems().map(|(stem, _)| stem.to_owned()).collect();
    let kept: HashMap<_, _> = before
        .stems()
        .map(|(stem, owner)| (stem.to_owned(), there.contains(stem) && same(owner)))
        .collect();
    move |tensor| of_tensor(&kept, tensor).unwrap_or(true)
}

/// Which node of the template a tensor of files of weights, or of what optimizers remember, belongs to; `None` for what
/// belongs to no operation.
pub(in crate::engine) fn tensor_owners(graph: &Graph) -> impl Fn(&str) -> Option<usize> {
    let plan = Plan::new(graph);
    let nodes: HashMap<_, _> =
        plan.stems().map(|(stem, owner)| (stem.to_owned(), owner.node)).collect();
    move |tensor| of_tensor(&nodes, tensor)
}

/// What belongs to a tensor, by stem: it is a parameter, or what is kept of a parameter or normalisation under a name of
/// its own.
fn of_tensor<T: Copy>(by_stem: &HashMap<String, T>, tensor: &str) -> Option<T> {
    let stem = tensor.rsplit_once('.').map_or("", |(stem, _)| stem);
    by_stem.get(tensor).or_else(|| by_stem.get(stem)).copied()
}

/// An operation and the shape of its input.
fn operation(graph: &Graph, Owner { node, key }: Owner) -> Option<(&Op, Option<Shape>)> {
    let mut shape = graph.input_shape(node);
    for (found, op) in graph.nodes()[node].ops.keyed() {
        if found == key {
            return Some((op, shape));
        }
        shape = op.infer(shape).ok().map(|(output, _)| output);
    }
    None
}

impl Plan {
    /// The names of parameters and normalisations, with the operations that they belong to.
    fn stems(&self) -> impl Iterator<Item = (&str, Owner)> {
        let parameters = self.parameters.iter().map(|it| (&*it.name, it.owner));
        parameters.chain(self.norms.iter().map(|it| (&*it.name, it.owner)))
    }

    pub(super) fn new(graph: &Graph) -> Self {
        let mut plan = Self::default();
        // Losses take scores: where the last operation makes shares of them, it is computed without that.
        let last = graph.last_operation();
        for (node, definition) in graph.nodes().iter().enumerate() {
            let mut layers: Vec<Layer> = Vec::new();
            let mut shape = graph.input_shape(node);
            for (key, op) in definition.ops.keyed() {
                let Ok((output, _)) = op.infer(shape) else {
                    unreachable!("the operations of a checked graph fit")
                };
                let computed = match op.effect() {
                    Effect::PassesOn => None,
                    Effect::PassesOnInEvaluation | Effect::Zeros | Effect::Computes
                        if last == Some((node, key)) =>
                    {
                        op.without_softmax()
                    }
                    Effect::PassesOnInEvaluation | Effect::Zeros | Effect::Computes => {
                        Some(op.clone())
                    }
                };
                // One at most.
                let free = layers.last().filter(|last| last.along == Fused::Nothing);
                let along = free.and_then(|last| last.op.along(computed.as_ref()?));
                if let (Some(along), Some(last)) = (along, layers.last_mut()) {
                    last.along = along;
                } else if let Some(op) = computed {
                    let owner = Owner { node, key };
                    let name = format!("{}.{key}", definition.id);
                    layers.push(plan.layer(op, owner, &name, shape.unwrap_or(output)));
                }
                shape = Some(output);
            }
            let slots = graph.sources(node).iter().map(|&source| graph.output_shape(source));
            plan.nodes.push(NodePlan {
                merge: definition.merge,
                slots: slots.collect(),
                layers,
                trainable: definition.trainable,
            });
        }
        plan
    }

    /// Adds what an operation learns.
    fn layer(&mut self, op: Op, owner: Owner, name: &str, input: Shape) -> Layer {
        let (parameters, norms) = (self.parameters.len(), self.norms.len());
        let learned = op.learned(input);
        self.parameters.extend(learned.parameters.into_iter().map(|is| Parameter {
            owner,
            name: format!("{name}.{}", is.role),
            is,
        }));
        self.norms.extend(learned.norms.into_iter().map(|OpNorm { role, channels }| NormSlot {
            owner,
            name: if role.is_empty() { name.to_owned() } else { format!("{name}.{role}") },
            channels,
        }));
        Layer {
            op,
            parameters: parameters..self.parameters.len(),
            norms: norms..self.norms.len(),
            along: Fused::Nothing,
        }
    }
}
