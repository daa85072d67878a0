//! A checked network with everything the engine needs worked out.

use super::{Analysis, BlocksPerLayer, Network, Node, NodeFacts, NodeId, Problem};
use crate::engine::ops::{Cost, Effect, Input, Merge, Op, Shape};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// A network that passed every check. Nodes are addressed by their index in [`Network::nodes`].
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    network: Arc<Network>,
    index: HashMap<NodeId, usize>,
    order: Vec<usize>,
    sources: Vec<Vec<usize>>,
    targets: Vec<Vec<usize>>,
    layers: Vec<Vec<usize>>,
    layer_of: Vec<usize>,
    shapes: Vec<NodeShape>,
    input: usize,
    output: usize,
}

/// Shapes and cost of one node.
#[derive(Clone, Copy, Debug, PartialEq)]
struct NodeShape {
    input: Option<Shape>,
    output: Shape,
    cost: Cost,
}

impl Graph {
    /// Checks `network` and works out order, neighbours, shapes and costs.
    ///
    /// # Errors
    /// The problems that are best mended first; what may come from them is left out.
    pub fn new(network: impl Into<Arc<Network>>) -> Result<Self, Vec<Problem>> {
        let network = network.into();
        let analysis = Analysis::of(&network);
        if !analysis.problems.is_empty() {
            return Err(analysis.first_problems().cloned().collect());
        }
        let Analysis { nodes, index, sources, targets, order, input, output, .. } = analysis;
        let (Some(input), Some(output)) = (input, output) else {
            unreachable!("a network without problems has an input and an output")
        };
        let shapes = nodes
            .into_iter()
            .map(|NodeFacts { input, output, cost, .. }| match output {
                Some(output) => NodeShape { input, output, cost },
                None => unreachable!("a network without problems has all shapes"),
            })
            .collect();
        let count = network.nodes.len();

        let mut by_layer = BTreeMap::<u32, Vec<usize>>::new();
        for (i, node) in network.nodes.iter().enumerate() {
            by_layer.entry(node.layer).or_default().push(i);
        }
        let layers: Vec<_> = by_layer.into_values().collect();
        let mut layer_of = vec![0; count];
        for (layer, nodes) in layers.iter().enumerate() {
            for &node in nodes {
                layer_of[node] = layer;
            }
        }
        Ok(Self {
            network,
            index,
            order,
            sources,
            targets,
            layers,
            layer_of,
            shapes,
            input,
            output,
        })
    }

    /// The network that was checked.
    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The nodes; indices everywhere else are positions in this slice.
    pub fn nodes(&self) -> &[Node] {
        &self.network.nodes
    }

    /// How many blocks of one layer a candidate may keep.
    pub fn blocks_per_layer(&self) -> BlocksPerLayer {
        self.network.blocks_per_layer
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.network.nodes.len()
    }

    /// Never true: a checked network has an input and an output.
    pub fn is_empty(&self) -> bool {
        self.network.nodes.is_empty()
    }

    /// The id of a node.
    pub fn id(&self, node: usize) -> &NodeId {
        &self.network.nodes[node].id
    }

    /// The index of the node called `id`.
    pub fn index_of(&self, id: &NodeId) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// All nodes, each after those that feed it.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The nodes that feed `node`, in the order of the links.
    pub fn sources(&self, node: usize) -> &[usize] {
        &self.sources[node]
    }

    /// The nodes that `node` feeds, in the order of the links.
    pub fn targets(&self, node: usize) -> &[usize] {
        &self.targets[node]
    }

    /// The layers by ascending number, each with its alternatives.
    pub fn layers(&self) -> &[Vec<usize>] {
        &self.layers
    }

    /// The position in [`layers`](Self::layers) of the layer that `node` belongs to.
    pub fn layer_of(&self, node: usize) -> usize {
        self.layer_of[node]
    }

    /// The node where images enter.
    pub fn input(&self) -> usize {
        self.input
    }

    /// The node where class scores leave.
    pub fn output(&self) -> usize {
        self.output
    }

    /// Channels, height and width of the images that the template takes.
    pub fn image_shape(&self) -> [usize; 3] {
        // Not what the input node gives, which may have more operations.
        match self.network.nodes[self.input].ops.first() {
            Some(&Op::Input(Input { shape })) => shape,
            _ => unreachable!("the input node begins with an input"),
        }
    }

    /// The number of classes: values at the output.
    pub fn classes(&self) -> usize {
        self.shapes[self.output].output.size()
    }

    /// How `node` joins what its links bring.
    pub fn merge(&self, node: usize) -> Merge {
        self.network.nodes[node].merge
    }

    /// The shape that enters `node`; `None` for the input node.
    pub fn input_shape(&self, node: usize) -> Option<Shape> {
        self.shapes[node].input
    }

    /// The shape that leaves `node`.
    pub fn output_shape(&self, node: usize) -> Shape {
        self.shapes[node].output
    }

    /// The cost of `node`.
    pub fn cost(&self, node: usize) -> Cost {
        self.shapes[node].cost
    }

    /// The node and the key of the last operation that every candidate computes before its scores leave; `None` where
    /// several paths join there.
    pub(in crate::engine) fn last_operation(&self) -> Option<(usize, u32)> {
        let mut node = self.output;
        loop {
            let computes = |(_, op): &(u32, &Op)| op.effect() != Effect::PassesOn;
            if let Some((key, _)) = self.nodes()[node].ops.keyed().rev().find(computes) {
                return Some((node, key));
            }
            match self.sources[node].as_slice() {
                &[source] => node = source,
                _ => return None,
            }
        }
    }

    /// The cost of the given nodes together.
    pub fn total_cost(&self, nodes: impl IntoIterator<Item = usize>) -> Cost {
        nodes.into_iter().fold(Cost::default(), |sum, node| sum + self.cost(node))
    }
}
