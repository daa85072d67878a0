//! What evaluation counts and sums up over validation images.

use super::EvaluationError;
use crate::engine::{
    data::{Scale, Targets},
    loss::Loss,
    search::Evaluation,
};
use burn::tensor::Tensor;

/// Sums over validation images, in double precision on the host, whatever the device.
pub(super) struct Tally {
    loss: Loss,
    images: usize,
    loss_sum: f64,
    /// For each class: images that show it, and how many of them were classified correctly.
    classes: Vec<(usize, usize)>,
    errors: Errors,
}

/// Sums over targets that are numbers, in units of their standard deviation.
#[derive(Default)]
struct Errors {
    sum: f64,
    squares: f64,
    squared_errors: f64,
}

impl Tally {
    pub(super) fn new(loss: Loss) -> Self {
        Self { loss, images: 0, loss_sum: 0.0, classes: Vec::new(), errors: Errors::default() }
    }

    /// Adds a batch; `outputs` is `[batch, classes]`, or `[batch, 1]` for numbers.
    pub(super) fn add(
        &mut self,
        outputs: Tensor<2>,
        targets: &Targets,
    ) -> Result<(), EvaluationError> {
        let [_, width] = outputs.dims();
        let outputs = outputs
            .try_into_vec_as::<f32>()
            .map_err(|error| EvaluationError::Device(error.to_string()))?;
        match targets {
            Targets::Classes(labels) => {
                for (scores, &label) in outputs.chunks_exact(width).zip(labels) {
                    self.add_class(scores, label.into());
                }
            }
            Targets::Numbers(numbers) => {
                for (&output, &number) in outputs.iter().zip(numbers) {
                    self.add_number(output, number);
                }
            }
        }
        Ok(())
    }

    fn add_class(&mut self, scores: &[f32], label: usize) {
        if self.classes.len() <= label {
            self.classes.resize(label + 1, (0, 0));
        }
        let (shown, right) = &mut self.classes[label];
        *shown += 1;
        *right += usize::from(decided(scores) == label);
        self.images += 1;
        self.loss_sum += self.loss.of_class(scores, label);
    }

    fn add_number(&mut self, output: f32, number: f32) {
        let Scale { mean, std } = self.loss.scale().unwrap_or(Scale { mean: 0.0, std: 1.0 });
        let wanted = (f64::from(number) - f64::from(mean)) / f64::from(std);
        self.images += 1;
        self.loss_sum += self.loss.of_number(output, number);
        self.errors.sum += wanted;
        self.errors.squares += wanted.powi(2);
        self.errors.squared_errors += (f64::from(output) - wanted).powi(2);
    }

    pub(super) fn finish(&self) -> Evaluation {
        let images = self.images.max(1) as f64;
        let loss = self.loss_sum / images;
        if self.loss.scale().is_some() {
            let accuracy = self.errors.r2(images);
            return Evaluation { accuracy, loss, ..Evaluation::default() };
        }
        let right: usize = self.classes.iter().map(|(_, right)| right).sum();
        let shown = self.classes.iter().filter(|(shown, _)| *shown > 0);
        let recalls: Vec<_> = shown.map(|&(shown, right)| right as f64 / shown as f64).collect();
        let balanced = recalls.iter().sum::<f64>() / recalls.len().max(1) as f64;
        Evaluation { accuracy: right as f64 / images, balanced_accuracy: Some(balanced), loss }
    }
}

impl Errors {
    /// The coefficient of determination; where all numbers are equal, 1 if all are met and else 0.
    fn r2(&self, count: f64) -> f64 {
        let total = self.squares - self.sum.powi(2) / count;
        if total > 1e-12 * self.squares {
            1.0 - self.squared_errors / total
        } else if self.squared_errors == 0.0 {
            1.0
        } else {
            0.0
        }
    }
}

/// The class that the scores decide for; the only one of two classes is that of the second.
fn decided(scores: &[f32]) -> usize {
    match scores {
        &[second] => usize::from(second > 0.0),
        scores => best(scores),
    }
}

/// The class with the highest score (the first of equals).
fn best(scores: &[f32]) -> usize {
    let mut best = 0;
    for (class, &score) in scores.iter().enumerate() {
        if score > scores[best] {
            best = class;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::{
        super::toy::{bars, tensor},
        *,
    };
    use crate::engine::{
        data::{Dataset, Images},
        loss::LossKind,
    };

    #[test]
    fn the_first_of_the_highest_scores_wins() {
        assert_eq!(best(&[0.0, 3.0, 3.0, 1.0]), 1);
        assert_eq!(best(&[1.0, 1.0]), 0);
        assert_eq!([-0.5, 0.0, 0.5].map(|score| decided(&[score])), [0, 0, 1]);
    }

    #[test]
    fn accuracy_counts_images_and_balanced_accuracy_counts_classes_alike() {
        let loss = Loss::new(LossKind::Auto, 0.0, &bars(4, 2)).expect("classes");
        let mut tally = Tally::new(loss);
        // Three of the first class, all right; two of the third, one right; none of the second.
        let scores = [[1.0, 0.0, 0.0], [2.0, 0.0, 1.0], [9.0, 1.0, 0.0]].concat();
        tally.add(tensor(scores, [3, 3]), &Targets::Classes(vec![0, 0, 0])).expect("adds up");
        let scores = [[0.0, 0.0, 1.0], [1000.0, 0.0, 0.0]].concat();
        tally.add(tensor(scores, [2, 3]), &Targets::Classes(vec![2, 2])).expect("adds up");
        let Evaluation { accuracy, balanced_accuracy, loss } = tally.finish();
        assert_eq!((accuracy, balanced_accuracy), (0.8, Some(0.75)));
        let exp = |x: f64| x.exp();
        let wanted = (exp(1.0) + 2.0).ln() - 1.0 + (exp(2.0) + 1.0 + exp(1.0)).ln() - 2.0
            + (exp(9.0) + exp(1.0) + 1.0).ln()
            - 9.0
            + (exp(1.0) + 2.0).ln()
            - 1.0
            + 1000.0;
        assert!((loss - wanted / 5.0).abs() < 1e-9, "{loss}");
    }

    #[test]
    fn numbers_are_judged_by_the_share_of_variance_explained() {
        let data = |numbers: &[f32]| {
            let images = Images::new([1, 1, 1], vec![0_u8; numbers.len()], numbers.to_vec());
            let images = images.expect("sizes match");
            Dataset::new("toy", Vec::new(), images.clone(), images.clone(), images)
        };
        // Mean 30, standard deviation 10.
        let data = data(&[20.0, 40.0]).expect("is right");
        let loss = Loss::new(LossKind::MeanAbsolute, 0.0, &data).expect("numbers");
        let evaluate = |outputs: Vec<f32>, numbers: Vec<f32>| {
            let mut tally = Tally::new(loss);
            let count = outputs.len();
            tally.add(tensor(outputs, [count, 1]), &Targets::Numbers(numbers)).expect("adds up");
            tally.finish()
        };
        // Predictions 25, 30, 35 of 20, 30, 40: squared errors 50 of a variance of 200.
        let found = evaluate(vec![-0.5, 0.0, 0.5], vec![20.0, 30.0, 40.0]);
        assert!((found.accuracy - 0.75).abs() < 1e-9, "{found:?}");
        assert!((found.loss - 1.0 / 3.0).abs() < 1e-9, "{found:?}");
        assert_eq!(found.balanced_accuracy, None);
        let mean = evaluate(vec![0.0; 2], vec![20.0, 40.0]);
        assert!(mean.accuracy.abs() < 1e-9, "the mean explains nothing: {mean:?}");
        assert!(evaluate(vec![5.0, -5.0], vec![20.0, 40.0]).accuracy < -1.0, "worse than the mean");
        assert_eq!(evaluate(vec![1.0, 1.0], vec![40.0, 40.0]).accuracy, 1.0);
        assert_eq!(evaluate(vec![1.0, 0.0], vec![40.0, 40.0]).accuracy, 0.0);
    }
}
