//! Retraining candidates from scratch, to see how well a search ranks them.

use super::{
    Lab, LabError,
    job::{Running, Work},
    pace::Pace,
};
use crate::engine::{
    candidate::CandidateId,
    command::{Job, VerifySettings},
    kendall::{FEWEST, Kendall},
    mask::Mask,
    named::by_name,
    report::Report,
    run::{Share, ShareWriter},
    search::{Candidate, Evaluation, Objective, Standing},
    seed,
    study::{Event, Retrained, Study},
    supernet::{EvaluationError, EvaluationSettings, Evaluator, Supernet},
    template::{BlocksPerLayer, Graph, Network, Problem},
    training::{Epoch, TrainError, TrainSettings, Trainer},
};
use rand::{Rng, seq::SliceRandom};
use serde::Serialize;
use std::{
    collections::VecDeque,
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

/// How well proxies rank candidates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verification {
    /// Epochs for which each candidate was trained from scratch.
    pub epochs: usize,
    /// What candidates are ranked by: that of the run.
    #[serde(serialize_with = "by_name")]
    pub objective: Objective,
    /// The candidates, best proxy first.
    pub candidates: Vec<Verified>,
    /// How far the two orders agree; `None` where one of them is no order.
    pub kendall: Option<Kendall>,
}

/// A candidate with what both of its trainings gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Verified {
    /// Which.
    pub candidate: CandidateId,
    /// What the run's objective is with inherited weights: an accuracy, or the loss.
    pub proxy: f64,
    /// The same with weights of its own.
    pub retrained: f64,
    /// Accuracy with inherited weights.
    pub proxy_accuracy: f64,
    /// Accuracy with its own.
    pub retrained_accuracy: f64,
    /// Trained parameters.
    pub params: u64,
    /// Floating-point operations for an image.
    pub flops: u64,
    /// Seconds that training it took.
    pub seconds: f64,
}

/// A verification between two of its steps.
pub(super) struct Verifying {
    /// Epochs of each training.
    epochs: usize,
    /// Candidates that are still to be trained.
    missing: VecDeque<CandidateId>,
    /// The one that is trained.
    alone: Option<Box<Alone>>,
    /// The share in which they are recorded; `None` where that is the run.
    share: Option<ShareWriter>,
}

/// A candidate that is trained alone.
struct Alone {
    id: CandidateId,
    network: Supernet,
    trainer: Trainer,
    /// The epoch that it is in.
    epoch: Epoch,
    /// Whether all epochs are over.
    is_trained: bool,
    seconds: f64,
}

impl Lab {
    pub(super) fn start_verifying(
        &mut self,
        settings: VerifySettings,
        share: Option<Share>,
        report: &mut dyn FnMut(Report),
    ) -> Result<Running, LabError> {
        self.source.check_trains()?;
        let stale = self.study.search().stale().len();
        if stale > 0 {
            return Err(LabError::StaleProxies { stale });
        }
        if let Some(candidates) = self.tie() {
            return Err(LabError::ProxiesTie { candidates });
        }
        let (epochs, chosen) = self.to_verify(settings);
        if epochs == 0 {
            return Err(LabError::NotTrained);
        }
        if chosen.len() < FEWEST {
            return Err(LabError::TooFewToVerify { chosen: chosen.len() });
        }
        self.begin(Job::Verify, report);
        let (share, missing) = match share {
            None => {
                self.set_up(self.epochs(), self.state.targets, report)?;
                let missing = chosen.into_iter().filter(|&id| !self.has_retrained(id, epochs));
                (None, missing.collect::<VecDeque<_>>())
            }
            Some(share) => {
                let plan = self.share_plan(share, epochs, chosen)?;
                let (writer, missing) = self.take_share(plan)?;
                self.set_up_to_read(report)?;
                (Some(writer), missing.into())
            }
        };
        let pace = Pace::new(
            Job::Verify,
            self.steps_alone(epochs).saturating_mul(missing.len() as u64),
            0,
        );
        let verifying = Verifying { epochs, missing, alone: None, share };
        Ok(Running { pace, work: Work::Verify(verifying) })
    }

    /// For how many epochs candidates are trained, and which, before those that are known are left out.
    pub(super) fn to_verify(&self, settings: VerifySettings) -> (usize, Vec<CandidateId>) {
        let epochs = settings.epochs.unwrap_or(self.epochs());
        (epochs, self.choose(settings.top, settings.random))
    }

    /// Whether the run knows what becomes of a candidate that is trained alone for so many epochs.
    pub(super) fn has_retrained(&self, id: CandidateId, epochs: usize) -> bool {
        told(&self.study, epochs).any(|retrained| retrained.id == id)
    }

    /// Steps of the training of one candidate.
    fn steps_alone(&self, epochs: usize) -> u64 {
        let steps = self.source.bench().map_or(0, |bench| bench.trainer.steps(&bench.data));
        (steps as u64).saturating_mul(epochs as u64)
    }

    /// The next step of a verification; returns whether there are more.
    pub(super) fn verify_on(
        &mut self,
        verifying: &mut Verifying,
        pace: &mut Pace,
        stop: &AtomicBool,
        report: &mut dyn FnMut(Report),
    ) -> Result<bool, LabError> {
        let Verifying { epochs, missing, alone, share } = verifying;
        let (clock, epochs) = (Instant::now(), *epochs);
        let Some(candidate) = alone else {
            let Some(id) = missing.pop_front() else { return Ok(false) };
            let mut candidate = self.alone(id, epochs)?;
            candidate.seconds += clock.elapsed().as_secs_f64();
            *alone = Some(Box::new(candidate));
            return Ok(true);
        };
        if candidate.is_trained {
            let Some(evaluation) = self.evaluate_alone(candidate, stop)? else { return Ok(true) };
            let Evaluation { accuracy, balanced_accuracy, loss } = evaluation;
            let (id, seconds) = (candidate.id, candidate.seconds + clock.elapsed().as_secs_f64());
            *alone = None;
            // What a training that has diverged leaves out.
            pace.set_left(self.steps_alone(epochs).saturating_mul(missing.len() as u64));
            let event = Event::Retrained { id, epochs, accuracy, balanced_accuracy, loss, seconds };
            match share {
                None => self.tell([event], report)?,
                Some(share) => {
                    share.record(self.network(id), event.clone())?;
                    report(Report::Event(Arc::new(event)));
                }
            }
            return Ok(!missing.is_empty());
        }
        let Some(bench) = self.source.bench() else { return Err(LabError::NotTrained) };
        let Alone { network, trainer, epoch, is_trained, seconds, .. } = &mut **candidate;
        let trained = match trainer.step(network, &bench.data, epoch) {
            Ok(Some(_)) => {
                report(Report::Progress(pace.next()));
                Ok(())
            }
            Ok(None) => trainer.finish(network, epoch).map(|_| {
                *is_trained = epoch.number() == epochs;
                if !*is_trained {
                    *epoch = trainer.begin(&bench.data, epoch.number() + 1);
                }
            }),
            Err(error) => Err(error),
        };
        match trained {
            Ok(()) => {}
            Err(TrainError::Diverged { .. }) => *is_trained = true,
            Err(error) => return Err(error.into()),
        }
        *seconds += clock.elapsed().as_secs_f64();
        Ok(true)
    }

    /// How well the run's objective with inherited weights ranks the candidates that were trained from scratch for so many
    /// `epochs`, or for as many as the last one; `None` where there are none. What cannot be computed any more counts as
    /// the worst.
    pub fn verification(&self, epochs: Option<usize>) -> Option<Verification> {
        self.verification_at(&self.study, epochs)
    }

    /// The same by what is in `study`, the lab's as it is or was.
    pub fn verification_at(&self, study: &Study, epochs: Option<usize>) -> Option<Verification> {
        let epochs = epochs.or_else(|| Some(study.retrained().last()?.epochs))?;
        let objective = study.objective();
        let mut candidates: Vec<_> = told(study, epochs)
            .filter_map(|retrained| {
                // Evaluations of other weights do not compare.
                let present = |candidate: &&Candidate| candidate.standing == Standing::Present;
                let candidate = study.search().candidate(retrained.id).filter(present)?;
                let evaluations = (candidate.evaluation?, retrained.evaluation);
                let verified = Verified {
                    candidate: retrained.id,
                    proxy: objective.figure(&evaluations.0),
                    retrained: objective.figure(&evaluations.1),
                    proxy_accuracy: evaluations.0.accuracy,
                    retrained_accuracy: evaluations.1.accuracy,
                    params: candidate.cost.params,
                    flops: candidate.cost.flops,
                    seconds: retrained.seconds,
                };
                Some((candidate.rank(objective)?, verified, evaluations))
            })
            .collect();
        if candidates.is_empty() {
            return None;
        }
        candidates.sort_by_key(|&(rank, ..)| std::cmp::Reverse(rank));
        let worth = |evaluation| objective.worth(evaluation);
        let pairs: Vec<_> = candidates.iter().map(|(_, _, (a, b))| (worth(a), worth(b))).collect();
        let kendall = Kendall::of(&pairs, self.settings.seed);
        let candidates = candidates.into_iter().map(|(_, verified, _)| verified).collect();
        Some(Verification { epochs, objective, candidates, kendall })
    }

    /// The best candidates, best first, and others.
    pub(super) fn choose(&self, top: usize, random: usize) -> Vec<CandidateId> {
        let mut ranked = self.ranked();
        ranked.retain(|rank| rank.current);
        let mut rest = ranked.split_off(top.min(ranked.len()));
        rest.shuffle(&mut seed::rng(self.settings.seed, "verify/random", 0));
        rest.truncate(random);
        ranked.into_iter().chain(rest).map(|rank| rank.id).collect()
    }

    /// A candidate with weights of its own, which begins to be trained.
    fn alone(&self, id: CandidateId, epochs: usize) -> Result<Alone, LabError> {
        let Some(bench) = self.source.bench() else { return Err(LabError::NotTrained) };
        let mask = &self.candidates()[id.index()].mask;
        let graph = alone(self.graph(), mask).map_err(|problems| LabError::Alone {
            id,
            problem: problems.first().map(ToString::to_string).unwrap_or_default(),
        })?;
        let own_seed = seed::rng(self.settings.seed, "verify", u64::from(id.0)).next_u64();
        let network = Supernet::new(Arc::new(graph), own_seed, bench.supernet.device());
        let settings = TrainSettings { epochs, seed: own_seed, ..self.study.training() };
        let at_once = self.settings.evaluation.batch_size;
        let mut trainer = Trainer::of_whole(&network, &bench.data, settings, at_once)?;
        trainer.check_batches(&network, &bench.data)?;
        let epoch = trainer.begin(&bench.data, 1);
        Ok(Alone { id, network, trainer, epoch, is_trained: false, seconds: 0.0 })
    }

    /// What has become of it, on all validation images; `None` if `stop` becomes true.
    fn evaluate_alone(
        &self,
        Alone { network, .. }: &Alone,
        stop: &AtomicBool,
    ) -> Result<Option<Evaluation>, LabError> {
        let Some(bench) = self.source.bench() else { return Err(LabError::NotTrained) };
        let all = EvaluationSettings { images: usize::MAX, ..self.settings.evaluation };
        let (seed, loss) = (self.settings.seed, bench.trainer.loss());
        let evaluator = Evaluator::with_loss(network, &bench.data, all, seed, loss)?;
        let whole = Mask::full(network.graph().len());
        match evaluator.evaluate(network, &whole, stop) {
            Err(EvaluationError::Stopped) => Ok(None),
            evaluated => Ok(Some(evaluated?)),
        }
    }
}

/// The candidates that were retrained for so many `epochs` and of which the run's objective is known: journals of
/// older programs have no balanced accuracy of them.
fn told(study: &Study, epochs: usize) -> impl Iterator<Item = &Retrained> {
    let has_balanced = |evaluation: &Evaluation| evaluation.balanced_accuracy.is_some();
    let proxy = |id| study.search().candidate(id).and_then(|candidate| candidate.evaluation);
    study.retrained().filter(move |retrained| {
        let comparable = study.objective() != Objective::BalancedAccuracy
            || has_balanced(&retrained.evaluation)
            || !proxy(retrained.id).is_some_and(|proxy| has_balanced(&proxy));
        retrained.epochs == epochs && comparable
    })
}

/// The network that is the candidate `mask` of `graph` and no more: every node is in a layer of its own.
fn alone(graph: &Graph, mask: &Mask) -> Result<Graph, Vec<Problem>> {
    let mut layers = vec![0; graph.len()];
    for (layer, &node) in graph.order().iter().enumerate() {
        layers[node] = layer as u32;
    }
    let nodes = mask
        .iter()
        .map(|node| {
            let mut own = graph.nodes()[node].clone();
            own.layer = layers[node];
            own
        })
        .collect();
    let kept = |id| graph.index_of(id).is_some_and(|node| mask.contains(node));
    let links = graph.network().links.iter().filter(|link| kept(&link.0) && kept(&link.1));
    let links = links.cloned().collect();
    Graph::new(Network { blocks_per_layer: BlocksPerLayer::One, nodes, links })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::candidate::{self, tests::layered};

    #[test]
    fn a_candidate_alone_is_a_template_with_all_its_nodes() {
        let graph = layered(&[2, 3, 2], BlocksPerLayer::Any, &[(1, 8), (0, 4)]);
        for index in 0..20 {
            let mask = candidate::sample(&graph, &mut seed::rng(4, "test", index));
            let single = alone(&graph, &mask).expect("a sound template");
            assert_eq!(candidate::problem(&single, &Mask::full(mask.len())), None);
            let cost = graph.total_cost(mask.iter());
            assert_eq!(single.total_cost(0..single.len()), cost);
        }
    }
}
