//! One battery of checks for all operations, whatever they are: a new operation passes it or the tests fail. Its cases
//! are in [`cases`]; an operation without one is a failure as well.
//!
//! The numbers that PyTorch gives for the cases are in `conformance/torch.json`. After a change of cases, make them again:
//!
//! ```text
//! NAS_NAVIGATOR_CONFORMANCE_CASES=/tmp/cases.json cargo test --lib cases_for_pytorch -- --ignored
//! python scripts/torch-conformance.py /tmp/cases.json
//! ```

mod cases;
mod network;
mod report;
mod run;

use super::{Element, FieldError, Kind, MOST, Merge, MisfitKind, Op, Padding, Pair, Shape, Value};
use crate::engine::{
    candidate,
    supernet::{EvaluationSettings, Evaluator, Supernet},
    template::{self, Template, dialect},
    training::{TrainSettings, Trainer},
};
use burn::tensor::Device;
use cases::{Case, What, cases};
use report::{Check, Outcome, Verdict, ensure, over_cases};
use run::{Backend, Found, Mode, Numbers, differentiate, forward, hash, tensor_names};
use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::json;
use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{Arc, atomic::AtomicBool},
};

static GO_ON: AtomicBool = AtomicBool::new(false);

/// The largest difference between what was found and what was wanted, as a share of what is tolerated: `tolerance` of
/// the largest value wanted, or of 1.
fn compare(what: &str, found: &[f32], wanted: &[f32], tolerance: f64) -> Outcome {
    ensure(found.len() == wanted.len(), || {
        format!("{what} has {} values instead of {}", found.len(), wanted.len())
    })?;
    let largest = wanted.iter().fold(1.0, |largest: f64, &it| largest.max(f64::from(it.abs())));
    let mut worst = 0.0_f64;
    for (i, (&found, &wanted)) in found.iter().zip(wanted).enumerate() {
        let share = (f64::from(found) - f64::from(wanted)).abs() / (tolerance * largest);
        // So that what is not a number fails.
        ensure(share <= 1.0, || format!("{what} is {found} instead of {wanted} at {i}"))?;
        worst = worst.max(share);
    }
    Ok(Verdict::Within(worst))
}

fn compare_all(case: &Case, found: &Found, wanted: &Found, tolerance: f64) -> Outcome {
    ensure(found.shape == wanted.shape, || format!("{} instead of {}", found.shape, wanted.shape))?;
    let (found, wanted) = (found.parts(case), wanted.parts(case));
    ensure(found.len() == wanted.len(), || format!("{} parts of {}", found.len(), wanted.len()))?;
    let pairs = found.into_iter().zip(wanted);
    let compared =
        pairs.map(|((what, found), (_, wanted))| compare(&what, found, wanted, tolerance));
    compared.reduce(|a, b| Ok(a?.and(b?))).unwrap_or(Ok(Verdict::Nothing))
}

fn same_bits(case: &Case, found: &Found, wanted: &Found) -> Result<(), String> {
    ensure(found.shape == wanted.shape, || format!("{} instead of {}", found.shape, wanted.shape))?;
    for ((what, found), (_, wanted)) in found.parts(case).into_iter().zip(wanted.parts(case)) {
        let other = found.iter().zip(wanted).position(|(a, b)| a.to_bits() != b.to_bits());
        ensure(other.is_none() && found.len() == wanted.len(), || {
            format!("{what} has other bits at {other:?}")
        })?;
    }
    Ok(())
}

fn error(error: impl ToString) -> String {
    error.to_string()
}

// Files.

#[test]
fn files_give_back_what_was_written_and_refuse_what_they_do_not_know() {
    over_cases(Check::Files, |case| {
        match &case.what {
            What::Op(op) => {
                round_trips(op)?;
                refuses_surplus(op)?;
            }
            What::Merge(merge) => {
                let text = match merge {
                    Merge::Mean => "Average",
                    Merge::Sum => "Add",
                    Merge::Concatenate => "Concatenate",
                };
                let read: Element = dialect().from_str(text).map_err(error)?;
                ensure(read.split() == Err(*merge), || format!("{text} is not {merge:?}"))?;
                let surplus = format!("{text}(surplus:1)");
                let read = dialect().from_str::<Element>(&surplus);
                ensure(read.is_err(), || format!("{surplus} is read"))?;
            }
        }
        let graph = network::graph(case, false);
        let written = Template::new("case", Arc::clone(graph.network()));
        let text = template::to_ron(&written).map_err(error)?;
        let read = template::read("case.ron", &text).map_err(error)?;
        ensure(read == written, || format!("another template from\n{text}"))?;
        Ok(Verdict::Held)
    });
}

fn round_trips(op: &Op) -> Result<(), String> {
    let text = dialect().to_string(op).map_err(error)?;
    let read: Op = dialect().from_str(&text).map_err(|why| format!("{text}: {why}"))?;
    ensure(read == *op, || format!("{read:?} from {text}"))?;
    let element: Element = dialect().from_str(&text).map_err(|why| format!("{text}: {why}"))?;
    ensure(element.split() == Ok(read), || format!("{text} is another element"))?;
    let text = serde_json::to_string(op).map_err(error)?;
    let read: Op = serde_json::from_str(&text).map_err(|why| format!("{text}: {why}"))?;
    ensure(read == *op, || format!("{read:?} from {text}"))
}

fn refuses_surplus(op: &Op) -> Result<(), String> {
    let text = dialect().to_string(op).map_err(error)?;
    let surplus = match text.strip_suffix(')') {
        Some(rest) if rest.ends_with('(') => format!("{rest}surplus:1)"),
        Some(rest) => format!("{rest},surplus:1)"),
        None => format!("{text}(surplus:1)"),
    };
    let read = dialect().from_str::<Op>(&surplus);
    ensure(read.is_err(), || format!("{surplus} is read as {read:?}"))?;
    let read = dialect().from_str::<Element>(&surplus);
    ensure(read.is_err(), || format!("{surplus} is read as {read:?}"))?;
    let mut value = serde_json::to_value(op).map_err(error)?;
    match &mut value {
        serde_json::Value::Object(variant) => {
            for arguments in variant.values_mut() {
                arguments["surplus"] = json!(1);
            }
        }
        name => *name = json!({ name.as_str().unwrap_or_default(): { "surplus": 1 } }),
    }
    let read = serde_json::from_value::<Op>(value.clone());
    ensure(read.is_err(), || format!("{value} is read as {read:?}"))
}

// Fields.

#[test]
fn fields_take_what_they_say_and_nothing_else() {
    over_cases(Check::Fields, |case| {
        let Some(op) = case.op() else { return Ok(Verdict::Nothing) };
        let mut unknown = op.clone();
        let set = unknown.set("surplus", &Value::Count(1));
        ensure(matches!(set, Err(FieldError::Unknown { .. })), || format!("surplus: {set:?}"))?;
        ensure(op.get("surplus").is_none() && unknown == *op, || "has a surplus".to_owned())?;
        for facts in op.fields() {
            let name = facts.name;
            let own = op.get(name).ok_or_else(|| format!("{name} is listed but not there"))?;
            let with = |value: &Value| -> Result<Op, FieldError> {
                let mut changed = op.clone();
                changed.set(name, value).map(|()| changed)
            };
            let same = with(&own).map_err(error)?;
            ensure(same == *op, || format!("{same:?} after {name} was set to what it was"))?;
            for value in legal(&facts.kind) {
                let changed = with(&value).map_err(error)?;
                let got = changed.get(name);
                ensure(got.as_ref() == Some(&value), || format!("{name}: {got:?}, not {value:?}"))?;
                ensure((changed == *op) == (value == own), || {
                    format!("{name} counts for nothing")
                })?;
                for other in op.fields().iter().filter(|other| other.name != name) {
                    let (before, after) = (op.get(other.name), changed.get(other.name));
                    ensure(before == after, || format!("{name} changes {}", other.name))?;
                }
                round_trips(&changed)?;
                let text = value.to_string();
                let parsed = facts.kind.parse(&text);
                ensure(parsed.as_ref() == Some(&value), || {
                    format!("{name}: {text} is {parsed:?}")
                })?;
                // It may fit or not, but must say so.
                _ = infer(&changed, case);
            }
            for value in refused(&facts.kind) {
                let set = with(&value);
                ensure(matches!(set, Err(FieldError::Value { .. })), || {
                    format!("{name} takes {value:?}: {set:?}")
                })?;
                if let Some(written) = written(op, name, &value) {
                    let kind = infer(&written, case).map_err(|misfit| misfit.kind);
                    let wanted = Err(MisfitKind::Argument { field: name });
                    ensure(kind == wanted, || format!("{name} of {value:?} gives {kind:?}"))?;
                }
            }
        }
        Ok(Verdict::Held)
    });
}

#[test]
fn arguments_that_are_all_as_large_or_small_as_can_be_are_no_danger() {
    for case in cases() {
        let Some(op) = case.op() else { continue };
        let extreme = |pick: fn(Vec<Value>) -> Option<Value>| {
            let mut op = op.clone();
            for facts in op.fields() {
                let value = pick(legal(&facts.kind)).expect("every kind takes something");
                op.set(facts.name, &value).expect("is legal");
            }
            op
        };
        for op in [extreme(|all| all.into_iter().next()), extreme(|mut all| all.pop())] {
            let inferred = infer(&op, &case);
            let said = inferred.as_ref().err().map_or("fits", |misfit| misfit.fix.as_str());
            assert!(!said.is_empty() && !op.to_string().is_empty(), "{}: {op:?}", case.name);
        }
    }
}

fn infer(op: &Op, case: &Case) -> Result<Shape, super::Misfit> {
    let input = (!matches!(op, Op::Input(_))).then_some(case.inputs[0]);
    op.infer(input).map(|(shape, _)| shape)
}

/// Values that a field takes, from the smallest to the largest.
fn legal(kind: &Kind) -> Vec<Value> {
    match *kind {
        Kind::Count { least, most } => {
            let some = [least, least + 1, most];
            some.into_iter().filter(|&count| count <= most).map(Value::Count).collect()
        }
        Kind::Pair { least, most } => [[least; 2], [least, least + 1], [most, least], [most; 2]]
            .into_iter()
            .map(|sides| Value::Pair(Pair(sides)))
            .collect(),
        Kind::Padding => [
            Padding::Valid,
            Padding::Same,
            Padding::Pixels(Pair::ZERO),
            Padding::Pixels(Pair([2, 1])),
            Padding::Pixels(Pair::square(MOST)),
        ]
        .into_iter()
        .map(Value::Padding)
        .collect(),
        Kind::Number { least, below } => {
            let large = if below.is_finite() { below.next_down() } else { 1e30 };
            let middle = if below.is_finite() { least + (below - least) / 3.0 } else { 1.1 };
            [least, middle, large].into_iter().map(Value::Number).collect()
        }
        Kind::Bound => [None, Some(f64::MIN_POSITIVE), Some(0.1), Some(6.0), Some(f64::MAX)]
            .into_iter()
            .map(Value::Bound)
            .collect(),
        Kind::Choice(names) => names.iter().copied().map(Value::Choice).collect(),
        Kind::Switch => vec![Value::Switch(false), Value::Switch(true)],
        Kind::Sizes { least, most, smallest, open } => {
            let smallest = smallest as i64;
            let mut all: Vec<_> = [least, most]
                .into_iter()
                .flat_map(|count| [vec![smallest; count], vec![smallest + 1; count]])
                .collect();
            if open {
                all.extend([least, most].map(|count| {
                    let mut sizes = vec![smallest + 1; count];
                    sizes[count / 2] = -1;
                    sizes
                }));
            }
            all.push(vec![MOST as i64; most]);
            all.into_iter().map(Value::Sizes).collect()
        }
    }
}

/// Values that a field does not take: too small, too large, and of every other kind.
fn refused(kind: &Kind) -> Vec<Value> {
    let mut refused = match *kind {
        Kind::Count { least, most } => {
            let below = least.checked_sub(1);
            below.into_iter().chain([most + 1, usize::MAX]).map(Value::Count).collect()
        }
        Kind::Pair { least, most } => {
            let below = least.checked_sub(1).map(|below| [[below, least], [least, below]]);
            let above = [[most + 1, least], [least, most + 1]];
            let all = below.into_iter().flatten().chain(above);
            all.map(|sides| Value::Pair(Pair(sides))).collect()
        }
        Kind::Padding => [[MOST + 1, 0], [0, MOST + 1]]
            .into_iter()
            .map(|sides| Value::Padding(Padding::Pixels(Pair(sides))))
            .collect(),
        Kind::Number { least, below } => {
            [least.next_down(), least - 1.0, below, f64::INFINITY, f64::NEG_INFINITY, f64::NAN]
                .into_iter()
                .map(Value::Number)
                .collect()
        }
        Kind::Bound => [0.0, -1.0, f64::INFINITY, f64::NAN]
            .into_iter()
            .map(|bound| Value::Bound(Some(bound)))
            .collect(),
        Kind::Choice(_) => vec![Value::Choice("no such"), Value::Choice("")],
        Kind::Switch => Vec::new(),
        Kind::Sizes { least, most, smallest, open } => {
            let good = smallest as i64;
            let with_first = |size: i64| {
                let mut sizes = vec![good; most];
                sizes[0] = size;
                sizes
            };
            let mut all = vec![
                vec![good; least - 1],
                vec![good; most + 1],
                with_first(good - 1),
                with_first(MOST as i64 + 1),
                with_first(-2),
                with_first(i64::MAX),
            ];
            if open {
                all.push(vec![-1; most.max(2)]);
            } else {
                all.push(with_first(-1));
            }
            // The one below the smallest may stand for what is left.
            all.retain(|sizes| !kind.takes(&Value::Sizes(sizes.clone())));
            all.into_iter().map(Value::Sizes).collect()
        }
    };
    let one_of_each = [
        Value::Count(1),
        Value::Pair(Pair::ONE),
        Value::Padding(Padding::Same),
        Value::Number(0.5),
        Value::Bound(None),
        Value::Choice("relu"),
        Value::Switch(true),
        Value::Sizes(vec![1, 1, 1]),
    ];
    let own = std::mem::discriminant(&legal(kind)[0]);
    refused.extend(one_of_each.into_iter().filter(|value| std::mem::discriminant(value) != own));
    refused
}

/// The operation as a file gives it that says `value` for a field; `None` where it cannot be written or is not read.
fn written(op: &Op, field: &str, value: &Value) -> Option<Op> {
    let value = match value {
        Value::Count(count) => json!(count),
        Value::Pair(Pair(sides)) => json!(sides),
        Value::Padding(Padding::Pixels(Pair(sides))) => json!({ "Pixels": sides }),
        Value::Padding(Padding::Same | Padding::Valid) => json!(value.to_string()),
        // What is no number has no notation in JSON, where `null` would be none: RON has one.
        Value::Number(number) | Value::Bound(Some(number)) if !number.is_finite() => {
            let mut marked = op.clone();
            let mark = 0.328_125;
            let [number_mark, bound_mark] = [Value::Number(mark), Value::Bound(Some(mark))];
            marked.set(field, &number_mark).or_else(|_| marked.set(field, &bound_mark)).ok()?;
            let text = dialect().to_string(&marked).ok()?;
            let number = if number.is_nan() {
                "NaN"
            } else if *number > 0.0 {
                "inf"
            } else {
                "-inf"
            };
            let text = text.replace(&format!("{mark}"), number);
            return Some(dialect().from_str(&text).unwrap_or_else(|why| panic!("{text}: {why}")));
        }
        Value::Number(number) | Value::Bound(Some(number)) => json!(number),
        Value::Bound(None) => json!(null),
        Value::Choice(name) => json!(name),
        Value::Switch(on) => json!(on),
        Value::Sizes(sizes) => json!(sizes),
    };
    let mut written = serde_json::to_value(op).ok()?;
    for arguments in written.as_object_mut()?.values_mut() {
        arguments[field] = value.clone();
    }
    let written: Op = serde_json::from_value(written).ok()?;
    // A kind that is read as another is that other: 1 as a pair of ones.
    let takes =
        |facts: &super::Facts| written.get(facts.name).is_some_and(|it| facts.kind.takes(&it));
    let legal = written.fields().iter().all(takes);
    (!legal).then_some(written)
}

// Inference.

#[test]
fn inferred_shapes_parameters_and_operations_are_the_real_ones() {
    let stored = stored();
    over_cases(Check::Inference, |case| {
        let (shape, cost) = case.infer().map_err(|misfit| format!("{misfit:?}"))?;
        let numbers = Numbers::new(case, case.batch());
        for mode in [Mode::Training, Mode::Evaluation] {
            for backend in Backend::of_processor() {
                let (real, _) = forward(case, &backend, mode, &numbers);
                ensure(real == shape, || format!("{shape} is inferred, {backend:?} gives {real}"))?;
            }
        }
        let supernet = Supernet::new(network::graph(case, true), 1, &Device::flex());
        let own = format!("{}.", network::home(case));
        let (mut values, mut names) = (0, BTreeMap::<&str, usize>::new());
        for (name, value) in supernet.parameter_names().zip(supernet.values()) {
            *names.entry(name).or_default() += 1;
            if name.starts_with(&own) {
                values += value.dims()[0] as u64;
            }
            let finite = numbers_of(value).iter().all(|value| value.is_finite());
            ensure(finite, || format!("{name} starts with what is no number"))?;
        }
        let twice = names.iter().find(|&(_, &count)| count > 1);
        ensure(twice.is_none(), || format!("two tensors are called {twice:?}"))?;
        ensure(values == cost.params, || {
            format!("{} parameters are inferred, there are {values}", cost.params)
        })?;
        // Running statistics have names as well: the file would not hold all of them otherwise.
        let bytes = supernet.to_bytes().map_err(error)?;
        let file = SafeTensors::deserialize(&bytes).map_err(error)?;
        let tensors = file.names().iter().filter(|name| name.starts_with(&own)).count();
        let learned = case.learned();
        let wanted = learned.parameters.len() + 2 * learned.norms.len();
        ensure(tensors == wanted, || format!("the file has {tensors} tensors of {wanted}"))?;
        let flops = stored.of(case)?.flops;
        ensure(cost.flops == flops, || {
            format!("{} operations are inferred, PyTorch counts {flops}", cost.flops)
        })?;
        Ok(Verdict::Held)
    });
}

fn numbers_of(tensor: &burn::tensor::Tensor<1>) -> Vec<f32> {
    tensor.try_to_vec_as().expect("the CPU answers")
}

// Slopes.

/// By how much a value is changed. Rounding errors of a sum of some dozen values around 1 are below 1e-6, which over two
/// steps makes 5e-4 of slope; what a slope itself changes over a step is of the same order. Both grow with the values.
const STEP: f32 = 1.0 / 1024.0;
/// What is tolerated of a slope, as a share of the largest one or of 1: the above with room to spare. A factor that was
/// forgotten is far more.
const SLOPE_TOLERANCE: f64 = 4e-3;
/// Slopes over one and two steps that differ by more than this share of them have a kink between them.
const KINK: f64 = 2e-3;
/// Values of a tensor that are changed, at most.
const ENTRIES: usize = 40;

#[test]
fn gradients_are_slopes() {
    over_cases(Check::Slopes, |case| {
        let backend = Backend::of(Device::flex());
        let mut numbers = Numbers::new(case, case.batch());
        let found = differentiate(case, &backend, Mode::Training, &numbers);
        let mut verdict = Verdict::Nothing;
        for (tensor, (name, gradient)) in
            tensor_names(case).into_iter().zip(&found.gradients).enumerate()
        {
            let largest = gradient.iter().fold(1.0, |max: f64, it| max.max(f64::from(it.abs())));
            let stride = gradient.len().div_ceil(ENTRIES).max(1);
            let (mut looked_at, mut beside_kinks) = (0, 0);
            for entry in (0..gradient.len()).step_by(stride) {
                let mut slope = |steps: f32| {
                    let mut sum_at = |change: f32| {
                        let value = &mut numbers.tensors().nth(tensor).expect("is there")[entry];
                        let (before, after) = (*value, *value + change);
                        *value = after;
                        let (_, output) = forward(case, &backend, Mode::Training, &numbers);
                        numbers.tensors().nth(tensor).expect("is there")[entry] = before;
                        let products = output
                            .iter()
                            .zip(&numbers.weights)
                            .map(|(&value, &weight)| f64::from(value) * f64::from(weight));
                        (f64::from(after), products.sum::<f64>())
                    };
                    let (above, below) = (sum_at(steps * STEP), sum_at(-steps * STEP));
                    (above.1 - below.1) / (above.0 - below.0)
                };
                let (near, far) = (slope(1.0), slope(2.0));
                looked_at += 1;
                if (near - far).abs() > KINK * largest.max(far.abs()) {
                    beside_kinks += 1;
                    continue;
                }
                let difference = (near - f64::from(gradient[entry])).abs();
                let share = difference / (SLOPE_TOLERANCE * largest);
                ensure(share <= 1.0, || {
                    format!(
                        "the gradient of {name} is {} instead of {near} at {entry}",
                        gradient[entry]
                    )
                })?;
                verdict = verdict.and(Verdict::Within(share));
            }
            ensure(2 * beside_kinks <= looked_at, || {
                format!("{beside_kinks} of {looked_at} values of {name} stand at kinks")
            })?;
        }
        Ok(verdict)
    });
}

// PyTorch.

/// What the script has computed, in double precision, of the same numbers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    torch: String,
    cases: BTreeMap<String, StoredCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredCase {
    /// The hash of the case that was computed.
    hash: u32,
    output: Vec<f32>,
    gradients: Vec<Vec<f32>>,
    #[serde(default)]
    statistics: Vec<[Vec<f32>; 2]>,
    /// The output with given statistics, where there are batch normalisations.
    evaluation: Option<Vec<f32>>,
    /// Operations for one image.
    flops: u64,
}

/// What is tolerated between our single and PyTorch's double precision, of the largest value: sums of some dozen
/// products, divided by deviations that may be as small as a tenth, in an inverted residual three times.
const TORCH_TOLERANCE: f64 = 2e-5;

const MAKE_AGAIN: &str = "make conformance/torch.json again, as conformance.rs says";

fn stored() -> Stored {
    serde_json::from_str(include_str!("conformance/torch.json")).expect("the script wrote it")
}

impl Stored {
    fn of(&self, case: &Case) -> Result<&StoredCase, String> {
        let stored = self.cases.get(&case.name);
        let stored = stored.ok_or_else(|| format!("nothing is stored; {MAKE_AGAIN}"))?;
        let is_same = stored.hash == case_hash(case);
        ensure(is_same, || format!("what is stored is of another case; {MAKE_AGAIN}"))?;
        Ok(stored)
    }
}

fn case_hash(case: &Case) -> u32 {
    hash(&case.to_json().to_string())
}

#[test]
fn results_and_gradients_are_those_of_pytorch() {
    let stored = stored();
    over_cases(Check::Torch, |case| {
        let stored = stored.of(case)?;
        let [ours, burns] = Backend::of_processor()
            .map(|backend| compare_with_torch(case, stored, &backend, TORCH_TOLERANCE));
        Ok(ours?.and(burns?))
    });
}

fn compare_with_torch(
    case: &Case,
    stored: &StoredCase,
    backend: &Backend,
    tolerance: f64,
) -> Outcome {
    let numbers = Numbers::new(case, case.batch());
    let found = differentiate(case, backend, Mode::Undropped, &numbers);
    let wanted = Found {
        shape: case.output(),
        output: stored.output.clone(),
        gradients: stored.gradients.clone(),
        statistics: stored.statistics.clone(),
    };
    let trained = compare_all(case, &found, &wanted, tolerance)?;
    let (_, output) = forward(case, backend, Mode::Evaluation, &numbers);
    let wanted = stored.evaluation.as_ref().unwrap_or(&stored.output);
    Ok(trained.and(compare("the evaluated output", &output, wanted, tolerance)?))
}

/// What is tolerated of a GPU: its exponentials and square roots are less exact than the processor's.
#[cfg(feature = "wgpu")]
const GPU_TOLERANCE: f64 = 2e-4;

#[cfg(feature = "wgpu")]
#[test]
fn a_gpu_gives_what_pytorch_and_the_processor_give() {
    let stored = stored();
    let [processor, gpu] = [Device::flex(), crate::engine::device::gpu()].map(Backend::of);
    over_cases(Check::Gpu, |case| {
        let torch = compare_with_torch(case, stored.of(case)?, &gpu, GPU_TOLERANCE)?;
        // With dropout, whose masks are the same everywhere.
        let numbers = Numbers::new(case, 5);
        let [gpu, processor] = [&gpu, &processor]
            .map(|backend| differentiate(case, backend, Mode::Training, &numbers));
        Ok(torch.and(compare_all(case, &gpu, &processor, GPU_TOLERANCE)?))
    });
}

#[test]
fn what_is_stored_is_of_these_cases_and_says_which_pytorch_it_is_from() {
    let stored = stored();
    assert!(stored.torch.starts_with("2."), "{}", stored.torch);
    let names: std::collections::BTreeSet<_> = cases().into_iter().map(|case| case.name).collect();
    let left: Vec<_> = stored.cases.keys().filter(|&name| !names.contains(name)).collect();
    assert!(left.is_empty(), "{left:?}; {MAKE_AGAIN}");
}

#[test]
#[ignore = "writes the cases for scripts/torch-conformance.py"]
fn cases_for_pytorch() {
    let path = std::env::var_os("NAS_NAVIGATOR_CONFORMANCE_CASES").expect("says where to write");
    let cases: Vec<_> = cases()
        .iter()
        .map(|case| {
            let mut json = case.to_json();
            json["hash"] = json!(case_hash(case));
            json
        })
        .collect();
    std::fs::write(path, serde_json::to_string_pretty(&cases).expect("can be written"))
        .expect("can be written");
}

// The processor.

/// What is tolerated between our kernels and Burn's: both are in single precision, and add in another order, in an inverted
/// residual through three normalisations.
const KERNEL_TOLERANCE: f64 = 5e-5;

#[test]
fn the_processors_kernels_give_what_burns_give() {
    over_cases(Check::Kernels, |case| {
        let backends = Backend::of_processor();
        let numbers = Numbers::new(case, 5);
        let mut verdict = Verdict::Held;
        for mode in [Mode::Training, Mode::Evaluation] {
            let [ours, burns] =
                backends.each_ref().map(|backend| differentiate(case, backend, mode, &numbers));
            verdict = verdict.and(compare_all(case, &ours, &burns, KERNEL_TOLERANCE)?);
        }
        Ok(verdict)
    });
}

/// Enough that work is divided.
const MANY: usize = 200;

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let pools = [1, 4].map(|count| {
        rayon::ThreadPoolBuilder::new().num_threads(count).build().expect("threads start")
    });
    over_cases(Check::Threads, |case| {
        let numbers = Numbers::new(case, MANY);
        for backend in Backend::of_processor() {
            for mode in [Mode::Training, Mode::Evaluation] {
                let [one, four] = pools
                    .each_ref()
                    .map(|pool| pool.install(|| differentiate(case, &backend, mode, &numbers)));
                same_bits(case, &four, &one)
                    .map_err(|why| format!("{backend:?}, {mode:?}: {why}"))?;
            }
        }
        Ok(Verdict::Held)
    });
}

// In a network.

#[test]
fn candidates_that_share_it_get_the_same_bits_as_each_alone() {
    over_cases(Check::Sharing, |case| {
        let (supernet, data) = (network::supernet(case, true), network::data(case));
        let graph = supernet.graph();
        let masks = candidate::list_all(graph, 200).ok_or("has too many candidates")?;
        ensure(masks.len() >= 3, || format!("{} candidates", masks.len()))?;
        let home = graph.index_of(&network::home(case).into()).ok_or("has no node")?;
        let with = masks.iter().filter(|mask| mask.contains(home)).count();
        ensure(with > 1, || format!("{with} candidates have it"))?;
        for recalibration_batches in [0, 2] {
            let settings = EvaluationSettings { images: 20, recalibration_batches, batch_size: 8 };
            let evaluator = Evaluator::new(&supernet, &data, settings, 0).map_err(error)?;
            let mut sharing = evaluator.share(&supernet, &masks);
            for candidate in sharing.order() {
                let shared =
                    sharing.evaluate(evaluator.on(&supernet), candidate, &GO_ON).map_err(error)?;
                let alone =
                    evaluator.evaluate(&supernet, &masks[candidate], &GO_ON).map_err(error)?;
                ensure(alone.loss.is_finite(), || format!("a loss of {}", alone.loss))?;
                let same = shared.loss.to_bits() == alone.loss.to_bits() && shared == alone;
                ensure(same, || format!("{shared:?} instead of {alone:?}"))?;
            }
        }
        Ok(Verdict::Held)
    });
}

#[test]
fn a_frozen_brick_keeps_every_bit_while_others_learn() {
    over_cases(Check::Frozen, |case| {
        let learned = case.learned();
        if learned.parameters.is_empty() {
            return Ok(Verdict::Nothing);
        }
        let data = network::data(case);
        let settings = TrainSettings { epochs: 2, batch_size: 8, ..TrainSettings::default() };
        let train = |supernet: &mut Supernet, before: Option<&[u8]>, epoch| {
            let mut trainer = Trainer::of_whole(supernet, &data, settings, 32).map_err(error)?;
            if let Some(state) = before {
                trainer.load_bytes(supernet, state).map_err(error)?;
            }
            let go_on = &mut |_: crate::engine::training::StepReport| ControlFlow::Continue(());
            trainer.run_epoch(supernet, &data, epoch, go_on).map_err(error)?;
            Ok::<_, String>([
                supernet.to_bytes().map_err(error)?,
                trainer.to_bytes(supernet).map_err(error)?,
            ])
        };
        // So that the optimizer has something to remember.
        let before = train(&mut network::supernet(case, true), None, 1)?;
        let mut frozen = network::supernet(case, false);
        frozen.load_bytes(&before[0]).map_err(error)?;
        let after = train(&mut frozen, Some(&before[1]), 2)?;
        let own = format!("{}.", network::home(case));
        let (mut kept, mut changed) = ([0; 2], [0; 2]);
        for place in 0..2 {
            let [before, after] =
                [&before, &after].map(|files| SafeTensors::deserialize(&files[place]));
            let (before, after) = (before.map_err(error)?, after.map_err(error)?);
            for (name, tensor) in before.iter() {
                let same = after.tensor(name).map_err(error)?.data() == tensor.data();
                if name.starts_with(&own) {
                    ensure(same, || format!("{name} has changed"))?;
                    kept[place] += 1;
                } else if name != "position" {
                    // That is how far training is.
                    changed[place] += usize::from(!same);
                }
            }
            ensure(before.len() == after.len(), || "other tensors".to_owned())?;
        }
        let (parameters, norms) = (learned.parameters.len(), learned.norms.len());
        ensure(kept[0] == parameters + 2 * norms, || format!("{kept:?} tensors were kept"))?;
        // Adam remembers two moments and a time for each.
        ensure(kept[1] == 3 * parameters, || format!("{kept:?} tensors were kept"))?;
        ensure(changed[0] > 0 && changed[1] > 0, || format!("{changed:?} others have changed"))?;
        Ok(Verdict::Held)
    });
}
