//! Tests of the archive: fixed proposals, going on, and what it counts.

use super::*;
use crate::engine::{
    candidate::tests::layered,
    embedding::Embedding,
    template::{BlocksPerLayer, Link, NodeKeys},
};

/// An accuracy with main effects, a pair effect, and differences between any two candidates.
fn truth(mask: &Mask) -> Evaluation {
    let single: f64 = mask.iter().map(|node| ((node * 7919) % 13) as f64 / 13.0).sum();
    let pair = if mask.contains(2) && mask.contains(6) { 0.5 } else { 0.0 };
    Evaluation { accuracy: (single + pair) / 10.0, loss: -single, ..Evaluation::default() }
}

fn new_search() -> SearchState {
    SearchState::new(Arc::new(layered(&[3, 4, 3, 2], BlocksPerLayer::UpTo(2), &[(1, 8)])), 11, 40)
}

fn evaluate(search: &mut SearchState, ids: &[CandidateId]) {
    for &id in ids {
        let evaluation = truth(&search.candidates()[id.index()].mask);
        search.record(id, evaluation).expect("a fresh candidate");
    }
}

fn iterate(search: &mut SearchState, count: u32) {
    for _ in 0..count {
        let ids = search.propose(5);
        evaluate(search, &ids);
        search.finish_iteration();
    }
}

/// A search of `graph` to which what `known` says was told again: the first 40 are of the pool.
fn told_again(graph: &Arc<Graph>, known: &[Candidate]) -> Result<SearchState, SearchError> {
    let mut search = SearchState::untold(Arc::clone(graph), 11);
    for candidate in &known[..40] {
        search.admit_to_pool(candidate.mask.clone(), candidate.parents.clone())?;
    }
    let last = known.iter().filter_map(|candidate| candidate.iteration).max();
    for iteration in 0..=last.unwrap_or(0) {
        while search.finished_iterations() < iteration {
            search.finish_iteration();
        }
        for candidate in known.iter().filter(|it| it.iteration == Some(iteration)) {
            if candidate.id.index() >= 40 {
                search.admit(candidate.mask.clone(), candidate.parents.clone())?;
            }
            if let Some(evaluation) = candidate.evaluation {
                search.record(candidate.id, evaluation)?;
            }
        }
    }
    Ok(search)
}

#[test]
fn the_pool_begins_with_a_fair_start_and_is_what_the_first_iteration_evaluates() {
    let mut search = new_search();
    assert_eq!(search.candidates().len(), 40);
    let first = search.propose(10);
    assert_eq!(first, (0..10).map(CandidateId).collect::<Vec<_>>());
    evaluate(&mut search, &first);
    assert!(search.candidates()[..10].iter().all(|candidate| candidate.iteration == Some(0)));
    assert_eq!(search.candidates()[10].iteration, None);
}

#[test]
fn a_small_space_is_searched_to_its_end() {
    let graph = Arc::new(layered(&[2, 3], BlocksPerLayer::One, &[]));
    let mut search = SearchState::new(graph, 1, 300);
    assert_eq!(search.candidates().len(), 6);
    let mut seen = HashSet::new();
    for expected in [4, 2, 0, 0] {
        let ids = search.propose(4);
        assert_eq!(ids.len(), expected);
        assert!(ids.iter().all(|&id| seen.insert(id)));
        evaluate(&mut search, &ids);
        search.finish_iteration();
    }
    let best = search.best().and_then(|id| search.candidate(id)).expect("evaluated");
    assert!(
        search.candidates().iter().all(|other| search
            .objective()
            .compare(&truth(&other.mask), &truth(&best.mask))
            .is_le())
    );
}

#[test]
fn proposing_again_gives_the_same_and_fewer_gives_the_first_of_them() {
    let mut search = new_search();
    iterate(&mut search, 2);
    let ids = search.propose(6);
    evaluate(&mut search, &ids[..3]);
    assert_eq!(search.propose(6), ids);
    assert_eq!(search.propose(2), ids[..2]);
}

#[test]
fn a_search_that_is_told_again_goes_on_as_if_it_had_never_stopped() {
    let mut uninterrupted = new_search();
    iterate(&mut uninterrupted, 3);
    let after_three = uninterrupted.candidates().to_vec();
    let ids = uninterrupted.propose(5);
    evaluate(&mut uninterrupted, &ids);
    uninterrupted.finish_iteration();
    iterate(&mut uninterrupted, 2);

    // Stopped within iteration 3: `written` of its candidates are known, `evaluated` with their evaluation.
    for (written, evaluated) in [(0, 0), (2, 1), (5, 3), (5, 5)] {
        let mut known = after_three.clone();
        for (place, &id) in ids[..written].iter().enumerate() {
            let mut candidate = uninterrupted.candidates()[id.index()].clone();
            candidate.evaluation = candidate.evaluation.filter(|_| place < evaluated);
            match known.get_mut(id.index()) {
                Some(of_pool) => *of_pool = candidate,
                None => known.push(candidate),
            }
        }
        let mut again = told_again(uninterrupted.graph(), &known).expect("follows");
        if written == 0 {
            again.finish_iteration();
        }
        assert_eq!(again.finished_iterations(), 3);
        assert_eq!(again.propose(5), ids, "{written} written");
        evaluate(&mut again, &ids);
        again.finish_iteration();
        iterate(&mut again, 2);
        assert_eq!(again.candidates(), uninterrupted.candidates());
        assert_eq!(again.fitness(), uninterrupted.fitness());
        assert_eq!(again.finished_iterations(), uninterrupted.finished_iterations());
    }
}

#[test]
fn nothing_is_proposed_twice_and_parents_are_older() {
    let mut search = new_search();
    let mut forms = HashSet::new();
    for _ in 0..6 {
        let ids = search.propose(5);
        for &id in &ids {
            let candidate = &search.candidates()[id.index()];
            assert!(forms.insert(candidate::canonical(search.graph(), &candidate.mask)));
            let mut same = search.candidates().iter().filter(|other| other.mask == candidate.mask);
            assert_eq!(same.next().map(|found| found.id), Some(id));
            assert_eq!(same.next(), None);
            for parent in &candidate.parents {
                let parent = &search.candidates()[parent.index()];
                assert!(parent.id < id && parent.iteration < candidate.iteration);
            }
        }
        evaluate(&mut search, &ids);
        search.finish_iteration();
    }
    assert!(search.candidates()[40..].iter().any(|candidate| candidate.parents.len() > 1));
}

#[test]
fn fitness_starts_at_one_half_and_counts_what_was_evaluated() {
    let mut search = new_search();
    let nothing = NodeFitness { fitness: 0.5, uncertainty: 1.0, frequency: 0.0, count: 0 };
    assert!(search.fitness().iter().all(|&node| node == nothing));
    assert_eq!(search.synergies(3), []);
    iterate(&mut search, 4);
    assert_eq!(search.synergies(3).len(), 3);
    let fitness = search.fitness();
    for (node, fitness) in fitness.iter().enumerate() {
        let holds = |candidate: &&Candidate| {
            candidate.evaluation.is_some() && candidate.mask.contains(node)
        };
        assert_eq!(fitness.count, search.candidates().iter().filter(holds).count());
        assert!((fitness.frequency - fitness.count as f64 / 20.0).abs() < 1e-12);
    }
    let input = fitness[search.graph().input()];
    assert_eq!(
        (input.fitness, input.uncertainty, input.count),
        (0.5, 1.0, 20),
        "every candidate keeps it"
    );
    assert!(fitness.iter().any(|node| node.uncertainty < 0.9 && node.fitness != 0.5));
}

#[test]
fn records_are_taken_once_and_count_to_their_iteration() {
    let mut search = new_search();
    let (a, b) = (
        Evaluation { accuracy: 0.25, loss: 1.0, ..Evaluation::default() },
        Evaluation { accuracy: 0.75, loss: 1.0, ..Evaluation::default() },
    );
    let ids = search.propose(2);
    assert_eq!(search.record(ids[0], a), Ok(()));
    assert_eq!(search.record(ids[0], a), Ok(()));
    assert_eq!(search.record(ids[0], b), Err(SearchError::EvaluatedTwice(ids[0])));
    assert_eq!(search.record(ids[1], b), Ok(()));
    assert!(matches!(search.record(CandidateId(999), a), Err(SearchError::UnknownCandidate(..))));
    search.finish_iteration();
    assert_eq!(search.record(CandidateId(30), a), Ok(()), "no iteration proposed it");
    let iteration = |id| search.candidate(id).and_then(|candidate| candidate.iteration);
    assert_eq!([ids[0], ids[1], CandidateId(30)].map(iteration), [Some(0), Some(0), Some(1)]);
    assert_eq!(search.best(), Some(ids[1]));
}

#[test]
fn lasting_fitness_is_the_same_before_and_after_the_weights_change() {
    let mut search = new_search();
    iterate(&mut search, 3);
    let values = |fitness: &[NodeFitness]| fitness.iter().map(|f| f.fitness).collect::<Vec<_>>();
    assert_eq!(search.lasting_fitness(), search.fitness(), "nothing has retired");
    let graph = Arc::clone(search.graph());
    let mut rest = graph.network().as_ref().clone();
    let gone = graph.id(graph.layers()[2][0]);
    rest.nodes.retain(|node| node.id != *gone);
    rest.links.retain(|Link(a, b)| a != gone && b != gone);
    let rest = Arc::new(Graph::new(rest).expect("is sound"));
    let mut keys = NodeKeys::default();
    let [whole, part] = [&graph, &rest].map(|graph| keys.admit(Arc::clone(graph)));
    let before = search.clone();
    let moved = search.edit(part, &Embedding::fit(&[]), false).expect("goes");
    assert!(moved.retired > 0 && moved.returned == 0);
    let (all, lasting) = (search.fitness(), search.lasting_fitness());
    assert_ne!(values(&all), values(&lasting), "the retired ones inform the first");
    // With the node everything is as it was.
    let mut again = search.clone();
    assert_ne!(again.candidates(), before.candidates());
    let back = again.edit(whole.clone(), &Embedding::fit(&[]), false).expect("goes back");
    assert_eq!((back.retired, back.returned), (0, moved.retired));
    assert_eq!(again.candidates(), before.candidates());
    assert_eq!(again.fitness(), before.fitness());
    assert_eq!(again.proposals(5), before.proposals(5));
    // With other weights it is not.
    search.weights_at(1);
    assert_eq!(search.lasting_fitness(), lasting);
    assert_ne!(values(&lasting), vec![0.5; rest.len()]);
    search.edit(whole, &Embedding::fit(&[]), false).expect("goes back");
    assert_eq!(search.stale().len(), 15);
    // Weights that have seen as many steps as others are not the same.
    search.weights_at(0);
    assert_eq!(search.stale().len(), 15);
}

#[test]
fn candidates_that_cannot_be_are_refused() {
    let mut search = new_search();
    iterate(&mut search, 1);
    let refused = |change: fn(&mut Vec<Candidate>)| {
        let mut known = search.candidates().to_vec();
        change(&mut known);
        told_again(search.graph(), &known).err()
    };
    assert_eq!(refused(|_| {}), None);
    assert_eq!(
        refused(|known| known[3].mask = known[1].mask.clone()),
        Some(SearchError::Duplicate(CandidateId(1), CandidateId(3)))
    );
    assert_eq!(
        refused(|known| known[3].parents = vec![CandidateId(3)]),
        Some(SearchError::UnknownParent(CandidateId(3), CandidateId(3)))
    );
    let cut = refused(|known| known[3].mask = Mask::empty(known[3].mask.node_count()));
    assert!(matches!(cut, Some(SearchError::Invalid(..))), "{cut:?}");
}

#[test]
fn what_computes_the_same_as_an_evaluated_candidate_is_known() {
    let graph = Arc::new(layered(&[2, 3], BlocksPerLayer::One, &[]));
    // The last node of the second layer does what the one before it does.
    let same: Representatives = Arc::new(|_: &Graph| {
        Arc::new(|mask: &Mask| {
            let mut mask = mask.clone();
            if mask.contains(5) {
                mask.remove(5);
                mask.insert(4);
            }
            mask
        })
    });
    let mut search = SearchState::with_representatives(Arc::clone(&graph), 1, 300, same);
    assert_eq!(search.candidates().len(), 4, "one of those that are the same");
    let ids = search.propose(10);
    evaluate(&mut search, &ids);
    search.finish_iteration();
    assert_eq!(search.propose(10), [], "nothing else computes anything new");
}
