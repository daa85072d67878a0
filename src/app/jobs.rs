//! The bridge to the lab, on a thread here or elsewhere: requests go in, reports come out and update the document.

use super::{
    document::{
        Archive, CandidateEvaluated, Document, DocumentSystems, Focus, Followed, JobStatus, Notice,
        OpenedTable, TemplateFitted, TemplateOpened, TemplateReplaced, TrainingHistory,
    },
    settings::Settings,
};
use crate::engine::{
    command::{Answer, Command, Job, Ticket},
    data::DataSource,
    lab::{Lab, LabError, LabSettings},
    remote::AskError,
    report::{Report, Topic},
    serve::{Contact, Viewer},
    study::Event,
    worker::{Worker, WorkerError},
};
use bevy::{ecs::system::SystemParam, platform::cell::SyncCell, prelude::*};
use std::thread::JoinHandle;
use thiserror::Error;

/// Reports taken in one frame at most, so that no frame waits for a talkative job.
const REPORTS_A_FRAME: usize = 256;

/// Why a table is not searched while other data is chosen.
pub(in crate::app) const OTHER_THAN_TABLE: &str =
    "other data is chosen; open a template to train on it, or the table again to search that";

pub(super) fn plugin(app: &mut App) {
    app.init_resource::<Jobs>()
        .add_message::<JobRequest>()
        .add_systems(PreUpdate, drain_reports)
        .add_systems(
            Update,
            (reach_lab.run_if(on_message::<TemplateOpened>), pass_requests_on)
                .chain()
                .after(DocumentSystems),
        );
}

/// Requests of the user to the jobs.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub enum JobRequest {
    /// Train for [`Settings::epochs`] more epochs.
    Train,
    /// Search for [`Settings::iterations`] more iterations.
    Search,
    /// Wait between two batches.
    Pause,
    /// Go on after a pause.
    Resume,
    /// End the running job; what is done is kept.
    Stop,
    /// End it; a training forgets the epoch that it has begun.
    Cancel,
}

/// The lab; none when it could not begin or has ended.
#[derive(Resource, Default)]
struct Jobs {
    source: Option<SyncCell<Source>>,
    asked: Asked,
    /// Whether a lab elsewhere is telling what had happened before the window came to it.
    tells_past: bool,
}

/// Where reports come from and requests go to.
enum Source {
    /// A lab on a thread of this program.
    Here(Worker),
    /// A lab that another program serves.
    Elsewhere(Box<Viewer>),
}

/// A lab takes no request, or has no more reports.
#[derive(Debug, Error)]
enum SourceError {
    #[error(transparent)]
    Here(#[from] WorkerError),
    #[error(transparent)]
    Elsewhere(#[from] AskError),
}

impl Source {
    fn ask(&mut self, command: Command) -> Result<Ticket, SourceError> {
        Ok(match self {
            Self::Here(worker) => worker.ask(command)?,
            Self::Elsewhere(viewer) => viewer.ask(&command)?,
        })
    }

    fn try_report(&mut self) -> Result<Option<Report>, SourceError> {
        let viewer = match self {
            Self::Here(worker) => return Ok(worker.try_report()?),
            Self::Elsewhere(viewer) => viewer,
        };
        loop {
            let before = viewer.contact().clone();
            let report = viewer.try_report()?;
            let lost = |contact: &Contact| matches!(contact, Contact::Lost { .. });
            // That a further attempt was in vain too is no news; the status line counts down to the next one.
            if lost(&before) && lost(viewer.contact()) && before != *viewer.contact() {
                continue;
            }
            return Ok(report);
        }
    }

    /// Leaves the lab; gives the thread that has to end before another lab opens the same run.
    fn leave(self) -> Option<JoinHandle<()>> {
        match self {
            Self::Here(worker) => worker.end(),
            // It disconnects when it is dropped.
            Self::Elsewhere(_) => None,
        }
    }
}

/// Requests on whose answer the shown state depends.
#[derive(Debug, Default)]
struct Asked {
    /// For a job that has not begun.
    job: Option<Ticket>,
    /// For the end of a job.
    stop: Option<Ticket>,
}

impl Asked {
    /// Takes back what was shown of a request that is refused.
    fn hear(&mut self, report: &Report, status: &mut JobStatus) {
        if matches!(report, Report::Started(_)) {
            self.job = None;
        }
        let Report::Answer { ticket, answer } = report else { return };
        let refused = matches!(answer, Answer::Refused { .. });
        if self.job.take_if(|job| job == ticket).is_some() && refused {
            status.end_job();
        }
        if self.stop.take_if(|stop| stop == ticket).is_some() && refused {
            status.stopping = false;
        }
    }
}

/// Everything that reports update.
#[derive(SystemParam)]
struct Views<'w, 's> {
    archive: ResMut<'w, Archive>,
    history: ResMut<'w, TrainingHistory>,
    status: ResMut<'w, JobStatus>,
    focus: ResMut<'w, Focus>,
    evaluated: MessageWriter<'w, CandidateEvaluated>,
    notices: Notices<'w, 's>,
}

/// What the user is told of reports.
#[derive(SystemParam)]
struct Notices<'w, 's> {
    writer: MessageWriter<'w, Notice>,
    /// Whether it is about something that had happened before the window came to a lab elsewhere.
    are_past: Local<'s, bool>,
}

impl Notices<'_, '_> {
    /// Tells it, unless it is past; cautions hold until others are told.
    fn write(&mut self, notice: Notice) {
        if !*self.are_past || matches!(notice, Notice::Cautions { .. }) {
            self.writer.write(notice);
        }
    }
}

/// Another template, run or lab: the lab before is left, everything it reported goes, another one begins.
fn reach_lab(
    document: Res<Document>,
    mut settings: ResMut<Settings>,
    mut jobs: ResMut<Jobs>,
    mut views: Views,
) {
    views.archive.close();
    *views.history = TrainingHistory::default();
    *views.status = JobStatus::default();
    *views.focus = Focus::default();
    // The new lab tells what holds of its results, but has not looked at memory yet.
    views.notices.write(Notice::Cautions { about: Topic::Memory, texts: Vec::new() });
    let left = std::mem::take(&mut *jobs).source.map(SyncCell::to_inner);
    if let Some(Source::Elsewhere(viewer)) = &left {
        let address = viewer.address();
        let text = format!(
            "the connection to {address} is left; what runs there goes on, and jobs are done here from now on"
        );
        views.notices.write(Notice::Info(text));
    }
    // The thread is not waited for here, since no frame waits for a job.
    let before = left.and_then(Source::leave);
    match document.lab() {
        Some(lab) => {
            let connected = Viewer::connect(lab.options.clone());
            views.status.contact = Some(match connected {
                Ok(viewer) => {
                    jobs.source = Some(SyncCell::new(Source::Elsewhere(Box::new(viewer))));
                    Contact::Begun
                }
                Err(error) => {
                    views.notices.write(Notice::Error(error.to_string()));
                    Contact::Refused { why: error.to_string() }
                }
            });
        }
        None => match start_worker(&document, &mut settings, before) {
            Ok(worker) => {
                jobs.source = Some(SyncCell::new(Source::Here(worker)));
                views.status.data = Some(settings.data.clone());
                views.status.training = settings.training;
            }
            Err(error) => {
                views.notices.write(Notice::Error(error.to_string()));
            }
        },
    }
}

/// Starts a lab on a thread of this program, which waits for the end of the thread `before`.
fn start_worker(
    document: &Document,
    settings: &mut Settings,
    before: Option<JoinHandle<()>>,
) -> Result<Worker, WorkerError> {
    let device = settings.device;
    // A preset is there to be tried on whatever data there is.
    let fit = settings.fit || document.path().is_none();
    if let Some(run) = document.run() {
        settings.data = run.data.clone();
        settings.training = run.training;
        let folder = run.folder.clone();
        let (moved, memory) = (settings.moved_data.take(), settings.memory);
        return Worker::start(before, move || {
            let mut lab = Lab::open(&folder, device)?;
            lab.set_memory(memory);
            if let Some(moved) = moved {
                lab.move_data(moved);
            }
            Ok(lab)
        });
    }
    let template = document.checked().clone();
    let table = document.table().cloned();
    settings.data = match &table {
        Some(table) => DataSource::Table(table.file.clone()),
        // What was chosen for a table that is not on the plate any more.
        None if settings.data.known_results().is_some() => DataSource::default(),
        None => settings.data.clone(),
    };
    let Settings { data, read, memory, training, seed, runs, .. } = settings.clone();
    Worker::start(before, move || {
        let settings =
            LabSettings { data, read, fit, memory, device, seed, ..LabSettings::default() };
        match table {
            Some(OpenedTable { known, .. }) => Lab::of_table(template, known, settings, runs, None),
            None => Ok(Lab::new(template, LabSettings { training, ..settings }, runs, None)),
        }
    })
}

fn pass_requests_on(
    mut requests: MessageReader<JobRequest>,
    mut jobs: ResMut<Jobs>,
    settings: Res<Settings>,
    mut document: ResMut<Document>,
    mut status: ResMut<JobStatus>,
    mut waiting: Local<bool>,
    mut opened: MessageWriter<TemplateOpened>,
    mut notices: MessageWriter<Notice>,
) {
    // A Train that had to wait for the worker to be started with other settings comes first.
    let waited = std::mem::take(&mut *waiting).then_some(JobRequest::Train);
    let Jobs { source, asked, .. } = &mut *jobs;
    for request in waited.iter().chain(requests.read()) {
        let begins_run = status.data.is_some() && !status.is_set_up_as(&settings);
        let Some(source) = source.as_mut().map(SyncCell::get) else {
            let why = match &status.contact {
                Some(Contact::Refused { why }) => why.clone(),
                Some(Contact::Begun | Contact::Up { .. } | Contact::Lost { .. }) | None => {
                    WorkerError::Ended.to_string()
                }
            };
            notices.write(Notice::Error(why));
            continue;
        };
        // To a lab elsewhere its own template is not sent back: another viewer may have edited it meanwhile.
        let is_news = document.lab().is_none() || document.is_dirty();
        let template = || is_news.then(|| document.checked().clone());
        // A job counts as running from here on, not from its first report, so that no other job can start.
        let (command, job) = match request {
            JobRequest::Train | JobRequest::Search if status.running.is_some() => {
                notices.write(Notice::Error(
                    "another job is running; stop it or wait for its end".to_owned(),
                ));
                continue;
            }
            JobRequest::Train if document.is_of_table() => {
                notices.write(Notice::Error(LabError::NothingToTrain.to_string()));
                continue;
            }
            JobRequest::Search if begins_run && document.is_of_table() => {
                notices.write(Notice::Error(OTHER_THAN_TABLE.to_owned()));
                continue;
            }
            JobRequest::Train if begins_run => {
                // Other data or another way to train make another run.
                document.leave_run();
                opened.write(TemplateOpened);
                *waiting = true;
                continue;
            }
            JobRequest::Search if begins_run => {
                let what = match &status.data {
                    Some(data) if *data != settings.data => data.to_string(),
                    _ => "another way to train".to_owned(),
                };
                notices.write(Notice::Error(format!(
                    "this run was set up with {what}; choose it again, or press Train to begin a new run"
                )));
                continue;
            }
            JobRequest::Train => {
                let epochs = settings.epochs;
                (Command::Train { epochs, template: template() }, Some(Job::Train))
            }
            JobRequest::Search => {
                let Settings { iterations, candidates, .. } = *settings;
                let template = template();
                (Command::Search { iterations, candidates, template }, Some(Job::Search))
            }
            JobRequest::Pause => (Command::Pause, None),
            JobRequest::Resume => (Command::Resume, None),
            JobRequest::Stop => (Command::Stop, None),
            JobRequest::Cancel => (Command::Cancel, None),
        };
        let stops = matches!(command, Command::Stop | Command::Cancel);
        match source.ask(command) {
            Ok(ticket) => {
                if job.is_some() {
                    (status.running, asked.job) = (job, Some(ticket));
                }
                if stops && status.running.is_some() {
                    (status.stopping, asked.stop) = (true, Some(ticket));
                }
            }
            Err(error) => {
                notices.write(Notice::Error(error.to_string()));
            }
        }
    }
}

fn drain_reports(
    mut jobs: ResMut<Jobs>,
    mut views: Views,
    mut document: ResMut<Document>,
    mut fitted: MessageWriter<TemplateFitted>,
    mut replaced: MessageWriter<TemplateReplaced>,
) {
    // Only a report changes anything, so an idle frame must not mark resources as changed.
    let jobs = jobs.bypass_change_detection();
    let Jobs { source, asked, tells_past } = jobs;
    let Some(source) = source.as_mut().map(SyncCell::get) else { return };
    let is_elsewhere = matches!(source, Source::Elsewhere(_));
    let mut taken = 0;
    let mut is_over = false;
    while taken < REPORTS_A_FRAME {
        match source.try_report() {
            Ok(Some(report)) => {
                let catches_up = match &*source {
                    Source::Here(_) => false,
                    Source::Elsewhere(viewer) => {
                        matches!(viewer.contact(), Contact::Up { is_up_to_date: false, .. })
                    }
                };
                *tells_past &= catches_up;
                // That events do not follow on what is known must be told in any case.
                *views.notices.are_past = *tells_past && !matches!(report, Report::Event(_));
                // Candidates come in crowds, and cost little; no more wait than the channel holds.
                let is_candidate = matches!(&report, Report::Event(event) if matches!(**event, Event::Candidate { .. }));
                taken += usize::from(!is_candidate);
                asked.hear(&report, &mut views.status);
                if let Report::Fitted(graph) = &report {
                    document.fit(graph);
                    fitted.write(TemplateFitted);
                }
                let begins = matches!(&report, Report::Study(_));
                let is_edit = matches!(&report, Report::Event(event) if matches!(**event, Event::Edited { .. }));
                if is_elsewhere && begins {
                    forget(asked, &mut views);
                }
                take(report, &mut views);
                if is_elsewhere && (begins || is_edit) {
                    follow(&mut document, &mut replaced, &mut views);
                }
                *tells_past |= begins && catches_up;
            }
            Ok(None) => break,
            Err(_) => {
                is_over = true;
                break;
            }
        }
    }
    match source {
        Source::Here(worker) => {
            if is_over && worker.has_ended() {
                jobs.source = None;
                views.status.data = None;
                if views.status.running.is_some() {
                    views.status.end_job();
                    views.notices.write(Notice::Error(
                        "the job's thread ended unexpectedly; what it had recorded is in the run folder: open the run to go on".into(),
                    ));
                }
            }
        }
        Source::Elsewhere(viewer) => {
            let ended = is_over.then(|| Contact::Refused { why: AskError::Ended.to_string() });
            let contact = ended.as_ref().unwrap_or_else(|| viewer.contact());
            let is_refused = matches!(contact, Contact::Refused { .. });
            if views.status.contact.as_ref() != Some(contact) {
                views.status.contact = Some(contact.clone());
            }
            if is_refused {
                jobs.source = None;
            }
        }
    }
}

/// Another study begins elsewhere: what was known beside the study before is told again, if it still holds.
fn forget(asked: &Asked, views: &mut Views<'_, '_>) {
    views.archive.data = None;
    *views.history = TrainingHistory::default();
    views.status.run = None;
    if asked.job.is_none() {
        views.status.end_job();
    }
    for about in [Topic::Results, Topic::Memory] {
        views.notices.write(Notice::Cautions { about, texts: Vec::new() });
    }
}

/// The template of the lab elsewhere comes to the plate.
fn follow(
    document: &mut ResMut<Document>,
    replaced: &mut MessageWriter<TemplateReplaced>,
    views: &mut Views<'_, '_>,
) {
    let Some(study) = views.archive.study() else { return };
    match document.bypass_change_detection().follow(study.template()) {
        Followed::Same => {}
        Followed::Changed { edits_lost } => {
            document.set_changed();
            replaced.write(TemplateReplaced);
            views.history.training_path = None;
            if edits_lost {
                let text = "the lab has another template now, which is shown as it is there; how bricks were moved here is forgotten";
                views.notices.writer.write(Notice::Info(text.to_owned()));
            }
        }
    }
}

fn take(report: Report, views: &mut Views<'_, '_>) {
    let Views { archive, history, status, focus, evaluated, notices } = views;
    if let Err(mismatch) = archive.follow(&report) {
        notices.write(Notice::Error(format!(
            "the window lost track of the run ({mismatch}); open it again"
        )));
    }
    match report {
        Report::RunOpened { name, path } => status.run = Some((name, path)),
        Report::Note(note) => {
            notices.write(Notice::Info(note));
        }
        Report::Cautions { about, texts } => {
            notices.write(Notice::Cautions { about, texts });
        }
        Report::Event(event) => match *event {
            Event::Evaluated { id, .. } => {
                evaluated.write(CandidateEvaluated { id });
            }
            // The same candidate keeps other bricks now.
            Event::Edited { .. } => focus.set_changed(),
            Event::Candidate { .. }
            | Event::Epoch(_)
            | Event::Iteration { .. }
            | Event::Timed { .. }
            | Event::Steered(_)
            | Event::Aimed { .. }
            | Event::Retuned { .. }
            | Event::Retrained { .. } => {}
        },
        // They are in the archive; what was fitted is in a note, and another study follows.
        Report::Study(_)
        | Report::Data(_)
        | Report::Template { .. }
        | Report::WeightsAt { .. }
        | Report::Iteration(_)
        | Report::Fitted(_) => {}
        Report::Edited(edited) => {
            notices.write(Notice::Info(edited.to_string()));
        }
        Report::Started(job) => {
            status.running = Some(job);
        }
        Report::Step { step, loss, trained } => {
            // A stopped epoch goes on where it was; a diverged one may come again.
            let known = history.steps.partition_point(|&(known, _)| known < step);
            history.steps.truncate(known);
            history.steps.push((step, loss));
            history.training_path = Some(trained);
        }
        Report::Forgotten { step } => {
            let left = history.steps.partition_point(|&(known, _)| known <= step);
            history.steps.truncate(left);
            let text = format!("what was trained after step {step} is forgotten");
            notices.write(Notice::Info(text));
        }
        Report::EndsEarly(why) => {
            notices.write(Notice::Info(why.to_string()));
        }
        Report::Progress(progress) => status.progress = Some(progress),
        Report::Paused(paused) => status.paused = paused,
        Report::Answer { ticket: _, answer } => match answer {
            Answer::Done | Answer::Begun { .. } | Answer::Evaluated(_) => {}
            Answer::Ended { job, stopped } => {
                end(status, history);
                let (name, ended) = (name(job), if stopped { "stopped" } else { "finished" });
                notices.write(Notice::Info(format!("{name} {ended}")));
            }
            Answer::Refused { message } => {
                notices.write(Notice::Error(message));
            }
            Answer::Failed { job, message } => {
                if job.is_some() {
                    end(status, history);
                }
                let what = match job {
                    Some(Job::Train) => "training failed",
                    Some(Job::Search) => "the search failed",
                    Some(Job::Verify) => "retraining failed",
                    None => "the evaluation failed",
                };
                notices.write(Notice::Error(format!("{what}: {message}")));
            }
        },
        Report::NotOpened { message } => {
            end(status, history);
            let told = match status.contact {
                Some(_) => message,
                None => format!("the run could not be opened: {message}"),
            };
            notices.write(Notice::Error(told));
        }
    }
}

fn end(status: &mut JobStatus, history: &mut TrainingHistory) {
    status.end_job();
    history.training_path = None;
}

fn name(job: Job) -> &'static str {
    match job {
        Job::Train => "Training",
        Job::Search => "Search",
        Job::Verify => "Retraining",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::document::DocumentRequest;
    use crate::engine::{
        device::DeviceChoice,
        remote::{ClientOptions, Token},
        serve::tests::{Follower, Hosted},
        template,
    };
    use std::{path::Path, time::Duration};

    /// The bridge with a real worker on a small template, without anything that draws.
    fn app(runs: &Path) -> App {
        let [small, ..] = template::presets();
        let mut app = App::new();
        app.insert_resource(Document::new(small.checked().expect("presets are right"), None))
            .insert_resource(Settings {
                epochs: 1,
                iterations: 1,
                candidates: 2,
                runs: runs.to_owned(),
                ..Settings::example()
            })
            .add_plugins((MinimalPlugins, super::super::document::plugin, plugin));
        app
    }

    /// Updates until `done`; a job that never ends fails the test.
    fn update_until(app: &mut App, done: impl Fn(&World) -> bool) {
        for _ in 0..20_000 {
            app.update();
            if done(app.world()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the job does not end: {:?}", app.world().resource::<JobStatus>());
    }

    #[test]
    fn candidates_are_there_before_any_job_and_jobs_fill_the_document() {
        let runs = tempfile::tempdir().expect("a folder");
        let mut app = app(runs.path());
        update_until(&mut app, |world| !world.resource::<Archive>().candidates().is_empty());
        assert_eq!(app.world().resource::<Archive>().best(), None);

        app.world_mut().write_message(JobRequest::Train);
        update_until(&mut app, |world| world.resource::<JobStatus>().running.is_some());
        update_until(&mut app, |world| world.resource::<JobStatus>().running.is_none());
        let history = app.world().resource::<TrainingHistory>();
        let epochs = app.world().resource::<Archive>().epochs();
        assert_eq!(epochs.len(), 1);
        assert_eq!(history.steps.last().map(|&(step, _)| step), Some(epochs[0].step));
        assert_eq!(history.training_path, None);

        app.world_mut().write_message(JobRequest::Search);
        update_until(&mut app, |world| world.resource::<Archive>().iterations().len() == 1);
        let archive = app.world().resource::<Archive>();
        let evaluated = archive.candidates().iter().filter(|c| c.evaluation.is_some());
        assert_eq!((evaluated.count(), archive.fitness().len()), (2, 15));
        let best = archive.iterations()[0].best;
        assert_eq!(archive.best().map(|placed| placed.candidate.id), Some(best));
        // The window knows what the run folder tells.
        let known = archive.study().expect("a run").known();
        let (_, folder) = app.world().resource::<JobStatus>().run.clone().expect("a run");
        let opened = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
        assert!(known == opened.study().known());
    }

    #[test]
    fn a_preset_on_the_plate_follows_the_data_and_undo_keeps_it() {
        let runs = tempfile::tempdir().expect("a folder");
        let mut app = app(runs.path());
        app.update();
        let input = template::NodeId::from("input");
        app.world_mut().resource_mut::<Document>().move_brick(&input, [-40.0, 0.0]);
        app.world_mut().write_message(JobRequest::Train);
        update_until(&mut app, |world| world.resource::<Archive>().is_trained());
        update_until(&mut app, |world| world.resource::<JobStatus>().running.is_none());
        let document = app.world().resource::<Document>();
        let place = |document: &Document| document.template().position(&input);
        assert_eq!((document.graph().image_shape(), place(document)), ([1, 8, 8], [-40.0, 0.0]));
        assert!(app.world().resource::<Archive>().data.is_some());
        let mut document = app.world_mut().resource_mut::<Document>();
        assert!(document.undo());
        assert_eq!(document.graph().image_shape(), [1, 8, 8]);
        assert_ne!(place(&document), [-40.0, 0.0]);
        // The next job goes on in the same run.
        app.world_mut().write_message(JobRequest::Search);
        update_until(&mut app, |world| world.resource::<Archive>().iterations().len() == 1);
    }

    #[test]
    fn a_job_that_is_stopped_ends_and_the_run_opens_with_what_it_had() {
        let runs = tempfile::tempdir().expect("a folder");
        let mut app = app(runs.path());
        app.world_mut().resource_mut::<Settings>().epochs = 50;
        app.update();
        app.world_mut().write_message(JobRequest::Train);
        update_until(&mut app, |world| world.resource::<Archive>().is_trained());
        app.world_mut().write_message(JobRequest::Stop);
        update_until(&mut app, |world| world.resource::<JobStatus>().running.is_none());
        let epochs = app.world().resource::<Archive>().epochs().len();
        assert!(epochs < 50);
        let folder = app.world().resource::<JobStatus>().run.clone().expect("a run").1;

        app.world_mut().write_message(DocumentRequest::OpenRun(folder));
        app.update();
        update_until(&mut app, |world| !world.resource::<Archive>().candidates().is_empty());
        assert_eq!(app.world().resource::<Archive>().epochs().len(), epochs);
    }

    #[test]
    fn a_training_that_is_cancelled_forgets_the_epoch_it_has_begun() {
        let runs = tempfile::tempdir().expect("a folder");
        let mut app = app(runs.path());
        app.world_mut().resource_mut::<Settings>().epochs = 50;
        app.update();
        app.world_mut().write_message(JobRequest::Train);
        update_until(&mut app, |world| {
            let history = world.resource::<TrainingHistory>();
            let first = world.resource::<Archive>().epochs().first();
            history.steps.last().map(|step| step.0) > first.map(|epoch| epoch.step)
                && first.is_some()
        });
        app.world_mut().write_message(JobRequest::Cancel);
        update_until(&mut app, |world| world.resource::<JobStatus>().running.is_none());
        let history = app.world().resource::<TrainingHistory>();
        let epochs = app.world().resource::<Archive>().epochs();
        let trained = epochs.last().map(|epoch| epoch.step);
        assert_eq!(history.steps.last().map(|step| step.0), trained);
        let folder = app.world().resource::<JobStatus>().run.clone().expect("a run").1;
        assert!(
            !folder.join("state.ron").exists() || {
                let state = std::fs::read_to_string(folder.join("state.ron")).expect("is text");
                state.contains("unfinished: None")
            }
        );
    }

    #[test]
    fn other_data_means_another_run() {
        let runs = tempfile::tempdir().expect("a folder");
        let mut app = app(runs.path());
        app.update();
        app.world_mut().write_message(JobRequest::Train);
        update_until(&mut app, |world| world.resource::<Archive>().is_trained());
        update_until(&mut app, |world| world.resource::<JobStatus>().running.is_none());

        app.world_mut().resource_mut::<Settings>().data = DataSource::FashionMini;
        app.world_mut().write_message(JobRequest::Search);
        app.update();
        let told: Vec<_> = app.world_mut().resource_mut::<Messages<Notice>>().drain().collect();
        assert!(
            told.iter().any(
                |notice| matches!(notice, Notice::Error(text) if text.contains("with digits; choose it again"))
            ),
            "{told:?}"
        );

        app.world_mut().write_message(JobRequest::Train);
        update_until(&mut app, |world| world.resource::<JobStatus>().running.is_some());
        update_until(&mut app, |world| !world.resource::<TrainingHistory>().steps.is_empty());
        app.world_mut().write_message(JobRequest::Stop);
        update_until(&mut app, |world| world.resource::<JobStatus>().running.is_none());
        assert_eq!(std::fs::read_dir(runs.path()).expect("runs").count(), 2);
    }

    #[test]
    fn a_table_on_the_plate_is_searched_at_once_and_its_run_opens_again() {
        let runs = tempfile::tempdir().expect("a folder");
        let text = "architecture,search,report\n0/0,81,1\n0/1,82,1\n1/0,83,1\n1/1,84,1\n";
        let file = runs.path().join("table.csv");
        std::fs::write(&file, text).expect("is written");
        let mut app = app(&runs.path().join("runs"));
        app.update();
        let ask = |app: &mut App, request| {
            app.world_mut().write_message(request);
            app.update();
            update_until(app, |world| !world.resource::<Archive>().candidates().is_empty());
        };
        let open = DocumentRequest::OpenTable { file: file.clone(), decimal: None };
        ask(&mut app, open);
        let document = app.world().resource::<Document>();
        assert_eq!((document.template().name.as_str(), document.graph().len()), ("table", 6));
        assert!(document.is_of_table() && !document.is_dirty());
        let places: std::collections::HashSet<_> = (0..6)
            .map(|node| document.template().position(document.graph().id(node)))
            .map(|place| place.map(f32::to_bits))
            .collect();
        assert_eq!(places.len(), 6, "bricks stand apart");
        assert_eq!(app.world().resource::<Settings>().data, DataSource::Table(file));

        app.world_mut().write_message(JobRequest::Train);
        app.update();
        let told: Vec<_> = app.world_mut().resource_mut::<Messages<Notice>>().drain().collect();
        let refused = |notice: &Notice| matches!(notice, Notice::Error(text) if text.contains("nothing to train"));
        assert!(told.iter().any(refused), "{told:?}");
        app.world_mut().write_message(JobRequest::Search);
        update_until(&mut app, |world| world.resource::<Archive>().iterations().len() == 1);
        update_until(&mut app, |world| world.resource::<JobStatus>().running.is_none());
        let archive = app.world().resource::<Archive>();
        let (low, high) = archive.accuracy_range().expect("two are evaluated");
        assert!(0.81 <= low && low < high && high <= 0.84);
        assert_eq!(
            archive.goal(app.world().resource::<Document>().graph()).quality.name(),
            "accuracy"
        );
        let known = archive.study().expect("a run").known();
        let folder = app.world().resource::<JobStatus>().run.clone().expect("a run").1;
        ask(&mut app, DocumentRequest::OpenRun(folder));
        assert!(app.world().resource::<Document>().is_of_table());
        assert!(app.world().resource::<Archive>().study().expect("a run").known() == known);
        app.world_mut().write_message(JobRequest::Search);
        update_until(&mut app, |world| world.resource::<Archive>().iterations().len() == 2);

        // A template that is opened then is trained on data, not on the table.
        ask(&mut app, DocumentRequest::OpenPreset("vgg11".to_owned()));
        assert!(!app.world().resource::<Document>().is_of_table());
        assert_eq!(app.world().resource::<Settings>().data, DataSource::default());
    }

    /// The notices since the window began.
    #[derive(Resource, Default)]
    struct Told(Vec<Notice>);

    fn collect(mut notices: MessageReader<Notice>, mut told: ResMut<Told>) {
        told.0.extend(notices.read().cloned());
    }

    /// The same window, which follows a lab elsewhere.
    fn connected(runs: &Path, options: ClientOptions) -> App {
        let mut app = app(runs);
        let meanwhile = app.world().resource::<Document>().checked().clone();
        app.insert_resource(Document::of_lab(options, meanwhile))
            .init_resource::<Told>()
            .add_systems(Last, collect);
        app
    }

    fn contact(world: &World) -> Option<&Contact> {
        world.resource::<JobStatus>().contact.as_ref()
    }

    fn is_up(world: &World, writes: bool) -> bool {
        contact(world) == Some(&Contact::Up { writes, is_up_to_date: true })
            && world.resource::<Archive>().study().is_some()
    }

    fn is_idle(world: &World) -> bool {
        world.resource::<JobStatus>().running.is_none()
    }

    fn known(world: &World) -> String {
        world.resource::<Archive>().study().map_or(String::new(), |study| study.known())
    }

    fn has_told(world: &World, part: &str) -> bool {
        world.resource::<Told>().0.iter().any(|notice| match notice {
            Notice::Info(text) | Notice::Error(text) => text.contains(part),
            Notice::Cautions { .. } => false,
        })
    }

    fn ask(app: &mut App, request: JobRequest) {
        app.world_mut().write_message(request);
        app.update();
    }

    #[test]
    fn a_window_that_watches_knows_what_another_viewer_does_with_the_lab() {
        let (runs, here) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir());
        let hosted = Hosted::of_lab(runs.path());
        let mut other = Follower::new(&hosted.options(true));
        other.hear_until(|it| it.viewer.writes());
        let mut app = connected(here.expect("a folder").path(), hosted.options(true));
        update_until(&mut app, |world| is_up(world, false));
        let template = app.world().resource::<Document>().checked().clone();
        assert_eq!(template.template().name, "small");

        // What is refused is not shown as if it ran.
        ask(&mut app, JobRequest::Train);
        update_until(&mut app, |world| has_told(world, "another viewer has the right to write"));
        assert!(is_idle(app.world()));

        assert!(matches!(
            other.ask(&Command::Train { epochs: 2, template: None }),
            Answer::Begun { .. }
        ));
        update_until(&mut app, |world| !world.resource::<TrainingHistory>().steps.is_empty());
        update_until(&mut app, is_idle);
        assert_eq!(app.world().resource::<Archive>().epochs().len(), 2);
        other.hear_the_end();

        let moved = template::NodeId::from("a1");
        app.world_mut().resource_mut::<Document>().move_brick(&moved, [-40.0, 0.0]);
        let gone = template::Edit::Remove { nodes: vec!["b3".into()], heal: false };
        let edited = template.template().edited(&[gone]).expect("can be done");
        let edited = template::Checked::new(edited).expect("is right");
        assert_eq!(other.ask(&Command::Edit(edited.clone())), Answer::Done);
        update_until(&mut app, |world| {
            world.resource::<Document>().template().network == edited.template().network
        });
        let document = app.world().resource::<Document>();
        assert!(!document.is_dirty() && !document.can_undo());
        update_until(&mut app, |world| has_told(world, "how bricks were moved here is forgotten"));

        let search = Command::Search { iterations: 2, candidates: 2, template: None };
        assert!(matches!(other.ask(&search), Answer::Begun { .. }));
        other.hear_the_end();
        let opened = Lab::open(&runs.path().join("run"), DeviceChoice::Cpu).expect("opens");
        let journaled = opened.study().known();
        update_until(&mut app, |world| known(world) == journaled);
        assert_eq!(app.world().resource::<Archive>().fitness().len(), edited.graph().len());
        // What had happened before a window came is no news.
        let mut late = connected(runs.path(), hosted.options(false));
        update_until(&mut late, |world| is_up(world, false) && known(world) == journaled);
        assert!(has_told(late.world(), "to watch") && !has_told(late.world(), "finished"));
        assert!(has_told(app.world(), "finished"));
        // Its turn comes when the other one leaves.
        drop(other);
        update_until(&mut app, |world| is_up(world, true));
    }

    #[test]
    fn commands_of_a_window_are_carried_out_elsewhere_and_opening_a_template_leaves_the_lab() {
        let (runs, here) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir());
        let here = here.expect("a folder");
        let hosted = Hosted::of_lab(runs.path());
        let mut app = connected(here.path(), hosted.options(true));
        update_until(&mut app, |world| is_up(world, true));
        let moved = template::NodeId::from("a1");
        app.world_mut().resource_mut::<Document>().move_brick(&moved, [-40.0, 0.0]);
        app.world_mut().resource_mut::<Settings>().epochs = 500;
        // Choices that are about jobs here begin no other run there.
        app.world_mut().resource_mut::<Settings>().data = DataSource::FashionMini;
        ask(&mut app, JobRequest::Train);
        assert_eq!(app.world().resource::<JobStatus>().running, Some(Job::Train));
        update_until(&mut app, |world| world.resource::<Archive>().is_trained());
        ask(&mut app, JobRequest::Pause);
        update_until(&mut app, |world| world.resource::<JobStatus>().paused);
        ask(&mut app, JobRequest::Resume);
        update_until(&mut app, |world| !world.resource::<JobStatus>().paused);
        ask(&mut app, JobRequest::Stop);
        assert!(app.world().resource::<JobStatus>().stopping);
        update_until(&mut app, is_idle);
        let folder = runs.path().join("run");
        let run = Document::of_run(&folder).expect("opens");
        assert_eq!(run.template().position(&moved), [-40.0, 0.0], "where bricks stand goes along");
        let document = app.world().resource::<Document>();
        assert!(document.can_undo(), "what is told does not take edits of bricks back");
        let epochs = app.world().resource::<Archive>().epochs().len();
        assert!(epochs < 500);
        let opened = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
        assert_eq!(opened.study().epochs().len(), epochs);

        app.world_mut().write_message(DocumentRequest::OpenPreset("3-conv-3-layer".to_owned()));
        update_until(&mut app, |world| {
            contact(world).is_none() && !world.resource::<Archive>().candidates().is_empty()
        });
        assert!(has_told(app.world(), "is left; what runs there goes on"));
        assert!(app.world().resource::<Document>().lab().is_none());
        assert_eq!(app.world().resource::<Archive>().epochs().len(), 0);
    }

    #[test]
    fn a_server_that_ends_is_missed_and_caught_up_with_when_it_is_back() {
        let (runs, here) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir());
        let hosted = Hosted::of_lab(runs.path());
        let (address, token) = (hosted.address.clone(), hosted.token.clone());
        let mut app = connected(here.expect("a folder").path(), hosted.options(true));
        update_until(&mut app, |world| is_up(world, true));
        ask(&mut app, JobRequest::Train);
        update_until(&mut app, |world| world.resource::<Archive>().is_trained() && is_idle(world));
        drop(hosted);
        update_until(&mut app, |world| matches!(contact(world), Some(Contact::Lost { .. })));
        assert_eq!(app.world().resource::<Archive>().epochs().len(), 1, "views stay");
        ask(&mut app, JobRequest::Search);
        update_until(&mut app, is_idle);
        assert!(has_told(app.world(), "was lost before there was an answer"));

        let folder = runs.path().join("run");
        let mut lab = Lab::open(&folder, DeviceChoice::Cpu).expect("opens");
        let plan = crate::engine::lab::Plan::Train { epochs: 1 };
        let mut running = lab.start(plan, &mut |_| {}).expect("begins");
        let stop = std::sync::atomic::AtomicBool::new(false);
        while lab.step(&mut running, &stop, &mut |_| {}).expect("trains") {}
        let trained = lab.study().known();
        let hosted = Hosted::at(&address, token, move || lab);
        update_until(&mut app, |world| is_up(world, true) && known(world) == trained);
        assert_eq!(app.world().resource::<Archive>().epochs().len(), 2);
        ask(&mut app, JobRequest::Search);
        update_until(&mut app, |world| !world.resource::<Archive>().iterations().is_empty());
        update_until(&mut app, is_idle);
        drop(hosted);
    }

    #[test]
    fn a_wrong_token_is_an_error_that_says_what_to_do_and_the_window_stays_of_use() {
        let (runs, here) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir());
        let hosted = Hosted::of_lab(runs.path());
        let token = Token::new().expect("random bytes");
        let options = ClientOptions { token, ..hosted.options(true) };
        let mut app = connected(here.expect("a folder").path(), options);
        update_until(&mut app, |world| matches!(contact(world), Some(Contact::Refused { .. })));
        app.update();
        assert!(has_told(app.world(), "give the file with --token"));
        ask(&mut app, JobRequest::Train);
        assert!(is_idle(app.world()));
        app.world_mut().write_message(DocumentRequest::OpenPreset("3-conv-3-layer".to_owned()));
        update_until(&mut app, |world| !world.resource::<Archive>().candidates().is_empty());
        assert_eq!(contact(app.world()), None);
    }

    #[test]
    fn an_address_that_is_none_is_an_error_that_says_how_to_write_one() {
        let (runs, here) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir());
        let hosted = Hosted::of_lab(runs.path());
        let options = ClientOptions { address: "not:an:address".into(), ..hosted.options(true) };
        let mut app = connected(here.expect("a folder").path(), options);
        update_until(&mut app, |world| has_told(world, "is no address; write HOST:PORT"));
        assert!(matches!(contact(app.world()), Some(Contact::Refused { .. })));
    }
}
