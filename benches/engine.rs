//! How fast the engine is: `cargo bench`. The network is `bench5x3`, which PyTorch can be measured on as
//! well; compare ratios taken in the same minute only.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nas_navigator::engine::{
    candidate,
    data::{DataSource, Dataset},
    device::{self, DeviceChoice},
    embedding::Embedding,
    memory,
    search::{Evaluation, SearchState},
    seed,
    supernet::{EvaluationSettings, Evaluator, Supernet},
    template::{Graph, presets},
    training::{TrainSettings, Trainer},
};
use std::{hint::black_box, ops::ControlFlow, sync::Arc, sync::atomic::AtomicBool};

/// Training steps per measurement.
const STEPS: usize = 30;
const BATCH: usize = 64;

fn graph(name: &str) -> Arc<Graph> {
    let preset = presets().into_iter().find(|preset| preset.name == name).expect("a preset");
    Arc::new(preset.graph().expect("presets are right"))
}

fn train_and_evaluate(c: &mut Criterion) {
    // As the program does.
    memory::keep_freed();
    let graph = graph("bench5x3");
    let device = device::open(&DeviceChoice::Auto).expect("a device");
    let data = Dataset::load(&DataSource::FashionMini).expect("is embedded");
    let supernet = || Supernet::new(Arc::clone(&graph), 1, &device);
    let settings = TrainSettings { epochs: 1, batch_size: BATCH, ..TrainSettings::default() };

    let mut group = c.benchmark_group("bench5x3");
    group.sample_size(10);
    group.throughput(Throughput::Elements((STEPS * BATCH) as u64));
    group.bench_function("training, images", |bencher| {
        bencher.iter_batched(
            || {
                let supernet = supernet();
                let trainer = Trainer::new(&supernet, &data, settings).expect("fits");
                (supernet, trainer)
            },
            |(mut supernet, mut trainer)| {
                let mut steps = 0;
                let stopped = trainer.run_epoch(&mut supernet, &data, 1, &mut |_| {
                    steps += 1;
                    if steps == STEPS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                });
                assert!(stopped.is_err(), "stopped after {STEPS} steps");
            },
            BatchSize::PerIteration,
        );
    });

    let supernet = supernet();
    // As PyTorch is measured: 1,000 images in batches of 256, statistics as trained.
    let settings = EvaluationSettings { images: 1000, recalibration_batches: 0, batch_size: 256 };
    let evaluator = Evaluator::new(&supernet, &data, settings, 1).expect("fits");
    let recalibrating =
        Evaluator::new(&supernet, &data, EvaluationSettings::default(), 1).expect("fits");
    let masks: Vec<_> = (0..10)
        .map(|i| candidate::sample_single_path(&graph, &mut seed::rng(1, "bench", i)))
        .collect();
    group.throughput(Throughput::Elements(masks.len() as u64));
    for (name, evaluator) in [
        ("evaluation, candidates", &evaluator),
        ("evaluation with recalibration, candidates", &recalibrating),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for mask in &masks {
                    black_box(
                        evaluator.evaluate(&supernet, mask, &AtomicBool::new(false)).expect("runs"),
                    );
                }
            });
        });
    }
    group.finish();
}

fn search_and_embedding(c: &mut Criterion) {
    let graph = graph("vgg11");
    let mut group = c.benchmark_group("vgg11");
    group.bench_function("ten proposals after 100 evaluations", |bencher| {
        let mut search = SearchState::new(Arc::clone(&graph), 1, 300);
        for _ in 0..10 {
            for id in search.propose(10) {
                // Any fixed opinion will do: here, large kernels are good.
                let cost =
                    search.candidate(id).map_or(0.0, |candidate| candidate.cost.flops as f64);
                search
                    .record(id, Evaluation { accuracy: cost, loss: 1.0, ..Evaluation::default() })
                    .expect("is known");
            }
            search.finish_iteration();
        }
        bencher.iter_batched(
            || search.clone(),
            |mut search| search.propose(10),
            BatchSize::LargeInput,
        );
    });
    let masks: Vec<_> =
        (0..10_000).map(|i| candidate::sample(&graph, &mut seed::rng(1, "bench", i))).collect();
    group.bench_function("fitting 300 landmarks", |bencher| {
        bencher.iter(|| Embedding::fit(&masks[..300]));
    });
    let embedding = Embedding::fit(&masks[..300]);
    group.throughput(Throughput::Elements(masks.len() as u64));
    group.bench_function("placing 10,000 candidates", |bencher| {
        bencher.iter(|| masks.iter().map(|mask| embedding.place(mask)[0]).sum::<f32>());
    });
    group.finish();
}

criterion_group!(benches, train_and_evaluate, search_and_embedding);
criterion_main!(benches);
