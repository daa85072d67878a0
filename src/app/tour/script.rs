//! Tour files: a walk through the program as a list of steps in RON, checked in full before the first
//! step is taken.

use super::keys::KeyPress;
use crate::engine::{
    data::DataSource,
    files::{self, RonError},
    template::NodeId,
};
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};
use thiserror::Error;

/// The version of the tour format that this program reads.
pub const FORMAT_VERSION: u32 = 1;

/// Why a tour file could not be used.
#[derive(Debug, Error)]
pub enum TourError {
    /// The file could not be read, or is not a tour in RON.
    #[error(transparent)]
    Ron(#[from] RonError),
    /// The tour is of a version this program does not know.
    #[error(
        "{name}: the tour has version {version}, this program reads {FORMAT_VERSION}; set `version: {FORMAT_VERSION}`, or use \
         a newer program"
    )]
    Version {
        /// The file, or what the text is otherwise known as.
        name: String,
        /// The version it gives.
        version: u32,
    },
    /// Two screenshots would overwrite one another.
    #[error("{name}: two screenshots are called `{shot}`; give each its own name")]
    SameShot {
        /// The file, or what the text is otherwise known as.
        name: String,
        /// The name that occurs twice.
        shot: String,
    },
}

/// A scripted walk through the program.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tour {
    /// Version of the file format, [`FORMAT_VERSION`].
    pub version: u32,
    /// One sentence on what the tour shows.
    #[serde(default)]
    pub about: String,
    /// The steps, in this order.
    pub steps: Vec<Step>,
}

/// One thing a tour does.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Step {
    /// Puts a preset (by name) or a scene file (by a path that ends in `.ron`) on the plate.
    Load(String),
    /// Chooses the data set that jobs train on.
    Data(DataSource),
    /// Presses Train, for so many epochs.
    Train {
        /// Epochs to add.
        epochs: Count,
        /// Whether the next step has to wait until the training is done.
        #[serde(default = "yes")]
        wait: bool,
    },
    /// Presses Search, for so many iterations.
    Search {
        /// Iterations to add.
        iterations: Count,
        /// Candidates per iteration; as set before where left out.
        #[serde(default)]
        candidates: Option<Count>,
        /// Whether the next step has to wait until the search is done.
        #[serde(default = "yes")]
        wait: bool,
    },
    /// Waits until no job runs.
    WaitForJob,
    /// Moves the pointer onto a brick.
    HoverBrick(NodeId),
    /// Moves the pointer onto a point of the cloud.
    HoverCandidate(Pick),
    /// Clicks a brick.
    SelectBrick(NodeId),
    /// Clicks a point of the cloud.
    SelectCandidate(Pick),
    /// Moves the pointer where nothing is.
    Unhover,
    /// Drags a brick to another place on the plate.
    DragBrick {
        /// The brick.
        id: NodeId,
        /// Where to: studs along the data flow, studs across it.
        to: (f32, f32),
    },
    /// Clicks what is labelled with this text in a panel.
    Click(String),
    /// Moves the camera.
    Camera(Place),
    /// Presses a key: `s`, `ctrl+z`, `escape`.
    Key(KeyPress),
    /// Lets time pass.
    Wait {
        /// How long.
        seconds: Seconds,
    },
    /// Takes a picture of this name, as soon as everything has come to rest.
    Screenshot(ShotName),
    /// Writes the template to a file.
    Save(PathBuf),
    /// Says something to those who watch.
    Caption(String),
}

fn yes() -> bool {
    true
}

/// Which candidate is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Pick {
    /// The one with the highest proxy accuracy.
    Best,
    /// The one with the lowest.
    Worst,
    /// The one with this number.
    Number(u32),
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best => f.write_str("the best candidate"),
            Self::Worst => f.write_str("the worst candidate"),
            Self::Number(number) => write!(f, "candidate {number}"),
        }
    }
}

/// Where the camera can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Place {
    /// The bricks.
    Plate,
    /// The points.
    Cloud,
    /// Bricks and points.
    Both,
    /// Straight from above.
    TopDown,
}

/// How many; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct Count(pub u32);

impl TryFrom<u32> for Count {
    type Error = &'static str;

    fn try_from(count: u32) -> Result<Self, Self::Error> {
        if count == 0 { Err("0 would do nothing; give at least 1") } else { Ok(Self(count)) }
    }
}

/// A span of time of at most an hour, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Seconds(pub f64);

impl TryFrom<f64> for Seconds {
    type Error = String;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        if (0.0..=3600.0).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err(format!("{seconds} seconds; give 0 to 3600"))
        }
    }
}

/// The name of a picture, which becomes that of its file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct ShotName(pub String);

impl TryFrom<String> for ShotName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if !name.is_empty() && name.len() <= 100 && name.chars().all(fits) {
            Ok(Self(name))
        } else {
            Err(format!("`{name}` is no name for a picture; use letters, digits, `-` and `_`"))
        }
    }
}

/// Reads and checks the tour at `path`.
///
/// # Errors
/// When the file cannot be read or is not a tour.
pub fn load(path: &Path) -> Result<Tour, TourError> {
    let (name, text) = files::read_text(path)?;
    parse(&name, &text)
}

/// Reads and checks a tour from its RON text; `name` stands in messages.
///
/// # Errors
/// When the text is not a tour.
pub fn parse(name: &str, text: &str) -> Result<Tour, TourError> {
    let tour: Tour = files::parse_ron(name, text)?;
    if tour.version != FORMAT_VERSION {
        return Err(TourError::Version { name: name.to_owned(), version: tour.version });
    }
    let mut seen = BTreeSet::new();
    for step in &tour.steps {
        if let Step::Screenshot(shot) = step
            && !seen.insert(shot)
        {
            return Err(TourError::SameShot { name: name.to_owned(), shot: shot.0.clone() });
        }
    }
    Ok(tour)
}

impl fmt::Display for Step {
    /// The step as a phrase, for the log and for messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u32| if count == 1 { "" } else { "s" };
        match self {
            Self::Load(name) => write!(f, "load {name}"),
            Self::Data(source) => write!(f, "use the data {source}"),
            Self::Train { epochs: Count(n), .. } => write!(f, "train for {n} epoch{}", plural(*n)),
            Self::Search { iterations: Count(n), .. } => {
                write!(f, "search for {n} iteration{}", plural(*n))
            }
            Self::WaitForJob => write!(f, "wait for the job"),
            Self::HoverBrick(id) => write!(f, "point at the brick {id}"),
            Self::HoverCandidate(pick) => write!(f, "point at {pick}"),
            Self::SelectBrick(id) => write!(f, "click the brick {id}"),
            Self::SelectCandidate(pick) => write!(f, "click {pick}"),
            Self::Unhover => write!(f, "point at nothing"),
            Self::DragBrick { id, to: (x, z) } => write!(f, "drag the brick {id} to ({x}, {z})"),
            Self::Click(label) => write!(f, "click `{label}`"),
            Self::Camera(place) => write!(f, "move the camera: {place:?}"),
            Self::Key(key) => write!(f, "press {key}"),
            Self::Wait { seconds } => write!(f, "wait {} s", seconds.0),
            Self::Screenshot(name) => write!(f, "take the picture {}", name.0),
            Self::Save(path) => write!(f, "save the template as {}", path.display()),
            Self::Caption(text) => write!(f, "caption: {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        damage::Damage,
        messages::{keep, keep_each},
    };
    use proptest::prelude::*;

    const WALK: &str = r#"(
    version: 1,
    about: "A walk.",
    steps: [
        Load("vgg11"),
        Data("digits"),
        Train(epochs: 3),
        Search(iterations: 4, candidates: Some(5), wait: false),
        WaitForJob,
        HoverBrick("c1-3x3"),
        HoverCandidate(Best),
        SelectCandidate(Number(7)),
        Unhover,
        DragBrick(id: "c1-3x3", to: (-14, 1.5)),
        Click("Train"),
        Camera(TopDown),
        Key("ctrl+s"),
        Wait(seconds: 1.5),
        Screenshot("01-template"),
        Save("/tmp/a.ron"),
        Caption("Look."),
    ],
)"#;

    fn message(text: &str) -> String {
        parse("walk.ron", text).expect_err("is wrong").to_string()
    }

    #[test]
    fn every_step_is_read() {
        let tour = parse("walk.ron", WALK).expect("is right");
        assert_eq!(tour.steps.len(), 17);
        assert_eq!(tour.steps[2], Step::Train { epochs: Count(3), wait: true });
        assert_eq!(tour.steps[9], Step::DragBrick { id: "c1-3x3".into(), to: (-14.0, 1.5) });
    }

    #[test]
    fn broken_tours_are_refused_in_these_words() {
        let broken = [
            ("Train(epochs: 3)", "Train(epoch: 3)"),
            ("Train(epochs: 3)", "Train(epochs: 0)"),
            ("Load(\"vgg11\")", "Lode(\"vgg11\")"),
            ("digits", "digit"),
            ("ctrl+s", "ctrl+"),
            ("seconds: 1.5", "seconds: -1.5"),
            ("01-template", "../x"),
            ("version: 1", "version: 9"),
            ("Unhover", "Screenshot(\"01-template\")"),
        ];
        let said = broken.map(|(right, wrong)| {
            assert!(WALK.contains(right), "{right}");
            (format!("{wrong} for {right}"), message(&WALK.replacen(right, wrong, 1)))
        });
        keep("broken-tours", said);
        let name = || "walk.ron".to_owned();
        keep_each!(
            TourError,
            Ron(RonError::Parse { name: name(), line: 3, column: 7, message: "WHAT".to_owned() }),
            Version { name: name(), version: 9 },
            SameShot { name: name(), shot: "01-template".to_owned() },
        );
    }

    #[test]
    fn the_tours_of_the_program_are_right() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenes/tours");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).expect("a folder") {
            load(&entry.expect("an entry").path()).expect("is right");
            count += 1;
        }
        assert!(count >= 2);
    }

    #[test]
    fn a_missing_file_is_named() {
        let text = load(Path::new("/no/such/tour.ron")).expect_err("is missing").to_string();
        assert!(text.contains("/no/such/tour.ron"), "{text}");
    }
    #[test]
    fn a_tour_may_have_a_byte_order_mark_and_any_line_ends() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("walk.ron");
        let notepad = format!("\u{feff}{}", WALK.replace('\n', "\r\n"));
        let wide: Vec<u8> = notepad.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let plain = parse("walk.ron", WALK).expect("is right");
        for bytes in [notepad.into_bytes(), wide] {
            std::fs::write(&path, bytes).expect("is written");
            assert_eq!(load(&path).expect("is read"), plain);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn damage_anywhere_is_refused_in_one_sentence_with_the_file_or_gives_another_tour(
            damages in proptest::collection::vec(Damage::any(), 1..4)
        ) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("walk.ron");
            let good = WALK.as_bytes().to_vec();
            std::fs::write(&path, damages.iter().fold(good, |bytes, damage| damage.to(&bytes)))
                .expect("is written");
            if let Err(error) = load(&path) {
                let message = error.to_string();
                prop_assert!(message.contains(&path.display().to_string()), "{}", message);
                prop_assert!(!message.contains('\n'), "{}", message);
            }
        }
    }
}
