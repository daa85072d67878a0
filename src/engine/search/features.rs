//! How the model sees a candidate: one number a node that a candidate may leave out.

use crate::engine::{
    candidate::{Canonical, canonical, choices, prune},
    mask::Mask,
    template::Graph,
};
use std::sync::Arc;

/// For a valid candidate, the one that stands for all that compute the same function.
pub type Representative = Arc<dyn Fn(&Mask) -> Mask + Send + Sync>;

/// The features of a template: its optional nodes, layer by layer.
///
/// A feature is 1 where the node is kept and 0 where it is not, less the probability that a drawn
/// candidate keeps it. Centred like this, a node's weight is its effect averaged over all candidates, and
/// pair terms hold only what single nodes do not explain. A node that lies on every path from input to
/// output is in every candidate and has no feature.
#[derive(Clone)]
pub(super) struct Features {
    /// Known from elsewhere than the template.
    representative: Option<Representative>,
    layers: Vec<LayerFeatures>,
    /// The feature of each node of the template.
    of_node: Vec<Option<usize>>,
    /// The node of each feature.
    nodes: Vec<usize>,
}

#[derive(Clone, Debug)]
struct LayerFeatures {
    /// The layer's features are `start..end`.
    start: usize,
    end: usize,
    centre: f64,
    /// Whether a candidate keeps at most one node of the layer.
    single: bool,
    /// Where each alternative stands in the order in which the template lists them, from -1 to 1; empty
    /// where the layer has no trend: with two alternatives it would say nothing new.
    places: Vec<f64>,
}

impl LayerFeatures {
    /// How far a row of features leans to the end of the list of alternatives.
    fn lean(&self, row: &[f64]) -> f64 {
        self.places.iter().zip(&row[self.start..self.end]).map(|(place, value)| place * value).sum()
    }
}

impl Features {
    pub(super) fn new(graph: &Graph, representative: Option<Representative>) -> Self {
        let mut all_but_one = Mask::full(graph.len());
        let mut optional = |node: usize| {
            all_but_one.remove(node);
            let connected = !prune(graph, &all_but_one).is_empty();
            all_but_one.insert(node);
            connected
        };
        let mut features = Self {
            representative,
            layers: Vec::new(),
            of_node: vec![None; graph.len()],
            nodes: Vec::new(),
        };
        for choice in choices(graph) {
            let (centre, single) = (choice.inclusion(), choice.most == 1);
            let start = features.nodes.len();
            for node in choice.nodes.into_iter().filter(|&node| optional(node)) {
                features.of_node[node] = Some(features.nodes.len());
                features.nodes.push(node);
            }
            let end = features.nodes.len();
            let last = (end - start).saturating_sub(1);
            let places = if single && last >= 2 {
                (0..=last).map(|place| 2.0 * place as f64 / last as f64 - 1.0).collect()
            } else {
                Vec::new()
            };
            features.layers.push(LayerFeatures { start, end, centre, single, places });
        }
        features.layers.retain(|layer| layer.start < layer.end);
        features
    }

    /// Whether any layer has a trend, see [`overlap`](Self::overlap).
    pub(super) fn has_trend(&self) -> bool {
        self.layers.iter().any(|layer| !layer.places.is_empty())
    }

    fn layer_of(&self, feature: usize) -> Option<&LayerFeatures> {
        self.layers.iter().find(|layer| (layer.start..layer.end).contains(&feature))
    }

    /// The nodes that have a feature, in the order of features.
    pub(super) fn nodes(&self) -> &[usize] {
        &self.nodes
    }

    /// Whether two features are a pair of the model: not the same one, and not of one layer that keeps one node.
    pub(super) fn is_pair(&self, a: usize, b: usize) -> bool {
        a != b
            && !self
                .layer_of(a)
                .is_some_and(|layer| layer.single && (layer.start..layer.end).contains(&b))
    }

    /// "Including this node raises the score", as factors of all features; `None` for a node without one.
    ///
    /// Where a candidate keeps one node of a layer, including one means leaving out another: its weight
    /// less the mean of the alternatives'. Elsewhere including it means having it besides the others:
    /// its weight alone.
    pub(super) fn effect(&self, node: usize) -> Option<Vec<f64>> {
        let feature = self.of_node[node]?;
        let mut factors = vec![0.0; self.nodes.len()];
        if let Some(layer) = self.layer_of(feature).filter(|layer| layer.single) {
            let others = layer.end - layer.start - 1;
            factors[layer.start..layer.end].fill(-1.0 / others.max(1) as f64);
        }
        factors[feature] = 1.0;
        Some(factors)
    }

    /// What is equal for candidates that compute the same function.
    pub(super) fn form(&self, graph: &Graph, mask: &Mask) -> Canonical {
        match &self.representative {
            Some(representative) => canonical(graph, &representative(mask)),
            None => canonical(graph, mask),
        }
    }

    /// The features of a candidate; those of its representative, so that the same function has the same ones.
    pub(super) fn row(&self, mask: &Mask) -> Vec<f64> {
        match &self.representative {
            Some(representative) => self.row_of(&representative(mask)),
            None => self.row_of(mask),
        }
    }

    fn row_of(&self, mask: &Mask) -> Vec<f64> {
        self.layers
            .iter()
            .flat_map(|layer| {
                self.nodes[layer.start..layer.end].iter().map(|&node| {
                    if mask.contains(node) { 1.0 - layer.centre } else { -layer.centre }
                })
            })
            .collect()
    }

    /// What two candidates have in common: the inner product of their features, and that of the products
    /// of features of all pairs.
    ///
    /// With a `trend` above 0, each layer that keeps one of three or more nodes has one feature more: where
    /// the kept node stands in the list of alternatives. Alternatives are often listed in an order (kernels
    /// of 1, 3, 5; widths from 8 to 64), and then neighbours in the list are alike.
    ///
    /// The pairs need no list: with p the products of two candidates' features, the sum over all pairs i < j
    /// of `p[i] * p[j]` is half of (the sum of p) squared less the sum of the squares of p. Pairs within a
    /// layer that keeps one node are taken out in the same way.
    pub(super) fn overlap(&self, a: &[f64], b: &[f64], trend: f64) -> Overlap {
        let (mut nodes, mut squares) = (0.0, 0.0);
        for layer in &self.layers {
            let products = a[layer.start..layer.end]
                .iter()
                .zip(&b[layer.start..layer.end])
                .map(|(a, b)| a * b);
            if layer.single {
                let mut of_layer: f64 = products.sum();
                if trend > 0.0 && !layer.places.is_empty() {
                    of_layer += trend * layer.lean(a) * layer.lean(b);
                }
                nodes += of_layer;
                squares += of_layer * of_layer;
            } else {
                for product in products {
                    nodes += product;
                    squares += product * product;
                }
            }
        }
        Overlap { nodes, pairs: 0.5 * (nodes * nodes - squares) }
    }
}

/// What two candidates have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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
            let features = Features::new(&graph, None);
            let count = features.nodes.len();
            assert_eq!(count, 9, "the layer of one is in every candidate");
            let mut rng = seed::rng(1, "test", 0);
            for _ in 0..20 {
                let a = features.row(&sample(&graph, &mut rng));
                let b = features.row(&sample(&graph, &mut rng));
                let nodes: f64 = (0..count).map(|i| a[i] * b[i]).sum();
                let pairs: f64 = (0..count)
                    .flat_map(|i| (0..i).map(move |j| (i, j)))
                    .filter(|&(i, j)| features.is_pair(i, j))
                    .map(|(i, j)| a[i] * a[j] * b[i] * b[j])
                    .sum();
                let overlap = features.overlap(&a, &b, 0.0);
                assert!((overlap.nodes - nodes).abs() < 1e-12);
                assert!((overlap.pairs - pairs).abs() < 1e-12, "{} {pairs}", overlap.pairs);
            }
        }
    }

    #[test]
    fn a_trend_makes_neighbours_in_the_list_alike() {
        let graph = layered(&[5], BlocksPerLayer::One, &[]);
        let features = Features::new(&graph, None);
        let row = |node: usize| features.row(&Mask::from_nodes(7, [0, node, 6]));
        let common =
            |a: usize, b: usize, trend: f64| features.overlap(&row(a), &row(b), trend).nodes;
        assert!((common(1, 2, 0.0) - common(1, 5, 0.0)).abs() < 1e-12);
        assert!(common(1, 2, 1.0) > common(1, 3, 1.0) && common(1, 3, 1.0) > common(1, 5, 1.0));
        assert!(!Features::new(&layered(&[2, 2], BlocksPerLayer::One, &[]), None).has_trend());
    }
}
