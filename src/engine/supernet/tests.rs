//! Values of single operations against closed forms, and what a supernet promises as a whole.

use super::{
    toy::{bars, block, chain, graph, noise, small_vgg, tensor},
    *,
};
use crate::engine::{
    candidate,
    compute::EPSILON,
    data::Images,
    ops::{ActivationFunction, ConvBlock, Dense, Merge, Op, Padding, Relu, samples},
    seed,
};
use std::sync::atomic::AtomicBool;

static GO_ON: AtomicBool = AtomicBool::new(false);

fn supernet(graph: &Arc<Graph>) -> Supernet {
    Supernet::new(graph.clone(), 1, &Device::flex())
}

fn full(supernet: &Supernet) -> Mask {
    Mask::full(supernet.graph.len())
}

fn mask(graph: &Graph, ids: &[&str]) -> Mask {
    Mask::from_nodes(graph.len(), ids.iter().map(|&id| graph.index_of(&id.into()).expect("a node")))
}

fn place(supernet: &Supernet, name: &str) -> usize {
    supernet.parameter_names().position(|found| found == name).expect("a parameter")
}

fn set(supernet: &mut Supernet, name: &str, values: Vec<f32>) {
    let place = place(supernet, name);
    supernet.values[place] = vector(values, &Device::flex());
}

fn value(supernet: &Supernet, name: &str) -> Vec<f32> {
    numbers(&supernet.values[place(supernet, name)])
}

/// Class scores with given statistics, or with the batch's own, which are returned.
fn forward(
    supernet: &Supernet,
    mask: &Mask,
    images: Tensor<4>,
    statistics: Option<&[Statistics]>,
) -> (Tensor<2>, Vec<Option<Statistics>>) {
    let mut seen = vec![None; supernet.plan.norms.len()];
    let norms = statistics.map_or_else(|| Norms::Batch(&mut seen), Norms::Fixed);
    let mut pass = Pass { image: supernet.ops, norms, dropout: None };
    let scores = supernet.forward(mask, images, &supernet.values, &mut pass);
    (scores, seen)
}

fn numbers<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.try_to_vec_as().expect("floats")
}

/// Scores of the full template with running statistics.
fn scores(supernet: &Supernet, images: Tensor<4>) -> Vec<f32> {
    numbers(&forward(supernet, &full(supernet), images, Some(&supernet.running)).0)
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance, "at {i}: {a} instead of {b}\n{found:?}\n{expected:?}");
    }
}

/// An input, one operation, a flatten and the output.
fn single(shape: [usize; 3], op: Op) -> Arc<Graph> {
    let flatten = [Op::Flatten, Op::Output];
    chain(&[("in", &[samples::input(shape)]), ("op", &[op]), ("out", &flatten)])
}

#[test]
fn convolutions_follow_the_definition() {
    for (kernel, stride, padding) in [
        (3, 1, Padding::Same),
        (2, 2, Padding::Valid),
        (5, 2, Padding::Pixels(1.into())),
        (1, 1, Padding::Same),
    ] {
        let (batch, channels, side, filters) = (2, 3, 6, 4);
        let op = Op::from(ConvBlock {
            stride: stride.into(),
            padding,
            bias: true,
            batch_norm: false,
            ..ConvBlock::new(filters, kernel)
        });
        let mut supernet = supernet(&single([channels, side, side], op));
        let (weight, bias) = (noise(filters * channels * kernel * kernel, 0), noise(filters, 1));
        set(&mut supernet, "op.0.weight", weight.clone());
        set(&mut supernet, "op.0.bias", bias.clone());
        let x = noise(batch * channels * side * side, 2);
        let [pad, _] = padding.pixels([kernel; 2]);
        let out = (side + 2 * pad - kernel) / stride + 1;
        let mut expected = Vec::new();
        for n in 0..batch {
            for f in 0..filters {
                for (row, column) in
                    (0..out).flat_map(|row| (0..out).map(move |column| (row, column)))
                {
                    let mut sum = bias[f];
                    for c in 0..channels {
                        for (i, j) in (0..kernel).flat_map(|i| (0..kernel).map(move |j| (i, j))) {
                            let (y, x_place) = (row * stride + i, column * stride + j);
                            if (pad..side + pad).contains(&y)
                                && (pad..side + pad).contains(&x_place)
                            {
                                let pixel =
                                    x[((n * channels + c) * side + y - pad) * side + x_place - pad];
                                sum +=
                                    pixel * weight[((f * channels + c) * kernel + i) * kernel + j];
                            }
                        }
                    }
                    expected.push(sum.max(0.0));
                }
            }
        }
        assert_close(&scores(&supernet, tensor(x, [batch, channels, side, side])), &expected, 1e-5);
    }
}

#[test]
fn poolings_leave_their_padding_out() {
    let image = [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0, -8.0, -9.0];
    let run = |op| scores(&supernet(&single([1, 3, 3], op)), tensor(image.to_vec(), [1, 1, 3, 3]));
    assert_close(&run(samples::max_pool(2, 2, 1)), &[-1.0, -2.0, -4.0, -5.0], 0.0);
    assert_close(&run(samples::average_pool(2, 2, 1)), &[-1.0, -2.5, -5.5, -7.0], 1e-6);
    assert_close(&run(samples::max_pool(2, 1, 0)), &[-1.0, -2.0, -4.0, -5.0], 0.0);
    assert_close(&run(Op::GlobalAveragePool), &[-5.0], 1e-6);
}

#[test]
fn a_dense_layer_multiplies_adds_and_cuts_off() {
    let mut supernet = supernet(&chain(&[
        ("in", &[samples::input([1, 1, 2])]),
        ("fc", &[Op::Flatten, samples::dense_relu(3)]),
        ("out", &[Op::Output]),
    ]));
    // Rows are inputs, columns units.
    set(&mut supernet, "fc.1.weight", vec![1.0, 2.0, -3.0, 10.0, 20.0, -30.0]);
    set(&mut supernet, "fc.1.bias", vec![0.5, 0.0, 0.0]);
    assert_close(
        &scores(&supernet, tensor(vec![1.0, 2.0], [1, 1, 1, 2])),
        &[21.5, 42.0, 0.0],
        1e-6,
    );
}

#[test]
fn batch_norm_uses_the_batch_in_training_and_given_statistics_otherwise() {
    for conv in [false, true] {
        let op = Op::from(ConvBlock {
            bias: conv,
            conv,
            activation: ActivationFunction::Linear,
            ..ConvBlock::new(2, 1)
        });
        let mut supernet = supernet(&single([2, 2, 2], op));
        if conv {
            // Channel 0 is passed on as 2 x + 1, channel 1 as -x.
            set(&mut supernet, "op.0.weight", vec![2.0, 0.0, 0.0, -1.0]);
            set(&mut supernet, "op.0.bias", vec![1.0, 0.0]);
        }
        let convolved = |value: f32, channel: usize| match (conv, channel) {
            (false, _) => value,
            (true, 0) => 2.0 * value + 1.0,
            (true, _) => -value,
        };
        let (gamma, beta) = ([1.5, -0.5], [0.25, 4.0]);
        set(&mut supernet, "op.0.gamma", gamma.to_vec());
        set(&mut supernet, "op.0.beta", beta.to_vec());
        let x = noise(3 * 2 * 4, 7);
        let channel = |i: usize| i / 4 % 2;
        let of = |c: usize| {
            x.iter()
                .enumerate()
                .filter(move |&(i, _)| channel(i) == c)
                .map(move |(_, &v)| convolved(v, c))
        };
        let mean = [0, 1].map(|c| of(c).sum::<f32>() / 12.0);
        let variance = [0, 1].map(|c| of(c).map(|v| (v - mean[c]).powi(2)).sum::<f32>() / 12.0);
        let expected = |mean: [f32; 2], variance: [f32; 2]| -> Vec<f32> {
            let value = |(i, &v): (usize, &f32)| {
                let c = channel(i);
                (convolved(v, c) - mean[c]) / (variance[c] + EPSILON as f32).sqrt() * gamma[c]
                    + beta[c]
            };
            x.iter().enumerate().map(value).collect()
        };
        let images = tensor(x.clone(), [3, 2, 2, 2]);
        let (trained, seen) = forward(&supernet, &full(&supernet), images.clone(), None);
        assert_close(&numbers(&trained), &expected(mean, variance), 1e-5);
        let seen = seen[0].clone().expect("was seen");
        assert_close(&numbers(&seen.mean), &mean, 1e-6);
        assert_close(&numbers(&seen.variance), &variance, 1e-6);
        let (given_mean, given_variance) = ([0.5, -2.0], [4.0, 0.25]);
        supernet.running[0] = Statistics {
            mean: vector(given_mean.to_vec(), &Device::flex()),
            variance: vector(given_variance.to_vec(), &Device::flex()),
        };
        assert_close(&scores(&supernet, images), &expected(given_mean, given_variance), 1e-5);
    }
}

#[test]
fn a_relu_computed_along_with_a_batch_norm_gives_what_it_gives_behind_it() {
    for max in [None, Some(0.75)] {
        let (norm, relu) = (Op::BatchNorm, Op::Relu(Relu { max }));
        let (input, flatten) = ([samples::input([2, 2, 2])], [Op::Flatten, Op::Output]);
        // The last changes nothing, and must not take the place of the one before.
        let ops = [norm.clone(), relu.clone(), Op::Relu(Relu { max: Some(1e3) })];
        let along = chain(&[("in", &input), ("one", &ops), ("out", &flatten)]);
        let behind =
            chain(&[("in", &input), ("one", &[norm]), ("two", &[relu]), ("out", &flatten)]);
        let images = tensor(noise(3 * 2 * 4, 7), [3, 2, 2, 2]);
        let [along, behind] = [along, behind].map(|graph| {
            let mut supernet = supernet(&graph);
            set(&mut supernet, "one.0.gamma", vec![1.5, -0.5]);
            set(&mut supernet, "one.0.beta", vec![0.25, 0.5]);
            let trained = numbers(&forward(&supernet, &full(&supernet), images.clone(), None).0);
            let layers = supernet.plan.nodes.iter().map(|node| node.layers.len()).sum::<usize>();
            (layers, [trained, scores(&supernet, images.clone())].concat())
        });
        assert_eq!(along.1, behind.1);
        assert_eq!(along.0, behind.0, "two of three operations are one layer");
        assert!(along.1.contains(&0.0) && along.1.iter().any(|&value| value > 0.0));
        assert_eq!(along.1.iter().any(|&value| value > 0.75), max.is_none());
    }
}

#[test]
fn several_links_are_averaged_and_add_sums_them() {
    let halves = |merge: Merge| {
        let conv = Op::from(ConvBlock {
            batch_norm: false,
            activation: ActivationFunction::Linear,
            ..ConvBlock::new(1, 1)
        });
        let graph = graph(
            &[
                ("in", 0, &[samples::input([1, 1, 2])]),
                ("one", 1, std::slice::from_ref(&conv)),
                ("ten", 1, std::slice::from_ref(&conv)),
                ("join", 2, &[]),
                ("out", 3, &[Op::Flatten, Op::Output]),
            ],
            &[
                ("in", "one"),
                ("in", "ten"),
                ("in", "join"),
                ("one", "join"),
                ("ten", "join"),
                ("join", "out"),
            ],
        );
        let graph = Arc::new(candidate::tests::merging(&graph, 3, merge));
        let mut supernet = supernet(&graph);
        set(&mut supernet, "one.0.weight", vec![1.0]);
        set(&mut supernet, "ten.0.weight", vec![10.0]);
        move |ids: &[&str]| {
            let images = tensor(vec![1.0, -2.0], [1, 1, 1, 2]);
            let mask = mask(&supernet.graph, ids);
            numbers(&forward(&supernet, &mask, images, Some(&supernet.running)).0)
        }
    };
    let (mean, sum) = (halves(Merge::Mean), halves(Merge::Sum));
    let all = ["in", "one", "ten", "join", "out"];
    assert_close(&mean(&all), &[4.0, -8.0], 1e-6);
    assert_close(&sum(&all), &[12.0, -24.0], 1e-6);
    // Only what the candidate keeps counts.
    let without_one = ["in", "ten", "join", "out"];
    assert_close(&mean(&without_one), &[5.5, -11.0], 1e-6);
    assert_close(&sum(&without_one), &[11.0, -22.0], 1e-6);
    assert_close(&mean(&["in", "join", "out"]), &[1.0, -2.0], 0.0);
}

#[test]
fn a_softmax_before_the_output_is_left_to_the_loss() {
    let scores_of = |head: &[Op]| {
        let ops = [&[Op::Flatten], head, &[Op::Output]].concat();
        let supernet = supernet(&chain(&[("in", &[samples::input([1, 2, 2])]), ("out", &ops)]));
        scores(&supernet, tensor(noise(8, 0), [2, 1, 2, 2]))
    };
    let plain = scores_of(&[samples::dense(3)]);
    assert_eq!(scores_of(&[samples::dense(3), Op::Softmax, Op::Identity]), plain);
    let inside = Dense { activation: ActivationFunction::Softmax, ..Dense::new(3) };
    assert_eq!(scores_of(&[inside.into()]), plain);
    // Elsewhere it is computed.
    let before = scores_of(&[Op::Softmax, samples::dense(3)]);
    assert_ne!(before, plain);
}

#[test]
fn dropout_keeps_the_mean_in_training_and_does_nothing_otherwise() {
    let supernet = supernet(&single([1, 100, 100], samples::dropout(0.25)));
    let images = || Tensor::<4>::ones([1, 1, 100, 100], &Device::flex());
    assert!(scores(&supernet, images()).iter().all(|&value| value == 1.0));
    let mut rng = seed::rng(1, "test", 0);
    let norms = Norms::Fixed(&[]);
    let mut pass = Pass { image: supernet.ops, norms, dropout: Some(&mut rng) };
    let scores = supernet.forward(&full(&supernet), images(), &supernet.values, &mut pass);
    let values = numbers(&scores);
    assert!(values.iter().all(|&value| value == 0.0 || (value - 4.0 / 3.0).abs() < 1e-6));
    let dropped = values.iter().filter(|&&value| value == 0.0).count();
    // Four standard deviations around 2500.
    assert!((2327..=2673).contains(&dropped), "{dropped}");
}

#[test]
fn gradients_agree_with_finite_differences_and_reach_kept_nodes_only() {
    // Of `skip`, one output is read twice; `b` gets a mean of three.
    let smooth = |filters| {
        Op::from(ConvBlock {
            bias: true,
            activation: ActivationFunction::Linear,
            ..ConvBlock::new(filters, 3)
        })
    };
    let graph = graph(
        &[
            ("in", 0, &[samples::input([2, 4, 4])]),
            ("skip", 1, &[smooth(2)]),
            ("a", 2, &[smooth(2), samples::average_pool(3, 1, 1)]),
            ("left out", 2, &[smooth(2)]),
            ("b", 3, &[smooth(3), Op::GlobalAveragePool, samples::dense(3)]),
            ("out", 4, &[Op::Output]),
        ],
        &[
            ("in", "skip"),
            ("in", "b"),
            ("skip", "a"),
            ("skip", "left out"),
            ("skip", "b"),
            ("a", "b"),
            ("left out", "b"),
            ("b", "out"),
        ],
    );
    let mut supernet = supernet(&graph);
    let kept = mask(&graph, &["in", "skip", "a", "b", "out"]);
    let (images, labels) = (tensor(noise(3 * 2 * 16, 0), [3, 2, 4, 4]), vec![0_u16, 2, 1].into());
    let loss = Loss::usual(&bars(4, 2));
    let gradients = |supernet: &Supernet| {
        let mut rng = seed::rng(1, "test", 0);
        supernet.gradients(&kept, images.clone(), &labels, &loss, &mut rng)
    };
    let found = gradients(&supernet);
    let expected: Vec<_> = (0..supernet.values.len())
        .filter(|&i| kept.contains(supernet.plan.parameters[i].owner.node))
        .collect();
    assert_eq!(found.of_parameters.iter().map(|&(i, _)| i).collect::<Vec<_>>(), expected);
    for (i, gradient) in &found.of_parameters {
        let gradient = numbers(gradient);
        let original = numbers(&supernet.values[*i]);
        for entry in [0, original.len() / 2, original.len() - 1] {
            let mut loss_at = |change: f32| {
                let mut values = original.clone();
                values[entry] += change;
                supernet.values[*i] = vector(values, &Device::flex());
                f64::from(numbers(&gradients(&supernet).loss)[0])
            };
            let slope = (loss_at(0.01) - loss_at(-0.01)) / 0.02;
            let difference = (slope - f64::from(gradient[entry])).abs();
            let name = &supernet.plan.parameters[*i].name;
            assert!(difference < 1e-3, "{name}[{entry}]: {} instead of {slope}", gradient[entry]);
        }
        supernet.values[*i] = vector(original, &Device::flex());
    }
}

#[test]
fn recalibration_takes_the_statistics_of_the_data_and_disturbs_nothing() {
    // A batch norm on the bare images: its statistics are those of the normalised pixels.
    let bare = Op::from(ConvBlock {
        conv: false,
        activation: ActivationFunction::Linear,
        ..ConvBlock::new(1, 1)
    });
    let supernet = supernet(&chain(&[
        ("in", &[samples::input([1, 8, 8]), bare]),
        ("head", &[Op::Flatten, samples::dense(2), Op::Output]),
    ]));
    let data = bars(64, 30);
    let before = supernet.to_bytes().expect("the CPU answers");
    let settings = EvaluationSettings { images: 30, recalibration_batches: 4, batch_size: 16 };
    let evaluator = Evaluator::new(&supernet, &data, settings, 0).expect("fits");
    let statistics = evaluator
        .share(&supernet, &[full(&supernet)])
        .recalibrate(evaluator.on(&supernet), 0, &GO_ON)
        .expect("goes on");
    // All 64 training images took part, and normalisation gave them mean 0 and variance 1.
    assert_close(&numbers(&statistics[0].mean), &[0.0], 1e-5);
    assert_close(&numbers(&statistics[0].variance), &[1.0], 1e-4);
    evaluator.evaluate(&supernet, &full(&supernet), &GO_ON).expect("goes on");
    assert_eq!(supernet.to_bytes().expect("the CPU answers"), before);
}

#[test]
fn evaluation_is_the_same_twice_and_stops_when_told_to() {
    let supernet = supernet(&small_vgg());
    let data = bars(64, 30);
    let settings = EvaluationSettings { images: 20, recalibration_batches: 2, batch_size: 16 };
    let evaluate = || {
        let evaluator = Evaluator::new(&supernet, &data, settings, 0).expect("fits");
        evaluator.evaluate(&supernet, &full(&supernet), &GO_ON).expect("goes on")
    };
    let first = evaluate();
    assert_eq!(first, evaluate());
    assert!(first.loss > 0.0 && (first.accuracy * 20.0).fract() == 0.0, "{first:?}");
    let evaluator = Evaluator::new(&supernet, &data, settings, 0).expect("fits");
    let stopped = evaluator.evaluate(&supernet, &full(&supernet), &AtomicBool::new(true));
    assert!(matches!(stopped, Err(EvaluationError::Stopped)), "{stopped:?}");
}

#[test]
fn data_that_does_not_fit_is_refused_with_the_fix() {
    let check = |supernet: &Supernet, data: &Dataset| supernet.check_data(data, &Loss::usual(data));
    let wide = supernet(&chain(&[
        ("in", &[samples::input([3, 8, 8])]),
        ("out", &[Op::Flatten, samples::dense(2), Op::Output]),
    ]));
    let error = check(&wide, &bars(8, 8)).expect_err("three channels").to_string();
    assert!(error.contains("3×8×8") && error.contains("1×8×8"), "{error}");
    let narrow = supernet(&chain(&[
        ("in", &[samples::input([1, 8, 8])]),
        ("out", &[Op::Flatten, samples::dense(1), Op::Output]),
    ]));
    let error = check(&narrow, &bars(8, 8)).expect_err("one class").to_string();
    assert!(error.contains("2 units"), "{error}");
    let loss = Loss::new(crate::engine::loss::LossKind::BinaryCrossEntropy, 0.0, &bars(8, 8))
        .expect("classes");
    narrow.check_data(&bars(8, 8), &loss).expect("one output tells two classes apart");
    let numbers = Images::new([1, 8, 8], vec![0_u8; 128], vec![0.5_f32, 1.5]).expect("sizes match");
    let data = Dataset::new("toy", Vec::new(), numbers.clone(), numbers.clone(), numbers);
    let data = data.expect("is right");
    check(&narrow, &data).expect("one number");
    let error = check(&supernet(&small_vgg()), &data).expect_err("two outputs").to_string();
    assert!(error.contains("1 unit"), "{error}");
}

#[test]
fn weights_start_the_same_for_equal_seeds_whatever_the_other_layers_hold() {
    let (one, other) = (supernet(&small_vgg()), Supernet::new(small_vgg(), 2, &Device::flex()));
    assert_ne!(value(&one, "b3.0.weight"), value(&other, "b3.0.weight"));
    let alone = supernet(&graph(
        &[
            ("in", 0, &[samples::input([4, 8, 8])]),
            ("b3", 3, &[block(6, 3)]),
            ("out", 7, &[Op::GlobalAveragePool, Op::Output]),
        ],
        &[("in", "b3"), ("b3", "out")],
    ));
    assert_eq!(value(&one, "b3.0.weight"), value(&alone, "b3.0.weight"));
    assert_eq!(value(&one, "b3.0.gamma"), [1.0; 6]);
    assert_eq!(value(&one, "head.2.bias"), [0.0; 2]);
}

#[test]
fn alternatives_start_aligned_but_the_operations_of_a_node_apart() {
    let two = [block(4, 3), block(4, 3)];
    let graph = graph(
        &[
            ("in", 0, &[samples::input([4, 8, 8])]),
            ("a1", 1, &[block(4, 1)]),
            ("a3", 1, &two),
            ("out", 2, &[Op::GlobalAveragePool, Op::Output]),
        ],
        &[("in", "a1"), ("in", "a3"), ("a1", "out"), ("a3", "out")],
    );
    let supernet = supernet(&graph);
    let sums: Vec<f32> =
        value(&supernet, "a3.0.weight").chunks_exact(9).map(|kernel| kernel.iter().sum()).collect();
    assert_close(&value(&supernet, "a1.0.weight"), &sums, 1e-6);
    assert_ne!(value(&supernet, "a3.0.weight"), value(&supernet, "a3.1.weight"));
}

#[test]
fn weights_come_back_bit_by_bit() {
    let first = supernet(&small_vgg());
    let bytes = first.to_bytes().expect("the CPU answers");
    let mut second = Supernet::new(small_vgg(), 99, &Device::flex());
    assert_ne!(second.to_bytes().expect("the CPU answers"), bytes);
    second.load_bytes(&bytes).expect("the same template");
    assert_eq!(second.to_bytes().expect("the CPU answers"), bytes);
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("a safetensors file");
    for name in ["a3.0.weight", "a3.0.gamma", "a3.0.beta", "a3.0.mean", "a3.0.var", "head.2.bias"] {
        file.tensor(name).expect(name);
    }
}

#[test]
fn weights_of_another_template_are_refused_and_change_nothing() {
    let with = |ops: &[Op]| {
        chain(&[
            ("in", &[samples::input([1, 8, 8])]),
            ("a", ops),
            ("out", &[Op::GlobalAveragePool, Op::Output]),
        ])
    };
    let mut target = supernet(&with(&[block(4, 3)]));
    let before = target.to_bytes().expect("the CPU answers");
    let bytes = |ops: &[Op]| supernet(&with(ops)).to_bytes().expect("the CPU answers");
    let mut refused =
        |bytes: &[u8]| target.load_bytes(bytes).expect_err("does not fit").to_string();
    let message = refused(&bytes(&[block(4, 5)]));
    assert!(message.contains("a.0.weight") && message.contains("[4, 1, 5, 5]"), "{message}");
    let message = refused(&bytes(&[Op::Identity]));
    assert!(message.contains("lack `a.0.weight`"), "{message}");
    let message = refused(&bytes(&[block(4, 3), block(4, 3)]));
    assert!(message.contains("`a.1.beta` and 4 more"), "{message}");
    refused(b"no safetensors file");
    refused(&before[..before.len() - 1]);
    assert_eq!(target.to_bytes().expect("the CPU answers"), before);
}

#[test]
fn candidates_that_share_are_evaluated_as_each_on_its_own() {
    // Alternatives that meet again, a link past a layer, a node that does nothing.
    let graph = graph(
        &[
            ("in", 0, &[samples::input([1, 8, 8])]),
            ("a1", 1, &[block(4, 1)]),
            ("a3", 1, &[block(4, 3)]),
            ("join", 2, &[Op::Identity]),
            ("b1", 3, &[block(4, 1), block(4, 1)]),
            ("b3", 3, &[block(4, 3)]),
            ("none", 3, &[Op::Identity]),
            ("out", 4, &[Op::GlobalAveragePool, samples::dense(2), Op::Output]),
        ],
        &[
            ("in", "a1"),
            ("in", "a3"),
            ("a1", "join"),
            ("a3", "join"),
            ("a3", "out"),
            ("join", "b1"),
            ("join", "b3"),
            ("join", "none"),
            ("b1", "out"),
            ("b3", "out"),
            ("none", "out"),
        ],
    );
    let supernet = supernet(&graph);
    let masks = candidate::list_all(&graph, 1_000).expect("a small template");
    assert!(masks.len() > 12, "{}", masks.len());
    for recalibration_batches in [0, 2] {
        let settings = EvaluationSettings { images: 40, recalibration_batches, batch_size: 16 };
        let evaluator = Evaluator::new(&supernet, &bars(64, 40), settings, 0).expect("fits");
        let mut sharing = evaluator.share(&supernet, &masks);
        let mut order = sharing.order();
        let in_order: Vec<_> = order
            .iter()
            .map(|&i| sharing.evaluate(evaluator.on(&supernet), i, &GO_ON).expect("goes on"))
            .collect();
        assert!(sharing.is_empty(), "all was read as often as it was said to be");
        // Without room, each candidate computes each of its nodes once for a batch.
        let mut cramped = evaluator.share(&supernet, &masks).without_room();
        let with_no_room: Vec<_> = order
            .iter()
            .map(|&i| cramped.evaluate(evaluator.on(&supernet), i, &GO_ON).expect("goes on"))
            .collect();
        assert_eq!(with_no_room, in_order);
        let nodes: usize = masks.iter().map(Mask::len).sum();
        let batches = 3 + recalibration_batches;
        assert!(cramped.computed <= nodes * batches, "{} of {nodes}", cramped.computed);
        assert!(sharing.computed < cramped.computed);
        for (&i, shared) in order.iter().zip(&in_order) {
            let alone = evaluator.evaluate(&supernet, &masks[i], &GO_ON).expect("goes on");
            assert_eq!(alone.loss.to_bits(), shared.loss.to_bits());
            assert_eq!(alone.accuracy, shared.accuracy);
        }
        order.sort_unstable();
        assert_eq!(order, (0..masks.len()).collect::<Vec<_>>());
    }
}

#[test]
fn the_processors_operations_agree_with_burns() {
    let strided = |kernel: usize, stride: usize, bias| {
        Op::from(ConvBlock {
            stride: stride.into(),
            bias,
            batch_norm: !bias,
            ..ConvBlock::new(5, kernel)
        })
    };
    let graph = chain(&[
        ("in", &[samples::input([3, 12, 12])]),
        ("a", &[block(4, 3), strided(5, 2, false)]),
        ("b", &[samples::max_pool(3, 1, 1), strided(3, 1, true)]),
        ("c", &[samples::average_pool(2, 2, 1), block(6, 1)]),
        ("d", &[samples::dropout(0.3)]),
        ("out", &[Op::Flatten, samples::dense(3), Op::Output]),
    ]);
    let mut supernet = supernet(&graph);
    assert_ne!(supernet.ops, ImageOps::Burn);
    let images = || tensor(noise(4 * 3 * 12 * 12, 1), [4, 3, 12, 12]);
    let (targets, loss) = (vec![0_u16, 1, 2, 0].into(), Loss::usual(&bars(4, 2)));
    let mut results = Vec::new();
    for ops in [supernet.ops, ImageOps::Burn] {
        supernet.ops = ops;
        let scores = scores(&supernet, images());
        let mut rng = seed::rng(1, "test", 0);
        let gradients = supernet.gradients(&full(&supernet), images(), &targets, &loss, &mut rng);
        let of_parameters: Vec<_> =
            gradients.of_parameters.iter().map(|(i, gradient)| (*i, numbers(gradient))).collect();
        results.push((scores, numbers(&gradients.loss)[0], of_parameters));
    }
    let [(scores, value, gradients), (burns, burns_value, burns_gradients)] = &results[..] else {
        panic!("two results")
    };
    assert_close(scores, burns, 1e-5);
    assert!((value - burns_value).abs() < 1e-5);
    assert_eq!(gradients.len(), supernet.parameter_names().count());
    for ((i, ours), (j, burns)) in gradients.iter().zip(burns_gradients) {
        assert_eq!(i, j);
        assert_close(ours, burns, 1e-4);
    }
}
