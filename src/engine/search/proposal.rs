//! Chooses which candidates to evaluate next.

use super::{
    Evaluation,
    features::Features,
    fitness::{Model, Predicted, Prior},
};
use crate::engine::{
    candidate::{Canonical, CandidateId, Choice, choices, problem, repair, sample},
    mask::Mask,
    template::Graph,
};
use rand::{Rng, RngExt, seq::{IndexedRandom, SliceRandom}};
use std::collections::HashSet;

/// A candidate to evaluate next.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Proposal {
    pub(super) mask: Mask,
    /// The evaluated candidates it descends from; empty for a fresh sample.
    pub(super) parents: Vec<CandidateId>,
}

/// What is known when an iteration begins.
pub(super) struct Known<'a> {
    pub(super) graph: &'a Graph,
    pub(super) features: &'a Features,
    pub(super) evaluated: Vec<(CandidateId, &'a Mask, Evaluation)>,
    /// Candidates of the pool that were never proposed.
    pub(super) waiting: Vec<&'a Mask>,
    /// Forms that must not be proposed again.
    pub(super) taken: HashSet<Canonical>,
    pub(super) form: &'a dyn Fn(&Mask) -> Canonical,
}

#[derive(Clone, Debug)]
pub(super) struct Tuning {
    pub(super) elite: usize,
    pub(super) children: usize,
    pub(super) fresh: usize,
    pub(super) waiting: usize,
    pub(super) kappa: f64,
    pub(super) rounds: usize,
    pub(super) evidence: bool,
    pub(super) prior: Prior,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { elite: 8, children: 400, fresh: 40, waiting: 1000, kappa: 1.0, rounds: 1, evidence: false, prior: Prior::default() }
    }
}

pub(super) fn propose(known: &Known<'_>, tuning: &Tuning, count: usize, rng: &mut impl Rng) -> Vec<Proposal> {
    let data: Vec<_> = known.evaluated.iter().map(|&(_, mask, evaluation)| (mask, evaluation)).collect();
    let model = if tuning.evidence {
        likeliest(known.features, tuning.prior, &data)
    } else {
        Model::fit(known.features, tuning.prior, &data)
    };
    let score: Vec<f64> = (0..known.graph.len())
        .map(|node| model.effect(node).map_or(0.0, |(effect, _)| effect.mean))
        .collect();
    let breeder = Breeder { graph: known.graph, choices: choices(known.graph), score };
    let mut drafts = Drafts { known, seen: known.taken.clone(), list: Vec::new() };

    let mut elite = known.evaluated.clone();
    elite.sort_by(|a, b| b.2.compare(&a.2).then(a.0.cmp(&b.0)));
    elite.truncate(tuning.elite);
    let mut parents: Vec<Proposal> =
        elite.iter().map(|&(id, mask, _)| Proposal { mask: mask.clone(), parents: vec![id] }).collect();
    for round in 0..tuning.rounds {
        for _ in 0..tuning.children / tuning.rounds {
            if let Some(child) = breeder.child(&parents, rng) {
                drafts.add(child);
            }
        }
        if round + 1 < tuning.rounds {
            // The most promising children become parents of the next round.
            let rows: Vec<_> = drafts.list.iter().map(|d| known.features.row(&d.mask)).collect();
            let predicted = model.predict(&rows);
            let mut order: Vec<_> = (0..rows.len()).collect();
            let value = |i: usize| upper(&predicted[i], predicted[i].posterior.variance, tuning.kappa);
            order.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
            parents.truncate(tuning.elite);
            parents.extend(order.into_iter().take(tuning.elite).map(|i| drafts.list[i].clone()));
        }
    }
    for _ in 0..tuning.fresh {
        drafts.add(Proposal { mask: sample(known.graph, rng), parents: Vec::new() });
    }
    for mask in &known.waiting {
        drafts.add(Proposal { mask: (*mask).clone(), parents: Vec::new() });
    }
    choose(&model, known.features, drafts.list, count, tuning.kappa)
}

fn likeliest<'a>(features: &'a Features, base: Prior, data: &[(&Mask, Evaluation)]) -> Model<'a> {
    let mut best: Option<(f64, Model<'a>)> = None;
    for node in [0.1, 0.3, 1.0] {
        for pair in [0.02, 0.06, 0.1667, 0.5] {
            for noise in [0.03, 0.1, 0.3] {
                let prior = Prior { node: base.node * node, pair: base.node * node * pair, noise, ..base };
                let model = Model::fit(features, prior, data);
                let ln2 = |x: f64| x.ln().powi(2);
                let penalty = 0.5 * (ln2(node) + ln2(pair * 6.0) + ln2(noise / 0.1)) / 1.5f64.powi(2);
                let e = model.log_evidence() - penalty;
                if best.as_ref().is_none_or(|(b, _)| e > *b) {
                    best = Some((e, model));
                }
            }
        }
    }
    best.map(|(_, model)| model).unwrap_or_else(|| Model::fit(features, base, data))
}

fn upper(predicted: &Predicted, variance: f64, kappa: f64) -> f64 {
    predicted.posterior.mean + kappa * variance.max(0.0).sqrt()
}

struct Drafts<'a> {
    known: &'a Known<'a>,
    seen: HashSet<Canonical>,
    list: Vec<Proposal>,
}

impl Drafts<'_> {
    fn add(&mut self, proposal: Proposal) {
        if problem(self.known.graph, &proposal.mask).is_none() && self.seen.insert((self.known.form)(&proposal.mask)) {
            self.list.push(proposal);
        }
    }
}

fn choose(model: &Model<'_>, features: &Features, mut drafts: Vec<Proposal>, count: usize, kappa: f64) -> Vec<Proposal> {
    let rows: Vec<_> = drafts.iter().map(|d| features.row(&d.mask)).collect();
    let predicted = model.predict(&rows);
    let mut variance: Vec<f64> = predicted.iter().map(|p| p.posterior.variance).collect();
    let mut open: Vec<usize> = (0..drafts.len()).collect();
    let mut reductions: Vec<Vec<f64>> = Vec::new();
    let mut chosen = Vec::new();
    while chosen.len() < count {
        let Some((place, _)) = open.iter().enumerate().max_by(|(pa, a), (pb, b)| {
            upper(&predicted[**a], variance[**a], kappa).total_cmp(&upper(&predicted[**b], variance[**b], kappa)).then(pb.cmp(pa))
        }) else { break };
        let pick = open.remove(place);
        chosen.push(pick);
        let scale = (variance[pick] + model.noise()).sqrt();
        let reduction: Vec<f64> = (0..drafts.len()).map(|i| {
            let before = model.covariance((&rows[i], &predicted[i]), (&rows[pick], &predicted[pick]));
            let known: f64 = reductions.iter().map(|r: &Vec<f64>| r[i] * r[pick]).sum();
            (before - known) / scale
        }).collect();
        for (v, r) in variance.iter_mut().zip(&reduction) { *v -= r * r; }
        reductions.push(reduction);
    }
    chosen.into_iter().map(|i| std::mem::replace(&mut drafts[i], Proposal { mask: Mask::empty(0), parents: vec![] })).collect()
}

struct Breeder<'a> {
    graph: &'a Graph,
    choices: Vec<Choice>,
    score: Vec<f64>,
}

impl Breeder<'_> {
    fn child(&self, parents: &[Proposal], rng: &mut impl Rng) -> Option<Proposal> {
        let first = parents.choose(rng)?;
        let mut child = first.clone();
        if rng.random_bool(0.5) {
            let second = parents.choose(rng)?;
            for choice in &self.choices {
                if rng.random_bool(0.5) {
                    for &node in &choice.nodes {
                        if second.mask.contains(node) { child.mask.insert(node) } else { child.mask.remove(node) }
                    }
                }
            }
            for &p in &second.parents {
                if !child.parents.contains(&p) { child.parents.push(p); }
            }
            if rng.random_bool(0.5) { self.mutate(&mut child.mask, rng); }
        } else {
            self.mutate(&mut child.mask, rng);
            while rng.random_bool(0.5) { self.mutate(&mut child.mask, rng); }
        }
        child.mask = repair(self.graph, &child.mask, &|n| self.score[n]);
        Some(child)
    }

    fn mutate(&self, mask: &mut Mask, rng: &mut impl Rng) {
        let open: Vec<&Choice> = self.choices.iter().filter(|c| c.nodes.len() > 1 && c.most > 0).collect();
        let Some(choice) = open.choose(rng) else { return };
        let mut kept: Vec<usize> = choice.nodes.iter().copied().filter(|&n| mask.contains(n)).collect();
        let mut left: Vec<usize> = choice.nodes.iter().copied().filter(|&n| !mask.contains(n)).collect();
        kept.shuffle(rng);
        left.shuffle(rng);
        let can_add = kept.len() < choice.most && !left.is_empty();
        let can_drop = kept.len() > choice.least.max(1);
        let can_swap = !kept.is_empty() && !left.is_empty();
        let mut acts = Vec::new();
        if can_add { acts.push(0) }
        if can_drop { acts.push(1) }
        if can_swap { acts.push(2) }
        match acts.choose(rng) {
            Some(0) => mask.insert(left[0]),
            Some(1) => mask.remove(kept[0]),
            Some(_) => { mask.remove(kept[0]); mask.insert(left[0]); }
            None => {}
        }
    }
}
