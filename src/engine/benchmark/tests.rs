//! Tests of the harness, and of each algorithm on tables small enough to be known through and through.

use super::*;
use crate::engine::table::tests::{complete, parse};
use std::collections::HashSet;

/// A landscape with a single top, 36 architectures.
fn hill() -> Arc<Table> {
    Arc::new(complete(&[3, 4, 3], |digits| {
        10.0 - digits.iter().zip([2, 1, 0]).map(|(&d, top)| d.abs_diff(top) as f64).sum::<f64>()
    }))
}

/// A needle among equals, in a space where half of the architectures compute the same as another.
fn needle() -> Arc<Table> {
    let mut text = String::from("architecture,search,report,canonical\n");
    for a in 0..4 {
        for b in 0..4 {
            for c in 0..2 {
                let search = if (a, b) == (2, 3) { 2 } else { 1 };
                text += &format!("{a}/{b}/{c},{search},{search},{a}/{b}/0\n");
            }
        }
    }
    Arc::new(parse(&text).expect("is complete"))
}

fn run(table: &Arc<Table>, algorithm: Algorithm, budget: usize, seed: u64) -> Vec<Architecture> {
    let template = table.template();
    let mut trial = Trial::new(table, &template, budget);
    assert!(algorithm.search(&mut trial, seed).is_err(), "the budget ends it");
    trial.evaluated
}

fn plan(budgets: &[usize], runs: usize) -> Plan {
    Plan { algorithms: Algorithm::ALL.to_vec(), budgets: budgets.to_vec(), runs, seed: 1 }
}

#[test]
fn each_algorithm_evaluates_each_function_once_until_the_budget_is_spent() {
    for table in [hill(), needle()] {
        for algorithm in Algorithm::ALL {
            for budget in [1, 7, table.functions()] {
                let evaluated = run(&table, algorithm, budget, 3);
                assert_eq!(evaluated.len(), budget, "{algorithm}");
                let functions: HashSet<_> =
                    evaluated.iter().map(|&architecture| table.function(architecture)).collect();
                assert_eq!(functions.len(), budget, "{algorithm} evaluates a function twice");
            }
        }
    }
}

#[test]
fn each_algorithm_draws_from_its_seed_alone() {
    let table = hill();
    for algorithm in Algorithm::ALL {
        let first = run(&table, algorithm, 30, 3);
        assert_eq!(run(&table, algorithm, 30, 3), first, "{algorithm}");
        assert_ne!(run(&table, algorithm, 30, 4), first, "{algorithm}");
        assert_eq!(run(&table, algorithm, 10, 3), first[..10], "{algorithm} knows its budget");
    }
}

#[test]
fn each_algorithm_but_random_search_climbs_a_hill_sooner_than_chance_would() {
    // 6 x 6 x 6 x 6 architectures; by chance 60 evaluations contain the top in 5 % of the runs.
    let table = Arc::new(complete(&[6; 4], |digits| {
        -digits.iter().map(|&digit| (digit as f64 - 2.0).powi(2)).sum::<f64>()
    }));
    let summaries = measure(&table, &plan(&[60], 20), &|_| {}).expect("can be done");
    let at_optimum: HashMap<_, _> =
        summaries.iter().map(|summary| (summary.algorithm, summary.at_optimum)).collect();
    assert!(at_optimum[&Algorithm::Random] < 0.3, "{at_optimum:?}");
    for algorithm in Algorithm::ALL.into_iter().filter(|&other| other != Algorithm::Random) {
        assert!(at_optimum[&algorithm] > 0.4, "{algorithm} {at_optimum:?}");
    }
}

#[test]
fn the_whole_budget_finds_the_optimum_and_one_run_gives_all_budgets() {
    let table = needle();
    let summaries = measure(&table, &plan(&[1, 8, 16], 12), &|_| {}).expect("can be done");
    assert_eq!(summaries.len(), 15);
    for summary in &summaries {
        // The report is 2 at the optimum and 1 elsewhere.
        assert!((summary.mean - 1.0 - summary.at_optimum).abs() < 1e-12, "{summary:?}");
        assert!(summary.budget < 16 || summary.at_optimum == 1.0, "{summary:?}");
    }
    let alone = measure(&table, &plan(&[8], 12), &|_| {}).expect("can be done");
    let among: Vec<_> = summaries.into_iter().filter(|summary| summary.budget == 8).collect();
    assert_eq!(alone, among);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let table = hill();
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| measure(&table, &plan(&[5, 20], 4), &|_| {})).expect("can be done")
    };
    assert_eq!(with_threads(1), with_threads(3));
}

#[test]
fn the_best_is_chosen_by_search_and_told_by_report() {
    // The best by `search` has the worst report.
    let table =
        Arc::new(parse("architecture,search,report\n0,3,1\n1,2,9\n2,1,5\n").expect("is sound"));
    let [low, middle, high] = [[2], [1], [0]].map(|digits| table.architecture(&digits));
    let best = best_within(&table, &[low, middle, high], &[1, 2, 3]);
    assert_eq!(best, [low, middle, high]);
    let whole = measure(&table, &plan(&[3], 2), &|_| {}).expect("can be done");
    assert!(whole.iter().all(|summary| summary.mean == 1.0 && summary.at_optimum == 1.0));
}

#[test]
fn statistics_are_those_of_the_textbook() {
    let mut values = [4.0, 1.0, 2.0, 9.0];
    assert_eq!(mean(&values), 4.0);
    // Squares of the differences from 4: 0, 9, 4, 25.
    assert!((standard_error(&values) - (38.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
    assert_eq!(median(&mut values), 3.0);
    assert_eq!(median(&mut [5.0, 1.0, 2.0]), 2.0);
    assert_eq!(standard_error(&[7.0]), 0.0);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let table = hill();
    let refused = |plan: Plan| measure(&table, &plan, &|_| {}).expect_err("cannot be done");
    assert_eq!(refused(plan(&[10, 0], 5)), BenchmarkError::NoBudget);
    assert_eq!(refused(plan(&[10, 37], 5)), BenchmarkError::TooLarge { budget: 37, functions: 36 });
    assert_eq!(refused(plan(&[], 5)), BenchmarkError::Nothing("a budget"));
    assert_eq!(refused(plan(&[1], 0)), BenchmarkError::Nothing("a run"));
    let none = Plan { algorithms: Vec::new(), ..plan(&[1], 1) };
    assert_eq!(refused(none), BenchmarkError::Nothing("an algorithm"));
    let unknown = "tabu".parse::<Algorithm>().expect_err("is unknown").to_string();
    assert!(Algorithm::ALL.iter().all(|algorithm| unknown.contains(algorithm.name())), "{unknown}");
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.name().parse(), Ok(algorithm));
    }
}
