//! A new node begins with what a node like it has learned.

use super::{Supernet, WeightsError, init::fit_kernel, layers::Parameter, vector};
use crate::engine::{
    compute::Statistics,
    ops::{Initialiser, Start},
};

impl Supernet {
    /// Gives a node the weights and running statistics that the node `like` of another supernet has. Returns whether it
    /// could: the operations that learn must be of the same kinds and widths, and the node must start aligned with its
    /// alternatives. A kernel of another size is [fitted](fit_kernel).
    ///
    /// # Errors
    /// When the device fails.
    pub(in crate::engine) fn inherit(
        &mut self,
        node: usize,
        other: &Self,
        like: usize,
    ) -> Result<bool, WeightsError> {
        let own: Vec<_> = self.plan.nodes[node].learning().collect();
        let theirs: Vec<_> = other.plan.nodes[like].learning().collect();
        if own.is_empty() || own.len() != theirs.len() {
            return Ok(false);
        }
        let (mut values, mut running) = (Vec::new(), Vec::new());
        for ((kind, parameters, norms), (other_kind, other_parameters, other_norms)) in
            own.into_iter().zip(theirs)
        {
            let lengths = (parameters.len(), norms.len());
            if kind != other_kind || lengths != (other_parameters.len(), other_norms.len()) {
                return Ok(false);
            }
            for (to, from) in parameters.zip(other_parameters) {
                let Some(fit) = Fit::of(&other.plan.parameters[from], &self.plan.parameters[to])
                else {
                    return Ok(false);
                };
                values.push((to, from, fit));
            }
            for (to, from) in norms.zip(other_norms) {
                if self.plan.norms[to].channels != other.plan.norms[from].channels {
                    return Ok(false);
                }
                running.push((to, from));
            }
        }
        for (to, from, fit) in values {
            let value = &other.values[from];
            self.values[to] = match fit {
                Fit::Same => value.clone(),
                Fit::Kernel(before, after) => {
                    let value = value
                        .try_to_vec_as::<f32>()
                        .map_err(|error| WeightsError::Device(error.to_string()))?;
                    let kernels = value.chunks(before[0] * before[1]);
                    let fitted = kernels.flat_map(|kernel| fit_kernel(kernel, before, after));
                    vector(fitted.collect(), &self.device)
                }
            };
        }
        for (to, from) in running {
            let Statistics { mean, variance } = &other.running[from];
            self.running[to] = Statistics { mean: mean.clone(), variance: variance.clone() };
        }
        Ok(true)
    }
}

/// How the values of a parameter become those of another one.
enum Fit {
    /// As they are.
    Same,
    /// Kernels of these rows and columns become kernels of those.
    Kernel([usize; 2], [usize; 2]),
}

impl Fit {
    fn of(from: &Parameter, to: &Parameter) -> Option<Self> {
        let (from, to) = (&from.is, &to.is);
        if from.role != to.role {
            return None;
        }
        let kernel = |start| match start {
            Start::Drawn { kernel, .. } => kernel,
            Start::Constant(_) => None,
        };
        match to.start {
            // An initialiser that was chosen by name counts.
            Start::Drawn { initialiser, .. } if initialiser != Initialiser::Aligned => None,
            _ if from.shape == to.shape => Some(Self::Same),
            Start::Drawn { .. } | Start::Constant(_) => {
                let (before, after) = (kernel(from.start)?, kernel(to.start)?);
                let outer = |shape: &[usize]| shape[..shape.len().saturating_sub(2)].to_vec();
                let same_width = outer(&from.shape) == outer(&to.shape);
                same_width.then_some(Self::Kernel(before, after))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::template;
    use burn::tensor::Device;
    use std::sync::Arc;

    const ALTERNATIVES: &str = r#"(
        version: 1,
        name: "alternatives",
        nodes: [
            (id: "in", layer: 0, ops: [Input(shape: (4, 8, 8))], position: (0, 0)),
            (id: "three", layer: 1, ops: [ConvBlock(filters: 4, kernel: 3)], position: (6, 0)),
            (id: "five", layer: 1, ops: [MaxPool(kernel: 1, stride: 1), ConvBlock(filters: 4, kernel: 5)], position: (6, 4)),
            (id: "wide", layer: 1, ops: [ConvBlock(filters: 4, kernel: (1, 3))], position: (6, 8)),
            (id: "deep", layer: 1, ops: [DepthwiseConv2d(kernel: 3)], position: (6, 12)),
            (id: "own", layer: 1, ops: [ConvBlock(filters: 4, kernel: 3, kernel_initialiser: HeNormal)], position: (6, 16)),
            (id: "pool", layer: 1, ops: [MaxPool(kernel: 1, stride: 1)], position: (6, 20)),
            (id: "less", layer: 2, ops: [ConvBlock(filters: 2, kernel: 3)], position: (12, 0)),
            (id: "head", layer: 3, ops: [Flatten, Dense(units: 3)], position: (18, 0)),
            (id: "out", layer: 4, ops: [Output], position: (24, 0)),
        ],
        links: [
            ("in", "three"), ("in", "five"), ("in", "wide"), ("in", "deep"), ("in", "own"), ("in", "pool"),
            ("three", "less"), ("five", "less"), ("wide", "less"), ("deep", "less"), ("own", "less"), ("pool", "less"),
            ("less", "head"), ("head", "out"),
        ],
    )"#;

    fn supernet(seed: u64) -> Supernet {
        let template = template::parse("alternatives", ALTERNATIVES).expect("is right");
        Supernet::new(Arc::clone(template.graph()), seed, &Device::flex())
    }

    fn values(supernet: &Supernet, name: &str) -> Vec<f32> {
        let place = supernet.parameter_names().position(|it| it == name).expect("a parameter");
        supernet.values()[place].try_to_vec_as().expect("the CPU answers")
    }

    #[test]
    fn weights_are_inherited_where_kinds_and_widths_are_the_same() {
        let known = supernet(1);
        let node = |id: &str| known.graph().index_of(&id.into()).expect("a node");
        let fits = |to: &str, like: &str| {
            supernet(2).inherit(node(to), &known, node(like)).expect("the CPU answers")
        };
        for (to, like, wanted) in [
            ("three", "three", true),
            ("three", "five", true),
            ("five", "wide", true),
            ("three", "own", true),
            ("own", "three", false),
            ("three", "deep", false),
            ("three", "pool", false),
            ("pool", "three", false),
            ("pool", "pool", false),
            ("three", "less", false),
            ("less", "three", false),
        ] {
            assert_eq!(fits(to, like), wanted, "{to} like {like}");
        }
    }

    #[test]
    fn a_kernel_of_another_size_is_fitted_and_the_others_are_untouched() {
        let (known, mut new) = (supernet(1), supernet(2));
        let node = |id: &str| known.graph().index_of(&id.into()).expect("a node");
        let untouched = values(&new, "three.0.weight");
        assert!(new.inherit(node("five"), &known, node("three")).expect("the CPU answers"));
        let (kernels, fitted) = (values(&known, "three.0.weight"), values(&new, "five.1.weight"));
        for (kernel, fitted) in kernels.chunks(9).zip(fitted.chunks(25)) {
            assert_eq!(fitted, fit_kernel(kernel, [3; 2], [5; 2]));
        }
        assert_eq!(fitted.len(), kernels.len() / 9 * 25);
        assert_eq!(values(&new, "three.0.weight"), untouched);
    }
}
