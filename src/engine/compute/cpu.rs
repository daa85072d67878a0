//! The processor's own image operations, as an extension of Burn: convolution with what follows it, and
//! pooling, on tensors of `[batch, height, width, channels]`, with their own backward passes.
//!
//! Burn's general ones take three times as long on the images and widths of a supernet.

use crate::engine::kernels::{
    channels,
    conv::{self, Geometry},
    fused::Fused,
    norm::{Moments, Norm, NormGradient},
    window::Window,
};
use burn::{
    backend::{
        Autodiff, AutodiffBackend, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        flex::FlexTensor,
        tensor::FloatTensor,
    },
    tensor::{Tensor, TensorData},
};

/// A convolution: `[batch, height, width, channels]` to `[batch, height, width, filters]`.
///
/// `weight` has `filters · channels that each sees · height · width` values in this order, `bias` one per filter.
pub(in crate::engine) fn convolve(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    geometry: Geometry,
    fused: Fused,
) -> Tensor<4> {
    let [x, weight, bias] = [x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()];
    Tensor::from_dispatch(Dispatch::convolve(x, weight, bias, geometry, fused))
}

/// A convolution and a batch normalisation with the batch's own statistics. Returns these as well: mean and
/// variance of each filter.
pub(in crate::engine) fn convolve_and_normalise(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    [gamma, beta]: [Tensor<1>; 2],
    geometry: Geometry,
    epsilon: f32,
    fused: Fused,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    let (output, mean, variance) = Dispatch::convolve_and_normalise(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        geometry,
        epsilon,
        fused,
    );
    (Tensor::from_dispatch(output), Tensor::from_dispatch(mean), Tensor::from_dispatch(variance))
}

/// A batch normalisation with the batch's own statistics, `[batch, height, width, channels]`. Returns these as well:
/// mean and variance of each channel.
pub(in crate::engine) fn normalise(
    x: Tensor<4>,
    [gamma, beta]: [Tensor<1>; 2],
    epsilon: f32,
    fused: Fused,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    let [x, gamma, beta] = [x.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch()];
    let (output, mean, variance) = Dispatch::normalise(x, gamma, beta, epsilon, fused);
    (Tensor::from_dispatch(output), Tensor::from_dispatch(mean), Tensor::from_dispatch(variance))
}

/// A factor and a summand for each channel of `[batch, height, width, channels]`.
pub(in crate::engine) fn scale(
    x: Tensor<4>,
    factor: Tensor<1>,
    summand: Tensor<1>,
    fused: Fused,
) -> Tensor<4> {
    let [x, factor, summand] = [x.into_dispatch(), factor.into_dispatch(), summand.into_dispatch()];
    Tensor::from_dispatch(Dispatch::scale(x, factor, summand, fused))
}

/// The channels of `second` behind those of `first`, both `[batch, height, width, channels]`.
pub(in crate::engine) fn concatenate(first: Tensor<4>, second: Tensor<4>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::concatenate(first.into_dispatch(), second.into_dispatch()))
}

/// How the pixels under a window become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Pooling {
    Max,
    /// Of those that belong to the image.
    Average,
}

/// One value per window and channel.
pub(in crate::engine) fn pool(x: Tensor<4>, pooling: Pooling, window: Window) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::pool(x.into_dispatch(), pooling, window))
}

/// What the processor does in its own way.
#[backend_extension(Flex, Autodiff)]
trait ImageOps: Backend {
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        fused: Fused,
    ) -> FloatTensor<Self>;

    fn convolve_and_normalise(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        geometry: Geometry,
        epsilon: f32,
        fused: Fused,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    fn normalise(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
        fused: Fused,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    fn scale(
        x: FloatTensor<Self>,
        factor: FloatTensor<Self>,
        summand: FloatTensor<Self>,
        fused: Fused,
    ) -> FloatTensor<Self>;

    fn concatenate(first: FloatTensor<Self>, second: FloatTensor<Self>) -> FloatTensor<Self>;

    fn pool(x: FloatTensor<Self>, pooling: Pooling, window: Window) -> FloatTensor<Self>;
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

fn vector(values: Vec<f32>) -> FlexTensor {
    let count = values.len();
    tensor(values, [count])
}

/// The values of a tensor that is in the order of its shape.
fn values(tensor: &FlexTensor) -> &[f32] {
    let start = tensor.layout().start_offset();
    &tensor.storage::<f32>()[start..start + tensor.layout().num_elements()]
}

/// Another tensor of the same shape.
fn alike(values: Vec<f32>, other: &FlexTensor) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, other.shape()))
}

fn image_shape(geometry: &Geometry, images: usize) -> [usize; 4] {
    [images, geometry.window.out_height(), geometry.window.out_width(), geometry.filters]
}

impl ImageOps for Flex {
    fn convolve(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        geometry: Geometry,
        fused: Fused,
    ) -> FlexTensor {
        let [x, weight, bias] = [x, weight, bias].map(|tensor| tensor.to_contiguous());
        let [pixels, weight, bias] = [&x, &weight, &bias].map(values);
        let (output, _) = conv::forward(&geometry, pixels, weight, bias, fused, |_| ());
        tensor(output, image_shape(&geometry, x.shape()[0]))
    }

    fn convolve_and_normalise(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        geometry: Geometry,
        epsilon: f32,
        fused: Fused,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let done =
            Normalised::new(&Inputs { x, weight, bias, gamma, beta }, geometry, epsilon, fused);
        (done.output, vector(done.mean), vector(done.variance))
    }

    fn normalise(
        x: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        epsilon: f32,
        fused: Fused,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let [x, gamma, beta] = [x, gamma, beta].map(|tensor| tensor.to_contiguous());
        let (mean, variance) = Moments::of_all(values(&x), values(&gamma).len());
        let norm = Norm::new(&mean, &variance, values(&gamma), values(&beta), epsilon, fused);
        (alike(norm.apply(values(&x)), &x), vector(mean), vector(variance))
    }

    fn scale(x: FlexTensor, factor: FlexTensor, summand: FlexTensor, fused: Fused) -> FlexTensor {
        let [x, factor, summand] = [x, factor, summand].map(|tensor| tensor.to_contiguous());
        let norm = Norm::scaling(values(&factor), values(&summand), fused);
        alike(norm.apply(values(&x)), &x)
    }

    fn concatenate(first: FlexTensor, second: FlexTensor) -> FlexTensor {
        let [first, second] = [first, second].map(|tensor| tensor.to_contiguous());
        let channels = [&first, &second].map(|tensor| tensor.shape()[3]);
        let joined = channels::join(values(&first), values(&second), channels);
        let [images, height, width] = [0, 1, 2].map(|side| first.shape()[side]);
        tensor(joined, [images, height, width, channels.iter().sum()])
    }

    fn pool(x: FlexTensor, pooling: Pooling, window: Window) -> FlexTensor {
        let x = x.to_contiguous();
        let output = match pooling {
            Pooling::Max => window.max(values(&x)),
            Pooling::Average => window.average(values(&x)),
        };
        let images = x.shape()[0];
        tensor(output, [images, window.out_height(), window.out_width(), window.channels])
    }
}

struct Inputs {
    x: FlexTensor,
    weight: FlexTensor,
    bias: FlexTensor,
    gamma: FlexTensor,
    beta: FlexTensor,
}

/// A convolution and batch normalisation that were done.
struct Normalised {
    x: FlexTensor,
    weight: FlexTensor,
    /// The output of the convolution.
    convolved: Vec<f32>,
    mean: Vec<f32>,
    variance: Vec<f32>,
    norm: Norm,
    output: FlexTensor,
}

impl Normalised {
    fn new(inputs: &Inputs, geometry: Geometry, epsilon: f32, fused: Fused) -> Self {
        let Inputs { x, weight, bias, gamma, beta } = inputs;
        let [x, weight, bias, gamma, beta] =
            [x, weight, bias, gamma, beta].map(FlexTensor::to_contiguous);
        let filters = geometry.filters;
        let (convolved, pieces) = {
            let [x, weight, bias] = [&x, &weight, &bias].map(values);
            let look = |output: &[f32]| Moments::of(output, filters);
            conv::forward(&geometry, x, weight, bias, Fused::Nothing, look)
        };
        let (mean, variance) = Moments::pool(&pieces, filters);
        let norm = Norm::new(&mean, &variance, values(&gamma), values(&beta), epsilon, fused);
        let output = tensor(norm.apply(&convolved), image_shape(&geometry, x.shape()[0]));
        Self { x, weight, convolved, mean, variance, norm, output }
    }
}

/// Computes the gradients of a convolution's input, where `wanted`, and weight, and registers them.
/// `gradient` writes that of one image's output.
fn register(
    grads: &mut Gradients,
    [x_node, weight_node]: [Option<burn::backend::autodiff::NodeId>; 2],
    x: &FlexTensor,
    weight: &FlexTensor,
    geometry: &Geometry,
    gradient: impl Fn(usize, &mut [f32]) + Sync + Send,
) {
    let weight = x_node.map(|_| values(weight));
    let (of_x, of_weight) = conv::backward(geometry, values(x), weight, gradient);
    if let Some(node) = x_node {
        let shape =
            [x.shape()[0], geometry.window.height, geometry.window.width, geometry.window.channels];
        grads.register::<Flex>(node, tensor(of_x, shape));
    }
    if let Some(node) = weight_node {
        grads.register::<Flex>(node, vector(of_weight));
    }
}

/// Registers the gradients of a batch normalisation's factor and summand.
fn register_parameters(
    grads: &mut Gradients,
    nodes: [Option<burn::backend::autodiff::NodeId>; 2],
    gradient: NormGradient,
) {
    for (node, values) in nodes.into_iter().zip([gradient.gamma, gradient.beta]) {
        if let Some(node) = node {
            grads.register::<Flex>(node, vector(values));
        }
    }
}

#[derive(Debug)]
struct ConvolveBackward;

impl Backward<Flex, 3> for ConvolveBackward {
    /// Input, weight, the output where something was done to it, and what.
    type State = (FlexTensor, FlexTensor, Option<FlexTensor>, Fused, Geometry);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (x, weight, output, fused, geometry) = ops.state;
        let mut gradient = grads.consume::<Flex>(&ops.node).to_contiguous();
        if let (Some(before), Some(output)) = (fused.before(), output) {
            let both = values(&output).iter().zip(values(&gradient));
            gradient = vector(both.map(|(&output, &gradient)| before(output, gradient)).collect());
        }
        let gradient = values(&gradient);
        let [x_node, weight_node, bias_node] = ops.parents;
        register(
            grads,
            [x_node, weight_node].map(|node| node.map(|node| node.id)),
            &x,
            &weight,
            &geometry,
            |image, into| {
                let size = geometry.out_len();
                into.copy_from_slice(&gradient[image * size..][..size]);
            },
        );
        if let Some(node) = bias_node {
            let mut sums = vec![0.0_f64; geometry.filters];
            for pixel in gradient.chunks_exact(geometry.filters) {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    *sum += f64::from(value);
                }
            }
            grads.register::<Flex>(
                node.id,
                vector(sums.into_iter().map(|sum| sum as f32).collect()),
            );
        }
    }
}

#[derive(Debug)]
struct ConvolveAndNormaliseBackward;

impl Backward<Flex, 5> for ConvolveAndNormaliseBackward {
    /// Input, weight, what the convolution gave, the normalisation.
    type State = (FlexTensor, FlexTensor, FlexTensor, Norm, Geometry);

    fn backward(
        self,
        ops: Ops<Self::State, 5>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (x, weight, convolved, norm, geometry) = ops.state;
        let output = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (convolved, output) = (values(&convolved), values(&output));
        let gradient = norm.gradient(convolved, output);
        let [x_node, weight_node, bias_node, gamma_node, beta_node] = ops.parents;
        register(
            grads,
            [x_node, weight_node].map(|node| node.map(|node| node.id)),
            &x,
            &weight,
            &geometry,
            |image, into| {
                let size = geometry.out_len();
                let part = image * size..(image + 1) * size;
                norm.input_gradient(&gradient, &convolved[part.clone()], &output[part], into);
            },
        );
        if let Some(node) = bias_node {
            // The mean that the normalisation subtracts takes the bias with it.
            grads.register::<Flex>(node.id, vector(vec![0.0; geometry.filters]));
        }
        let parameters = [gamma_node, beta_node].map(|node| node.map(|node| node.id));
        register_parameters(grads, parameters, gradient);
    }
}

/// Of a batch normalisation whose statistics are those of its input, or of factors and summands.
#[derive(Debug)]
struct NormaliseBackward;

impl Backward<Flex, 3> for NormaliseBackward {
    /// Input, what was done to it, and whether the statistics are its own.
    type State = (FlexTensor, Norm, bool);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (x, norm, own) = ops.state;
        let output = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (input, output) = (values(&x), values(&output));
        let gradient = if own {
            norm.gradient(input, output)
        } else {
            norm.gradient_of_scaling(input, output)
        };
        let [x_node, gamma_node, beta_node] = ops.parents;
        if let Some(node) = x_node {
            let of_x = norm.input_gradients(&gradient, input, output);
            grads.register::<Flex>(node.id, alike(of_x, &x));
        }
        let parameters = [gamma_node, beta_node].map(|node| node.map(|node| node.id));
        register_parameters(grads, parameters, gradient);
    }
}

#[derive(Debug)]
struct ConcatenateBackward;

impl Backward<Flex, 2> for ConcatenateBackward {
    /// The shapes of both.
    type State = [[usize; 4]; 2];

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let shapes = ops.state;
        let output = grads.consume::<Flex>(&ops.node).to_contiguous();
        let [some, more] = shapes.map(|[.., channels]| channels);
        for ((node, shape), start) in ops.parents.into_iter().zip(shapes).zip([0, some]) {
            if let Some(node) = node {
                let part = channels::part(values(&output), some + more, start, shape[3]);
                grads.register::<Flex>(node.id, tensor(part, shape));
            }
        }
    }
}

#[derive(Debug)]
struct PoolBackward;

impl Backward<Flex, 1> for PoolBackward {
    type State = (FlexTensor, Pooling, Window);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (x, pooling, window) = ops.state;
        let output = grads.consume::<Flex>(&ops.node).to_contiguous();
        let [node] = ops.parents;
        if let Some(node) = node {
            let gradient = match pooling {
                Pooling::Max => window.max_gradient(values(&x), values(&output)),
                Pooling::Average => window.average_gradient(values(&output)),
            };
            let shape = [x.shape()[0], window.height, window.width, window.channels];
            grads.register::<Flex>(node.id, tensor(gradient, shape));
        }
    }
}

impl<C: CheckpointStrategy> ImageOps for Autodiff<Flex, C> {
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        fused: Fused,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let [x, weight, bias] =
            [x, weight, bias].map(|tensor| tensor.into_primitive().to_contiguous());
        let output = Flex::convolve(x.clone(), weight.clone(), bias, geometry, fused);
        match ConvolveBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let state = (x, weight, fused.before().map(|_| output.clone()), fused, geometry);
                prep.finish(state, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn convolve_and_normalise(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        geometry: Geometry,
        epsilon: f32,
        fused: Fused,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let nodes = [x.node(), weight.node(), bias.node(), gamma.node(), beta.node()];
        let [x, weight, bias, gamma, beta] =
            [x, weight, bias, gamma, beta].map(|tensor| tensor.into_primitive());
        let inputs = Inputs { x, weight, bias, gamma, beta };
        let done = Normalised::new(&inputs, geometry, epsilon, fused);
        let shape = image_shape(&geometry, done.x.shape()[0]);
        let output =
            match ConvolveAndNormaliseBackward.prepare::<C>(nodes).compute_bound().stateful() {
                OpsKind::Tracked(prep) => {
                    let convolved = tensor(done.convolved, shape);
                    prep.finish((done.x, done.weight, convolved, done.norm, geometry), done.output)
                }
                OpsKind::UnTracked(prep) => prep.finish(done.output),
            };
        let constant = |values| <Self as AutodiffBackend>::from_inner(vector(values));
        (output, constant(done.mean), constant(done.variance))
    }

    fn normalise(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
        fused: Fused,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (mut mean, mut variance) = Default::default();
        let output = normalised::<C>([x, gamma, beta], true, |[x, gamma, beta]| {
            (mean, variance) = Moments::of_all(x, gamma.len());
            Norm::new(&mean, &variance, gamma, beta, epsilon, fused)
        });
        let constant = |values| <Self as AutodiffBackend>::from_inner(vector(values));
        (output, constant(mean), constant(variance))
    }

    fn scale(
        x: FloatTensor<Self>,
        factor: FloatTensor<Self>,
        summand: FloatTensor<Self>,
        fused: Fused,
    ) -> FloatTensor<Self> {
        normalised::<C>([x, factor, summand], false, |[_, factor, summand]| {
            Norm::scaling(factor, summand, fused)
        })
    }

    fn concatenate(first: FloatTensor<Self>, second: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [first.node(), second.node()];
        let [first, second] = [first, second].map(|tensor| tensor.into_primitive());
        let shapes = [&first, &second].map(|tensor| [0, 1, 2, 3].map(|side| tensor.shape()[side]));
        let output = Flex::concatenate(first, second);
        match ConcatenateBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(shapes, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn pool(x: FloatTensor<Self>, pooling: Pooling, window: Window) -> FloatTensor<Self> {
        let nodes = [x.node()];
        let x = x.into_primitive().to_contiguous();
        let output = Flex::pool(x.clone(), pooling, window);
        match PoolBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, pooling, window), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}

/// Does to the first tensor what `norm` makes of the values of all three; `own` says whether it has the first one's own
/// statistics.
fn normalised<C: CheckpointStrategy>(
    tensors: [FloatTensor<Autodiff<Flex, C>>; 3],
    own: bool,
    norm: impl FnOnce([&[f32]; 3]) -> Norm,
) -> FloatTensor<Autodiff<Flex, C>> {
    let nodes = tensors.each_ref().map(|tensor| tensor.node());
    let [x, gamma, beta] = tensors.map(|tensor| tensor.into_primitive().to_contiguous());
    let norm = norm([&x, &gamma, &beta].map(values));
    let output = alike(norm.apply(values(&x)), &x);
    match NormaliseBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((x, norm, own), output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}
