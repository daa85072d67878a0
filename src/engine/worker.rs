//! A thread with a lab: jobs are asked for and reports come back, neither of which ever blocks who asks.

use super::{
    lab::{Control, Lab, LabError},
    report::{Job, Report},
    run::Budget,
    template::Checked,
};
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread::{self, JoinHandle},
};

/// Reports that may wait to be read; then the job waits for its reader.
const REPORTS: usize = 1024;

/// A request to a worker: a task with this template.
#[derive(Debug)]
struct Request {
    template: Checked,
    task: Task,
}

#[derive(Debug)]
enum Task {
    Train { epochs: usize },
    Search { iterations: u32, candidates: usize },
}

/// A lab on a thread of its own. Dropping it stops the running job and waits for the thread.
#[derive(Debug)]
pub struct Worker {
    requests: Option<SyncSender<Request>>,
    reports: Option<Receiver<Report>>,
    control: Arc<Control>,
    thread: Option<JoinHandle<()>>,
}

/// A worker does not take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkerError {
    /// The job before has not ended.
    #[error("another job is running; stop it or wait for its end")]
    Busy,
    /// The thread has ended.
    #[error("the worker has ended; open the template or the run again")]
    Ended,
    /// The system gives no thread.
    #[error("the system gives no thread; close other programs")]
    NoThread,
}

impl Worker {
    /// Starts the thread, makes the lab on it and reports what the lab holds already. Before that, the
    /// thread waits for the end of `before`, whose lab may have locked the same run.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        before: Option<JoinHandle<()>>,
        make_lab: impl FnOnce() -> Result<Lab, LabError> + Send + 'static,
    ) -> Result<Self, WorkerError> {
        let (requests, inbox) = sync_channel(1);
        let (outbox, reports) = sync_channel(REPORTS);
        let control = Arc::new(Control::default());
        let for_thread = Arc::clone(&control);
        let work = move || {
            let mut report = |report| {
                if outbox.send(report).is_err() {
                    // The receiver of the reports is gone.
                    for_thread.stop();
                }
            };
            if let Some(before) = before {
                // A panic was printed where it happened.
                let _ = before.join();
            }
            match make_lab() {
                Ok(mut lab) => serve(&mut lab, &inbox, &for_thread, &mut report),
                Err(error) => report(Report::Failed { job: None, message: error.to_string() }),
            }
        };
        let thread = thread::Builder::new()
            .name("lab".into())
            .spawn(work)
            .map_err(|_| WorkerError::NoThread)?;
        Ok(Self { requests: Some(requests), reports: Some(reports), control, thread: Some(thread) })
    }

    /// Asks for `epochs` more epochs of training of this template. If that is not the lab's, the lab is
    /// [edited](Lab::edit) first.
    ///
    /// # Errors
    /// When a job is waiting already or the thread has ended.
    pub fn train(&self, epochs: usize, template: Checked) -> Result<(), WorkerError> {
        self.ask(Request { template, task: Task::Train { epochs } })
    }

    /// Asks for `iterations` more iterations of `candidates` each in this template, as
    /// [`train`](Self::train) does.
    ///
    /// # Errors
    /// When a job is waiting already or the thread has ended.
    pub fn search(
        &self,
        iterations: u32,
        candidates: usize,
        template: Checked,
    ) -> Result<(), WorkerError> {
        self.ask(Request { template, task: Task::Search { iterations, candidates } })
    }

    /// Makes the running job wait, or go on.
    pub fn set_paused(&self, paused: bool) {
        self.control.set_paused(paused);
    }

    /// Ends the running job; what is done is kept.
    pub fn stop(&self) {
        self.control.stop();
    }

    /// Ends the running job, and forgets the epoch that a training has begun.
    pub fn cancel(&self) {
        self.control.cancel();
    }

    /// The next report, if there is one.
    ///
    /// # Errors
    /// [`WorkerError::Ended`] when the thread has ended and everything was read.
    pub fn try_report(&self) -> Result<Option<Report>, WorkerError> {
        match self.reports.as_ref().map(Receiver::try_recv) {
            Some(Ok(report)) => Ok(Some(report)),
            Some(Err(TryRecvError::Empty)) => Ok(None),
            Some(Err(TryRecvError::Disconnected)) | None => Err(WorkerError::Ended),
        }
    }

    /// Whether the thread has ended, which it only does by itself when it could not begin or has panicked.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops the running job and gives the thread, which ends when the job has recorded what is done.
    pub fn end(mut self) -> Option<JoinHandle<()>> {
        self.hang_up();
        self.thread.take()
    }

    fn hang_up(&mut self) {
        self.control.stop();
        // Without its ends of the channels the thread neither waits for requests nor for readers.
        self.requests = None;
        self.reports = None;
    }

    fn ask(&self, request: Request) -> Result<(), WorkerError> {
        let Some(requests) = &self.requests else { return Err(WorkerError::Ended) };
        self.control.reset();
        requests.try_send(request).map_err(|error| match error {
            std::sync::mpsc::TrySendError::Full(_) => WorkerError::Busy,
            std::sync::mpsc::TrySendError::Disconnected(_) => WorkerError::Ended,
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.hang_up();
        if let Some(thread) = self.thread.take() {
            // A panic was printed where it happened.
            let _ = thread.join();
        }
    }
}

fn serve(
    lab: &mut Lab,
    inbox: &Receiver<Request>,
    control: &Control,
    report: &mut dyn FnMut(Report),
) {
    lab.story().into_iter().for_each(&mut *report);
    while let Ok(Request { template, task }) = inbox.recv() {
        let job = task.job();
        let done = edit(lab, template, report).and_then(|()| task.work(lab, control, report));
        if let Err(error) = done {
            report(Report::Failed { job: Some(job), message: error.to_string() });
        }
    }
}

impl Task {
    fn job(&self) -> Job {
        match self {
            Self::Train { .. } => Job::Train,
            Self::Search { .. } => Job::Search,
        }
    }

    fn work(
        self,
        lab: &mut Lab,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<bool, LabError> {
        match self {
            Self::Train { epochs } => lab.train(epochs, control, report),
            Self::Search { iterations, candidates } => {
                // A user who presses the button wants to search on, whatever the budget was before.
                lab.search(iterations, candidates, Budget::default(), control, report)
            }
        }
    }
}

/// Makes `template` the lab's, and reports it if that is another network.
fn edit(lab: &mut Lab, template: Checked, report: &mut dyn FnMut(Report)) -> Result<(), LabError> {
    let edited = lab.edit(template)?;
    lab.take_untold().into_iter().for_each(&mut *report);
    edited.map(Report::Edited).into_iter().for_each(report);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        data::DataSource,
        device::DeviceChoice,
        lab::LabSettings,
        ops::samples,
        study::{Event, Study},
        template::{self, Edit, NodeId},
    };
    use std::time::Duration;

    /// What a reader of the reports knows.
    fn read(reports: &[Report], mut study: Option<Study>) -> Option<Study> {
        for report in reports.iter().cloned() {
            match (report, &mut study) {
                (Report::Study(told), _) => study = Some(*told),
                (Report::Template { number, template }, Some(study)) => {
                    study.bring(number, template);
                }
                (Report::Event(event), Some(study)) => study.apply(&event).expect("follows"),
                (Report::Iteration(done), Some(study)) => {
                    study.take_fitness(done.iteration, done.fitness);
                }
                (Report::WeightsAt { step }, Some(study)) => study.weights_at(step),
                _ => {}
            }
        }
        study
    }

    /// The reports up to the end of a job.
    fn job(worker: &Worker) -> Vec<Report> {
        let mut reports = Vec::new();
        loop {
            match worker.try_report().expect("the thread runs") {
                Some(Report::Failed { message, .. }) => panic!("{message}"),
                Some(end @ Report::Finished { .. }) => {
                    reports.push(end);
                    return reports;
                }
                Some(report) => reports.push(report),
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    #[test]
    fn a_changed_template_is_applied_before_the_job_and_reports_tell_all_that_the_run_holds() {
        let runs = tempfile::tempdir().expect("a folder");
        let [small, ..] = template::presets();
        let mut template = small.template().expect("presets are right");
        template.network_mut().nodes[0].ops = vec![samples::input([1, 8, 8])].into();
        let gone = NodeId::from("dense-wide");
        let remove = Edit::Remove { nodes: vec![gone.clone()], heal: false };
        let edited = template.edited(&[remove]).expect("is there");
        let [graph, edited] = [template, edited].map(|it| Checked::new(it).expect("is right"));
        let settings = LabSettings {
            data: DataSource::Digits,
            device: DeviceChoice::Cpu,
            pool: 10,
            ..LabSettings::default()
        };
        let (first, folder) = (graph.clone(), runs.path().to_owned());
        let worker = Worker::start(None, move || Ok(Lab::new(first, settings, folder, None)))
            .expect("a thread");
        worker.train(1, graph.clone()).expect("is idle");
        let reports = job(&worker);
        assert!(!reports.iter().any(|report| matches!(report, Report::Edited(_))));
        let known = read(&reports, None);
        worker.search(1, 2, graph.clone()).expect("is idle");
        let known = read(&job(&worker), known);
        worker.search(1, 2, edited).expect("is idle");
        let reports = job(&worker);
        let known = read(&reports, known);
        let edited = reports
            .iter()
            .position(|report| matches!(report, Report::Edited(edited) if edited.nodes.dropped == [gone.clone()]))
            .expect("is told");
        // A reader with the first report and all events knows what the lab does.
        assert!(
            matches!(
                &reports[edited - 2..edited],
                [Report::Template { number: 2, .. }, Report::Event(event)]
                    if matches!(**event, Event::Edited { template: 2, .. })
            ),
            "{reports:?}"
        );
        // Back again, trained on, and stopped in the middle of an epoch.
        worker.train(1, graph.clone()).expect("is idle");
        let known = read(&job(&worker), known);
        worker.train(9, graph).expect("is idle");
        let mut reports = Vec::new();
        while !reports.iter().any(|report| matches!(report, Report::Step { .. })) {
            reports.extend(worker.try_report().expect("the thread runs"));
        }
        worker.stop();
        reports.extend(job(&worker));
        let known = read(&reports, known).expect("a study");
        drop(worker);
        let folder = runs.path().read_dir().expect("a folder").next().expect("a run");
        let opened =
            Lab::open(&folder.expect("is there").path(), DeviceChoice::Cpu).expect("opens");
        let (told, held) = (known.known(), opened.study().known());
        let same = told.bytes().zip(held.bytes()).take_while(|(a, b)| a == b).count();
        let part =
            |text: &str| text.chars().skip(same.saturating_sub(300)).take(400).collect::<String>();
        assert!(told == held, "{}\n\n{}", part(&told), part(&held));
    }
}
