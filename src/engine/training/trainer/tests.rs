//! What training promises, with every policy, optimizer and loss.

use super::*;
use crate::engine::{
    data::Images,
    loss::LossKind,
    named::Named,
    ops::{ConvBlock, Op, samples},
    supernet::toy::{bars, graph, noise, small_vgg},
    training::{Augment, OptimizerKind, PathPolicy, Schedule},
};
use burn::tensor::Device;

fn settings() -> TrainSettings {
    TrainSettings {
        epochs: 4,
        batch_size: 8,
        learning_rate: 0.01,
        seed: 1,
        ..TrainSettings::default()
    }
}

fn supernet() -> Supernet {
    Supernet::new(small_vgg(), 1, &Device::flex())
}

fn trainer(supernet: &Supernet, data: &Dataset) -> Trainer {
    trainer_with(supernet, data, settings())
}

fn trainer_with(supernet: &Supernet, data: &Dataset, settings: TrainSettings) -> Trainer {
    Trainer::new(supernet, data, settings).expect("fits")
}

/// Trains until a step says stop; the losses, and the reports of finished epochs.
fn train(
    trainer: &mut Trainer,
    supernet: &mut Supernet,
    data: &Dataset,
    epochs: std::ops::RangeInclusive<usize>,
    stop_after: usize,
) -> (Vec<f64>, Vec<EpochReport>) {
    let (mut losses, mut reports) = (Vec::new(), Vec::new());
    for epoch in epochs {
        let result = trainer.run_epoch(supernet, data, epoch, &mut |step| {
            losses.push(step.loss);
            if losses.len() == stop_after {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        match result {
            Ok(report) => reports.push(report),
            Err(error) => {
                assert!(matches!(error, TrainError::Stopped), "{error}");
                break;
            }
        }
    }
    (losses, reports)
}

fn state(trainer: &Trainer, supernet: &Supernet) -> [Vec<u8>; 2] {
    [
        supernet.to_bytes().expect("the CPU answers"),
        trainer.to_bytes(supernet).expect("the CPU answers"),
    ]
}

#[test]
fn training_learns_to_tell_bars_apart() {
    let (data, mut supernet) = (bars(128, 64), supernet());
    let mut trainer = trainer(&supernet, &data);
    let (losses, reports) = train(&mut trainer, &mut supernet, &data, 1..=4, usize::MAX);
    assert_eq!(losses.len(), 4 * 16);
    let (first, last) = (reports[0], reports[3]);
    assert!(last.train_loss < first.train_loss && last.val_loss < first.val_loss, "{reports:?}");
    assert!(last.val_accuracy > 0.9, "{reports:?}");
    assert_eq!((last.epoch, trainer.position()), (4, (4, 16)));
}

#[test]
fn equal_seeds_give_equal_bits() {
    let data = bars(64, 16);
    let run = || {
        let mut supernet = supernet();
        let mut trainer = trainer(&supernet, &data);
        let (losses, reports) = train(&mut trainer, &mut supernet, &data, 1..=2, usize::MAX);
        (
            losses,
            reports.iter().map(|r| (r.val_loss, r.val_accuracy)).collect::<Vec<_>>(),
            state(&trainer, &supernet),
        )
    };
    assert!(run() == run());
}

#[test]
fn a_step_changes_the_nodes_of_its_path_only() {
    let (data, mut supernet) = (bars(16, 8), supernet());
    let mut trainer = trainer(&supernet, &data);
    let snapshot = |supernet: &Supernet| -> Vec<Vec<f32>> {
        supernet.values().iter().map(|value| value.try_to_vec_as().expect("floats")).collect()
    };
    let before = snapshot(&supernet);
    let mut path = None;
    let result = trainer.run_epoch(&mut supernet, &data, 1, &mut |step| {
        path = Some(step.kept);
        ControlFlow::Break(())
    });
    assert!(matches!(result, Err(TrainError::Stopped)));
    let path = path.expect("a step");
    let names: Vec<_> = supernet.parameter_names().map(str::to_owned).collect();
    for ((name, before), after) in names.iter().zip(before).zip(snapshot(&supernet)) {
        let id = name.split('.').next().expect("an id");
        let node = supernet.graph().index_of(&id.into()).expect("a node");
        assert_eq!(before != after, path.contains(node), "{name} with {path:?}");
    }
}

/// Settings that differ from the defaults in every respect once, and every optimizer, policy and schedule.
fn variety() -> Vec<TrainSettings> {
    let base = settings();
    let mut all = vec![
        TrainSettings { clip: Some(0.1), weight_decay: Some(0.1), ..base },
        TrainSettings { augment: Augment { crop: true, flip: true }, label_smoothing: 0.1, ..base },
        TrainSettings { loss: LossKind::Focal, policy: PathPolicy::Fair, clip: Some(0.1), ..base },
    ];
    all.extend(OptimizerKind::ALL.iter().map(|&optimizer| TrainSettings {
        optimizer,
        learning_rate: optimizer.usual_rate(),
        ..base
    }));
    all.extend(PathPolicy::ALL.iter().map(|&policy| TrainSettings { policy, ..base }));
    all.extend(Schedule::ALL.iter().map(|&schedule| TrainSettings { schedule, epochs: 2, ..base }));
    all
}

#[test]
fn a_resumed_training_equals_an_uninterrupted_one_whatever_the_settings() {
    let data = bars(64, 16);
    let mut ends = Vec::new();
    for settings in variety() {
        let trainer = |supernet: &Supernet| trainer_with(supernet, &data, settings);
        let mut whole = supernet();
        let mut whole_trainer = trainer(&whole);
        let (_, whole_reports) = train(&mut whole_trainer, &mut whole, &data, 1..=2, usize::MAX);

        let mut stopped = supernet();
        let mut stopped_trainer = trainer(&stopped);
        train(&mut stopped_trainer, &mut stopped, &data, 1..=2, 11);
        assert_eq!(stopped_trainer.position(), (2, 3));
        let [weights, optimizer] = state(&stopped_trainer, &stopped);

        let mut resumed = Supernet::new(small_vgg(), 77, &Device::flex());
        resumed.load_bytes(&weights).expect("the same template");
        let mut resumed_trainer = trainer(&resumed);
        resumed_trainer.load_bytes(&resumed, &optimizer).expect("the same template");
        let (losses, reports) = train(&mut resumed_trainer, &mut resumed, &data, 2..=2, usize::MAX);
        assert_eq!(losses.len(), 5);
        let end = state(&whole_trainer, &whole);
        assert!(end == state(&resumed_trainer, &resumed), "{settings:?}");
        assert_eq!(reports[0].train_loss, whole_reports[1].train_loss);
        assert_eq!(reports[0].val_loss, whole_reports[1].val_loss);
        // Auto trains as what it comes to.
        let policy = settings.policy.of(&small_vgg());
        ends.push((TrainSettings { policy, ..settings }, end));
    }
    for (i, (settings, end)) in ends.iter().enumerate() {
        for (other, end_of_other) in &ends[..i] {
            // Before a search, fitness draws like any-subset, but with other numbers.
            assert_eq!(settings == other, end == end_of_other, "{settings:?} and {other:?}");
        }
    }
}

#[test]
fn every_optimizer_learns_to_tell_bars_apart() {
    let data = bars(128, 64);
    for &optimizer in OptimizerKind::ALL {
        let learning_rate = optimizer.usual_rate();
        let settings = TrainSettings { optimizer, learning_rate, epochs: 6, ..settings() };
        let mut supernet = supernet();
        let mut trainer = trainer_with(&supernet, &data, settings);
        let (_, reports) = train(&mut trainer, &mut supernet, &data, 1..=6, usize::MAX);
        assert!(reports[5].val_accuracy > 0.9, "{optimizer}: {reports:?}");
        assert_eq!(
            reports[5].val_balanced_accuracy,
            Some(reports[5].val_accuracy),
            "equal classes"
        );
    }
}

#[test]
fn every_loss_for_classes_learns_to_tell_bars_apart() {
    let data = bars(128, 64);
    for &loss in LossKind::ALL {
        let mut supernet = supernet();
        let mut trainer = trainer_with(&supernet, &data, TrainSettings { loss, ..settings() });
        let (_, reports) = train(&mut trainer, &mut supernet, &data, 1..=4, usize::MAX);
        assert!(reports[3].val_accuracy > 0.9, "{loss}: {reports:?}");
        assert!(reports[3].val_loss < reports[0].val_loss, "{loss}: {reports:?}");
    }
}

/// Rows of two columns with `100 + 30 a - 10 b + 5 |a|`, in which `a` and `b` go from -1 to 1.
fn table(rows: usize) -> Dataset {
    let part = |index: u64| {
        let values = noise(2 * rows, index);
        let number = |row: &[f32]| 100.0 + 30.0 * row[0] - 10.0 * row[1] + 5.0 * row[0].abs();
        let numbers: Vec<f32> = values.chunks_exact(2).map(number).collect();
        Images::new([2, 1, 1], values, numbers).expect("sizes match")
    };
    Dataset::new("table", Vec::new(), part(0), part(1), part(2)).expect("is right")
}

fn two_heads() -> Supernet {
    let graph = graph(
        &[
            ("in", 0, &[samples::input([2, 1, 1]), Op::Flatten]),
            ("wide", 1, &[samples::dense_relu(16)]),
            ("deep", 1, &[samples::dense_relu(8), samples::dense_relu(16)]),
            ("out", 2, &[samples::dense(1), Op::Output]),
        ],
        &[("in", "wide"), ("in", "deep"), ("wide", "out"), ("deep", "out")],
    );
    Supernet::new(graph, 1, &Device::flex())
}

#[test]
fn numbers_are_learned_with_every_loss_for_numbers() {
    let data = table(256);
    for loss in
        [LossKind::Auto, LossKind::MeanSquare, LossKind::MeanAbsolute, LossKind::MeanSquareLog]
    {
        let mut supernet = two_heads();
        let settings = TrainSettings { loss, epochs: 10, ..settings() };
        let mut trainer = trainer_with(&supernet, &data, settings);
        let (_, reports) = train(&mut trainer, &mut supernet, &data, 1..=10, usize::MAX);
        let last = reports[9];
        assert!(last.val_accuracy > 0.9 && last.val_accuracy <= 1.0, "{loss}: {reports:?}");
        assert!(last.val_balanced_accuracy.is_none());
        if matches!(loss, LossKind::Auto | LossKind::MeanSquare) {
            // Training and validation rows are spread alike, so that their variances are about equal.
            assert!((1.0 - last.val_accuracy - last.val_loss).abs() < 0.02, "{last:?}");
        }
    }
    let supernet = two_heads();
    let settings = TrainSettings { loss: LossKind::Hinge, ..settings() };
    let refused = Trainer::new(&supernet, &data, settings);
    assert!(refused.is_err_and(|error| error.to_string().contains("hinge is for classes")));
    let flip = TrainSettings { augment: Augment { flip: true, crop: false }, ..self::settings() };
    let refused = Trainer::new(&supernet, &data, flip);
    assert!(refused.is_err_and(|error| error.to_string().contains("no images")));
}

#[test]
fn several_paths_a_step_train_with_the_mean_of_their_gradients() {
    let data = bars(8, 8);
    let settings = TrainSettings {
        policy: PathPolicy::Fair,
        optimizer: OptimizerKind::Sgd,
        schedule: Schedule::Constant,
        learning_rate: 1.0,
        ..settings()
    };
    // Without batch normalisation and dropout, paths do not depend on each other.
    let conv =
        |kernel| Op::from(ConvBlock { bias: true, batch_norm: false, ..ConvBlock::new(3, kernel) });
    let graph = graph(
        &[
            ("in", 0, &[samples::input([1, 8, 8])]),
            ("a", 1, &[conv(1)]),
            ("b", 1, &[conv(3)]),
            ("out", 2, &[Op::GlobalAveragePool, samples::dense(2), Op::Output]),
        ],
        &[("in", "a"), ("in", "b"), ("a", "out"), ("b", "out")],
    );
    let mut supernet = Supernet::new(graph.clone(), 1, &Device::flex());
    let before: Vec<_> = supernet.values().to_vec();
    let mut order: Vec<_> = (0..8).collect();
    order.shuffle(&mut seed::rng(1, "train/order", 1));
    let Batch { shape, pixels, targets } = data.batch(Split::Train, &order);
    let images = Tensor::from_data(TensorData::new(pixels, shape), supernet.device());
    let loss = Loss::usual(&data);
    let of = |nodes: [usize; 3]| {
        let mask = Mask::from_nodes(graph.len(), nodes);
        let rng = &mut seed::rng(0, "test", 0);
        supernet.gradients(&mask, images.clone(), &targets, &loss, rng)
    };
    let paths = [of([0, 1, 3]), of([0, 2, 3])];
    let expected: Vec<Tensor<1>> = before
        .iter()
        .enumerate()
        .map(|(i, value)| {
            let gradients: Vec<_> = paths
                .iter()
                .flat_map(|path| &path.of_parameters)
                .filter(|(parameter, _)| *parameter == i)
                .map(|(_, gradient)| gradient.clone())
                .collect();
            let count = gradients.len() as f64;
            let sum = gradients.into_iter().reduce(|a, b| a + b).expect("every node is trained");
            value.clone() - sum.mul_scalar(1.0 / count)
        })
        .collect();
    let mut trainer = trainer_with(&supernet, &data, settings);
    let mut trained = 0;
    let losses = paths.each_ref().map(|path| path.loss.clone().try_into_scalar::<f32>());
    let mean =
        losses.map(|loss| f64::from(loss.expect("the CPU answers"))).iter().sum::<f64>() / 2.0;
    trainer
        .run_epoch(&mut supernet, &data, 1, &mut |step| {
            trained = step.kept.len();
            assert!((step.loss - mean).abs() < 1e-9);
            ControlFlow::Continue(())
        })
        .expect("one step");
    assert_eq!(trained, 4, "all nodes");
    for (found, wanted) in supernet.values().iter().zip(expected) {
        let numbers = |tensor: &Tensor<1>| tensor.try_to_vec_as::<f32>().expect("floats");
        for (found, wanted) in numbers(found).iter().zip(numbers(&wanted)) {
            assert!((found - wanted).abs() < 1e-6, "{found} instead of {wanted}");
        }
    }
}

#[test]
fn long_gradients_are_shortened_together() {
    let device = Device::flex();
    let gradients = || {
        [[3.0, 0.0], [0.0, 4.0]]
            .map(|values| (0, Tensor::<1>::from_floats(values, &device)))
            .to_vec()
    };
    let numbers = |gradients: Vec<(usize, Tensor<1>)>| -> Vec<f32> {
        gradients
            .into_iter()
            .flat_map(|(_, g)| g.try_into_vec_as::<f32>().expect("floats"))
            .collect()
    };
    let mut short = gradients();
    assert!(clip(&mut short, 1.0).expect("the CPU answers"));
    for (found, wanted) in numbers(short).iter().zip([0.6, 0.0, 0.0, 0.8]) {
        assert!((found - wanted).abs() < 1e-6, "{found} instead of {wanted}");
    }
    let mut same = gradients();
    assert!(clip(&mut same, 5.0).expect("the CPU answers"));
    assert_eq!(numbers(same), [3.0, 0.0, 0.0, 4.0]);
    let mut endless = vec![(0, Tensor::<1>::from_floats([f32::INFINITY, 1.0], &device))];
    assert!(!clip(&mut endless, 5.0).expect("the CPU answers"));
}

#[test]
fn an_optimizer_state_of_another_template_is_refused() {
    let (data, mut supernet) = (bars(16, 8), supernet());
    let mut trainer = trainer(&supernet, &data);
    train(&mut trainer, &mut supernet, &data, 1..=1, usize::MAX);
    let [weights, optimizer] = state(&trainer, &supernet);
    trainer.load_bytes(&supernet, &weights).expect_err("weights are no optimizer state");
    trainer.load_bytes(&supernet, &optimizer[..20]).expect_err("a damaged file");
    for optimizer_kind in [OptimizerKind::Sgd, OptimizerKind::RmsProp, OptimizerKind::Momentum] {
        let settings = TrainSettings { optimizer: optimizer_kind, ..settings() };
        let mut other = trainer_with(&supernet, &data, settings);
        let refused = other.load_bytes(&supernet, &optimizer);
        assert!(matches!(refused, Err(WeightsError::Optimizer)), "{refused:?}");
    }
    let sgd = TrainSettings { optimizer: OptimizerKind::Sgd, ..settings() };
    let mut other = trainer_with(&supernet, &data, sgd);
    train(&mut other, &mut supernet, &data, 1..=1, usize::MAX);
    let refused = trainer.load_bytes(&supernet, &state(&other, &supernet)[1]);
    assert!(matches!(refused, Err(WeightsError::Optimizer)), "{refused:?}");
    assert_eq!(trainer.to_bytes(&supernet).expect("the CPU answers"), optimizer);
}

#[test]
fn an_epoch_that_was_stopped_with_smaller_batches_begins_again() {
    let (data, mut supernet) = (bars(64, 8), supernet());
    let mut small = trainer(&supernet, &data);
    train(&mut small, &mut supernet, &data, 1..=1, 6);
    let [_, optimizer] = state(&small, &supernet);
    let settings = TrainSettings { batch_size: 16, ..settings() };
    let mut large = trainer_with(&supernet, &data, settings);
    large.load_bytes(&supernet, &optimizer).expect("is its own");
    let (losses, reports) = train(&mut large, &mut supernet, &data, 1..=1, usize::MAX);
    assert_eq!(losses.len(), 4);
    assert!((reports[0].train_loss - losses.iter().sum::<f64>() / 4.0).abs() < 1e-9);
}

#[test]
fn a_loss_that_is_no_number_stops_every_optimizer_with_the_weights_as_they_were() {
    let data = bars(16, 8);
    for settings in variety() {
        let mut supernet = supernet();
        let mut trainer = trainer_with(&supernet, &data, settings);
        for value in supernet.values_mut() {
            *value = value.clone().mul_scalar(f32::NAN);
        }
        let [before, _] = state(&trainer, &supernet);
        let result = trainer.run_epoch(&mut supernet, &data, 1, &mut |_| ControlFlow::Continue(()));
        assert!(matches!(result, Err(TrainError::Diverged { epoch: 1, step: 1 })), "{result:?}");
        assert_eq!(trainer.position(), (1, 0));
        assert!(state(&trainer, &supernet)[0] == before);
    }
}

#[test]
fn weights_too_large_to_compute_with_are_never_handed_on() {
    // One step per epoch, which leaves weights around 10^30: numbers, but their products are none.
    let data = bars(8, 8);
    let settings = TrainSettings {
        optimizer: OptimizerKind::Sgd,
        learning_rate: 1e30,
        schedule: Schedule::Constant,
        ..settings()
    };
    for go_on in [ControlFlow::Continue(()), ControlFlow::Break(())] {
        let mut supernet = supernet();
        let mut trainer = trainer_with(&supernet, &data, settings);
        let result = trainer.run_epoch(&mut supernet, &data, 1, &mut |_| go_on);
        assert!(matches!(result, Err(TrainError::Diverged { epoch: 1, step: 1 })), "{result:?}");
        trainer.check_weights(&supernet).expect("they are numbers");
    }
}

#[test]
fn the_learning_rate_takes_its_course_over_the_steps_that_are_set() {
    let supernet = supernet();
    let mut trainer = trainer(&supernet, &bars(16, 8));
    let factor = |number, total| 0.01 * Schedule::Cosine.factor(number, total);
    assert_eq!(trainer.rate(25, 10), factor(25, 40));
    trainer.set_course(20, 6);
    assert_eq!(
        [20, 25, 59].map(|number| trainer.rate(number, 10)),
        [0, 5, 39].map(|it| factor(it, 40))
    );
    // With other batches than then, it is not past its end.
    trainer.set_course(70, 6);
    assert!(trainer.rate(59, 10).is_finite());
}

#[test]
fn a_network_that_is_no_supernet_is_trained_as_a_whole() {
    let data = bars(16, 8);
    for &policy in PathPolicy::ALL {
        let mut network = supernet();
        let settings = TrainSettings { policy, ..settings() };
        let mut trainer = Trainer::of_whole(&network, &data, settings, 128).expect("fits");
        let whole = Mask::full(network.graph().len());
        let result = trainer.run_epoch(&mut network, &data, 1, &mut |step| {
            assert_eq!(step.kept, whole);
            ControlFlow::Continue(())
        });
        assert!(result.is_ok(), "{result:?}");
    }
}

#[test]
fn a_batch_of_one_is_refused_where_a_batch_norm_gets_one_pixel() {
    let net = |ops: &[Op]| {
        let flat = [Op::Flatten, samples::dense(2), Op::Output];
        let nodes: [(&str, u32, &[Op]); 3] =
            [("in", 0, &[samples::input([1, 8, 8])]), ("block", 1, ops), ("out", 2, &flat)];
        Supernet::new(graph(&nodes, &[("in", "block"), ("block", "out")]), 1, &Device::flex())
    };
    let block = |kernel: usize, stride: usize| {
        Op::from(ConvBlock { stride: stride.into(), ..ConvBlock::new(4, kernel) })
    };
    let one = TrainSettings { batch_size: 1, ..settings() };
    let refused = net(&[block(3, 2), samples::max_pool(4, 4, 0), block(1, 1)]);
    let check = |network: &Supernet, settings, data: &Dataset| {
        trainer_with(network, data, settings).check_batches(network, data)
    };
    let error = check(&refused, one, &bars(8, 8)).expect_err("is refused").to_string();
    assert!(error.contains("`block`"), "{error}");
    check(&refused, TrainSettings { batch_size: 2, ..one }, &bars(8, 8)).expect("two differ");
    check(&net(&[block(3, 2)]), one, &bars(8, 8)).expect("has more pixels");
}

#[test]
fn weights_that_are_no_numbers_are_never_handed_on() {
    // One step per epoch, so that no later loss could tell.
    let data = bars(8, 8);
    for go_on in [ControlFlow::Continue(()), ControlFlow::Break(())] {
        for &optimizer in OptimizerKind::ALL {
            let settings = TrainSettings {
                optimizer,
                learning_rate: 1e300,
                schedule: Schedule::Constant,
                ..settings()
            };
            let mut supernet = supernet();
            let mut trainer = trainer_with(&supernet, &data, settings);
            let result = trainer.run_epoch(&mut supernet, &data, 1, &mut |_| go_on);
            assert!(
                matches!(result, Err(TrainError::Diverged { epoch: 1, step: 1 })),
                "{result:?}"
            );
        }
    }
}

/// Losses are those of the processor up to rounding, which grows from step to step. The trained weights can be moved
/// to the processor, and candidates have the same results there.
#[cfg(feature = "wgpu")]
#[test]
fn a_gpu_trains_and_evaluates_as_the_processor() {
    let data = bars(64, 32);
    for policy in [PathPolicy::Single, PathPolicy::Fair] {
        let settings = TrainSettings { policy, clip: Some(1.0), ..settings() };
        let on = |device: &Device| {
            let mut supernet = Supernet::new(small_vgg(), 1, device);
            let mut trainer = trainer_with(&supernet, &data, settings);
            let (losses, reports) = train(&mut trainer, &mut supernet, &data, 1..=2, usize::MAX);
            (supernet, losses, reports)
        };
        let gpu = crate::engine::device::gpu();
        let (_, losses, reports) = on(&Device::flex());
        let (trained, gpu_losses, gpu_reports) = on(&gpu);
        assert_eq!(losses.len(), gpu_losses.len());
        for (step, (loss, gpu)) in losses.iter().zip(&gpu_losses).enumerate() {
            assert!((loss - gpu).abs() < 1e-2, "step {step}: {gpu} instead of {loss}");
        }
        for (report, gpu) in reports.iter().zip(&gpu_reports) {
            assert!((report.val_loss - gpu.val_loss).abs() < 5e-2, "{gpu:?}, {report:?}");
        }
        let mut moved = supernet();
        moved
            .load_bytes(&trained.to_bytes().expect("the GPU answers"))
            .expect("is the same network");
        let settings = EvaluationSettings { images: 32, recalibration_batches: 1, batch_size: 16 };
        let go_on = AtomicBool::new(false);
        let evaluators = [&trained, &moved]
            .map(|supernet| Evaluator::new(supernet, &data, settings, 1).expect("fits"));
        let masks = crate::engine::candidate::list_all(trained.graph(), 20).expect("are few");
        let mut sharing = evaluators[0].share(&trained, &masks);
        for candidate in sharing.order() {
            let together = sharing
                .evaluate(evaluators[0].on(&trained), candidate, &go_on)
                .expect("the GPU answers");
            let mask = &masks[candidate];
            let alone = evaluators[0].evaluate(&trained, mask, &go_on).expect("the GPU answers");
            let there = evaluators[1].evaluate(&moved, mask, &go_on).expect("the CPU answers");
            assert!((together.loss - alone.loss).abs() < 1e-5, "{together:?} instead of {alone:?}");
            assert!((alone.loss - there.loss).abs() < 1e-3, "{alone:?} instead of {there:?}");
        }
    }
}
