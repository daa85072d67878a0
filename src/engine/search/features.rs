//! How the model sees a candidate: one number a node that a candidate may leave out.

use crate::engine::{
    candidate::{choices, prune},
    mask::Mask,
    template::Graph,
};

/// The features of a template: its optional nodes, layer by layer.
///
/// A feature is 1 where the node is kept and 0 where it is not, less the probability that a drawn
/// candidate keeps it. Centred like this, a node's weight is its effect averaged over all candidates, and
/// pair terms hold only what single nodes do not explain. A node that lies on every path from input to
/// output is in every candidate and has no feature.
#[derive(Clone, Debug)]
pub(super) struct Features {
    layers: Vec<LayerFeatures>,
    /// The feature of each node of the template.
    of_node: Vec<Option<usize>>,
    count: usize,
}

#[derive(Clone, Debug)]
struct LayerFeatures {
    nodes: Vec<usize>,
    centre: f64,
    /// Whether a candidate keeps at most one node of the layer.
    single: bool,
}

impl Features {
    pub(super) fn new(graph: &Graph) -> Self {
        let mut all_but_one = Mask::full(graph.len());
        let mut optional = |node: usize| {
            all_but_one.remove(node);
            let connected = !prune(graph, &all_but_one).is_empty();
            all_but_one.insert(node);
            connected
        };
        let mut of_node = vec![None; graph.len()];
        let mut count = 0;
        let mut layers = Vec::new();
        for choice in choices(graph) {
            let centre = choice.inclusion();
            let nodes: Vec<_> = choice.nodes.into_iter().filter(|&node| optional(node)).collect();
            for &node in &nodes {
                of_node[node] = Some(count);
                count += 1;
            }
            if !nodes.is_empty() {
                layers.push(LayerFeatures { nodes, centre, single: choice.most == 1 });
            }
        }
        Self { layers, of_node, count }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The feature of `node`, unless every candidate keeps it.
    pub(super) fn of_node(&self, node: usize) -> Option<usize> {
        self.of_node[node]
    }

    /// The nodes in the order of their features.
    pub(super) fn nodes(&self) -> impl Iterator<Item = usize> + '_ {
        self.layers.iter().flat_map(|layer| layer.nodes.iter().copied())
    }

    /// Whether the model has a term for this pair: two nodes of different layers, or of a layer that may
    /// keep both.
    pub(super) fn is_pair(&self, graph: &Graph, a: usize, b: usize) -> bool {
        let same_layer = graph.layer_of(a) == graph.layer_of(b);
        a != b && !(same_layer && self.layers.iter().any(|layer| layer.single && layer.nodes.contains(&a)))
    }

    /// The weights that make up "including `node` raises the score" as a combination of features.
    ///
    /// Where a candidate keeps one node of a layer, including one means leaving out another: its weight
    /// less the mean of the alternatives'. Elsewhere including it means having it besides the others:
    /// its weight alone.
    pub(super) fn effect(&self, node: usize) -> Vec<(usize, f64)> {
        let Some(feature) = self.of_node[node] else {
            return Vec::new();
        };
        let mut terms = vec![(feature, 1.0)];
        if let Some(layer) = self.layers.iter().find(|layer| layer.single && layer.nodes.contains(&node)) {
            let others = layer.nodes.len() - 1;
            terms.extend(
                layer
                    .nodes
                    .iter()
                    .filter(|&&other| other != node)
                    .filter_map(|&other| Some((self.of_node[other]?, -1.0 / others as f64))),
            );
        }
        terms
    }

    /// The features of a candidate.
    pub(super) fn row(&self, mask: &Mask) -> Vec<f64> {
        self.layers
            .iter()
            .flat_map(|layer| {
                layer.nodes.iter().map(|&node| f64::from(u8::from(mask.contains(node))) - layer.centre)
            })
            .collect()
    }

    /// What two candidates have in common: the inner product of their features, and that of the products
    /// of features of all pairs.
    ///
    /// The second one needs no list of pairs: over all pairs i < j, the sum of z_i z_j z'_i z'_j is half of
    /// (the sum of z_i z'_i) squared less the sum of the (z_i z'_i) squared. Pairs within a layer that
    /// keeps one node are taken out in the same way.
    pub(super) fn overlap(&self, a: &[f64], b: &[f64]) -> Overlap {
        let (mut nodes, mut squares, mut start) = (0.0, 0.0, 0);
        for layer in &self.layers {
            let end = start + layer.nodes.len();
            let products = a[start..end].iter().zip(&b[start..end]).map(|(a, b)| a * b);
            let of_layer = if layer.single {
                let sum: f64 = products.sum();
                squares += sum * sum;
                sum
            } else {
                products.inspect(|product| squares += product * product).sum()
            };
            nodes += of_layer;
            start = end;
        }
        Overlap { nodes, pairs: 0.5 * (nodes * nodes - squares) }
    }
}

/// What two candidates have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Overlap {
    pub(super) nodes: f64,
    pub(super) pairs: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        candidate::{sample, tests::layered},
        seed,
        template::BlocksPerLayer,
    };

    #[test]
    fn the_closed_form_equals_the_sum_over_all_pairs() {
        for blocks in [BlocksPerLayer::One, BlocksPerLayer::UpTo(2), BlocksPerLayer::Any] {
            let graph = layered(&[3, 1, 4, 2], blocks, &[]);
            let features = Features::new(&graph);
            assert_eq!(features.count(), 9, "the layer of one is in every candidate");
            let nodes: Vec<_> = features.nodes().collect();
            let mut rng = seed::rng(1, "test", 0);
            for _ in 0..20 {
                let a = features.row(&sample(&graph, &mut rng));
                let b = features.row(&sample(&graph, &mut rng));
                let mut pairs = 0.0;
                for i in 0..nodes.len() {
                    for j in 0..i {
                        if features.is_pair(&graph, nodes[i], nodes[j]) {
                            pairs += a[i] * a[j] * b[i] * b[j];
                        } else {
                            assert_eq!(graph.layer_of(nodes[i]), graph.layer_of(nodes[j]));
                        }
                    }
                }
                let direct: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
                let overlap = features.overlap(&a, &b);
                assert!((overlap.nodes - direct).abs() < 1e-12);
                assert!((overlap.pairs - pairs).abs() < 1e-12, "{} {pairs}", overlap.pairs);
            }
        }
    }
}
