//! A checked template with everything the engine needs worked out.

use super::{FORMAT_VERSION, NodeId, Template, channels_last};
use crate::engine::ops::{Cost, Input, Merge, Op, Place, Shape};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

/// One thing that is wrong with a template, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The nodes it is about; empty when it is about the whole template.
    pub nodes: Vec<NodeId>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: String,
}

impl Problem {
    fn new(nodes: &[&NodeId], what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            nodes: nodes.iter().map(|&id| id.clone()).collect(),
            what: what.into(),
            fix: fix.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.nodes.is_empty() {
            let names: Vec<_> = self.nodes.iter().map(|id| format!("`{id}`")).collect();
            write!(f, "{}: ", names.join(", "))?;
        }
        write!(f, "{}; {}", self.what, self.fix)
    }
}

/// A template that passed every check. Nodes are addressed by their index in [`Template::nodes`].
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    template: Template,
    index: HashMap<NodeId, usize>,
    order: Vec<usize>,
    sources: Vec<Vec<usize>>,
    targets: Vec<Vec<usize>>,
    layers: Vec<Vec<usize>>,
    layer_of: Vec<usize>,
    shapes: Vec<NodeShape>,
    input: usize,
    output: usize,
}

/// Shapes and cost of one node.
#[derive(Clone, Copy, Debug, PartialEq)]
struct NodeShape {
    input: Option<Shape>,
    output: Shape,
    cost: Cost,
}

impl Graph {
    /// Checks `template` and works out order, neighbours, shapes and costs.
    ///
    /// # Errors
    /// Every problem found, in the order in which they are best mended. Shapes are only looked at once
    /// the links are sound.
    pub fn new(template: Template) -> Result<Self, Vec<Problem>> {
        let problems = node_problems(&template);
        if !problems.is_empty() {
            return Err(problems);
        }
        let index: HashMap<_, _> =
            template.nodes.iter().enumerate().map(|(i, node)| (node.id.clone(), i)).collect();
        let problems = link_problems(&template, &index);
        if !problems.is_empty() {
            return Err(problems);
        }

        let count = template.nodes.len();
        let (mut sources, mut targets) = (vec![Vec::new(); count], vec![Vec::new(); count]);
        for link in &template.links {
            let (from, to) = (index[&link.0], index[&link.1]);
            sources[to].push(from);
            targets[from].push(to);
        }
        let order =
            topological_order(&template, &sources, &targets).map_err(|problem| vec![problem])?;
        // `node_problems` made sure that there is exactly one of each.
        let find = |wanted: fn(&Op) -> bool| {
            template.nodes.iter().position(|node| node.ops.iter().any(wanted)).unwrap_or_default()
        };
        let input = find(is_input);
        let output = find(is_output);
        let problems = path_problems(&template, &sources, &targets, input, output);
        if !problems.is_empty() {
            return Err(problems);
        }
        let shapes = infer_shapes(&template, &order, &sources).map_err(|mut problems| {
            // What is wrong further down may come from it.
            problems.splice(0..0, channels_last_problem(&template.nodes[input]));
            problems
        })?;

        let mut by_layer = BTreeMap::<u32, Vec<usize>>::new();
        for (i, node) in template.nodes.iter().enumerate() {
            by_layer.entry(node.layer).or_default().push(i);
        }
        let layers: Vec<_> = by_layer.into_values().collect();
        let mut layer_of = vec![0; count];
        for (layer, nodes) in layers.iter().enumerate() {
            for &node in nodes {
                layer_of[node] = layer;
            }
        }
        Ok(Self {
            template,
            index,
            order,
            sources,
            targets,
            layers,
            layer_of,
            shapes,
            input,
            output,
        })
    }

    /// The template that was checked.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// The nodes; indices everywhere else are positions in this slice.
    pub fn nodes(&self) -> &[super::Node] {
        &self.template.nodes
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.template.nodes.len()
    }

    /// Never true: a checked template has an input and an output.
    pub fn is_empty(&self) -> bool {
        self.template.nodes.is_empty()
    }

    /// The id of a node.
    pub fn id(&self, node: usize) -> &NodeId {
        &self.template.nodes[node].id
    }

    /// The index of the node called `id`.
    pub fn index_of(&self, id: &NodeId) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// All nodes, each after those that feed it.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The nodes that feed `node`, in the order of the links.
    pub fn sources(&self, node: usize) -> &[usize] {
        &self.sources[node]
    }

    /// The nodes that `node` feeds, in the order of the links.
    pub fn targets(&self, node: usize) -> &[usize] {
        &self.targets[node]
    }

    /// The layers by ascending number, each with its alternatives.
    pub fn layers(&self) -> &[Vec<usize>] {
        &self.layers
    }

    /// The position in [`layers`](Self::layers) of the layer that `node` belongs to.
    pub fn layer_of(&self, node: usize) -> usize {
        self.layer_of[node]
    }

    /// The node where images enter.
    pub fn input(&self) -> usize {
        self.input
    }

    /// The node where class scores leave.
    pub fn output(&self) -> usize {
        self.output
    }

    /// Channels, height and width of the images that the template takes.
    pub fn image_shape(&self) -> [usize; 3] {
        // Not what the input node gives, which may have more operations.
        match self.template.nodes[self.input].ops.first() {
            Some(&Op::Input(Input { shape })) => shape,
            _ => unreachable!("the input node begins with an input"),
        }
    }

    /// The number of classes: values at the output.
    pub fn classes(&self) -> usize {
        self.shapes[self.output].output.size()
    }

    /// How `node` joins what its links bring.
    pub fn merge(&self, node: usize) -> Merge {
        self.template.nodes[node].merge
    }

    /// What enters `node`; `None` for the input node.
    pub fn input_shape(&self, node: usize) -> Option<Shape> {
        self.shapes[node].input
    }

    /// What leaves `node`.
    pub fn output_shape(&self, node: usize) -> Shape {
        self.shapes[node].output
    }

    /// What `node` costs.
    pub fn cost(&self, node: usize) -> Cost {
        self.shapes[node].cost
    }

    /// What the given nodes cost together.
    pub fn total_cost(&self, nodes: impl IntoIterator<Item = usize>) -> Cost {
        nodes.into_iter().fold(Cost::default(), |sum, node| sum + self.cost(node))
    }
}

fn is_input(op: &Op) -> bool {
    matches!(op, Op::Input(_))
}

fn is_output(op: &Op) -> bool {
    matches!(op, Op::Output)
}

fn node_problems(template: &Template) -> Vec<Problem> {
    let mut problems = Vec::new();
    if template.version == 0 || template.version > FORMAT_VERSION {
        problems.push(Problem::new(
            &[],
            format!(
                "the file has version {}, this program reads up to {FORMAT_VERSION}",
                template.version
            ),
            format!("set `version: {FORMAT_VERSION}`, or use a newer program"),
        ));
    }
    let mut seen = BTreeMap::<&NodeId, usize>::new();
    for node in &template.nodes {
        *seen.entry(&node.id).or_default() += 1;
        let id = &node.id;
        let mut report = |what: &str, fix: &str| problems.push(Problem::new(&[id], what, fix));
        if id.as_str().trim().is_empty() {
            report("a node without an id", "give it a unique id");
        }
        if node.position.iter().any(|x| !x.is_finite()) {
            report("the position is not a number", "set it to two numbers, in studs");
        }
        for (place, op) in node.ops.iter().enumerate() {
            match op.place() {
                Place::First if place > 0 => {
                    report(
                        &format!("{} is not the node's first operation", op.name()),
                        "put it first",
                    );
                }
                Place::Last if place + 1 < node.ops.len() => {
                    report(
                        &format!("{} is not the node's last operation", op.name()),
                        "put it last",
                    );
                }
                Place::First | Place::Anywhere | Place::Last => {}
            }
        }
    }
    for (id, count) in seen {
        if count > 1 {
            problems.push(Problem::new(
                &[id],
                format!("{count} nodes share this id"),
                "give each its own",
            ));
        }
    }
    for (name, wanted) in [("input", is_input as fn(&Op) -> bool), ("output", is_output)] {
        let found: Vec<_> = template
            .nodes
            .iter()
            .flat_map(|node| node.ops.iter().filter(|op| wanted(op)).map(|_| &node.id))
            .collect();
        if found.len() != 1 {
            problems.push(Problem::new(
                &found,
                format!("the template has {} {name} operations", found.len()),
                format!("a template needs exactly one {name}"),
            ));
        }
    }
    problems
}

fn link_problems(template: &Template, index: &HashMap<NodeId, usize>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for link in &template.links {
        let text = format!("link {} -> {}", link.0, link.1);
        let missing: Vec<_> =
            [&link.0, &link.1].into_iter().filter(|id| !index.contains_key(*id)).collect();
        if let [first, ..] = missing.as_slice() {
            problems.push(Problem::new(
                &missing,
                format!("{text} names `{first}`, which is not a node"),
                "correct the id, or delete the link",
            ));
            continue;
        }
        if link.0 == link.1 {
            problems.push(Problem::new(
                &[&link.0],
                format!("{text} leads back to itself"),
                "delete it",
            ));
        } else if template.nodes[index[&link.0]].layer == template.nodes[index[&link.1]].layer {
            problems.push(Problem::new(
                &[&link.0, &link.1],
                format!("{text} joins two nodes of layer {}", template.nodes[index[&link.0]].layer),
                "alternatives stand side by side: give one of them another layer",
            ));
        }
        if !seen.insert((&link.0, &link.1)) {
            problems.push(Problem::new(
                &[&link.0, &link.1],
                format!("{text} occurs twice"),
                "delete one",
            ));
        }
    }
    problems
}

/// Kahn's algorithm; ties go to the lower index, so that the order is the same on every run.
fn topological_order(
    template: &Template,
    sources: &[Vec<usize>],
    targets: &[Vec<usize>],
) -> Result<Vec<usize>, Problem> {
    let mut missing: Vec<_> = sources.iter().map(Vec::len).collect();
    let mut ready: std::collections::BTreeSet<_> =
        (0..missing.len()).filter(|&i| missing[i] == 0).collect();
    let mut order = Vec::with_capacity(missing.len());
    while let Some(node) = ready.pop_first() {
        order.push(node);
        for &target in &targets[node] {
            missing[target] -= 1;
            if missing[target] == 0 {
                ready.insert(target);
            }
        }
    }
    if order.len() == missing.len() {
        return Ok(order);
    }
    // Walking backwards among the nodes that are left must run into one that was met before: the cycle.
    let start = missing.iter().position(|&count| count > 0).unwrap_or_default();
    let (mut walk, mut node) = (Vec::new(), start);
    while !walk.contains(&node) {
        walk.push(node);
        node = sources[node].iter().copied().find(|&s| missing[s] > 0).unwrap_or(start);
    }
    let first = walk.iter().position(|&n| n == node).unwrap_or_default();
    let cycle: Vec<_> = walk[first..].iter().rev().map(|&n| &template.nodes[n].id).collect();
    Err(Problem::new(
        &cycle,
        "these nodes feed one another in a circle",
        "delete one of the links between them",
    ))
}

fn path_problems(
    template: &Template,
    sources: &[Vec<usize>],
    targets: &[Vec<usize>],
    input: usize,
    output: usize,
) -> Vec<Problem> {
    let (from_input, to_output) = (reachable(input, targets), reachable(output, sources));
    let mut problems = Vec::new();
    for (i, node) in template.nodes.iter().enumerate() {
        let (what, fix) = match (from_input[i], to_output[i]) {
            (true, true) => continue,
            (false, true) => {
                ("no path leads here from the input", "link something to it, or delete it")
            }
            (true, false) => {
                ("no path leads from here to the output", "link it to something, or delete it")
            }
            (false, false) => ("not connected to input and output", "link it, or delete it"),
        };
        problems.push(Problem::new(&[&node.id], what, fix));
    }
    problems
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
fn channels_last_problem(input: &super::Node) -> Option<Problem> {
    let Some(&Op::Input(Input { shape: shape @ [first, second, third] })) = input.ops.first()
    else {
        return None;
    };
    let [channels, height, width] = channels_last(shape)?;
    Some(Problem::new(
        &[&input.id],
        format!("the input shape ({first}, {second}, {third}) has its channels last"),
        format!("write channels, height, width: `shape: ({channels}, {height}, {width})`"),
    ))
}

fn infer_shapes(
    template: &Template,
    order: &[usize],
    sources: &[Vec<usize>],
) -> Result<Vec<NodeShape>, Vec<Problem>> {
    let mut shapes: Vec<Option<NodeShape>> = vec![None; template.nodes.len()];
    let mut problems = Vec::new();
    'nodes: for &node in order {
        let id = &template.nodes[node].id;
        // A node below a problem has no input shape to check; the problem above it is the one to mend.
        let Some(inputs) = sources[node]
            .iter()
            .map(|&source| Some((source, shapes[source]?.output)))
            .collect::<Option<Vec<_>>>()
        else {
            continue;
        };
        let slots: Vec<_> = inputs.iter().map(|&(_, shape)| shape).collect();
        let merge = template.nodes[node].merge;
        let input = match merge.output(&slots) {
            Ok(input) => input,
            Err(pair) => {
                let [(a, one), (b, other)] =
                    pair.map(|place| (&template.nodes[inputs[place].0].id, inputs[place].1));
                let fix = match merge {
                    Merge::Mean | Merge::Sum => {
                        "give both the same filters, stride and padding; `Same` keeps the size of odd kernels only"
                    }
                    Merge::Concatenate => {
                        "give both the same height and width, by stride and padding"
                    }
                };
                problems.push(Problem::new(
                    &[id, a, b],
                    format!("`{id}` joins {one} from `{a}` with {other} from `{b}`"),
                    fix,
                ));
                continue 'nodes;
            }
        };
        let (mut shape, mut cost) = (input, Cost::default());
        for op in &template.nodes[node].ops {
            match op.infer(shape) {
                Ok((output, op_cost)) => {
                    shape = Some(output);
                    cost += op_cost;
                }
                Err(misfit) => {
                    problems.push(Problem::new(&[id], misfit.what, misfit.fix));
                    continue 'nodes;
                }
            }
        }
        shapes[node] = shape.map(|output| NodeShape { input, output, cost });
    }
    if problems.is_empty() { Ok(shapes.into_iter().flatten().collect()) } else { Err(problems) }
}
