//! What the evaluations say about each node: a Bayesian linear model of rank-normalised accuracy.

use super::{
    Evaluation, Objective,
    features::{ABREAST, Features, Overlap},
    normal,
};
use crate::engine::mask::Mask;
use faer::{
    Mat, MatMut, MatRef, Par, Side, linalg::triangular_solve::solve_lower_triangular_in_place,
};
use rayon::prelude::*;
use std::{
    array,
    sync::{Arc, OnceLock},
};

/// What the model assumes before it sees data. The scores that it explains have variance 1.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Prior {
    /// Variance of a node's weight.
    node: f64,
    /// Variance of a pair's weight as a share of a node's.
    pair: f64,
    /// Variance of the trend along a layer's list of alternatives as a share of a node's.
    trend: f64,
    /// Variance of the weight that all nodes of a kind share, as a share of a node's.
    kind: f64,
    /// Variance of the weight that all pairs of nodes of two kinds share, as a share of a kind's; that of pairs within
    /// one kind has twice as much, since each of these counts in both orders.
    kind_pair: f64,
    /// Variance of what nodes and pairs do not explain.
    noise: f64,
}

/// How many variances a prior has.
const VARIANCES: usize = 6;

/// Where the search for the likeliest prior is centred. On simulated tables, twice the variance of kinds and thrice
/// that of their pairs found less, and so did none.
const USUAL: Prior =
    Prior { node: 0.5, pair: 1.0 / 6.0, trend: 0.5, kind: 0.3, kind_pair: 0.1, noise: 0.1 };

/// Factors by which the search for the likeliest prior moves one variance after the other. Fixed variances serve no
/// landscape well.
const STEPS: [f64; 4] = [3.0, 3.0, 1.7, 1.7];

/// Standard deviation of the logarithms of variances about [`USUAL`], before there are evaluations.
const LOG_SPREAD: f64 = 1.5;

/// Variance of the level that all scores share: the candidates evaluated so far may all be good ones.
const LEVEL: f64 = 1.0;

/// The most evaluations that the model looks at, and that choose its prior; both cost grows with their cube.
/// On simulated tables, 250 chose no better a prior than 100.
pub(super) const MOST_EVALUATIONS: usize = 1_500;
const MOST_FOR_PRIOR: usize = 100;

/// How many candidates, or nodes, a thread relates to the evaluations at once; a multiple of [`ABREAST`].
const AT_ONCE: usize = 64;

impl Prior {
    #[inline(always)]
    fn covariance(&self, overlap: Overlap) -> f64 {
        LEVEL
            + self.effect_covariance(overlap)
            + self.node * self.pair * overlap.pairs(self.trend)
            + self.node * self.kind * self.kind_pair * overlap.kind_pairs
    }

    /// The part of the covariance that the weights of nodes, trends and kinds make.
    #[inline(always)]
    fn effect_covariance(&self, overlap: Overlap) -> f64 {
        self.node * (overlap.nodes(self.trend) + self.kind * overlap.kinds)
    }

    fn variances(&mut self) -> [&mut f64; VARIANCES] {
        let Self { node, pair, trend, kind, kind_pair, noise } = self;
        [node, pair, trend, kind, kind_pair, noise]
    }

    /// The logarithm of this prior's own probability, up to a constant.
    fn log_probability(mut self) -> f64 {
        let mut usual = USUAL;
        let off: f64 = self
            .variances()
            .into_iter()
            .zip(usual.variances())
            .map(|(value, usual)| (*value / *usual).ln().powi(2))
            .sum();
        -0.5 * off / LOG_SPREAD.powi(2)
    }

    /// The prior under which the scores are most probable (type II maximum likelihood with a prior of its
    /// own; Rasmussen and Williams, section 5.4.1), as far as moving one variance at a time finds it.
    fn likeliest(features: &Features, rows: &[Vec<f64>], scores: &[f64]) -> Self {
        if rows.is_empty() {
            return USUAL;
        }
        let overlaps: Vec<Vec<_>> = rows
            .iter()
            .enumerate()
            .map(|(i, a)| rows[..=i].iter().map(|b| features.overlap(a, b)).collect())
            .collect();
        let log_probability = |prior: Self| {
            let count = rows.len();
            let mut covariance = vec![0.0; count * count];
            for (i, overlaps) in overlaps.iter().enumerate() {
                for (j, &overlap) in overlaps.iter().enumerate() {
                    covariance[j * count + i] = prior.covariance(overlap);
                }
            }
            let lower = factor(&mut covariance, count, &prior);
            let mut whitened = scores.to_vec();
            whiten(&lower, &mut whitened);
            let log_determinant: f64 = (0..rows.len()).map(|i| lower[(i, i)].ln()).sum();
            -0.5 * square(&whitened) - log_determinant + prior.log_probability()
        };
        let mut best = (log_probability(USUAL), USUAL);
        for step in STEPS {
            for part in 0..VARIANCES {
                let start = best.1;
                for factor in [step, 1.0 / step] {
                    let mut moved = start;
                    *moved.variances()[part] *= factor;
                    let probability = log_probability(moved);
                    if probability > best.0 {
                        best = (probability, moved);
                    }
                }
            }
        }
        best.1
    }
}

/// The lower triangular L with L L' = covariance of `count` scores, which are what `covariance` is of, and noise. It holds
/// columns, one after the other; what is above the diagonal is not read.
fn factor(covariance: &mut [f64], count: usize, prior: &Prior) -> Mat<f64> {
    covariance.iter_mut().step_by(count + 1).for_each(|variance| *variance += prior.noise);
    MatRef::from_column_major_slice(covariance, count, count)
        .llt(Side::Lower)
        .expect(
            "inner products of finite features with noise on the diagonal are positive definite",
        )
        .L()
        .to_owned()
}

/// Replaces columns, one after the other, by L^-1 times them.
fn whiten(lower: &Mat<f64>, columns: &mut [f64]) {
    let rows = lower.nrows();
    if !columns.is_empty() {
        let columns = MatMut::from_column_major_slice_mut(columns, rows, columns.len() / rows);
        solve_lower_triangular_in_place(lower.as_ref(), columns, Par::Seq);
    }
}

/// The posterior of a quantity that is linear in the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Posterior {
    pub(super) mean: f64,
    pub(super) variance: f64,
}

impl Posterior {
    /// The probability that the quantity is above 0; exactly 0.5 where nothing is known.
    pub(super) fn probability_positive(&self) -> f64 {
        if self.variance > 0.0 {
            normal::probability_below(self.mean / self.variance.sqrt())
        } else {
            0.5
        }
    }
}

/// A candidate's posterior score, with what is needed to relate it to others.
pub(super) struct Predicted {
    pub(super) posterior: Posterior,
    whitened: Vec<f64>,
}

/// Two nodes that do better (or worse) together than each does on its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Synergy {
    /// Positions in the template's nodes.
    pub nodes: [usize; 2],
    /// What including both adds to what each adds, expected, in standard deviations of the score.
    pub mean: f64,
    /// Standard deviation of that as a share of what it was before any evaluation, in `0..=1`.
    pub uncertainty: f64,
    /// Probability that it is above 0.
    pub probability: f64,
}

/// The model after the evaluations it was fitted to.
///
/// The score of a candidate is a common level, plus a weight for each node it keeps, plus a weight for each
/// pair, plus noise; nodes of one kind share a part of their weights, and so do pairs of nodes of the same two
/// kinds. All weights are normal with mean 0 and the prior's variances, which the evaluations choose. It is
/// fitted in its dual form (a Gaussian process; Rasmussen and Williams, "Gaussian Processes for Machine
/// Learning", 2006, section 2.1): the matrix to factor has one row an evaluation, however many pairs there
/// are, because [`Features::overlap`] sums over pairs in closed form.
pub(super) struct Model {
    features: Arc<Features>,
    prior: Prior,
    /// Features of the evaluated candidates.
    rows: Vec<Vec<f64>>,
    /// L with L L' = covariance of the scores, `[evaluations, evaluations]`.
    lower: Mat<f64>,
    /// L^-1 times the scores.
    whitened_scores: Vec<f64>,
    /// By node; worked out when the first is asked for.
    effects: OnceLock<Vec<Option<(Posterior, f64)>>>,
}

impl Model {
    /// Fits the model; with no evaluations it is the prior.
    pub(super) fn fit(
        features: &Arc<Features>,
        evaluated: &[(&Mask, Evaluation)],
        objective: Objective,
    ) -> Self {
        let mut evaluated = evaluated.to_vec();
        if evaluated.len() > MOST_EVALUATIONS {
            // Thinning out sorts, which takes long unless it was done before.
            evaluated.par_sort_by(|a, b| objective.compare(&b.1, &a.1));
        }
        let prepare = |most: usize| {
            let evaluated = thin_out(&evaluated, most, objective);
            let rows: Vec<_> = evaluated.iter().map(|(mask, _)| features.row(mask)).collect();
            (rows, normal::normal_scores(&evaluated, |a, b| objective.compare(&a.1, &b.1)))
        };
        let (rows, scores) = prepare(MOST_FOR_PRIOR);
        let prior = Prior::likeliest(features, &rows, &scores);
        let (rows, scores) = prepare(MOST_EVALUATIONS);
        let lower = Self::factor(features, &rows, &prior);
        let mut whitened_scores = scores;
        whiten(&lower, &mut whitened_scores);
        let features = Arc::clone(features);
        Self { features, prior, rows, lower, whitened_scores, effects: OnceLock::new() }
    }

    /// The lower triangular L with L L' = covariance of the scores of evaluated candidates with these features.
    fn factor(features: &Features, rows: &[Vec<f64>], prior: &Prior) -> Mat<f64> {
        let count = rows.len();
        let mut covariance = vec![0.0; count * count];
        // Each piece is some columns, of which what is above the first one's place on the diagonal stays 0.
        let pieces = covariance.par_chunks_mut(ABREAST * count.max(1)).enumerate();
        pieces.for_each(|(piece, columns)| {
            let first = piece * ABREAST;
            let block = &rows[first..count.min(first + ABREAST)];
            features.overlaps(&rows[first..], block, |below, _, overlaps| {
                let values = array::from_fn(|lane| prior.covariance(overlaps.lane(lane)));
                put(columns, count, first + below, values);
            });
        });
        factor(&mut covariance, count, prior)
    }

    /// The posterior of the scores, without noise, of candidates given by their features.
    pub(super) fn predict(&self, rows: &[Vec<f64>]) -> Vec<Predicted> {
        let predict = |(row, whitened): (&Vec<f64>, Vec<f64>)| Predicted {
            posterior: self.posterior(&whitened, self.covariance_before(row, row)),
            whitened,
        };
        let whitened = self.whitened(rows, |overlap| self.prior.covariance(overlap));
        rows.par_iter().with_min_len(AT_ONCE).zip(whitened).map(predict).collect()
    }

    /// For each of `rows`, L^-1 times its `covariance` with each evaluation.
    fn whitened(
        &self,
        rows: &[Vec<f64>],
        covariance: impl Fn(Overlap) -> f64 + Sync,
    ) -> Vec<Vec<f64>> {
        let count = self.rows.len();
        if count == 0 {
            return vec![Vec::new(); rows.len()];
        }
        let whitened = |rows: &[Vec<f64>]| {
            let mut columns = vec![0.0; count * rows.len()];
            self.features.overlaps(&self.rows, rows, |evaluation, first, overlaps| {
                let values = array::from_fn(|lane| covariance(overlaps.lane(lane)));
                put(&mut columns[first * count..], count, evaluation, values);
            });
            whiten(&self.lower, &mut columns);
            columns.chunks_exact(count).map(<[f64]>::to_vec).collect::<Vec<_>>()
        };
        rows.par_chunks(AT_ONCE).flat_map_iter(whitened).collect()
    }

    /// The covariance of two candidates' scores given the evaluations.
    pub(super) fn covariance(&self, a: (&[f64], &Predicted), b: (&[f64], &Predicted)) -> f64 {
        self.covariance_before(a.0, b.0) - dot(&a.1.whitened, &b.1.whitened)
    }

    /// The variance of what nodes and pairs do not explain.
    pub(super) fn noise(&self) -> f64 {
        self.prior.noise
    }

    /// The effect of including `node`, see [`Features::effect`], and its variance before any data.
    /// `None` for a node that every candidate keeps.
    pub(super) fn effect(&self, node: usize) -> Option<(Posterior, f64)> {
        self.effects.get_or_init(|| self.find_effects()).get(node).copied().flatten()
    }

    fn find_effects(&self) -> Vec<Option<(Posterior, f64)>> {
        let nodes = self.features.nodes();
        let factors: Vec<_> = nodes.iter().filter_map(|&node| self.features.effect(node)).collect();
        let whitened = self.whitened(&factors, |overlap| self.prior.effect_covariance(overlap));
        let mut effects = vec![None; self.features.template_len()];
        for ((&node, factors), whitened) in nodes.iter().zip(&factors).zip(&whitened) {
            let before = self.prior.effect_covariance(self.features.overlap(factors, factors));
            effects[node] = Some((self.posterior(whitened, before), before));
        }
        effects
    }

    /// The pairs with the largest effects beyond those of their nodes, at most `most`, largest first.
    pub(super) fn synergies(&self, most: usize) -> Vec<Synergy> {
        let nodes = self.features.nodes();
        let factors: Vec<_> = nodes.iter().filter_map(|&node| self.features.effect(node)).collect();
        let trend = self.prior.trend;
        // How each node's effect goes with each evaluation: [nodes, evaluations].
        let along: Vec<Vec<f64>> = factors
            .iter()
            .map(|f| {
                self.rows.iter().map(|row| self.features.overlap(f, row).nodes(trend)).collect()
            })
            .collect();
        let scale = self.prior.node * self.prior.pair;
        let kind_scale = self.prior.node * self.prior.kind * self.prior.kind_pair;
        let mut pairs = Vec::new();
        for b in 0..nodes.len() {
            pairs.extend((0..b).filter(|&a| self.features.is_pair(a, b)).map(|a| (a, b)));
        }
        let joint: Vec<_> = pairs
            .iter()
            .map(|&(a, b)| self.features.joint_effect(&factors[a], &factors[b]))
            .collect();
        let of_kinds =
            |joint: &[f64], products: &[f64]| kind_scale * Features::joint_overlap(joint, products);
        let evaluated: Vec<_> =
            self.rows.iter().map(|row| self.features.products_in(row)).collect();
        let count = self.rows.len();
        let mut whitened: Vec<f64> = pairs
            .iter()
            .zip(&joint)
            .flat_map(|(&(a, b), joint)| {
                let (a, b) = (&along[a], &along[b]);
                let covariances = a.iter().zip(b).zip(&evaluated);
                covariances.map(|((a, b), products)| scale * a * b + of_kinds(joint, products))
            })
            .collect();
        whiten(&self.lower, &mut whitened);
        let own = |f: &[f64]| self.features.overlap(f, f).nodes(trend);
        let mut found: Vec<_> = pairs
            .into_iter()
            .enumerate()
            .map(|(at, (a, b))| {
                let before =
                    scale * own(&factors[a]) * own(&factors[b]) + of_kinds(&joint[at], &joint[at]);
                let posterior = self.posterior(&whitened[at * count..][..count], before);
                Synergy {
                    nodes: [nodes[a], nodes[b]],
                    mean: posterior.mean,
                    uncertainty: (posterior.variance / before).sqrt().min(1.0),
                    probability: posterior.probability_positive(),
                }
            })
            .collect();
        found.sort_by(|x, y| y.mean.abs().total_cmp(&x.mean.abs()).then(x.nodes.cmp(&y.nodes)));
        found.truncate(most);
        found
    }

    fn covariance_before(&self, a: &[f64], b: &[f64]) -> f64 {
        self.prior.covariance(self.features.overlap(a, b))
    }

    fn posterior(&self, whitened: &[f64], before: f64) -> Posterior {
        // Rounding may leave a tiny negative rest.
        let variance = (before - square(whitened)).max(0.0);
        Posterior { mean: dot(whitened, &self.whitened_scores), variance }
    }
}

/// Puts the values of one row into columns of a matrix, as far as there are columns.
#[inline(always)]
fn put(columns: &mut [f64], count: usize, row: usize, values: [f64; ABREAST]) {
    for (column, value) in columns.chunks_exact_mut(count).zip(values) {
        column[row] = value;
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn square(a: &[f64]) -> f64 {
    dot(a, a)
}

/// At most `most` of the evaluations: the best ones as one half, and the rest evenly over the ranks.
fn thin_out<'m>(
    evaluated: &[(&'m Mask, Evaluation)],
    most: usize,
    objective: Objective,
) -> Vec<(&'m Mask, Evaluation)> {
    let mut kept = evaluated.to_vec();
    if kept.len() > most {
        kept.sort_by(|a, b| objective.compare(&b.1, &a.1));
        let rest = kept.split_off(most / 2);
        let count = most - kept.len();
        kept.extend((0..count).map(|i| rest[i * rest.len() / count]));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        candidate::{sample, tests::layered},
        search::features::tests::kernels,
        seed,
        template::{BlocksPerLayer, Graph},
    };
    use proptest::prelude::*;

    fn fit(features: &Arc<Features>, evaluated: &[(&Mask, Evaluation)]) -> Model {
        Model::fit(features, evaluated, Objective::Accuracy)
    }

    fn evaluation(accuracy: f64) -> Evaluation {
        Evaluation { accuracy, ..Evaluation::default() }
    }

    /// `count` drawn candidates with the accuracy that `score` gives them.
    fn evaluated(
        graph: &Graph,
        count: usize,
        score: impl Fn(&Mask) -> f64,
    ) -> Vec<(Mask, Evaluation)> {
        let mut rng = seed::rng(5, "test", 0);
        (0..count)
            .map(|_| {
                let mask = sample(graph, &mut rng);
                let accuracy = score(&mask);
                (mask, evaluation(accuracy))
            })
            .collect()
    }

    fn borrowed(data: &[(Mask, Evaluation)]) -> Vec<(&Mask, Evaluation)> {
        data.iter().map(|(mask, evaluation)| (mask, *evaluation)).collect()
    }

    #[test]
    fn nothing_is_known_without_evaluations() {
        let graph = layered(&[3, 1, 2], BlocksPerLayer::One, &[]);
        let features = Arc::new(Features::new(&graph, None));
        let model = fit(&features, &[]);
        for node in 0..graph.len() {
            let Some((effect, before)) = model.effect(node) else {
                assert!(
                    node == graph.input() || node == graph.output() || graph.layers()[2] == [node]
                );
                continue;
            };
            assert_eq!(effect.probability_positive(), 0.5);
            assert_eq!(effect.variance, before);
        }
    }

    #[test]
    fn one_evaluation_gives_the_textbook_posterior() {
        // With one evaluation the score is the median, 0: means stay, variances shrink by k^2 / (k + noise).
        let graph = layered(&[2], BlocksPerLayer::One, &[]);
        let features = Arc::new(Features::new(&graph, None));
        let mask = Mask::from_nodes(4, [0, 1, 3]);
        let model = fit(&features, &[(&mask, evaluation(0.7))]);
        let row = features.row(&mask);
        let k = LEVEL + model.prior.node * 0.5;
        let posterior = model.predict(&[row])[0].posterior;
        assert!(posterior.mean.abs() < 1e-12);
        assert!((posterior.variance - (k - k * k / (k + model.prior.noise))).abs() < 1e-12);
        let effect = model.effect(1).expect("an optional node");
        // Including node 1 instead of node 2 has variance 2 and covariance 1 with the score, in units of a node's
        // variance.
        let node = model.prior.node;
        assert!((effect.1 - 2.0 * node).abs() < 1e-12);
        assert!(
            (effect.0.variance - (2.0 * node - node * node / (k + model.prior.noise))).abs()
                < 1e-12
        );
    }

    #[test]
    fn an_additive_truth_is_recovered_in_its_order() {
        for blocks in [BlocksPerLayer::One, BlocksPerLayer::Any] {
            let graph = layered(&[3, 4, 3], blocks, &[]);
            let features = Arc::new(Features::new(&graph, None));
            // Worth of the nodes of each layer, not in the order of the list.
            let worth = [0.0, 0.3, 0.9, 0.1, 0.5, 0.0, 0.7, 0.2, 0.8, 0.1, 0.4, 0.0];
            let data = evaluated(&graph, 60, |mask| mask.iter().map(|node| worth[node]).sum());
            let model = fit(&features, &borrowed(&data));
            for layer in &graph.layers()[1..4] {
                let mut by_worth = layer.clone();
                by_worth.sort_by(|&a, &b| worth[a].total_cmp(&worth[b]));
                let means: Vec<_> =
                    by_worth.iter().filter_map(|&node| Some(model.effect(node)?.0.mean)).collect();
                assert!(means.windows(2).all(|pair| pair[0] < pair[1]), "{blocks:?} {means:?}");
            }
            let sure = |node| model.effect(node).expect("optional").0.probability_positive();
            assert!(sure(2) > 0.99, "{}", sure(2));
            if blocks == BlocksPerLayer::One {
                assert!(sure(5) < 0.01, "{}", sure(5));
            }
        }
    }

    #[test]
    fn a_node_that_is_better_left_out_is_not_fit_because_another_is_worse() {
        // Input 0, layer {1, 2}, output 3, and a link past the layer.
        let graph = layered(&[2], BlocksPerLayer::One, &[(0, 3)]);
        let features = Arc::new(Features::new(&graph, None));
        let fitness = |counts: [usize; 3]| {
            let accuracies: [(&[usize], f64); 3] =
                [(&[0, 3], 1.0), (&[0, 1, 3], 0.3), (&[0, 2, 3], 0.0)];
            let data: Vec<_> = accuracies
                .into_iter()
                .zip(counts)
                .flat_map(|((nodes, accuracy), count)| {
                    let mask = Mask::from_nodes(4, nodes.iter().copied());
                    std::iter::repeat_n((mask, evaluation(accuracy)), count)
                })
                .collect();
            let model = Model::fit(&features, &borrowed(&data), Objective::Accuracy);
            [1, 2].map(|node| model.effect(node).expect("optional").0.probability_positive())
        };
        // By ranks node 1 is in the middle of three, so that nothing speaks for it or against it.
        let [middle, worst] = fitness([6, 6, 6]);
        assert!((middle - 0.5).abs() < 0.01 && worst < 0.01, "{middle} {worst}");
        let [middle, worst] = fitness([12, 6, 6]);
        assert!(middle < 0.4 && worst < middle, "{middle} {worst}");
    }

    #[test]
    fn a_pair_that_only_works_together_is_worth_more_than_its_nodes() {
        let graph = layered(&[3, 3, 3], BlocksPerLayer::One, &[]);
        let features = Arc::new(Features::new(&graph, None));
        let noise = [0.0, 0.02, -0.02, 0.01, 0.03, -0.01, 0.0, 0.02, -0.03, 0.01, 0.0];
        let data = evaluated(&graph, 80, |mask| {
            let both = mask.contains(2) && mask.contains(9);
            f64::from(u8::from(both)) + mask.iter().map(|node| noise[node]).sum::<f64>()
        });
        let model = fit(&features, &borrowed(&data));
        let score = |first: usize, last: usize| {
            let row = features.row(&Mask::from_nodes(graph.len(), [0, first, 5, last, 10]));
            model.predict(&[row])[0].posterior.mean
        };
        // 0 if the score were a sum over nodes.
        let together = score(2, 9) - score(2, 8) - score(1, 9) + score(1, 8);
        assert!(together > 1.0, "{together}");
        let strongest = model.synergies(1)[0];
        assert_eq!(strongest.nodes, [2, 9]);
        assert!(strongest.mean > 0.0 && strongest.probability > 0.99, "{strongest:?}");
        assert!(strongest.uncertainty < 0.8, "{strongest:?}");
    }

    #[test]
    fn what_is_good_in_other_layers_is_expected_to_be_good() {
        // The last layer is not known: all that was evaluated keeps its kernel of 7.
        let layers: [&[usize]; 4] = [&[3, 5, 7], &[3, 5, 7], &[3, 5, 7], &[3, 5, 7]];
        let graph = kernels(&layers, BlocksPerLayer::One);
        let features = Arc::new(Features::new(&graph, None));
        let five = |mask: &Mask| [2, 5, 8].iter().filter(|&&node| mask.contains(node)).count();
        let mut data = evaluated(&graph, 60, |mask| five(mask) as f64);
        data.iter_mut().for_each(|(mask, _)| {
            let seen = mask.iter().filter(|&node| node < 10 || node == 13);
            *mask = Mask::from_nodes(graph.len(), seen.chain([12]).collect::<Vec<_>>());
        });
        let model = fit(&features, &borrowed(&data));
        let probability = |node| model.effect(node).expect("optional").0.probability_positive();
        assert!(probability(5) > 0.99, "{}", probability(5));
        assert!(probability(11) > 0.7, "{}", probability(11));
        assert!(probability(10) < 0.5, "{}", probability(10));
    }

    #[test]
    fn many_at_once_have_the_posteriors_that_each_has_alone() {
        let graph = kernels(&[&[1, 3, 5], &[3, 5], &[5, 3, 7], &[1, 3, 5]], BlocksPerLayer::One);
        let features = Arc::new(Features::new(&graph, None));
        let data = evaluated(&graph, 45, |mask| mask.iter().map(|node| (node % 4) as f64).sum());
        let model = fit(&features, &borrowed(&data));
        // By definition, one number after the other.
        let rows: Vec<_> = data.iter().map(|(mask, _)| features.row(mask)).collect();
        let covariance = |a: &[f64], b: &[f64]| model.prior.covariance(features.overlap(a, b));
        let scores = normal::normal_scores(&data, |a, b| Objective::Accuracy.compare(&a.1, &b.1));
        let mut lower = vec![vec![0.0; rows.len()]; rows.len()];
        let solve = |lower: &[Vec<f64>], right: &[f64]| {
            let mut solution: Vec<f64> = Vec::new();
            for (row, right) in lower.iter().zip(right) {
                let known = dot(&solution, row);
                solution.push((right - known) / row[solution.len()]);
            }
            solution
        };
        for i in 0..rows.len() {
            let right: Vec<_> = rows[..i].iter().map(|row| covariance(row, &rows[i])).collect();
            let solution = solve(&lower[..i], &right);
            let rest = covariance(&rows[i], &rows[i]) + model.prior.noise - square(&solution);
            lower[i][..i].copy_from_slice(&solution);
            lower[i][i] = rest.sqrt();
        }
        let whitened_scores = solve(&lower, &scores);
        let check = |posterior: Posterior, covariances: &[f64], before: f64| {
            let whitened = solve(&lower, covariances);
            let (mean, variance) = (dot(&whitened, &whitened_scores), before - square(&whitened));
            assert!((posterior.mean - mean).abs() < 1e-10, "{posterior:?} {mean}");
            assert!((posterior.variance - variance).abs() < 1e-10, "{posterior:?} {variance}");
        };
        let others = evaluated(&graph, 2 * AT_ONCE + 5, |_| 0.0);
        let others: Vec<_> = others.iter().map(|(mask, _)| features.row(mask)).collect();
        let predicted = model.predict(&others);
        assert_eq!(predicted.len(), others.len());
        for (row, predicted) in others.iter().zip(&predicted) {
            let covariances: Vec<_> = rows.iter().map(|known| covariance(known, row)).collect();
            check(predicted.posterior, &covariances, covariance(row, row));
        }
        for &node in features.nodes() {
            let factors = features.effect(node).expect("has a feature");
            let of_effect =
                |row: &[f64]| model.prior.effect_covariance(features.overlap(&factors, row));
            let covariances: Vec<_> = rows.iter().map(|known| of_effect(known)).collect();
            let (posterior, before) = model.effect(node).expect("has a feature");
            assert!((before - of_effect(&factors)).abs() < 1e-10);
            check(posterior, &covariances, before);
        }
    }

    #[test]
    fn thinning_out_keeps_the_best_and_spans_the_rest() {
        let mask = Mask::empty(1);
        let data: Vec<_> = (0..1_000).map(|i| (&mask, evaluation(f64::from(i)))).collect();
        let kept: Vec<_> = thin_out(&data, 100, Objective::Accuracy)
            .into_iter()
            .map(|(_, evaluation)| evaluation.accuracy)
            .collect();
        assert_eq!(kept.len(), 100);
        assert!((950..1_000).all(|i| kept.contains(&f64::from(i))));
        assert!(kept.iter().any(|&x| x < 50.0));
    }

    proptest! {
        #[test]
        fn probabilities_and_variances_stay_in_their_bounds(
            accuracies in proptest::collection::vec(0.0..1.0_f64, 1..12), any in any::<bool>()
        ) {
            let blocks = if any { BlocksPerLayer::Any } else { BlocksPerLayer::One };
            let graph = layered(&[3, 2], blocks, &[]);
            let features = Arc::new(Features::new(&graph, None));
            let mut next = accuracies.iter().copied();
            let mut rng = seed::rng(6, "test", 0);
            let data: Vec<_> = std::iter::from_fn(|| Some((sample(&graph, &mut rng), evaluation(next.next()?)))).collect();
            let model = fit(&features, &borrowed(&data));
            for node in 1..=5 {
                let (effect, before) = model.effect(node).expect("an optional node");
                prop_assert!((0.0..=1.0).contains(&effect.probability_positive()));
                prop_assert!(effect.variance >= 0.0 && effect.variance <= before);
            }
        }
    }
}
