//! Editing the template of a run: what is known of the nodes that stay is kept.

use super::{
    Bench, Lab, LabError, LabSettings, Source,
    attic::{self, Part, Stored, key_and_tensor, merged},
};
use crate::engine::{
    device,
    report::Report,
    run::{Checkpoint, Run},
    search::Steering,
    study::{Edited, Event, Inherited, Setup, Study},
    supernet::{Supernet, WeightsError, carried_tensors, tensor_owners, tensor_sizes},
    template::{Checked, Graph, NodeKey, TemplateDiff, same},
};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::Path,
    sync::Arc,
};

/// The weights of a run after an edit.
struct CarriedOver {
    /// Those of the edited template.
    present: Checkpoint,
    /// Those of nodes that it lacks, if there are any.
    attic: Option<Checkpoint>,
    /// Nodes whose weights there is no room for, or which are not where they should be.
    forgotten: Vec<NodeKey>,
    /// Nodes that begin with the weights of others.
    inherited: Vec<Inherited>,
}

impl Lab {
    /// Goes on with another template; `None` if it is the same network, of which only the looks are taken over and stored.
    ///
    /// Every node that [stays](TemplateDiff), and every operation of a changed one that is there as it was, keeps its
    /// weights, running statistics and optimizer state, bit for bit. Those of nodes that go are kept in the attic of the
    /// run: a node that a later edit brings back has them again. New ones begin with the weights of the fittest node like them
    /// in their layer, or else as the seed says, and the learning rate takes its course again for them. Candidates keep id,
    /// place and evaluation; those that lack a node retire until it is back, and go on to inform the fitness of the
    /// nodes that are left until the weights change. Fitness stays as it was until something is evaluated. The edit is
    /// recorded in the run before anything else happens. A lab without a run begins again.
    ///
    /// # Errors
    /// When a table of known results lacks what the template has, the template takes other images than the run has, no candidate of it can be what the search is steered
    /// to, or something cannot be read or written; nothing has changed then.
    pub fn edit(&mut self, template: Checked) -> Result<Option<Edited>, LabError> {
        let graph = Arc::clone(template.graph());
        if same(graph.network(), self.graph().network()) {
            self.lay_out(template)?;
            return Ok(None);
        }
        if let Some(known) = self.source.table() {
            known.check(graph.network())?;
        }
        let mut nodes = TemplateDiff::between(self.graph(), &graph);
        if self.run.is_none() {
            let steering = self.steering().carry(&graph);
            let Setup { objective, training, .. } = self.setup();
            let settings = LabSettings { objective, training, ..self.settings.clone() };
            let (source, runs) = (self.source.fresh(), self.runs.clone());
            let mut new = Self::with_source(template, source, settings, runs, self.name.clone());
            // Candidates are others.
            new.steer(Steering { region: Vec::new(), union: Vec::new(), ..steering })?;
            new.untold = new.story();
            *self = new;
            return Ok(Some(Edited { nodes, ..self.unedited() }));
        }
        let ends = |graph: &Graph| (graph.image_shape(), graph.classes());
        if ends(&graph) != ends(self.graph()) {
            return Err(LabError::OtherEnds { wanted: ends(self.graph()), found: ends(&graph) });
        }
        let (number, step) = (self.number() + 1, self.trained_steps());
        let event = |forgotten| {
            let (template, lasting, restarts) = (number, true, true);
            Arc::new(Event::Edited { template, step, lasting, restarts, forgotten })
        };
        let edited = |event: &Arc<Event>| -> Result<Study, LabError> {
            let mut study = self.study.clone();
            study.bring(number, template.clone());
            study.apply(event)?;
            Ok(study)
        };
        // Before anything is written.
        let mut told = event(Vec::new());
        let mut study = edited(&told)?;
        let carried = match (&self.run, self.checkpoint()) {
            (Some(run), Some(name)) => Some(self.carry_over(run, name, &study)?),
            _ => None,
        };
        let forgotten = carried.as_ref().map_or(&[][..], |carried| &carried.forgotten);
        let lost = forgotten.len();
        let inherited = carried.as_ref().map_or(Vec::new(), |carried| carried.inherited.clone());
        if lost > 0 {
            told = event(forgotten.to_vec());
            study = edited(&told)?;
        }
        self.make_writable()?;
        if let Some(run) = &mut self.run {
            let checkpoints = carried.as_ref().map(|it| (&it.present, it.attic.as_ref()));
            run.save_edit(number, template.template(), checkpoints, &told)?;
        }
        self.study = study;
        self.untold.push(Report::Template { number, template });
        self.untold.push(Report::Event(told));
        if let Some(Bench { data, fingerprint, .. }) = self.source.take_bench() {
            // Where that fails the next job sets up again, and says why.
            let bench = self.make_bench(data, fingerprint, self.epochs()).ok();
            self.source = Source::Supernet(bench.map(Box::new));
        }
        let (new, last) = (self.study.search().template(), self.study.last_edit());
        let back = last.back.iter().filter_map(|&key| new.node(key));
        let back: Vec<_> = back.map(|node| graph.id(node).clone()).collect();
        nodes.added.retain(|id| !back.contains(id));
        nodes.changed.retain(|id| !back.contains(id));
        let moved = last.candidates;
        Ok(Some(Edited {
            nodes,
            back,
            inherited,
            retired: moved.retired,
            returned: moved.returned,
            forgotten: lost,
            ..self.unedited()
        }))
    }

    /// Takes over how the same network looks, and stores it with the run.
    fn lay_out(&mut self, template: Checked) -> Result<(), LabError> {
        if template.template() == self.template() {
            return Ok(());
        }
        self.make_writable()?;
        if let Some(run) = &mut self.run {
            run.save_looks(self.study.number(), template.template())?;
        }
        self.study.lay_out(template);
        Ok(())
    }

    /// What an edit that changes nothing does.
    pub fn unedited(&self) -> Edited {
        Edited {
            nodes: TemplateDiff::between(self.graph(), self.graph()),
            valid: self.candidates().iter().filter(|c| !c.is_retired()).count(),
            retired: 0,
            back: Vec::new(),
            inherited: Vec::new(),
            returned: 0,
            forgotten: 0,
            resting: self.asked().resting(self.graph()),
            stale: self.study.search().stale().len(),
        }
    }

    /// The weights in the checkpoint called `name` for the edited study, and what its attic holds.
    fn carry_over(&self, run: &Run, name: &str, edited: &Study) -> Result<CarriedOver, LabError> {
        let (trained, attic) = (Stored::read(run, name)?, Stored::attic(run, self.number())?);
        let graph = edited.search().template().graph();
        let device = device::open(&self.settings.device)?;
        let mut supernet = Supernet::new(Arc::clone(graph), self.settings.seed, &device);
        let sizes: HashMap<_, _> = tensor_sizes(&supernet.to_bytes()?)?.into_iter().collect();

        let lost = lost(edited, sizes.keys(), attic.weights())?;
        let back = edited.last_edit().back.iter().copied().filter(|key| !lost.contains(key));
        let back: HashSet<_> = back.collect();
        let new: Vec<_> = edited.last_edit().new.iter().chain(&lost).copied().collect();
        let inherited = self.inherit(edited, &new, &mut supernet, &trained)?;
        let fresh = supernet.to_bytes()?;
        let present = self.present(edited, &back, &fresh, &trained, &attic)?;
        let newest = if back.is_empty() { &trained } else { &attic };
        let state = check_state(&present, &sizes);
        state.map_err(|source| newest.state().damaged(source))?;
        let weights = supernet.load_bytes(&present.supernet);
        weights.map_err(|source| newest.weights().damaged(source))?;

        let (attic, mut forgotten) = attic::put_by(self.study(), edited, &trained, &attic)?;
        forgotten.extend(lost);
        Ok(CarriedOver { present, attic, forgotten, inherited })
    }

    /// Gives `new` nodes of the edited template what the fittest node like them has learned, among those that were in
    /// their layer: what is new competes with nodes that were trained for long. Those that have kept an operation go on
    /// with that.
    fn inherit(
        &self,
        edited: &Study,
        new: &[NodeKey],
        supernet: &mut Supernet,
        trained: &Stored,
    ) -> Result<Vec<Inherited>, LabError> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let (old, now) = (self.study.search().template(), edited.search().template());
        let (before, graph) = (old.graph(), now.graph());
        let mut known = Supernet::new(Arc::clone(before), self.settings.seed, supernet.device());
        let weights = known.load_bytes(&trained.checkpoint.supernet);
        weights.map_err(|source| trained.weights().damaged(source))?;
        let (old_owner, new_owner) = (tensor_owners(before), tensor_owners(graph));
        let stays = carried_tensors(before, graph);
        let kept = supernet.parameter_names();
        let kept = kept.filter(|name| old_owner(name).is_some() && stays(name));
        let kept: HashSet<_> = kept.filter_map(new_owner).collect();
        let fitness =
            |node: usize| edited.fitness_at_edit(old.keys()[node]).map_or(0.5, |it| it.fitness);
        let is_new = |&node: &usize| {
            new.contains(&now.keys()[node])
                && graph.nodes()[node].trainable
                && !kept.contains(&node)
        };
        let mut inherited = Vec::new();
        for node in (0..graph.len()).filter(is_new) {
            let layer = &graph.layers()[graph.layer_of(node)];
            let siblings = layer.iter().filter_map(|&sibling| old.node(now.keys()[sibling]));
            let siblings = siblings.chain(before.index_of(graph.id(node)));
            let layers: BTreeSet<_> = siblings.map(|sibling| before.layer_of(sibling)).collect();
            let mut like: Vec<_> =
                layers.into_iter().flat_map(|layer| before.layers()[layer].clone()).collect();
            like.sort_by(|&a, &b| fitness(b).total_cmp(&fitness(a)));
            for from in like {
                if supernet.inherit(node, &known, from)? {
                    let (node, from) = (graph.id(node).clone(), before.id(from).clone());
                    inherited.push(Inherited { node, from });
                    break;
                }
            }
        }
        Ok(inherited)
    }

    /// What the edited template has: the weights of nodes that stay, of those that are `back`, and new ones.
    fn present(
        &self,
        edited: &Study,
        back: &HashSet<NodeKey>,
        fresh: &[u8],
        trained: &Stored,
        attic: &Stored,
    ) -> Result<Checkpoint, LabError> {
        let (old, new) = (self.graph(), edited.search().template().graph());
        let (old_owner, stays) = (tensor_owners(old), carried_tensors(old, new));
        // Where nothing was trained since, what was put by is what candidates were evaluated with.
        let is_as_left = |key: NodeKey| {
            self.study.left(key).is_some_and(|left| left.step == self.trained_steps())
        };
        let back: HashMap<_, _> = back.iter().map(|&key| (key.index(), is_as_left(key))).collect();
        let from_attic = |tensor: &str, as_left: bool| {
            let (key, tensor) = key_and_tensor(tensor)?;
            let is_as_left = *back.get(&key)?;
            // Of what is left of a changed node, its weights and what the optimizer remembers of them go together.
            let has_learned = old_owner(tensor).is_some() && stays(tensor);
            let wanted = if as_left { is_as_left } else { !is_as_left && !has_learned };
            wanted.then(|| tensor.to_owned())
        };
        let all = |tensor: &str| Some(tensor.to_owned());
        let kept = |tensor: &str| stays(tensor).then(|| tensor.to_owned());
        let learned = |tensor: &str| from_attic(tensor, false);
        let as_left = |tensor: &str| from_attic(tensor, true);
        let fresh = Part { bytes: fresh, path: Path::new("new weights"), is_attic: false };
        let (put_by, now) = (attic.weights(), trained.weights());
        let supernet =
            merged(&[(fresh, &all), (put_by, &learned), (now, &kept), (put_by, &as_left)])?;
        let (put_by, now) = (attic.state(), trained.state());
        let trainer = merged(&[(put_by, &learned), (now, &kept), (put_by, &as_left)])?;
        Ok(Checkpoint { supernet, trainer })
    }
}

/// The nodes that come back and do not have all their `tensors` in the attic.
fn lost<'a>(
    edited: &Study,
    tensors: impl Iterator<Item = &'a String>,
    attic: Part<'_>,
) -> Result<BTreeSet<NodeKey>, LabError> {
    let (new, back) = (edited.search().template(), &edited.last_edit().back);
    let put_by: HashSet<_> = attic.sizes()?.into_iter().map(|(name, _)| name).collect();
    let owner = tensor_owners(new.graph());
    let is_lost = |tensor: &String| {
        let key = new.keys()[owner(tensor)?];
        let is_there = put_by.contains(&attic::name(key, tensor));
        (back.contains(&key) && !is_there).then_some(key)
    };
    Ok(tensors.filter_map(is_lost).collect())
}

/// Makes sure that what the optimizer remembers is of parameters that are there, before the edit is recorded: `weights` are
/// the names of all, with their bytes.
fn check_state(
    checkpoint: &Checkpoint,
    weights: &HashMap<String, usize>,
) -> Result<(), WeightsError> {
    for (tensor, bytes) in tensor_sizes(&checkpoint.trainer)? {
        let Some((parameter, role)) = tensor.rsplit_once('.') else { continue };
        let wanted = weights.get(parameter).map(|&bytes| match role {
            "time" => size_of::<u64>(),
            _ => bytes,
        });
        match wanted {
            None => return Err(WeightsError::Unexpected { first: tensor, others: 0 }),
            Some(wanted) if wanted != bytes => {
                let (wanted, found) = (format!("{wanted} bytes"), format!("{bytes} bytes"));
                return Err(WeightsError::Unfit { name: tensor, wanted, found });
            }
            Some(_) => {}
        }
    }
    Ok(())
}
