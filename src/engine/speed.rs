//! How fast this machine trains a supernet and evaluates candidates: the measurement of `bench engine`.

use super::{
    candidate,
    data::{DataError, Dataset, Images},
    device::{self, DeviceChoice, DeviceError},
    median::median,
    seed,
    supernet::{EvaluationError, EvaluationSettings, Evaluator, Supernet},
    template::{Checked, Graph},
    training::{PathPolicy, TrainError, TrainSettings, Trainer},
};
use rand::RngExt;
use serde::Serialize;
use std::{ops::ControlFlow, sync::Arc, sync::atomic::AtomicBool, time::Instant};
use thiserror::Error;

/// The preset that is measured unless another template is asked for: five layers of three convolutions on images of
/// 28×28 pixels.
pub const TEMPLATE: &str = "bench5x3";

/// Images per training step.
const BATCH: usize = 64;
/// Steps before the clock starts, and steps per measurement.
const WARM_UP: usize = 5;
const STEPS: usize = 30;
/// Candidates per measurement, and images that each of them classifies, so many at a time.
const CANDIDATES: usize = 10;
const IMAGES: usize = 1_024;
const EVALUATION_BATCH: usize = 256;
/// Measurements, of which the median counts.
const REPEATS: usize = 5;

/// The results, each the median of five.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Speed {
    /// This program and its version.
    pub engine: String,
    /// The name of the template.
    pub template: String,
    /// The device that computed.
    pub device: String,
    /// Threads that share the work on the processor.
    pub threads: usize,
    /// Images per second in training, 64 per step.
    pub train_samples_per_s: f64,
    /// Candidates per second that classify 1,024 images each with the statistics of training; ten are evaluated
    /// together, so that what they share is computed once.
    pub candidates_per_s_at_1024_images: f64,
    /// The same, each candidate on its own.
    pub candidates_per_s_one_by_one: f64,
}

/// The measurement could not be made.
#[derive(Debug, Error)]
pub enum SpeedError {
    /// The device does not answer.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The images could not be made.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Evaluating failed.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
}

/// Measures training and evaluation of a template on noise, with at most one block of each layer per step and candidate, as
/// [`PathPolicy::Single`] draws them; what is computed depends on the template alone.
///
/// # Errors
/// When the device does not answer or fails.
pub fn measure(template: &Checked, choice: &DeviceChoice) -> Result<Speed, SpeedError> {
    let graph = template.graph();
    let (name, device) = device::open_named(choice)?;
    let data = noise(graph)?;
    let mut supernet = Supernet::new(Arc::clone(graph), 1, &device);
    let settings = TrainSettings {
        epochs: 1,
        batch_size: BATCH,
        learning_rate: 1e-3,
        policy: PathPolicy::Single,
        ..TrainSettings::default()
    };
    let mut trainer = Trainer::new(&supernet, &data, settings)?;
    let mut marks = Vec::new();
    let mut steps = 0;
    let trained = trainer.run_epoch(&mut supernet, &data, 1, &mut |_| {
        steps += 1;
        if steps >= WARM_UP && (steps - WARM_UP).is_multiple_of(STEPS) {
            marks.push(Instant::now());
        }
        if marks.len() > REPEATS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match trained {
        Ok(_) | Err(TrainError::Stopped) => {}
        Err(error) => return Err(error.into()),
    }
    let rates =
        marks.windows(2).map(|pair| (STEPS * BATCH) as f64 / (pair[1] - pair[0]).as_secs_f64());
    let train_samples_per_s = median(&mut rates.collect::<Vec<_>>());

    let settings = EvaluationSettings {
        images: IMAGES,
        recalibration_batches: 0,
        batch_size: EVALUATION_BATCH,
    };
    let evaluator = Evaluator::new(&supernet, &data, settings, 1)?;
    let stop = AtomicBool::new(false);
    let (mut together, mut one_by_one) = (Vec::new(), Vec::new());
    for repeat in 0..REPEATS {
        let draw = |i| {
            let number = (repeat * CANDIDATES + i) as u64;
            candidate::sample_single_path(graph, &mut seed::rng(1, "speed", number))
        };
        let masks: Vec<_> = (0..CANDIDATES).map(draw).collect();
        let clock = Instant::now();
        let mut sharing = evaluator.share(&supernet, &masks);
        for candidate in sharing.order() {
            sharing.evaluate(evaluator.on(&supernet), candidate, &stop)?;
        }
        together.push(CANDIDATES as f64 / clock.elapsed().as_secs_f64());
        let clock = Instant::now();
        for mask in &masks {
            evaluator.evaluate(&supernet, mask, &stop)?;
        }
        one_by_one.push(CANDIDATES as f64 / clock.elapsed().as_secs_f64());
    }
    Ok(Speed {
        engine: concat!("nas-navigator ", env!("CARGO_PKG_VERSION")).to_owned(),
        template: template.template().name.clone(),
        device: name.to_string(),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        train_samples_per_s,
        candidates_per_s_at_1024_images: median(&mut together),
        candidates_per_s_one_by_one: median(&mut one_by_one),
    })
}

/// Random images in the template's shape, as many as are needed.
fn noise(graph: &Graph) -> Result<Dataset, DataError> {
    let classes = graph.classes();
    let images = |name: &str, count: usize| {
        let mut rng = seed::rng(1, &format!("speed/{name}"), 0);
        let size: usize = graph.image_shape().iter().product();
        let pixels: Vec<u8> = (0..count * size).map(|_| rng.random()).collect();
        let labels: Vec<u16> = (0..count).map(|i| (i % classes) as u16).collect();
        Images::new(graph.image_shape(), pixels, labels)
    };
    let names = (0..classes).map(|class| class.to_string()).collect();
    let train = (WARM_UP + REPEATS * STEPS) * BATCH;
    Dataset::new(
        "noise",
        names,
        images("train", train)?,
        images("val", IMAGES)?,
        images("test", classes)?,
    )
}
