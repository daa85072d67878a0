//! `nas-navigator template operations`: what bricks can hold.

use crate::{
    cli::output,
    engine::ops::{Merge, Op},
};
use anyhow::Result;
use serde::Serialize;
use std::process::ExitCode;

/// An operation of `operations`.
#[derive(Debug, Serialize)]
struct OperationReport {
    /// Its name in scene files.
    name: &'static str,
    family: &'static str,
    what: &'static str,
    arguments: Vec<ArgumentReport>,
}

#[derive(Debug, Serialize)]
struct ArgumentReport {
    name: &'static str,
    what: &'static str,
    unit: &'static str,
    values: String,
    /// The value in a brick from the palette.
    example: String,
}

pub(super) fn list(json: bool) -> Result<ExitCode> {
    let operations = Op::examples().into_iter().map(|op| OperationReport {
        name: op.keyword(),
        family: op.family().name(),
        what: op.what(),
        arguments: op
            .fields()
            .into_iter()
            .map(|facts| ArgumentReport {
                name: facts.name,
                what: facts.tip,
                unit: facts.unit,
                values: facts.kind.wanted(),
                example: op.get(facts.name).map(|value| value.to_string()).unwrap_or_default(),
            })
            .collect(),
    });
    let merges = Merge::ALL.map(|merge| OperationReport {
        name: merge.keyword(),
        family: Merge::FAMILY.name(),
        what: merge.what(),
        arguments: Vec::new(),
    });
    let reports: Vec<_> = operations.chain(merges).collect();
    if json {
        output::json(&reports)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for OperationReport { name, what, arguments, .. } in &reports {
        text += &format!("{name}: {what}\n");
        for argument in arguments {
            let ArgumentReport { name, what, values, example, .. } = argument;
            text += &format!("    {name}: {what}; {values}; for example {example}\n");
        }
    }
    output::data(&text)?;
    Ok(ExitCode::SUCCESS)
}
