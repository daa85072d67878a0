//! How the model sees a candidate: one number per node that a candidate may leave out.

#![allow(clippy::needless_range_loop, reason = "loops over registers are unrolled by index")]

use crate::engine::{
    candidate::{Canonical, Sampler, Space, canonical},
    mask::Mask,
    ops::{Merge, Op},
    template::{Graph, Node},
};
use pulp::{Scalar, Simd, WithSimd};
use std::{array, sync::Arc};

/// How many candidates [`Features::overlaps`] compares with another one at once: two vectors of eight.
pub(super) const ABREAST: usize = 16;

/// For a valid candidate, the one that stands for all that compute the same function.
pub type Representative = Arc<dyn Fn(&Mask) -> Mask + Send + Sync>;

/// The same for each template of a run.
pub type Representatives = Arc<dyn Fn(&Graph) -> Representative + Send + Sync>;

/// The features of a template: its optional nodes, layer by layer.
///
/// A feature is 1 where the node is kept and 0 where it is not, less the share of all candidates that keep
/// it. Centred like this, a node's weight is its effect averaged over all candidates, and
/// pair terms hold only what single nodes do not explain. A node that lies on every path from input to
/// output is in every candidate and has no feature. To keep none of a layer of which candidates keep one node or none is
/// an alternative like its nodes, with a feature of its own; it is not stored, since all of them together are 0.
///
/// Nodes of one kind, such as all convolutions of 3×3, are alike in what they do to the score. Two groups of
/// numbers hold this: how many nodes of each kind a candidate keeps (the sum of their features), and for each two
/// kinds the sum, over all pairs of nodes of these kinds, of the product of features: how one more
/// of a kind depends on how many there are, such as layers that do nothing. What [`row`](Self::row) gives are
/// the features, both groups, and after them the sums over features of one layer that [`overlap`](Self::overlap) needs.
#[derive(Clone)]
pub(super) struct Features {
    /// Known from elsewhere than the template.
    representative: Option<Representative>,
    sampler: Arc<Sampler>,
    layers: Vec<LayerFeatures>,
    /// The feature of each node of the template.
    of_node: Vec<Option<usize>>,
    /// The node of each feature.
    nodes: Vec<usize>,
    /// The share of all candidates that keep it.
    centres: Vec<f64>,
    /// The kind of each feature, where others are of the same.
    kinds: Vec<Option<usize>>,
    kind_count: usize,
    /// How many numbers [`row`](Self::row) gives.
    width: usize,
}

#[derive(Clone, Debug)]
struct LayerFeatures {
    /// The layer's features are `start..end`.
    start: usize,
    end: usize,
    /// Whether a candidate keeps at most one node of the layer.
    single: bool,
    /// Whether a candidate may keep none.
    optional: bool,
    /// Where each alternative stands in the order in which the template lists them, from -1 to 1; empty
    /// where the layer has no trend: with two alternatives it would say nothing new.
    places: Vec<f64>,
    /// The place in a row of how far the layer's features lean, where it has a trend.
    lean: Option<usize>,
    /// The place in a row of the sum of the layer's features, where a candidate keeps one of them or none.
    sum: Option<usize>,
}

impl LayerFeatures {
    /// How far a row of features leans to the end of the list of alternatives.
    fn lean_of(&self, row: &[f64]) -> f64 {
        self.places.iter().zip(&row[self.start..self.end]).map(|(place, value)| place * value).sum()
    }
}

impl Features {
    pub(super) fn new(graph: &Graph, representative: Option<Representative>) -> Self {
        let space = Space::whole(graph);
        let inevitable = space.inevitable();
        let sampler = Arc::new(space.sampler());
        let mut features = Self {
            representative,
            centres: Vec::new(),
            layers: Vec::new(),
            of_node: vec![None; graph.len()],
            nodes: Vec::new(),
            kinds: Vec::new(),
            kind_count: 0,
            width: 0,
            sampler: Arc::clone(&sampler),
        };
        for choice in space.choices() {
            let (single, optional) = (choice.most == 1, choice.least == 0);
            let start = features.nodes.len();
            for node in choice.nodes.into_iter().filter(|&node| !inevitable.contains(node)) {
                features.of_node[node] = Some(features.nodes.len());
                features.nodes.push(node);
                features.centres.push(sampler.inclusion()[node]);
            }
            let end = features.nodes.len();
            let last = (end - start).saturating_sub(1);
            let places = if single && last >= 2 {
                (0..=last).map(|place| 2.0 * place as f64 / last as f64 - 1.0).collect()
            } else {
                Vec::new()
            };
            let (lean, sum) = (None, None);
            features.layers.push(LayerFeatures { start, end, single, optional, places, lean, sum });
        }
        features.layers.retain(|layer| layer.start < layer.end);
        features.find_kinds(graph);
        features.place_sums();
        features
    }

    /// Gives the sums over features of one layer their places behind all else.
    fn place_sums(&mut self) {
        let mut end = self.products() + self.kind_count.pow(2);
        let mut next = || {
            end += 1;
            end - 1
        };
        for layer in &mut self.layers {
            layer.lean = (!layer.places.is_empty()).then(&mut next);
            layer.sum = (layer.single && layer.optional).then(&mut next);
        }
        self.width = end;
    }

    /// Numbers the kinds of which there are two nodes or more.
    fn find_kinds(&mut self, graph: &Graph) {
        let kinds: Vec<_> = self.nodes.iter().map(|&node| kind(&graph.nodes()[node])).collect();
        let mut known = Vec::new();
        for kind in &kinds {
            let place = known.iter().position(|other| *other == kind);
            let shared = kinds.iter().filter(|other| *other == kind).nth(1).is_some();
            self.kinds.push(shared.then(|| {
                place.unwrap_or_else(|| {
                    known.push(kind);
                    known.len() - 1
                })
            }));
        }
        self.kind_count = known.len();
    }

    fn layer_of(&self, feature: usize) -> Option<&LayerFeatures> {
        self.layers.iter().find(|layer| (layer.start..layer.end).contains(&feature))
    }

    /// What draws from all candidates of the template.
    pub(super) fn sampler(&self) -> &Arc<Sampler> {
        &self.sampler
    }

    /// How many nodes the template has.
    pub(super) fn template_len(&self) -> usize {
        self.of_node.len()
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

    /// "Including this node raises the score", as factors of what [`row`](Self::row) gives; `None` for a node
    /// without a feature.
    ///
    /// Where a candidate keeps one node of a layer, including one means leaving out another: its weight
    /// less the mean of the alternatives'. To keep none is one of them where a link leads past the layer.
    /// Elsewhere including a node means having it in addition to the others: its weight alone.
    pub(super) fn effect(&self, node: usize) -> Option<Vec<f64>> {
        let feature = self.of_node[node]?;
        let mut factors = vec![0.0; self.nodes.len()];
        if let Some(layer) = self.layer_of(feature).filter(|layer| layer.single) {
            let others = layer.end - layer.start - 1 + usize::from(layer.optional);
            factors[layer.start..layer.end].fill(-1.0 / others.max(1) as f64);
        }
        factors[feature] = 1.0;
        factors.extend(self.count_kinds(&factors));
        // On average over the other layers, products of features are 0.
        factors.resize(self.products() + self.kind_count.pow(2), 0.0);
        self.extend_by_sums(&mut factors);
        Some(factors)
    }

    /// "Having both raises the score more than having each", as factors of the products of kinds; of both
    /// nodes the [`effect`](Self::effect) is given.
    pub(super) fn joint_effect(&self, a: &[f64], b: &[f64]) -> Vec<f64> {
        let counts = self.nodes.len()..self.products();
        let (a, b) = (&a[counts.clone()], &b[counts]);
        let joint = a.iter().zip(b);
        joint.flat_map(|(x, y)| a.iter().zip(b).map(move |(v, w)| x * w + v * y)).collect()
    }

    /// The inner product of a [`joint_effect`](Self::joint_effect) and the [products of kinds](Self::products_in) of a
    /// candidate; or of two such effects.
    pub(super) fn joint_overlap(joint: &[f64], products: &[f64]) -> f64 {
        // Each pair of nodes is there in both orders.
        let [sum] = inner(Scalar::new(), joint, products.as_chunks::<1>().0);
        0.5 * sum
    }

    /// The products of kinds in what [`row`](Self::row) gives.
    pub(super) fn products_in<'r>(&self, row: &'r [f64]) -> &'r [f64] {
        &row[self.products()..][..self.kind_count.pow(2)]
    }

    /// Where the products of kinds begin in what [`row`](Self::row) gives.
    fn products(&self) -> usize {
        self.nodes.len() + self.kind_count
    }

    /// The sum of features by kind.
    fn count_kinds(&self, row: &[f64]) -> Vec<f64> {
        let mut counts = vec![0.0; self.kind_count];
        for (value, kind) in row.iter().zip(&self.kinds) {
            if let Some(kind) = *kind {
                counts[kind] += value;
            }
        }
        counts
    }

    /// For each two kinds the sum of the products of features over all pairs of the model, as a square matrix; each
    /// pair counts in both orders.
    fn kind_products(&self, row: &[f64], counts: &[f64]) -> Vec<f64> {
        let mut products: Vec<_> =
            counts.iter().flat_map(|a| counts.iter().map(move |b| a * b)).collect();
        // All products of two features, less those that are no pair.
        let mut take = |i: usize, j: usize| {
            if let (Some(a), Some(b)) = (self.kinds[i], self.kinds[j]) {
                products[a * self.kind_count + b] -= row[i] * row[j];
            }
        };
        for layer in &self.layers {
            for i in layer.start..layer.end {
                if layer.single {
                    (layer.start..layer.end).for_each(|j| take(i, j));
                } else {
                    take(i, i);
                }
            }
        }
        products
    }

    /// What is equal for candidates that compute the same function.
    pub(super) fn form(&self, graph: &Graph, mask: &Mask) -> Canonical {
        match &self.representative {
            Some(representative) => canonical(graph, &representative(mask)),
            None => canonical(graph, mask),
        }
    }

    /// The features of a candidate, and what follows from them about kinds; those of its representative, so that the
    /// same function has the same ones.
    pub(super) fn row(&self, mask: &Mask) -> Vec<f64> {
        let mut row = match &self.representative {
            Some(representative) => self.row_of(&representative(mask)),
            None => self.row_of(mask),
        };
        let counts = self.count_kinds(&row);
        let products = self.kind_products(&row, &counts);
        row.extend(counts);
        row.extend(products);
        self.extend_by_sums(&mut row);
        row
    }

    /// Adds the sums over features of one layer to all that goes before them in a row.
    fn extend_by_sums(&self, row: &mut Vec<f64>) {
        for layer in &self.layers {
            let lean = layer.lean.map(|_| layer.lean_of(row));
            let sum = layer.sum.map(|_| row[layer.start..layer.end].iter().sum());
            row.extend(lean.into_iter().chain(sum));
        }
    }

    fn row_of(&self, mask: &Mask) -> Vec<f64> {
        let features = self.nodes.iter().zip(&self.centres);
        features.map(|(&node, centre)| f64::from(mask.contains(node)) - centre).collect()
    }

    /// What two candidates have in common.
    ///
    /// The pairs need no list: with p the products of two candidates' features, the sum over all pairs i < j
    /// of `p[i] * p[j]` is half of (the sum of p) squared less the sum of the squares of p. Pairs within a
    /// layer that keeps one node are taken out in the same way.
    pub(super) fn overlap(&self, a: &[f64], b: &[f64]) -> Overlap {
        self.overlap_abreast(Scalar::new(), a, b.as_chunks::<1>().0).lane(0)
    }

    /// Gives `take` what each of some candidates has in common with [`ABREAST`] of `rows`, or with as many as are left;
    /// `take` is told the position of the one, and of the first of the others. It is what [`overlap`](Self::overlap)
    /// gives, bit by bit, in a tenth of the time.
    pub(super) fn overlaps(
        &self,
        known: &[Vec<f64>],
        rows: &[Vec<f64>],
        mut take: impl FnMut(usize, usize, &Overlap<[f64; ABREAST]>),
    ) {
        for (block, first) in rows.chunks(ABREAST).zip((0..).step_by(ABREAST)) {
            // The last one stands for those that are not there.
            let value = |at: usize| array::from_fn(|lane| block[lane.min(block.len() - 1)][at]);
            let abreast: Vec<[f64; ABREAST]> = (0..self.width).map(value).collect();
            pulp::Arch::new().dispatch(Abreast {
                features: self,
                known,
                abreast: &abreast,
                take: |place: usize, overlaps: &Overlap<[f64; ABREAST]>| {
                    take(place, first, overlaps);
                },
            });
        }
    }

    /// What a candidate has in common with each of some others, whose rows lie side by side in `V` vectors.
    #[inline(always)]
    fn overlap_abreast<S: Simd, const V: usize>(
        &self,
        simd: S,
        a: &[f64],
        b: &[[S::f64s; V]],
    ) -> Overlap<[S::f64s; V]> {
        let zero = [simd.splat_f64s(0.0); V];
        let (mut all_nodes, mut all_leans, mut squares) = (zero, zero, [zero; 3]);
        for layer in &self.layers {
            let (a_kept, b_kept) = (&a[layer.start..layer.end], &b[layer.start..layer.end]);
            if layer.single {
                let mut nodes = inner(simd, a_kept, b_kept);
                if let Some(sum) = layer.sum {
                    // To keep none has a feature as each node has, which is less than 0 by what all of these are above.
                    add_product(simd, &mut nodes, a[sum], &b[sum]);
                }
                let mut leans = zero;
                if let Some(lean) = layer.lean {
                    add_product(simd, &mut leans, a[lean], &b[lean]);
                }
                for v in 0..V {
                    let (nodes, leans) = (nodes[v], leans[v]);
                    all_nodes[v] = simd.add_f64s(all_nodes[v], nodes);
                    all_leans[v] = simd.add_f64s(all_leans[v], leans);
                    squares[0][v] = simd.add_f64s(squares[0][v], simd.mul_f64s(nodes, nodes));
                    squares[1][v] = simd.add_f64s(squares[1][v], simd.mul_f64s(nodes, leans));
                    squares[2][v] = simd.add_f64s(squares[2][v], simd.mul_f64s(leans, leans));
                }
            } else {
                for (&a, b) in a_kept.iter().zip(b_kept) {
                    for v in 0..V {
                        let product = simd.mul_f64s(simd.splat_f64s(a), b[v]);
                        let square = simd.mul_f64s(product, product);
                        all_nodes[v] = simd.add_f64s(all_nodes[v], product);
                        squares[0][v] = simd.add_f64s(squares[0][v], square);
                    }
                }
            }
        }
        let counts = self.nodes.len()..self.products();
        let products = self.products()..self.products() + self.kind_count.pow(2);
        let mut kind_pairs = inner(simd, &a[products.clone()], &b[products]);
        for v in 0..V {
            // Each pair of nodes is there in both orders.
            kind_pairs[v] = simd.mul_f64s(simd.splat_f64s(0.5), kind_pairs[v]);
        }
        Overlap {
            nodes: all_nodes,
            leans: all_leans,
            squares,
            kinds: inner(simd, &a[counts.clone()], &b[counts]),
            kind_pairs,
        }
    }
}

/// The inner products of a list of numbers with several that lie side by side. Products are rounded before they are added,
/// so that all processors give the same.
#[inline(always)]
fn inner<S: Simd, const V: usize>(simd: S, a: &[f64], b: &[[S::f64s; V]]) -> [S::f64s; V] {
    let mut sums = [simd.splat_f64s(0.0); V];
    for (&a, b) in a.iter().zip(b) {
        add_product(simd, &mut sums, a, b);
    }
    sums
}

#[inline(always)]
fn add_product<S: Simd, const V: usize>(
    simd: S,
    sums: &mut [S::f64s; V],
    a: f64,
    b: &[S::f64s; V],
) {
    let a = simd.splat_f64s(a);
    for v in 0..V {
        sums[v] = simd.add_f64s(sums[v], simd.mul_f64s(a, b[v]));
    }
}

/// The comparison of some candidates with [`ABREAST`] others, in the widest vectors that the processor has.
struct Abreast<'a, T> {
    features: &'a Features,
    known: &'a [Vec<f64>],
    /// The rows of the others.
    abreast: &'a [[f64; ABREAST]],
    take: T,
}

impl<T: FnMut(usize, &Overlap<[f64; ABREAST]>)> WithSimd for Abreast<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F64_LANES {
            8 => self.run::<S, 2>(simd),
            4 => self.run::<S, 4>(simd),
            2 => self.run::<S, 8>(simd),
            _ => self.run::<S, ABREAST>(simd),
        }
    }
}

impl<T: FnMut(usize, &Overlap<[f64; ABREAST]>)> Abreast<'_, T> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let vectors = |values: &[f64; ABREAST]| -> [S::f64s; V] {
            let (vectors, _) = S::as_simd_f64s(values);
            array::from_fn(|v| vectors[v])
        };
        let abreast: Vec<_> = self.abreast.iter().map(vectors).collect();
        for (place, known) in self.known.iter().enumerate() {
            let overlaps = self.features.overlap_abreast(simd, known, &abreast);
            let lanes = |vectors: [S::f64s; V]| {
                let mut lanes = [0.0; ABREAST];
                let (into, _) = S::as_mut_simd_f64s(&mut lanes);
                into[..V].copy_from_slice(&vectors);
                lanes
            };
            let Overlap { nodes, leans, squares, kinds, kind_pairs } = overlaps;
            let overlaps = Overlap {
                nodes: lanes(nodes),
                leans: lanes(leans),
                squares: squares.map(lanes),
                kinds: lanes(kinds),
                kind_pairs: lanes(kind_pairs),
            };
            (self.take)(place, &overlaps);
        }
    }
}

/// What tells kinds of nodes apart: what they do. How many channels or features that gives does not count, since it
/// differs from layer to layer.
fn kind(node: &Node) -> (Merge, Vec<Op>) {
    let mut ops = node.ops.to_vec();
    for width in ops.iter_mut().filter_map(Op::width) {
        *width = 0;
    }
    (node.merge, ops)
}

/// What two candidates have in common; or, of arrays, what one has in common with several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Overlap<T = f64> {
    nodes: T,
    /// Over layers that keep one of three or more nodes: the sum of the products of where the kept nodes stand in
    /// the list.
    leans: T,
    /// Over layers that keep one node, the sums of: the square of what the layer adds to `nodes`; its product
    /// with what it adds to `leans`; the square of that. Elsewhere each node is a layer of its own.
    squares: [T; 3],
    /// The inner product of how many nodes of each kind they keep.
    pub(super) kinds: T,
    /// The inner product of the products of kinds.
    pub(super) kind_pairs: T,
}

impl<const W: usize> Overlap<[f64; W]> {
    /// What there is in common with one of the several.
    #[inline(always)]
    pub(super) fn lane(&self, lane: usize) -> Overlap {
        Overlap {
            nodes: self.nodes[lane],
            leans: self.leans[lane],
            squares: self.squares.map(|squares| squares[lane]),
            kinds: self.kinds[lane],
            kind_pairs: self.kind_pairs[lane],
        }
    }
}

impl Overlap {
    /// The inner product of features.
    ///
    /// With a `trend` above 0, each layer that keeps one of three or more nodes has one feature more: where
    /// the kept node stands in the list of alternatives. Alternatives are often listed in an order (kernels
    /// of 1, 3, 5; widths from 8 to 64), and then neighbours in the list are alike.
    #[inline(always)]
    pub(super) fn nodes(&self, trend: f64) -> f64 {
        self.nodes + trend * self.leans
    }

    /// The inner product of the products of features of all pairs.
    #[inline(always)]
    pub(super) fn pairs(&self, trend: f64) -> f64 {
        let [squares, mixed, leans] = self.squares;
        0.5 * (self.nodes(trend).powi(2) - squares - trend * (2.0 * mixed + trend * leans))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::engine::{
        candidate::{list_all, sample, tests::layered},
        ops::ConvBlock,
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
                let overlap = features.overlap(&a, &b);
                assert!((overlap.nodes(0.0) - nodes).abs() < 1e-12);
                assert!((overlap.pairs(0.0) - pairs).abs() < 1e-12, "{overlap:?} {pairs}");
            }
        }
    }

    /// What two candidates have in common, each number as it is told.
    fn told(features: &Features, a: &[f64], b: &[f64]) -> Overlap {
        let nodes = features.nodes.len();
        let inner = |of: std::ops::Range<usize>| of.map(|i| a[i] * b[i]).sum::<f64>();
        let mut overlap =
            Overlap { nodes: 0.0, leans: 0.0, squares: [0.0; 3], kinds: 0.0, kind_pairs: 0.0 };
        for layer in &features.layers {
            let of_layer = layer.start..layer.end;
            if layer.single {
                let sum = |row: &[f64]| row[of_layer.clone()].iter().sum::<f64>();
                let none = if layer.optional { sum(a) * sum(b) } else { 0.0 };
                let nodes = inner(of_layer.clone()) + none;
                let leans = layer.lean_of(a) * layer.lean_of(b);
                overlap.nodes += nodes;
                overlap.leans += leans;
                let squares = [nodes * nodes, nodes * leans, leans * leans];
                overlap.squares = array::from_fn(|i| overlap.squares[i] + squares[i]);
            } else {
                overlap.nodes = of_layer.clone().fold(overlap.nodes, |sum, i| sum + a[i] * b[i]);
                overlap.squares[0] =
                    of_layer.fold(overlap.squares[0], |sum, i| sum + (a[i] * b[i]).powi(2));
            }
        }
        let end = nodes + features.kind_count;
        overlap.kinds = inner(nodes..end);
        overlap.kind_pairs = 0.5 * inner(end..end + features.kind_count.pow(2));
        overlap
    }

    #[test]
    fn overlaps_of_several_are_those_of_each_to_the_last_bit() {
        let kernels = |blocks| kernels(&[&[1, 3, 5], &[3, 5], &[5, 3, 7]], blocks);
        for graph in [
            kernels(BlocksPerLayer::One),
            kernels(BlocksPerLayer::Any),
            layered(&[1, 2, 1, 3, 1], BlocksPerLayer::One, &[(1, 8)]),
            layered(&[1, 2, 4, 3, 1], BlocksPerLayer::UpTo(2), &[(1, 8)]),
        ] {
            let features = Features::new(&graph, None);
            let mut rng = seed::rng(4, "test", 0);
            let mut rows = |count: usize| -> Vec<_> {
                (0..count).map(|_| features.row(&sample(&graph, &mut rng))).collect()
            };
            let effects: Vec<_> =
                features.nodes.iter().filter_map(|&node| features.effect(node)).collect();
            for (known, rows) in [(rows(5), rows(2 * ABREAST + 3)), (rows(4), effects)] {
                let mut seen = 0;
                features.overlaps(&known, &rows, |place, first, overlaps| {
                    for (lane, row) in rows[first..].iter().enumerate().take(ABREAST) {
                        let expected = told(&features, &known[place], row);
                        assert_eq!(overlaps.lane(lane), expected);
                        assert_eq!(features.overlap(&known[place], row), expected);
                        seen += 1;
                    }
                });
                assert_eq!(seen, known.len() * rows.len());
            }
        }
    }

    #[test]
    fn features_are_centred_by_what_candidates_keep() {
        // Over all candidates of a template with a residual branch of three layers, the features are 0 on average.
        for blocks in [BlocksPerLayer::One, BlocksPerLayer::Any] {
            let graph = layered(&[1, 2, 1, 3, 1], blocks, &[(1, 8)]);
            let features = Features::new(&graph, None);
            assert_eq!(features.nodes, [2, 3, 4, 5, 6, 7]);
            let all = list_all(&graph, 1_000).expect("a few");
            let rows: Vec<_> = all.iter().map(|mask| features.row(mask)).collect();
            for feature in 0..features.nodes.len() {
                let mean = rows.iter().map(|row| row[feature]).sum::<f64>() / rows.len() as f64;
                assert!(mean.abs() < 1e-12, "{blocks:?} {feature} {mean}");
            }
        }
    }

    #[test]
    fn to_leave_an_optional_layer_out_is_one_of_its_alternatives() {
        let effect = |skips: &[(usize, usize)]| {
            let graph = layered(&[3], BlocksPerLayer::One, skips);
            Features::new(&graph, None).effect(1).expect("an optional node")[..3].to_vec()
        };
        assert_eq!(effect(&[]), [1.0, -0.5, -0.5]);
        assert_eq!(effect(&[(0, 4)]), [1.0, -1.0 / 3.0, -1.0 / 3.0]);
        let alone = layered(&[1], BlocksPerLayer::One, &[(0, 2)]);
        assert_eq!(Features::new(&alone, None).effect(1).expect("an optional node")[..1], [1.0]);
    }

    #[test]
    fn a_trend_makes_neighbours_in_the_list_alike() {
        let graph = layered(&[5], BlocksPerLayer::One, &[]);
        let features = Features::new(&graph, None);
        let row = |node: usize| features.row(&Mask::from_nodes(7, [0, node, 6]));
        let common =
            |a: usize, b: usize, trend: f64| features.overlap(&row(a), &row(b)).nodes(trend);
        assert!((common(1, 2, 0.0) - common(1, 5, 0.0)).abs() < 1e-12);
        assert!(common(1, 2, 1.0) > common(1, 3, 1.0) && common(1, 3, 1.0) > common(1, 5, 1.0));
        let features = Features::new(&layered(&[2, 2], BlocksPerLayer::One, &[]), None);
        let row = features.row(&Mask::from_nodes(6, [0, 1, 3, 5]));
        assert_eq!(features.overlap(&row, &row).leans, 0.0, "two alternatives have no trend");
    }

    #[test]
    fn pairs_with_a_trend_are_all_products_across_layers() {
        let graph = layered(&[3, 4, 3], BlocksPerLayer::One, &[]);
        let features = Features::new(&graph, None);
        let mut rng = seed::rng(2, "test", 0);
        let (a, b) = (sample(&graph, &mut rng), sample(&graph, &mut rng));
        let (a, b) = (features.row(&a), features.row(&b));
        let trend = 0.7;
        let of_layer = |layer: &LayerFeatures| {
            let inner: f64 = (layer.start..layer.end).map(|i| a[i] * b[i]).sum();
            inner + trend * layer.lean_of(&a) * layer.lean_of(&b)
        };
        let [x, y, z] = [0, 1, 2].map(|layer| of_layer(&features.layers[layer]));
        let overlap = features.overlap(&a, &b);
        assert!((overlap.nodes(trend) - (x + y + z)).abs() < 1e-12);
        assert!((overlap.pairs(trend) - (x * y + x * z + y * z)).abs() < 1e-12);
    }

    /// A layer for each list, with a convolution for each kernel in it; each layer has other filters.
    pub(in crate::engine::search) fn kernels(layers: &[&[usize]], blocks: BlocksPerLayer) -> Graph {
        let sizes: Vec<_> = layers.iter().map(|kernels| kernels.len()).collect();
        let mut network = layered(&sizes, blocks, &[]).network().as_ref().clone();
        let all =
            layers.iter().enumerate().flat_map(|(i, kernels)| kernels.iter().map(move |k| (i, *k)));
        for (node, (layer, kernel)) in network.nodes[1..].iter_mut().zip(all) {
            node.ops = vec![Op::from(ConvBlock {
                batch_norm: false,
                ..ConvBlock::new(layer + 1, kernel)
            })]
            .into();
        }
        Graph::new(network).expect("equal shapes within a layer")
    }

    #[test]
    fn kinds_are_counted_and_multiplied_over_all_pairs_of_nodes() {
        for blocks in [BlocksPerLayer::One, BlocksPerLayer::Any] {
            let graph = kernels(&[&[1, 3, 5], &[3, 5], &[5, 3, 7]], blocks);
            let features = Features::new(&graph, None);
            // 1 and 7 occur once.
            let kinds = [None, Some(0), Some(1), Some(0), Some(1), Some(1), Some(0), None];
            assert_eq!(features.kinds, kinds);
            let mut rng = seed::rng(3, "test", 0);
            for _ in 0..20 {
                let row = features.row(&sample(&graph, &mut rng));
                let count =
                    |kind| (0..8).filter(|&i| kinds[i] == Some(kind)).map(|i| row[i]).sum::<f64>();
                let product = |a, b| {
                    (0..8)
                        .flat_map(|i| (0..8).map(move |j| (i, j)))
                        .filter(|&(i, j)| features.is_pair(i, j))
                        .filter(|&(i, j)| kinds[i] == Some(a) && kinds[j] == Some(b))
                        .map(|(i, j)| row[i] * row[j])
                        .sum::<f64>()
                };
                let expected = [
                    count(0),
                    count(1),
                    product(0, 0),
                    product(0, 1),
                    product(1, 0),
                    product(1, 1),
                ];
                for (value, expected) in row[8..].iter().zip(expected) {
                    assert!((value - expected).abs() < 1e-12, "{row:?} {expected}");
                }
            }
        }
    }

    #[test]
    fn the_effect_of_a_pair_on_products_of_kinds_is_a_difference_of_differences() {
        let graph = kernels(&[&[1, 3, 5], &[3, 5], &[5, 3, 7]], BlocksPerLayer::Any);
        let features = Features::new(&graph, None);
        let products = |nodes: &[usize]| {
            let mask = Mask::from_nodes(graph.len(), [&[0, 1, 5, 8, 9], nodes].concat());
            features.row(&mask).split_off(features.products())
        };
        // Of two layers, of one kind and of two, and of one layer.
        for [a, b] in [[2, 4], [3, 4], [2, 7], [2, 3]] {
            let [effect_a, effect_b] =
                [a, b].map(|node| features.effect(node).expect("an optional node"));
            let joint = features.joint_effect(&effect_a, &effect_b);
            let (both, one, other, none) =
                (products(&[a, b]), products(&[a]), products(&[b]), products(&[]));
            for (i, value) in joint.iter().enumerate() {
                let difference = both[i] - one[i] - other[i] + none[i];
                assert!((value - difference).abs() < 1e-12, "{a} {b} {i}");
            }
        }
    }
}
