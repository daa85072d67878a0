//! What the evaluations say about each node: a Bayesian linear model of rank-normalised accuracy.

use super::{Evaluation, features::Features, normal};
use crate::engine::{mask::Mask, template::Graph};
use faer::{Mat, Par, Side, linalg::triangular_solve::solve_lower_triangular_in_place};

/// What the model assumes before it sees data; the score that it explains has variance 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Prior {
    /// Variance of a node's weight.
    pub(super) node: f64,
    /// Variance of a pair's weight.
    pub(super) pair: f64,
    /// Variance of the common level: the candidates evaluated so far may all be good ones.
    pub(super) level: f64,
    /// Variance of what nodes and pairs do not explain.
    pub(super) noise: f64,
}

impl Default for Prior {
    /// Ridge prior 1 on nodes and 6 on pairs, noise 0.1.
    fn default() -> Self {
        Self { node: 1.0, pair: 1.0 / 6.0, level: 1.0, noise: 0.1 }
    }
}

/// The most evaluations that the model looks at; its cost grows with their cube.
const MOST_EVALUATIONS: usize = 1_500;

/// The posterior of a quantity that is linear in the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Posterior {
    pub(super) mean: f64,
    pub(super) variance: f64,
}

impl Posterior {
    /// The probability that the quantity is above 0; exactly 0.5 where nothing is known.
    pub(super) fn probability_positive(&self) -> f64 {
        if self.variance > 0.0 { normal::probability_below(self.mean / self.variance.sqrt()) } else { 0.5 }
    }
}

/// The model after the evaluations it was fitted to.
///
/// The score of a candidate is a common level, plus a weight for each node it keeps, plus a weight for each
/// pair, plus noise; all weights are normal with mean 0 and the [`Prior`]'s variances. It is fitted in its
/// dual form (a Gaussian process; Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006,
/// section 2.1): the matrix to factor has one row an evaluation, however many pairs there are, because
/// [`Features::overlap`] sums over pairs in closed form.
pub(super) struct Model<'a> {
    features: &'a Features,
    prior: Prior,
    /// Features of the evaluated candidates.
    rows: Vec<Vec<f64>>,
    /// L with L L' = covariance of the scores, `[evaluations, evaluations]`.
    lower: Mat<f64>,
    /// L^-1 times the scores.
    whitened_scores: Vec<f64>,
}

impl<'a> Model<'a> {
    /// Fits the model; with no evaluations it is the prior.
    pub(super) fn fit(features: &'a Features, prior: Prior, evaluated: &[(&Mask, Evaluation)]) -> Self {
        let evaluated = thin_out(evaluated);
        let scores = normal::normal_scores(&evaluated, |a, b| a.1.compare(&b.1));
        let rows: Vec<_> = evaluated.iter().map(|(mask, _)| features.row(mask)).collect();
        let covariance = Mat::from_fn(rows.len(), rows.len(), |i, j| {
            let noise = if i == j { prior.noise } else { 0.0 };
            // Only the lower triangle is read.
            if i < j { 0.0 } else { covariance(features, &prior, &rows[i], &rows[j]) + noise }
        });
        let lower = covariance
            .llt(Side::Lower)
            .expect("a sum of inner products of finite features, with noise on its diagonal, is positive definite")
            .L()
            .to_owned();
        let mut model = Self { features, prior, rows, lower, whitened_scores: Vec::new() };
        model.whitened_scores = model.whiten(1, |i, _| scores[i]).col_as_slice(0).to_vec();
        model
    }

    /// The posterior of a candidate's score without noise, and the candidate in whitened form.
    pub(super) fn predict(&self, rows: &[Vec<f64>]) -> Vec<Predicted> {
        let whitened = self.whiten(rows.len(), |i, j| {
            covariance(self.features, &self.prior, &self.rows[i], &rows[j])
        });
        rows.iter()
            .enumerate()
            .map(|(j, row)| {
                let whitened = whitened.col_as_slice(j).to_vec();
                let before = covariance(self.features, &self.prior, row, row);
                Predicted { posterior: self.posterior(&whitened, before), whitened }
            })
            .collect()
    }

    /// The covariance of two candidates' scores given the evaluations.
    pub(super) fn covariance(&self, (row_a, a): (&[f64], &Predicted), (row_b, b): (&[f64], &Predicted)) -> f64 {
        covariance(self.features, &self.prior, row_a, row_b) - dot(&a.whitened, &b.whitened)
    }

    /// The variance of what nodes and pairs do not explain.
    pub(super) fn noise(&self) -> f64 {
        self.prior.noise
    }

    /// The logarithm of the probability of the scores under the prior.
    pub(super) fn log_evidence(&self) -> f64 {
        let log_determinant: f64 = (0..self.rows.len()).map(|i| self.lower[(i, i)].ln()).sum();
        -0.5 * dot(&self.whitened_scores, &self.whitened_scores) - log_determinant
    }

    /// The effect of including `node`, see [`Features::effect`], and its variance before any data.
    /// `None` for a node that every candidate keeps.
    pub(super) fn effect(&self, node: usize) -> Option<(Posterior, f64)> {
        let terms = self.features.effect(node);
        if terms.is_empty() {
            return None;
        }
        let before = self.prior.node * terms.iter().map(|(_, factor)| factor * factor).sum::<f64>();
        let whitened = self.whiten(1, |i, _| {
            self.prior.node * terms.iter().map(|&(feature, factor)| factor * self.rows[i][feature]).sum::<f64>()
        });
        Some((self.posterior(whitened.col_as_slice(0), before), before))
    }

    /// The pairs with the largest weights, at most `count`, largest first.
    pub(super) fn synergies(&self, graph: &Graph, count: usize) -> Vec<Synergy> {
        let nodes: Vec<_> = self.features.nodes().collect();
        // Means need L'^-1 L^-1 of the scores, once for all pairs.
        let weights = self.solved_scores();
        let mut found = Vec::new();
        for b in 0..nodes.len() {
            for a in 0..b {
                if self.features.is_pair(graph, nodes[a], nodes[b]) {
                    let mean: f64 = self.rows.iter().zip(&weights).map(|(row, w)| row[a] * row[b] * w).sum();
                    found.push((mean * self.prior.pair, a, b));
                }
            }
        }
        found.sort_by(|x, y| y.0.abs().total_cmp(&x.0.abs()).then((x.1, x.2).cmp(&(y.1, y.2))));
        found.truncate(count);
        found
            .into_iter()
            .map(|(mean, a, b)| {
                let whitened = self.whiten(1, |i, _| self.prior.pair * self.rows[i][a] * self.rows[i][b]);
                let posterior = self.posterior(whitened.col_as_slice(0), self.prior.pair);
                Synergy { nodes: [nodes[a], nodes[b]], mean, probability: posterior.probability_positive() }
            })
            .collect()
    }

    fn posterior(&self, whitened: &[f64], before: f64) -> Posterior {
        // Rounding may leave a tiny negative rest.
        let variance = (before - dot(whitened, whitened)).max(0.0);
        Posterior { mean: dot(whitened, &self.whitened_scores), variance }
    }

    /// L^-1 times a matrix of `[evaluations, columns]`.
    fn whiten(&self, columns: usize, value: impl Fn(usize, usize) -> f64) -> Mat<f64> {
        let mut matrix = Mat::from_fn(self.rows.len(), columns, value);
        if !self.rows.is_empty() {
            solve_lower_triangular_in_place(self.lower.as_ref(), matrix.as_mut(), Par::Seq);
        }
        matrix
    }

    fn solved_scores(&self) -> Vec<f64> {
        let mut solved = Mat::from_fn(self.rows.len(), 1, |i, _| self.whitened_scores[i]);
        if !self.rows.is_empty() {
            self.lower.transpose().solve_upper_triangular_in_place(&mut solved);
        }
        solved.col_as_slice(0).to_vec()
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
    /// Expected weight of the pair, in standard deviations of the score.
    pub mean: f64,
    /// Probability that the pair raises the score beyond what its nodes do apart.
    pub probability: f64,
}

fn covariance(features: &Features, prior: &Prior, a: &[f64], b: &[f64]) -> f64 {
    let overlap = features.overlap(a, b);
    prior.level + prior.node * overlap.nodes + prior.pair * overlap.pairs
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// At most [`MOST_EVALUATIONS`] of the evaluations: the best half of them, and the rest evenly over the ranks.
fn thin_out<'m>(evaluated: &[(&'m Mask, Evaluation)]) -> Vec<(&'m Mask, Evaluation)> {
    let mut kept = evaluated.to_vec();
    if kept.len() > MOST_EVALUATIONS {
        kept.sort_by(|a, b| b.1.compare(&a.1));
        let rest = kept.split_off(MOST_EVALUATIONS / 2);
        let count = MOST_EVALUATIONS - kept.len();
        kept.extend((0..count).map(|i| rest[i * rest.len() / count]));
    }
    kept
}
