//! The algorithms that the navigator is compared with, written after their papers.

use super::{Spent, Trial};
use crate::engine::table::{Architecture, Table};
use rand::{
    Rng, RngExt,
    seq::{IndexedRandom, SliceRandom},
};
use std::{
    cmp::Ordering,
    collections::{HashSet, VecDeque},
};

/// An architecture with its `search` value.
#[derive(Clone, Copy)]
struct Member {
    architecture: Architecture,
    value: f64,
}

/// A better member is greater; among equals, the one that is first in the order of architectures.
fn by_value(a: &Member, b: &Member) -> Ordering {
    a.value.total_cmp(&b.value).then(b.architecture.cmp(&a.architecture))
}

fn evaluated(trial: &mut Trial<'_>, architecture: Architecture) -> Result<Member, Spent> {
    Ok(Member { architecture, value: trial.evaluate(architecture)? })
}

/// Random search without repetition.
pub(super) fn random(trial: &mut Trial<'_>, rng: &mut impl Rng) -> Result<(), Spent> {
    loop {
        let architecture = trial.draw_new(rng)?;
        trial.evaluate(architecture)?;
    }
}

/// Members of the population, and of the sample that the parent is the best of. The paper has 100 and 25 for
/// 20,000 evaluations; on simulated tables these come closer to the best within 50 to 200.
const POPULATION: usize = 20;
const SAMPLE: usize = 10;

/// Children in a row that may be known before one at random takes their place: without it, a population whose
/// every mutation is known would go on for ever.
const MOST_KNOWN: usize = 100;

/// Regularized evolution: the child of the best of a sample joins the population, and the oldest member leaves.
/// A mutation changes one position.
pub(super) fn regularized_evolution(
    trial: &mut Trial<'_>,
    rng: &mut impl Rng,
) -> Result<(), Spent> {
    let mut population = VecDeque::new();
    while population.len() < POPULATION {
        let architecture = trial.draw_new(rng)?;
        population.push_back(evaluated(trial, architecture)?);
    }
    let mut known = 0;
    loop {
        // The paper samples with replacement.
        let sample = (0..SAMPLE).filter_map(|_| {
            let place = rng.random_range(0..population.len());
            population.get(place).copied()
        });
        let Some(parent) = sample.max_by(by_value) else { return Err(Spent) };
        let mut child = mutated(trial.table, parent.architecture, rng);
        known = if trial.knows(child) { known + 1 } else { 0 };
        if known > MOST_KNOWN {
            child = trial.draw_new(rng)?;
            known = 0;
        }
        population.push_back(evaluated(trial, child)?);
        population.pop_front();
    }
}

/// The architecture with one position changed: the position drawn from those with several choices, the choice from
/// the others there.
fn mutated(table: &Table, architecture: Architecture, rng: &mut impl Rng) -> Architecture {
    let mut digits = table.digits(architecture);
    let open: Vec<_> =
        (0..table.positions()).filter(|&position| table.choices(position).len() > 1).collect();
    if let Some(&position) = open.choose(rng) {
        let step = rng.random_range(1..table.choices(position).len());
        digits[position] = (digits[position] + step) % table.choices(position).len();
    }
    table.architecture(&digits)
}

/// Architectures per generation, parents that it is bred from, how many of it come from crossover and mutation. The
/// paper has 50, 10, 25 and 25 for 1,000 evaluations; on simulated tables these come closer to the best within
/// 50 to 200. A mutation changes one position on average (the paper's probability of 0.1 for each of its 20
/// would be 2).
const GENERATION: usize = 10;
const PARENTS: usize = 5;
const CROSSED: usize = 3;
const MUTATED: usize = 7;

/// Draws for each wanted child until it is one that is new; what is still missing then is drawn at random.
const DRAWS: usize = 10;

/// The genetic search: each generation is bred from the best of all before, by crossover (each position from either
/// of two) and mutation; none is evaluated twice.
pub(super) fn genetic(trial: &mut Trial<'_>, rng: &mut impl Rng) -> Result<(), Spent> {
    let mut best: Vec<Member> = Vec::new();
    loop {
        let mut generation: Vec<Member> = Vec::with_capacity(GENERATION);
        if !best.is_empty() {
            for (wanted, crosses) in [(MUTATED, false), (CROSSED, true)] {
                let enough = generation.len() + wanted;
                for _ in 0..DRAWS * wanted {
                    if generation.len() == enough {
                        break;
                    }
                    let child = if crosses {
                        crossed(trial.table, &best, rng)
                    } else {
                        mutated_everywhere(trial.table, &best, rng)
                    };
                    if let Some(child) = child.filter(|&child| !trial.knows(child)) {
                        generation.push(evaluated(trial, child)?);
                    }
                }
            }
        }
        while generation.len() < GENERATION {
            let architecture = trial.draw_new(rng)?;
            generation.push(evaluated(trial, architecture)?);
        }
        best.extend(generation);
        best.sort_by(|a, b| by_value(b, a));
        best.truncate(PARENTS);
    }
}

fn crossed(table: &Table, parents: &[Member], rng: &mut impl Rng) -> Option<Architecture> {
    let (a, b) = (parents.choose(rng)?, parents.choose(rng)?);
    let mut digits = table.digits(a.architecture);
    for (digit, other) in digits.iter_mut().zip(table.digits(b.architecture)) {
        if rng.random_bool(0.5) {
            *digit = other;
        }
    }
    Some(table.architecture(&digits))
}

fn mutated_everywhere(
    table: &Table,
    parents: &[Member],
    rng: &mut impl Rng,
) -> Option<Architecture> {
    let mut digits = table.digits(parents.choose(rng)?.architecture);
    let probability = 1.0 / digits.len() as f64;
    for (position, digit) in digits.iter_mut().enumerate() {
        if rng.random_bool(probability) {
            *digit = rng.random_range(0..table.choices(position).len());
        }
    }
    Some(table.architecture(&digits))
}

/// Local search: neighbours of an architecture (one position changed) are evaluated in random order until one is
/// better. On it goes from the best architecture whose neighbours were not looked at yet, so that a local optimum is
/// left for what is next to it in value. Of the variants in the literature (whole neighbourhoods or the first improvement, one
/// start or the best of ten, going on or a new start), this one does best on NAS-Bench-Macro.
pub(super) fn local_search(trial: &mut Trial<'_>, rng: &mut impl Rng) -> Result<(), Spent> {
    let mut seen = HashSet::new();
    let mut open: Vec<Member> = Vec::new();
    loop {
        let best = (0..open.len()).max_by(|&a, &b| by_value(&open[a], &open[b]));
        let here = match best {
            Some(place) => open.swap_remove(place),
            None => {
                let start = trial.draw_new(rng)?;
                seen.insert(start);
                evaluated(trial, start)?
            }
        };
        let mut neighbours = neighbours(trial.table, here.architecture);
        neighbours.shuffle(rng);
        for neighbour in neighbours {
            let neighbour = evaluated(trial, neighbour)?;
            if seen.insert(neighbour.architecture) {
                open.push(neighbour);
                if neighbour.value > here.value {
                    break;
                }
            }
        }
    }
}

fn neighbours(table: &Table, architecture: Architecture) -> Vec<Architecture> {
    let digits = table.digits(architecture);
    let mut neighbours = Vec::new();
    for (position, &digit) in digits.iter().enumerate() {
        let mut changed = digits.clone();
        for other in (0..table.choices(position).len()).filter(|&other| other != digit) {
            changed[position] = other;
            neighbours.push(table.architecture(&changed));
        }
    }
    neighbours
}
