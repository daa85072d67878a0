//! The supernet: all nodes of a template with their shared weights, of which any candidate can be run.
//!
//! A [`Supernet`] holds weights and running statistics and knows how to run a candidate; an
//! [`Evaluator`] holds the validation images and says how good a candidate is with the weights it
//! inherits. Training is in [`training`](crate::engine::training).
//!
//! Parameters are kept as flat vectors in one list, so that initialisation, optimiser and weight files
//! treat all of them alike; each operation gives them their shape where it uses them.

mod evaluate;
mod footprint;
mod inherit;
mod init;
mod latency;
mod layers;
mod sharing;
mod tally;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(in crate::engine) mod toy;
mod weights;

pub use evaluate::{EvaluationError, EvaluationSettings, Evaluator};
pub use latency::Latency;
pub use sharing::{On, Sharing};
pub use weights::WeightsError;

pub(in crate::engine) use footprint::bytes_per_image;
pub(in crate::engine) use layers::{carried_tensors, tensor_owners};
pub(in crate::engine) use weights::{Overlay, TensorFile, TensorWriter, tensor_sizes};

use crate::engine::{
    compute::{Activation, ImageOps, Norms, Pass, Statistics},
    data::{Dataset, Targets, Task},
    loss::Loss,
    mask::Mask,
    template::Graph,
};
use burn::tensor::{Device, Tensor, TensorData};
use layers::Plan;
use rand_chacha::ChaCha8Rng;
use std::{fmt, sync::Arc};
use thiserror::Error;

/// Share of a batch's statistics in the running ones, as in PyTorch.
const MOMENTUM: f64 = 0.1;

/// A template with shared weights, on one device.
pub struct Supernet {
    graph: Arc<Graph>,
    device: Device,
    ops: ImageOps,
    plan: Plan,
    // One a parameter, flat, never on an autodiff device.
    values: Vec<Tensor<1>>,
    // One a batch normalisation.
    running: Vec<Statistics>,
}

/// Loss and gradients of one training batch.
pub(in crate::engine) struct Gradients {
    /// Mean loss of the batch, `[1]`, left where it was computed: reading it waits for the device.
    pub(in crate::engine) loss: Tensor<1>,
    /// The gradient of each parameter that took part, by index into the list of parameters.
    pub(in crate::engine) of_parameters: Vec<(usize, Tensor<1>)>,
    /// What the batch normalisations saw.
    statistics: Vec<Option<Statistics>>,
}

/// A data set does not fit a template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Misfit {
    /// The images have another shape than the template's input.
    #[error(
        "the template takes images of {}, the data set has images of {}; \
         change the shape of the input brick, or choose other data", shape(*.wanted), shape(*.found)
    )]
    Shape {
        /// Channels, height, width that the template takes.
        wanted: [usize; 3],
        /// Channels, height, width of the data.
        found: [usize; 3],
    },
    /// The data has more classes than the template tells apart.
    #[error(
        "the template tells {wanted} classes apart, the data set has {found}; \
         give the last dense brick {found} units"
    )]
    Classes {
        /// Values at the template's output.
        wanted: usize,
        /// Classes of the data.
        found: usize,
    },
    /// The data has numbers to predict, the template has several outputs.
    #[error(
        "the data set has a number to predict, the template has {found} outputs; \
         give the last dense brick 1 unit"
    )]
    Number {
        /// Values at the template's output.
        found: usize,
    },
}

fn shape([channels, height, width]: [usize; 3]) -> String {
    format!("{channels}×{height}×{width}")
}

impl Supernet {
    /// A supernet whose weights are drawn with `seed`: the same on every device.
    pub fn new(graph: Arc<Graph>, seed: u64, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        let plan = Plan::new(&graph);
        let values = init::values(&plan.parameters, &graph, seed)
            .into_iter()
            .map(|values| vector(values, &device))
            .collect();
        let running = plan
            .norms
            .iter()
            .map(|norm| Statistics {
                mean: Tensor::zeros([norm.channels], &device),
                variance: Tensor::ones([norm.channels], &device),
            })
            .collect();
        Self { graph, ops: ImageOps::of(&device), device, plan, values, running }
    }

    /// The template.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// Where the weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Whether images and classes of `data` fit the template, where training makes `loss` small.
    ///
    /// # Errors
    /// When they do not, with the fix.
    pub fn check_data(&self, data: &Dataset, loss: &Loss) -> Result<(), Misfit> {
        let (wanted, found) = (self.graph.image_shape(), data.shape());
        if wanted != found {
            return Err(Misfit::Shape { wanted, found });
        }
        let outputs = self.graph.classes();
        match &data.task {
            Task::Classes(names) if names.len() == 2 && outputs == 1 && loss.takes_one_output() => {
                Ok(())
            }
            Task::Classes(names) if outputs < names.len() => {
                Err(Misfit::Classes { wanted: outputs, found: names.len() })
            }
            Task::Number(_) if outputs != 1 => Err(Misfit::Number { found: outputs }),
            _ => Ok(()),
        }
    }

    /// The names of all parameters.
    pub(in crate::engine) fn parameter_names(&self) -> impl Iterator<Item = &str> {
        self.plan.parameters.iter().map(|parameter| parameter.name.as_str())
    }

    /// Whether weight decay shrinks each parameter, in the order of [`Self::parameter_names`].
    pub(in crate::engine) fn decays(&self) -> impl Iterator<Item = bool> {
        self.plan.parameters.iter().map(|parameter| parameter.is.decays)
    }

    /// The flat value of each parameter, in the order of [`Self::parameter_names`].
    pub(in crate::engine) fn values(&self) -> &[Tensor<1>] {
        &self.values
    }

    /// The same, to change them.
    pub(in crate::engine) fn values_mut(&mut self) -> &mut [Tensor<1>] {
        &mut self.values
    }

    /// Runs the candidate `mask` on `images`, `[batch, channels, height, width]`, node by node, with these flat values
    /// of all parameters, on an autodiff device where they are trained. Returns the class scores, `[batch, classes]`.
    ///
    /// # Panics
    /// If the candidate is not valid in the sense of [`candidate::problem`](crate::engine::candidate::problem).
    fn forward(
        &self,
        mask: &Mask,
        images: Tensor<4>,
        values: &[Tensor<1>],
        pass: &mut Pass<'_>,
    ) -> Tensor<2> {
        let graph = &*self.graph;
        // An activation is dropped with its last reader, which may then work in place.
        let mut readers: Vec<_> = (0..graph.len())
            .map(|node| graph.targets(node).iter().filter(|&&target| mask.contains(target)).count())
            .collect();
        let mut made: Vec<Option<Activation>> = vec![None; graph.len()];
        for &node in graph.order().iter().filter(|&&node| mask.contains(node)) {
            let incoming = graph.sources(node).iter().map(|&source| {
                if !mask.contains(source) {
                    return None;
                }
                readers[source] -= 1;
                if readers[source] == 0 { made[source].take() } else { made[source].clone() }
            });
            let incoming = graph.merge(node).slots(incoming);
            let output = self.node(node, incoming, || images.clone(), values, pass);
            if node == graph.output() {
                return output.flat();
            }
            made[node] = Some(output);
        }
        panic!("the candidate does not reach the output")
    }

    /// What one node makes of what arrives at its slots; the input node is given the `images`.
    fn node(
        &self,
        node: usize,
        incoming: Vec<Option<Activation>>,
        images: impl FnOnce() -> Tensor<4>,
        values: &[Tensor<1>],
        pass: &mut Pass<'_>,
    ) -> Activation {
        let plan = &self.plan.nodes[node];
        let input = if node == self.graph.input() {
            Some(Activation::Image(pass.image.enter(images())))
        } else {
            Activation::merge(incoming, plan.merge, &plan.slots, pass.image)
        };
        let Some(input) = input else {
            panic!("node `{}` of the candidate is not fed", self.graph.id(node))
        };
        plan.layers.iter().fold(input, |x, layer| layer.apply(x, values, pass))
    }

    /// Class scores with given statistics, one for each batch normalisation.
    fn forward_with_statistics(
        &self,
        mask: &Mask,
        images: Tensor<4>,
        statistics: &[Statistics],
    ) -> Tensor<2> {
        let norms = Norms::Fixed(statistics);
        let mut pass = Pass { image: self.ops, norms, dropout: None };
        self.forward(mask, images, &self.values, &mut pass)
    }

    /// Loss of the candidate `mask` on one batch, and its gradients. Nothing is changed, and nothing waits for the device.
    ///
    /// `images` is `[batch, channels, height, width]`, `targets` has a class or number for each.
    pub(in crate::engine) fn gradients(
        &self,
        mask: &Mask,
        images: Tensor<4>,
        targets: &Targets,
        loss: &Loss,
        dropout: &mut ChaCha8Rng,
    ) -> Gradients {
        let trained = |parameter: usize| {
            let node = self.plan.parameters[parameter].owner.node;
            mask.contains(node) && self.plan.nodes[node].trainable
        };
        let leaves: Vec<_> =
            self.values
                .iter()
                .enumerate()
                .map(|(i, value)| {
                    if trained(i) { value.clone().autodiff().require_grad() } else { value.clone() }
                })
                .collect();
        let mut statistics = vec![None; self.plan.norms.len()];
        let norms = Norms::Batch(&mut statistics);
        let mut pass = Pass { image: self.ops, norms, dropout: Some(dropout) };
        let scores = self.forward(mask, images, &leaves, &mut pass);
        let loss = loss.mean(scores, targets, &self.device);
        let value = loss.clone().without_autodiff();
        let mut of_parameters = Vec::new();
        // A template without parameters has nothing to differentiate.
        if loss.is_tracked() {
            let mut gradients = loss.backward();
            for (i, leaf) in leaves.iter().enumerate() {
                if let Some(gradient) = leaf.grad_remove(&mut gradients) {
                    of_parameters.push((i, gradient));
                }
            }
        }
        Gradients { loss: value, of_parameters, statistics }
    }

    /// Moves the running statistics towards what a training batch showed; those of frozen nodes stay.
    pub(in crate::engine) fn update_running(&mut self, gradients: &Gradients) {
        let slots = self.plan.norms.iter().zip(&gradients.statistics);
        for (running, (slot, seen)) in self.running.iter_mut().zip(slots) {
            let Some(Statistics { mean, variance }) = seen else { continue };
            if !self.plan.nodes[slot.owner.node].trainable {
                continue;
            }
            let blend = |old: &Tensor<1>, new: &Tensor<1>| {
                old.clone().mul_scalar(1.0 - MOMENTUM) + new.clone().mul_scalar(MOMENTUM)
            };
            running.mean = blend(&running.mean, mean);
            running.variance = blend(&running.variance, variance);
        }
    }
}

impl fmt::Debug for Supernet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parameters: u64 = self.plan.parameters.iter().map(|p| p.is.size()).sum();
        let nodes = self.graph.len();
        write!(f, "supernet of {nodes} nodes with {parameters} parameters on {:?}", self.device)
    }
}

/// A vector on `device`.
pub(in crate::engine) fn vector(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}
