//! The final report of a run: what `search` and `train` print, as JSON or as text.

use super::output;
use crate::{
    engine::{candidate, lab::Lab, report::EpochReport},
    format,
};
use anyhow::Result;
use serde::Serialize;
use std::fmt;

/// Everything worth knowing at the end. Equal for equal runs, but for the fields that hold seconds; the
/// run folder is named on stderr.
#[derive(Debug, Serialize)]
pub(super) struct RunReport {
    template: String,
    /// Valid candidates of the template; `null` where they cannot be counted.
    search_space: Option<u128>,
    data: String,
    data_fingerprint: Option<String>,
    seed: u64,
    epochs: Vec<EpochReport>,
    iterations: Vec<IterationSummary>,
    evaluated: usize,
    best: Option<BestReport>,
    nodes: Vec<NodeReport>,
    synergies: Vec<SynergyReport>,
    seconds: crate::engine::lab::PhaseSeconds,
}

#[derive(Debug, Serialize)]
struct IterationSummary {
    iteration: u32,
    candidates: usize,
    mean_accuracy: f64,
    best_accuracy: f64,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct BestReport {
    candidate: u32,
    iteration: u32,
    proxy_accuracy: f64,
    loss: f64,
    params: u64,
    flops: u64,
    kept: Vec<String>,
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
        let graph = lab.graph();
        let best = lab.best().and_then(|candidate| {
            let evaluation = candidate.evaluation?;
            Some(BestReport {
                candidate: candidate.id.0,
                iteration: candidate.iteration?,
                proxy_accuracy: evaluation.accuracy,
                loss: evaluation.loss,
                params: candidate.cost.params,
                flops: candidate.cost.flops,
                kept: candidate.mask.iter().map(|node| graph.id(node).to_string()).collect(),
            })
        });
        let nodes = lab
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
        let iterations = lab
            .iteration_reports()
            .iter()
            .map(|report| IterationSummary {
                iteration: report.iteration,
                candidates: report.candidates.len(),
                mean_accuracy: report.mean_accuracy,
                best_accuracy: report.best_accuracy,
                seconds: report.seconds,
            })
            .collect();
        let synergies = lab
            .synergies(SYNERGIES)
            .into_iter()
            .map(|synergy| SynergyReport {
                nodes: synergy.nodes.map(|node| graph.id(node).to_string()),
                mean: synergy.mean,
                uncertainty: synergy.uncertainty,
                probability: synergy.probability,
            })
            .collect();
        Self {
            template: graph.template().name.clone(),
            search_space: candidate::count(graph),
            data: lab.settings().data.to_string(),
            data_fingerprint: lab.data_fingerprint(),
            seed: lab.settings().seed,
            epochs: lab.epoch_reports().to_vec(),
            iterations,
            evaluated: lab.evaluated(),
            best,
            nodes,
            synergies,
            seconds: lab.seconds(),
        }
    }

    /// Prints the report on stdout.
    pub(super) fn print(&self, json: bool) -> Result<()> {
        if json { output::json(self) } else { output::data(&self.to_string()) }
    }
}

impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "template  {}, data {}, seed {}", self.template, self.data, self.seed)?;
        if let Some(count) = self.search_space {
            writeln!(f, "space     {count} candidates")?;
        }
        if let Some(last) = self.epochs.last() {
            writeln!(
                f,
                "training  {} epochs, validation loss {:.4}, validation accuracy {}",
                last.epoch,
                last.val_loss,
                format::percent(last.val_accuracy)
            )?;
        }
        let Some(best) = &self.best else { return Ok(()) };
        writeln!(
            f,
            "search    {} iterations, {} candidates evaluated",
            self.iterations.len(),
            self.evaluated
        )?;
        writeln!(
            f,
            "best      candidate {}, proxy accuracy {}, {} parameters, {} FLOPs",
            best.candidate,
            format::percent(best.proxy_accuracy),
            format::compact(best.params),
            format::compact(best.flops)
        )?;
        writeln!(f, "keeps     {}", best.kept.join(" "))?;
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
