//! What the battery is run on: every operation and every way to merge, with arguments of every kind.

use super::super::{
    ActivationFunction, AveragePool, Conv2d, ConvBlock, Cost, Dense, Initialiser, Input, Learned,
    MaxPool, Merge, Misfit, Op, Padding, Pair, Relu, Shape, Value, samples,
};
use crate::engine::named::Named;
use serde_json::json;

/// What is checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Op(Op),
    Merge(Merge),
}

/// An operation with what it is given.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// The operation's name, and what is special here.
    pub(super) name: String,
    pub(super) what: What,
    /// The shapes of what comes in, by slot; operations have one.
    pub(super) inputs: Vec<Shape>,
    /// The slots at which something arrives.
    pub(super) kept: Vec<bool>,
    /// Inputs are between this and its negative.
    pub(super) span: f32,
}

impl Case {
    /// An operation on images.
    fn new(label: &str, op: impl Into<Op>, input: [usize; 3]) -> Self {
        Self::on(label, op, Shape::Image(input))
    }

    /// An operation on vectors.
    fn flat(label: &str, op: impl Into<Op>, features: usize) -> Self {
        Self::on(label, op, Shape::Flat(features))
    }

    fn on(label: &str, op: impl Into<Op>, input: Shape) -> Self {
        let op = op.into();
        Self {
            name: format!("{}: {label}", op.name()),
            what: What::Op(op),
            inputs: vec![input],
            kept: vec![true],
            span: 1.0,
        }
    }

    fn merging<const N: usize>(label: &str, merge: Merge, inputs: [Shape; N], kept: [bool; N]) -> Self {
        Self {
            name: format!("{}: {label}", merge.name()),
            what: What::Merge(merge),
            inputs: inputs.to_vec(),
            kept: kept.to_vec(),
            span: 1.0,
        }
    }

    /// The same with inputs so large that functions saturate.
    fn wide(self) -> Self {
        Self { span: 8.0, ..self }
    }

    /// The name of what is checked, in palettes.
    pub(super) fn subject(&self) -> &'static str {
        match &self.what {
            What::Op(op) => op.name(),
            What::Merge(merge) => merge.name(),
        }
    }

    pub(super) fn op(&self) -> Option<&Op> {
        match &self.what {
            What::Op(op) => Some(op),
            What::Merge(_) => None,
        }
    }

    /// What shape inference says.
    pub(super) fn infer(&self) -> Result<(Shape, Cost), Misfit> {
        match &self.what {
            What::Op(op @ Op::Input(_)) => op.infer(None),
            What::Op(op) => op.infer(Some(self.inputs[0])),
            What::Merge(merge) => {
                let shape = merge.output(&self.inputs).expect("the case fits");
                Ok((shape.expect("the case has inputs"), Cost::default()))
            }
        }
    }

    pub(super) fn output(&self) -> Shape {
        self.infer().unwrap_or_else(|misfit| panic!("{}: {misfit:?}", self.name)).0
    }

    pub(super) fn learned(&self) -> Learned {
        self.op().map_or(Learned::NOTHING, |op| op.learned(self.inputs[0]))
    }

    /// Images at a time: few, but enough for a batch normalisation to have something to do.
    pub(super) fn batch(&self) -> usize {
        match self.inputs[0] {
            Shape::Image(_) => 2,
            Shape::Flat(_) => 4,
        }
    }

    /// All there is to know of it, for the script that computes the same with PyTorch.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let learned = self.learned();
        let arguments: serde_json::Map<_, _> = self
            .op()
            .into_iter()
            .flat_map(|op| op.fields().into_iter().map(move |facts| (op, facts.name)))
            .map(|(op, field)| (field.to_owned(), argument(&op.get(field).expect("is a field"))))
            .collect();
        json!({
            "name": self.name,
            "subject": self.subject(),
            "arguments": arguments,
            "inputs": self.inputs.iter().map(|&shape| dims(shape)).collect::<Vec<_>>(),
            "kept": self.kept,
            "span": self.span,
            "batch": self.batch(),
            "output": dims(self.output()),
            "parameters": learned
                .parameters
                .iter()
                .map(|parameter| json!({ "role": parameter.role, "shape": parameter.shape }))
                .collect::<Vec<_>>(),
            "norms": learned.norms.iter().map(|norm| norm.channels).collect::<Vec<_>>(),
        })
    }
}

pub(super) fn dims(shape: Shape) -> Vec<usize> {
    match shape {
        Shape::Image(dims) => dims.to_vec(),
        Shape::Flat(features) => vec![features],
    }
}

fn argument(value: &Value) -> serde_json::Value {
    match value {
        Value::Count(count) => json!(count),
        Value::Pair(Pair(sides)) | Value::Padding(Padding::Pixels(Pair(sides))) => json!(sides),
        Value::Padding(padding @ (Padding::Same | Padding::Valid)) => json!(padding.to_string()),
        Value::Number(number) => json!(number),
        Value::Bound(bound) => json!(bound),
        Value::Choice(name) => json!(name),
        Value::Switch(on) => json!(on),
        Value::Sizes(sizes) => json!(sizes),
    }
}

/// All cases.
pub(super) fn cases() -> Vec<Case> {
    [
        ends(),
        conv_blocks(),
        conv2ds(),
        poolings(),
        denses(),
        small_ones(),
        merges(),
    ]
    .concat()
}

fn ends() -> Vec<Case> {
    vec![
        Case::new("two channels", Input { shape: [2, 3, 4] }, [2, 3, 4]),
        Case::flat("three scores", Op::Output, 3),
    ]
}

fn conv_blocks() -> Vec<Case> {
    let block = ConvBlock::new;
    let off = || ConvBlock {
        conv: false,
        batch_norm: false,
        activation: ActivationFunction::Linear,
        ..block(1, 1)
    };
    let mut cases = vec![
        Case::new("defaults", block(3, 3), [2, 4, 5]),
        Case::new("kernel 1", block(3, 1), [2, 3, 4]),
        Case::new("even kernel", block(2, 2), [2, 3, 4]),
        Case::new("flat kernel", block(2, [1, 3]), [2, 3, 4]),
        Case::new("kernel 3×2, bias", ConvBlock { bias: true, ..block(2, [3, 2]) }, [2, 4, 4]),
        Case::new("stride 2", ConvBlock { stride: 2.into(), ..block(2, 3) }, [2, 5, 6]),
        Case::new("stride 2×1", ConvBlock { stride: [2, 1].into(), ..block(2, 3) }, [2, 5, 4]),
        Case::new("valid", ConvBlock { padding: Padding::Valid, ..block(2, 3) }, [2, 4, 5]),
        Case::new(
            "padding 1×2",
            ConvBlock { padding: Padding::Pixels([1, 2].into()), ..block(2, [2, 3]) },
            [2, 3, 4],
        ),
        Case::new(
            "padding 1",
            ConvBlock { padding: Padding::Pixels(1.into()), ..block(2, 2) },
            [2, 3, 4],
        ),
        Case::new("dilation 2", ConvBlock { dilation: 2.into(), ..block(2, 3) }, [2, 4, 5]),
        Case::new("dilation 1×2", ConvBlock { dilation: [1, 2].into(), ..block(2, 2) }, [2, 4, 5]),
        Case::new("groups", ConvBlock { groups: 2, ..block(4, 3) }, [4, 3, 4]),
        Case::new(
            "a group per channel, bias",
            ConvBlock { groups: 3, bias: true, ..block(6, 2) },
            [3, 3, 3],
        ),
        Case::new(
            "without batch norm",
            ConvBlock { batch_norm: false, bias: true, ..block(3, 3) },
            [2, 4, 4],
        ),
        Case::new(
            "convolution alone",
            ConvBlock { batch_norm: false, activation: ActivationFunction::Linear, ..block(2, 3) },
            [2, 4, 4],
        ),
        Case::new("without convolution", ConvBlock { conv: false, ..off_with_norm() }, [2, 3, 4]),
        Case::new(
            "batch norm alone",
            ConvBlock { activation: ActivationFunction::Linear, ..off_with_norm() },
            [2, 3, 4],
        ),
        Case::new("relu alone", samples::relu(), [2, 3, 4]),
        Case::new("all off", off(), [2, 3, 4]),
        Case::new("bound alone", ConvBlock { max: Some(0.5), ..off() }, [2, 3, 4]),
        Case::new("bound", ConvBlock { max: Some(0.75), ..block(2, 3) }, [2, 3, 4]),
        Case::new(
            "bound 6",
            ConvBlock { max: Some(6.0), batch_norm: false, ..block(2, 1) },
            [2, 3, 3],
        )
        .wide(),
    ];
    for &activation in ActivationFunction::ALL {
        let small = ConvBlock { activation, ..block(2, 2) };
        cases.push(Case::new(&format!("norm, {activation}"), small.clone(), [2, 2, 3]));
        let alone = ConvBlock { conv: false, batch_norm: false, ..small.clone() };
        cases.push(Case::new(&format!("{activation} alone"), alone, [2, 3, 3]).wide());
        let bare = ConvBlock { batch_norm: false, bias: true, ..small };
        cases.push(Case::new(&format!("convolution, {activation}"), bare, [2, 2, 2]).wide());
    }
    for &initialiser in Initialiser::ALL {
        let op = ConvBlock {
            bias: true,
            batch_norm: false,
            kernel_initialiser: initialiser,
            bias_initialiser: initialiser,
            ..block(2, [1, 2])
        };
        cases.push(Case::new(&format!("starts {initialiser}"), op, [1, 1, 2]));
    }
    cases
}

fn off_with_norm() -> ConvBlock {
    ConvBlock { conv: false, ..ConvBlock::new(1, 1) }
}

fn conv2ds() -> Vec<Case> {
    let conv = Conv2d::new;
    let mut cases = vec![
        Case::new("defaults", conv(3, 3), [2, 4, 5]),
        Case::new("kernel 1", conv(3, 1), [2, 3, 4]),
        Case::new("kernel 2×3", conv(2, [2, 3]), [2, 3, 4]),
        Case::new("without bias", Conv2d { bias: false, ..conv(2, 3) }, [2, 4, 4]),
        Case::new(
            "stride 2, valid",
            Conv2d { stride: 2.into(), padding: Padding::Valid, ..conv(2, 2) },
            [2, 4, 5],
        ),
        Case::new("stride 1×2", Conv2d { stride: [1, 2].into(), ..conv(2, 3) }, [2, 3, 5]),
        Case::new(
            "padding 2×1",
            Conv2d { padding: Padding::Pixels([2, 1].into()), ..conv(2, [3, 2]) },
            [2, 3, 4],
        ),
        Case::new("dilation 2×1", Conv2d { dilation: [2, 1].into(), ..conv(2, 3) }, [2, 4, 4]),
        Case::new("groups", Conv2d { groups: 2, ..conv(4, 3) }, [4, 3, 3]),
        Case::new(
            "all arguments",
            Conv2d {
                stride: [1, 2].into(),
                padding: Padding::Pixels([1, 2].into()),
                dilation: [2, 1].into(),
                groups: 2,
                activation: ActivationFunction::Tanh,
                ..conv(4, [2, 3])
            },
            [2, 4, 5],
        ),
    ];
    for &activation in ActivationFunction::ALL {
        let op = Conv2d { activation, ..conv(2, 2) };
        cases.push(Case::new(&activation.to_string(), op, [2, 2, 2]).wide());
    }
    for &initialiser in Initialiser::ALL {
        let op = Conv2d {
            kernel_initialiser: initialiser,
            bias_initialiser: initialiser,
            ..conv(2, [2, 1])
        };
        cases.push(Case::new(&format!("starts {initialiser}"), op, [1, 2, 1]));
    }
    cases
}

/// Kernel, stride and padding.
const WINDOWS: [(&str, [[usize; 2]; 3]); 5] = [
    ("2", [[2, 2], [2, 2], [0, 0]]),
    ("3, overlapping, padded", [[3, 3], [1, 1], [1, 1]]),
    ("3, stride 2, padded", [[3, 3], [2, 2], [1, 1]]),
    ("2×3, stride 1×2", [[2, 3], [1, 2], [0, 1]]),
    ("2, stride 3", [[2, 2], [3, 3], [0, 0]]),
];

fn poolings() -> Vec<Case> {
    let mut cases = Vec::new();
    for (label, sides) in WINDOWS {
        let [kernel, stride, padding] = sides.map(Pair);
        cases.push(Case::new(label, MaxPool { kernel, stride, padding }, [2, 5, 6]));
        cases.push(Case::new(label, AveragePool { kernel, stride, padding }, [2, 5, 6]));
    }
    cases.push(Case::new("3×4", Op::GlobalAveragePool, [3, 3, 4]));
    cases.push(Case::new("one pixel", Op::GlobalAveragePool, [3, 1, 1]));
    cases
}

fn denses() -> Vec<Case> {
    let mut cases = vec![
        Case::flat("defaults", Dense::new(3), 5),
        Case::flat("one unit", Dense::new(1), 3),
        Case::flat("without bias", Dense { bias: false, ..Dense::new(3) }, 4),
    ];
    for &activation in ActivationFunction::ALL {
        let op = Dense { activation, ..Dense::new(4) };
        cases.push(Case::flat(&activation.to_string(), op, 3).wide());
    }
    for &initialiser in Initialiser::ALL {
        let op = Dense {
            kernel_initialiser: initialiser,
            bias_initialiser: initialiser,
            ..Dense::new(3)
        };
        cases.push(Case::flat(&format!("starts {initialiser}"), op, 2));
    }
    cases
}

fn small_ones() -> Vec<Case> {
    let shapes: [(&str, Shape); 2] = [("image", Shape::Image([2, 3, 4])), ("vector", Shape::Flat(6))];
    let mut cases = Vec::new();
    for (label, shape) in shapes {
        cases.extend([
            Case::on(label, samples::dropout(0.3), shape),
            Case::on(label, Op::BatchNorm, shape),
            Case::on(label, Op::Flatten, shape),
            Case::on(label, Op::Identity, shape),
            Case::on(label, Relu::default(), shape),
            Case::on(&format!("{label}, up to 6"), Relu { max: Some(6.0) }, shape).wide(),
        ]);
    }
    cases.push(Case::flat("none", samples::dropout(0.0), 5));
    cases
}

fn merges() -> Vec<Case> {
    let [narrow, wide] = [[1, 2, 3], [2, 2, 3]].map(Shape::Image);
    let [few, many] = [3, 4].map(Shape::Flat);
    let mut cases = vec![
        Case::merging("images", Merge::Concatenate, [narrow, wide], [true; 2]),
        Case::merging("gap", Merge::Concatenate, [wide, narrow, wide], [true, false, true]),
        Case::merging("vectors", Merge::Concatenate, [few, many], [true; 2]),
        Case::merging("gap in vectors", Merge::Concatenate, [few, many], [false, true]),
    ];
    for merge in [Merge::Mean, Merge::Sum] {
        cases.extend([
            Case::merging("images", merge, [wide; 2], [true; 2]),
            Case::merging("one left out", merge, [wide; 3], [true, false, true]),
            Case::merging("one kept", merge, [wide; 2], [false, true]),
            Case::merging("vectors", merge, [many; 3], [true; 3]),
        ]);
    }
    cases
}

#[test]
fn every_operation_and_way_to_merge_has_a_case() {
    let cases = cases();
    let has = |wanted: &dyn Fn(&What) -> bool| cases.iter().any(|case| wanted(&case.what));
    for op in Op::examples() {
        let name = op.name();
        assert!(has(&|what| matches!(what, What::Op(op) if op.name() == name)), "no case of {name}");
    }
    for merge in Merge::ALL {
        assert!(has(&|what| *what == What::Merge(merge)), "no case of {}", merge.name());
    }
}

#[test]
fn cases_fit_and_have_names_of_their_own() {
    let mut names = std::collections::BTreeSet::new();
    for case in cases() {
        case.output();
        assert!(names.insert(case.name.clone()), "two cases are called {}", case.name);
    }
}
