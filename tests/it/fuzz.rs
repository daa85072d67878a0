//! Mutated bytes for every reader: no panic, no allocation that the file does not justify, and each refusal one
//! sentence that names the file.
//!
//! A run of the tests tries each reader some hundred times with the same mutations. With
//! `NAS_NAVIGATOR_FUZZ_SECONDS=600` each reader gets so long; what it finds is printed with the file, which is
//! kept.

use nas_navigator::engine::{
    data::{DataSource, Dataset, Missing, ReadOptions, TaskKind},
    device::DeviceChoice,
    lab::{Control, Lab, LabSettings},
    run::read_journal,
    supernet::Supernet,
    table::Table,
    template::{self, presets},
    training::{TrainSettings, Trainer},
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

/// A generator that needs no crate (`SplitMix64`; G. L. Steele, D. Lea and C. H. Flood, OOPSLA 2014).
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count.max(1) as u64) as usize
    }
}

/// Pieces of text that readers trip over.
const PIECES: [&[u8]; 24] = [
    b"18446744073709551615",
    b"-1",
    b"1e999",
    b"NaN",
    b"0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\"",
    b",",
    b";",
    b"\t",
    b"\n",
    b"\r",
    b"(((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((",
    b"[",
    b"}",
    b"/*",
    b"#",
    b"sep=;\n",
    "\u{2212}\u{202f}\u{feff}".as_bytes(),
    b"\x1f\x8b",
    b"None",
];

/// The bytes with one to four changes.
fn mutate(bytes: &[u8], draws: &mut Draws) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=draws.below(4) {
        let at = draws.below(bytes.len() + 1);
        let end = (at + 1 + draws.below(40)).min(bytes.len());
        match draws.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << draws.below(8),
            1 if at < bytes.len() => bytes[at] = draws.next() as u8,
            2 => bytes.truncate(at),
            3 if at < end => drop(bytes.drain(at..end)),
            4 if at < end => {
                let again = bytes[at..end].to_vec();
                let place = draws.below(bytes.len());
                bytes.splice(place..place, again);
            }
            5 if at < end => {
                let piece = PIECES[draws.below(PIECES.len())];
                bytes.splice(at..end, piece.iter().copied());
            }
            6 => {
                // Numbers are where sizes are.
                let digits: Vec<_> =
                    (0..bytes.len()).filter(|&place| bytes[place].is_ascii_digit()).collect();
                if let Some(&place) = digits.get(draws.below(digits.len())) {
                    let piece = PIECES[draws.below(5)];
                    bytes.splice(place..=place, piece.iter().copied());
                }
            }
            _ => {
                let piece = PIECES[draws.below(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
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
    let (clock, mut draws) = (Instant::now(), Draws(name.bytes().map(u64::from).sum()));
    let (mut tried, mut refused, mut found) = (0_usize, 0_usize, Vec::new());
    let goes_on = |tried: usize| match seconds {
        Some(seconds) => clock.elapsed() < seconds,
        None => tried < tries,
    };
    while goes_on(tried) && found.len() < 10 {
        tried += 1;
        let bytes = mutate(&valid, &mut draws);
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
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(rows(60, ",").as_bytes()).expect("packs");
    let file = put(folder.path().join("rows.csv.gz"), packed.finish().expect("packs"));
    let source = DataSource::Csv { file: file.clone(), label: None };
    fuzz("packed-table", &file, (300, 1), &|| load(&source, &ReadOptions::default()));
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
    let inside = folder.path().file_name().expect("a name").to_string_lossy().into_owned();
    for (name, bytes) in &parts {
        let file = folder.path().join(name);
        let read = || {
            let named =
                |text: String| if text.contains(&inside) { format!("{text} {name}") } else { text };
            load(&source, &ReadOptions::default()).map_err(named)
        };
        fuzz(name, &file, (150, 4), &read);
        put(file, bytes);
    }
}

#[test]
fn cifar_files() {
    let folder = folder();
    let record = |class: u8| [&[class][..], &[class; 3072]].concat();
    let bytes: Vec<u8> = (0..20).flat_map(|i| record(i % 10)).collect();
    let names: Vec<_> = (1..=5).map(|i| format!("data_batch_{i}.bin")).collect();
    for name in names.iter().map(String::as_str).chain(["test_batch.bin"]) {
        put(folder.path().join(name), &bytes);
    }
    let meta = put(folder.path().join("batches.meta.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n");
    let source = DataSource::Cifar10(folder.path().to_owned());
    let inside = folder.path().file_name().expect("a name").to_string_lossy().into_owned();
    for file in [folder.path().join("data_batch_3.bin"), meta] {
        let valid = fs::read(&file).expect("is there");
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let read = || {
            let named =
                |text: String| if text.contains(&inside) { format!("{text} {name}") } else { text };
            load(&source, &ReadOptions::default()).map_err(named)
        };
        fuzz(&name, &file, (100, 2), &read);
        put(file, valid);
    }
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
        let graph = preset.graph().expect("is right");
        let file = folder.path().join(format!("{}.ron", preset.name));
        template::save(&file, graph.template()).expect("is written");
        fuzz(preset.name, &file, (150, 4), &|| {
            template::load(&file).map(drop).map_err(|error| error.to_string())
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
    let graph = small.graph().expect("is right");
    let settings = LabSettings {
        data: DataSource::Digits,
        device: DeviceChoice::Cpu,
        fit: true,
        pool: 12,
        ..LabSettings::default()
    };
    let mut lab = Lab::new(Arc::new(graph), settings, runs.to_owned(), Some("run".to_owned()));
    let control = Control::default();
    lab.train(1, &control, &mut |_| {}).expect("is trained");
    lab.search(1, 4, Default::default(), &control, &mut |_| {}).expect("is searched");
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
fn weights() {
    let runs = folder();
    let run = run(runs.path());
    let graph = Arc::new(template::load(&run.join("template/0001.ron")).expect("is right"));
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
