//! The window from outside: what it draws without a display, and what a real pointer and real keys do to
//! it on a display that is only memory.

pub(crate) mod picture;

use super::xvfb::Xvfb;
use nas_navigator::engine::{run::read_journal, study::Event, template};
use picture::{Picture, is_amber};
use serde_json::Value;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_nas-navigator");
/// The size of window and pictures: the smallest that has to work.
const SIZE: (u32, u32) = (1280, 720);
/// Enough for a software renderer on a busy machine; a hang is noticed all the same.
const PATIENCE: Duration = Duration::from_secs(240);

/// Windows are drawn by the processor here: one at a time, or each is slow.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The program with its window command, on no display, in a folder of its own.
fn program(folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .arg("app")
        .args(["--size", &format!("{}x{}", SIZE.0, SIZE.1), "--device", "cpu"])
        .arg("--runs")
        .arg(folder.join("runs"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(folder.join("stderr.txt")).expect("a file"));
    command
}

fn stderr(folder: &Path) -> String {
    fs::read_to_string(folder.join("stderr.txt")).expect("is there")
}

/// Waits for the end of the program; a hang is killed and fails the test.
fn wait(mut child: Child, folder: &Path) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("can be waited for") {
            return status;
        }
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("no end after {} s: {}", PATIENCE.as_secs(), stderr(folder));
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Runs the program to its end, which has to be an error, and gives what it says.
fn failure(command: &mut Command, folder: &Path) -> String {
    let status = wait(command.spawn().expect("starts"), folder);
    let text = stderr(folder);
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// The events of the only run in `folder`.
fn journal(folder: &Path) -> Vec<Event> {
    let runs: Vec<_> = fs::read_dir(folder.join("runs"))
        .expect("runs are kept")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    let [run] = runs.as_slice() else { panic!("one run, not {runs:?}") };
    let (entries, _) = read_journal(&run.join("journal.jsonl")).expect("the journal is right");
    entries.into_iter().map(|entry| entry.event).collect()
}

fn assert_trained_and_searched(folder: &Path) {
    let events = journal(folder);
    assert!(events.iter().any(|event| matches!(event, Event::Epoch(_))), "{events:?}");
    assert!(events.iter().any(|event| matches!(event, Event::Iteration { .. })), "{events:?}");
    assert!(events.iter().any(|event| matches!(event, Event::Evaluated { .. })), "{events:?}");
}

#[test]
fn the_quick_tour_runs_without_a_display_and_its_pictures_show_bricks() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let shots = folder.path().join("shots");
    let tour = ["--tour", "scenes/tours/quick.ron", "--exit", "--shots"];
    let child = program(folder.path()).args(tour).arg(&shots).spawn().expect("starts");
    let status = wait(child, folder.path());
    assert!(status.success(), "{}", stderr(folder.path()));

    for name in ["01-template.png", "02-best.png"] {
        let picture = Picture::open(&shots.join(name));
        assert_eq!((picture.width, picture.height), (SIZE.0 as usize, SIZE.1 as usize));
        assert!(picture.colors() > 300, "{name} has only {} colours", picture.colors());
        let amber = picture
            .rows(picture.height / 2..picture.height)
            .filter(|pixel| is_amber(*pixel))
            .count();
        assert!(amber > 500, "{name} has {amber} amber pixels in its lower half");
    }
    assert_trained_and_searched(folder.path());
}

#[test]
fn a_tour_that_cannot_go_on_ends_with_code_1_and_names_its_step() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a folder");
    let tour = folder.path().join("wrong.ron");
    fs::write(&tour, r#"(version: 1, steps: [Load("3-conv-3-layer"), HoverBrick("nowhere")])"#)
        .expect("is written");
    let text =
        failure(program(folder.path()).arg("--tour").arg(&tour).arg("--exit"), folder.path());
    assert!(text.contains("wrong.ron: step 2") && text.contains("no brick nowhere"), "{text}");
}

#[test]
fn a_tour_file_with_a_mistake_is_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let tour = folder.path().join("wrong.ron");
    fs::write(&tour, "(\n    version: 1,\n    steps: [\n        Lode(\"vgg11\"),\n    ],\n)\n")
        .expect("is written");
    let text =
        failure(program(folder.path()).arg("--tour").arg(&tour).arg("--exit"), folder.path());
    assert!(text.contains("wrong.ron:4:") && text.contains("Lode"), "{text}");
}

#[test]
fn without_display_and_tour_the_window_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = failure(&mut program(folder.path()), folder.path());
    assert!(text.contains("no display") && text.contains("--tour"), "{text}");
}

#[test]
fn without_a_graphics_driver_the_window_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = program(folder.path());
    command
        .args(["--tour", "scenes/tours/quick.ron", "--exit"])
        .env("WGPU_BACKEND", "vulkan")
        .env("VK_DRIVER_FILES", "/no/driver.json")
        .env("VK_ICD_FILENAMES", "/no/driver.json");
    let text = failure(&mut command, folder.path());
    assert!(text.contains("no graphics driver"), "{text}");
}

/// The program in a window on a screen of its own.
struct Session {
    screen: Xvfb,
    child: Child,
    folder: TempDir,
    state: PathBuf,
}

impl Session {
    /// Opens the window with a copy of a scene and waits until it is drawn.
    fn open(scene: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join("scene.ron");
        fs::copy(Path::new("scenes").join(scene), &copy).expect("is copied");
        let state = folder.path().join("state.json");
        let screen = Xvfb::start(SIZE.0, SIZE.1);
        let child = program(folder.path())
            .arg("--template")
            .arg(&copy)
            .args(["--data", "digits", "--reduced-motion"])
            .arg("--dump-state")
            .arg(&state)
            .env("DISPLAY", screen.display())
            .spawn()
            .expect("starts");
        let mut session = Self { screen, child, folder, state };
        session.wait_for("the first picture", |state| state["settled"] == true);
        session.screen.focus("NAS-Navigator");
        session
    }

    fn scene(&self) -> PathBuf {
        self.folder.path().join("scene.ron")
    }

    /// What the program says about its screen; `Null` before it says anything.
    fn state(&self) -> Value {
        let text = fs::read_to_string(&self.state).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Waits until the program's state is as it should be, and gives it.
    fn wait_for(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let state = self.state();
            if is_so(&state) {
                return state;
            }
            let ended = self.child.try_wait().expect("can be asked");
            if ended.is_some() || begun.elapsed() > PATIENCE {
                panic!(
                    "waited for {what} ({ended:?}); the state is {state:#}; the program says: {}",
                    stderr(self.folder.path())
                );
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Clicks what is labelled with this text in a panel: the lowest such place.
    fn click_label(&self, text: &str) {
        let state = self.state();
        let places = items(&state, "labels").filter(|label| label["text"] == text);
        let lowest = places.map(place).max_by(|a, b| a[1].total_cmp(&b[1]));
        self.screen.click(lowest.unwrap_or_else(|| panic!("no `{text}` in {state:#}")));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn items<'a>(state: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    state[list].as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn place(item: &Value) -> [f64; 2] {
    [&item["x"], &item["y"]].map(|value| value.as_f64().expect("a number"))
}

fn brick(state: &Value, id: &str) -> [f64; 2] {
    place(items(state, "bricks").find(|brick| brick["id"] == id).expect("the brick is there"))
}

#[test]
fn a_brick_that_is_dragged_stands_there_in_the_saved_scene() {
    let _alone = alone();
    let mut session = Session::open("3-conv-3-layer.ron");
    let position = |session: &Session| {
        let checked = template::load(&session.scene()).expect("the scene is right");
        checked.template().position(&"dense".into())
    };
    let before = position(&session);

    let state = session.state();
    let [from, beside] = [brick(&state, "dense"), brick(&state, "gap")];
    // Some studs to the left, towards its neighbour's column.
    session.screen.drag(from, [from[0] + 0.7 * (beside[0] - from[0]), from[1]]);
    let state = session.wait_for("an unsaved edit", |state| state["template"]["dirty"] == true);
    let moved = items(&state, "bricks").find(|brick| brick["id"] == "dense").expect("is there");
    assert_eq!(position(&session), before, "nothing is on disk before it is saved");

    session.screen.press_key("ctrl+s");
    session.wait_for("the saved scene", |state| state["template"]["dirty"] == false);
    let after = position(&session);
    assert_eq!(Value::from(after.to_vec()), moved["position"]);
    assert!(after[0] < before[0] - 1.0, "from {before:?} to {after:?}");
    assert!(after.iter().all(|stud| stud.fract() == 0.0), "{after:?} are whole studs");
}

#[test]
fn train_and_search_are_clicked_and_a_point_lights_its_bricks() {
    let _alone = alone();
    let mut session = Session::open("3-conv-3-layer.ron");

    session.click_label("Train");
    session.wait_for("the training", |state| state["job"]["running"] == "train");
    session.wait_for("its end", |state| state["job"]["running"].is_null());
    session.click_label("Search");
    session.wait_for("the search", |state| state["job"]["running"] == "search");
    let state = session
        .wait_for("its end", |state| state["job"]["running"].is_null() && state["settled"] == true);
    assert_trained_and_searched(session.folder.path());

    let before = session.screen.picture();
    let evaluated: Vec<_> =
        items(&state, "points").filter(|point| !point["accuracy"].is_null()).map(place).collect();
    assert!(evaluated.len() >= 10, "only {} points are evaluated", evaluated.len());
    session.screen.point_at(evaluated[0]);
    session.wait_for("a hovered candidate", |state| {
        !state["focus"]["hovered_candidate"].is_null() && state["settled"] == true
    });
    // The bricks of the candidate stay bright, the others step back: one alternative of a layer is kept.
    // What the program knows is on the screen a moment later.
    let begun = Instant::now();
    loop {
        let after = session.screen.picture();
        let layer = ["c1-1x1", "c1-3x3", "c1-5x5"].map(|id| {
            let place = brick(&state, id);
            after.brightness(place, 8) / before.brightness(place, 8)
        });
        if layer.iter().filter(|change| **change < 0.85).count() == 2 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the changes of brightness are {layer:?}");
        thread::sleep(Duration::from_millis(200));
    }
}
