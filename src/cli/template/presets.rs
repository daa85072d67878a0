//! `nas-navigator template presets`: the templates that come with the program.

use super::{CostReport, table};
use crate::{
    cli::output,
    engine::{candidate, template::presets},
    format::compact,
};
use anyhow::Result;
use serde::Serialize;
use std::process::ExitCode;

/// A line of `presets`.
#[derive(Debug, Serialize)]
struct PresetReport {
    name: &'static str,
    about: String,
    nodes: usize,
    links: usize,
    candidates: String,
    cost: CostReport,
}

pub(super) fn list(json: bool) -> Result<ExitCode> {
    let mut reports = Vec::new();
    for preset in presets() {
        let checked = preset.checked()?;
        let graph = checked.graph();
        reports.push(PresetReport {
            name: preset.name,
            about: checked.template().about.clone(),
            nodes: graph.len(),
            links: graph.network().links.len(),
            candidates: candidate::count(graph).to_string(),
            cost: graph.total_cost(0..graph.len()).into(),
        });
    }
    if json {
        output::json(&reports)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![
        ["preset", "nodes", "links", "candidates", "parameters", "FLOPs", "what it is"]
            .map(str::to_owned),
    ];
    rows.extend(reports.into_iter().map(|report| {
        [
            report.name.to_owned(),
            report.nodes.to_string(),
            report.links.to_string(),
            report.candidates,
            compact(report.cost.parameters),
            compact(report.cost.flops),
            report.about,
        ]
    }));
    output::data(&table(&rows, 1..6))?;
    Ok(ExitCode::SUCCESS)
}
