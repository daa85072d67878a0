//! What there is to say of any network, right or wrong: order, shapes, costs, problems.

use super::{
    Link, Network, Node, NodeId, channels_last,
    problem::{Problem, ProblemKind},
};
use crate::engine::ops::{Cost, Input, Merge, Op, Place, Shape};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is known of a node; shapes as far as they follow from what stands before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeFacts {
    /// The shape that enters it.
    pub input: Option<Shape>,
    /// The shape that leaves it.
    pub output: Option<Shape>,
    /// What its operations cost, those whose input is not known left out.
    pub cost: Cost,
    /// How many of its operations fit what enters them.
    pub fitting: usize,
}

/// What there is to say of a network. Nodes are addressed by their place in [`Network::nodes`].
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    /// The facts about each node.
    pub nodes: Vec<NodeFacts>,
    /// What is wrong, in the order in which it is best mended; nothing in a sound network.
    pub problems: Vec<Problem>,
    /// The nodes by id; the first of those that share one.
    pub(super) index: HashMap<NodeId, usize>,
    /// The nodes that feed each one, by slot, and those that it feeds; links that are wrong left out.
    pub(super) sources: Vec<Vec<usize>>,
    pub(super) targets: Vec<Vec<usize>>,
    /// All nodes that no circle feeds, each after those that feed it.
    pub(super) order: Vec<usize>,
    /// The node with the input, and the one with the output, where there is one of each.
    pub(super) input: Option<usize>,
    pub(super) output: Option<usize>,
}

impl Analysis {
    /// Looks at a network. What is wrong has no fixes yet, which are edits of a template: see
    /// [`Template::analysis`](super::Template::analysis).
    pub fn of(network: &Network) -> Self {
        let count = network.nodes.len();
        let mut analysis = Self {
            nodes: vec![NodeFacts::default(); count],
            sources: vec![Vec::new(); count],
            targets: vec![Vec::new(); count],
            ..Self::default()
        };
        for (place, node) in network.nodes.iter().enumerate() {
            analysis.index.entry(node.id.clone()).or_insert(place);
        }
        analysis.look_at_nodes(network);
        analysis.look_at_links(network);
        analysis.put_in_order(network);
        analysis.look_at_paths(network);
        analysis.infer_shapes(network);
        // Those that others may come from are mended first.
        analysis.problems.sort_by_key(|problem| problem.kind.stage());
        analysis
    }

    /// The shape on a link: what leaves the node that it comes from. `None` where that is not known.
    pub fn on_link(&self, link: &Link) -> Option<Shape> {
        self.nodes[*self.index.get(&link.0)?].output
    }

    /// The cost of all nodes together.
    pub fn cost(&self) -> Cost {
        self.nodes.iter().fold(Cost::default(), |sum, node| sum + node.cost)
    }

    /// The problems to mend first: those of the first stage that has any. Problems of later stages may come from
    /// them.
    pub fn first_problems(&self) -> impl Iterator<Item = &Problem> {
        let stage = self.problems.first().map(|problem| problem.kind.stage());
        self.problems.iter().take_while(move |problem| Some(problem.kind.stage()) == stage)
    }

    fn report(
        &mut self,
        kind: ProblemKind,
        nodes: &[&NodeId],
        what: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.problems.push(Problem::new(kind, nodes, what, fix));
    }

    fn look_at_nodes(&mut self, network: &Network) {
        let mut seen = BTreeMap::<&NodeId, usize>::new();
        for (place, node) in network.nodes.iter().enumerate() {
            *seen.entry(&node.id).or_default() += 1;
            let id = &node.id;
            if id.as_str().trim().is_empty() {
                self.report(
                    ProblemKind::NoId { place },
                    &[id],
                    "a node without an id",
                    "give it a unique id",
                );
            }
            for (in_block, (key, op)) in node.ops.keyed().enumerate() {
                for misfit in op.faults() {
                    let kind = ProblemKind::Op { key, input: None, misfit: misfit.kind };
                    self.report(kind, &[id], misfit.what, misfit.fix);
                }
                match op.place() {
                    Place::First if in_block > 0 => self.report(
                        ProblemKind::Place { key },
                        &[id],
                        format!("{} is not the node's first operation", op.name()),
                        "put it first",
                    ),
                    Place::Last if in_block + 1 < node.ops.len() => self.report(
                        ProblemKind::Place { key },
                        &[id],
                        format!("{} is not the node's last operation", op.name()),
                        "put it last",
                    ),
                    Place::First | Place::Anywhere | Place::Last => {}
                }
            }
        }
        for (id, count) in seen {
            if count > 1 {
                let what = format!("{count} nodes share this id");
                self.report(ProblemKind::SharedId, &[id], what, "give each its own");
            }
        }
        let ends: [(&str, fn(&Op) -> bool); 2] = [("input", is_input), ("output", is_output)];
        for (name, wanted) in ends {
            let holders = || network.nodes.iter().filter(|node| node.ops.iter().any(wanted));
            let found: Vec<_> = network
                .nodes
                .iter()
                .flat_map(|node| node.ops.iter().filter(|op| wanted(op)).map(|_| &node.id))
                .collect();
            if found.len() != 1 {
                let kind = match (name, found.is_empty()) {
                    ("input", true) => ProblemKind::NoInput,
                    ("input", false) => ProblemKind::SeveralInputs,
                    (_, true) => ProblemKind::NoOutput,
                    (_, false) => ProblemKind::SeveralOutputs,
                };
                self.report(
                    kind,
                    &found,
                    format!("the template has {} {name} operations", found.len()),
                    format!("a template needs exactly one {name}"),
                );
            } else if let Some(holder) = holders().next() {
                let place = self.index.get(&holder.id).copied();
                if name == "input" { self.input = place } else { self.output = place }
            }
        }
    }

    fn look_at_links(&mut self, network: &Network) {
        let mut seen = BTreeSet::new();
        for link in &network.links {
            let Link(a, b) = link;
            let text = format!("link {a} -> {b}");
            let kind = |what: fn(Link) -> ProblemKind| what(link.clone());
            let (from, to) = match (self.index.get(a), self.index.get(b)) {
                (Some(&from), Some(&to)) => (from, to),
                (from, to) => {
                    let missing: Vec<_> = [(a, from), (b, to)]
                        .into_iter()
                        .filter_map(|(id, found)| found.is_none().then_some(id))
                        .collect();
                    let what = match missing.first() {
                        Some(first) => format!("{text} names `{first}`, which is not a node"),
                        None => continue,
                    };
                    let fix = "correct the id, or delete the link";
                    self.report(kind(ProblemKind::LinkToNothing), &missing, what, fix);
                    continue;
                }
            };
            if from == to {
                let what = format!("{text} leads back to itself");
                self.report(kind(ProblemKind::LinkToItself), &[a], what, "delete it");
                continue;
            }
            if !seen.insert(link.clone()) {
                let what = format!("{text} occurs twice");
                self.report(kind(ProblemKind::LinkTwice), &[a, b], what, "delete one");
                continue;
            }
            let layer = network.nodes[from].layer;
            if layer == network.nodes[to].layer {
                self.report(
                    kind(ProblemKind::LinkWithinLayer),
                    &[a, b],
                    format!("{text} joins two nodes of layer {layer}"),
                    "alternatives stand side by side: give one of them another layer",
                );
            }
            self.sources[to].push(from);
            self.targets[from].push(to);
        }
    }

    /// Kahn's algorithm; ties go to the lower index, so that the order is the same on every run.
    fn put_in_order(&mut self, network: &Network) {
        let mut missing: Vec<_> = self.sources.iter().map(Vec::len).collect();
        let mut ready: BTreeSet<_> = (0..missing.len()).filter(|&i| missing[i] == 0).collect();
        while let Some(node) = ready.pop_first() {
            self.order.push(node);
            for &target in &self.targets[node] {
                missing[target] -= 1;
                if missing[target] == 0 {
                    ready.insert(target);
                }
            }
        }
        let Some(start) = missing.iter().position(|&count| count > 0) else { return };
        // Walking backwards among the nodes that are left must run into one that was met before: the circle.
        let (mut walk, mut met, mut node) = (Vec::new(), vec![None; missing.len()], start);
        while met[node].is_none() {
            met[node] = Some(walk.len());
            walk.push(node);
            node = self.sources[node].iter().copied().find(|&s| missing[s] > 0).unwrap_or(start);
        }
        let first = met[node].unwrap_or_default();
        let cycle: Vec<_> = walk[first..].iter().rev().map(|&n| &network.nodes[n].id).collect();
        self.report(
            ProblemKind::Cycle,
            &cycle,
            "these nodes feed one another in a circle",
            "delete one of the links between them",
        );
    }

    fn look_at_paths(&mut self, network: &Network) {
        let (Some(input), Some(output)) = (self.input, self.output) else { return };
        let from_input = reachable(input, &self.targets);
        let to_output = reachable(output, &self.sources);
        for (place, Node { id, .. }) in network.nodes.iter().enumerate() {
            let (kind, what, fix) = match (from_input[place], to_output[place]) {
                (true, true) => continue,
                (false, true) => (
                    ProblemKind::NotFed,
                    "no path leads here from the input",
                    "link something to it, or delete it",
                ),
                (true, false) => (
                    ProblemKind::LeadsNowhere,
                    "no path leads from here to the output",
                    "link it to something, or delete it",
                ),
                (false, false) => (
                    ProblemKind::Apart,
                    "not connected to input and output",
                    "link it, or delete it",
                ),
            };
            self.report(kind, &[id], what, fix);
        }
    }

    fn infer_shapes(&mut self, network: &Network) {
        for node in self.order.clone() {
            let id = &network.nodes[node].id;
            // A node below a problem has no input shape to check; the problem above it is the one to mend.
            let slots: Option<Vec<_>> =
                self.sources[node].iter().map(|&source| self.nodes[source].output).collect();
            let Some(slots) = slots else { continue };
            // What the input gives does not depend on links into it.
            let is_source = network.nodes[node].ops.first().is_some_and(is_input);
            let merge = network.nodes[node].merge;
            let input = match merge.output(&slots) {
                Ok(input) => input,
                Err(pair) => {
                    let [(a, one), (b, other)] =
                        pair.map(|slot| (&network.nodes[self.sources[node][slot]].id, slots[slot]));
                    let fix = match merge {
                        Merge::Mean | Merge::Sum => {
                            "give both the same filters, stride and padding; `Same` keeps the size of odd kernels only"
                        }
                        Merge::Concatenate => {
                            "give both the same height and width, by stride and padding"
                        }
                    };
                    let what = format!("`{id}` joins {one} from `{a}` with {other} from `{b}`");
                    self.report(ProblemKind::Merge, &[id, a, b], what, fix);
                    continue;
                }
            };
            self.nodes[node].input = input;
            if input.is_none() && !is_source {
                // It is not fed, which is told where paths are looked at.
                if self.input.is_none() || self.output.is_none() {
                    self.report(
                        ProblemKind::NotFed,
                        &[id],
                        "nothing leads here",
                        "link something to it, or delete it",
                    );
                }
                continue;
            }
            let (mut shape, mut cost) = (input, Cost::default());
            let mut fits = true;
            for (key, op) in network.nodes[node].ops.keyed() {
                match op.infer(shape) {
                    Ok((output, op_cost)) => {
                        shape = Some(output);
                        cost += op_cost;
                        self.nodes[node].fitting += 1;
                    }
                    Err(misfit) => {
                        fits = false;
                        // Arguments out of range were told where nodes are looked at; others may not suit the input.
                        if !op.faults().is_empty() {
                            break;
                        }
                        let kind = ProblemKind::Op { key, input: shape, misfit: misfit.kind };
                        self.report(kind, &[id], misfit.what, misfit.fix);
                        break;
                    }
                }
            }
            self.nodes[node].cost = cost;
            if fits {
                self.nodes[node].output = shape;
            }
        }
        // What is wrong further down may come from it.
        let shapes = ProblemKind::Merge.stage();
        if let Some(place) = self.problems.iter().position(|it| it.kind.stage() == shapes)
            && let Some(input) = self.input
            && let Some(problem) = channels_last_problem(&network.nodes[input])
        {
            self.problems.insert(place, problem);
        }
    }
}

fn is_input(op: &Op) -> bool {
    matches!(op, Op::Input(_))
}

fn is_output(op: &Op) -> bool {
    matches!(op, Op::Output)
}

/// Which nodes can be reached from `start` along `neighbours`, `start` included.
pub(super) fn reachable(start: usize, neighbours: &[Vec<usize>]) -> Vec<bool> {
    let mut reached = vec![false; neighbours.len()];
    let mut stack = vec![start];
    while let Some(node) = stack.pop() {
        if !std::mem::replace(&mut reached[node], true) {
            stack.extend(&neighbours[node]);
        }
    }
    reached
}

/// An input whose shape looks as other programs write it, with the channels last.
fn channels_last_problem(input: &Node) -> Option<Problem> {
    let Some(&Op::Input(Input { shape: shape @ [first, second, third] })) = input.ops.first()
    else {
        return None;
    };
    let [channels, height, width] = channels_last(shape)?;
    Some(Problem::new(
        ProblemKind::ChannelsLast { shape: [channels, height, width] },
        &[&input.id],
        format!("the input shape ({first}, {second}, {third}) has its channels last"),
        format!("write channels, height, width: `shape: ({channels}, {height}, {width})`"),
    ))
}
