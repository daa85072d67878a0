//! What a person wants of the candidates that the search proposes.

use super::{archive::Candidate, latency::LatencyModel};
use crate::engine::{
    candidate::{CandidateId, Choice, Space},
    embedding::Embedding,
    mask::Mask,
    named::{Named, named},
    ops::Cost,
    template::{Graph, NodeId},
};
use rand::{Rng, seq::IndexedRandom, seq::SliceRandom};
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// What a candidate costs, one of several measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Trained parameters.
    Parameters,
    /// Floating-point operations for an image.
    Flops,
    /// Measured time for an image, in seconds.
    Latency,
}

named!(Measure, "measure", {
    Parameters => "parameters", "trained parameters";
    Flops => "flops", "floating-point operations for an image";
    Latency => "latency", "measured time for an image, on the device that evaluates";
});

impl Measure {
    /// What a candidate costs; `None` for a latency that was not measured.
    pub fn of(self, candidate: &Candidate) -> Option<f64> {
        self.of_cost(candidate.cost).or(candidate.latency)
    }

    /// What is known from the template; `None` for a latency.
    fn of_cost(self, cost: Cost) -> Option<f64> {
        match self {
            Self::Parameters => Some(cost.params as f64),
            Self::Flops => Some(cost.flops as f64),
            Self::Latency => None,
        }
    }

    /// An amount with its unit.
    fn text(self, amount: f64) -> String {
        match self {
            Self::Parameters | Self::Flops => format!("{amount:.0} {self}"),
            Self::Latency => format!("{:.3} ms", amount * 1e3),
        }
    }
}

/// What new candidates have to be like. Nothing is asked for by default.
///
/// It is about what the search proposes from now on: candidates that are there already stay, and go on to inform
/// the fitness of nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Steering {
    /// Nodes that every new candidate keeps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<NodeId>,
    /// Nodes that no new candidate keeps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forbidden: Vec<NodeId>,
    /// If not empty: new candidates keep only what at least one of these keeps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub union: Vec<CandidateId>,
    /// If not empty: new candidates keep what all of these keep, only what at least one of them keeps, and are no
    /// farther from their centre, in the cloud, than the farthest of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub region: Vec<CandidateId>,
    /// The most parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_parameters: Option<u64>,
    /// The most floating-point operations for an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_flops: Option<u64>,
    /// The longest time for an image, in seconds, as far as measured ones can predict it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_latency: Option<f64>,
    /// The measure that should be low while accuracy should be high: the search then looks for the best
    /// candidates of any cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pareto: Option<Measure>,
}

impl Steering {
    /// Whether nothing is asked for.
    pub fn is_free(&self) -> bool {
        *self == Self::default()
    }

    /// Whether every candidate of the template is admitted.
    pub fn admits_all(&self) -> bool {
        *self == Self { pareto: self.pareto, ..Self::default() }
    }

    /// Whether candidates have to be timed.
    pub fn needs_latency(&self) -> bool {
        self.max_latency.is_some() || self.pareto == Some(Measure::Latency)
    }

    /// Whether it is about what candidates cost.
    pub fn is_about_costs(&self) -> bool {
        self.pareto.is_some() || self.limits().next().is_some()
    }

    /// Whether a candidate's costs are within the limits; a latency that was not measured is.
    pub fn affords(&self, candidate: &Candidate) -> bool {
        self.limits()
            .all(|(measure, most)| measure.of(candidate).is_none_or(|amount| amount <= most))
    }

    fn limits(&self) -> impl Iterator<Item = (Measure, f64)> {
        [
            (Measure::Parameters, self.max_parameters.map(|most| most as f64)),
            (Measure::Flops, self.max_flops.map(|most| most as f64)),
            (Measure::Latency, self.max_latency),
        ]
        .into_iter()
        .filter_map(|(measure, most)| Some((measure, most?)))
    }

    /// The same after an edit of the template: nodes that are gone are neither pinned nor forbidden.
    pub fn carry(&self, graph: &Graph) -> Self {
        let left = |ids: &[NodeId]| {
            ids.iter().filter(|id| graph.index_of(id).is_some()).cloned().collect::<Vec<_>>()
        };
        Self { pinned: left(&self.pinned), forbidden: left(&self.forbidden), ..self.clone() }
    }

    /// The pinned and forbidden nodes that a template lacks.
    pub fn resting(&self, graph: &Graph) -> Vec<NodeId> {
        let all = self.pinned.iter().chain(&self.forbidden);
        all.filter(|id| graph.index_of(id).is_none()).cloned().collect()
    }

    /// The same without what is asked of these nodes.
    pub(super) fn without(&self, nodes: &[NodeId]) -> Self {
        let others = |ids: &[NodeId]| {
            ids.iter().filter(|id| !nodes.contains(id)).cloned().collect::<Vec<_>>()
        };
        Self { pinned: others(&self.pinned), forbidden: others(&self.forbidden), ..self.clone() }
    }
}

impl fmt::Display for Steering {
    /// What is asked for, separated by semicolons.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |ids: Vec<String>| ids.join(" ");
        let nodes = |ids: &[NodeId]| join(ids.iter().map(ToString::to_string).collect());
        let candidates = |ids: &[CandidateId]| join(ids.iter().map(ToString::to_string).collect());
        let mut parts = Vec::new();
        for (what, which) in [
            ("pinned", nodes(&self.pinned)),
            ("forbidden", nodes(&self.forbidden)),
            ("union of", candidates(&self.union)),
            ("region of", candidates(&self.region)),
        ] {
            if !which.is_empty() {
                parts.push(format!("{what} {which}"));
            }
        }
        parts
            .extend(self.limits().map(|(measure, most)| format!("at most {}", measure.text(most))));
        parts.extend(self.pareto.map(|measure| format!("high accuracy at low {measure}")));
        f.write_str(&parts.join("; "))
    }
}

/// Why a search cannot be steered as it was asked to.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SteeringError {
    /// There is no such node.
    #[error("the template has no node `{0}` to pin or forbid; `runs show` lists its nodes")]
    UnknownNode(NodeId),
    /// There is no such candidate.
    #[error(
        "there is no candidate {0} to restrict the search by; give one that the run knows, or best:N"
    )]
    UnknownCandidate(CandidateId),
    /// A node must be kept and left out.
    #[error("`{0}` must be kept and left out at once; lift one of the two")]
    Contradiction(NodeId),
    /// The steering forbids the input or the output.
    #[error(
        "`{0}` is the template's input or output, which every candidate keeps; do not forbid it"
    )]
    Indispensable(NodeId),
    /// A pinned node is not in the union or region.
    #[error(
        "`{0}` is pinned, but no candidate of the union or region keeps it; unpin it, or choose others"
    )]
    Outside(NodeId),
    /// Whatever comes from the region keeps a node that is not in the union.
    #[error(
        "all candidates of the region keep `{0}`, and none of the union does; choose others, or lift one of the two"
    )]
    Apart(NodeId),
    /// Nothing is left that leads from the input to the output.
    #[error(
        "without the forbidden nodes nothing leads from the input to the output; allow some of them"
    )]
    Cut,
    /// Nothing that the union or region keeps leads from the input to the output.
    #[error(
        "no candidate of this template keeps only what the union or region keeps; choose others, or lift it with \
         --free"
    )]
    NothingShared,
    /// A pinned node cannot be reached.
    #[error(
        "`{0}` is pinned, but without the nodes that are forbidden, or not in the union or region, it is on no path \
         from the input to the output; unpin it, or allow some of them"
    )]
    CutOff(NodeId),
    /// The pinned nodes do not fit together.
    #[error("no candidate keeps all pinned nodes: {0}; unpin some")]
    NoRoom(String),
    /// The limits are too narrow.
    #[error(
        "no candidate that the other wishes allow has at most {most}: the leanest has {least}; raise the limit, or \
         lift other wishes", most = .measure.text(*.most), least = .measure.text(*.least)
    )]
    TooNarrow {
        /// What is limited.
        measure: Measure,
        /// The limit.
        most: f64,
        /// The least that was found.
        least: f64,
    },
    /// A limit that is no number above 0.
    #[error("a limit of {0} allows nothing; give a number above 0")]
    NoLimit(f64),
}

/// Wishes, worked out for a template and an archive of candidates.
#[derive(Clone, Debug)]
pub(super) struct Guide {
    /// What the template can be asked for of what is `asked`.
    pub(super) steering: Steering,
    /// Also of nodes that the template lacks at present.
    pub(super) asked: Steering,
    pinned: Mask,
    allowed: Mask,
    region: Option<Region>,
}

impl Guide {
    /// Nothing is asked for.
    pub(super) fn free(graph: &Graph) -> Self {
        Self {
            steering: Steering::default(),
            asked: Steering::default(),
            pinned: Mask::empty(graph.len()),
            allowed: Mask::full(graph.len()),
            region: None,
        }
    }

    /// Works `steering` out. `cloud` is where candidates are placed.
    pub(super) fn new(
        graph: &Graph,
        steering: Steering,
        candidates: &[Candidate],
        cloud: &Embedding,
    ) -> Result<Self, SteeringError> {
        let node =
            |id: &NodeId| graph.index_of(id).ok_or_else(|| SteeringError::UnknownNode(id.clone()));
        let nodes = |ids: &[NodeId]| -> Result<Mask, SteeringError> {
            let nodes: Vec<_> = ids.iter().map(node).collect::<Result<_, _>>()?;
            Ok(Mask::from_nodes(graph.len(), nodes))
        };
        let masks = |ids: &[CandidateId]| -> Result<Vec<Mask>, SteeringError> {
            let mask = |&id: &CandidateId| {
                let candidate = candidates.get(id.index());
                Ok(candidate.ok_or(SteeringError::UnknownCandidate(id))?.mask.clone())
            };
            ids.iter().map(mask).collect()
        };
        let unite = |masks: &[Mask]| masks.iter().cloned().reduce(|a, b| a.union(&b));
        let id = |node: usize| graph.id(node).clone();

        let (mut pinned, forbidden) = (nodes(&steering.pinned)?, nodes(&steering.forbidden)?);
        let ends = Mask::from_nodes(graph.len(), [graph.input(), graph.output()]);
        if let Some(end) = forbidden.intersection(&ends).iter().next() {
            return Err(SteeringError::Indispensable(id(end)));
        }
        let mut allowed = Mask::full(graph.len()).difference(&forbidden);
        let region = masks(&steering.region)?;
        for union in [unite(&masks(&steering.union)?), unite(&region)].into_iter().flatten() {
            if let Some(node) = pinned.difference(&forbidden).difference(&union).iter().next() {
                return Err(SteeringError::Outside(id(node)));
            }
            allowed = allowed.intersection(&union);
        }
        if let Some(shared) = region.iter().cloned().reduce(|a, b| a.intersection(&b)) {
            pinned = pinned.union(&shared);
        }
        if let Some(node) = pinned.intersection(&forbidden).iter().next() {
            return Err(SteeringError::Contradiction(id(node)));
        }
        if let Some(node) = pinned.difference(&allowed).difference(&ends).iter().next() {
            return Err(SteeringError::Apart(id(node)));
        }

        let space = Space::new(graph, &pinned, &allowed);
        if space.allowed().is_empty() {
            let chosen = !(steering.union.is_empty() && steering.region.is_empty());
            return Err(if chosen { SteeringError::NothingShared } else { SteeringError::Cut });
        }
        if let Some(node) = pinned.difference(space.allowed()).iter().next() {
            return Err(SteeringError::CutOff(id(node)));
        }
        if let Some(what) = space.problem(&space.repair(&pinned, &|_| 0.0)) {
            return Err(SteeringError::NoRoom(what));
        }
        for (measure, most) in steering.limits() {
            if !(most.is_finite() && most > 0.0) {
                return Err(SteeringError::NoLimit(most));
            }
            // A latency is not known before it is measured.
            let weight = |node: usize| measure.of_cost(graph.cost(node)).unwrap_or(0.0);
            // Where none is found in time, the search is to find out.
            let Some(lightest) = space.lightest(&weight) else { continue };
            let least = lightest.iter().map(weight).sum();
            if least > most {
                return Err(SteeringError::TooNarrow { measure, most, least });
            }
        }
        let region = (!region.is_empty()).then(|| Region::new(region, cloud.clone()));
        Ok(Self { asked: steering.clone(), steering, pinned, allowed, region })
    }

    /// The same wishes, and others about nodes that the template lacks.
    pub(super) fn asking(self, asked: Steering) -> Self {
        Self { asked, ..self }
    }

    /// The same wishes in an edited template, in which the candidates are `candidates` and placed by `cloud`. Those about
    /// nodes that it lacks hold again when these come back, unless they are lifted `for_good`.
    pub(super) fn edited(
        &self,
        graph: &Graph,
        candidates: &[Candidate],
        cloud: &Embedding,
        for_good: bool,
    ) -> Result<Self, SteeringError> {
        let guide = Self::new(graph, self.asked.carry(graph), candidates, cloud)?;
        Ok(if for_good { guide } else { Self { asked: self.asked.clone(), ..guide } })
    }

    /// The candidates that the wishes about nodes leave.
    pub(super) fn space<'g>(&self, graph: &'g Graph) -> Space<'g> {
        if self.steering.admits_all() {
            Space::whole(graph)
        } else {
            Space::new(graph, &self.pinned, &self.allowed)
        }
    }
}

/// The wishes with all that it takes to meet them.
pub(super) struct Guided<'a> {
    guide: &'a Guide,
    pub(super) space: Space<'a>,
    pub(super) choices: Vec<Choice>,
    latency: LatencyModel,
}

impl<'a> Guided<'a> {
    pub(super) fn new(guide: &'a Guide, graph: &'a Graph, latency: LatencyModel) -> Self {
        let space = guide.space(graph);
        Self { guide, choices: space.choices(), space, latency }
    }

    /// What a candidate of this mask costs, as far as is known; for a latency, an estimate.
    pub(super) fn cost(&self, measure: Measure, mask: &Mask) -> Option<f64> {
        let known = measure.of_cost(self.space.graph().total_cost(mask.iter()));
        known.or_else(|| self.latency.predict(mask))
    }

    /// The measure that should be low while accuracy should be high.
    pub(super) fn pareto(&self) -> Option<Measure> {
        self.guide.steering.pareto
    }

    /// Whether all candidates of the template are admitted.
    pub(super) fn admits_all(&self) -> bool {
        self.guide.steering.admits_all()
    }

    /// Whether a candidate is one of those that are wanted.
    pub(super) fn admits(&self, mask: &Mask) -> bool {
        self.space.problem(mask).is_none()
            && self.guide.region.as_ref().is_none_or(|region| region.contains(mask))
            && self.exceeded(mask).is_none()
    }

    /// The first limit that a candidate exceeds.
    fn exceeded(&self, mask: &Mask) -> Option<Measure> {
        let over = |&(measure, most): &(Measure, f64)| {
            self.cost(measure, mask).is_some_and(|amount| amount > most)
        };
        self.guide.steering.limits().find(over).map(|(measure, _)| measure)
    }

    /// The candidate near `mask` that the wishes ask for, as far as it is found: in the space, in the region, and
    /// within the limits, of nodes with a high `score`.
    pub(super) fn lead(
        &self,
        mask: &Mask,
        score: &dyn Fn(usize) -> f64,
        rng: &mut impl Rng,
    ) -> Mask {
        let mut led = self.space.repair(mask, score);
        if let Some(region) = self.guide.region.as_ref().filter(|region| !region.contains(&led)) {
            led = region.pull(led, &self.choices, rng);
            led = self.space.repair(&led, score);
        }
        self.cheapen(led, score)
    }

    /// Swaps and drops nodes, each time where the least score is lost for what is saved, until the limits are met or
    /// nothing can be saved.
    fn cheapen(&self, mut mask: Mask, score: &dyn Fn(usize) -> f64) -> Mask {
        // What saves one cost may raise another, so that it could go on for ever.
        for _ in 0..4 * self.space.graph().len() {
            let Some(measure) = self.exceeded(&mask) else { break };
            let (before, moves) = (self.cost(measure, &mask), self.savings(measure, &mask, score));
            let cheaper = moves.into_iter().find_map(|(old, new)| {
                let mut next = mask.clone();
                next.remove(old);
                if let Some(new) = new {
                    next.insert(new);
                }
                let next = self.space.repair(&next, score);
                // Repair may have added what it costs.
                (self.cost(measure, &next) < before).then_some(next)
            });
            match cheaper {
                Some(next) => mask = next,
                None => break,
            }
        }
        mask
    }

    /// Kept nodes that can be dropped, or swapped for another, and something is saved: first where the least score
    /// is lost for it.
    fn savings(
        &self,
        measure: Measure,
        mask: &Mask,
        score: &dyn Fn(usize) -> f64,
    ) -> Vec<(usize, Option<usize>)> {
        /// More saved is better, even where no score is lost.
        const LEAST_LOSS: f64 = 1e-3;
        let weight = |node: usize| self.weight(measure, node);
        let mut moves = Vec::new();
        for choice in &self.choices {
            let (kept, left): (Vec<usize>, Vec<usize>) =
                choice.nodes.iter().partition(|&&node| mask.contains(node));
            for &old in &kept {
                let drop = (kept.len() > choice.least).then_some(None);
                for new in left.iter().copied().map(Some).chain(drop) {
                    let saved = weight(old) - new.map_or(0.0, weight);
                    let lost = score(old) - new.map_or(0.0, score);
                    if saved > 0.0 {
                        moves.push(((lost.max(0.0) + LEAST_LOSS) / saved, (old, new)));
                    }
                }
            }
        }
        moves.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        moves.into_iter().map(|(_, change)| change).collect()
    }

    fn weight(&self, measure: Measure, node: usize) -> f64 {
        let known = measure.of_cost(self.space.graph().cost(node));
        known.unwrap_or_else(|| self.latency.of_node(node))
    }
}

/// A part of the cloud.
#[derive(Clone, Debug)]
struct Region {
    members: Vec<Mask>,
    cloud: Embedding,
    centre: [f32; 3],
    radius: f32,
}

impl Region {
    /// The part that the members, of which there are some, take up.
    fn new(members: Vec<Mask>, cloud: Embedding) -> Self {
        let places: Vec<_> = members.iter().map(|mask| cloud.place(mask)).collect();
        let centre = std::array::from_fn(|axis| {
            places.iter().map(|place| place[axis]).sum::<f32>() / places.len() as f32
        });
        // Rounding is not to leave out the farthest.
        let farthest = places.iter().map(|place| distance(place, &centre)).fold(0.0, f32::max);
        Self { members, cloud, centre, radius: farthest * 1.0001 + 1e-5 }
    }

    fn contains(&self, mask: &Mask) -> bool {
        distance(&self.cloud.place(mask), &self.centre) <= self.radius
    }

    /// Takes layer by layer, in any order, what a member keeps, until it is in the region.
    fn pull(&self, mut mask: Mask, choices: &[Choice], rng: &mut impl Rng) -> Mask {
        let Some(member) = self.members.choose(rng) else { return mask };
        let mut order: Vec<_> = choices.iter().collect();
        order.shuffle(rng);
        for choice in order {
            if self.contains(&mask) {
                break;
            }
            choice.copy(&mut mask, member);
        }
        mask
    }
}

fn distance(a: &[f32; 3], b: &[f32; 3]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
}

#[cfg(test)]
mod tests;
