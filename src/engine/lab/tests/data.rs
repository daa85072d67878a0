//! Data and template brought together, data that moves, and results that are not worth what they seem to be.

use super::*;
use crate::engine::{
    data::{Missing, TaskKind},
    loss::LossKind,
    messages::keep,
    report::Topic,
    search::Objective,
    training::{PathPolicy, StepLength},
};
use std::fs;

/// A template for rows of two columns with this many outputs and these alternatives.
fn table_template(outputs: usize, alternatives: &[&str]) -> Checked {
    let nodes: String = alternatives
        .iter()
        .enumerate()
        .map(|(place, ops)| {
            format!("(id: \"a{place}\", layer: 1, ops: [{ops}], position: (4, {place})),")
        })
        .collect();
    let links: String = (0..alternatives.len())
        .map(|place| format!("(\"in\", \"a{place}\"), (\"a{place}\", \"head\"),"))
        .collect();
    let text = format!(
        "(version: 1, name: \"rows\", nodes: [
            (id: \"in\", layer: 0, ops: [Input(shape: (2, 1, 1)), Flatten], position: (0, 0)),
            {nodes}
            (id: \"head\", layer: 2, ops: [Dense(units: {outputs})], position: (8, 0)),
            (id: \"out\", layer: 3, ops: [Output], position: (12, 0)),
        ], links: [{links} (\"head\", \"out\")])"
    );
    template::parse("rows", &text).expect("is right")
}

const TWO: [&str; 2] = ["Dense(units: 8, relu: true)", "Dense(units: 8)"];

/// Rows whose class is told by the first column, with this share of the class `rare`.
fn table(folder: &Path, name: &str, rows: usize, rare: usize) -> DataSource {
    let text: String = (0..rows)
        .map(|row| {
            let class = if row % rows.div_ceil(rare) == 0 { "rare" } else { "common" };
            let noise = (row * 7919 % 101) as f64 / 101.0;
            let mean = if class == "rare" { 1.0 } else { -1.0 };
            format!("{},{noise},{class}\n", mean + 0.2 * noise)
        })
        .collect();
    let file = folder.join(name);
    fs::write(&file, format!("a,b,kind\n{text}")).expect("is written");
    DataSource::Csv { file, label: None }
}

fn lab_with(template: Checked, runs: &Path, settings: LabSettings) -> Lab {
    let settings = LabSettings { device: DeviceChoice::Cpu, pool: 8, ..settings };
    Lab::new(template, settings, runs.to_owned(), Some("test".to_owned()))
}

/// Trains an epoch; what was told meanwhile.
fn trained(lab: &mut Lab) -> Result<Vec<Report>, LabError> {
    let mut told = Vec::new();
    lab.work(train(1), &Control::default(), &mut |report| told.push(report))?;
    Ok(told)
}

#[test]
fn a_preset_takes_the_shape_and_the_classes_of_the_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = table(folder.path(), "rows.csv", 120, 60);
    let template = table_template(10, &TWO);
    let wide = template.graph().nodes()[0].ops[0].clone();
    assert_eq!(wide, crate::engine::ops::samples::input([2, 1, 1]));
    let settings = LabSettings { data, fit: true, ..LabSettings::default() };
    let mut lab = lab_with(template, folder.path(), settings);
    let before = lab.candidates()[0].cost.params;
    let told = trained(&mut lab).expect("fits");
    assert_eq!(lab.graph().classes(), 2);
    assert!(lab.candidates()[0].cost.params < before, "costs follow");
    let fitted = |report: &Report| matches!(report, Report::Fitted(graph) if graph.classes() == 2);
    assert!(told.iter().any(fitted));
    let noted = told.iter().any(|report| {
        matches!(report, Report::Note(text) if text.contains("units of `head` 2 instead of 10"))
    });
    assert!(noted, "{told:?}");
    // The run has the template as it was trained, and goes on with it.
    let folder = folder.path().join("test");
    drop(lab);
    let mut again = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
    assert_eq!(again.graph().classes(), 2);
    assert_eq!(again.summary().map(|summary| summary.classes.len()), Some(2));
    trained(&mut again).expect("goes on");
}

#[test]
fn small_images_give_their_size_where_the_template_can_take_it() {
    let runs = tempfile::tempdir().expect("a folder");
    let preset = |name: &str| {
        let preset = template::presets().into_iter().find(|preset| preset.name == name);
        preset.expect("exists").checked().expect("is right")
    };
    let settings = LabSettings { data: DataSource::Digits, fit: true, ..LabSettings::default() };
    let mut lab = lab_with(preset("3-conv-3-layer"), runs.path(), settings.clone());
    lab.load_data(&mut ignore).expect("fits");
    assert_eq!(lab.graph().image_shape(), [1, 8, 8]);
    // Five poolings leave nothing of 8 x 8 pixels.
    let text = template::to_ron(preset("vgg11").template()).expect("is written");
    let deep = text.replace("kernel: 3, stride: 1, padding: 1", "kernel: 3, stride: 3");
    let deep = template::parse("deep", &deep).expect("is right");
    let mut lab = lab_with(deep, runs.path(), settings);
    let (data, _) = lab.load_data(&mut ignore).expect("fits");
    assert_eq!((lab.graph().image_shape(), data.shape()), ([1, 28, 28], [1, 28, 28]));
}

#[test]
fn without_fitting_the_exact_edit_is_told_in_these_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = table(folder.path(), "rows.csv", 120, 60);
    let refused = |template: Checked, data: &DataSource, loss| {
        let training = TrainSettings { loss, ..TrainSettings::default() };
        let settings = LabSettings { data: data.clone(), training, ..LabSettings::default() };
        match trained(&mut lab_with(template, folder.path(), settings)) {
            Ok(_) => "is taken".to_owned(),
            Err(error) => error.to_string(),
        }
    };
    let small = template::parse("small", SMALL).expect("is right");
    let last = SMALL.replace("(1, 8, 8)", "(8, 8, 1)").replace("stride: 2", "stride: 1");
    let last = last.replace("MaxPool(kernel: 2, stride: 1), ", "");
    let last = template::parse("last", &last).expect("is right");
    let numbers = folder.path().join("numbers.csv");
    let rows: String = (0..60).map(|row| format!("{row},{},{}.5\n", row % 7, row % 20)).collect();
    fs::write(&numbers, rows).expect("is written");
    let numbers = DataSource::Csv { file: numbers, label: None };
    let (digits, auto) = (DataSource::Digits, LossKind::Auto);
    keep(
        "unfit-data",
        [
            ("too many outputs", refused(table_template(1_000, &TWO), &data, auto)),
            ("one output for two classes", {
                refused(table_template(1, &TWO), &data, LossKind::CrossEntropy)
            }),
            ("several outputs for numbers", refused(table_template(3, &TWO), &numbers, auto)),
            ("rows for images", refused(small, &data, auto)),
            ("images for rows", refused(table_template(10, &TWO), &digits, auto)),
            ("channels last", refused(last, &digits, auto)),
            ("a loss for classes", refused(table_template(1, &TWO), &numbers, LossKind::Hinge)),
        ],
    );
}

#[test]
fn one_output_tells_two_classes_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = table(folder.path(), "rows.csv", 400, 200);
    for loss in [LossKind::BinaryCrossEntropy, LossKind::Hinge, LossKind::SquaredHinge] {
        let training = TrainSettings { loss, learning_rate: 0.05, ..TrainSettings::default() };
        let settings = LabSettings { data: data.clone(), training, ..LabSettings::default() };
        let runs = tempfile::tempdir().expect("a folder");
        let mut lab = lab_with(table_template(1, &TWO), runs.path(), settings);
        for _ in 0..3 {
            trained(&mut lab).expect("is trained");
        }
        let last = lab.study.epochs().last().expect("an epoch");
        assert!(last.val_accuracy > 0.95 && last.val_loss < 0.5, "{loss}: {last:?}");
        assert!(last.val_balanced_accuracy.is_some_and(|balanced| balanced > 0.95), "{last:?}");
    }
}

#[test]
fn data_that_has_moved_is_found_by_its_content() {
    let folder = tempfile::tempdir().expect("a folder");
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    fs::create_dir(&a).expect("a folder");
    let data = table(&a, "rows.csv", 120, 60);
    let settings = LabSettings { data, ..LabSettings::default() };
    let mut lab = lab_with(table_template(2, &TWO), &a.join("runs"), settings);
    trained(&mut lab).expect("is trained");
    drop(lab);
    // Run and data together to another place.
    fs::rename(&a, &b).expect("moves");
    let run = b.join("runs/test");
    let mut lab = Lab::open(&run, DeviceChoice::Cpu).expect("opens");
    let told = trained(&mut lab).expect("the data is where it was, seen from the run");
    let found = |report: &Report| matches!(report, Report::Note(text) if text.contains("found at"));
    assert!(told.iter().any(found), "{told:?}");
    drop(lab);
    // The data alone, to a place that the program cannot guess.
    let elsewhere = folder.path().join("other.csv");
    fs::rename(b.join("rows.csv"), &elsewhere).expect("moves");
    let mut lab = Lab::open(&run, DeviceChoice::Cpu).expect("opens");
    let text = trained(&mut lab).expect_err("is gone").to_string();
    assert!(text.contains("rows.csv") && text.contains("--data"), "{text}");
    // Other data there is not taken for it.
    let other = table(folder.path(), "more.csv", 130, 60);
    lab.move_data(other);
    let text = trained(&mut lab).expect_err("other data").to_string();
    assert!(text.contains("more.csv") && text.contains("fingerprint"), "{text}");
    lab.move_data(DataSource::Csv { file: elsewhere, label: None });
    trained(&mut lab).expect("is found");
    drop(lab);
    let mut lab = Lab::open(&run, DeviceChoice::Cpu).expect("opens");
    trained(&mut lab).expect("the run knows the new place");
    assert_eq!(lab.epochs(), 4);
}

#[test]
fn where_data_is_said_to_be_it_is_or_the_job_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = table(folder.path(), "rows.csv", 120, 60);
    let settings = LabSettings { data: data.clone(), ..LabSettings::default() };
    let mut lab = lab_with(table_template(2, &TWO), folder.path(), settings);
    trained(&mut lab).expect("is trained");
    let none = DataSource::Csv { file: folder.path().join("none.csv"), label: None };
    let wider = folder.path().join("wider.csv");
    let rows: String = (0..60).map(|row| format!("{row},1,{},{}\n", row % 5, row % 2)).collect();
    fs::write(&wider, rows).expect("is written");
    for (wrong, says) in [
        (none, "none.csv is not a file"),
        (table(folder.path(), "other.csv", 130, 60), "other.csv is not what the run began with"),
        (DataSource::Csv { file: wider, label: None }, "wider.csv is not what the run began with"),
        (DataSource::Digits, "digits is not what the run began with"),
    ] {
        drop(lab);
        lab = Lab::open(&folder.path().join("test"), DeviceChoice::Cpu).expect("opens");
        lab.move_data(wrong);
        let text = trained(&mut lab).expect_err("the old data is still there").to_string();
        assert!(text.contains(says), "{text}");
    }
    lab.move_data(data);
    trained(&mut lab).expect("is the run's");
}

#[test]
fn wrong_data_is_refused_also_where_nothing_is_left_to_do_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = table(folder.path(), "rows.csv", 130, 50);
    let settings = LabSettings { data: data.clone(), ..LabSettings::default() };
    let mut lab = lab_with(table_template(2, &TWO), folder.path(), settings);
    trained(&mut lab).expect("is trained");
    drop(lab);
    let open = || Lab::open(&folder.path().join("test"), DeviceChoice::Cpu).expect("opens");
    open().check_moved_data(&mut ignore).expect("nothing was said");
    let mut right = open();
    right.move_data(data);
    right.check_moved_data(&mut ignore).expect("is the run's");
    drop(right);
    let mut wrong = open();
    wrong.move_data(DataSource::Digits);
    let text = wrong.check_moved_data(&mut ignore).expect_err("is other data").to_string();
    assert!(text.contains("digits is not what the run began with"), "{text}");
}

#[test]
fn a_run_that_is_not_there_is_told_with_the_one_that_may_be_meant() {
    let runs = tempfile::tempdir().expect("a folder");
    for name in ["mine", "digits-seed-1"] {
        std::fs::create_dir(runs.path().join(name)).expect("is made");
        std::fs::write(runs.path().join(name).join("run.ron"), "()").expect("is written");
    }
    let message = |name: &str| {
        let opened = Lab::open(&runs.path().join(name), DeviceChoice::Cpu);
        opened.err().expect("is not there").to_string()
    };
    let list = format!("`nas-navigator runs list --runs {}`", runs.path().display());
    for (name, meant) in [("minee", "mine"), ("Digits", "digits-seed-1")] {
        let text = message(name);
        assert!(text.contains(&format!("did you mean `{meant}`? {list}")), "{text}");
    }
    assert!(!message("another").contains("did you mean"));
}

#[test]
fn large_images_are_scaled_to_a_template_that_is_fitted_to_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let (side, count) = (72_u32, 40_u32);
    for part in ["train", "t10k"] {
        let mut images = vec![0, 0, 8, 3];
        images.extend([count, side, side].into_iter().flat_map(u32::to_be_bytes));
        images.extend((0..count * side * side).map(|pixel| (pixel % 251) as u8));
        let mut labels = vec![0, 0, 8, 1];
        labels.extend(count.to_be_bytes());
        labels.extend((0..count).map(|image| (image % 2) as u8));
        let write = |name: &str, bytes| fs::write(folder.path().join(name), bytes);
        write(&format!("{part}-images-idx3-ubyte"), images).expect("is written");
        write(&format!("{part}-labels-idx1-ubyte"), labels).expect("is written");
    }
    let data = DataSource::Idx(folder.path().to_owned());
    let settings = LabSettings { data, fit: true, ..LabSettings::default() };
    let small = template::parse("small", SMALL).expect("is right");
    let mut lab = lab_with(small, folder.path(), settings);
    let (data, _) = lab.load_data(&mut ignore).expect("fits");
    assert_eq!((lab.graph().image_shape(), data.shape()), ([1, 8, 8], [1, 8, 8]));
    assert_eq!(lab.graph().classes(), 2);
}

#[test]
fn results_of_older_weights_are_not_cautioned_about() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = table(folder.path(), "rows.csv", 400, 100);
    let training = TrainSettings {
        learning_rate: 1e-6,
        policy: PathPolicy::Single,
        ..TrainSettings::default()
    };
    let settings = LabSettings { data, training, ..LabSettings::default() };
    let mut lab = lab_with(table_template(2, &TWO), folder.path(), settings);
    trained(&mut lab).expect("is trained");
    let control = Control::default();
    lab.work(search(1, 2), &control, &mut ignore).expect("is searched");
    let lazy = |lab: &Lab| {
        let told = lab.cautions();
        told.iter().any(|caution| matches!(caution, Caution::NoBetterThanCommonest { .. }))
    };
    let before = lazy(&lab);
    lab.retune(StepLength { learning_rate: 0.05, clip: None }).expect("makes sense");
    // Until it has learned, however the paths were drawn.
    let last = |lab: &Lab| lab.study.epochs().last().expect("an epoch").val_accuracy;
    for _ in 0..40 {
        if last(&lab) <= 0.95 {
            trained(&mut lab).expect("is trained");
        }
    }
    let last = last(&lab);
    assert!(before && last > 0.95 && !lazy(&lab), "{before} {last} {:?}", lab.cautions());
}

#[test]
fn the_objective_decides_which_candidate_is_best() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = table(folder.path(), "rows.csv", 400, 40);
    let settings = LabSettings { data, objective: Objective::Loss, ..LabSettings::default() };
    let mut lab = lab_with(table_template(2, &TWO), folder.path(), settings);
    trained(&mut lab).expect("is trained");
    let all = Budget::default();
    lab.work(
        Plan::Search { iterations: 1, candidates: 4, budget: all },
        &Control::default(),
        &mut ignore,
    )
    .expect("is searched");
    let losses = || lab.candidates().iter().filter_map(|c| Some(c.evaluation?.loss));
    let lowest = losses().fold(f64::INFINITY, f64::min);
    let loss_of = |lab: &Lab| lab.best().and_then(|best| best.evaluation).map(|e| e.loss);
    assert_eq!(loss_of(&lab), Some(lowest));
    drop(lab);
    let again = Lab::open(&folder.path().join("test"), DeviceChoice::Cpu).expect("opens");
    assert_eq!((again.settings().objective, loss_of(&again)), (Objective::Loss, Some(lowest)));
}

#[test]
fn numbers_have_no_balanced_accuracy() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rows.csv");
    let rows: String = (0..100).map(|i| format!("{i},{},{}.5\n", i % 7, i * 3)).collect();
    fs::write(&file, rows).expect("is written");
    let data = DataSource::Csv { file, label: None };
    let objective = Objective::BalancedAccuracy;
    let settings = LabSettings { data, objective, ..LabSettings::default() };
    let mut lab = lab_with(table_template(1, &TWO), folder.path(), settings);
    let text = trained(&mut lab).expect_err("has no classes").to_string();
    assert!(text.contains("no balanced accuracy"), "{text}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "no run is made");
}

#[test]
fn candidates_that_tie_are_told_and_not_verified() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = table(folder.path(), "rows.csv", 400, 200);
    let ties = ["Dropout(rate: 0.1)", "Dropout(rate: 0.3)", "Dropout(rate: 0.5)", "Identity"];
    let settings = LabSettings { data, ..LabSettings::default() };
    let mut lab = lab_with(table_template(2, &ties), folder.path(), settings);
    trained(&mut lab).expect("is trained");
    let mut told = Vec::new();
    let report = &mut |report| told.push(report);
    lab.work(search(1, 4), &Control::default(), report).expect("is searched");
    let says = |report: &Report, what: &str| matches!(report, Report::Cautions { texts, .. } if texts.iter().any(|t| t.contains(what)));
    assert!(told.iter().any(|report| says(report, "all 4")), "{told:?}");
    let iteration = |report: &Report| matches!(report, Report::Iteration(done) if done.tie);
    assert!(told.iter().any(iteration), "{told:?}");
    assert_eq!(lab.tie(), Some(4));
    assert!(
        lab.study.fitness().iter().all(|node| node.fitness == 0.5),
        "{:?}",
        lab.study.fitness()
    );
    let settings = VerifySettings { top: 2, random: 2, epochs: Some(1) };
    let refused =
        lab.work(Plan::Verify(settings), &Control::default(), &mut ignore).expect_err("no order");
    assert!(refused.to_string().contains("no order to verify"), "{refused}");
}

#[test]
fn alternatives_that_compute_the_same_are_named_and_share_their_fitness() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = table(folder.path(), "rows.csv", 400, 200);
    let some =
        ["Dropout(rate: 0.3)", "Dense(units: 2)", "Softmax", "Dropout(rate: 0.5)", "Identity"];
    let settings = LabSettings { data, ..LabSettings::default() };
    let mut lab = lab_with(table_template(2, &some), folder.path(), settings);
    let mut told = Vec::new();
    lab.work(train(1), &Control::default(), &mut |report| told.push(report)).expect("is trained");
    let first = told.iter().find_map(|report| match report {
        Report::Cautions { about: Topic::Results, texts } => Some(texts.clone()),
        _ => None,
    });
    let says = |texts: &[String]| {
        let text = texts.iter().find(|text| text.contains("compute the same in evaluation"));
        let text = text.unwrap_or_else(|| panic!("{texts:?}"));
        for part in ["layer 1: ", "(dropout), ", " and ", "(identity) compute", "keep one of them"]
        {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("softmax") && !text.contains("dense"), "{text}");
    };
    says(&first.expect("cautions come before training"));
    lab.work(search(1, 5), &Control::default(), &mut ignore).expect("is searched");
    says(&lab.cautions().iter().map(ToString::to_string).collect::<Vec<_>>());
    let graph = lab.graph();
    let of = |name: &str| {
        let is = |node: &usize| graph.nodes()[*node].ops.iter().all(|op| op.name() == name);
        let nodes = (0..graph.len()).filter(is).filter(|&node| graph.nodes()[node].layer == 1);
        nodes.map(|node| lab.study.fitness()[node].fitness).collect::<Vec<_>>()
    };
    let dropout = of("dropout");
    assert_eq!((dropout[0], dropout.len()), (dropout[1], 2));
    assert_eq!(of("identity"), dropout[..1]);
}

#[test]
fn what_is_equal_in_the_objective_ties_whatever_the_losses_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = table(folder.path(), "rows.csv", 400, 200);
    let settings =
        LabSettings { data, objective: Objective::BalancedAccuracy, ..LabSettings::default() };
    let mut lab = lab_with(table_template(2, &TWO), folder.path(), settings);
    let ids = [0, 1].map(CandidateId);
    let evaluated = |id, loss| Event::Evaluated {
        id,
        iteration: 1,
        step: 0,
        accuracy: 0.9,
        balanced_accuracy: Some(0.5),
        loss,
        seconds: 0.1,
    };
    lab.note([evaluated(ids[0], 0.3)]).expect("is known");
    assert_eq!(lab.tie(), None, "one alone is best");
    lab.note([evaluated(ids[1], 0.2)]).expect("is known");
    assert_eq!(lab.tie(), Some(2));
    let told: Vec<_> = lab.cautions().iter().map(ToString::to_string).collect();
    let text = "all 2 evaluated candidates have the same balanced accuracy, so none is better";
    assert!(told.iter().any(|caution| caution.contains(text)), "{told:?}");
    lab.study.weights_at(1);
    assert_eq!(lab.tie(), None, "of older weights nothing is said");
}

#[test]
fn always_the_common_class_is_no_success() {
    let folder = tempfile::tempdir().expect("a folder");
    // Nothing tells the classes apart, and training is short.
    let rows: String = (0..600)
        .map(|i| format!("{},{},{}\n", i % 13, i % 7, if i % 30 == 0 { "fault" } else { "ok" }))
        .collect();
    let file = folder.path().join("rows.csv");
    fs::write(&file, rows).expect("is written");
    let data = DataSource::Csv { file, label: None };
    let settings = LabSettings { data, ..LabSettings::default() };
    let mut lab = lab_with(table_template(2, &TWO), folder.path(), settings);
    trained(&mut lab).expect("is trained");
    let text: Vec<_> = lab.cautions().iter().map(ToString::to_string).collect();
    let lazy = text.iter().find(|text| text.contains("always answering `ok`"));
    assert!(lazy.is_some_and(|text| text.contains("--objective balanced-accuracy")), "{text:?}");
    assert!(text.iter().any(|text| text.contains("class `fault` has")), "{text:?}");
}

#[test]
fn little_memory_means_fewer_images_at_once() {
    let runs = tempfile::tempdir().expect("a folder");
    let small = || template::parse("small", SMALL).expect("is right");
    let settings = |memory| LabSettings {
        data: DataSource::Digits,
        memory: Some(memory),
        ..LabSettings::default()
    };
    let mut lab = lab_with(small(), runs.path(), settings(300_000));
    let told = trained(&mut lab).expect("is trained");
    let evaluation = lab.settings().evaluation;
    assert!(evaluation.batch_size < 128, "{evaluation:?}");
    assert_eq!(evaluation.batch_size * evaluation.recalibration_batches, 4 * 128);
    let noted = |report: &Report| matches!(report, Report::Note(text) if text.contains("at once"));
    assert!(told.iter().any(noted), "{told:?}");
    drop(lab);
    let again = Lab::open(&runs.path().join("test"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(again.settings().evaluation, evaluation, "the run keeps it");
    let tight = tempfile::tempdir().expect("a folder");
    let text = trained(&mut lab_with(small(), tight.path(), settings(1_000)));
    let text = text.expect_err("has no room").to_string();
    assert!(text.contains("--memory"), "{text}");
}

#[test]
fn how_data_is_read_is_kept_for_a_resumed_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rows.csv");
    let rows: String = (0..100).map(|i| format!("{i},{},{}\n", i % 7, i % 3)).collect();
    fs::write(&file, format!("1,2,3\n{rows}")).expect("is written");
    let data = DataSource::Csv { file, label: None };
    let read = ReadOptions {
        task: Some(TaskKind::Classes),
        header: Some(true),
        missing: Some(Missing::Drop),
        ..ReadOptions::default()
    };
    let settings = LabSettings { data, read, ..LabSettings::default() };
    let mut lab = lab_with(table_template(3, &TWO), folder.path(), settings);
    trained(&mut lab).expect("is trained");
    assert_eq!(lab.summary().map(|summary| summary.examples.iter().sum()), Some(100));
    drop(lab);
    let mut again = Lab::open(&folder.path().join("test"), DeviceChoice::Cpu).expect("opens");
    assert_eq!(again.settings().read, read);
    trained(&mut again).expect("goes on");
}

/// Refuses or takes a data set for a template with this input, without fitting it; what is said of it.
fn told_of_shape(data: &DataSource, shape: &str, fit: bool) -> Result<Vec<String>, String> {
    let text = format!(
        "(version: 1, name: \"shape\", nodes: [
            (id: \"in\", layer: 0, ops: [Input(shape: {shape}), Flatten], position: (0, 0)),
            (id: \"head\", layer: 1, ops: [Dense(units: 10), Output], position: (4, 0)),
        ], links: [(\"in\", \"head\")])"
    );
    let template = template::parse("shape", &text).expect("is right");
    let settings = LabSettings { data: data.clone(), fit, ..LabSettings::default() };
    let runs = tempfile::tempdir().expect("a folder");
    let mut lab = lab_with(template, runs.path(), settings);
    let mut told = Vec::new();
    let data = lab.load_data(&mut |report| {
        if let Report::Note(text) = report {
            told.push(text);
        }
    });
    let (data, _) = data.map_err(|error| error.to_string())?;
    assert_eq!(data.shape(), lab.graph().image_shape());
    Ok(told)
}

/// Ten classes of grey images with this side, as a folder and in IDX format.
fn images(folder: &Path, side: u32) -> [DataSource; 2] {
    let (idx, classes) = (folder.join("idx"), folder.join("classes"));
    fs::create_dir(&idx).expect("a folder");
    let grey = |image: u32, pixel: u32| ((image * 23 + pixel) % 251) as u8;
    for part in ["train", "t10k"] {
        let mut images = vec![0, 0, 8, 3];
        images.extend([120, side, side].into_iter().flat_map(u32::to_be_bytes));
        images.extend((0..120 * side * side).map(|at| grey(at / (side * side), at)));
        let mut labels = vec![0, 0, 8, 1];
        labels.extend(120_u32.to_be_bytes());
        labels.extend((0..120).map(|image| (image % 10) as u8));
        let write = |name: &str, bytes| fs::write(idx.join(name), bytes);
        write(&format!("{part}-images-idx3-ubyte"), images).expect("is written");
        write(&format!("{part}-labels-idx1-ubyte"), labels).expect("is written");
    }
    for image in 0..120 {
        let class = classes.join(format!("c{}", image % 10));
        fs::create_dir_all(&class).expect("a folder");
        let picture =
            image::GrayImage::from_fn(side, side, |x, y| image::Luma([grey(image, x + side * y)]));
        picture.save(class.join(format!("{image}.png"))).expect("is written");
    }
    [DataSource::Idx(idx), DataSource::Images(classes)]
}

#[test]
fn a_template_for_rows_of_pixels_is_told_the_shape_of_the_images() {
    let folder = tempfile::tempdir().expect("a folder");
    let [idx, classes] = images(folder.path(), 16);
    for (data, side) in [(DataSource::Digits, 8), (idx, 16), (classes, 16)] {
        let pixels = side * side;
        for shape in [
            format!("({pixels}, 1, 1)"),
            format!("(1, {pixels}, 1)"),
            format!("(1, 1, {pixels})"),
            format!("({side}, 1, {side})"),
            format!("({side}, {side}, 1)"),
        ] {
            let text = told_of_shape(&data, &shape, false).expect_err("is no image");
            let wanted =
                format!("set the shape of `in` to (1, {side}, {side}), or let --fit do it");
            assert!(text.contains(&wanted), "{data} {shape}: {text}");
            assert!(text.contains(&format!("has images of 1×{side}×{side}")), "{text}");
            assert!(text.contains("channels, height, width"), "{text}");
            let told = told_of_shape(&data, &shape, true).expect("is fitted").join("\n");
            assert!(told.contains(&format!("shape of `in` (1, {side}, {side}) instead")), "{told}");
        }
    }
}

#[test]
fn images_that_are_brought_to_another_shape_are_told_whatever_they_come_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let [idx, classes] = images(folder.path(), 16);
    for (data, side) in [(DataSource::Digits, 8), (idx, 16), (classes, 16)] {
        let told = |shape: &str| told_of_shape(&data, shape, false).expect("is taken").join("\n");
        let native = told(&format!("(1, {side}, {side})"));
        assert!(!native.contains("brought") && !native.contains("channels"), "{native}");
        let brought = format!("images of {side}×{side} pixels are brought to");
        let larger = told("(1, 28, 28)");
        assert!(larger.contains(&format!("{brought} 28×28")), "{larger}");
        assert!(!larger.contains("proportions"), "{larger}");
        for (shape, size) in [("(1, 10, 20)", "20×10"), ("(1, 1, 100)", "100×1")] {
            let stretched = told(shape);
            let wanted = format!("{brought} {size}; their proportions are not kept");
            assert_eq!(stretched.matches(&wanted).count(), 1, "{data} {shape}: {stretched}");
        }
        let coloured = told(&format!("(3, {side}, {side})"));
        assert!(coloured.contains("the grey images get 3 equal channels"), "{coloured}");
    }
}

#[test]
fn large_images_do_not_become_one_pixel_where_a_template_of_rows_is_fitted() {
    let folder = tempfile::tempdir().expect("a folder");
    let [idx, classes] = images(folder.path(), 72);
    for data in [idx, classes] {
        for shape in ["(784, 1, 1)", "(1, 784, 1)", "(28, 28, 3)"] {
            let told = told_of_shape(&data, shape, true).expect("is fitted").join("\n");
            assert!(told.contains("shape of `in` (1, 28, 28) instead"), "{data} {shape}: {told}");
        }
        let text = told_of_shape(&data, "(784, 1, 1)", false).expect_err("is no image");
        assert!(text.contains("set the shape of `in` to (1, 28, 28)"), "{text}");
    }
}
