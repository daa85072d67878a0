//! The block of `MobileNetV2`.

use super::{
    Effect, Learned, Own, Shape,
    arguments::{ActivationFunction, Pair, is_default, is_one, one},
    field::{Field, Kind, MOST, field},
    operation::{Face, Family, NormSlot, Operation, Parameter, Place},
    shape::{Misfit, bounded, image},
    squeeze_excitation::SqueezeExcitation,
    window::{Convolution, function_flops, stride_text},
};
use crate::engine::{
    compute::{Activation, BatchNorm, Pass},
    named::Named,
};
use serde::{Deserialize, Serialize};

/// A 1×1 convolution to more channels, a depthwise convolution, and a 1×1 convolution to `filters` channels, each with a
/// batch normalisation and all but the last with an activation function (Sandler et al. 2018, arXiv 1801.04381).
///
/// Where the stride is 1 and shapes agree, the input is added to the output. Without expansion, the first convolution is
/// left out. Convolutions have no bias, since a normalisation follows; the depthwise one keeps the image at stride 1 if
/// its kernel is odd.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvertedResidual {
    /// Output channels.
    pub filters: usize,
    /// Rows and columns of the depthwise kernel.
    pub kernel: Pair,
    /// Step of the depthwise window.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub stride: Pair,
    /// How many times the channels of the input are between the 1×1 convolutions.
    pub expansion: usize,
    /// Whether the channels between are weighed by a squeeze-excitation, to a fourth of them, as in `MobileNetV3`
    /// (Howard et al. 2019, arXiv 1905.02244) but with a sigmoid.
    #[serde(default, skip_serializing_if = "is_default")]
    pub squeeze_excitation: bool,
    /// The activation function behind all convolutions but the last.
    #[serde(default = "relu6", skip_serializing_if = "is_relu6")]
    pub activation: ActivationFunction,
}

fn relu6() -> ActivationFunction {
    ActivationFunction::Relu6
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_relu6(function: &ActivationFunction) -> bool {
    *function == ActivationFunction::Relu6
}

/// A convolution of the block with its batch normalisation.
struct Stage {
    /// With the function behind the normalisation.
    convolution: Convolution,
    /// Of its batch normalisation.
    role: &'static str,
    /// Of weight, scale and shift.
    roles: [&'static str; 3],
    /// Behind it.
    gate: Option<SqueezeExcitation>,
    input: Shape,
    output: Shape,
}

impl InvertedResidual {
    /// With so many filters, a kernel of this size and this expansion, and everything else as files have it by default.
    pub fn new(filters: usize, kernel: impl Into<Pair>, expansion: usize) -> Self {
        Self {
            filters,
            kernel: kernel.into(),
            stride: Pair::ONE,
            expansion,
            squeeze_excitation: false,
            activation: ActivationFunction::Relu6,
        }
    }

    /// Its two or three convolutions, in order.
    fn stages(&self, input: Shape) -> Result<Vec<Stage>, Misfit> {
        let name = self.face().to_string();
        let [channels, ..] = image(&name, input)?;
        let between = channels.saturating_mul(self.expansion);
        let function = self.activation;
        let expand = Convolution { function, ..Convolution::pointwise(between) };
        let depthwise = Convolution {
            stride: self.stride,
            function,
            ..Convolution::depthwise(between, 1, self.kernel)
        };
        let project = Convolution::pointwise(self.filters);
        let gate = self.squeeze_excitation.then(SqueezeExcitation::default);
        let parts = [
            (expand, "expand", ["expand.weight", "expand.gamma", "expand.beta"], None),
            (
                depthwise,
                "depthwise",
                ["depthwise.weight", "depthwise.gamma", "depthwise.beta"],
                gate,
            ),
            (project, "project", ["project.weight", "project.gamma", "project.beta"], None),
        ];
        let mut stages = Vec::new();
        let mut shape = input;
        for (convolution, role, roles, gate) in
            parts.into_iter().skip(usize::from(self.expansion == 1))
        {
            let output = convolution.output(&name, shape)?;
            bounded(&name, output, 0)?;
            stages.push(Stage { convolution, role, roles, gate, input: shape, output });
            shape = output;
        }
        Ok(stages)
    }

    /// The stages for an input that fits.
    fn fitting(&self, input: Shape) -> Vec<Stage> {
        self.stages(input).unwrap_or_default()
    }

    fn skips(&self, input: Shape, output: Shape) -> bool {
        self.stride == Pair::ONE && input == output
    }
}

impl Operation for InvertedResidual {
    const NAME: &'static str = "inverted residual";
    const FAMILY: Family = Family::Convolution;
    const WHAT: &'static str = "Widens the channels, convolves each by itself and narrows them again; its input is added where shapes agree.";
    const PLACE: Place = Place::Anywhere;
    const FIELDS: &'static [Field<Self>] = &[
        field!(filters),
        field!(kernel: Kind::Pair { least: 1, most: MOST }, "pixels", "Rows and columns of the depthwise kernel"),
        field!(stride: Kind::Pair { least: 1, most: MOST }, "pixels", "Step of the depthwise window"),
        field!(expansion: Kind::Count { least: 1, most: MOST }, "", "How many times the input's channels are between"),
        field!(squeeze_excitation: Kind::Switch, "", "Whether the channels between are weighed by their means"),
        field!(activation: Kind::Choice(ActivationFunction::NAMES), "", "The function behind all but the last convolution"),
    ];

    fn example() -> Self {
        Self::new(16, 3, 4)
    }

    fn face(&self) -> Face {
        let step = stride_text(self.stride);
        Face {
            name: "inverted",
            window: self.kernel.to_string(),
            short: format!("{} ×{}{step}", self.filters, self.expansion),
            long: format!("{} filters ×{}{step}", self.filters, self.expansion),
        }
    }

    fn parts(&self) -> Vec<&'static str> {
        [
            (self.expansion > 1, "expand"),
            (true, "depthwise"),
            (self.squeeze_excitation, SqueezeExcitation::NAME),
            (true, "project"),
        ]
        .into_iter()
        .filter_map(|(on, name)| on.then_some(name))
        .collect()
    }

    fn output(&self, input: Shape) -> Result<Shape, Misfit> {
        Ok(self.stages(input)?.last().map_or(input, |stage| stage.output))
    }

    fn learned(&self, input: Shape) -> Learned {
        let mut learned = Learned::NOTHING;
        for Stage { convolution, role, roles: [weight, gamma, beta], gate, input, output } in
            self.fitting(input)
        {
            let channels = output.channels();
            // There is no bias, which would need a role.
            learned.parameters.extend(convolution.parameters(input.channels(), [weight, ""]));
            learned.parameters.push(Parameter::per_channel(gamma, channels, 1.0));
            learned.parameters.push(Parameter::per_channel(beta, channels, 0.0));
            learned.norms.push(NormSlot { role, channels });
            if let Some(gate) = gate {
                learned.parameters.extend(gate.learned(output).parameters);
            }
        }
        learned
    }

    fn flops(&self, input: Shape, output: Shape) -> u64 {
        let skip = if self.skips(input, output) { output.size() as u64 } else { 0 };
        let stages = self.fitting(input).into_iter().flat_map(|stage| {
            let Stage { convolution, gate, input, output, .. } = stage;
            [
                convolution.flops(input, output),
                2 * output.size() as u64,
                function_flops(convolution.function, output),
                gate.map_or(0, |gate| gate.flops(output, output)),
            ]
        });
        stages.fold(skip, u64::saturating_add)
    }

    fn working(&self, input: Shape, output: Shape) -> u64 {
        // The input waits for its addition; a stage may be normalised into another tensor, and scaled into a third.
        let stages = self.fitting(input).into_iter().map(|stage| {
            let Stage { gate, input, output, .. } = stage;
            let output = output.size() as u64;
            let inside = if gate.is_some() { 3 * output } else { 2 * output };
            inside.saturating_add(input.size() as u64)
        });
        let most = stages.max().unwrap_or(0).saturating_add(input.size() as u64);
        most.saturating_sub(output.size() as u64)
    }

    fn effect(&self) -> Effect {
        Effect::Computes
    }

    fn width(&mut self) -> Option<&mut usize> {
        Some(&mut self.filters)
    }

    fn forward(&self, x: Activation, mut own: Own<'_>, pass: &mut Pass<'_>) -> Activation {
        let before = x.image();
        let input = Shape::Image(pass.image.shape(&before));
        let mut x = before.clone();
        let mut output = input;
        for stage in self.fitting(input) {
            let Stage { convolution, gate, .. } = stage;
            let filters = convolution.filters(stage.input.channels(), &mut own);
            let norm = BatchNorm::of(&mut own);
            let conv = Some((filters, convolution.sweep()));
            x = pass.block(x, conv, Some(norm), convolution.function, None);
            if let Some(gate) = gate {
                x = gate.apply(x, &mut own, pass.image);
            }
            output = stage.output;
        }
        Activation::Image(if self.skips(input, output) { x + before } else { x })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ops::{
        Op,
        samples::{Run, answer, assert_close, wave},
    };

    /// Any values for all that is learned.
    fn parameters(op: &Op, input: Shape) -> Vec<Vec<f32>> {
        let of = |(place, parameter): (usize, &Parameter)| {
            wave(parameter.size() as usize, 0.7 + place as f32 * 0.13)
        };
        op.learned(input).parameters.iter().enumerate().map(of).collect()
    }

    fn roles(op: &Op) -> (Vec<&'static str>, Vec<&'static str>) {
        let learned = op.learned(Shape::Image([4, 6, 6]));
        (
            learned.parameters.iter().map(|it| it.role).collect(),
            learned.norms.iter().map(|it| it.role).collect(),
        )
    }

    #[test]
    fn each_convolution_has_its_batch_normalisation() {
        let (parameters, norms) = roles(&InvertedResidual::new(4, 3, 2).into());
        assert_eq!(norms, ["expand", "depthwise", "project"]);
        let expected = ["expand", "depthwise", "project"]
            .map(|role| ["weight", "gamma", "beta"].map(|kind| format!("{role}.{kind}")));
        assert_eq!(parameters, expected.concat());
        let gated = InvertedResidual { squeeze_excitation: true, ..InvertedResidual::new(4, 3, 1) };
        let (parameters, norms) = roles(&gated.into());
        assert_eq!(norms, ["depthwise", "project"]);
        assert_eq!(
            parameters[3..7],
            ["squeeze.weight", "squeeze.bias", "excite.weight", "excite.bias"]
        );
    }

    #[test]
    fn the_input_is_added_where_shapes_agree() {
        let input = Shape::Image([2, 4, 4]);
        let x = wave(2 * input.size(), 0.9);
        let through = |op: InvertedResidual| {
            let op = Op::from(op);
            let mut values = parameters(&op, input);
            // With scale and shift 0 behind the last convolution, only the input is left.
            let count = values.len();
            values[count - 2..].iter_mut().for_each(|values| values.fill(0.0));
            let values: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
            answer(&op, input, &x, &values)
        };
        assert_close(&through(InvertedResidual::new(2, 3, 3)), &x, 1e-6);
        let zero = |op| through(op).iter().all(|&value| value == 0.0);
        assert!(zero(InvertedResidual::new(3, 3, 3)));
        assert!(zero(InvertedResidual { stride: [1, 2].into(), ..InvertedResidual::new(2, 3, 3) }));
        // An even kernel makes the image larger.
        assert!(zero(InvertedResidual::new(2, 2, 3)));
    }

    #[test]
    fn normalisations_with_known_statistics_go_into_the_convolutions() {
        for squeeze_excitation in [false, true] {
            for expansion in [1, 2] {
                let op = Op::from(InvertedResidual {
                    squeeze_excitation,
                    ..InvertedResidual::new(4, 3, expansion)
                });
                let input = Shape::Image([4, 5, 5]);
                let values = parameters(&op, input);
                let values: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
                let run = Run { op: &op, input, parameters: &values };
                let x = wave(3 * input.size(), 0.31);
                // The statistics of the batch, as they are and as if they were known.
                let (found, statistics) = run.with_statistics_of_the_batch(&x);
                assert_eq!(statistics.len(), if expansion == 1 { 2 } else { 3 });
                assert_close(&run.with_statistics(&x, &statistics), &found, 1e-4);
            }
        }
    }

    #[test]
    fn costs_are_those_of_its_parts() {
        let op = Op::from(InvertedResidual::new(8, 3, 6));
        let (output, cost) = op.infer(Some(Shape::Image([8, 10, 10]))).expect("fits");
        assert_eq!(output, Shape::Image([8, 10, 10]));
        assert_eq!(cost.params, 48 * 8 + 48 * 9 + 8 * 48 + 2 * (48 + 48 + 8));
        // Convolutions, normalisations, ReLU6 of two, and the sum.
        let values = 2 * (48 * 8 + 48 * 9 + 8 * 48) + 2 * (48 + 48 + 8) + 48 + 48 + 8;
        assert_eq!(cost.flops, 100 * values);
        // Between, there are six times the channels.
        let memory = op.working(Shape::Image([8, 10, 10]), output);
        assert_eq!(memory, 100 * (48 + 2 * 48 + 8 - 8));
    }
}
