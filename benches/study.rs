//! How a run of 100,000 candidates is opened, searched and recorded: `cargo bench --bench study`. The run is made up:
//! its candidates are drawn, and what they are worth is a sum over their nodes, with noise.

use criterion::{BatchSize, Criterion, criterion_group};
use nas_navigator::engine::{
    candidate::{CandidateId, Space},
    device::DeviceChoice,
    lab::{Lab, LabSettings},
    mask::Mask,
    run::{RUN_VERSION, Run, RunConfig, RunState},
    search::{Measure, Objective, Steering},
    seed,
    study::{Event, Judging, Setup, Study, Timeline},
    template::{Checked, presets},
    training::EpochReport,
};
use rand::RngExt;
use std::{
    collections::HashSet,
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

const CANDIDATES: usize = 100_000;
const POOL: usize = 300;
/// Candidates per iteration.
const COUNT: usize = 100;
/// Training steps of the weights with which all candidates of the run are evaluated.
const STEP: u64 = 1_000;

/// A process that has this variable opens the run that it names and says how much memory that took.
const OPENS: &str = "STUDY_BENCH_OPENS";

/// 64 nodes in 16 levels, and in others.
fn template() -> Checked {
    let preset = presets().into_iter().find(|preset| preset.name == "vgg19").expect("a preset");
    preset.checked().expect("presets are right")
}

fn setup(judging: Judging) -> Setup {
    let LabSettings { seed, objective, training, .. } = LabSettings::default();
    Setup { seed, objective, training, judging }
}

fn newcomer(template: &Checked, id: usize, iteration: u32, mask: &Mask) -> Event {
    let parents = if iteration > 0 { vec![CandidateId(0), CandidateId(1)] } else { Vec::new() };
    let kept = mask.iter().map(|node| template.graph().id(node).clone()).collect();
    Event::Candidate { id: CandidateId::after(id), iteration, parents, kept }
}

fn evaluated(id: usize, mask: &Mask, iteration: u32, step: u64) -> Event {
    let effect = |node: usize| seed::rng(1, "bench/effect", node as u64).random_range(-0.01..0.01);
    let noise = seed::rng(step, "bench/noise", id as u64).random_range(-0.01..0.01);
    let accuracy: f64 = 0.6 + mask.iter().map(effect).sum::<f64>() + noise;
    Event::Evaluated {
        id: CandidateId::after(id),
        iteration,
        step,
        accuracy,
        balanced_accuracy: Some(accuracy),
        loss: 1.0 - accuracy,
        seconds: 0.01,
    }
}

fn iteration(study: &Study, candidates: Vec<CandidateId>) -> Event {
    Event::Iteration {
        iteration: study.search().finished_iterations() + 1,
        mean_accuracy: study.mean_of(&candidates).accuracy,
        candidates,
        best: study.search().best().expect("all are evaluated"),
        seconds: 1.0,
    }
}

/// Takes the events in, and gives them back.
fn told(study: &mut Study, events: Vec<Event>) -> Vec<Event> {
    let take = |event: &Event| study.apply(&event.clone().into()).expect("follows");
    events.iter().for_each(take);
    events
}

/// What the next iteration of a search does, with evaluations that take no time.
fn propose_and_evaluate(study: &mut Study) -> Vec<CandidateId> {
    let template = study.template().clone();
    let now = study.search().finished_iterations() + 1;
    let mut candidates = Vec::new();
    for proposal in study.search().proposals(COUNT) {
        let id = study.candidates().len();
        if proposal.known.is_none() {
            told(study, vec![newcomer(&template, id, now, &proposal.mask)]);
        }
        let id = proposal.known.unwrap_or(CandidateId::after(id));
        told(study, vec![evaluated(id.index(), &proposal.mask, now, STEP)]);
        candidates.push(id);
    }
    candidates
}

/// Makes the run in `runs`.
fn make_run(runs: &Path) -> PathBuf {
    let template = template();
    let mut study = Study::begin(template.clone(), setup(Judging::WhenAsked), POOL);
    let pool = study.candidates().iter();
    let pool: Vec<_> =
        pool.map(|known| newcomer(&template, known.id.index(), 0, &known.mask)).collect();
    let settings = LabSettings::default();
    let config = RunConfig {
        version: RUN_VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        created: 0,
        template: template.template().name.clone(),
        data: settings.data,
        data_place: None,
        read: settings.read,
        objective: Objective::default(),
        data_fingerprint: String::new(),
        device: settings.device.to_string(),
        seed: settings.seed,
        training: settings.training,
        evaluation: settings.evaluation,
        pool: POOL,
    };
    let state = RunState::default();
    let mut run =
        Run::create(runs, Some("large"), template.template(), config, None, None, &state, pool)
            .expect("is written");
    let epoch = EpochReport {
        epoch: 1,
        step: STEP,
        train_loss: 1.0,
        val_loss: 1.0,
        val_accuracy: 0.5,
        val_balanced_accuracy: None,
        seconds: 1.0,
    };
    run.record(told(&mut study, vec![Event::Epoch(epoch)])).expect("is written");
    let sampler = Space::whole(template.graph()).sampler();
    let mut known: HashSet<_> = study.candidates().iter().map(|known| known.mask.clone()).collect();
    let mut rng = seed::rng(1, "bench/candidates", 0);
    while study.candidates().len() < CANDIDATES {
        let now = study.search().finished_iterations() + 1;
        let ids: Vec<_> = (study.candidates().len()..).take(COUNT).collect();
        let mut events = Vec::new();
        for &id in &ids {
            let mask = loop {
                let mask = sampler.draw(&mut rng);
                if known.insert(mask.clone()) {
                    break mask;
                }
            };
            events.push(newcomer(&template, id, now, &mask));
            events.push(evaluated(id, &mask, now, STEP));
        }
        let mut events = told(&mut study, events);
        let ended = iteration(&study, ids.into_iter().map(CandidateId::after).collect());
        events.extend(told(&mut study, vec![ended]));
        run.record(events).expect("is written");
    }
    run.folder().to_owned()
}

/// The most memory that this process has had at once, `VmHWM`, or what it has now, `VmRSS`, in MiB.
fn memory(which: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let size = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':'))?;
    Some(size.trim().strip_suffix(" kB")?.parse::<u64>().ok()? / 1024)
}

/// Opens the run in `folder` as the window does, which has a study of its own, and proposes candidates.
fn open_in_this_process(folder: &Path) {
    let began = Instant::now();
    let mut lab = Lab::open(folder, DeviceChoice::Cpu).expect("opens");
    let opened = began.elapsed().as_secs_f64();
    let story = lab.story();
    let proposals = lab.study().search().proposals(COUNT);
    let both = began.elapsed().as_secs_f64();
    let memory = memory("VmHWM").map_or("unknown".to_owned(), |peak| format!("{peak} MiB"));
    eprintln!(
        "opened in {opened:.2} s, and proposed {} candidates after {both:.2} s; memory with the window's study: {memory}",
        proposals.len()
    );
    drop(story);
}

fn large_run(c: &mut Criterion) {
    let runs = tempfile::tempdir().expect("a folder");
    let folder = make_run(runs.path());
    let program = std::env::current_exe().expect("has a path");
    let opened = Command::new(program).env(OPENS, &folder).status().expect("begins");
    assert!(opened.success());

    let mut group = c.benchmark_group("100,000 candidates");
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group.bench_function("opening", |bencher| {
        bencher.iter(|| Lab::open(&folder, DeviceChoice::Cpu).expect("opens"));
    });
    group.bench_function("the window's look at it", |bencher| {
        bencher.iter(|| Run::open(&folder).expect("is there").present().expect("is right"));
    });
    group.bench_function("opening briefly", |bencher| {
        bencher.iter(|| Lab::open_briefly(&folder).expect("opens"));
    });

    let opened = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
    let study = opened.study();
    // One that has searched before, as in the middle of a job.
    let mut searching = study.clone();
    let candidates = propose_and_evaluate(&mut searching);
    let end = Arc::new(iteration(&searching, candidates));
    group.bench_function("the end of an iteration", |bencher| {
        bencher.iter_batched(
            || searching.clone(),
            |mut study| {
                study.apply(&end).expect("follows");
                study
            },
            BatchSize::PerIteration,
        );
    });
    searching.apply(&end).expect("follows");
    group.bench_function("proposing 100 candidates", |bencher| {
        bencher.iter_batched(
            || searching.clone(),
            |study| {
                black_box(study.search().proposals(COUNT));
                study
            },
            BatchSize::PerIteration,
        );
    });
    let steering = Steering {
        pinned: vec![study.template().graph().id(2).clone()],
        pareto: Some(Measure::Parameters),
        ..Steering::default()
    };
    let mut steered = searching.clone();
    steered.apply(&Event::Steered(steering).into()).expect("can be met");
    group.bench_function("proposing 100 candidates for a front", |bencher| {
        bencher.iter_batched(
            || steered.clone(),
            |study| {
                black_box(study.search().proposals(COUNT));
                study
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("an iteration without its evaluations", |bencher| {
        bencher.iter_batched(
            || searching.clone(),
            |mut study| {
                let candidates = propose_and_evaluate(&mut study);
                study.apply(&iteration(&study, candidates).into()).expect("follows");
                study
            },
            BatchSize::PerIteration,
        );
    });

    let mut run = Run::open(&folder).expect("is there");
    run.make_writable().expect("is free");
    let (mut live, mut window) = (study.clone(), study.replica());
    // After more training, all are there to be evaluated again.
    let mut step = STEP;
    let mut next = study.candidates().len();
    group.bench_function("recording an evaluation", |bencher| {
        bencher.iter_custom(|count| {
            let mut spent = Duration::ZERO;
            for _ in 0..count {
                if next == live.candidates().len() {
                    (step, next) = (step + STEP, 0);
                    live.weights_at(step);
                    window.weights_at(step);
                    window.search().best();
                }
                let event = evaluated(next, &live.candidates()[next].mask, 1, step);
                next += 1;
                let began = Instant::now();
                let event = Arc::new(event);
                run.record([(*event).clone()]).expect("is written");
                live.apply(&event).expect("follows");
                window.apply(&event).expect("follows");
                // What views of the window ask for.
                black_box((window.search().best(), window.search().accuracy_range()));
                spent += began.elapsed();
            }
            spent
        });
    });
    group.bench_function("the best candidate", |bencher| bencher.iter(|| live.search().best()));
    group.bench_function("candidates in order", |bencher| bencher.iter(|| live.search().ranked()));
    group.bench_function("fitness", |bencher| {
        bencher.iter_batched(
            || {
                let mut study = live.clone();
                study.weights_at(step + STEP);
                study
            },
            |study| {
                black_box(study.fitness());
                study
            },
            BatchSize::PerIteration,
        );
    });

    let (all, middle) = (study.events(), study.events() / 2);
    group.bench_function("the middle of the run, for the first time", |bencher| {
        bencher.iter_batched(
            || Timeline::of(study),
            |mut timeline| {
                black_box(timeline.at(middle).expect("follows"));
                timeline
            },
            BatchSize::PerIteration,
        );
    });
    let mut timeline = Timeline::of(study);
    let before = memory("VmRSS");
    timeline.at(all).expect("follows");
    if let (Some(before), Some(after)) = (before, memory("VmRSS")) {
        eprintln!("keyframes and another study: {} MiB", after.saturating_sub(before));
    }
    group.bench_function("the middle of the run, again", |bencher| {
        bencher.iter_custom(|count| {
            let mut spent = Duration::ZERO;
            for _ in 0..count {
                timeline.at(all).expect("follows");
                let began = Instant::now();
                black_box(timeline.at(middle).expect("follows"));
                spent += began.elapsed();
            }
            spent
        });
    });
    // Each has its events for candidates and evaluations, and its end.
    let mut now = middle;
    group.bench_function("an iteration more, event by event", |bencher| {
        bencher.iter_custom(|count| {
            let mut spent = Duration::ZERO;
            for _ in 0..count {
                if now + 2 * COUNT + 1 > all {
                    now = middle;
                    timeline.at(now).expect("follows");
                }
                let began = Instant::now();
                for _ in 0..2 * COUNT + 1 {
                    now += 1;
                    black_box(timeline.at(now).expect("follows"));
                }
                spent += began.elapsed();
            }
            spent
        });
    });
    group.finish();
}

criterion_group!(benches, large_run);

fn main() {
    if let Some(folder) = std::env::var_os(OPENS) {
        open_in_this_process(Path::new(&folder));
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
