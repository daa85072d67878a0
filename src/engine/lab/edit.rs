//! Editing the template of a run: what is known of the nodes that stay is kept.

use super::{Bench, Lab, LabError, LabSettings};
use crate::engine::{
    device,
    report::Report,
    run::{Checkpoint, Run, attic_of_edit},
    search::Steering,
    study::{Edited, Event, Setup, Study},
    supernet::{
        Overlay, Supernet, TensorWriter, WeightsError, carried_tensors, tensor_owners, tensor_sizes,
    },
    template::{Checked, EndEdit, Ends, Graph, NodeKey, TemplateDiff, fit, same},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The most bytes that the attic of a run takes; beyond them, what went first is forgotten.
const MOST_IN_ATTIC: usize = 1 << 30;

/// The weights of a run after an edit.
struct CarriedOver {
    /// Those of the edited template.
    present: Checkpoint,
    /// Those of nodes that it lacks, if there are any.
    attic: Option<Checkpoint>,
    /// Nodes whose weights there is no room for, or which are not where they should be.
    forgotten: Vec<NodeKey>,
}

impl Lab {
    /// Goes on with another template; `None` if it is the same network, of which only the looks are taken over and stored.
    ///
    /// Every node that [stays](TemplateDiff), and every operation of a changed one that is there as it was, keeps its
    /// weights, running statistics and optimizer state, bit for bit. Those of nodes that go are kept in the attic of the
    /// run: a node that a later edit brings back has them again. New ones start as the seed says. Candidates keep id,
    /// place and evaluation; those that lack a node retire until it is back, and go on to inform the fitness of the
    /// nodes that are left until the weights change. Fitness stays as it was until something is evaluated. The edit is
    /// recorded in the run before anything else happens. A lab without a run begins again.
    ///
    /// # Errors
    /// When the template takes other images than the run has, no candidate of it can be what the search is steered
    /// to, or something cannot be read or written; nothing has changed then.
    pub fn edit(&mut self, template: Checked) -> Result<Option<Edited>, LabError> {
        let graph = Arc::clone(template.graph());
        if same(graph.network(), self.graph().network()) {
            self.lay_out(template)?;
            return Ok(None);
        }
        let mut nodes = TemplateDiff::between(self.graph(), &graph);
        if self.run.is_none() {
            let steering = self.steering().carry(&graph);
            let Setup { objective, training, .. } = self.setup();
            let settings = LabSettings { objective, training, ..self.settings.clone() };
            let mut new = Self::new(template, settings, self.runs.clone(), self.name.clone());
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
        let event = |forgotten| Event::Edited { template: number, step, lasting: true, forgotten };
        let edited = |event: &Event| -> Result<Study, LabError> {
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
        if lost > 0 {
            told = event(forgotten.to_vec());
            study = edited(&told)?;
        }
        self.make_writable()?;
        if let Some(run) = &mut self.run {
            let checkpoints = carried.as_ref().map(|it| (&it.present, it.attic.as_ref()));
            run.save_edit(number, template.template(), checkpoints, &told)?;
        }
        let before = std::mem::replace(&mut self.study, study);
        self.untold.push(Report::Template { number, template });
        self.untold.push(Report::Event(Arc::new(told)));
        if let Some(Bench { data, fingerprint, .. }) = self.bench.take() {
            // Where that fails the next job sets up again, and says why.
            self.bench = self.make_bench(data, fingerprint, self.epochs()).ok();
        }
        let (old, new) = (before.search().template(), self.study.search().template());
        let is_back = |node: usize| {
            let key = new.keys()[node];
            key.index() < before.known_nodes() && old.node(key).is_none()
        };
        let back: Vec<_> = (0..graph.len())
            .filter(|&node| is_back(node))
            .map(|node| graph.id(node).clone())
            .collect();
        nodes.added.retain(|id| !back.contains(id));
        nodes.changed.retain(|id| !back.contains(id));
        let moved = self.study.last_edit();
        Ok(Some(Edited {
            nodes,
            back,
            retired: moved.retired,
            returned: moved.returned,
            forgotten: lost,
            ..self.unedited()
        }))
    }

    /// An edited template with the ends of this lab's, where it can have them, and what that took: the data of a run
    /// stays what it is, so there is only one way to go on.
    pub fn fit(&self, template: Checked) -> (Checked, Vec<EndEdit>) {
        match fit(template.graph(), Ends::of(self.graph())) {
            Ok((graph, edits)) => (template.with_graph(Arc::new(graph)), edits),
            Err(_) => (template, Vec::new()),
        }
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
            returned: 0,
            forgotten: 0,
            resting: self.asked().resting(self.graph()),
            stale: self.study.search().stale().len(),
        }
    }

    /// The weights in the checkpoint called `name` for the edited study, and what its attic holds.
    fn carry_over(&self, run: &Run, name: &str, edited: &Study) -> Result<CarriedOver, LabError> {
        let (old, new) = (self.study.search().template(), edited.search().template());
        let (trained, attic) = (Stored::read(run, name)?, Stored::attic(run, self.number())?);
        let device = device::open(&self.settings.device)?;
        let mut supernet = Supernet::new(Arc::clone(new.graph()), self.settings.seed, &device);
        let fresh = supernet.to_bytes()?;

        // Nodes that come back, and which of them have all their weights.
        let is_back = |key: NodeKey| old.node(key).is_none() && self.study.left(key).is_some();
        let put_by: HashSet<_> =
            attic.weights().sizes()?.into_iter().map(|(name, _)| name).collect();
        let new_owner = tensor_owners(new.graph());
        let mut lost = BTreeSet::new();
        let fresh_sizes: HashMap<_, _> = tensor_sizes(&fresh)?.into_iter().collect();
        let mut tensors: Vec<_> = fresh_sizes.keys().collect();
        tensors.sort_unstable();
        for tensor in tensors {
            let key = new_owner(tensor).map(|node| new.keys()[node]);
            if let Some(key) = key.filter(|&key| is_back(key))
                && !put_by.contains(&put_by_name(key.index(), tensor))
            {
                lost.insert(key);
            }
        }
        let back: HashMap<_, _> = new
            .keys()
            .iter()
            .filter(|&&key| is_back(key) && !lost.contains(&key))
            .map(|key| (key.index(), *key))
            .collect();
        // Where nothing was trained since, what was put by is what candidates were evaluated with.
        let is_as_left = |key: NodeKey| {
            self.study.left(key).is_some_and(|left| left.step == self.trained_steps())
        };
        let old_owner = tensor_owners(old.graph());
        let stays = carried_tensors(old.graph(), new.graph());
        let from_attic = |tensor: &str, as_left: bool| {
            let (key, tensor) = split(tensor)?;
            let key = *back.get(&key)?;
            // Of what is left of a changed node, its weights and what the optimizer remembers of them go together.
            let has_learned = old_owner(tensor).is_some() && stays(tensor);
            let wanted = if as_left { is_as_left(key) } else { !is_as_left(key) && !has_learned };
            wanted.then(|| tensor.to_owned())
        };
        let all = |tensor: &str| Some(tensor.to_owned());
        let kept = |tensor: &str| stays(tensor).then(|| tensor.to_owned());
        let learned = |tensor: &str| from_attic(tensor, false);
        let as_left = |tensor: &str| from_attic(tensor, true);
        let fresh = Part { bytes: &fresh, path: Path::new("new weights"), is_attic: false };
        let merge = |fresh: Option<Part<'_>>, [before, now]: [Part<'_>; 2]| {
            let mut parts: Vec<(Part<'_>, &dyn Fn(&str) -> Option<String>)> = Vec::new();
            parts.extend(fresh.map(|fresh| (fresh, &all as &dyn Fn(&str) -> Option<String>)));
            parts.extend([(before, &learned as _), (now, &kept as _), (before, &as_left as _)]);
            merged(&parts)
        };
        let present = Checkpoint {
            supernet: merge(Some(fresh), [attic.weights(), trained.weights()])?,
            trainer: merge(None, [attic.state(), trained.state()])?,
        };
        check_state(&present, &fresh_sizes).map_err(|source| {
            let part = if back.is_empty() { trained.state() } else { attic.state() };
            part.damaged(source)
        })?;
        let of_node = if back.is_empty() { trained.weights() } else { attic.weights() };
        supernet.load_bytes(&present.supernet).map_err(|source| of_node.damaged(source))?;

        // What goes joins what is in the attic already and does not come back.
        let there: HashSet<_> = new.keys().iter().map(|key| key.index()).collect();
        let goes = |tensor: &str| {
            let key = old.keys()[old_owner(tensor)?].index();
            (!there.contains(&key)).then(|| put_by_name(key, tensor))
        };
        let mut sizes = BTreeMap::new();
        for (part, is_new) in [
            (attic.weights(), false),
            (attic.state(), false),
            (trained.weights(), true),
            (trained.state(), true),
        ] {
            for (tensor, bytes) in part.sizes()? {
                let tensor = if is_new { goes(&tensor) } else { Some(tensor) };
                let key = tensor.as_deref().and_then(split).map(|(key, _)| key);
                if let Some(key) = key.filter(|key| !there.contains(key)) {
                    *sizes.entry(key).or_insert(0) += bytes;
                }
            }
        }
        let key_of = |key: usize| edited.left_keys().find(|(it, _)| it.index() == key);
        let mut by_age: Vec<_> = sizes
            .iter()
            .filter_map(|(&key, &bytes)| {
                let (key, left) = key_of(key)?;
                Some((left.template, key, bytes))
            })
            .collect();
        by_age.sort_unstable();
        let kept: HashSet<_> = with_room(&by_age, MOST_IN_ATTIC).map(NodeKey::index).collect();
        let no_room = by_age.iter().map(|&(_, key, _)| key);
        let forgotten = no_room.filter(|key| !kept.contains(&key.index())).chain(lost).collect();
        let keeps = |tensor: &str| split(tensor).is_some_and(|(key, _)| kept.contains(&key));
        let was = |tensor: &str| keeps(tensor).then(|| tensor.to_owned());
        let comes = |tensor: &str| goes(tensor).filter(|tensor| keeps(tensor));
        let attic = if kept.is_empty() {
            None
        } else {
            Some(Checkpoint {
                supernet: merged(&[(attic.weights(), &was), (trained.weights(), &comes)])?,
                trainer: merged(&[(attic.state(), &was), (trained.state(), &comes)])?,
            })
        };
        Ok(CarriedOver { present, attic, forgotten })
    }
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

/// Of nodes by age, each with its bytes, those that there is room for: what went first is forgotten first.
fn with_room(by_age: &[(u32, NodeKey, usize)], room: usize) -> impl Iterator<Item = NodeKey> {
    let mut total: usize = by_age.iter().map(|&(_, _, bytes)| bytes).sum();
    let over = by_age
        .iter()
        .take_while(|&&(_, _, bytes)| {
            let is_over = total > room;
            total -= if is_over { bytes } else { 0 };
            is_over
        })
        .count();
    by_age[over..].iter().map(|&(_, key, _)| key)
}

/// The name of a node's tensor in the attic: it begins with the key of the node, as in `12/a3.conv.weight`.
fn put_by_name(key: usize, tensor: &str) -> String {
    format!("{key}/{tensor}")
}

/// The key and the tensor that such a name is for.
fn split(name: &str) -> Option<(usize, &str)> {
    let (key, tensor) = name.split_once('/')?;
    Some((key.parse().ok()?, tensor))
}

/// A checkpoint of a run, and where it is.
struct Stored {
    checkpoint: Checkpoint,
    files: [PathBuf; 2],
    is_attic: bool,
}

impl Stored {
    fn read(run: &Run, name: &str) -> Result<Self, LabError> {
        let files = run.checkpoint_files(name);
        Ok(Self { checkpoint: run.checkpoint(name)?, files, is_attic: false })
    }

    /// The attic of the template with this number, which may be empty.
    fn attic(run: &Run, number: u32) -> Result<Self, LabError> {
        let name = attic_of_edit(number);
        let files = run.checkpoint_files(&name);
        let checkpoint = if files.iter().all(|file| file.exists()) {
            run.checkpoint(&name)?
        } else {
            let nothing = TensorWriter::default().finish()?;
            Checkpoint { supernet: nothing.clone(), trainer: nothing }
        };
        Ok(Self { checkpoint, files, is_attic: true })
    }

    fn weights(&self) -> Part<'_> {
        let is_attic = self.is_attic;
        Part { bytes: &self.checkpoint.supernet, path: &self.files[0], is_attic }
    }

    fn state(&self) -> Part<'_> {
        let is_attic = self.is_attic;
        Part { bytes: &self.checkpoint.trainer, path: &self.files[1], is_attic }
    }
}

/// One file of a checkpoint.
#[derive(Clone, Copy)]
struct Part<'a> {
    bytes: &'a [u8],
    path: &'a Path,
    is_attic: bool,
}

impl Part<'_> {
    fn damaged(&self, source: WeightsError) -> LabError {
        let path = self.path.to_owned();
        if self.is_attic {
            LabError::Attic { path, source }
        } else {
            LabError::Checkpoint { path, source }
        }
    }

    /// Its tensors with their bytes.
    fn sizes(&self) -> Result<Vec<(String, usize)>, LabError> {
        tensor_sizes(self.bytes).map_err(|source| self.damaged(source))
    }
}

/// The tensors of several files under the names that each is given, if any; later ones instead of earlier ones.
fn merged(parts: &[(Part<'_>, &dyn Fn(&str) -> Option<String>)]) -> Result<Vec<u8>, LabError> {
    let mut merged = Overlay::default();
    for (part, name) in parts {
        merged.add(part.bytes, name).map_err(|source| part.damaged(source))?;
    }
    Ok(merged.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::template::{NodeKeys, presets};

    #[test]
    fn what_went_first_is_forgotten_first() {
        let [small, ..] = presets();
        let graph = Arc::new(small.graph().expect("presets are right"));
        let keys = NodeKeys::default().admit(graph).keys().to_vec();
        let by_age = [(2, keys[7], 4), (3, keys[1], 5), (3, keys[9], 6), (5, keys[2], 2)];
        for (room, kept) in [(17, 0), (16, 1), (13, 1), (8, 2), (2, 3), (1, 4), (0, 4)] {
            let all: Vec<_> = with_room(&by_age, room).collect();
            let wanted: Vec<_> = by_age[kept..].iter().map(|&(_, key, _)| key).collect();
            assert_eq!(all, wanted, "{room}");
        }
    }
}
