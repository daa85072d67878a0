//! Runs whose template is edited.

use super::*;
use crate::engine::{candidate, mask::Mask, study::Inherited};
use std::sync::atomic::AtomicBool;

/// The small template without two of its nodes and with one more.
fn edited(before: &Template) -> Checked {
    let gone = ["b1", "flat"].map(NodeId::from).to_vec();
    let mut edited =
        before.edited(&[Edit::Remove { nodes: gone, heal: false }]).expect("are there");
    let after = edited.network_mut();
    let mut new = after.node(&"a3".into()).expect("a node").clone();
    new.id = "a5".into();
    new.ops = template::parse("new", &SMALL.replace("kernel: 3)", "kernel: 5)"))
        .expect("is right")
        .template()
        .node(&"a3".into())
        .expect("a node")
        .ops
        .clone();
    after.nodes.insert(1, new);
    for (from, to) in [("in", "a5"), ("a5", "b3"), ("a5", "bm")] {
        after.links.push(Link(from.into(), to.into()));
    }
    Checked::new(edited).expect("is right")
}

#[test]
fn an_edit_keeps_weights_optimizer_state_fitness_and_places_of_what_stays() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.work(train(1), &control, &mut ignore).expect("trains");
    lab.work(search(2, 3), &control, &mut ignore).expect("searches");
    let old = Arc::clone(lab.graph());
    let (before, fitness, before_edit) = (weights(&lab), lab.study.fitness(), placed(&lab));
    let shown = lab.iteration_reports().last().expect("two").fitness.clone();
    let template = edited(lab.template());
    let graph = Arc::clone(template.graph());
    let done = lab.edit(template.clone()).expect("is edited").expect("has changed");
    let ids = |ids: &[&str]| ids.iter().map(|&id| NodeId::from(id)).collect::<Vec<_>>();
    assert_eq!(done.nodes.added, ids(&["a5"]));
    assert_eq!(done.nodes.dropped, ids(&["b1", "flat"]));
    assert_eq!((done.nodes.kept.len(), done.nodes.changed.len(), done.stale), (8, 0, 0));

    // Each tensor of a node that stays is there bit for bit, and no other but those of the new node.
    for (before, after) in before.iter().zip(weights(&lab)) {
        let [before, after] = [before, &after]
            .map(|bytes| safetensors::SafeTensors::deserialize(bytes).expect("is one"));
        let of =
            |name: &str, nodes: &[&str]| nodes.contains(&name.split('.').next().expect("an id"));
        for (name, tensor) in before.iter().filter(|(name, _)| !of(name, &["b1", "flat"])) {
            assert_eq!(after.tensor(name).expect("is kept"), tensor, "{name}");
        }
        assert!(after.iter().all(|(name, _)| before.tensor(name).is_ok() || of(name, &["a5"])));
    }
    // What was found out about nodes that stay goes on to be shown, and to be known.
    for node in 0..old.len() {
        let Some(twin) = graph.index_of(old.id(node)) else { continue };
        let after = lab.study.fitness_after(&lab.iteration_reports()[1]);
        assert_eq!(after[twin], shown[node]);
        assert_eq!(lab.study.fitness()[twin], fitness[node]);
    }
    let model = |id: &str| {
        lab.study.search().fitness()[graph.index_of(&id.into()).expect("a node")].fitness
    };
    // What is left of six evaluations, of which some have lost a node, still tells something.
    assert_ne!(model("a3"), 0.5);
    // Candidates keep id, place and, where they still are ones, evaluation.
    let mut retired = 0;
    for ((before, place), after) in before_edit.iter().zip(lab.study.placed()) {
        assert_eq!((*place, before.id), (after.position, after.candidate.id));
        assert_eq!(before.evaluation, after.candidate.evaluation);
        let had = |id: &str| before.mask.contains(old.index_of(&id.into()).expect("a node"));
        let standing = if had("b1") || had("flat") { Standing::Retired } else { Standing::Present };
        assert_eq!(after.candidate.standing, standing);
        retired += usize::from(standing == Standing::Retired);
    }
    assert_eq!((done.retired, done.valid), (retired, before_edit.len() - retired));
    assert!(retired > 0 && done.valid > 0);

    // It goes on, and the folder tells the same.
    lab.work(search(1, 3), &control, &mut ignore).expect("searches on");
    assert!(lab.best().is_some_and(|best| !best.is_retired()));
    lab.work(train(1), &control, &mut ignore).expect("trains on");
    assert!(lab.candidates().iter().any(|c| c.standing == Standing::Obsolete));
    lab.work(search(1, 3), &control, &mut ignore).expect("searches on");
    let told = facts(&lab);
    drop(lab);
    let opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(facts(&opened), told);
    assert_eq!(opened.template().network, template.template().network);
}

#[test]
fn an_edited_run_is_resumed_exactly_in_the_middle_of_an_epoch_too() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let finish = |lab: &mut Lab| {
        lab.work(train(1), &control, &mut ignore).expect("trains on");
        lab.work(search(1, 2), &control, &mut ignore).expect("searches");
    };
    let begin = |name| {
        let mut lab = lab(runs.path(), name);
        let stopping = Control::default();
        let mut stop = stop_at(&stopping, 50, |report| matches!(report, Report::Step { .. }));
        assert!(lab.work(train(1), &stopping, &mut stop).expect("is stopped"));
        let template = edited(lab.template());
        lab.edit(template).expect("is edited").expect("has changed");
        assert_eq!(lab.trained_steps(), 50);
        lab
    };
    let mut whole = begin("whole");
    finish(&mut whole);
    drop(begin("cut"));
    let open = || Lab::open(&runs.path().join("cut"), DeviceChoice::Cpu).expect("opens");
    let mut stopped = open();
    assert_eq!((stopped.trained_steps(), stopped.study.schedule_from()), (50, 50));
    let stopping = Control::default();
    let mut stop = stop_at(&stopping, 15, |report| matches!(report, Report::Step { .. }));
    assert!(stopped.work(train(1), &stopping, &mut stop).expect("is stopped"));
    drop(stopped);
    let mut resumed = open();
    assert_eq!((resumed.trained_steps(), resumed.study.schedule_from()), (65, 50));
    finish(&mut resumed);
    assert_eq!(facts(&resumed), facts(&whole));
    assert!(weights(&resumed) == weights(&whole));
    assert_eq!(journal(&runs.path().join("cut")), journal(&runs.path().join("whole")));
}

#[test]
fn an_edit_that_cannot_be_made_changes_nothing() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = runs.path().join("run");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.work(train(1), &control, &mut ignore).expect("trains");
    let template = edited(lab.template());
    let told = facts(&lab);

    let mut other = lab.template().clone();
    other.network_mut().nodes[0].ops = vec![crate::engine::ops::samples::input([1, 10, 10])].into();
    let error = lab.edit(Checked::new(other).expect("is right")).expect_err("no such data");
    assert!(
        error.to_string().contains("1×10×10") && error.to_string().contains("input brick"),
        "{error}"
    );
    let same = Template { name: "renamed".into(), ..lab.template().clone() };
    assert_eq!(lab.edit(Checked::new(same).expect("is right")).expect("is nothing"), None);

    // A damaged checkpoint is named.
    let file = folder.join("weights/epoch-1/supernet.safetensors");
    let whole = std::fs::read(&file).expect("is there");
    std::fs::write(&file, &whole[..50]).expect("is written");
    let error = lab.edit(template.clone()).expect_err("is damaged").to_string();
    assert!(error.contains("supernet.safetensors"), "{error}");
    std::fs::write(&file, whole).expect("is written");
    assert_eq!(facts(&lab), told);

    // Where a file is, no template can be written.
    std::fs::rename(folder.join("template"), folder.join("kept")).expect("moves");
    std::fs::write(folder.join("template"), "").expect("is written");
    let error = lab.edit(template.clone()).expect_err("cannot be written").to_string();
    assert!(error.contains("template"), "{error}");
    std::fs::remove_file(folder.join("template")).expect("is there");
    std::fs::rename(folder.join("kept"), folder.join("template")).expect("moves");
    assert_eq!(facts(&lab), told);
    drop(lab);
    let mut opened = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
    assert_eq!(facts(&opened), told);
    opened.edit(template).expect("is edited").expect("has changed");
}

#[test]
fn a_node_whose_name_another_one_begins_with_keeps_its_weights() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    // As if it was operation 0 of node `a`.
    let rename = |text: &str| text.replace("\"a1\"", "\"a\"").replace("\"a3\"", "\"a.0\"");
    let template = template::parse("small", &rename(SMALL)).expect("is right");
    for (gone, kept) in [("a.0", "a"), ("a", "a.0")] {
        let settings = lab(runs.path(), "unused").settings().clone();
        let name = Some(format!("without-{gone}"));
        let mut lab = Lab::new(template.clone(), settings, runs.path().to_owned(), name);
        lab.work(train(1), &control, &mut ignore).expect("trains");
        let [before, state] = weights(&lab);
        let without = Edit::Remove { nodes: vec![gone.into()], heal: false };
        lab.edit(edited_by(&lab, &[without])).expect("is edited");
        let [after, state_after] = weights(&lab);
        for (before, after) in [(before, after), (state, state_after)] {
            let [before, after] = [&before, &after]
                .map(|bytes| safetensors::SafeTensors::deserialize(bytes).expect("is one"));
            let own = |name: &&&str| name.starts_with(&format!("{kept}.0."));
            let names = after.names();
            let own: Vec<_> = names.iter().filter(own).collect();
            assert!(!own.is_empty());
            for name in own {
                let same = before.tensor(name).expect("was there");
                assert_eq!(after.tensor(name).expect("is there"), same, "{name}");
            }
        }
    }
}

/// The tensors of weights and trainer state whose nodes are among `nodes`, or all.
fn tensors(lab: &Lab, nodes: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for bytes in weights(lab) {
        let file = safetensors::SafeTensors::deserialize(&bytes).expect("is one");
        let of = |name: &str| {
            nodes.is_empty() || nodes.contains(&name.split('.').next().expect("an id"))
        };
        let named = file.tensors().into_iter().filter(|(name, _)| of(name));
        all.extend(named.map(|(name, view)| (name, view.data().to_vec())));
    }
    all.sort_unstable();
    assert!(!all.is_empty());
    all
}

#[test]
fn what_an_edit_removes_is_back_with_weights_and_evaluations_when_it_is_undone() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.work(train(1), &control, &mut ignore).expect("trains");
    lab.work(search(2, 3), &control, &mut ignore).expect("searches");
    let (whole, before, before_edit) =
        (lab.study.template().clone(), tensors(&lab, &[]), placed(&lab));
    let gone = ["b1", "flat"];

    // Deleted, searched, undone.
    let cut = lab.edit(edited(lab.template())).expect("is edited").expect("has changed");
    lab.work(search(1, 3), &control, &mut ignore).expect("searches on");
    let back = lab.edit(whole.clone()).expect("is edited").expect("has changed");
    assert!(cut.retired > 0 && back.returned == cut.retired && back.forgotten == 0);
    assert!(tensors(&lab, &[]) == before);
    for ((was, place), is) in before_edit.iter().zip(lab.study.placed()) {
        assert_eq!(*place, is.position);
        if was.evaluation.is_some() {
            assert_eq!(was, is.candidate);
        }
    }
    assert_eq!(lab.study.search().stale(), []);

    // Also with another process, after a training of what is left, and more than once.
    lab.edit(edited(lab.template())).expect("is edited").expect("has changed");
    drop(lab);
    let mut lab = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    lab.work(train(1), &control, &mut ignore).expect("trains on");
    lab.work(search(1, 3), &control, &mut ignore).expect("searches on");
    let trained = tensors(&lab, &["a1", "a3", "head"]);
    lab.edit(whole).expect("is edited").expect("has changed");
    let of_gone: Vec<_> = before
        .iter()
        .filter(|(name, _)| gone.contains(&name.split('.').next().expect("an id")))
        .cloned()
        .collect();
    assert!(tensors(&lab, &gone) == of_gone);
    assert!(tensors(&lab, &["a1", "a3", "head"]) == trained);
    // Those of the node that is gone now are the only ones that are put by.
    let attic = runs.path().join("run/weights/attic-5");
    let bytes = std::fs::read(attic.join("supernet.safetensors")).expect("is there");
    let attic = safetensors::SafeTensors::deserialize(&bytes).expect("is one");
    assert!(
        attic
            .names()
            .iter()
            .all(|name| name.split('/').nth(1).is_some_and(|n| n.starts_with("a5.")))
    );
    lab.work(search(1, 3), &control, &mut ignore).expect("searches on");
    let told = facts(&lab);
    drop(lab);
    let opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(facts(&opened), told);
}

#[test]
fn a_node_whose_weights_are_lost_comes_back_as_a_new_one() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.work(train(1), &control, &mut ignore).expect("trains");
    lab.work(search(2, 3), &control, &mut ignore).expect("searches");
    let whole = lab.study.template().clone();
    let cut = lab.edit(edited(lab.template())).expect("is edited").expect("has changed");
    let attic = runs.path().join("run/weights/attic-2");
    std::fs::remove_dir_all(&attic).expect("is there");
    let back = lab.edit(whole).expect("is edited").expect("has changed");
    assert_eq!((back.back.as_slice(), back.returned, back.forgotten), (&[][..], 0, 2));
    assert_eq!(back.nodes.added, ["b1", "flat"].map(NodeId::from));
    let retired = lab.candidates().iter().filter(|candidate| candidate.is_retired()).count();
    assert_eq!(retired, cut.retired);
    lab.work(search(1, 3), &control, &mut ignore).expect("searches on");
    let told = facts(&lab);
    drop(lab);
    let opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(facts(&opened), told);
}

#[test]
fn a_node_that_was_built_again_and_changed_back_has_the_weights_that_it_was_evaluated_with() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.work(train(1), &control, &mut ignore).expect("trains");
    lab.work(search(2, 3), &control, &mut ignore).expect("searches");
    let (whole, before) = (lab.study.template().clone(), tensors(&lab, &[]));
    let gone = Edit::Remove { nodes: vec!["bm".into()], heal: false };
    lab.edit(edited_by(&lab, &[gone])).expect("is edited").expect("has changed");
    // Under the same id, with another pooling before the same convolution, whose weights begin again.
    let text = SMALL.replace("MaxPool", "AveragePool");
    let other = template::parse("small", &text).expect("is right");
    let built = lab.edit(other).expect("is edited").expect("has changed");
    assert_eq!(built.nodes.added, ["bm".into()]);
    let back = lab.edit(whole).expect("is edited").expect("has changed");
    assert_eq!((back.back.as_slice(), back.nodes.changed.len()), (&["bm".into()][..], 0));
    assert!(tensors(&lab, &[]) == before);
    assert!(lab.candidates().iter().all(|it| it.standing == Standing::Present));
}

/// The template of a lab with a copy of a node beside it.
fn with_copy(lab: &Lab, id: &NodeId, called: &str) -> Checked {
    let mut template = lab.template().clone();
    let network = template.network_mut();
    let place = network.nodes.iter().position(|node| node.id == *id).expect("a node");
    let copy = template::Node { id: called.into(), ..network.nodes[place].clone() };
    network.nodes.insert(place + 1, copy);
    let renamed = |end: &NodeId| if end == id { called.into() } else { end.clone() };
    let of_node = network.links.iter().filter(|Link(from, to)| [from, to].contains(&id));
    let links: Vec<_> = of_node.map(|Link(from, to)| Link(renamed(from), renamed(to))).collect();
    network.links.extend(links);
    Checked::new(template).expect("is right")
}

#[test]
fn a_copy_of_the_fittest_node_is_soon_worth_what_its_original_is() {
    let runs = tempfile::tempdir().expect("a folder");
    let control = Control::default();
    let mut lab = lab(runs.path(), "run");
    lab.work(train(3), &control, &mut ignore).expect("trains");
    lab.work(search(4, 3), &control, &mut ignore).expect("searches");
    let (graph, fitness) = (Arc::clone(lab.graph()), lab.study.fitness());
    let layer = graph.layers()[2].iter().copied();
    let original = layer.max_by(|&a, &b| fitness[a].fitness.total_cmp(&fitness[b].fitness));
    let id = graph.id(original.expect("alternatives")).clone();
    let done = lab.edit(with_copy(&lab, &id, "copy")).expect("is edited").expect("has changed");
    assert_eq!(done.inherited, [Inherited { node: "copy".into(), from: id.clone() }]);
    let told = format!("; copy begins with the weights of {id}; ");
    assert!(done.to_string().contains(&told), "{done}");
    let learned = |lab: &Lab, id: &str| -> Vec<Vec<u8>> {
        let is_weight =
            |name: &str| !["moment1", "moment2", "time"].iter().any(|it| name.ends_with(it));
        let of_node = tensors(lab, &[id]).into_iter();
        of_node.filter(|(name, _)| is_weight(name)).map(|(_, values)| values).collect()
    };
    assert!(learned(&lab, "copy") == learned(&lab, id.as_str()));

    lab.work(train(1), &control, &mut ignore).expect("trains on");
    let (graph, bench) = (lab.graph(), lab.source.bench().expect("a job has run"));
    let node = |id: &NodeId| graph.index_of(id).expect("a node");
    let (original, copy) = (node(&id), node(&"copy".into()));
    let loss = |mask: &Mask| {
        let evaluation = bench.evaluator.evaluate(&bench.supernet, mask, &AtomicBool::new(false));
        evaluation.expect("the CPU answers").loss
    };
    let all = candidate::list_all(graph, 100).expect("few");
    let with_original = all.iter().filter(|mask| mask.contains(original));
    let gaps = with_original.map(|mask| {
        let mut swapped = mask.clone();
        swapped.remove(original);
        swapped.insert(copy);
        loss(&swapped) - loss(mask)
    });
    let gaps: Vec<_> = gaps.collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    // 0.08 where it began from its seed, at the end of the course of the learning rate.
    assert!(mean < 0.03, "{mean}");
}

#[test]
fn the_learning_rate_takes_its_course_again_for_as_long_as_new_nodes_are_there() {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = runs.path().join("run");
    let mut lab = lab(runs.path(), "run");
    lab.work(train(1), &Control::default(), &mut ignore).expect("trains");
    let (whole, steps) = (lab.study.template().clone(), lab.trained_steps());
    let gone = Edit::Remove { nodes: vec!["flat".into()], heal: false };
    let cut = edited_by(&lab, &[gone]);
    let mut edit = |template| {
        lab.edit(template).expect("is edited").expect("has changed");
        let opened = Lab::open_briefly(&folder).expect("opens");
        assert_eq!(opened.study.schedule_from(), lab.study.schedule_from());
        lab.study.schedule_from()
    };
    // The new node goes and comes back, then goes, and another one goes and comes back.
    assert_eq!(edit(edited(whole.template())), steps);
    assert_eq!(edit(whole.clone()), 0);
    assert_eq!(edit(edited(whole.template())), steps);
    assert_eq!([whole.clone(), cut, whole].map(edit), [0; 3]);

    // Where an older program made the edits, it went on.
    let journal = folder.join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).expect("is there");
    let lines: Vec<_> = text.lines().collect();
    let first = lines.iter().position(|line| line.contains("\"edited\"")).expect("is there");
    let older = lines[..=first].join("\n").replace(",\"restarts\":true", "") + "\n";
    assert_ne!(older.len(), lines[..=first].join("\n").len() + 1);
    std::fs::write(&journal, older).expect("is written");
    let opened = Lab::open_briefly(&folder).expect("opens");
    assert_eq!((opened.number(), opened.study.schedule_from()), (2, 0));
}
