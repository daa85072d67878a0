//! Mutated bytes for every reader: no panic, no allocation that the file does not justify, and each refusal one
//! sentence that names the file.
//!
//! A run of the tests tries each reader some hundred times with the same mutations. With
//! `NAS_NAVIGATOR_FUZZ_SECONDS=600` each reader gets so long; what it finds is printed with the file, which is
//! kept.

#[path = "../../src/engine/damage.rs"]
mod damage;
#[path = "../../src/engine/delimited/made.rs"]
mod made;

use damage::Damage;
use made::{gzip, workbook, workbook_hiding};
use nas_navigator::engine::{
    candidate::CandidateId,
    data::{DataSource, Dataset, Missing, ReadOptions, TaskKind},
    device::DeviceChoice,
    lab::{Control, Lab, LabSettings, Plan},
    run::{Run, SHARE_VERSION, SharePlan, read_journal},
    study::Event,
    supernet::Supernet,
    table::Table,
    template::{self, Fragment, presets, stamps},
    training::{TrainSettings, Trainer},
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fs,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Remembers the largest piece of memory that each thread has asked for.
struct Watching;

#[global_allocator]
static WATCHING: Watching = Watching;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn watch(bytes: usize) {
    // A thread that ends has no cell any more.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(bytes)));
}

#[allow(unsafe_code, reason = "an allocator cannot be written without; all of it is passed on")]
// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        watch(layout.size());
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        watch(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        watch(size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The most that a reader may ask for at once, whatever a small file says.
const BUDGET: usize = 64 << 20;

/// Makes mutations, for each reader always the same.
struct Mutator(TestRunner);

impl Mutator {
    fn new(name: &str) -> Self {
        let mut seed = [0; 32];
        for (place, byte) in name.bytes().enumerate() {
            seed[place % 32] ^= byte;
        }
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        Self(TestRunner::new_with_rng(Config::default(), rng))
    }

    /// The bytes with one to four changes.
    fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let damages = proptest::collection::vec(Damage::any(), 1..=4).new_tree(&mut self.0);
        let damages = damages.expect("nothing is rejected").current();
        damages.iter().fold(bytes.to_vec(), |bytes, damage| damage.to(&bytes))
    }
}

/// Gives `read` the file at `path` with many mutations of its bytes; `read` gives the message of a refusal. The reader's
/// time is for as many `files`.
fn fuzz(
    name: &str,
    path: &Path,
    (tries, files): (usize, u32),
    read: &dyn Fn() -> Result<(), String>,
) {
    let seconds = std::env::var("NAS_NAVIGATOR_FUZZ_SECONDS").ok();
    let seconds = seconds.map(|text| Duration::from_secs(text.parse().expect("seconds")) / files);
    let valid = fs::read(path).expect("a valid file");
    read().unwrap_or_else(|error| panic!("{name}: the valid file is refused: {error}"));
    let file = path.file_name().expect("a file").to_string_lossy().into_owned();
    let (clock, mut mutator) = (Instant::now(), Mutator::new(name));
    let (mut tried, mut refused, mut found) = (0_usize, 0_usize, Vec::new());
    let goes_on = |tried: usize| match seconds {
        Some(seconds) => clock.elapsed() < seconds,
        None => tried < tries,
    };
    while goes_on(tried) && found.len() < 10 {
        tried += 1;
        let bytes = mutator.mutate(&valid);
        fs::write(path, &bytes).expect("is written");
        LARGEST.with(|largest| largest.set(0));
        let answer = catch_unwind(AssertUnwindSafe(read));
        let largest = LARGEST.with(Cell::get);
        let wrong = match answer {
            Err(_) => Some("it panics".to_owned()),
            Ok(_) if largest > BUDGET => Some(format!("it asks for {largest} bytes at once")),
            Ok(Err(text)) if !text.contains(&file) => {
                Some(format!("the file is not named: {text}"))
            }
            Ok(Err(text)) if text.len() > 4_000 => Some(format!("a long message: {text}")),
            Ok(answer) => {
                refused += usize::from(answer.is_err());
                None
            }
        };
        if let Some(wrong) = wrong {
            let kept = std::env::temp_dir().join(format!("nas-navigator-fuzz-{name}-{tried}"));
            fs::write(&kept, &bytes).expect("is written");
            found.push(format!(
                "{name}, try {tried}: {wrong} (the file is kept: {})",
                kept.display()
            ));
        }
    }
    if seconds.is_some() {
        let mut told = std::io::stderr();
        let _ = writeln!(told, "{name}: {tried} files, {refused} refused, {} found", found.len());
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    // Else the reader takes anything, or nothing was changed.
    assert!(refused > 0, "{name}: of {tried} files none is refused");
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn put(path: PathBuf, bytes: impl AsRef<[u8]>) -> PathBuf {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(&path, bytes).expect("is written");
    path
}

fn rows(count: usize, separator: &str) -> String {
    let rows = (0..count).map(|row| {
        let (a, b, kind) = (row % 17, row * 7 % 23, ["oak", "elm", "ash"][row % 3]);
        [format!("{a}.25"), b.to_string(), kind.to_owned()].join(separator) + "\r\n"
    });
    [&["height", "age", "kind"].join(separator), "\r\n"].concat() + &rows.collect::<String>()
}

fn load(source: &DataSource, options: &ReadOptions) -> Result<(), String> {
    let size = nas_navigator::engine::data::ImageSize::Commonest;
    Dataset::load_with(source, options, size).map(drop).map_err(|error| error.to_string())
}

#[test]
fn tables() {
    let folder = folder();
    let choices = [
        ReadOptions::default(),
        ReadOptions { header: Some(false), task: Some(TaskKind::Classes), ..Default::default() },
        ReadOptions { missing: Some(Missing::Mean), ..Default::default() },
        ReadOptions { missing: Some(Missing::Drop), header: Some(true), ..Default::default() },
    ];
    for (number, separator) in [",", ";", "\t"].into_iter().enumerate() {
        let name = format!("rows{number}.csv");
        let file = put(folder.path().join(&name), rows(60, separator));
        let source = DataSource::Csv { file: file.clone(), label: Some("kind".to_owned()) };
        let first = || load(&source, &choices[0]);
        fuzz(&name, &file, (200, 6), &first);
        fs::write(&file, rows(60, separator)).expect("is written");
        // Choices may be wrong for it even where nothing is changed.
        let all = || {
            let read = first();
            choices.iter().for_each(|options| drop(load(&source, options)));
            read
        };
        fuzz(&format!("options-{name}"), &file, (100, 6), &all);
    }
}

#[test]
fn packed_tables() {
    let folder = folder();
    let file = put(folder.path().join("rows.csv.gz"), gzip(rows(60, ",").as_bytes()));
    let source = DataSource::Csv { file: file.clone(), label: None };
    fuzz("packed-table", &file, (300, 1), &|| load(&source, &ReadOptions::default()));
}

#[test]
fn workbooks() {
    let folder = folder();
    let text = rows(60, ",");
    let lines: Vec<Vec<String>> = text
        .lines()
        .map(|line| {
            let is_number = |cell: &str| cell.parse::<f64>().is_ok();
            let cell = |cell: &str| {
                if is_number(cell) { format!("<v>{cell}</v>") } else { cell.to_owned() }
            };
            line.split(',').map(cell).collect()
        })
        .collect();
    let lines: Vec<Vec<&str>> =
        lines.iter().map(|line| line.iter().map(String::as_str).collect()).collect();
    let lines: Vec<&[&str]> = lines.iter().map(Vec::as_slice).collect();
    for (name, bytes) in [
        ("single", workbook(&[("Trees", &lines)])),
        ("hiding", workbook_hiding(&[("About", &[&["trees"]]), ("Trees", &lines)], &["About"])),
    ] {
        let file = put(folder.path().join(format!("{name}.xlsx")), bytes);
        let source = DataSource::Csv { file: file.clone(), label: Some("kind".to_owned()) };
        fuzz(name, &file, (150, 2), &|| load(&source, &ReadOptions::default()));
    }
}

fn idx(kind: u8, sizes: &[u32], content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, kind];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(content);
    bytes
}

#[test]
fn idx_files() {
    let folder = folder();
    let (images, labels) = ([7_u8; 40 * 16], (0..40).map(|i| i % 4).collect::<Vec<u8>>());
    let parts = [
        ("train-images-idx3-ubyte", idx(3, &[40, 4, 4], &images)),
        ("train-labels-idx1-ubyte", idx(1, &[40], &labels)),
        ("t10k-images-idx3-ubyte", idx(3, &[40, 4, 4], &images)),
        ("t10k-labels-idx1-ubyte", idx(1, &[40], &labels)),
    ];
    let source = DataSource::Idx(folder.path().to_owned());
    for (name, bytes) in &parts {
        put(folder.path().join(name), bytes);
    }
    let names = parts.each_ref().map(|(name, _)| *name);
    fuzz_parts(&source, folder.path(), &names, 150);
}

/// `count` records of CIFAR whose label bytes count up to these numbers.
fn records(count: u8, labels: &[u8]) -> Vec<u8> {
    let record = |number: u8| {
        let labels = labels.iter().map(move |classes| number % classes);
        labels.chain(std::iter::repeat_n(number, 3072))
    };
    (0..count).flat_map(record).collect()
}

/// Fuzzes files of the data set in `folder`.
fn fuzz_parts(source: &DataSource, folder: &Path, names: &[&str], tries: usize) {
    let inside = folder.file_name().expect("a name").to_string_lossy().into_owned();
    for &name in names {
        let file = folder.join(name);
        let valid = fs::read(&file).expect("is there");
        // A message may speak of the folder where its files contradict one another.
        let named =
            |text: String| if text.contains(&inside) { format!("{text} {name}") } else { text };
        let read = || load(source, &ReadOptions::default()).map_err(named);
        fuzz(name, &file, (tries, names.len() as u32), &read);
        put(file, valid);
    }
}

#[test]
fn cifar_10_files() {
    let folder = folder();
    let names: Vec<_> = (1..=5).map(|i| format!("data_batch_{i}.bin")).collect();
    for name in names.iter().map(String::as_str).chain(["test_batch.bin"]) {
        put(folder.path().join(name), records(20, &[10]));
    }
    put(folder.path().join("batches.meta.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n");
    let source = DataSource::Cifar10(folder.path().to_owned());
    fuzz_parts(&source, folder.path(), &["data_batch_3.bin", "batches.meta.txt"], 100);
}

#[test]
fn cifar_100_files() {
    let folder = folder();
    put(folder.path().join("train.bin"), records(200, &[20, 100]));
    put(folder.path().join("test.bin"), records(100, &[20, 100]));
    let classes: String = (0..100).map(|class| format!("thing {class}\n")).collect();
    put(folder.path().join("fine_label_names.txt"), classes);
    let source = DataSource::Cifar100(folder.path().to_owned());
    fuzz_parts(&source, folder.path(), &["train.bin", "test.bin", "fine_label_names.txt"], 60);
}

#[test]
fn folders_of_images() {
    use image::{ImageFormat, Rgb, RgbImage};
    let folder = folder();
    for (class, shade) in [("cat", 40), ("dog", 200)] {
        for number in 0..8 {
            let path = folder.path().join(format!("train/{class}/{number}.png"));
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            RgbImage::from_pixel(6, 5, Rgb([shade, number, 9])).save(path).expect("is written");
        }
    }
    let source = DataSource::Images(folder.path().to_owned());
    let photo = RgbImage::from_fn(24, 16, |x, y| Rgb([x as u8 * 9, y as u8 * 15, 77]));
    for (format, ending) in [
        (ImageFormat::Png, "png"),
        (ImageFormat::Jpeg, "jpg"),
        (ImageFormat::Bmp, "bmp"),
        (ImageFormat::Gif, "gif"),
        (ImageFormat::Tiff, "tif"),
        (ImageFormat::WebP, "webp"),
    ] {
        let file = folder.path().join(format!("train/cat/photo.{ending}"));
        photo.save_with_format(&file, format).expect("is written");
        let name = format!("image.{ending}");
        fuzz(&name, &file, (60, 6), &|| load(&source, &ReadOptions::default()));
        fs::remove_file(file).expect("is there");
    }
}

#[test]
fn search_tables() {
    let folder = folder();
    let mut text = "architecture,search,report\n".to_owned();
    for a in 0..3 {
        for b in 0..4 {
            text += &format!("k{a}/{b},{}.5,{}\n", 90 + a, 80 + b);
        }
    }
    let file = put(folder.path().join("search.csv"), text);
    fuzz("search-table", &file, (400, 1), &|| {
        Table::load(&file).map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn templates() {
    let folder = folder();
    for preset in presets() {
        let template = preset.template().expect("is right");
        let file = folder.path().join(format!("{}.ron", preset.name));
        template::save(&file, &template).expect("is written");
        fuzz(preset.name, &file, (150, 4), &|| {
            template::load(&file).map(drop).map_err(|error| error.to_string())
        });
    }
}

#[test]
fn fragments() {
    let folder = folder();
    for stamp in stamps() {
        let file = folder.path().join(format!("{}.ron", stamp.name));
        stamp.fragment().expect("is right").save(&file).expect("is written");
        fuzz(stamp.name, &file, (150, 4), &|| {
            Fragment::load(&file).map(drop).map_err(|error| error.to_string())
        });
    }
}

#[cfg(feature = "gui")]
#[test]
fn tours() {
    let folder = folder();
    let file =
        put(folder.path().join("demo.ron"), fs::read("scenes/tours/demo.ron").expect("is there"));
    fuzz("tour", &file, (300, 1), &|| {
        nas_navigator::app::tour::load(&file).map(drop).map_err(|error| error.to_string())
    });
}

/// A run of the smallest template with an epoch and an iteration.
fn run(runs: &Path) -> PathBuf {
    let [small, ..] = presets();
    let template = small.checked().expect("is right");
    let settings = LabSettings {
        data: DataSource::Digits,
        device: DeviceChoice::Cpu,
        fit: true,
        pool: 12,
        ..LabSettings::default()
    };
    let mut lab = Lab::new(template, settings, runs.to_owned(), Some("run".to_owned()));
    let control = Control::default();
    lab.work(Plan::Train { epochs: 1 }, &control, &mut |_| {}).expect("is trained");
    lab.work(
        Plan::Search { iterations: 1, candidates: 4, budget: Default::default() },
        &control,
        &mut |_| {},
    )
    .expect("is searched");
    runs.join("run")
}

#[test]
fn run_folders() {
    let runs = folder();
    let run = run(runs.path());
    let inside = |text: String, name: &str| {
        // A message may speak of the run where its files contradict one another.
        if text.contains("run") { format!("{text} {name}") } else { text }
    };
    for name in ["journal.jsonl", "state.ron", "run.ron", "data.ron", "template/0001.ron"] {
        let file = run.join(name);
        let valid = fs::read(&file).expect("is there");
        let short = file.file_name().expect("a name").to_string_lossy().into_owned();
        let open = || {
            let opened = Lab::open(&run, DeviceChoice::Cpu).map(drop);
            opened.map_err(|error| inside(error.to_string(), &short))
        };
        fuzz(&short, &file, (80, 5), &open);
        fs::write(&file, valid).expect("is written");
    }
    let journal = run.join("journal.jsonl");
    fuzz("journal-alone", &journal, (300, 1), &|| {
        read_journal(&journal).map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn shares() {
    let runs = folder();
    let run = run(runs.path());
    let opened = Run::open(&run).expect("is a run");
    let origin = opened.origin();
    let plan = SharePlan {
        version: SHARE_VERSION,
        share: "2/3".parse().expect("is a share"),
        run: origin,
        training: TrainSettings::default(),
        evaluation: opened.config().evaluation,
        epochs: 2,
        chosen: (0..8).map(CandidateId).collect(),
    };
    let path = opened.share_path(plan.share);
    let mut writer = opened.take_share(plan).expect("is free");
    for id in [1, 4, 7].map(CandidateId) {
        let (accuracy, balanced_accuracy) = (0.5, Some(0.25));
        let event = Event::Retrained {
            id,
            epochs: 2,
            accuracy,
            balanced_accuracy,
            loss: 1.5,
            seconds: 9.0,
        };
        writer.record("0123456789abcdef".to_owned(), event).expect("is written");
    }
    fuzz("shares", &path, (300, 1), &|| {
        opened.read_share(&path).map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn weights() {
    let runs = folder();
    let run = run(runs.path());
    let template = template::load(&run.join("template/0001.ron")).expect("is right");
    let graph = Arc::clone(template.graph());
    let device = nas_navigator::engine::device::open(&DeviceChoice::Cpu).expect("is there");
    let data = Dataset::load(&DataSource::Digits).expect("is embedded");
    for name in ["supernet.safetensors", "trainer.safetensors"] {
        let file = run.join("weights/epoch-1").join(name);
        let read = || {
            let bytes = fs::read(&file).expect("is there");
            let mut supernet = Supernet::new(Arc::clone(&graph), 1, &device);
            let read = if name.starts_with("supernet") {
                supernet.load_bytes(&bytes)
            } else {
                Trainer::new(&supernet, &data, TrainSettings::default())
                    .expect("fits")
                    .load_bytes(&supernet, &bytes)
            };
            // The lab names the file.
            read.map_err(|error| format!("{name}: {error}"))
        };
        fuzz(name, &file, (60, 2), &read);
    }
}
