//! What training makes small: how far the outputs of a network are from what they should be.
//!
//! Every loss is here twice: over a batch of tensors, to be differentiated, and over the numbers of one image
//! in double precision, for evaluation on any device. Tests hold the two against each other.

use super::{
    data::{Dataset, Scale, Targets, Task},
    named::{Named, named},
};
use burn::tensor::{
    Device, Int, Tensor, TensorData,
    activation::{log_softmax, relu, softmax, softplus},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The exponent of the focal loss, as its paper recommends.
const FOCUS: i32 = 2;

/// Which loss. `z` are the outputs, `p` their softmax, `t` is 1 for the right class and 0 for the others; means
/// go over the outputs. For numbers, `z` is the only output and `t` the number, both in units of the training
/// split's standard deviation, from its mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LossKind {
    /// Cross entropy for classes, mean square for numbers.
    #[default]
    Auto,
    /// `-sum(t log p)`.
    CrossEntropy,
    /// `mean((p - t)²)` for classes (the Brier score), `(z - t)²` for numbers.
    MeanSquare,
    /// `mean(|p - t|)` for classes, `|z - t|` for numbers.
    MeanAbsolute,
    /// `mean((log(1 + p) - log(1 + t))²)` for classes. For numbers the same of prediction and number as they
    /// are in the data, none of which may be negative; a negative prediction counts as 0.
    MeanSquareLog,
    /// `mean(-t log s - (1 - t) log(1 - s))` with `s` the sigmoid of `z`: one class against the rest.
    BinaryCrossEntropy,
    /// `mean(max(0, 1 - z))`, with `-z` for wrong classes: one class against the rest.
    Hinge,
    /// `mean(max(0, 1 - z)²)`, with `-z` for wrong classes.
    SquaredHinge,
    /// `sum(t log(t / p))`: the Kullback-Leibler divergence of `p` from `t`.
    KlDivergence,
    /// `-(1 - p)² log p` of the right class, which looks away from images that are easy (Lin et al. 2017,
    /// arXiv 1708.02002).
    Focal,
}

named!(LossKind, "loss", {
    Auto => "auto", "cross entropy for classes, mean square for numbers";
    CrossEntropy => "cross-entropy", "negative logarithm of the right class's probability";
    MeanSquare => "mean-square", "mean square of the error, for classes and numbers";
    MeanAbsolute => "mean-absolute", "mean absolute error, for classes and numbers";
    MeanSquareLog => "mean-square-log", "mean square error of logarithms, for classes and numbers from 0";
    BinaryCrossEntropy => "binary-cross-entropy", "cross entropy of each class against the rest";
    Hinge => "hinge", "distance to the right side of a margin, each class against the rest";
    SquaredHinge => "squared-hinge", "its square";
    KlDivergence => "kl-divergence", "Kullback-Leibler divergence from the right distribution";
    Focal => "focal", "cross entropy that looks away from what is easy";
});

impl LossKind {
    /// Whether a network with one output can tell two classes apart with it: the output is high for the second.
    pub fn takes_one_output(self) -> bool {
        match self {
            Self::BinaryCrossEntropy | Self::Hinge | Self::SquaredHinge => true,
            Self::Auto
            | Self::CrossEntropy
            | Self::MeanSquare
            | Self::MeanAbsolute
            | Self::MeanSquareLog
            | Self::KlDivergence
            | Self::Focal => false,
        }
    }
}

/// A loss cannot be used.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum LossError {
    /// The loss is for classes, the data has numbers.
    #[error(
        "the loss {loss} is for classes, but {data} has numbers to predict; choose mean-square, mean-absolute \
         or mean-square-log"
    )]
    NeedsClasses {
        /// The loss.
        loss: LossKind,
        /// The data set.
        data: String,
    },
    /// A logarithm of negative numbers.
    #[error(
        "the loss {} takes numbers from 0, but {data} has {number} to predict; choose mean-square or \
         mean-absolute",
        LossKind::MeanSquareLog
    )]
    Negative {
        /// The data set.
        data: String,
        /// A negative number in it.
        number: f32,
    },
    /// Label smoothing of a loss that has none.
    #[error(
        "label smoothing goes with cross-entropy and kl-divergence, not with {loss}; leave it at 0, or choose \
         one of these"
    )]
    Smoothing {
        /// The loss.
        loss: LossKind,
    },
    /// Label smoothing out of range.
    #[error("a label smoothing of {0}; use 0 or more, below 1, such as 0.1")]
    SmoothingRange(f64),
}

/// A loss for the targets of one data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Never [`LossKind::Auto`].
    kind: LossKind,
    smoothing: f64,
    scale: Option<Scale>,
}

impl Loss {
    /// The loss for `data`. With `smoothing` (label smoothing, Szegedy et al. 2016, arXiv 1512.00567), that
    /// share of every image's probability is spread evenly over all classes.
    ///
    /// # Errors
    /// When the loss does not go with the targets of `data` or with smoothing.
    pub fn new(kind: LossKind, smoothing: f64, data: &Dataset) -> Result<Self, LossError> {
        if !(0.0..1.0).contains(&smoothing) {
            return Err(LossError::SmoothingRange(smoothing));
        }
        let name = || data.name.clone();
        let usual = Self::usual(data);
        let kind = if kind == LossKind::Auto { usual.kind } else { kind };
        let scale = usual.scale;
        if scale.is_some() {
            match kind {
                LossKind::MeanSquare | LossKind::MeanAbsolute => {}
                LossKind::MeanSquareLog => {
                    for images in [&data.train, &data.val, &data.test] {
                        if let Targets::Numbers(numbers) = images.targets()
                            && let Some(&number) = numbers.iter().find(|&&number| number < 0.0)
                        {
                            return Err(LossError::Negative { data: name(), number });
                        }
                    }
                }
                _ => return Err(LossError::NeedsClasses { loss: kind, data: name() }),
            }
        }
        if smoothing > 0.0 && !matches!(kind, LossKind::CrossEntropy | LossKind::KlDivergence) {
            return Err(LossError::Smoothing { loss: kind });
        }
        Ok(Self { kind, smoothing, scale })
    }

    /// The loss that is usual for `data`: that of [`LossKind::Auto`].
    pub fn usual(data: &Dataset) -> Self {
        let (kind, scale) = match data.task {
            Task::Classes(_) => (LossKind::CrossEntropy, None),
            Task::Number(scale) => (LossKind::MeanSquare, Some(scale)),
        };
        Self { kind, smoothing: 0.0, scale }
    }

    /// Whether one output can tell two classes apart with it, see [`LossKind::takes_one_output`].
    pub fn takes_one_output(&self) -> bool {
        self.scale.is_none() && self.kind.takes_one_output()
    }

    /// Mean and standard deviation of the numbers to predict; `None` for classes.
    pub fn scale(&self) -> Option<Scale> {
        self.scale
    }

    /// The mean over a batch, `[1]`. `outputs` is `[batch, classes]`, or `[batch, 1]` for numbers and for two classes
    /// with a loss that [takes one output](LossKind::takes_one_output).
    pub(in crate::engine) fn mean(
        &self,
        outputs: Tensor<2>,
        targets: &Targets,
        device: &Device,
    ) -> Tensor<1> {
        match targets {
            Targets::Classes(labels) => self.mean_of_classes(outputs, labels, device),
            Targets::Numbers(numbers) => self.mean_of_numbers(outputs, numbers, device),
        }
    }

    fn mean_of_classes(&self, z: Tensor<2>, labels: &[u16], device: &Device) -> Tensor<1> {
        let [batch, classes] = z.dims();
        let indices: Vec<_> = labels.iter().map(|&label| i32::from(label)).collect();
        let indices = Tensor::<2, Int>::from_data(TensorData::new(indices, [batch, 1]), device);
        // [batch, 1]
        let right = |values: Tensor<2>| values.gather(1, indices.clone());
        // [batch, classes]
        let one_hot = || {
            let mut values = vec![0.0_f32; batch * classes];
            for (row, &label) in values.chunks_exact_mut(classes).zip(labels) {
                if let Some(place) = place_of(usize::from(label), classes) {
                    row[place] = 1.0;
                }
            }
            Tensor::<2>::from_data(TensorData::new(values, [batch, classes]), device)
        };
        match self.kind {
            LossKind::Auto | LossKind::CrossEntropy => self.smoothed_cross_entropy(z, right),
            LossKind::KlDivergence => {
                self.smoothed_cross_entropy(z, right).sub_scalar(self.entropy(classes))
            }
            LossKind::MeanSquare => (softmax(z, 1) - one_hot()).square().mean(),
            LossKind::MeanAbsolute => (softmax(z, 1) - one_hot()).abs().mean(),
            LossKind::MeanSquareLog => (softmax(z, 1).log1p() - one_hot().log1p()).square().mean(),
            LossKind::BinaryCrossEntropy => (softplus(z.clone(), 1.0) - one_hot() * z).mean(),
            LossKind::Hinge => hinge(z, one_hot()).mean(),
            LossKind::SquaredHinge => hinge(z, one_hot()).square().mean(),
            LossKind::Focal => {
                let log_p = right(log_softmax(z, 1));
                let easy = log_p.clone().exp().neg().add_scalar(1.0).powi_scalar(FOCUS);
                (easy * log_p).mean().neg()
            }
        }
    }

    fn smoothed_cross_entropy(
        &self,
        z: Tensor<2>,
        right: impl Fn(Tensor<2>) -> Tensor<2>,
    ) -> Tensor<1> {
        let log_p = log_softmax(z, 1);
        if self.smoothing == 0.0 {
            return right(log_p).mean().neg();
        }
        let spread = log_p.clone().mean().mul_scalar(self.smoothing);
        (right(log_p).mean().mul_scalar(1.0 - self.smoothing) + spread).neg()
    }

    /// The entropy of a smoothed target.
    fn entropy(&self, classes: usize) -> f64 {
        let spread = self.smoothing / classes as f64;
        let right = 1.0 - self.smoothing + spread;
        let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
        term(right) + (classes - 1) as f64 * term(spread)
    }

    fn mean_of_numbers(&self, z: Tensor<2>, numbers: &[f32], device: &Device) -> Tensor<1> {
        let Scale { mean, std } = self.scale.unwrap_or(Scale { mean: 0.0, std: 1.0 });
        let tensor = |values: Vec<f32>| {
            let count = values.len();
            Tensor::<2>::from_data(TensorData::new(values, [count, 1]), device)
        };
        let standardised = || tensor(numbers.iter().map(|number| (number - mean) / std).collect());
        match self.kind {
            LossKind::MeanAbsolute => (z - standardised()).abs().mean(),
            LossKind::MeanSquareLog => {
                let predicted = relu(z.mul_scalar(std).add_scalar(mean)).log1p();
                let wanted = tensor(numbers.iter().map(|number| number.ln_1p()).collect());
                (predicted - wanted).square().mean()
            }
            // Others are refused when the loss is made.
            _ => (z - standardised()).square().mean(),
        }
    }

    /// The loss of one image that shows the class `label`; `z` are its outputs, one per class.
    pub(in crate::engine) fn of_class(&self, z: &[f32], label: usize) -> f64 {
        let highest = f64::from(z.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = z.iter().map(|&z| (f64::from(z) - highest).exp()).sum();
        let log_p = |z: f32| -> f64 { f64::from(z) - highest - sum.ln() };
        let mean = |term: &dyn Fn(f64, f64) -> f64| {
            let terms = z.iter().enumerate();
            let right = place_of(label, z.len());
            let term = |(class, &z): (usize, &f32)| term(z.into(), f64::from(Some(class) == right));
            let sum: f64 = terms.map(term).sum();
            sum / z.len() as f64
        };
        let p = |z: f64| (z - highest).exp() / sum;
        let cross_entropy = || {
            let right = highest + sum.ln() - f64::from(z[label]);
            if self.smoothing == 0.0 {
                return right;
            }
            let spread: f64 = z.iter().map(|&z| -log_p(z)).sum::<f64>() / z.len() as f64;
            right * (1.0 - self.smoothing) + spread * self.smoothing
        };
        let margin = |z: f64, t: f64| (1.0 - if t > 0.5 { z } else { -z }).max(0.0);
        match self.kind {
            LossKind::Auto | LossKind::CrossEntropy => cross_entropy(),
            LossKind::KlDivergence => cross_entropy() - self.entropy(z.len()),
            LossKind::MeanSquare => mean(&|z, t| (p(z) - t).powi(2)),
            LossKind::MeanAbsolute => mean(&|z, t| (p(z) - t).abs()),
            LossKind::MeanSquareLog => mean(&|z, t| (p(z).ln_1p() - t.ln_1p()).powi(2)),
            LossKind::BinaryCrossEntropy => {
                // log(1 + exp(z)) - t z, without a large exponential.
                mean(&|z, t| z.max(0.0) + (-z.abs()).exp().ln_1p() - t * z)
            }
            LossKind::Hinge => mean(&margin),
            LossKind::SquaredHinge => mean(&|z, t| margin(z, t).powi(2)),
            LossKind::Focal => {
                let log_p = log_p(z[label]);
                -(1.0 - log_p.exp()).powi(FOCUS) * log_p
            }
        }
    }

    /// The loss of one output `z` where `number` is the target.
    pub(in crate::engine) fn of_number(&self, z: f32, number: f32) -> f64 {
        let Scale { mean, std } = self.scale.unwrap_or(Scale { mean: 0.0, std: 1.0 });
        let (mean, std) = (f64::from(mean), f64::from(std));
        let (z, number) = (f64::from(z), f64::from(number));
        let error = z - (number - mean) / std;
        match self.kind {
            LossKind::MeanAbsolute => error.abs(),
            LossKind::MeanSquareLog => ((mean + std * z).max(0.0).ln_1p() - number.ln_1p()).powi(2),
            _ => error.powi(2),
        }
    }
}

/// The output that stands for a class, if there is one: the only output of a network that tells two classes apart
/// stands for the second.
fn place_of(label: usize, outputs: usize) -> Option<usize> {
    if outputs == 1 { label.checked_sub(1) } else { Some(label) }
}

/// By how much each output is on the wrong side of a margin of 1, `[batch, classes]`.
fn hinge(z: Tensor<2>, one_hot: Tensor<2>) -> Tensor<2> {
    let sign = one_hot.mul_scalar(2.0).sub_scalar(1.0);
    relu((sign * z).neg().add_scalar(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::data::Images;
    use std::f64::consts::LN_2;

    fn classes(count: usize) -> Dataset {
        let labels: Vec<u16> = (0..count as u16).collect();
        let images = Images::new([1, 1, 1], vec![0_u8; count], labels).expect("sizes match");
        let names = (0..count).map(|class| class.to_string()).collect();
        Dataset::new("toy", names, images.clone(), images.clone(), images).expect("is right")
    }

    fn numbers(values: &[f32]) -> Dataset {
        let images =
            Images::new([1, 1, 1], vec![0_u8; values.len()], values.to_vec()).expect("sizes match");
        Dataset::new("toy", Vec::new(), images.clone(), images.clone(), images).expect("is right")
    }

    fn loss(kind: LossKind, smoothing: f64, data: &Dataset) -> Loss {
        Loss::new(kind, smoothing, data).expect("goes with the data")
    }

    fn near(found: f64, wanted: f64) -> bool {
        (found - wanted).abs() < 1e-6 * (1.0 + wanted.abs())
    }

    /// Mean over the batch and its gradient.
    fn mean(loss: &Loss, outputs: &[f32], targets: &Targets) -> (f64, Vec<f32>) {
        let device = Device::flex();
        let shape = [targets.len(), outputs.len() / targets.len()];
        let outputs = Tensor::<2>::from_data(TensorData::new(outputs.to_vec(), shape), &device);
        let outputs = outputs.autodiff().require_grad();
        let mean = loss.mean(outputs.clone(), targets, &device);
        let value = mean.clone().without_autodiff().try_into_scalar::<f32>().expect("a number");
        let mut gradients = mean.backward();
        let gradient = outputs.grad_remove(&mut gradients).expect("is tracked");
        (value.into(), gradient.try_into_vec_as().expect("floats"))
    }

    #[test]
    fn losses_of_classes_have_their_closed_forms() {
        // p = (1/2, 1/4, 1/4), and the right class is the first, or the last.
        let z = [4_f32.ln(), 2_f32.ln(), 2_f32.ln()];
        let data = classes(3);
        let sigmoid = |odds: f64| odds / (1.0 + odds);
        let bce = |right: f64, wrong: [f64; 2]| {
            -(right.ln() + wrong.iter().map(|s| (1.0 - s).ln()).sum::<f64>()) / 3.0
        };
        let (half, third) = (sigmoid(4.0), sigmoid(2.0));
        let (l4, l2) = (4_f64.ln(), LN_2);
        let log = |p: f64| (1.0 + p).ln();
        for (kind, first, last) in [
            (LossKind::CrossEntropy, LN_2, 4_f64.ln()),
            (LossKind::KlDivergence, LN_2, 4_f64.ln()),
            (LossKind::MeanSquare, (0.25 + 0.0625 + 0.0625) / 3.0, (0.25 + 0.0625 + 0.5625) / 3.0),
            (LossKind::MeanAbsolute, 1.0 / 3.0, 0.5),
            (
                LossKind::MeanSquareLog,
                ((log(0.5) - LN_2).powi(2) + 2.0 * log(0.25).powi(2)) / 3.0,
                (log(0.5).powi(2) + log(0.25).powi(2) + (log(0.25) - LN_2).powi(2)) / 3.0,
            ),
            (LossKind::BinaryCrossEntropy, bce(half, [third, third]), bce(third, [half, third])),
            (LossKind::Hinge, 2.0 * (1.0 + l2) / 3.0, ((1.0 + l4) + (1.0 + l2) + (1.0 - l2)) / 3.0),
            (
                LossKind::SquaredHinge,
                2.0 * (1.0 + l2).powi(2) / 3.0,
                ((1.0 + l4).powi(2) + (1.0 + l2).powi(2) + (1.0 - l2).powi(2)) / 3.0,
            ),
            (LossKind::Focal, 0.25 * LN_2, 0.5625 * 4_f64.ln()),
        ] {
            let loss = loss(kind, 0.0, &data);
            assert!(near(loss.of_class(&z, 0), first), "{kind}: {}", loss.of_class(&z, 0));
            assert!(near(loss.of_class(&z, 2), last), "{kind}: {}", loss.of_class(&z, 2));
        }
    }

    #[test]
    fn smoothing_spreads_a_share_of_the_target() {
        let z = [4_f32.ln(), 2_f32.ln(), 2_f32.ln()];
        let data = classes(3);
        // Of 0.3, a third goes to each class: the target is (0.8, 0.1, 0.1).
        let wanted = 0.8 * LN_2 + 0.2 * 4_f64.ln();
        assert!(near(loss(LossKind::CrossEntropy, 0.3, &data).of_class(&z, 0), wanted));
        let entropy = -(0.8 * 0.8_f64.ln() + 0.2 * 0.1_f64.ln());
        let divergence = loss(LossKind::KlDivergence, 0.3, &data);
        assert!(near(divergence.of_class(&z, 0), wanted - entropy));
        let same = [0.8_f32.ln(), 0.1_f32.ln(), 0.1_f32.ln()];
        assert!(divergence.of_class(&same, 0).abs() < 1e-6, "nothing diverges from itself");
    }

    #[test]
    fn losses_of_numbers_have_their_closed_forms() {
        // Mean 3, standard deviation 2.
        let data = numbers(&[1.0, 5.0]);
        let loss = |kind| loss(kind, 0.0, &data);
        // The output 0.5 predicts 4, half a standard deviation from 5 and 1.5 from 1.
        assert!(near(loss(LossKind::MeanSquare).of_number(0.5, 5.0), 0.25));
        assert!(near(loss(LossKind::MeanAbsolute).of_number(0.5, 1.0), 1.5));
        let logs = (5_f64.ln() - 2_f64.ln()).powi(2);
        assert!(near(loss(LossKind::MeanSquareLog).of_number(0.5, 1.0), logs));
        let clamped = 2_f64.ln().powi(2);
        assert!(near(loss(LossKind::MeanSquareLog).of_number(-9.0, 1.0), clamped), "counts as 0");
        assert_eq!(loss(LossKind::Auto), loss(LossKind::MeanSquare));
    }

    #[test]
    fn over_a_batch_every_loss_is_the_mean_and_its_gradient_is_that_of_small_steps() {
        let data = classes(4);
        let z = [0.3, -1.2, 2.0, 0.7, -0.4, 0.1, 0.9, -2.2, 40.0, -30.0, 1.5, 0.2];
        let labels = [2, 0, 1];
        let table = numbers(&[0.5, 1.0, 6.0]);
        for &kind in LossKind::ALL {
            for smoothing in [0.0, 0.1] {
                let Ok(loss) = Loss::new(kind, smoothing, &data) else { continue };
                let of = |z: &[f32]| -> f64 {
                    let images = z.chunks_exact(4).zip(labels);
                    images.map(|(z, label)| loss.of_class(z, label.into())).sum::<f64>() / 3.0
                };
                let (value, gradient) = mean(&loss, &z, &Targets::Classes(labels.to_vec()));
                assert!(
                    (value - of(&z)).abs() < 1e-5 * (1.0 + value),
                    "{kind}: {value} {}",
                    of(&z)
                );
                check_gradient(&z, &gradient, of, kind);
            }
            if let Ok(loss) = Loss::new(kind, 0.0, &table) {
                let (z, wanted) = ([0.3, -1.2, 2.0], [0.5, 1.0, 6.0]);
                let of = |z: &[f32]| -> f64 {
                    z.iter().zip(wanted).map(|(&z, y)| loss.of_number(z, y)).sum::<f64>() / 3.0
                };
                let (value, gradient) = mean(&loss, &z, &Targets::Numbers(wanted.to_vec()));
                assert!(
                    (value - of(&z)).abs() < 1e-5 * (1.0 + value),
                    "{kind}: {value} {}",
                    of(&z)
                );
                check_gradient(&z, &gradient, of, kind);
            }
        }
    }

    fn check_gradient(z: &[f32], gradient: &[f32], of: impl Fn(&[f32]) -> f64, kind: LossKind) {
        const STEP: f32 = 1.0 / 1024.0;
        for place in 0..z.len() {
            let moved = |by: f32| {
                let mut z = z.to_vec();
                z[place] += by;
                of(&z)
            };
            let slope = (moved(STEP) - moved(-STEP)) / f64::from(2.0 * STEP);
            let found = f64::from(gradient[place]);
            assert!((slope - found).abs() < 1e-3 * (1.0 + slope.abs()), "{kind}: {found} {slope}");
        }
    }

    #[test]
    fn losses_that_do_not_go_with_the_targets_are_refused() {
        let (names, table) = (classes(3), numbers(&[1.0, 2.0]));
        let message = |kind, smoothing, data: &Dataset| {
            Loss::new(kind, smoothing, data).unwrap_err().to_string()
        };
        for kind in [
            LossKind::CrossEntropy,
            LossKind::BinaryCrossEntropy,
            LossKind::Hinge,
            LossKind::SquaredHinge,
            LossKind::KlDivergence,
            LossKind::Focal,
        ] {
            let text = message(kind, 0.0, &table);
            assert!(text.contains(kind.name()) && text.contains("choose mean-square"), "{text}");
        }
        let text = message(LossKind::MeanSquareLog, 0.0, &numbers(&[1.0, -2.0]));
        assert!(text.contains("-2"), "{text}");
        assert!(message(LossKind::Hinge, 0.1, &names).contains("not with hinge"));
        assert!(message(LossKind::MeanSquare, 0.1, &table).contains("label smoothing"));
        for wrong in [-0.1, 1.0, f64::NAN] {
            assert!(message(LossKind::Auto, wrong, &names).contains("label smoothing"));
        }
    }

    #[test]
    fn names_lead_back_to_their_losses() {
        for &kind in LossKind::ALL {
            assert_eq!(LossKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(LossKind::from_name("hinged"), None);
    }
}
