//! Tests of steering through the search that it steers.

use super::*;
use crate::engine::{
    candidate::{
        self,
        tests::{graph_of, layered},
    },
    ops::{ActivationFunction, ConvBlock, Op, samples},
    search::{Evaluation, Moved, SearchState},
    template::{BlocksPerLayer, Link, NodeKeys, presets},
};
use proptest::prelude::*;
use std::sync::Arc;

fn vgg11() -> Arc<Graph> {
    let preset = presets().into_iter().find(|preset| preset.name == "vgg11");
    Arc::new(preset.expect("is there").graph().expect("is right"))
}

fn cloud(search: &SearchState) -> Embedding {
    let masks: Vec<_> = search.candidates().iter().map(|c| c.mask.clone()).collect();
    Embedding::fit(&masks)
}

/// Goes on with `graph`, of whose nodes none are new.
fn edit(search: &mut SearchState, graph: &Arc<Graph>) -> Result<Moved, SteeringError> {
    let mut keys = NodeKeys::default();
    keys.admit(vgg11());
    let cloud = Embedding::fit(&[]);
    search.edit(keys.admit(Arc::clone(graph)), &cloud, false)
}

/// Searches for some iterations of 10; larger candidates are better, and later nodes. The candidates evaluated.
fn search_on(search: &mut SearchState, iterations: usize) -> Vec<CandidateId> {
    let mut evaluated = Vec::new();
    for _ in 0..iterations {
        for id in search.propose(10) {
            let candidate = &search.candidates()[id.index()];
            let accuracy = (candidate.cost.params as f64).ln()
                + candidate.mask.iter().map(|node| (node * 7 % 5) as f64).sum::<f64>() / 30.0;
            let evaluation = Evaluation { accuracy, ..Evaluation::default() };
            search.record(id, evaluation).expect("it was proposed");
            evaluated.push(id);
        }
        search.finish_iteration();
    }
    evaluated
}

fn masks(search: &SearchState, ids: &[CandidateId]) -> Vec<Mask> {
    ids.iter().map(|id| search.candidates()[id.index()].mask.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn new_candidates_keep_what_is_pinned_and_nothing_that_is_forbidden(
        layers in proptest::collection::vec(2usize..4, 2..5), any in any::<bool>(), before in 0usize..2,
        pin in any::<prop::sample::Index>(), forbid in any::<prop::sample::Index>()
    ) {
        let blocks = if any { BlocksPerLayer::Any } else { BlocksPerLayer::One };
        let graph = Arc::new(layered(&layers, blocks, &[(1, layers[0] + layers[1] + 1)]));
        let mut search = SearchState::new(Arc::clone(&graph), 3, 20);
        let cloud = cloud(&search);
        let mut seen = search_on(&mut search, before);
        let [pin, forbid] = [pin, forbid].map(|node| 1 + node.index(graph.len() - 2));
        let ids = |node: usize| vec![graph.id(node).clone()];
        let steering = Steering { pinned: ids(pin), forbidden: ids(forbid), ..Steering::default() };
        let steered = search.steer(steering.clone(), &cloud);
        if pin == forbid {
            prop_assert_eq!(steered, Err(SteeringError::Contradiction(graph.id(pin).clone())));
            prop_assert!(search.steering().is_free());
            return Ok(());
        }
        // Two layers with two alternatives each or more leave a way.
        prop_assert_eq!(steered, Ok(()));
        prop_assert_eq!(search.steering(), &steering);
        let found = search_on(&mut search, 3);
        // A fair start may have all of them already.
        prop_assert!(before > 0 || !found.is_empty());
        for mask in masks(&search, &found) {
            prop_assert_eq!(candidate::problem(&graph, &mask), None);
            prop_assert!(mask.contains(pin) && !mask.contains(forbid));
        }
        seen.extend(found);
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        prop_assert_eq!(seen.len(), count, "none twice");
    }
}

#[test]
fn new_candidates_come_from_the_region_or_of_the_union() {
    let graph = vgg11();
    let mut search = SearchState::new(Arc::clone(&graph), 1, 300);
    let cloud = cloud(&search);
    // Later on the best are so much alike that fewer than 20 lie between them.
    search_on(&mut search, 2);
    let ranked = search.ranked();
    let best: Vec<_> = ranked[..8].iter().map(|rank| rank.id).collect();
    let members = masks(&search, &best);
    let union = members.iter().cloned().reduce(|a, b| a.union(&b)).expect("some");
    let shared = members.iter().cloned().reduce(|a, b| a.intersection(&b)).expect("some");
    let at = |mask: &Mask| cloud.place(mask);
    let centre: [f32; 3] =
        std::array::from_fn(|axis| members.iter().map(|m| at(m)[axis]).sum::<f32>() / 8.0);
    let reach = members.iter().map(|mask| distance(&at(mask), &centre)).fold(0.0, f32::max);

    let region = Steering { region: best.clone(), ..Steering::default() };
    search.steer(region, &cloud).expect("can be met");
    let found = search_on(&mut search, 2);
    assert_eq!(found.len(), 20);
    for mask in masks(&search, &found) {
        assert!(shared.is_subset(&mask) && mask.is_subset(&union));
        assert!(distance(&at(&mask), &centre) <= reach * 1.001 + 1e-4);
    }

    search.steer(Steering { union: best, ..Steering::default() }, &cloud).expect("can be met");
    let found = search_on(&mut search, 2);
    let found = masks(&search, &found);
    assert!(found.iter().all(|mask| mask.is_subset(&union)));
    search.steer(Steering::default(), &cloud).expect("asks for nothing");
    let free = search_on(&mut search, 2);
    assert!(masks(&search, &free).iter().any(|mask| !mask.is_subset(&union)), "lifted again");
}

#[test]
fn new_candidates_are_within_the_limits_and_those_come_first() {
    let graph = vgg11();
    let mut search = SearchState::new(Arc::clone(&graph), 1, 300);
    let cloud = cloud(&search);
    search_on(&mut search, 2);
    let dear = search.best().expect("is evaluated");
    let mut params: Vec<_> = search.candidates().iter().map(|c| c.cost.params).collect();
    params.sort_unstable();
    // Below all but a few of the pool.
    let (parameters, flops) = (params[5], search.candidates()[dear.index()].cost.flops);
    let limited = Steering {
        max_parameters: Some(parameters),
        max_flops: Some(flops),
        ..Steering::default()
    };
    search.steer(limited, &cloud).expect("can be met");
    let found = search_on(&mut search, 2);
    assert_eq!(found.len(), 20);
    for id in found {
        let candidate = &search.candidates()[id.index()];
        assert!(candidate.affordable);
        assert!(candidate.cost.params <= parameters && candidate.cost.flops <= flops);
    }
    let best = search.best().expect("is evaluated");
    assert!(best != dear && search.candidates()[best.index()].cost.params <= parameters);
}

#[test]
fn limits_are_met_in_a_broad_layer_too() {
    // One layer of 60 equal convolutions, of which any may be kept; three fit.
    let conv = Op::from(ConvBlock {
        batch_norm: false,
        activation: ActivationFunction::Linear,
        ..ConvBlock::new(1, 1)
    });
    let mut nodes = vec![(0, vec![samples::input([1, 2, 2])])];
    nodes.extend((0..60).map(|_| (1, vec![conv.clone()])));
    nodes.push((2, vec![Op::Flatten, Op::Output]));
    let links: Vec<_> = (1..61).flat_map(|node| [(0, node), (node, 61)]).collect();
    let graph = Arc::new(graph_of(nodes, &links, BlocksPerLayer::Any));
    let mut search = SearchState::new(Arc::clone(&graph), 1, 50);
    let cloud = cloud(&search);
    let limited = Steering { max_parameters: Some(3), ..Steering::default() };
    search.steer(limited, &cloud).expect("can be met");
    assert_eq!(search_on(&mut search, 2).len(), 20);
}

#[test]
fn candidates_that_an_edit_retires_are_on_no_front() {
    let graph = vgg11();
    let mut search = SearchState::new(Arc::clone(&graph), 1, 100);
    let cloud = cloud(&search);
    let pareto = Steering { pareto: Some(Measure::Parameters), ..Steering::default() };
    search.steer(pareto, &cloud).expect("can be met");
    search_on(&mut search, 3);
    // The node of all candidates of the front with most parameters goes: what is left of them would seem cheap.
    let front = search.front(Measure::Parameters);
    let most_expensive = &search.candidates()[front.last().expect("some").index()].mask;
    let params = |node: &usize| graph.cost(*node).params;
    let free = |node: &usize| graph.layers()[graph.layer_of(*node)].len() > 1;
    let gone = most_expensive.iter().filter(free).max_by_key(params).expect("some");
    let mut rest = graph.network().as_ref().clone();
    rest.nodes.retain(|node| node.id != *graph.id(gone));
    rest.links.retain(|Link(a, b)| a != graph.id(gone) && b != graph.id(gone));
    let rest = Arc::new(Graph::new(rest).expect("is sound"));
    let moved = edit(&mut search, &rest).expect("goes");
    assert!(moved.retired > 0);
    for id in search.front(Measure::Parameters) {
        assert!(!search.candidates()[id.index()].is_retired());
    }
    for id in search_on(&mut search, 1) {
        for parent in &search.candidates()[id.index()].parents {
            assert!(
                !search.candidates()[parent.index()].is_retired(),
                "{id} descends from {parent}"
            );
        }
    }
}

#[test]
fn candidates_that_take_long_are_avoided_once_some_were_timed() {
    let graph = vgg11();
    let mut search = SearchState::new(Arc::clone(&graph), 1, 300);
    let cloud = cloud(&search);
    let seconds = |mask: &Mask| mask.iter().map(|node| (node * 5 % 7) as f64 * 1e-4).sum::<f64>();
    search
        .steer(Steering { pareto: Some(Measure::Latency), ..Steering::default() }, &cloud)
        .expect("can be met");
    let time = |search: &mut SearchState| {
        for id in search.untimed() {
            let latency = seconds(&search.candidates()[id.index()].mask);
            search.record_latency(id, latency).expect("is known");
        }
    };
    search_on(&mut search, 4);
    assert_eq!(search.untimed().len(), 40);
    time(&mut search);
    assert_eq!(search.untimed(), []);
    let mut times: Vec<_> = search.candidates().iter().filter_map(|c| c.latency).collect();
    times.sort_by(f64::total_cmp);
    let most = times[10];
    search
        .steer(Steering { max_latency: Some(most), ..Steering::default() }, &cloud)
        .expect("can be met");
    let found = search_on(&mut search, 2);
    time(&mut search);
    let within = found.iter().filter(|id| search.candidates()[id.index()].affordable).count();
    assert!(within >= 15, "{within} of {}", found.len());
    assert!(search.candidates()[search.best().expect("some").index()].latency <= Some(most));
}

#[test]
fn an_iteration_that_was_cut_short_is_proposed_again_whatever_was_timed_in_it() {
    let mut search = SearchState::new(vgg11(), 1, 300);
    let cloud = cloud(&search);
    let pareto = Steering { pareto: Some(Measure::Latency), ..Steering::default() };
    search.steer(pareto, &cloud).expect("can be met");
    search_on(&mut search, 2);
    for (place, id) in search.untimed().into_iter().enumerate() {
        search.record_latency(id, 1e-3 + 1e-5 * place as f64).expect("is known");
    }
    let proposed = search.propose(10);
    for (place, &id) in proposed.iter().take(6).enumerate() {
        let evaluation = Evaluation { accuracy: 0.5, ..Evaluation::default() };
        search.record(id, evaluation).expect("was proposed");
        search.record_latency(id, if place % 2 == 0 { 1.0 } else { 1e-6 }).expect("is known");
    }
    assert_eq!(search.propose(10), proposed);
}

#[test]
fn a_search_for_two_aims_finds_a_better_front_than_one_for_accuracy() {
    let graph = vgg11();
    let area = |pareto: Option<Measure>| {
        let mut search = SearchState::new(Arc::clone(&graph), 1, 300);
        let cloud = cloud(&search);
        search.steer(Steering { pareto, ..Steering::default() }, &cloud).expect("can be met");
        search_on(&mut search, 8);
        let front = search.front(Measure::Parameters);
        let point = |id: &CandidateId| {
            let candidate = &search.candidates()[id.index()];
            let accuracy = candidate.evaluation.expect("is evaluated").accuracy;
            ((candidate.cost.params as f64).ln(), accuracy)
        };
        let points: Vec<_> = front.iter().map(point).collect();
        assert!(points.windows(2).all(|p| p[0].0 < p[1].0 && p[0].1 < p[1].1), "{points:?}");
        (super::super::pareto::Front::new(points).gain(0.0, 1e3, (20.0, 0.0)), front.len())
    };
    // What is left to gain: less is better.
    let (with, on_front) = area(Some(Measure::Parameters));
    let (without, _) = area(None);
    assert!(with < without, "{with} {without}");
    assert!(on_front >= 5, "{on_front}");
}

#[test]
fn what_no_candidate_can_meet_is_refused_and_named() {
    let graph = vgg11();
    let mut search = SearchState::new(Arc::clone(&graph), 1, 50);
    let cloud = cloud(&search);
    let kept = Steering { max_parameters: Some(10_000_000), ..Steering::default() };
    search.steer(kept.clone(), &cloud).expect("can be met");
    let id = |node: usize| graph.id(node).clone();
    let wide = graph.layers().iter().find(|layer| layer.len() > 1).expect("alternatives").clone();
    let all = wide.iter().map(|&node| id(node)).collect::<Vec<_>>();
    let nodes = |pinned: Vec<NodeId>, forbidden: Vec<NodeId>| Steering {
        pinned,
        forbidden,
        ..Steering::default()
    };
    let one = |keeps: bool| {
        let found = search.candidates().iter().find(|c| c.mask.contains(wide[0]) == keeps);
        found.expect("one").id
    };
    let [inside, outside] = [true, false].map(one);
    let cases = [
        (nodes(vec!["absent".into()], vec![]), "no node `absent`"),
        (nodes(vec![all[0].clone()], vec![all[0].clone()]), "kept and left out at once"),
        (nodes(vec![], vec![id(graph.input())]), "input or output"),
        (nodes(vec![], all.clone()), "nothing leads from the input to the output"),
        (nodes(all.clone(), vec![]), "no candidate keeps all pinned nodes"),
        (Steering { region: vec![CandidateId(999)], ..Steering::default() }, "no candidate #999"),
        (
            Steering { union: vec![outside], ..nodes(vec![all[0].clone()], vec![]) },
            "no candidate of the union or region keeps it",
        ),
        (
            Steering { region: vec![inside], union: vec![outside], ..Steering::default() },
            "and none of the union does",
        ),
        (Steering { max_flops: Some(0), ..Steering::default() }, "a limit of 0"),
        (Steering { max_latency: Some(f64::NAN), ..Steering::default() }, "a limit of NaN"),
        (Steering { max_parameters: Some(10), ..Steering::default() }, "at most 10 parameters"),
    ];
    for (steering, message) in cases {
        let error = search.steer(steering, &cloud).expect_err(message).to_string();
        assert!(error.contains(message), "{error}");
        assert_eq!(search.steering(), &kept);
    }
    let least = search.steer(Steering { max_parameters: Some(10), ..kept }, &cloud);
    let Err(SteeringError::TooNarrow { least, .. }) = least else { panic!("{least:?}") };
    let exactly = Steering { max_parameters: Some(least as u64), ..Steering::default() };
    search.steer(exactly, &cloud).expect("the leanest is left");
    assert!(!search.propose(10).is_empty());
}

#[test]
fn a_front_compares_evaluations_with_the_same_weights_only() {
    let graph = vgg11();
    let mut search = SearchState::new(Arc::clone(&graph), 1, 50);
    search_on(&mut search, 2);
    let before = search.front(Measure::Parameters);
    search.weights_at(1);
    assert_eq!(search.front(Measure::Parameters), before, "none is known better");
    let id = search.stale()[0];
    let evaluation = Evaluation { accuracy: 0.01, ..Evaluation::default() };
    search.record(id, evaluation).expect("must be evaluated");
    assert_eq!(search.front(Measure::Parameters), [id]);
}

#[test]
fn the_first_iteration_of_a_steered_search_takes_all_there_is_however_many_are_asked_for() {
    let graph = Arc::new(layered(&[3, 3, 3], BlocksPerLayer::One, &[]));
    let mut search = SearchState::new(Arc::clone(&graph), 1, 10);
    let steering = Steering { pinned: vec![graph.id(1).clone()], ..Steering::default() };
    let cloud = cloud(&search);
    search.steer(steering, &cloud).expect("can be met");
    assert_eq!(search.propose(1_000_000).len(), 9);
}

#[test]
fn an_edit_lifts_what_is_asked_of_nodes_that_go_and_is_refused_where_nothing_is_left() {
    let graph = vgg11();
    let mut search = SearchState::new(Arc::clone(&graph), 1, 50);
    let cloud = cloud(&search);
    search_on(&mut search, 1);
    let wide = graph.layers().iter().find(|layer| layer.len() > 2).expect("alternatives").clone();
    let ids: Vec<_> = wide.iter().map(|&node| graph.id(node).clone()).collect();
    let steering = Steering {
        pinned: vec![ids[0].clone()],
        forbidden: ids[1..].to_vec(),
        region: vec![CandidateId(0), CandidateId(1)],
        ..Steering::default()
    };
    let without = |gone: &[NodeId]| {
        let mut network = graph.network().as_ref().clone();
        network.nodes.retain(|node| !gone.contains(&node.id));
        network.links.retain(|Link(a, b)| !gone.contains(a) && !gone.contains(b));
        Arc::new(Graph::new(network).expect("is right"))
    };
    let forbidden = Steering { region: Vec::new(), pinned: Vec::new(), ..steering };
    search.steer(forbidden.clone(), &cloud).expect("can be met");
    // What is not forbidden goes.
    let rest = without(&ids[..1]);
    let refused = edit(&mut search.clone(), &rest);
    assert_eq!(refused, Err(SteeringError::Cut));
    let keeping_first: Vec<_> = search
        .candidates()
        .iter()
        .filter(|candidate| candidate.mask.contains(wide[0]))
        .map(|candidate| candidate.id)
        .collect();
    let one = Steering { union: keeping_first[..1].to_vec(), ..Steering::default() };
    let mut united = search.clone();
    united.steer(one, &cloud).expect("can be met");
    assert_eq!(edit(&mut united, &rest), Err(SteeringError::NothingShared));
    // What is forbidden goes.
    edit(&mut search, &without(&ids[1..2])).expect("leaves some");
    assert_eq!(search.steering().forbidden, ids[2..]);
    // It comes back, and with it what was asked of it.
    edit(&mut search, &graph).expect("is whole");
    assert_eq!(search.steering(), &forbidden);
}
