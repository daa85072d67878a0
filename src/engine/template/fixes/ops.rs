//! Operations that stand where they cannot, or that do not fit what enters them.

use super::{delete, fix};
use crate::engine::{
    ops::{Facts, Kind, MOST, MisfitKind, Op, Padding, Pair, Place, Reshape, Shape, Value},
    template::{Analysis, Edit, Fix, NodeId, Template},
};

/// An operation that must be first or last is moved there, or goes where there is one already.
pub(super) fn misplaced(template: &Template, id: &NodeId, key: u32) -> Option<Fix> {
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

/// An operation that does not fit what enters it.
pub(super) fn misfitting(
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
            let value = op.get(field);
            if op.faults().is_empty() {
                // In range, but too much for this input.
                let none = match value {
                    Some(Value::Pair(_)) => Some(Value::Pair(Pair::ZERO)),
                    Some(Value::Sizes(sizes)) => Some(Value::Sizes(vec![0; sizes.len()])),
                    _ => None,
                };
                return none
                    .and_then(|none| set(field, none))
                    .into_iter()
                    .chain([take_out()])
                    .collect();
            }
            let value =
                facts.zip(value).and_then(|(Facts { kind, .. }, value)| nearest(kind, &value));
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
                .network
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
            let ones = Value::Pair(Pair::ONE);
            // A kernel that fits may still be too large by its dilation.
            let dilated = op.get("dilation").is_some_and(|dilation| dilation != ones);
            let mut smaller = smaller.and_then(|kernel| set("kernel", kernel));
            if let Some(fix) = &mut smaller
                && let Some(undilated) = dilated.then(|| set("dilation", ones)).flatten()
            {
                fix.title += ", without dilation";
                fix.edits.extend(undilated.edits);
            }
            smaller.into_iter().chain([take_out()]).collect()
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
            let smaller: Vec<_> = op
                .fields()
                .iter()
                // Other strides make an image smaller.
                .filter(|facts| facts.name != "stride" || matches!(op, Op::ConvTranspose2d(_)))
                .filter_map(|facts| set(facts.name, smaller(facts.name, &op.get(facts.name)?)?))
                .collect();
            let both = smaller.into_iter().reduce(|mut both, more| {
                both.title += &format!(", {}", more.title.trim_start_matches("set "));
                both.edits.extend(more.edits);
                both
            });
            let is_input = matches!(op, Op::Input(_));
            both.into_iter().chain((!is_input).then(take_out)).collect()
        }
    }
}

/// What makes less of an operation, where an argument is larger than that.
fn smaller(field: &str, value: &Value) -> Option<Value> {
    let side = |most: usize| match value {
        Value::Pair(Pair(sides)) => {
            let less = Pair(sides.map(|side| side.min(most)));
            (less != Pair(*sides)).then_some(Value::Pair(less))
        }
        _ => None,
    };
    let count = |most: usize| match value {
        Value::Count(count) => (*count > most).then_some(Value::Count(most)),
        _ => None,
    };
    match field {
        "filters" | "units" => count(16),
        "multiplier" | "expansion" => count(1),
        "kernel" => side(3),
        "stride" | "size" => side(2),
        "padding" | "output_padding" => side(0),
        _ => None,
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
