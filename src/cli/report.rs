//! The final report of a run: what `search` and `train` print, as JSON or as text.

use super::{output, verify};
use crate::{
    engine::{
        candidate::{self, CandidateId, SpaceSize},
        data::DataSummary,
        lab::{Caution, Lab, PhaseSeconds, Verification},
        named::{Named, by_name},
        search::{Candidate, Objective, Standing, Steering},
        study::{Study, Timeline},
        supernet::Latency,
        training::EpochReport,
    },
    format::{self, Goal, Quality},
};
use anyhow::{Result, bail};
use serde::Serialize;
use std::fmt;

/// Everything worth knowing at the end. Equal for equal runs, except for the fields that hold seconds; the
/// run folder is named on stderr.
#[derive(Debug, Serialize)]
pub(super) struct RunReport {
    template: String,
    /// Valid candidates of the template; `null` where they are not known exactly.
    search_space: Option<u128>,
    /// What is known of their number then.
    #[serde(skip_serializing_if = "Option::is_none")]
    search_space_estimate: Option<SizeEstimate>,
    #[serde(skip)]
    size: SpaceSize,
    data: String,
    data_fingerprint: Option<String>,
    seed: u64,
    /// The path policy of the training, and, for `auto`, what it comes to in this template.
    policy: &'static str,
    paths: &'static str,
    /// What the accuracies are: `accuracy`, or `r2` where numbers are predicted.
    measure: Quality,
    /// The objective of the search.
    #[serde(serialize_with = "by_name")]
    objective: Objective,
    /// The data in numbers, with what was inferred when it was read; `null` for runs of older programs.
    examples: Option<DataSummary>,
    /// Why results are not worth what they seem to be.
    cautions: Vec<Caution>,
    /// How many events it is about: the first lines of the run's journal.
    events: usize,
    /// How many there are, where the report is on the run as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    of_events: Option<usize>,
    epochs: Vec<EpochReport>,
    iterations: Vec<IterationSummary>,
    evaluated: usize,
    /// What new candidates have to be like; left out where nothing is asked for.
    #[serde(skip_serializing_if = "Steering::is_free")]
    steering: Steering,
    /// `null` where nothing is evaluated; the first of equals where all candidates tie.
    best: Option<BestReport>,
    /// What is equal for all candidates, where none of them is best.
    #[serde(skip_serializing_if = "Option::is_none")]
    tie: Option<TieReport>,
    /// The best candidates of any cost, where that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    front: Option<Vec<FrontReport>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latencies: Option<Vec<LatencyReport>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<Verification>,
    nodes: Vec<NodeReport>,
    synergies: Vec<SynergyReport>,
    seconds: PhaseSeconds,
}

#[derive(Debug, Serialize)]
struct SizeEstimate {
    log10: f64,
    /// Standard error of the number as a share of it.
    relative_error: f64,
}

#[derive(Debug, Serialize)]
struct IterationSummary {
    iteration: u32,
    candidates: usize,
    mean_accuracy: f64,
    best_accuracy: f64,
    /// What the search made large in it, with the mean and the best of that.
    #[serde(serialize_with = "by_name")]
    objective: Objective,
    mean: f64,
    best: f64,
    seconds: f64,
}

/// That no candidate is better than another.
#[derive(Debug, Serialize)]
struct TieReport {
    /// How many tie: all that were evaluated with the present weights.
    candidates: usize,
    /// What the objective of the run is for each.
    proxy: f64,
}

#[derive(Debug, Serialize)]
struct BestReport {
    candidate: u32,
    iteration: u32,
    /// What the objective of the run is for it.
    proxy: f64,
    proxy_accuracy: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    balanced_accuracy: Option<f64>,
    /// `null` where it is not known.
    loss: f64,
    /// Left out where it means nothing: for architectures of a table of known results.
    #[serde(flatten)]
    cost: Option<CostReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_seconds: Option<f64>,
    /// Whether its costs are within the limits of the steering.
    within_limits: bool,
    /// Whether it was evaluated with the weights as they are.
    current: bool,
    kept: Vec<String>,
}

#[derive(Debug, Serialize)]
struct CostReport {
    params: u64,
    flops: u64,
}

/// A candidate that is better than all that cost no more.
#[derive(Debug, Serialize)]
struct FrontReport {
    candidate: u32,
    /// What the objective of the run is for it.
    proxy: f64,
    proxy_accuracy: f64,
    params: u64,
    flops: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_seconds: Option<f64>,
}

/// How many of the best candidates are timed.
const TIMED: usize = 5;

#[derive(Debug, Serialize)]
struct LatencyReport {
    candidate: u32,
    device: String,
    times: [Latency; 2],
}

#[derive(Debug, Serialize)]
struct NodeReport {
    id: String,
    layer: u32,
    fitness: f64,
    uncertainty: f64,
    frequency: f64,
    candidates: usize,
}

/// Two nodes that do better or worse together than each does on its own.
#[derive(Debug, Serialize)]
struct SynergyReport {
    nodes: [String; 2],
    mean: f64,
    uncertainty: f64,
    probability: f64,
}

/// How many of the strongest synergies are reported.
const SYNERGIES: usize = 10;

impl RunReport {
    /// The report on the present state of `lab`.
    pub(super) fn new(lab: &Lab) -> Self {
        Self { seconds: lab.seconds(), ..Self::of(lab, lab.study()) }
    }

    /// The report on `lab` as it was after the first `events` of its run.
    pub(super) fn at(lab: &Lab, events: usize) -> Result<Self> {
        let all = lab.study().events();
        if events > all {
            bail!("the run has {all} events, so there is nothing after {events}; ask for fewer");
        }
        let mut timeline = Timeline::of(lab.study());
        Ok(Self { of_events: Some(all), ..Self::of(lab, timeline.at(events)?) })
    }

    /// The report on what is in `study`, that of `lab` as it is or was.
    fn of(lab: &Lab, study: &Study) -> Self {
        let (graph, objective) = (study.template().graph(), study.objective());
        let search = study.search();
        let tie = study.tie().and_then(|candidates| {
            let proxy = objective.figure(&study.best()?.evaluation?);
            Some(TieReport { candidates, proxy })
        });
        let best = study.best().and_then(|candidate| {
            let evaluation = candidate.evaluation?;
            Some(BestReport {
                candidate: candidate.id.0,
                iteration: candidate.iteration? + 1,
                proxy: objective.figure(&evaluation),
                proxy_accuracy: evaluation.accuracy,
                balanced_accuracy: evaluation.balanced_accuracy,
                loss: evaluation.loss,
                cost: (!lab.is_of_table()).then_some(CostReport {
                    params: candidate.cost.params,
                    flops: candidate.cost.flops,
                }),
                latency_seconds: candidate.latency,
                within_limits: candidate.affordable,
                current: candidate.standing == Standing::Present,
                kept: candidate.mask.iter().map(|node| graph.id(node).to_string()).collect(),
            })
        });
        let nodes = study
            .fitness()
            .into_iter()
            .enumerate()
            .map(|(node, fitness)| NodeReport {
                id: graph.id(node).to_string(),
                layer: graph.nodes()[node].layer,
                fitness: fitness.fitness,
                uncertainty: fitness.uncertainty,
                frequency: fitness.frequency,
                candidates: fitness.count,
            })
            .collect();
        let iterations = study
            .iterations()
            .iter()
            .map(|report| IterationSummary {
                iteration: report.iteration,
                candidates: report.candidates.len(),
                mean_accuracy: report.mean.accuracy,
                best_accuracy: report.best_evaluation.accuracy,
                objective: report.objective,
                mean: report.objective.figure(&report.mean),
                best: report.objective.figure(&report.best_evaluation),
                seconds: report.seconds,
            })
            .collect();
        let synergies = search
            .synergies(SYNERGIES)
            .into_iter()
            .map(|synergy| SynergyReport {
                nodes: synergy.nodes.map(|node| graph.id(node).to_string()),
                mean: synergy.mean,
                uncertainty: synergy.uncertainty,
                probability: synergy.probability,
            })
            .collect();
        let on_front = |candidate: &Candidate| {
            let evaluation = candidate.evaluation?;
            Some(FrontReport {
                candidate: candidate.id.0,
                proxy: objective.figure(&evaluation),
                proxy_accuracy: evaluation.accuracy,
                params: candidate.cost.params,
                flops: candidate.cost.flops,
                latency_seconds: candidate.latency,
            })
        };
        let front = search.steering().pareto.map(|measure| {
            let front = search.front(measure).into_iter();
            front.filter_map(|id| search.candidate(id)).filter_map(on_front).collect()
        });
        let size = candidate::count(graph);
        let policy = study.training().policy;
        Self {
            template: study.template().template().name.clone(),
            search_space: size.exact(),
            search_space_estimate: size.exact().is_none().then(|| SizeEstimate {
                log10: size.log10(),
                relative_error: size.relative_error(),
            }),
            size,
            policy: policy.name(),
            paths: policy.of(graph).name(),
            data: lab.settings().data.to_string(),
            data_fingerprint: lab.data_fingerprint(),
            seed: lab.settings().seed,
            measure: Quality::of(graph, lab.summary()),
            objective,
            examples: lab.summary().cloned(),
            cautions: lab.cautions_at(study),
            events: study.events(),
            of_events: None,
            epochs: study.epochs().to_vec(),
            iterations,
            evaluated: search.evaluations(),
            steering: search.steering().clone(),
            best,
            tie,
            front,
            latencies: None,
            verification: lab.verification_at(study, None),
            nodes,
            synergies,
            seconds: PhaseSeconds::told(study),
        }
    }

    /// Adds how long the best candidates take on the lab's device.
    pub(super) fn time(&mut self, lab: &Lab) -> Result<()> {
        let (device, timed) = lab.latencies(TIMED)?;
        let report = |(id, times): (CandidateId, _)| LatencyReport {
            candidate: id.0,
            device: device.to_string(),
            times,
        };
        self.latencies = Some(timed.into_iter().map(report).collect());
        Ok(())
    }

    /// Prints the report on stdout.
    pub(super) fn print(&self, json: bool) -> Result<()> {
        if json { output::json(self) } else { output::data(&self.to_string()) }
    }
}

impl RunReport {
    /// The lines on the best candidate.
    fn write_best(&self, f: &mut fmt::Formatter<'_>, best: &BestReport) -> fmt::Result {
        let quality = self.measure;
        let goal = Goal { quality, objective: self.objective };
        write!(
            f,
            "best      candidate {}, proxy {} {}",
            best.candidate,
            goal.name(),
            goal.text(best.proxy),
        )?;
        if let Some(CostReport { params, flops }) = best.cost {
            let [params, flops] = [params, flops].map(format::compact);
            write!(f, ", {params} parameters, {flops} FLOPs")?;
        }
        writeln!(f)?;
        if !best.within_limits {
            writeln!(f, "          (none that was evaluated is within the limits)")?;
        }
        if !best.current {
            writeln!(
                f,
                "          (evaluated before the last training; a search evaluates it again)"
            )?;
        }
        if !self.objective.is_default() {
            let accuracy = quality.text(best.proxy_accuracy);
            writeln!(f, "          (its {} is {accuracy})", quality.name())?;
        }
        if let Some(balanced) = best.balanced_accuracy
            && self.objective != Objective::BalancedAccuracy
        {
            writeln!(f, "balanced  accuracy {}", format::percent(balanced))?;
        }
        writeln!(f, "keeps     {}", best.kept.join(" "))
    }
}

impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quality = self.measure;
        let goal = Goal { quality, objective: self.objective };
        writeln!(f, "template  {}, data {}, seed {}", self.template, self.data, self.seed)?;
        if !self.objective.is_default() {
            writeln!(f, "objective {}", self.objective.name())?;
        }
        if let Some(examples) = &self.examples {
            writeln!(f, "examples  {examples}")?;
            for note in &examples.notes {
                writeln!(f, "          {note}")?;
            }
        }
        for caution in &self.cautions {
            writeln!(f, "caution   {caution}")?;
        }
        match self.of_events {
            None => writeln!(f, "events    {}", self.events)?,
            Some(all) => {
                writeln!(f, "events    {} of {all}: the run as it was after them", self.events)?;
            }
        }
        writeln!(f, "space     {} candidates", self.size)?;
        if let Some(last) = self.epochs.last() {
            writeln!(
                f,
                "training  {} epochs, validation loss {:.4}, validation {} {}",
                last.epoch,
                last.val_loss,
                quality.name(),
                quality.text(last.val_accuracy)
            )?;
        }
        if !self.epochs.is_empty() {
            let auto = if self.policy == self.paths { "" } else { " (auto)" };
            writeln!(f, "paths     {}{auto}", self.paths)?;
        }
        let Some(best) = &self.best else { return Ok(()) };
        writeln!(
            f,
            "search    {} iterations, {} candidates evaluated",
            self.iterations.len(),
            self.evaluated
        )?;
        if let Some(tie) = &self.tie {
            writeln!(
                f,
                "best      none: all {} candidates tie, proxy {} {}",
                tie.candidates,
                goal.name(),
                goal.text(tie.proxy)
            )?;
        } else {
            self.write_best(f, best)?;
        }
        if !self.steering.is_free() {
            writeln!(f, "steered   {}", self.steering)?;
        }
        for LatencyReport { candidate, device, times } in self.latencies.iter().flatten() {
            write!(f, "latency   candidate {candidate} on {device}:")?;
            for (place, time) in times.iter().enumerate() {
                let comma = if place > 0 { "," } else { "" };
                let images = if time.batch == 1 { "image" } else { "images" };
                write!(f, "{comma} {:.3} ms for {} {images}", time.median_secs * 1e3, time.batch)?;
            }
            writeln!(f, " (median of {} passes)", times[0].passes)?;
        }
        if let Some(verification) = &self.verification {
            write!(f, "\n{}", verify::text(verification, quality))?;
        }
        if let Some(front) = &self.front {
            let width = goal.name().chars().count().max(9);
            writeln!(
                f,
                "\n{:<9} {:>width$} {:>10} {:>10} {:>12}",
                "front",
                goal.name(),
                "parameters",
                "FLOPs",
                "latency"
            )?;
            for candidate in front {
                let latency = candidate.latency_seconds;
                writeln!(
                    f,
                    "{:<9} {:>width$} {:>10} {:>10} {:>12}",
                    candidate.candidate,
                    goal.text(candidate.proxy),
                    format::compact(candidate.params),
                    format::compact(candidate.flops),
                    latency.map_or_else(|| "-".to_owned(), |secs| format!("{:.3} ms", secs * 1e3))
                )?;
            }
        }
        writeln!(f, "\n{:<24} {:>7} {:>11} {:>9}", "node", "fitness", "uncertainty", "frequency")?;
        for node in &self.nodes {
            writeln!(
                f,
                "{:<24} {:>7.3} {:>11.3} {:>9}",
                node.id,
                node.fitness,
                node.uncertainty,
                format::percent(node.frequency)
            )?;
        }
        if !self.synergies.is_empty() {
            writeln!(f, "\n{:<49} {:>7} {:>11}", "together", "effect", "probability")?;
        }
        for synergy in &self.synergies {
            let [a, b] = &synergy.nodes;
            writeln!(f, "{a:<24} {b:<24} {:>+7.3} {:>11.3}", synergy.mean, synergy.probability)?;
        }
        Ok(())
    }
}
