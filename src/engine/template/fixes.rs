//! Edits that mend the problems of a template.

use super::{
    Analysis, Edit, FORMAT_VERSION, Fix, Link, Node, NodeFacts, NodeId, Problem, ProblemKind,
    Template,
};
use crate::engine::ops::{
    ActivationFunction, ConvBlock, Dense, Facts, Input, Kind, MOST, Merge, MisfitKind, Op, Padding,
    Pair, Place, Reshape, Shape, Value,
};
use std::cmp::Reverse;

fn fix(title: impl Into<String>, edits: Vec<Edit>) -> Fix {
    Fix { title: title.into(), edits }
}

/// What mends `problem`, the least surprising first; nothing where only the author can know.
pub(super) fn of(template: &Template, analysis: &Analysis, problem: &Problem) -> Vec<Fix> {
    let first = problem.nodes.first();
    match &problem.kind {
        ProblemKind::Version => vec![fix(
            format!("read it as version {FORMAT_VERSION}"),
            vec![Edit::SetVersion(FORMAT_VERSION)],
        )],
        &ProblemKind::NoId { place } => {
            let id = template.free_id(&format!("node-{place}"));
            vec![fix(format!("call it `{id}`"), vec![Edit::RenameAt { place, id }])]
        }
        ProblemKind::SharedId => first.map(|id| shared_id(template, id)).into_iter().collect(),
        ProblemKind::Position => {
            let place = |id: &NodeId| Edit::Move { node: id.clone(), position: [0.0; 2] };
            vec![fix("put it where the plate begins", first.map(place).into_iter().collect())]
        }
        &ProblemKind::Place { key } => {
            first.map(|id| misplaced(template, id, key)).into_iter().flatten().collect()
        }
        ProblemKind::NoInput => vec![add_input(template, analysis)],
        ProblemKind::NoOutput => vec![add_output(template, analysis)],
        ProblemKind::SeveralEnds => vec![keep_first_end(template, &problem.nodes)],
        ProblemKind::LinkToNothing(link) => dangling(template, analysis, link),
        ProblemKind::LinkToItself(link) | ProblemKind::LinkTwice(link) => {
            vec![fix(format!("delete the link {link}"), vec![Edit::Disconnect(link.clone())])]
        }
        ProblemKind::LinkWithinLayer(link) => within_layer(template, link),
        ProblemKind::Cycle => cycle(template, analysis, &problem.nodes),
        // Fragments are mended where they are written.
        ProblemKind::LooseEnd => Vec::new(),
        ProblemKind::NotFed | ProblemKind::LeadsNowhere | ProblemKind::Apart => {
            first.map(|id| loose(template, analysis, id, &problem.kind)).unwrap_or_default()
        }
        &ProblemKind::ChannelsLast { shape: [channels, height, width] } => {
            let set = |id: &NodeId| {
                let key = template.node(id)?.ops.keyed().next()?.0;
                let value = Value::Sizes([channels, height, width].map(|side| side as i64).into());
                let (node, field) = (id.clone(), "shape".to_owned());
                Some(Edit::SetField { node, key, field, value })
            };
            let title = format!("make the shape ({channels}, {height}, {width})");
            first.and_then(set).map(|edit| fix(title, vec![edit])).into_iter().collect()
        }
        ProblemKind::Merge => match problem.nodes.as_slice() {
            [node, ..] => join(template, analysis, node),
            [] => Vec::new(),
        },
        &ProblemKind::Op { key, input, misfit } => first
            .map(|id| misfitting(template, analysis, id, key, input, misfit))
            .unwrap_or_default(),
    }
}

fn delete(id: &NodeId) -> Fix {
    let edit = Edit::Remove { nodes: vec![id.clone()], heal: false };
    fix(format!("delete `{id}`"), vec![edit])
}

fn connect(from: &NodeId, to: &NodeId) -> Edit {
    Edit::Connect { from: from.clone(), to: to.clone(), slot: None }
}

/// All but the first of those that share an id get one of their own.
fn shared_id(template: &Template, id: &NodeId) -> Fix {
    let twins = template.nodes.iter().enumerate().filter(|(_, node)| node.id == *id).skip(1);
    let mut named = template.clone();
    let edits = twins
        .map(|(place, _)| {
            let free = named.free_id(&format!("{id}-{place}"));
            named.nodes[place].id = free.clone();
            Edit::RenameAt { place, id: free }
        })
        .collect();
    fix("give the others ids of their own", edits)
}

/// An operation that must be first or last is moved there, or goes where there is one already.
fn misplaced(template: &Template, id: &NodeId, key: u32) -> Option<Fix> {
    let block = &template.node(id)?.ops;
    let place = block.keyed().position(|(found, _)| found == key)?;
    let op = &block[place];
    let remove = Edit::RemoveOp { node: id.clone(), key };
    let wanted = op.place();
    let (there, end) = match wanted {
        Place::First => (block.first()?, 0),
        Place::Last => (block.last()?, block.len() - 1),
        Place::Anywhere => return None,
    };
    if there.place() == wanted {
        return Some(fix(format!("take the {} out", op.name()), vec![remove]));
    }
    let insert = Edit::InsertOp { node: id.clone(), place: end, op: op.clone() };
    let words = if wanted == Place::First { "first" } else { "last" };
    Some(fix(format!("put the {} {words}", op.name()), vec![remove, insert]))
}

fn add_input(template: &Template, analysis: &Analysis) -> Fix {
    let id = template.free_id("input");
    let edge = |places: &[Vec<usize>]| -> Vec<NodeId> {
        let loose = template.nodes.iter().zip(places).filter(|(_, links)| links.is_empty());
        loose.map(|(node, _)| node.id.clone()).collect()
    };
    let layer = template.nodes.iter().map(|node| node.layer).min().unwrap_or(1);
    let mut edits = Vec::new();
    if layer == 0 {
        edits.push(Edit::InsertLayer { at: 0 });
    }
    let op = Op::Input(Input { shape: [1, 28, 28] });
    edits.push(Edit::Add(Node::new(id.clone(), layer.saturating_sub(1), vec![op])));
    edits.extend(edge(&analysis.sources).iter().map(|to| connect(&id, to)));
    fix("add an input of 1×28×28 images before the first bricks", edits)
}

fn add_output(template: &Template, analysis: &Analysis) -> Fix {
    let id = template.free_id("output");
    let last = template.nodes.iter().map(|node| node.layer).max().unwrap_or(0);
    let ends = template.nodes.iter().zip(&analysis.targets).filter(|(_, to)| to.is_empty());
    let mut edits =
        vec![Edit::Add(Node::new(id.clone(), last.saturating_add(1), vec![Op::Output]))];
    edits.extend(ends.map(|(node, _)| connect(&node.id, &id)));
    fix("add an output behind the last bricks", edits)
}

/// Of several inputs or outputs, the first stays.
fn keep_first_end(template: &Template, holders: &[NodeId]) -> Fix {
    let is_input = holders.first().and_then(|id| template.node(id)).is_some_and(|node| {
        node.ops.iter().filter(|op| matches!(op, Op::Input(_))).count() >= 1
            && holders.iter().all(|id| {
                template
                    .node(id)
                    .is_some_and(|node| node.ops.iter().any(|op| matches!(op, Op::Input(_))))
            })
    });
    let is_end =
        |op: &Op| if is_input { matches!(op, Op::Input(_)) } else { matches!(op, Op::Output) };
    let ends = template
        .nodes
        .iter()
        .flat_map(|node| {
            node.ops.keyed().filter(|(_, op)| is_end(op)).map(move |(key, _)| (node, key))
        })
        .skip(1)
        .map(|(node, key)| (node.id.clone(), key, node.ops.len()));
    let mut edits = Vec::new();
    for (node, key, count) in ends {
        // A brick that would be empty goes.
        if count == 1 {
            edits.push(Edit::Remove { nodes: vec![node], heal: false });
        } else {
            edits.push(Edit::RemoveOp { node, key });
        }
    }
    fix(format!("keep the first {} only", if is_input { "input" } else { "output" }), edits)
}

/// A link that names what is no node.
fn dangling(template: &Template, analysis: &Analysis, link: &Link) -> Vec<Fix> {
    let mut fixes = Vec::new();
    let nearest = |id: &NodeId| -> Option<NodeId> {
        if analysis.index.contains_key(id) {
            return Some(id.clone());
        }
        let distance = |node: &Node| strsim::damerau_levenshtein(node.id.as_str(), id.as_str());
        let nearest =
            template.nodes.iter().take(MOST_COMPARED).min_by_key(|node| distance(node))?;
        (distance(nearest) <= 2).then(|| nearest.id.clone())
    };
    if let (Some(from), Some(to)) = (nearest(&link.0), nearest(&link.1))
        && from != to
        && !template.links.contains(&Link(from.clone(), to.clone()))
    {
        fixes.push(fix(
            format!("link `{from}` to `{to}` instead"),
            vec![Edit::Disconnect(link.clone()), connect(&from, &to)],
        ));
    }
    fixes.push(fix(format!("delete the link {link}"), vec![Edit::Disconnect(link.clone())]));
    fixes
}

/// How many ids a misspelt one is compared with.
const MOST_COMPARED: usize = 2_000;

/// Of two nodes of one layer that are linked, the one that is fed gets a layer behind it.
fn within_layer(template: &Template, link: &Link) -> Vec<Fix> {
    let (Some(to), delete) = (
        template.node(&link.1),
        fix(format!("delete the link {link}"), vec![Edit::Disconnect(link.clone())]),
    ) else {
        return Vec::new();
    };
    let Some(behind) = to.layer.checked_add(1) else { return vec![delete] };
    let edits = vec![
        Edit::InsertLayer { at: behind },
        Edit::SetLayer { node: link.1.clone(), layer: behind },
    ];
    vec![fix(format!("give `{}` a layer of its own behind it", link.1), edits), delete]
}

/// A circle is opened where a link leads back to an earlier layer, otherwise at its end.
fn cycle(template: &Template, analysis: &Analysis, nodes: &[NodeId]) -> Vec<Fix> {
    let layer = |id: &NodeId| analysis.index.get(id).map(|&place| template.nodes[place].layer);
    let mut links: Vec<_> = nodes
        .iter()
        .zip(nodes.iter().cycle().skip(1))
        .map(|(from, to)| Link(from.clone(), to.clone()))
        .filter(|link| template.links.contains(link))
        .collect();
    links.reverse();
    links.sort_by_key(|Link(from, to)| layer(from) < layer(to));
    links
        .into_iter()
        .take(MOST_CHOICES)
        .map(|link| fix(format!("delete the link {link}"), vec![Edit::Disconnect(link)]))
        .collect()
}

/// The most fixes of one problem.
const MOST_CHOICES: usize = 4;

/// A node that no path from the input to the output leads through is linked to what stands nearest, or goes.
fn loose(template: &Template, analysis: &Analysis, id: &NodeId, kind: &ProblemKind) -> Vec<Fix> {
    let (Some(&place), Some(input), Some(output)) =
        (analysis.index.get(id), analysis.input, analysis.output)
    else {
        return vec![delete(id)];
    };
    let layer = template.nodes[place].layer;
    let fed = super::analysis::reachable(input, &analysis.targets);
    let leads = super::analysis::reachable(output, &analysis.sources);
    let before = template
        .nodes
        .iter()
        .enumerate()
        .filter(|&(other, node)| fed[other] && node.layer < layer && other != output)
        .max_by_key(|(_, node)| node.layer)
        .map(|(_, node)| &node.id);
    let after = template
        .nodes
        .iter()
        .enumerate()
        .filter(|&(other, node)| leads[other] && node.layer > layer && other != input)
        .min_by_key(|(_, node)| node.layer)
        .map(|(_, node)| &node.id);
    let mut edits = Vec::new();
    let mut words = Vec::new();
    if !matches!(kind, ProblemKind::LeadsNowhere)
        && let Some(from) = before
    {
        edits.push(connect(from, id));
        words.push(format!("link `{from}` to it"));
    }
    if !matches!(kind, ProblemKind::NotFed)
        && let Some(to) = after
    {
        edits.push(connect(id, to));
        words.push(format!("link it to `{to}`"));
    }
    let wanted = if matches!(kind, ProblemKind::Apart) { 2 } else { 1 };
    let mut fixes = Vec::new();
    if edits.len() == wanted {
        fixes.push(fix(words.join(" and "), edits));
    }
    // The ends of a template cannot go.
    if place != input && place != output {
        fixes.push(delete(id));
    }
    fixes
}

/// What meets at a node is given the shape that most of it has; where that cannot be, another of the shapes.
fn join(template: &Template, analysis: &Analysis, id: &NodeId) -> Vec<Fix> {
    let Some(&node) = analysis.index.get(id) else { return Vec::new() };
    let shapes: Vec<_> = analysis.sources[node]
        .iter()
        .filter_map(|&source| Some((source, analysis.nodes[source].output?)))
        .collect();
    let count = |shape: Shape| shapes.iter().filter(|&&(_, other)| other == shape).count();
    let mut wanted: Vec<_> = shapes.iter().map(|&(_, shape)| shape).collect();
    // Stable: of those that occur equally often, the first.
    wanted.sort_by_key(|&shape| Reverse(count(shape)));
    let mut seen = Vec::new();
    wanted.retain(|shape| {
        !seen.contains(shape) && {
            seen.push(*shape);
            true
        }
    });
    let mut fixes = Vec::new();
    for wanted in wanted {
        let others: Vec<_> = shapes.iter().copied().filter(|&(_, shape)| shape != wanted).collect();
        // A concatenation takes any widths.
        if template.nodes[node].merge != Merge::Concatenate
            && let Some(edits) = match_widths(template, &others, wanted)
        {
            fixes.push(fix(format!("make all of them {wanted} by their filters or units"), edits));
        }
        if let Some(edits) = project(template, node, &others, wanted) {
            fixes.push(fix(format!("project the others to {wanted}"), edits));
        }
    }
    fixes.truncate(MOST_CHOICES - 1);
    // Those of the rarest shape can go.
    let rarest = shapes.iter().min_by_key(|&&(_, shape)| count(shape)).map(|&(_, shape)| shape);
    let rare: Vec<_> = shapes.iter().filter(|&&(_, shape)| Some(shape) == rarest).collect();
    let feeds_more =
        |source: usize| analysis.targets[source].len() > 1 && analysis.sources[node].len() > 1;
    let link = |source: usize| Link(template.nodes[source].id.clone(), id.clone());
    for &&(source, _) in &rare {
        if feeds_more(source) {
            let link = link(source);
            fixes.push(fix(format!("delete the link {link}"), vec![Edit::Disconnect(link)]));
        } else {
            fixes.extend(delete_with_feeders(template, analysis, &[source]));
        }
    }
    fixes.truncate(MOST_CHOICES + 1);
    // Where alternatives all have that shape, it takes all of them.
    if let [(_, shape), _, ..] = rare[..]
        && rare.len() < shapes.len()
    {
        let (linked, alone): (Vec<_>, Vec<_>) =
            rare.iter().map(|&&(source, _)| source).partition(|&source| feeds_more(source));
        let mut edits: Vec<_> = linked.into_iter().map(link).map(Edit::Disconnect).collect();
        let deleted = delete_with_feeders(template, analysis, &alone);
        if alone.is_empty() || deleted.is_some() {
            edits.extend(deleted.into_iter().flat_map(|fix| fix.edits));
            fixes.push(fix(format!("cut off all {} that bring {shape}", rare.len()), edits));
        }
    }
    fixes
}

/// Deletes nodes and all that feeds nothing else.
fn delete_with_feeders(template: &Template, analysis: &Analysis, nodes: &[usize]) -> Option<Fix> {
    let first = &template.nodes[*nodes.first()?].id;
    let mut goes = vec![false; template.nodes.len()];
    for &node in nodes {
        goes[node] = true;
    }
    for &other in analysis.order.iter().rev() {
        let targets = &analysis.targets[other];
        goes[other] |= !targets.is_empty() && targets.iter().all(|&target| goes[target]);
    }
    // The ends of a template cannot go.
    if analysis.input.is_some_and(|input| goes[input]) {
        return None;
    }
    let gone: Vec<_> = template.nodes.iter().zip(goes).filter(|&(_, goes)| goes).collect();
    let gone: Vec<_> = gone.into_iter().map(|(node, _)| node.id.clone()).collect();
    let more = match gone.len() {
        1 => String::new(),
        count => format!(" and {} that feed nothing else", count - 1),
    };
    let title = format!("delete `{first}`{more}");
    Some(fix(title, vec![Edit::Remove { nodes: gone, heal: false }]))
}

/// Whether two shapes differ in their width only.
fn same_sides(one: Shape, other: Shape) -> bool {
    match (one, other) {
        (Shape::Flat(_), Shape::Flat(_)) => true,
        (Shape::Image([_, h, w]), Shape::Image([_, height, width])) => (h, w) == (height, width),
        (Shape::Flat(_) | Shape::Image(_), _) => false,
    }
}

/// Sets the widths of these nodes, if they differ in that only and each has an argument that says it.
fn match_widths(
    template: &Template,
    others: &[(usize, Shape)],
    wanted: Shape,
) -> Option<Vec<Edit>> {
    let set = |&(source, shape): &(usize, Shape)| {
        same_sides(shape, wanted).then(|| set_width(template, source, wanted)).flatten()
    };
    others.iter().map(set).collect()
}

/// Puts a projection into each of the links from these nodes to `node`.
fn project(
    template: &Template,
    node: usize,
    others: &[(usize, Shape)],
    wanted: Shape,
) -> Option<Vec<Edit>> {
    let to = &template.nodes[node];
    let mut named = template.clone();
    let mut edits = Vec::new();
    // Layers that were made room for, so that those behind stand where they should.
    for &(source, shape) in others {
        let op = projection(shape, wanted)?;
        let from = named.node(&template.nodes[source].id)?.clone();
        let behind = named.node(&to.id)?.layer;
        let layer = from.layer.checked_add(1)?;
        let mut made = Vec::new();
        if layer >= behind {
            made.push(Edit::InsertLayer { at: layer });
        }
        let id = named.free_id(&format!("{}-to-{}", from.id, to.id));
        let position = [0, 1].map(|axis| f32::midpoint(from.position[axis], to.position[axis]));
        let new = Node { position, ..Node::new(id, layer, op) };
        made.push(Edit::InsertOnLink { link: Link(from.id, to.id.clone()), node: new });
        named.make_all(&made).ok()?;
        edits.append(&mut made);
    }
    Some(edits)
}

/// Sets the width of what a node gives to that of `wanted`, if an argument of its last operation says it.
fn set_width(template: &Template, node: usize, wanted: Shape) -> Option<Edit> {
    let node = &template.nodes[node];
    let (key, op) = node.ops.keyed().next_back()?;
    let mut op = op.clone();
    op.width()?;
    let field = op.fields().first()?.name.to_owned();
    let value = Value::Count(wanted.channels());
    Some(Edit::SetField { node: node.id.clone(), key, field, value })
}

/// What turns activations of one shape into those of another, as a shortcut of a residual network does.
fn projection(from: Shape, to: Shape) -> Option<Vec<Op>> {
    match (from, to) {
        (Shape::Image([_, h, w]), Shape::Image([channels, height, width])) => {
            let stride = |side: usize, wanted: usize| {
                (1..=side).find(|&stride| side.div_ceil(stride) == wanted)
            };
            let mut block = ConvBlock::new(channels, 1);
            block.stride = Pair([stride(h, height)?, stride(w, width)?]);
            block.activation = ActivationFunction::Linear;
            Some(vec![block.into()])
        }
        (Shape::Flat(_), Shape::Flat(units)) => Some(vec![Dense::new(units).into()]),
        (Shape::Image(_), Shape::Flat(units)) => {
            Some(vec![Op::GlobalAveragePool, Dense::new(units).into()])
        }
        (Shape::Flat(_), Shape::Image([channels, height, width])) => {
            let units = channels.checked_mul(height)?.checked_mul(width)?;
            let shape = [channels, height, width].map(|side| side as i64).into();
            (units <= MOST).then(|| vec![Dense::new(units).into(), Reshape { shape }.into()])
        }
    }
}

/// An operation that does not fit what enters it.
fn misfitting(
    template: &Template,
    analysis: &Analysis,
    id: &NodeId,
    key: u32,
    input: Option<Shape>,
    misfit: MisfitKind,
) -> Vec<Fix> {
    let Some(block) = template.node(id).map(|node| &node.ops) else { return Vec::new() };
    let Some(place) = block.keyed().position(|(found, _)| found == key) else { return Vec::new() };
    let op = &block[place];
    let set = |field: &'static str, value: Value| {
        let known = op.fields().iter().any(|facts| facts.name == field && facts.kind.takes(&value));
        let title = format!("set the {field} to {value}");
        let edit = Edit::SetField { node: id.clone(), key, field: field.to_owned(), value };
        known.then(|| fix(title, vec![edit]))
    };
    let put_before =
        |title: &str, op: Op| fix(title, vec![Edit::InsertOp { node: id.clone(), place, op }]);
    let take_out = || {
        let edit = Edit::RemoveOp { node: id.clone(), key };
        fix(format!("take the {} out", op.name()), vec![edit])
    };
    match misfit {
        MisfitKind::Argument { field } => {
            let facts = op.fields().into_iter().find(|facts| facts.name == field);
            let value = facts
                .zip(op.get(field))
                .and_then(|(Facts { kind, .. }, value)| nearest(kind, &value));
            value.and_then(|value| set(field, value)).into_iter().collect()
        }
        MisfitKind::NeedsFlat => vec![
            put_before("put a global average before it", Op::GlobalAveragePool),
            put_before("put a flatten before it", Op::Flatten),
        ],
        MisfitKind::NeedsImage => {
            let features = input.map_or(1, Shape::size);
            let shape = vec![features as i64, 1, 1];
            let image = Op::from(Reshape { shape });
            // What made a vector of the image, where that is in the same brick.
            let mut shape = analysis.index.get(id).and_then(|&node| analysis.nodes[node].input);
            let flattens = block.keyed().take(place).filter_map(|(key, op)| {
                let before = shape;
                shape = op.infer(before).ok().map(|(output, _)| output);
                let flat = matches!(shape, Some(Shape::Flat(_)));
                (flat && matches!(before, Some(Shape::Image(_)))).then_some((key, op.name()))
            });
            let mut fixes: Vec<_> = flattens
                .last()
                .map(|(key, name)| {
                    let edit = Edit::RemoveOp { node: id.clone(), key };
                    fix(format!("take the {name} before it out"), vec![edit])
                })
                .into_iter()
                .collect();
            fixes.push(take_out());
            if features <= MOST {
                fixes.push(put_before("make the vector an image of one pixel before it", image));
            }
            fixes
        }
        MisfitKind::NoInput => vec![delete(id)],
        MisfitKind::HasInput => {
            let fed: Vec<_> = template
                .links
                .iter()
                .filter(|link| link.1 == *id && analysis.index.contains_key(&link.0))
                .map(|link| Edit::Disconnect(link.clone()))
                .collect();
            if fed.is_empty() {
                vec![take_out()]
            } else {
                vec![fix("delete the links into it", fed)]
            }
        }
        MisfitKind::Window => {
            let Some(Shape::Image([_, height, width])) = input else { return vec![take_out()] };
            let smaller = match op.get("kernel") {
                Some(Value::Pair(Pair([rows, columns]))) => {
                    Some(Value::Pair(Pair([rows.min(height), columns.min(width)])))
                }
                _ => None,
            };
            let mut fixes: Vec<_> =
                smaller.and_then(|kernel| set("kernel", kernel)).into_iter().collect();
            // A smaller kernel may leave the padding, or what it covers by dilation, too large.
            for fix in &mut fixes {
                let ones = Value::Pair(Pair::ONE);
                fix.edits.extend(set("dilation", ones).into_iter().flat_map(|fix| fix.edits));
            }
            fixes.push(take_out());
            fixes
        }
        MisfitKind::Padding => {
            let none = [Value::Padding(Padding::Valid), Value::Pair(Pair::ZERO)];
            none.into_iter().filter_map(|value| set("padding", value)).chain([take_out()]).collect()
        }
        MisfitKind::Groups => {
            set("groups", Value::Count(1)).into_iter().chain([take_out()]).collect()
        }
        MisfitKind::Values => vec![take_out()],
        MisfitKind::Size => {
            let mut copy = op.clone();
            let width = copy.width().is_some().then(|| op.fields().first().map(|facts| facts.name));
            let kernel = set("kernel", Value::Pair(Pair::square(3)));
            let smaller = width.flatten().and_then(|field| set(field, Value::Count(16)));
            let both = smaller.map(|mut smaller| {
                if let Some(kernel) = kernel {
                    smaller.edits.extend(kernel.edits);
                }
                smaller
            });
            both.into_iter().chain((place > 0).then(take_out)).collect()
        }
    }
}

/// The value nearest to `value` that a field takes, where there is one.
fn nearest(kind: Kind, value: &Value) -> Option<Value> {
    let value = match (kind, value) {
        (Kind::Count { least, most }, Value::Count(count)) => {
            Value::Count((*count).clamp(least, most))
        }
        (Kind::Pair { least, most }, Value::Pair(Pair(sides))) => {
            Value::Pair(Pair(sides.map(|side| side.clamp(least, most))))
        }
        (Kind::Padding, Value::Padding(_)) => Value::Padding(Padding::Same),
        (Kind::Number { least, below }, Value::Number(number)) => {
            Value::Number(if *number >= below { f64::midpoint(least, below) } else { least })
        }
        (Kind::Bound, Value::Bound(_)) => Value::Bound(None),
        (Kind::Sizes { most, smallest, open, .. }, Value::Sizes(sizes)) => {
            let mut sizes: Vec<_> =
                sizes
                    .iter()
                    .take(most)
                    .map(|&size| {
                        if open && size == -1 {
                            -1
                        } else {
                            size.clamp(smallest as i64, MOST as i64)
                        }
                    })
                    .collect();
            // One may be left open.
            let mut left_open = false;
            for size in &mut sizes {
                if *size == -1 && std::mem::replace(&mut left_open, true) {
                    *size = smallest as i64;
                }
            }
            Value::Sizes(sizes)
        }
        (
            Kind::Count { .. }
            | Kind::Pair { .. }
            | Kind::Padding
            | Kind::Number { .. }
            | Kind::Bound
            | Kind::Choice(_)
            | Kind::Switch
            | Kind::Sizes { .. },
            _,
        ) => return None,
    };
    kind.takes(&value).then_some(value)
}

/// How many nodes are looked at, all in all, before the search for fixes ends: about a second's work.
const MOST_LOOKED_AT: usize = 400_000;

/// The template with its problems mended, each by the first of its fixes that makes the template better, and what was
/// done. Problems may be left: those that only the author can mend, and what is left of a template that has very many.
pub fn mended(template: &Template) -> (Template, Vec<(Problem, Fix)>) {
    let mut template = template.clone();
    let mut done = Vec::new();
    let mut analysis = Analysis::of(&template);
    let mut looks = MOST_LOOKED_AT / template.nodes.len().max(1);
    // Further if the first stage that has problems is a later one or has fewer of them. Of circles one is told at a
    // time: there, fewer links are further. Where shapes are wrong, what is mended lets more of what is below it be
    // seen: there, fewer operations that do not fit, or whose input is not known, are further.
    let left = |template: &Template, analysis: &Analysis| {
        let first = analysis.problems.first().map(|problem| &problem.kind);
        let stage = first.map_or(u8::MAX, ProblemKind::stage);
        let circles = matches!(first, Some(ProblemKind::Cycle));
        let links = if circles { template.links.len() } else { 0 };
        let count = analysis.first_problems().count();
        let unfit = |(node, facts): (&Node, &NodeFacts)| {
            let unknown = [facts.input, facts.output].into_iter().filter(Option::is_none).count();
            node.ops.len() - facts.fitting + unknown
        };
        let unfit: usize = template.nodes.iter().zip(&analysis.nodes).map(unfit).sum();
        let shapes = stage == ProblemKind::Merge.stage();
        let order = if shapes { [unfit, count] } else { [count, unfit] };
        (Reverse(stage), links, order)
    };
    while !analysis.problems.is_empty() && looks > 0 {
        let before = left(&template, &analysis);
        // All at once, where that helps: a broken file has many problems of one kind.
        let (mut all, mut made) = (template.clone(), Vec::new());
        for problem in analysis.first_problems() {
            // Without a copy for each: one that is refused half-way spoils the attempt at worst, and is not told.
            if let Some(fix) = problem.fixes.first()
                && all.make_all(&fix.edits).is_ok()
            {
                made.push((problem.clone(), fix.clone()));
            }
        }
        looks -= 1;
        let after = Analysis::of(&all);
        if !made.is_empty() && left(&all, &after) < before {
            done.append(&mut made);
            (template, analysis) = (all, after);
            continue;
        }
        let choices: Vec<_> = analysis
            .first_problems()
            .flat_map(|problem| problem.fixes.iter().map(move |fix| (problem.clone(), fix.clone())))
            .collect();
        let better = choices.into_iter().find_map(|(problem, fix)| {
            looks = looks.checked_sub(1)?;
            let edited = template.edited(&fix.edits).ok()?;
            let after = Analysis::of(&edited);
            (left(&edited, &after) < before).then_some((problem, fix, edited, after))
        });
        let Some((problem, fix, edited, after)) = better else { break };
        done.push((problem, fix));
        (template, analysis) = (edited, after);
    }
    (template, done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        ops::{
            Merge,
            samples::{dense, dropout, input, max_pool},
        },
        seed,
        template::{BlocksPerLayer, Graph, parse, presets, read, to_ron},
    };
    use rand::{RngExt, seq::IndexedRandom};
    use rand_chacha::ChaCha8Rng;

    /// A residual branch of two layers and a concatenation of two widths.
    fn branches() -> Template {
        let conv = |filters| Op::from(ConvBlock::new(filters, 3));
        let nodes = vec![
            Node::new("in", 0, vec![input([1, 8, 8])]),
            Node::new("stem", 1, vec![conv(4)]),
            Node::new("a", 2, vec![conv(8)]),
            Node::new("b", 3, vec![conv(4)]),
            Node { merge: Merge::Sum, ..Node::new("sum", 4, vec![]) },
            Node::new("c", 5, vec![conv(3)]),
            Node { merge: Merge::Concatenate, ..Node::new("cat", 6, vec![Op::BatchNorm]) },
            Node::new("pool", 7, vec![max_pool(2, 2, 0), Op::Flatten, dropout(0.2)]),
            Node::new("head", 8, vec![dense(3)]),
            Node::new("out", 9, vec![Op::Output]),
        ];
        let links = [
            ("in", "stem"),
            ("stem", "a"),
            ("a", "b"),
            ("b", "sum"),
            ("stem", "sum"),
            ("sum", "c"),
            ("c", "cat"),
            ("sum", "cat"),
            ("cat", "pool"),
            ("pool", "head"),
            ("head", "out"),
        ];
        Template {
            version: FORMAT_VERSION,
            name: "branches".to_owned(),
            about: String::new(),
            blocks_per_layer: BlocksPerLayer::Any,
            nodes,
            links: links.iter().map(|&(a, b)| Link(a.into(), b.into())).collect(),
        }
    }

    /// Breaks a template in one of many ways.
    fn damage(template: &mut Template, rng: &mut ChaCha8Rng) {
        let any = |rng: &mut ChaCha8Rng| rng.random_range(0..template.nodes.len());
        let place = any(rng);
        let id = template.nodes[place].id.clone();
        let link = template.links.choose(rng).cloned();
        let Some(link) = link else { return };
        let first_op = |template: &mut Template, op: Op| {
            template.nodes[place].ops = std::iter::once(op)
                .chain(template.nodes[place].ops.iter().cloned())
                .collect::<Vec<_>>()
                .into();
        };
        match rng.random_range(0..22) {
            0 => template.links.retain(|other| *other != link),
            1 => template.links.push(link),
            2 => template.links.push(Link(id.clone(), id)),
            3 => template.links.push(Link(id, "nowhere".into())),
            4 => template.links.push(Link(link.1, link.0)),
            5 => template.nodes[place].id = template.nodes[0].id.clone(),
            6 => template.nodes[place].id = " ".into(),
            7 => template.nodes[place].position = [f32::NAN, 0.0],
            8 => template.nodes[place].layer = template.nodes[0].layer,
            9 => template.version = 99,
            10 => {
                template.nodes.remove(place);
            }
            11 => first_op(template, ConvBlock::new(5, 3).into()),
            12 => first_op(template, Op::Flatten),
            13 => first_op(template, max_pool(40, 40, 0)),
            14 => first_op(template, max_pool(2, 1, 7)),
            15 => first_op(template, dense(0)),
            16 => first_op(template, dropout(2.0)),
            17 => first_op(template, Op::Output),
            18 => first_op(template, input([28, 28, 1])),
            19 => first_op(template, ConvBlock { groups: 7, ..ConvBlock::new(9, 3) }.into()),
            20 => first_op(template, ConvBlock::new(MOST + 1, MOST).into()),
            _ => first_op(template, Reshape { shape: vec![7, -1, 5] }.into()),
        }
    }

    #[test]
    fn two_hundred_broken_templates_say_what_is_wrong_and_are_mended() {
        let mut bases = vec![branches()];
        for preset in presets() {
            bases.push(preset.graph().expect("is right").template().clone());
        }
        let (mut broken, mut mended_ones) = (0, 0);
        for number in 0..260_u64 {
            let mut rng = seed::rng(11, "test/broken", number);
            let mut template = bases[number as usize % bases.len()].clone();
            for _ in 0..=number % 3 {
                damage(&mut template, &mut rng);
            }
            let analysis = Analysis::of(&template);
            if analysis.problems.is_empty() {
                continue;
            }
            broken += 1;
            for problem in &analysis.problems {
                assert!(!problem.what.is_empty() && !problem.fix.is_empty(), "{problem:?}");
                for fix in &problem.fixes {
                    let made = template.edited(&fix.edits);
                    assert!(made.is_ok(), "number {number}: {problem}: {fix:?}: {made:?}");
                }
            }
            let (fixed, done) = mended(&template);
            let left = Analysis::of(&fixed).problems;
            let told: Vec<_> = done.iter().map(|(it, fix)| (&it.what, &fix.title)).collect();
            let titles =
                left.first().map(|it| it.fixes.iter().map(|fix| &fix.title).collect::<Vec<_>>());
            assert!(left.is_empty(), "number {number}: {} {titles:?} after {told:#?}", left[0]);
            let graph = Graph::new(fixed).expect("has no problem");
            // It is a file that says the same.
            let text = to_ron(graph.template()).expect("can be written");
            assert_eq!(parse("fixed", &text).expect("is right").template(), graph.template());
            mended_ones += 1;
        }
        assert!(broken >= 200 && mended_ones == broken, "{mended_ones} of {broken}");
    }

    #[test]
    fn each_fix_of_a_merge_makes_it_fit() {
        let mut template = branches();
        let b = template.node_mut(&"b".into()).expect("is there");
        b.ops = vec![ConvBlock { stride: 2.into(), ..ConvBlock::new(6, 3) }.into()].into();
        let analysis = Analysis::of(&template);
        let [problem] = analysis.problems.as_slice() else { panic!("{:?}", analysis.problems) };
        assert_eq!(problem.kind, ProblemKind::Merge);
        assert!(problem.what.contains("6×4×4") && problem.what.contains("4×8×8"), "{problem}");
        // `stem` is projected to what `b` gives, or the other way; or a link goes.
        assert!(problem.fixes.len() >= 2, "{:?}", problem.fixes);
        for fix in &problem.fixes {
            let edited = template.edited(&fix.edits).expect("can be made");
            let after = Analysis::of(&edited);
            assert!(
                !after.problems.iter().any(|it| it.kind == ProblemKind::Merge),
                "{}",
                fix.title
            );
        }
    }

    #[test]
    fn a_hundred_thousand_nodes_are_looked_at_and_told_in_some_lines() {
        let mut template = branches();
        for place in 0..100_000 {
            template.nodes.push(Node::new(format!("n{place}"), 3, vec![dense(2)]));
        }
        let analysis = Analysis::of(&template);
        assert_eq!(analysis.problems.len(), 100_000);
        let (_, done) = mended(&template);
        assert!(!done.is_empty());
        let text = to_ron(&template).expect("can be written");
        assert_eq!(read("large", &text).expect("is read").nodes.len(), template.nodes.len());
        let error = parse("large", &text).expect_err("is wrong").to_string();
        assert!(error.lines().count() < 20 && error.contains("not connected"), "{error}");
    }
}
