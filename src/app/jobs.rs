//! The bridge to the engine's worker thread: requests go in, reports come out and update the document.

use super::{
    document::{
        Archive, CandidateEvaluated, Document, DocumentSystems, Focus, JobStatus, Notice,
        OpenedTable, TemplateFitted, TemplateOpened, TrainingHistory,
    },
    settings::Settings,
};
use crate::engine::{
    command::{Answer, Command},
    data::DataSource,
    lab::{Lab, LabError, LabSettings},
    report::{Job, Report, Topic},
    study::Event,
    worker::{Worker, WorkerError},
};
use bevy::{ecs::system::SystemParam, platform::cell::SyncCell, prelude::*};

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
            (start_worker.run_if(on_message::<TemplateOpened>), pass_requests_on)
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

/// The worker; none when it could not begin or has ended.
#[derive(Resource, Default)]
struct Jobs {
    worker: Option<SyncCell<Worker>>,
}

impl Jobs {
    fn worker(&mut self) -> Option<&mut Worker> {
        self.worker.as_mut().map(SyncCell::get)
    }
}

/// Everything that reports update.
#[derive(SystemParam)]
struct Views<'w> {
    archive: ResMut<'w, Archive>,
    history: ResMut<'w, TrainingHistory>,
    status: ResMut<'w, JobStatus>,
    focus: ResMut<'w, Focus>,
    evaluated: MessageWriter<'w, CandidateEvaluated>,
    notices: MessageWriter<'w, Notice>,
}

/// Another template or run: the old worker ends, everything it reported goes, a new one begins.
fn start_worker(
    document: Res<Document>,
    mut settings: ResMut<Settings>,
    mut jobs: ResMut<Jobs>,
    mut views: Views,
) {
    views.archive.close();
    *views.history = TrainingHistory::default();
    *views.status = JobStatus::default();
    *views.focus = Focus::default();
    // The new worker tells what holds of its results, but has not looked at memory yet.
    views.notices.write(Notice::Cautions { about: Topic::Memory, texts: Vec::new() });
    // The thread is not waited for here, since no frame waits for a job.
    let before = jobs.worker.take().and_then(|worker| SyncCell::to_inner(worker).end());
    let device = settings.device;
    // A preset is there to be tried on whatever data there is.
    let fit = settings.fit || document.path().is_none();
    let started = if let Some(run) = document.run() {
        settings.data = run.data.clone();
        settings.training = run.training;
        let folder = run.folder.clone();
        let (moved, memory) = (settings.moved_data.take(), settings.memory);
        Worker::start(before, move || {
            let mut lab = Lab::open(&folder, device)?;
            lab.set_memory(memory);
            if let Some(moved) = moved {
                lab.move_data(moved);
            }
            Ok(lab)
        })
    } else {
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
                Some(OpenedTable { known, .. }) => {
                    Lab::of_table(template, known, settings, runs, None)
                }
                None => Ok(Lab::new(template, LabSettings { training, ..settings }, runs, None)),
            }
        })
    };
    match started {
        Ok(worker) => {
            jobs.worker = Some(SyncCell::new(worker));
            views.status.data = Some(settings.data.clone());
            views.status.training = settings.training;
        }
        Err(error) => {
            views.notices.write(Notice::Error(error.to_string()));
        }
    }
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
    for request in waited.iter().chain(requests.read()) {
        let begins_run = status.data.is_some() && !status.is_set_up_as(&settings);
        let Some(worker) = jobs.worker() else {
            notices.write(Notice::Error(WorkerError::Ended.to_string()));
            continue;
        };
        let template = || Some(document.checked().clone());
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
        let asked = worker.ask(command).map(|_| {
            status.running = job.or(status.running);
            status.stopping |= stops && status.running.is_some();
        });
        if let Err(error) = asked {
            notices.write(Notice::Error(error.to_string()));
        }
    }
}

fn drain_reports(
    mut jobs: ResMut<Jobs>,
    mut views: Views,
    mut document: ResMut<Document>,
    mut fitted: MessageWriter<TemplateFitted>,
) {
    // Only a report changes anything, so an idle frame must not mark resources as changed.
    let jobs = jobs.bypass_change_detection();
    let Some(worker) = jobs.worker() else { return };
    let mut taken = 0;
    while taken < REPORTS_A_FRAME {
        match worker.try_report() {
            Ok(Some(report)) => {
                // Candidates come in crowds, and cost little; no more wait than the channel holds.
                let is_candidate = matches!(&report, Report::Event(event) if matches!(**event, Event::Candidate { .. }));
                taken += usize::from(!is_candidate);
                if let Report::Fitted(graph) = &report {
                    document.fit(graph);
                    fitted.write(TemplateFitted);
                }
                take(report, &mut views);
            }
            Ok(None) => return,
            Err(_) => break,
        }
    }
    if worker.has_ended() {
        let was_running = views.status.running.is_some();
        jobs.worker = None;
        views.status.data = None;
        if was_running {
            views.status.end_job();
            views.notices.write(Notice::Error(
                "the job's thread ended unexpectedly; what it had recorded is in the run folder: open the run to go on".into(),
            ));
        }
    }
}

fn take(report: Report, views: &mut Views) {
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
            notices.write(Notice::Error(format!("the run could not be opened: {message}")));
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
    use crate::engine::{device::DeviceChoice, template};
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
}
