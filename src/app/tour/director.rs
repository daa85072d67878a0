//! Takes the steps of a tour one after another: does what a person would do, looks at what comes of it,
//! and says on the terminal what it is at.

use super::{
    TourOptions,
    caption::Caption,
    hand::Hand,
    jobs::{self, Goal, Job, Target},
    moves::{self, Drag, Gesture, REACTION},
    script::{self, Place, Seconds, Step},
    shots::Shutter,
    sight::Sight,
};
use crate::app::{
    camera::{Bookmark, GoTo},
    document::{DocumentRequest, Focus, JobStatus, Notice, TemplateOpened},
    jobs::JobRequest,
    offscreen::{Canvas, Output},
    pace::Pipelines,
    settings::Settings,
};
use crate::engine::data::DataSource;
use bevy::{ecs::system::SystemParam, prelude::*, window::RequestRedraw};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long a step may take that no job is part of.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a picture is waited for before another one is taken.
const SHOT_PATIENCE: Duration = Duration::from_secs(10);
/// Frames without movement after which everything is at rest.
const REST: u32 = 4;
/// Animations without end (a pulse on a path) are no reason to wait longer than this.
const RESTLESS: Duration = Duration::from_secs(2);

/// Says on the terminal what the tour does.
pub(super) fn say(text: &str) {
    eprintln!("tour: {text}");
}

/// Which messages arrived since the step began.
#[derive(Resource, Default, Debug)]
pub(super) struct Heard {
    pub(super) opened: bool,
    pub(super) requested: bool,
    pub(super) error: Option<String>,
    redraws: usize,
}

pub(super) fn listen(
    mut heard: ResMut<Heard>,
    mut opened: MessageReader<TemplateOpened>,
    mut requests: MessageReader<JobRequest>,
    mut notices: MessageReader<Notice>,
    mut redraws: MessageReader<RequestRedraw>,
) {
    heard.opened |= opened.read().count() > 0;
    heard.requested |= requests.read().count() > 0;
    for notice in notices.read() {
        if let Notice::Error(text) = notice {
            heard.error = Some(text.clone());
        }
    }
    heard.redraws = redraws.read().count();
}

/// Whether the picture has stopped changing.
#[derive(Resource, Default, Debug)]
pub(super) struct Rest {
    pose: Option<GlobalTransform>,
    camera_frames: u32,
    frames: u32,
    moving_since: Option<Instant>,
    own_redraws: usize,
}

impl Rest {
    /// Whether the camera stands still.
    pub(super) fn camera_rests(&self) -> bool {
        self.camera_frames >= REST
    }

    /// Whether nothing moves and every pipeline is compiled.
    pub(super) fn is_settled(&self, pipelines: &Pipelines) -> bool {
        let restless = self.moving_since.is_some_and(|since| since.elapsed() > RESTLESS);
        pipelines.waiting == 0 && self.camera_rests() && (self.frames >= REST || restless)
    }
}

pub(super) fn watch_rest(mut rest: ResMut<Rest>, heard: Res<Heard>, sight: Sight) {
    let pose = sight.camera_pose();
    let still = pose.is_some() && pose == rest.pose;
    rest.pose = pose;
    rest.camera_frames = if still { rest.camera_frames.saturating_add(1) } else { 0 };
    let animated = heard.redraws > std::mem::take(&mut rest.own_redraws);
    if still && !animated {
        rest.frames = rest.frames.saturating_add(1);
        rest.moving_since = None;
    } else {
        rest.frames = 0;
        rest.moving_since.get_or_insert_with(Instant::now);
    }
}

/// The running tour.
#[derive(Resource, Debug)]
pub(super) struct Director {
    name: String,
    steps: Vec<Step>,
    shots: PathBuf,
    exit: bool,
    at: usize,
    pub(super) act: Act,
    /// Frames since the act began.
    pub(super) frames: u32,
    /// When the step began.
    pub(super) since: Instant,
    /// The job that a step left running.
    pub(super) left: Option<Target>,
    ended: bool,
}

/// How far a step is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    /// Nothing is done yet.
    Begin,
    /// Something was asked for and takes effect in the next frames.
    Asked,
    /// The key of a job was pressed, or the job was asked for directly (`sent`).
    Starting { target: Target, sent: bool },
    /// The job works; it was seen to progress at this time.
    Working { target: Option<Target>, done: Option<u64>, progressed: Instant },
    /// The pointer was moved to this attempt's place.
    Aiming { attempt: usize },
    /// The button or the key is down.
    Pressed,
    /// It is up again.
    Released,
    /// A brick is being dragged.
    Dragging(Drag),
    /// The picture is being taken.
    Shooting { since: Instant },
}

/// What a step makes of a frame.
pub(super) enum Turn {
    /// Go on with this act.
    Act(Act),
    /// Look again in the next frame.
    Wait,
    /// The step is done.
    Done,
    /// The step is done and leaves a job running.
    Left(Target),
}

/// A turn, or why the step failed.
pub(super) type Take = Result<Turn, String>;

/// Everything a step can see and do.
#[derive(SystemParam)]
pub(super) struct Scene<'w, 's> {
    commands: Commands<'w, 's>,
    pub(super) hand: Hand<'w, 's>,
    pub(super) sight: Sight<'w, 's>,
    pub(super) heard: ResMut<'w, Heard>,
    pub(super) rest: ResMut<'w, Rest>,
    pipelines: Res<'w, Pipelines>,
    pub(super) focus: ResMut<'w, Focus>,
    pub(super) status: Res<'w, JobStatus>,
    pub(super) settings: ResMut<'w, Settings>,
    caption: ResMut<'w, Caption>,
    shutter: ResMut<'w, Shutter>,
    canvas: Option<Res<'w, Canvas>>,
    pub(super) jobs: MessageWriter<'w, JobRequest>,
    documents: MessageWriter<'w, DocumentRequest>,
    camera: MessageWriter<'w, GoTo>,
    redraw: MessageWriter<'w, RequestRedraw>,
    exit: MessageWriter<'w, AppExit>,
}

/// Reads the tour of the command line.
pub(super) fn open_tour(
    mut commands: Commands,
    options: Res<TourOptions>,
    output: Option<Res<Output>>,
    mut exit: MessageWriter<AppExit>,
) {
    let Some(path) = &options.file else { return };
    let tour = match script::load(path) {
        Ok(tour) => tour,
        Err(error) => {
            say(&error.to_string());
            exit.write(AppExit::error());
            return;
        }
    };
    say(&format!("{}, {} steps. {}", path.display(), tour.steps.len(), tour.about));
    commands.insert_resource(Director {
        name: path.display().to_string(),
        steps: tour.steps,
        shots: options.shots.clone(),
        // Off-screen, there is no user who could end the program.
        exit: options.exit || output.is_some_and(|output| *output == Output::Offscreen),
        at: 0,
        act: Act::Begin,
        frames: 0,
        since: Instant::now(),
        left: None,
        ended: false,
    });
}

/// Goes on with the tour in every frame.
pub(super) fn direct(mut director: ResMut<Director>, mut scene: Scene) {
    if director.ended {
        return;
    }
    let Some(step) = director.steps.get(director.at).cloned() else {
        say("done");
        director.ended = true;
        if director.exit {
            scene.exit.write(AppExit::Success);
        }
        return;
    };
    // While a job works, its own pace is enough; everything else should go on at once.
    if !matches!(director.act, Act::Working { .. }) {
        scene.redraw.write(RequestRedraw);
        scene.rest.own_redraws += 1;
    }
    if director.act == Act::Begin && director.frames == 0 {
        if director.at == 0 && !(scene.rest.camera_rests() && scene.pipelines.waiting == 0) {
            // The first step waits for the first whole picture.
            if director.since.elapsed() < PATIENCE {
                return;
            }
            fail(&mut director, &mut scene, "the first picture was not ready in time");
            return;
        }
        say(&format!("{}/{} {step}", director.at + 1, director.steps.len()));
        *scene.heard = Heard::default();
        director.since = Instant::now();
    }
    director.frames += 1;
    let take = take_step(&director, &step, &mut scene);
    match take {
        Ok(Turn::Wait) if director.is_patient(&step) => {}
        Ok(Turn::Wait) => {
            let text = format!("not done after {} s", director.since.elapsed().as_secs());
            fail(&mut director, &mut scene, &text);
        }
        Ok(Turn::Act(act)) => {
            director.act = act;
            director.frames = 0;
        }
        Ok(Turn::Done) => director.next(None),
        Ok(Turn::Left(target)) => director.next(Some(target)),
        Err(text) => fail(&mut director, &mut scene, &text),
    }
}

/// Ends the tour at a step that did not work.
fn fail(director: &mut Director, scene: &mut Scene, text: &str) {
    let step = director.steps.get(director.at).map(ToString::to_string).unwrap_or_default();
    let text = format!("{}: step {} ({step}): {text}", director.name, director.at + 1);
    say(&text);
    director.ended = true;
    if director.exit {
        scene.exit.write(AppExit::error());
    } else {
        scene.caption.0 = text;
    }
}

impl Director {
    fn next(&mut self, left: Option<Target>) {
        if left.is_some() || matches!(self.act, Act::Working { .. }) {
            self.left = left;
        }
        self.at += 1;
        self.act = Act::Begin;
        self.frames = 0;
    }

    /// Whether the step may take longer. Jobs and waiting have their own limits.
    fn is_patient(&self, step: &Step) -> bool {
        matches!(self.act, Act::Working { .. })
            || matches!(step, Step::Wait { .. })
            || self.since.elapsed() < PATIENCE
    }
}

fn take_step(director: &Director, step: &Step, scene: &mut Scene) -> Take {
    match step {
        Step::Load(name) => load(director, scene, name),
        Step::Data(source) => {
            if scene.settings.data != *source {
                scene.settings.data = source.clone();
            }
            Ok(Turn::Done)
        }
        Step::Train { epochs, wait } => {
            let goal = Goal { job: Job::Train, amount: *epochs, candidates: None, wait: *wait };
            jobs::run_job(director, scene, &goal)
        }
        Step::Search { iterations, candidates, wait } => {
            let goal = Goal {
                job: Job::Search,
                amount: *iterations,
                candidates: *candidates,
                wait: *wait,
            };
            jobs::run_job(director, scene, &goal)
        }
        Step::WaitForJob => jobs::wait_for_job(director, scene),
        Step::HoverBrick(id) => moves::point_at_brick(director, scene, id, Gesture::Hover),
        Step::SelectBrick(id) => moves::point_at_brick(director, scene, id, Gesture::Click),
        Step::HoverCandidate(pick) => {
            moves::point_at_candidate(director, scene, *pick, Gesture::Hover)
        }
        Step::SelectCandidate(pick) => {
            moves::point_at_candidate(director, scene, *pick, Gesture::Click)
        }
        Step::Unhover => moves::unhover(director, scene),
        Step::DragBrick { id, to } => moves::drag_brick(director, scene, id, [to.0, to.1]),
        Step::Click(label) => moves::click_label(director, scene, label),
        Step::Camera(place) => move_camera(director, scene, *place),
        Step::Key(press) => match director.act {
            Act::Begin => {
                scene.hand.set_key(press, true);
                Ok(Turn::Act(Act::Pressed))
            }
            Act::Pressed => {
                scene.hand.set_key(press, false);
                Ok(Turn::Act(Act::Released))
            }
            _ if director.frames >= REACTION => Ok(Turn::Done),
            _ => Ok(Turn::Wait),
        },
        Step::Wait { seconds: Seconds(seconds) } => {
            let over = director.since.elapsed().as_secs_f64() >= *seconds;
            Ok(if over { Turn::Done } else { Turn::Wait })
        }
        Step::Screenshot(name) => {
            take_picture(director, scene, director.shots.join(format!("{}.png", name.0)))
        }
        Step::Save(path) => save(director, scene, path),
        Step::Caption(text) => {
            scene.caption.0.clone_from(text);
            Ok(Turn::Done)
        }
    }
}

fn load(director: &Director, scene: &mut Scene, name: &str) -> Take {
    if director.act == Act::Begin {
        let is_file = Path::new(name).extension().is_some_and(|extension| extension == "ron");
        scene.documents.write(match name.parse() {
            Ok(DataSource::Table(file)) => {
                DocumentRequest::OpenTable { file, decimal: scene.settings.read.decimal }
            }
            _ if is_file => DocumentRequest::OpenFile(name.into()),
            _ => DocumentRequest::OpenPreset(name.to_owned()),
        });
        return Ok(Turn::Act(Act::Asked));
    }
    match scene.heard.error.take() {
        Some(error) => Err(error),
        None if scene.heard.opened && scene.rest.camera_rests() => Ok(Turn::Done),
        None => Ok(Turn::Wait),
    }
}

fn save(director: &Director, scene: &mut Scene, path: &Path) -> Take {
    if director.act == Act::Begin {
        scene.documents.write(DocumentRequest::SaveAs(path.to_owned()));
        return Ok(Turn::Act(Act::Asked));
    }
    let document = &scene.sight.document;
    let saved =
        !document.is_dirty() && document.path().is_some_and(|at| at == path) && path.exists();
    match scene.heard.error.take() {
        Some(error) => Err(error),
        None => Ok(if saved { Turn::Done } else { Turn::Wait }),
    }
}

fn move_camera(director: &Director, scene: &mut Scene, place: Place) -> Take {
    if director.act == Act::Begin {
        scene.camera.write(GoTo(match place {
            Place::Plate => Bookmark::Plate,
            Place::Cloud => Bookmark::Cloud,
            Place::Both => Bookmark::Both,
            Place::TopDown => Bookmark::TopDown,
        }));
        return Ok(Turn::Act(Act::Asked));
    }
    Ok(if director.frames > REST && scene.rest.camera_rests() { Turn::Done } else { Turn::Wait })
}

fn take_picture(director: &Director, scene: &mut Scene, path: PathBuf) -> Take {
    match director.act {
        Act::Begin if director.frames > REST && scene.rest.is_settled(&scene.pipelines) => {}
        Act::Begin => return Ok(Turn::Wait),
        Act::Shooting { since } => match scene.shutter.outcome() {
            Some(Ok(())) => {
                say(&format!("wrote {}", path.display()));
                return Ok(Turn::Done);
            }
            Some(Err(error)) => return Err(error.to_string()),
            None if since.elapsed() < SHOT_PATIENCE => return Ok(Turn::Wait),
            None => {}
        },
        _ => return Ok(Turn::Act(Act::Begin)),
    }
    let canvas = scene.canvas.as_deref();
    scene.shutter.release(&mut scene.commands, canvas, path);
    Ok(Turn::Act(Act::Shooting { since: Instant::now() }))
}
