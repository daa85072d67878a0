//! Editing the template of a run: what is known of the nodes that stay is kept.

use super::{Bench, Lab, LabError};
use crate::engine::{
    device,
    run::Checkpoint,
    search::{Candidate, NodeFitness, Steering, SteeringError},
    supernet::{Supernet, carried_tensors, overlay},
    template::{Checked, EndEdit, Ends, Graph, NodeId, TemplateDiff, fit, same},
};
use std::{fmt, path::PathBuf, sync::Arc};

/// What an edit has done to a lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// What has become of the nodes.
    pub nodes: TemplateDiff,
    /// Candidates that still are ones, evaluated or not.
    pub valid: usize,
    /// Candidates that the edit took out of the search.
    pub retired: usize,
    /// Evaluated candidates that have to be evaluated again, since links between their nodes have changed or
    /// weights had changed before.
    pub stale: usize,
}

impl fmt::Display for Edited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TemplateDiff { kept, added, changed, dropped, .. } = &self.nodes;
        write!(f, "template edited: {} nodes kept", kept.len())?;
        for (what, ids) in [("new", added), ("changed", changed), ("gone", dropped)] {
            if !ids.is_empty() {
                let ids: Vec<_> = ids.iter().map(NodeId::as_str).collect();
                write!(f, ", {what}: {}", ids.join(" "))?;
            }
        }
        write!(f, "; {} candidates stay, {} retire", self.valid, self.retired)?;
        if !(added.is_empty() && changed.is_empty()) {
            write!(f, "; train on before the search, so that new nodes learn")?;
        }
        Ok(())
    }
}

impl Lab {
    /// Goes on with another template; `None` if it is the same network, of which only the looks are taken over and stored.
    ///
    /// Every node that [stays](TemplateDiff), and every operation of a changed one that is there as it was, keeps its weights,
    /// running statistics and optimizer state, bit for bit; new ones start as the seed says. Candidates that still are ones keep id, place and evaluation; the others
    /// retire, and go on to inform the fitness of the nodes that are left until the weights change. Fitness stays
    /// as it was until something is evaluated. The edit is recorded in the run before anything else happens. A
    /// lab without a run begins anew.
    ///
    /// # Errors
    /// When the template takes other images than the run has, no candidate of it can be what the search is steered
    /// to, or something cannot be read or written; nothing has changed then.
    pub fn edit(&mut self, template: Checked) -> Result<Option<Edited>, LabError> {
        let graph = Arc::clone(template.graph());
        if same(graph.network(), self.template.graph().network()) {
            self.lay_out(template)?;
            return Ok(None);
        }
        if self.run.is_none() {
            let nodes = TemplateDiff::between(self.template.graph(), &graph);
            let steering = self.search.steering().carry(&graph);
            let mut new =
                Self::new(template, self.settings.clone(), self.runs.clone(), self.name.clone());
            // Candidates are others.
            new.steer(Steering { region: Vec::new(), union: Vec::new(), ..steering })?;
            *self = new;
            let valid = self.search.candidates().len();
            return Ok(Some(Edited { nodes, valid, retired: 0, stale: 0 }));
        }
        let ends = |graph: &Graph| (graph.image_shape(), graph.classes());
        if ends(&graph) != ends(self.template.graph()) {
            return Err(LabError::OtherEnds {
                wanted: ends(self.template.graph()),
                found: ends(&graph),
            });
        }
        // Before anything is written.
        self.search
            .clone()
            .edit(Arc::clone(&graph), &TemplateDiff::between(self.template.graph(), &graph))?;
        self.make_writable()?;
        let (number, step) = (self.number + 1, self.trained_steps());
        let carried = match self.checkpoint.clone() {
            Some(name) => Some((edit_checkpoint(number), self.carry_over(&name, &graph)?)),
            None => None,
        };
        if let Some(run) = &mut self.run {
            let checkpoint = carried.as_ref().map(|(name, checkpoint)| (name.as_str(), checkpoint));
            run.save_edit(number, template.template(), step, checkpoint)?;
        }
        let (nodes, retired) = self.take_over(template, number, step)?;
        if let Some(Bench { data, fingerprint, .. }) = self.bench.take() {
            // Where that fails the next job sets up again, and says why.
            self.bench = self.make_bench(data, fingerprint, self.epochs.len()).ok();
        }
        Ok(Some(Edited { nodes, retired, ..self.unedited() }))
    }

    /// An edited template with the ends of this lab's, where it can have them, and what that took: the data of a run
    /// stays what it is, so there is only one way to go on.
    pub fn fit(&self, template: Checked) -> (Checked, Vec<EndEdit>) {
        match fit(template.graph(), Ends::of(self.template.graph())) {
            Ok((graph, edits)) => (template.with_graph(Arc::new(graph)), edits),
            Err(_) => (template, Vec::new()),
        }
    }

    /// Takes over how the same network looks, and stores it with the run.
    fn lay_out(&mut self, template: Checked) -> Result<(), LabError> {
        if template.template() == self.template.template() {
            return Ok(());
        }
        self.make_writable()?;
        if let Some(run) = &mut self.run {
            run.save_looks(self.number, template.template())?;
        }
        self.template = template;
        Ok(())
    }

    /// What an edit that changes nothing does.
    pub fn unedited(&self) -> Edited {
        Edited {
            nodes: TemplateDiff::between(self.template.graph(), self.template.graph()),
            valid: self.search.candidates().iter().filter(|c| !c.is_retired()).count(),
            retired: 0,
            stale: self.search.stale().len(),
        }
    }

    /// Makes `template` the lab's and adapts all that is known, as a recorded edit says; what has become of
    /// the nodes, and how many candidates have retired.
    pub(super) fn take_over(
        &mut self,
        template: Checked,
        number: u32,
        step: u64,
    ) -> Result<(TemplateDiff, usize), SteeringError> {
        /// What is known of a new node.
        const NOTHING: NodeFitness =
            NodeFitness { fitness: 0.5, uncertainty: 1.0, frequency: 0.0, count: 0 };
        let graph = Arc::clone(template.graph());
        let edit = TemplateDiff::between(self.template.graph(), &graph);
        let fitness = edit.carry_values(&self.fitness(), &NOTHING);
        // A network with other links is another one.
        let candidates = self.search.candidates();
        let same: Vec<_> = self
            .retrained
            .iter()
            .filter(|retrained| {
                candidates.get(retrained.id.index()).is_some_and(|Candidate { mask, .. }| {
                    edit.keeps_links(self.template.graph(), mask, &graph, &edit.carry(mask))
                })
            })
            .copied()
            .collect();
        let retired = self.search.edit(Arc::clone(&graph), &edit)?;
        self.retrained = same;
        self.carried_fitness = Some(fitness);
        self.embedding = self.embedding.edit(&edit, &graph);
        // A lab that was opened briefly has none.
        for iteration in
            self.iterations.iter_mut().filter(|iteration| !iteration.fitness.is_empty())
        {
            iteration.fitness = edit.carry_values(&iteration.fitness, &NOTHING);
        }
        self.checkpoint = (step > 0).then(|| edit_checkpoint(number));
        self.number = number;
        self.template = template;
        Ok((edit, retired))
    }

    /// The checkpoint called `name` for the template `graph`.
    fn carry_over(&self, name: &str, graph: &Arc<Graph>) -> Result<Checkpoint, LabError> {
        let Some(run) = &self.run else { return Err(LabError::NotTrained) };
        let old = run.checkpoint(name)?;
        let stays = carried_tensors(self.template.graph(), graph);
        let damaged = |path: PathBuf| move |source| LabError::Checkpoint { path, source };
        let [weights, state] = run.checkpoint_files(name);
        let device = device::open(&self.settings.device)?;
        let mut supernet = Supernet::new(Arc::clone(graph), self.settings.seed, &device);
        let fresh = supernet.to_bytes()?;
        let bytes =
            overlay(Some(&fresh), &old.supernet, &stays).map_err(damaged(weights.clone()))?;
        supernet.load_bytes(&bytes).map_err(damaged(weights))?;
        let trainer = overlay(None, &old.trainer, &stays).map_err(damaged(state))?;
        Ok(Checkpoint { supernet: bytes, trainer })
    }
}

fn edit_checkpoint(number: u32) -> String {
    format!("edit-{number}")
}
