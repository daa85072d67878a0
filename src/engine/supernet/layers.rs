//! What each operation of a template does to tensors, and which parameters it needs for that.

use super::{
    image::{ConvSweep, Filters, ImageOps, Sweep},
    init::Init,
};
use crate::engine::{
    kernels::fused::Fused,
    template::{Graph, Op, Shape},
};
use burn::tensor::{Tensor, TensorData, activation, module::linear};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Keeps the variance of a batch normalisation away from zero, as in PyTorch.
pub(super) const EPSILON: f64 = 1e-5;

/// What travels along a link.
#[derive(Clone, Debug)]
pub(super) enum Activation {
    /// A batch of images, as the [`ImageOps`] in use lay them out.
    Image(Tensor<4>),
    /// `[batch, features]`.
    Flat(Tensor<2>),
}

impl Activation {
    fn image(self) -> Tensor<4> {
        match self {
            Self::Image(x) => x,
            Self::Flat(_) => {
                unreachable!("a checked graph gives no flat vector to an image operation")
            }
        }
    }

    pub(super) fn flat(self) -> Tensor<2> {
        match self {
            Self::Flat(x) => x,
            Self::Image(_) => {
                unreachable!("a checked graph gives no image to an operation on vectors")
            }
        }
    }

    /// How much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        let count = match self {
            Self::Image(x) => x.shape().num_elements(),
            Self::Flat(x) => x.shape().num_elements(),
        };
        count * size_of::<f32>()
    }

    fn add(self, other: Self) -> Self {
        match self {
            Self::Image(x) => Self::Image(x + other.image()),
            Self::Flat(x) => Self::Flat(x + other.flat()),
        }
    }

    fn scale(self, factor: f64) -> Self {
        match self {
            Self::Image(x) => Self::Image(x.mul_scalar(factor)),
            Self::Flat(x) => Self::Flat(x.mul_scalar(factor)),
        }
    }

    /// The sum or the mean of what arrives at a node; `None` when nothing does.
    pub(super) fn merge(incoming: Vec<Self>, sum: bool) -> Option<Self> {
        let count = incoming.len();
        let total = incoming.into_iter().reduce(Self::add)?;
        Some(if sum || count == 1 { total } else { total.scale(1.0 / count as f64) })
    }
}

/// Mean and population variance of every channel.
#[derive(Clone, Debug)]
pub(super) struct Statistics {
    // [channels]
    pub(super) mean: Tensor<1>,
    // [channels]
    pub(super) variance: Tensor<1>,
}

impl Statistics {
    /// Constants, whatever they were computed from.
    pub(super) fn new(mean: Tensor<1>, variance: Tensor<1>) -> Self {
        Self { mean: mean.without_autodiff(), variance: variance.without_autodiff() }
    }
}

/// Which statistics batch normalisations use.
pub(super) enum Norms<'a> {
    /// Those of the batch itself; they are written into the list, which has a place for each batch
    /// normalisation of the supernet.
    Batch(&'a mut [Option<Statistics>]),
    /// These, one for each batch normalisation of the supernet.
    Fixed(&'a [Statistics]),
}

/// What a forward pass works with besides the images.
pub(super) struct Pass<'a> {
    /// Who computes images.
    pub(super) ops: ImageOps,
    /// The flat values of all parameters of the supernet, on an autodiff device where they are trained.
    pub(super) values: &'a [Tensor<1>],
    /// Where batch normalisations take mean and variance from.
    pub(super) norms: Norms<'a>,
    /// Where dropout masks are drawn; without it nothing is dropped.
    pub(super) dropout: Option<&'a mut ChaCha8Rng>,
}

/// A convolution. Parameters are indices into the supernet's list.
#[derive(Clone, Debug)]
pub(super) struct Conv {
    weight: usize,
    bias: Option<usize>,
    // [filters, channels, kernel, kernel]
    shape: [usize; 4],
    sweep: ConvSweep,
}

/// A batch normalisation.
#[derive(Clone, Debug)]
pub(super) struct BatchNorm {
    gamma: usize,
    beta: usize,
    /// Its place among the batch normalisations of the supernet.
    norm: usize,
}

/// One operation with everything worked out. Operations that leave their input as it is have none.
#[derive(Clone, Debug)]
pub(super) enum Layer {
    Block { conv: Option<Conv>, batch_norm: Option<BatchNorm>, relu: bool },
    MaxPool(Sweep),
    AveragePool(Sweep),
    GlobalAveragePool,
    // weight: [features, units]
    Dense { weight: usize, bias: usize, shape: [usize; 2], relu: bool },
    Flatten,
    Dropout { rate: f64 },
}

/// A parameter that a supernet needs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameter {
    /// The node it belongs to.
    pub(super) node: usize,
    /// `<node id>.<op index>.<weight|bias|gamma|beta>`.
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) init: Init,
}

/// A batch normalisation's running statistics.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NormSlot {
    /// `<node id>.<op index>`, to which `.mean` and `.var` are added.
    pub(super) name: String,
    pub(super) channels: usize,
}

/// How one node is computed.
#[derive(Clone, Debug, Default)]
pub(super) struct NodePlan {
    /// Whether what arrives is summed up; otherwise its mean is taken.
    pub(super) sum: bool,
    pub(super) layers: Vec<Layer>,
}

/// How all nodes are computed, and the parameters that takes.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) nodes: Vec<NodePlan>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) norms: Vec<NormSlot>,
}

impl Plan {
    pub(super) fn new(graph: &Graph) -> Self {
        let mut plan = Self::default();
        for (node, definition) in graph.nodes().iter().enumerate() {
            let mut node_plan = NodePlan::default();
            let mut shape = graph.input_shape(node);
            for (place, op) in definition.ops.iter().enumerate() {
                let name = format!("{}.{place}", definition.id);
                let mut builder = Builder { plan: &mut plan, node, name };
                node_plan.sum |= matches!(op, Op::Add);
                node_plan.layers.extend(builder.layer(op, shape));
                shape = match op.infer(shape) {
                    Ok((output, _)) => Some(output),
                    Err(_) => unreachable!("the operations of a checked graph fit"),
                };
            }
            plan.nodes.push(node_plan);
        }
        plan
    }
}

/// Adds the parameters of one operation to a plan.
struct Builder<'a> {
    plan: &'a mut Plan,
    node: usize,
    name: String,
}

impl Builder<'_> {
    fn parameter(&mut self, role: &str, shape: &[usize], init: Init) -> usize {
        let name = format!("{}.{role}", self.name);
        self.plan.parameters.push(Parameter { node: self.node, name, shape: shape.to_vec(), init });
        self.plan.parameters.len() - 1
    }

    fn layer(&mut self, op: &Op, input: Option<Shape>) -> Option<Layer> {
        match *op {
            Op::ConvBlock { filters, kernel, stride, padding, bias, conv, batch_norm, relu } => {
                let Some(Shape::Image([channels, ..])) = input else {
                    unreachable!("a checked graph gives an image to a convolution block")
                };
                let conv = conv.then(|| {
                    let shape = [filters, channels, kernel, kernel];
                    let init = Init::Normal { relu };
                    Conv {
                        weight: self.parameter("weight", &shape, init),
                        bias: bias.then(|| self.parameter("bias", &[filters], Init::Zeros)),
                        shape,
                        sweep: square(kernel, stride, padding.pixels(kernel)).into(),
                    }
                });
                let channels = if conv.is_some() { filters } else { channels };
                let batch_norm = batch_norm.then(|| {
                    let norm = self.plan.norms.len();
                    self.plan.norms.push(NormSlot { name: self.name.clone(), channels });
                    BatchNorm {
                        gamma: self.parameter("gamma", &[channels], Init::Ones),
                        beta: self.parameter("beta", &[channels], Init::Zeros),
                        norm,
                    }
                });
                Some(Layer::Block { conv, batch_norm, relu })
            }
            Op::MaxPool { kernel, stride, padding } => {
                Some(Layer::MaxPool(square(kernel, stride, padding)))
            }
            Op::AveragePool { kernel, stride, padding } => {
                Some(Layer::AveragePool(square(kernel, stride, padding)))
            }
            Op::GlobalAveragePool => Some(Layer::GlobalAveragePool),
            Op::Dense { units, relu } => {
                let features = input.map_or(0, Shape::size);
                let shape = [features, units];
                Some(Layer::Dense {
                    weight: self.parameter("weight", &shape, Init::Normal { relu }),
                    bias: self.parameter("bias", &[units], Init::Zeros),
                    shape,
                    relu,
                })
            }
            Op::Flatten => Some(Layer::Flatten),
            Op::Dropout { rate } => Some(Layer::Dropout { rate }),
            Op::Input { .. } | Op::Add | Op::Identity | Op::Output => None,
        }
    }
}

/// A window that is as high as wide.
fn square(kernel: usize, stride: usize, padding: usize) -> Sweep {
    Sweep { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2] }
}

impl Layer {
    /// Whether it has a batch normalisation.
    pub(super) fn normalises(&self) -> bool {
        matches!(self, Self::Block { batch_norm: Some(_), .. })
    }

    pub(super) fn apply(&self, x: Activation, pass: &mut Pass<'_>) -> Activation {
        match self {
            Self::Block { conv, batch_norm, relu } => {
                let relu = *relu;
                Activation::Image(block(x.image(), conv.as_ref(), batch_norm.as_ref(), relu, pass))
            }
            &Self::MaxPool(sweep) => Activation::Image(pass.ops.max_pool(x.image(), sweep)),
            &Self::AveragePool(sweep) => Activation::Image(pass.ops.average_pool(x.image(), sweep)),
            Self::GlobalAveragePool => Activation::Flat(pass.ops.global_average(x.image())),
            Self::Dense { weight, bias, shape, relu } => {
                let weight = pass.values[*weight].clone().reshape(*shape);
                let x = linear(x.flat(), weight, Some(pass.values[*bias].clone()));
                Activation::Flat(if *relu { activation::relu(x) } else { x })
            }
            Self::Flatten => match x {
                Activation::Image(x) => Activation::Flat(pass.ops.flatten(x)),
                flat @ Activation::Flat(_) => flat,
            },
            &Self::Dropout { rate } => match (&mut pass.dropout, x) {
                (Some(rng), Activation::Image(x)) => {
                    // In one order, whoever computes.
                    let x = drop_out(pass.ops.leave(x), rate, rng);
                    Activation::Image(pass.ops.enter(x))
                }
                (Some(rng), Activation::Flat(x)) => Activation::Flat(drop_out(x, rate, rng)),
                (None, x) => x,
            },
        }
    }
}

/// Convolution, batch normalisation and ReLU, any of which may be missing.
fn block(
    x: Tensor<4>,
    conv: Option<&Conv>,
    batch_norm: Option<&BatchNorm>,
    relu: bool,
    pass: &mut Pass<'_>,
) -> Tensor<4> {
    let (values, ops, fused) = (pass.values, pass.ops, Fused::relu(relu));
    let conv = conv.map(|conv| {
        let weight = values[conv.weight].clone();
        let bias = conv.bias.map(|bias| values[bias].clone());
        (Filters { weight, bias, shape: conv.shape }, conv.sweep)
    });
    let Some(bn) = batch_norm else {
        return match conv {
            Some((filters, sweep)) => ops.convolve(x, filters, sweep, fused),
            None => ops.activate(x, fused),
        };
    };
    match &mut pass.norms {
        Norms::Batch(seen) => {
            let norm = [values[bn.gamma].clone(), values[bn.beta].clone()];
            let (x, statistics) = match conv {
                Some((filters, sweep)) => {
                    ops.convolve_and_normalise(x, filters, sweep, norm, fused)
                }
                None => ops.normalise(x, norm, fused),
            };
            seen[bn.norm] = Some(statistics);
            x
        }
        Norms::Fixed(statistics) => {
            // With known statistics a batch normalisation is a factor and a summand a channel, and
            // these go into the convolution before it, which makes it free.
            let Statistics { mean, variance } = &statistics[bn.norm];
            let scale = values[bn.gamma].clone() / variance.clone().add_scalar(EPSILON).sqrt();
            let shift = values[bn.beta].clone() - mean.clone() * scale.clone();
            match conv {
                Some((Filters { weight, bias, shape }, sweep)) => {
                    let shift = match bias {
                        Some(bias) => shift + bias * scale.clone(),
                        None => shift,
                    };
                    let [filters, channels, height, width] = shape;
                    let weight = weight.reshape([filters, channels * height * width])
                        * scale.reshape([filters, 1]);
                    let weight = weight.flatten(0, 1);
                    ops.convolve(x, Filters { weight, bias: Some(shift), shape }, sweep, fused)
                }
                None => ops.scale(x, scale, shift, fused),
            }
        }
    }
}

/// Zeroes each value with probability `rate` and scales the rest up, so that the mean stays. The mask
/// is drawn here and not by the backend, whose generators differ from device to device.
fn drop_out<const D: usize>(x: Tensor<D>, rate: f64, rng: &mut ChaCha8Rng) -> Tensor<D> {
    let kept = (1.0 / (1.0 - rate)) as f32;
    let shape = x.shape();
    let mask: Vec<f32> =
        (0..shape.num_elements()).map(|_| if rng.random_bool(rate) { 0.0 } else { kept }).collect();
    let mask = Tensor::<D>::from_data(TensorData::new(mask, shape), &x.device().without_autodiff());
    x * mask
}
