//! What the battery is run on: every operation and every way to merge, with arguments of every kind.

use super::super::{
    Activate, ActivationFunction, AveragePool, Conv2d, ConvBlock, ConvTranspose2d, Cost,
    Cropping2d, Dense, DepthwiseConv2d, Elu, Initialiser, Input, Interpolation, InvertedResidual,
    LeakyRelu, Learned, MaxPool, Merge, Misfit, Op, Padding, Pair, Prelu, Relu, Reshape,
    SeparableConv2d, Shape, SqueezeExcitation, UpSampling2d, Zero, samples,
};
use crate::engine::named::Named;
use serde_json::json;

/// The operation or merge that is checked.
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

    fn merging<const N: usize>(
        label: &str,
        merge: Merge,
        inputs: [Shape; N],
        kept: [bool; N],
    ) -> Self {
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
            .map(|(op, field)| (field.to_owned(), (&op.get(field).expect("is a field")).into()))
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

/// All cases.
pub(super) fn cases() -> Vec<Case> {
    [
        ends(),
        conv_blocks(),
        conv2ds(),
        depthwise_convolutions(),
        separable_convolutions(),
        transposed_convolutions(),
        mobile_blocks(),
        poolings(),
        denses(),
        small_ones(),
        functions(),
        shapes(),
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
    let off = || ConvBlock {
        conv: false,
        batch_norm: false,
        activation: ActivationFunction::Linear,
        ..ConvBlock::new(1, 1)
    };
    let mut cases = vec![
        Case::new("defaults", ConvBlock::new(3, 3), [2, 4, 5]),
        Case::new("kernel 1", ConvBlock::new(3, 1), [2, 3, 4]),
        Case::new("even kernel", ConvBlock::new(2, 2), [2, 3, 4]),
        Case::new("flat kernel", ConvBlock::new(2, [1, 3]), [2, 3, 4]),
        Case::new(
            "kernel 3×2, bias",
            ConvBlock { bias: true, ..ConvBlock::new(2, [3, 2]) },
            [2, 4, 4],
        ),
        Case::new("stride 2", ConvBlock { stride: 2.into(), ..ConvBlock::new(2, 3) }, [2, 5, 6]),
        Case::new(
            "stride 2×1",
            ConvBlock { stride: [2, 1].into(), ..ConvBlock::new(2, 3) },
            [2, 5, 4],
        ),
        Case::new(
            "valid",
            ConvBlock { padding: Padding::Valid, ..ConvBlock::new(2, 3) },
            [2, 4, 5],
        ),
        Case::new(
            "padding 1×2",
            ConvBlock { padding: Padding::Pixels([1, 2].into()), ..ConvBlock::new(2, [2, 3]) },
            [2, 3, 4],
        ),
        Case::new(
            "padding 1",
            ConvBlock { padding: Padding::Pixels(1.into()), ..ConvBlock::new(2, 2) },
            [2, 3, 4],
        ),
        Case::new(
            "dilation 2",
            ConvBlock { dilation: 2.into(), ..ConvBlock::new(2, 3) },
            [2, 4, 5],
        ),
        Case::new(
            "dilation 1×2",
            ConvBlock { dilation: [1, 2].into(), ..ConvBlock::new(2, 2) },
            [2, 4, 5],
        ),
        Case::new("groups", ConvBlock { groups: 2, ..ConvBlock::new(4, 3) }, [4, 3, 4]),
        Case::new(
            "a group per channel, bias",
            ConvBlock { groups: 3, bias: true, ..ConvBlock::new(6, 2) },
            [3, 3, 3],
        ),
        Case::new(
            "without batch norm",
            ConvBlock { batch_norm: false, bias: true, ..ConvBlock::new(3, 3) },
            [2, 4, 4],
        ),
        Case::new(
            "convolution alone",
            ConvBlock {
                batch_norm: false,
                activation: ActivationFunction::Linear,
                ..ConvBlock::new(2, 3)
            },
            [2, 4, 4],
        ),
        Case::new("without convolution", ConvBlock { conv: false, ..off_with_norm() }, [2, 3, 4]),
        Case::new(
            "batch norm alone",
            ConvBlock { activation: ActivationFunction::Linear, ..off_with_norm() },
            [2, 3, 4],
        ),
        Case::new("all off", off(), [2, 3, 4]),
        Case::new("bound alone", ConvBlock { max: Some(0.5), ..off() }, [2, 3, 4]),
        Case::new("bound", ConvBlock { max: Some(0.75), ..ConvBlock::new(2, 3) }, [2, 3, 4]),
        Case::new(
            "bound 6",
            ConvBlock { max: Some(6.0), batch_norm: false, ..ConvBlock::new(2, 1) },
            [2, 3, 3],
        )
        .wide(),
    ];
    for &activation in ActivationFunction::ALL {
        let small = ConvBlock { activation, ..ConvBlock::new(2, 2) };
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
            ..ConvBlock::new(2, [1, 2])
        };
        cases.push(Case::new(&format!("starts {initialiser}"), op, [1, 1, 2]));
    }
    cases
}

fn off_with_norm() -> ConvBlock {
    ConvBlock { conv: false, ..ConvBlock::new(1, 1) }
}

fn conv2ds() -> Vec<Case> {
    let mut cases = vec![
        Case::new("defaults", Conv2d::new(3, 3), [2, 4, 5]),
        Case::new("kernel 1", Conv2d::new(3, 1), [2, 3, 4]),
        Case::new("kernel 2×3", Conv2d::new(2, [2, 3]), [2, 3, 4]),
        Case::new("without bias", Conv2d { bias: false, ..Conv2d::new(2, 3) }, [2, 4, 4]),
        Case::new(
            "stride 2, valid",
            Conv2d { stride: 2.into(), padding: Padding::Valid, ..Conv2d::new(2, 2) },
            [2, 4, 5],
        ),
        Case::new("stride 1×2", Conv2d { stride: [1, 2].into(), ..Conv2d::new(2, 3) }, [2, 3, 5]),
        Case::new(
            "padding 2×1",
            Conv2d { padding: Padding::Pixels([2, 1].into()), ..Conv2d::new(2, [3, 2]) },
            [2, 3, 4],
        ),
        Case::new(
            "dilation 2×1",
            Conv2d { dilation: [2, 1].into(), ..Conv2d::new(2, 3) },
            [2, 4, 4],
        ),
        Case::new("groups", Conv2d { groups: 2, ..Conv2d::new(4, 3) }, [4, 3, 3]),
        Case::new(
            "all arguments",
            Conv2d {
                stride: [1, 2].into(),
                padding: Padding::Pixels([1, 2].into()),
                dilation: [2, 1].into(),
                groups: 2,
                activation: ActivationFunction::Tanh,
                ..Conv2d::new(4, [2, 3])
            },
            [2, 4, 5],
        ),
    ];
    for &activation in ActivationFunction::ALL {
        let op = Conv2d { activation, ..Conv2d::new(2, 2) };
        cases.push(Case::new(&activation.to_string(), op, [2, 2, 2]).wide());
    }
    for &initialiser in Initialiser::ALL {
        let op = Conv2d {
            kernel_initialiser: initialiser,
            bias_initialiser: initialiser,
            ..Conv2d::new(2, [2, 1])
        };
        cases.push(Case::new(&format!("starts {initialiser}"), op, [1, 2, 1]));
    }
    cases
}

fn depthwise_convolutions() -> Vec<Case> {
    let mut cases = vec![
        Case::new("defaults", DepthwiseConv2d::new(3), [2, 4, 4]),
        Case::new("one channel", DepthwiseConv2d::new([2, 3]), [1, 3, 4]),
        Case::new(
            "multiplier 2",
            DepthwiseConv2d { multiplier: 2, ..DepthwiseConv2d::new(2) },
            [3, 3, 3],
        ),
        Case::new(
            "without bias",
            DepthwiseConv2d { bias: false, ..DepthwiseConv2d::new(3) },
            [2, 3, 4],
        ),
        Case::new(
            "all arguments",
            DepthwiseConv2d {
                stride: [2, 1].into(),
                padding: Padding::Pixels([1, 0].into()),
                dilation: [1, 2].into(),
                multiplier: 2,
                activation: ActivationFunction::Softsign,
                ..DepthwiseConv2d::new([3, 2])
            },
            [2, 5, 4],
        ),
        Case::new(
            "stride 2, valid",
            DepthwiseConv2d {
                stride: 2.into(),
                padding: Padding::Valid,
                ..DepthwiseConv2d::new(2)
            },
            [2, 4, 5],
        ),
        Case::new(
            "relu",
            DepthwiseConv2d { activation: ActivationFunction::Relu, ..DepthwiseConv2d::new(3) },
            [2, 3, 3],
        ),
    ];
    for &initialiser in Initialiser::ALL {
        let op = DepthwiseConv2d {
            kernel_initialiser: initialiser,
            bias_initialiser: initialiser,
            ..DepthwiseConv2d::new([1, 2])
        };
        cases.push(Case::new(&format!("starts {initialiser}"), op, [2, 1, 2]));
    }
    cases
}

fn separable_convolutions() -> Vec<Case> {
    let mut cases = vec![
        Case::new("defaults", SeparableConv2d::new(3, 3), [2, 4, 4]),
        Case::new(
            "multiplier 2",
            SeparableConv2d { multiplier: 2, ..SeparableConv2d::new(3, 2) },
            [2, 3, 3],
        ),
        Case::new(
            "without bias",
            SeparableConv2d { bias: false, ..SeparableConv2d::new(2, 3) },
            [2, 3, 4],
        ),
        Case::new(
            "all arguments",
            SeparableConv2d {
                stride: [1, 2].into(),
                padding: Padding::Pixels([0, 1].into()),
                dilation: [2, 1].into(),
                multiplier: 2,
                activation: ActivationFunction::Elu,
                ..SeparableConv2d::new(2, [2, 3])
            },
            [2, 4, 5],
        ),
        Case::new(
            "stride 2, valid, relu",
            SeparableConv2d {
                stride: 2.into(),
                padding: Padding::Valid,
                activation: ActivationFunction::Relu,
                ..SeparableConv2d::new(3, 2)
            },
            [2, 4, 4],
        ),
    ];
    for &initialiser in Initialiser::ALL {
        let op = SeparableConv2d {
            kernel_initialiser: initialiser,
            bias_initialiser: initialiser,
            ..SeparableConv2d::new(2, [2, 1])
        };
        cases.push(Case::new(&format!("starts {initialiser}"), op, [2, 2, 1]));
    }
    cases
}

fn transposed_convolutions() -> Vec<Case> {
    let mut cases = vec![
        Case::new("defaults", ConvTranspose2d::new(2, 2), [3, 2, 3]),
        Case::new(
            "kernel 3, same",
            ConvTranspose2d { padding: Padding::Same, ..ConvTranspose2d::new(2, 3) },
            [2, 3, 4],
        ),
        Case::new(
            "stride 2",
            ConvTranspose2d { stride: 2.into(), ..ConvTranspose2d::new(2, 2) },
            [2, 2, 3],
        ),
        Case::new(
            "stride 3 above the kernel",
            ConvTranspose2d { stride: 3.into(), ..ConvTranspose2d::new(2, 2) },
            [2, 2, 2],
        ),
        Case::new(
            "without bias",
            ConvTranspose2d { bias: false, ..ConvTranspose2d::new(2, [1, 3]) },
            [2, 2, 2],
        ),
        Case::new(
            "all arguments",
            ConvTranspose2d {
                stride: [2, 3].into(),
                padding: Padding::Pixels([1, 2].into()),
                output_padding: [1, 2].into(),
                activation: ActivationFunction::Sigmoid,
                ..ConvTranspose2d::new(2, [3, 4])
            },
            [3, 2, 2],
        ),
        Case::new(
            "relu",
            ConvTranspose2d { activation: ActivationFunction::Relu, ..ConvTranspose2d::new(2, 2) },
            [2, 2, 2],
        ),
    ];
    for &initialiser in Initialiser::ALL {
        let op = ConvTranspose2d {
            kernel_initialiser: initialiser,
            bias_initialiser: initialiser,
            ..ConvTranspose2d::new(2, [1, 2])
        };
        cases.push(Case::new(&format!("starts {initialiser}"), op, [2, 1, 1]));
    }
    cases
}

fn mobile_blocks() -> Vec<Case> {
    let gated = |block: InvertedResidual| InvertedResidual { squeeze_excitation: true, ..block };
    let mut cases = vec![
        Case::new("added", InvertedResidual::new(2, 3, 2), [2, 3, 4]),
        Case::new("other channels", InvertedResidual::new(3, 3, 2), [2, 3, 4]),
        Case::new("without expansion", InvertedResidual::new(2, 3, 1), [2, 3, 3]),
        Case::new(
            "stride 2",
            InvertedResidual { stride: 2.into(), ..InvertedResidual::new(2, 3, 2) },
            [2, 4, 5],
        ),
        Case::new(
            "kernel 3×2, stride 1×2",
            InvertedResidual { stride: [1, 2].into(), ..InvertedResidual::new(2, [3, 2], 2) },
            [2, 3, 4],
        ),
        Case::new("even kernel, not added", InvertedResidual::new(2, 2, 2), [2, 3, 3]),
        Case::new("gated", gated(InvertedResidual::new(2, 3, 2)), [2, 3, 3]),
        Case::new("gated without expansion", gated(InvertedResidual::new(4, 3, 1)), [4, 3, 3]),
        Case::new("one to four", SqueezeExcitation::default(), [4, 2, 3]),
        Case::new("one to one", SqueezeExcitation { ratio: 1 }, [3, 2, 3]),
        Case::new("one unit at least", SqueezeExcitation { ratio: 8 }, [3, 2, 2]),
        Case::new("rounded down", SqueezeExcitation { ratio: 2 }, [5, 2, 2]),
    ];
    for &activation in ActivationFunction::ALL {
        let op = InvertedResidual { activation, ..InvertedResidual::new(2, 2, 2) };
        cases.push(Case::new(&activation.to_string(), op, [1, 2, 2]));
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
    cases.push(Case::new("3×4", Op::GlobalMaxPool, [3, 3, 4]));
    cases.push(Case::new("one pixel", Op::GlobalMaxPool, [3, 1, 1]));
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
    let shapes: [(&str, Shape); 2] =
        [("image", Shape::Image([2, 3, 4])), ("vector", Shape::Flat(6))];
    let mut cases = Vec::new();
    for (label, shape) in shapes {
        cases.extend([
            Case::on(label, samples::dropout(0.3), shape),
            Case::on(label, Op::BatchNorm, shape),
            Case::on(label, Op::LayerNorm, shape),
            Case::on(label, Op::Flatten, shape),
            Case::on(label, Op::Identity, shape),
            Case::on(label, Relu::default(), shape),
            Case::on(&format!("{label}, up to 6"), Relu { max: Some(6.0) }, shape).wide(),
        ]);
    }
    cases.push(Case::flat("none", samples::dropout(0.0), 5));
    cases
}

fn functions() -> Vec<Case> {
    let shapes = [("image", Shape::Image([3, 2, 2])), ("vector", Shape::Flat(5))];
    let mut cases = Vec::new();
    for (label, shape) in shapes {
        for &function in ActivationFunction::ALL {
            let label = format!("{function}, {label}");
            cases.push(Case::on(&label, Activate { function }, shape).wide());
        }
        cases.push(Case::on(label, Op::Softmax, shape).wide());
        cases.push(Case::on(label, Elu { alpha: 1.0 }, shape).wide());
        cases.push(Case::on(&format!("{label}, 0.3"), Elu { alpha: 0.3 }, shape));
        cases.push(Case::on(label, LeakyRelu::default(), shape));
        cases.push(Case::on(&format!("{label}, 0.2"), LeakyRelu { alpha: 0.2 }, shape));
        cases.push(Case::on(label, Prelu { per_channel: true }, shape));
        cases.push(Case::on(&format!("{label}, shared"), Prelu { per_channel: false }, shape));
    }
    cases.push(Case::flat("passes on", LeakyRelu { alpha: 1.0 }, 3));
    cases
}

fn shapes() -> Vec<Case> {
    let larger =
        |size: [usize; 2], interpolation| UpSampling2d { size: size.into(), interpolation };
    let reshape = |shape: &[i64]| Reshape { shape: shape.to_vec() };
    let (nearest, bilinear) = (Interpolation::Nearest, Interpolation::Bilinear);
    vec![
        Case::new("nearest 2", larger([2, 2], nearest), [2, 2, 3]),
        Case::new("nearest 1×3", larger([1, 3], nearest), [2, 2, 2]),
        Case::new("bilinear 2", larger([2, 2], bilinear), [2, 2, 3]),
        Case::new("bilinear 3×1", larger([3, 1], bilinear), [2, 3, 2]),
        Case::new("bilinear 2×3 of one row", larger([2, 3], bilinear), [2, 1, 3]),
        Case::new("passes on", larger([1, 1], bilinear), [1, 2, 2]),
        Case::new("all sides", Cropping2d { cropping: [1, 0, 2, 1] }, [2, 3, 5]),
        Case::new("nothing", Cropping2d { cropping: [0; 4] }, [2, 2, 2]),
        Case::new("to a vector", reshape(&[-1]), [2, 2, 3]),
        Case::new("to another image", reshape(&[3, -1, 2]), [2, 2, 3]),
        Case::flat("to an image", reshape(&[1, 2, 3]), 6),
        Case::flat("the same vector", reshape(&[4]), 4),
        Case::new("of an image", Zero { stride: Pair::ONE }, [2, 2, 3]),
        Case::new("stride 2×3", Zero { stride: [2, 3].into() }, [2, 5, 4]),
        Case::flat("of a vector", Zero { stride: Pair::ONE }, 4),
    ]
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
        assert!(
            has(&|what| matches!(what, What::Op(op) if op.name() == name)),
            "no case of {name}"
        );
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
