//! `nas-navigator bench`: measures the engine.

use super::{arguments, bench_engine, output, progress::Counter};
use crate::{
    engine::{
        benchmark::{self, Algorithm, Plan, Summary},
        data::Decimal,
        table::Table,
    },
    format,
};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::{
    fmt,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Instant,
};

/// Budgets where none are given, as far as the table goes.
const BUDGETS: [usize; 3] = [50, 100, 200];

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measure training and evaluation on this machine.
    Engine(bench_engine::EngineBenchArgs),
    /// Compare search algorithms on a table of known results.
    Search(SearchBenchArgs),
}

#[derive(Debug, Args)]
struct SearchBenchArgs {
    /// CSV file with the columns architecture (choices joined by `/`), search, report and perhaps canonical; a row
    /// for each combination of choices, or several, of which the means count.
    #[arg(long, value_name = "FILE", value_parser = arguments::path())]
    table: PathBuf,
    /// What stands before the decimals of the table's numbers [default: inferred for each column].
    #[arg(long, value_name = "SIGN", value_parser = super::training::named::<Decimal>())]
    decimal: Option<Decimal>,
    /// Evaluations after which the best found is reported, separated by commas [default: 50,100,200, or what the table has].
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    budgets: Vec<usize>,
    /// Independent runs of each algorithm.
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=super::job::MOST))]
    runs: u32,
    /// Algorithms, separated by commas or given one by one: navigator, random, regularized-evolution, genetic,
    /// local-search [default: all].
    #[arg(long = "algorithm", value_name = "A,...", value_delimiter = ',')]
    algorithms: Vec<Algorithm>,
    /// Seed of every random draw.
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
    /// Print the results as one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: BenchArgs) -> Result<ExitCode> {
    match args.what {
        What::Engine(args) => bench_engine::execute(&args),
        What::Search(args) => search(args),
    }
}

fn search(args: SearchBenchArgs) -> Result<ExitCode> {
    let SearchBenchArgs { table: path, decimal, budgets, runs, algorithms, seed, json } = args;
    let mut plan = Plan {
        algorithms: if algorithms.is_empty() { Algorithm::ALL.to_vec() } else { algorithms },
        budgets,
        runs: runs as usize,
        seed,
    };
    let table = Arc::new(Table::load_with(&path, decimal)?);
    let mut notes = table.notes().to_vec();
    if plan.budgets.is_empty() {
        plan.budgets = BUDGETS.map(|budget| budget.min(table.functions())).to_vec();
        if plan.budgets != BUDGETS {
            notes.push(format!(
                "the table has {}, so no budget is larger",
                format::counted(table.functions(), "different function", "different functions")
            ));
        }
    }
    notes.iter().for_each(|note| output::message(&format!("note: {note}")));
    // Asked for twice is still measured once.
    plan.algorithms = distinct(&plan.algorithms);
    plan.budgets.sort_unstable();
    plan.budgets.dedup();
    plan.check(&table).with_context(|| path.display().to_string())?;
    let clock = Instant::now();
    let counter = Counter::new("runs", plan.total_runs() as u64);
    let results = benchmark::measure(&table, &plan, &|_| counter.advance())?;
    counter.finish();
    output::message(&format!(
        "{} in {}",
        format::counted(plan.total_runs(), "run", "runs"),
        format::duration(clock.elapsed().as_secs_f64())
    ));
    let report = SearchReport::new(&path, &table, &plan, notes, results);
    if json {
        output::json(&report)?;
    } else {
        output::data(&report.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The same values without later repetitions.
fn distinct<T: PartialEq + Copy>(values: &[T]) -> Vec<T> {
    let mut distinct = Vec::new();
    for &value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}

/// The results; equal for equal arguments.
#[derive(Debug, Serialize)]
struct SearchReport {
    table: String,
    architectures: usize,
    functions: usize,
    optimum: Optimum,
    runs: usize,
    seed: u64,
    /// What was inferred or left out when the table was read.
    notes: Vec<String>,
    results: Vec<Summary>,
}

/// The architecture with the highest `search` value.
#[derive(Debug, Serialize)]
struct Optimum {
    architecture: String,
    search: f64,
    report: f64,
}

impl SearchReport {
    fn new(
        path: &Path,
        table: &Table,
        plan: &Plan,
        notes: Vec<String>,
        results: Vec<Summary>,
    ) -> Self {
        let best = table.best();
        let known = table.known(best);
        Self {
            table: path.display().to_string(),
            architectures: table.len(),
            functions: table.functions(),
            optimum: Optimum {
                architecture: table.text(best),
                search: known.search,
                report: known.report,
            },
            runs: plan.runs,
            seed: plan.seed,
            notes,
            results,
        }
    }
}

impl fmt::Display for SearchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "table    {}", self.table)?;
        writeln!(
            f,
            "space    {} architectures, {} different functions",
            format::grouped(self.architectures as u64),
            format::grouped(self.functions as u64)
        )?;
        let Optimum { architecture, search, report } = &self.optimum;
        writeln!(f, "optimum  search {search}, report {report}: {architecture}")?;
        writeln!(f, "runs     {} of each algorithm, seed {}", self.runs, self.seed)?;
        writeln!(
            f,
            "\n{:<22} {:>7} {:>10} {:>10} {:>10} {:>11}",
            "algorithm", "budget", "mean", "std. error", "median", "at optimum"
        )?;
        for summary in &self.results {
            writeln!(
                f,
                "{:<22} {:>7} {:>10.4} {:>10.4} {:>10.4} {:>11}",
                summary.algorithm,
                summary.budget,
                summary.mean,
                summary.standard_error,
                summary.median,
                format::percent(summary.at_optimum)
            )?;
        }
        Ok(())
    }
}
