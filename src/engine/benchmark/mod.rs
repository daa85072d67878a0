//! Measures search algorithms on tables: how good is what each finds within a budget of evaluations?
//!
//! All algorithms go through one harness, [`measure`], under the same rules:
//!
//! - They see `search` values only; what is reported of a run is `report` of the architecture with the best
//!   `search` value that it evaluated (the first of equals).
//! - A budget counts different functions. An architecture that is functionally the same as an evaluated one
//!   has its result already; asking for it is free, for each algorithm alike.
//! - One run with the largest budget gives the results at all smaller ones: no algorithm is told its budget.

mod baselines;

use super::{
    median::median,
    search::{Evaluation, SearchState},
    seed,
    table::{Architecture, Function, Table},
    template::Graph,
};
use rand::{Rng, RngExt};
use rayon::prelude::*;
use serde::Serialize;
use std::{collections::HashMap, fmt, str::FromStr, sync::Arc};
use thiserror::Error;

/// A way to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// This program's own search, [`SearchState`], in batches of 10.
    Navigator,
    /// Architectures at random, none twice.
    Random,
    /// Regularized evolution (E. Real, A. Aggarwal, Y. Huang and Q. V. Le, "Regularized Evolution for Image
    /// Classifier Architecture Search", AAAI 2019, arXiv:1802.01548).
    RegularizedEvolution,
    /// The genetic search of single-path one-shot NAS (Z. Guo, X. Zhang, H. Mu et al., "Single Path One-Shot Neural
    /// Architecture Search with Uniform Sampling", ECCV 2020, arXiv:1904.00420).
    Genetic,
    /// Local search (C. White, S. Nolen and Y. Savani, "Exploring the Loss Landscape in Neural Architecture Search",
    /// UAI 2021, arXiv:2005.02960).
    LocalSearch,
}

impl Algorithm {
    /// Every algorithm, this program's own first.
    pub const ALL: [Self; 5] = [
        Self::Navigator,
        Self::Random,
        Self::RegularizedEvolution,
        Self::Genetic,
        Self::LocalSearch,
    ];

    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Navigator => "navigator",
            Self::Random => "random",
            Self::RegularizedEvolution => "regularized-evolution",
            Self::Genetic => "genetic",
            Self::LocalSearch => "local-search",
        }
    }

    /// Evaluates one architecture after the other until the budget is spent.
    fn search(self, trial: &mut Trial<'_>, seed: u64) -> Result<(), Spent> {
        let mut rng = seed::rng(seed, self.name(), 0);
        match self {
            Self::Navigator => navigator(trial, seed),
            Self::Random => baselines::random(trial, &mut rng),
            Self::RegularizedEvolution => baselines::regularized_evolution(trial, &mut rng),
            Self::Genetic => baselines::genetic(trial, &mut rng),
            Self::LocalSearch => baselines::local_search(trial, &mut rng),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = BenchmarkError;

    fn from_str(text: &str) -> Result<Self, BenchmarkError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == text)
            .ok_or_else(|| BenchmarkError::UnknownAlgorithm(text.to_owned()))
    }
}

/// Why nothing can be measured.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BenchmarkError {
    /// There is no algorithm of this name.
    #[error(
        "`{0}` is no algorithm; choose navigator, random, regularized-evolution, genetic or local-search"
    )]
    UnknownAlgorithm(String),
    /// Nothing can be found without an evaluation.
    #[error("a budget of 0 evaluations finds nothing; give 1 or more")]
    NoBudget,
    /// More evaluations than there is to evaluate.
    #[error(
        "a budget of {budget} evaluations is more than the table has: {functions} different functions; give at most that"
    )]
    TooLarge {
        /// The budget.
        budget: usize,
        /// How many functions the table has.
        functions: usize,
    },
    /// No budget, run or algorithm.
    #[error("there is nothing to measure without {0}; give one or more")]
    Nothing(&'static str),
}

/// The settings of a benchmark.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The algorithms.
    pub algorithms: Vec<Algorithm>,
    /// Evaluations after which the best found is reported.
    pub budgets: Vec<usize>,
    /// Independent runs of each algorithm.
    pub runs: usize,
    /// Seed of every random draw; run r of an algorithm has a seed of its own, which follows from it and r.
    pub seed: u64,
}

impl Plan {
    /// Whether the plan can be carried out on `table`.
    ///
    /// # Errors
    /// When there is nothing to do, or more than the table allows.
    pub fn check(&self, table: &Table) -> Result<(), BenchmarkError> {
        for (empty, what) in [
            (self.algorithms.is_empty(), "an algorithm"),
            (self.budgets.is_empty(), "a budget"),
            (self.runs == 0, "a run"),
        ] {
            if empty {
                return Err(BenchmarkError::Nothing(what));
            }
        }
        let functions = table.functions();
        self.budgets.iter().try_for_each(|&budget| match budget {
            0 => Err(BenchmarkError::NoBudget),
            _ if budget > functions => Err(BenchmarkError::TooLarge { budget, functions }),
            _ => Ok(()),
        })
    }

    /// How many runs there are in all.
    pub fn total_runs(&self) -> usize {
        self.algorithms.len() * self.runs
    }
}

/// The results of one algorithm's runs within one budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Evaluations of different functions.
    pub budget: usize,
    /// Mean over the runs of `report` of the best found by `search`, in the unit of the table.
    pub mean: f64,
    /// Standard error of that mean: standard deviation over the root of the number of runs; 0 for one run.
    pub standard_error: f64,
    /// Median over the runs.
    pub median: f64,
    /// Share of the runs, in `0..=1`, whose best found has the highest `search` value of the table.
    pub at_optimum: f64,
}

/// Carries out `plan` on `table`, on all threads that Rayon has; the result is the same however many those
/// are. `done` is called after each run, on any thread. Summaries come by algorithm and then by budget, in the
/// order of the plan.
///
/// # Errors
/// When there is nothing to do, or more than the table allows.
pub fn measure(
    table: &Arc<Table>,
    plan: &Plan,
    done: &(dyn Fn(Algorithm) + Sync),
) -> Result<Vec<Summary>, BenchmarkError> {
    plan.check(table)?;
    let most = plan.budgets.iter().copied().max().unwrap_or_default();
    let jobs: Vec<_> = plan
        .algorithms
        .iter()
        .flat_map(|&algorithm| (0..plan.runs).map(move |run| (algorithm, run)))
        .collect();
    let template = table.template();
    let found: Vec<Vec<Architecture>> = jobs
        .into_par_iter()
        .map(|(algorithm, run)| {
            let mut trial = Trial::new(table, &template, most);
            let seed = seed::rng(plan.seed, "benchmark", run as u64).next_u64();
            // It ends when the budget is spent, or when it finds nothing that is new.
            let _ = algorithm.search(&mut trial, seed);
            done(algorithm);
            best_within(table, &trial.evaluated, &plan.budgets)
        })
        .collect();
    let highest = table.known(table.best()).search;
    let summaries =
        plan.algorithms.iter().zip(found.chunks(plan.runs)).flat_map(|(&algorithm, runs)| {
            plan.budgets.iter().enumerate().map(move |(place, &budget)| {
                let best: Vec<_> = runs.iter().map(|best| table.known(best[place])).collect();
                let mut reports: Vec<_> = best.iter().map(|known| known.report).collect();
                let at_optimum = best.iter().filter(|known| known.search >= highest).count();
                Summary {
                    algorithm,
                    budget,
                    mean: mean(&reports),
                    standard_error: standard_error(&reports),
                    median: median(&mut reports),
                    at_optimum: at_optimum as f64 / runs.len() as f64,
                }
            })
        });
    Ok(summaries.collect())
}

/// For each budget, the best of that many first evaluations.
fn best_within(table: &Table, evaluated: &[Architecture], budgets: &[usize]) -> Vec<Architecture> {
    let mut best_so_far = Vec::with_capacity(evaluated.len());
    for &architecture in evaluated {
        let best = match best_so_far.last() {
            Some(&best) if table.known(best).search >= table.known(architecture).search => best,
            _ => architecture,
        };
        best_so_far.push(best);
    }
    budgets.iter().map(|&budget| best_so_far[budget.min(best_so_far.len()) - 1]).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn standard_error(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64 / values.len() as f64).sqrt()
}

/// The budget is spent.
#[derive(Debug)]
struct Spent;

/// One run: a table that counts what it is asked.
struct Trial<'t> {
    table: &'t Arc<Table>,
    template: &'t Arc<Graph>,
    budget: usize,
    /// Values of the functions that were evaluated.
    known: HashMap<Function, f64>,
    /// The evaluated architectures, in order.
    evaluated: Vec<Architecture>,
}

impl<'t> Trial<'t> {
    fn new(table: &'t Arc<Table>, template: &'t Arc<Graph>, budget: usize) -> Self {
        Self { table, template, budget, known: HashMap::new(), evaluated: Vec::new() }
    }

    /// The `search` value of an architecture; free if it, or one that is functionally the same, was evaluated
    /// before.
    fn evaluate(&mut self, architecture: Architecture) -> Result<f64, Spent> {
        let function = self.table.function(architecture);
        if let Some(&value) = self.known.get(&function) {
            return Ok(value);
        }
        if self.evaluated.len() == self.budget {
            return Err(Spent);
        }
        let value = self.table.known(architecture).search;
        self.known.insert(function, value);
        self.evaluated.push(architecture);
        Ok(value)
    }

    fn knows(&self, architecture: Architecture) -> bool {
        self.known.contains_key(&self.table.function(architecture))
    }

    /// An architecture drawn from those whose function is not known yet, or [`Spent`] if there is none.
    fn draw_new(&self, rng: &mut impl Rng) -> Result<Architecture, Spent> {
        if self.known.len() == self.table.functions() {
            return Err(Spent);
        }
        loop {
            let digits: Vec<_> = (0..self.table.positions())
                .map(|position| rng.random_range(0..self.table.choices(position).len()))
                .collect();
            let drawn = self.table.architecture(&digits);
            if !self.knows(drawn) {
                return Ok(drawn);
            }
        }
    }
}

/// Candidates that the navigator evaluates before it learns from them, as a search does by default.
const BATCH: usize = 10;

/// Candidates that it draws at the start, as a search does by default.
const POOL: usize = 300;

fn navigator(trial: &mut Trial<'_>, seed: u64) -> Result<(), Spent> {
    let places = trial.table.places(trial.template);
    let mut search = SearchState::with_representatives(
        Arc::clone(trial.template),
        seed,
        POOL,
        trial.table.representatives(),
    );
    loop {
        let proposed = search.propose(BATCH);
        if proposed.is_empty() {
            break;
        }
        for id in proposed {
            let architecture = places.architecture(&search.candidates()[id.index()].mask);
            let architecture = architecture.expect("a valid candidate keeps a node of each layer");
            let accuracy = trial.evaluate(architecture)?;
            search
                .record(id, Evaluation { accuracy, ..Evaluation::default() })
                .expect("it was proposed just now, and for the first time");
        }
        search.finish_iteration();
    }
    // It finds nothing new any more, in a table of few functions; all algorithms use up their budget.
    let mut rng = seed::rng(seed, "navigator", 0);
    loop {
        let drawn = trial.draw_new(&mut rng)?;
        trial.evaluate(drawn)?;
    }
}

#[cfg(test)]
mod tests;
