//! Evaluating candidates together: what they have in common is computed once.
//!
//! What a node computes depends on the kept part of the template above it and on nothing else, the statistics
//! of its batch normalisations included. So the candidates are laid over one another to a graph of *steps*: a
//! node with what feeds it. A step's result is kept while another step will read it; results are the same bits
//! as those of a candidate on its own, since they are computed in the same way.

use super::{
    Supernet,
    evaluate::{EvaluationError, Evaluator, go_on, pool},
    tally::Tally,
};
use crate::engine::{
    compute::{Activation, Norms, Pass, Statistics},
    mask::Mask,
    search::Evaluation,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::AtomicBool,
};

/// The most bytes of results that are kept from one candidate to the next. What does not fit is computed once more
/// for each candidate that has it.
pub(super) const MOST_KEPT: usize = 256 << 20;

/// A node with what feeds it.
#[derive(Debug, PartialEq, Eq, Hash, Clone)]
struct Step {
    node: usize,
    /// Places in the list of steps, by slot: where slots count, what is left out is a gap.
    sources: Vec<Option<usize>>,
}

/// The steps of several candidates.
struct Steps {
    steps: Vec<Step>,
    /// The steps of each candidate, each after what feeds it; the last gives the class scores.
    of_candidates: Vec<Vec<usize>>,
}

impl Steps {
    fn new(supernet: &Supernet, masks: &[Mask]) -> Self {
        let graph = &*supernet.graph;
        let mut steps = Vec::new();
        let mut known = HashMap::new();
        let of_candidates = masks.iter().map(|mask| {
            let mut of_node = vec![None; graph.len()];
            let mut own = Vec::new();
            for &node in graph.order().iter().filter(|&&node| mask.contains(node)) {
                let sources = graph.sources(node).iter().map(|&source| of_node[source]);
                let step = Step { node, sources: graph.merge(node).slots(sources) };
                let place = match step.sources.as_slice() {
                    // A node that does nothing is what feeds it.
                    &[Some(source)] if supernet.plan.nodes[node].layers.is_empty() => source,
                    _ => *known.entry(step.clone()).or_insert_with(|| {
                        steps.push(step);
                        steps.len() - 1
                    }),
                };
                of_node[node] = Some(place);
                own.retain(|&other| other != place);
                own.push(place);
            }
            own
        });
        let of_candidates = of_candidates.collect();
        Self { steps, of_candidates }
    }
}

/// Images on which a step is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Images {
    /// The recalibration batch with this number, normalised by its own statistics.
    Recalibration(usize),
    /// The validation batch with this number.
    Validation(usize),
}

/// What evaluates: always the same as long as candidates share.
#[derive(Clone, Copy)]
pub struct On<'a> {
    /// The images.
    pub evaluator: &'a Evaluator,
    /// The weights.
    pub supernet: &'a Supernet,
}

/// Several candidates that are evaluated one after the other, with the results that they share.
pub struct Sharing {
    steps: Steps,
    /// The nodes of each candidate, from the input to the output.
    kept_nodes: Vec<Vec<usize>>,
    /// How often the result of each step is read by others: on any images, and by what leads to a batch
    /// normalisation, for which alone recalibration batches are run.
    readers: Vec<[usize; 2]>,
    /// Whether a step has batch normalisations.
    normalises: Vec<bool>,
    /// What the batch normalisations of each step saw of each recalibration batch.
    seen: Vec<Vec<Option<Vec<(usize, Statistics)>>>>,
    kept: HashMap<(usize, Images), Kept>,
    kept_bytes: usize,
    most_kept: usize,
    /// How many results were computed.
    #[cfg(test)]
    pub(super) computed: usize,
}

/// A result that other candidates will read.
struct Kept {
    activation: Activation,
    reads_left: usize,
}

impl Sharing {
    pub(super) fn new(On { evaluator, supernet }: On<'_>, masks: &[Mask]) -> Self {
        let steps = Steps::new(supernet, masks);
        let count = steps.steps.len();
        let normalises: Vec<_> = steps
            .steps
            .iter()
            .map(|step| {
                supernet.plan.nodes[step.node].layers.iter().any(super::layers::Layer::normalises)
            })
            .collect();
        // A step stands behind what feeds it.
        let mut leads_to_norm = normalises.clone();
        let mut readers = vec![[0; 2]; count];
        for (place, step) in steps.steps.iter().enumerate().rev() {
            for &source in step.sources.iter().flatten() {
                leads_to_norm[source] |= leads_to_norm[place];
                readers[source][0] += 1;
                readers[source][1] += usize::from(leads_to_norm[place]);
            }
        }
        let batches = evaluator.recalibration.len();
        let from_input = |mask: &Mask| {
            let order = supernet.graph.order().iter().copied();
            order.filter(|&node| mask.contains(node)).collect()
        };
        Self {
            kept_nodes: masks.iter().map(from_input).collect(),
            readers,
            normalises,
            seen: vec![vec![None; batches]; count],
            kept: HashMap::new(),
            kept_bytes: 0,
            most_kept: evaluator.most_kept,
            #[cfg(test)]
            computed: 0,
            steps,
        }
    }

    /// The candidates in an order in which those that share most stand together, so that little has to be
    /// kept at a time. The order of two candidates does not depend on the others.
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.kept_nodes.len()).collect();
        order.sort_by_key(|&candidate| &self.kept_nodes[candidate]);
        order
    }

    /// Accuracy and loss of the candidate with this number.
    ///
    /// # Errors
    /// [`EvaluationError::Stopped`] soon after `stop` becomes true (it is looked at between batches), or when the
    /// device fails.
    pub fn evaluate(
        &mut self,
        on: On<'_>,
        candidate: usize,
        stop: &AtomicBool,
    ) -> Result<Evaluation, EvaluationError> {
        let mut tally = Tally::new(on.evaluator.loss);
        self.tally(on, candidate, 0..on.evaluator.validation.len(), &mut tally, stop)?;
        Ok(tally.finish())
    }

    /// Adds what the candidate makes of some of the validation batches.
    pub(super) fn tally(
        &mut self,
        on: On<'_>,
        candidate: usize,
        batches: impl Iterator<Item = usize>,
        tally: &mut Tally,
        stop: &AtomicBool,
    ) -> Result<(), EvaluationError> {
        let statistics = self.recalibrate(on, candidate, stop)?;
        let Some(&output) = self.steps.of_candidates[candidate].last() else { return Ok(()) };
        for number in batches {
            go_on(stop)?;
            let scores = self.pass(on, &[output], Images::Validation(number), Some(&statistics));
            if let Some(scores) = scores {
                tally.add(scores.flat(), on.evaluator.validation[number].targets())?;
            }
        }
        Ok(())
    }

    /// Says that no other candidate will be given the validation batches that were computed so far.
    pub(super) fn forget_validation(&mut self) {
        self.kept.retain(|(_, images), _| matches!(images, Images::Recalibration(_)));
        self.kept_bytes = self.kept.values().map(|kept| kept.activation.bytes()).sum();
    }

    /// The statistics that the batch normalisations of the candidate have on training images: the mean of
    /// the batches' means, and the variance around it. Batch normalisations that the candidate does not
    /// have keep their running statistics.
    pub(super) fn recalibrate(
        &mut self,
        on: On<'_>,
        candidate: usize,
        stop: &AtomicBool,
    ) -> Result<Vec<Statistics>, EvaluationError> {
        let mut statistics = on.supernet.running.clone();
        let own = self.steps.of_candidates[candidate].clone();
        for number in 0..on.evaluator.recalibration.len() {
            go_on(stop)?;
            let unseen =
                |&&step: &&usize| self.normalises[step] && self.seen[step][number].is_none();
            let unseen: Vec<_> = own.iter().filter(unseen).copied().collect();
            self.pass(on, &unseen, Images::Recalibration(number), None);
        }
        for step in own {
            let batches: Vec<_> = self.seen[step].iter().flatten().collect();
            let Some(first) = batches.first() else { continue };
            for (place, &(norm, _)) in first.iter().enumerate() {
                let of_norm: Vec<_> = batches.iter().map(|batch| batch[place].1.clone()).collect();
                if let Some(pooled) = pool(&of_norm) {
                    statistics[norm] = pooled;
                }
            }
        }
        Ok(statistics)
    }

    /// Computes the steps `wanted` and what leads to them, with given statistics or with the batch's own, which are
    /// noted down. Gives the result of the last one, if there is one.
    ///
    /// Each step is computed once at most, and its result is dropped with its last reader, as in a candidate on its
    /// own. Results that other candidates will read are kept too, as far as there is room.
    fn pass(
        &mut self,
        on: On<'_>,
        wanted: &[usize],
        images: Images,
        statistics: Option<&[Statistics]>,
    ) -> Option<Activation> {
        // How often each step of the pass is read in it. Ascending: each stands behind what feeds it.
        let mut reads: BTreeMap<usize, usize> = BTreeMap::new();
        let mut open: Vec<_> = wanted.to_vec();
        while let Some(step) = open.pop() {
            if reads.contains_key(&step) {
                continue;
            }
            reads.insert(step, 0);
            if !self.kept.contains_key(&(step, images)) {
                open.extend(self.steps.steps[step].sources.iter().flatten());
            }
        }
        let computed: Vec<_> = reads
            .keys()
            .copied()
            .filter(|&step| !self.kept.contains_key(&(step, images)))
            .collect();
        for step in computed {
            for source in self.steps.steps[step].sources.iter().flatten() {
                if let Some(reads) = reads.get_mut(source) {
                    *reads += 1;
                }
            }
        }

        let last = wanted.last().copied();
        let mut result = None;
        let mut made: HashMap<usize, (Activation, usize)> = HashMap::new();
        for (step, reads) in reads {
            let activation = match self.take_kept(step, images, reads) {
                Some(kept) => kept,
                None => {
                    let sources = self.steps.steps[step].sources.clone();
                    let incoming = sources.iter().map(|source| read(&mut made, (*source)?));
                    let activation = self.compute(on, step, incoming.collect(), images, statistics);
                    self.keep(step, images, &activation, reads);
                    activation
                }
            };
            if last == Some(step) {
                result = Some(activation.clone());
            }
            if reads > 0 {
                made.insert(step, (activation, reads));
            }
        }
        result
    }

    /// What a step makes of what comes in.
    fn compute(
        &mut self,
        on: On<'_>,
        step: usize,
        incoming: Vec<Option<Activation>>,
        images: Images,
        statistics: Option<&[Statistics]>,
    ) -> Activation {
        let supernet = on.supernet;
        let mut seen = Vec::new();
        let norms = match statistics {
            Some(statistics) => Norms::Fixed(statistics),
            None => {
                seen = vec![None; supernet.plan.norms.len()];
                Norms::Batch(&mut seen)
            }
        };
        let mut pass = Pass { image: supernet.ops, norms, dropout: None };
        let batch = || match images {
            Images::Recalibration(number) => on.evaluator.recalibration[number].images(),
            Images::Validation(number) => on.evaluator.validation[number].images(),
        };
        #[cfg(test)]
        {
            self.computed += 1;
        }
        let node = self.steps.steps[step].node;
        let activation = supernet.node(node, incoming, batch, &supernet.values, &mut pass);
        if let Images::Recalibration(number) = images {
            let seen = seen.into_iter().enumerate();
            let seen = seen.filter_map(|(norm, seen)| Some((norm, seen?)));
            self.seen[step][number] = Some(seen.collect());
        }
        activation
    }

    /// A kept result, which is read so often in this pass.
    fn take_kept(&mut self, step: usize, images: Images, reads: usize) -> Option<Activation> {
        let kept = self.kept.get_mut(&(step, images))?;
        kept.reads_left = kept.reads_left.saturating_sub(reads);
        let activation = kept.activation.clone();
        if kept.reads_left == 0 {
            self.kept_bytes -= activation.bytes();
            self.kept.remove(&(step, images));
        }
        Some(activation)
    }

    /// Keeps a result that is read `reads` times in this pass, if others will read it and there is room.
    fn keep(&mut self, step: usize, images: Images, activation: &Activation, reads: usize) {
        let [any, for_norms] = self.readers[step];
        let readers = if matches!(images, Images::Recalibration(_)) { for_norms } else { any };
        let (bytes, reads_left) = (activation.bytes(), readers.saturating_sub(reads));
        if reads_left > 0 && self.kept_bytes + bytes <= self.most_kept {
            self.kept_bytes += bytes;
            self.kept.insert((step, images), Kept { activation: activation.clone(), reads_left });
        }
    }

    /// The same, with room for nothing.
    #[cfg(test)]
    pub(super) fn without_room(self) -> Self {
        Self { most_kept: 0, ..self }
    }

    /// Whether nothing is kept for later readers.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.kept_bytes == 0
    }
}

/// Reads a result, which goes with its last reader.
fn read(made: &mut HashMap<usize, (Activation, usize)>, step: usize) -> Option<Activation> {
    let (activation, reads) = made.get_mut(&step)?;
    *reads -= 1;
    if *reads > 0 {
        return Some(activation.clone());
    }
    made.remove(&step).map(|(activation, _)| activation)
}
