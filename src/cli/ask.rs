//! `nas-navigator ask`: commands for a lab that another program serves.

use super::{
    arguments::{self, RunsFolder},
    connect::ConnectArgs,
    job::{self, MOST},
    output,
    progress::ProgressPrinter,
    steering::SteeringArgs,
    training::named,
};
use crate::{
    engine::{
        candidate::CandidateId,
        command::{Answer, Command, Job, Ticket, VerifySettings},
        remote::{ClientOptions, DEFAULT_PORT},
        replica::Replica,
        report::Report,
        search::{Evaluation, Objective},
        serve::Viewer,
        study::Study,
        template::NodeId,
        training::StepLength,
    },
    format::{Goal, Quality, counted},
};
use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::{
    process::ExitCode,
    sync::LazyLock,
    time::{Duration, Instant},
};

/// Where a lab is served unless it is said.
static HERE: LazyLock<String> = LazyLock::new(|| format!("localhost:{DEFAULT_PORT}"));

/// Arguments of `ask`.
// How the lab is reached may also be said behind the word for what is asked for.
#[derive(Debug, Args)]
#[command(
    mut_arg("connect", |arg| {
        arg.global(true).env("NAS_NAVIGATOR_CONNECT").default_value(HERE.as_str())
    }),
    mut_arg("token", |arg| arg.global(true)),
    mut_arg("trust", |arg| arg.global(true)),
    mut_arg("exposed", |arg| arg.global(true))
)]
pub(super) struct AskArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    runs: RunsFolder,
    /// Seconds in which the server must be found.
    #[arg(long, value_name = "S", global = true, default_value_t = 10)]
    patience: u64,
    /// Print the answer as JSON; for `watch`, a line for each thing that happens.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

/// What is asked for.
#[derive(Debug, Subcommand)]
enum What {
    /// Tell what happens, until Ctrl-C.
    Watch,
    /// Show how far the run is.
    Show,
    /// Train for more epochs.
    Train {
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=MOST))]
        epochs: u32,
        #[command(flatten)]
        wait: Wait,
    },
    /// Search for more iterations.
    Search {
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=MOST))]
        iterations: u32,
        /// Candidates of each.
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=MOST))]
        candidates: u32,
        #[command(flatten)]
        wait: Wait,
    },
    /// Retrain candidates from scratch.
    Verify {
        /// How many of the best candidates.
        #[arg(long, value_name = "N", default_value_t = 5)]
        top: usize,
        /// How many of the other evaluated candidates, drawn with the seed of the run.
        #[arg(long, value_name = "N", default_value_t = 5)]
        random: usize,
        /// Epochs of training for each [default: as many as the supernet was trained].
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST))]
        epochs: Option<u32>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Evaluate candidates with the weights as they are.
    Evaluate {
        /// The nodes of each candidate, separated by commas.
        #[arg(value_name = "NODE,...", required = true)]
        candidates: Vec<String>,
    },
    /// Ask for other candidates from here on; earlier steering stays, except for the arguments that are given again.
    Steer(SteeringArgs),
    /// Make something else large from here on.
    Aim {
        /// What.
        #[arg(value_name = "WHAT", value_parser = named::<Objective>())]
        objective: Objective,
    },
    /// Train in steps of another length from here on.
    Retune {
        /// The highest learning rate [default: as it is].
        #[arg(long, value_name = "RATE", value_parser = arguments::number())]
        learning_rate: Option<f64>,
        /// The norm that gradients are shortened to [default: as it is].
        #[arg(long, value_name = "NORM", value_parser = arguments::number())]
        clip: Option<f64>,
    },
    /// Go on with another template; what is known of the nodes that stay is kept.
    Edit {
        /// Scene file, or name of a preset.
        #[arg(value_name = "FILE|PRESET")]
        template: String,
    },
    /// Make the job wait.
    Pause,
    /// Make it go on.
    Resume,
    /// End the job; what is done is kept.
    Stop,
    /// End the job; a training forgets the epoch that it has begun.
    Cancel,
}

#[derive(Clone, Copy, Debug, Args)]
struct Wait {
    /// Do not wait for the end of the job.
    #[arg(long)]
    no_wait: bool,
}

/// How far a run is.
#[derive(Debug, Serialize)]
struct State {
    template: String,
    epochs: usize,
    iterations: usize,
    candidates: usize,
    evaluated: usize,
    best: Option<Best>,
    /// The job that is under way.
    job: Option<&'static str>,
    /// Whether it waits.
    paused: bool,
}

#[derive(Debug, Serialize)]
struct Best {
    candidate: CandidateId,
    nodes: Vec<NodeId>,
    evaluation: Evaluation,
}

impl State {
    fn of(study: &Study) -> Self {
        let (search, graph) = (study.search(), study.template().graph());
        // Those that the template has.
        let there = || study.candidates().iter().filter(|it| !it.is_retired());
        let best = search.best().and_then(|id| {
            let candidate = search.candidate(id)?;
            let nodes = candidate.mask.iter().map(|node| graph.id(node).clone()).collect();
            Some(Best { candidate: id, nodes, evaluation: candidate.evaluation? })
        });
        Self {
            template: study.template().template().name.clone(),
            epochs: study.epochs().len(),
            iterations: study.iterations().len(),
            candidates: there().count(),
            evaluated: there().filter(|it| it.evaluation.is_some()).count(),
            best,
            job: None,
            paused: false,
        }
    }

    fn text(&self, goal: Goal) -> String {
        let Self { template, epochs, iterations, candidates, evaluated, best, job, paused } = self;
        let mut text = format!(
            "template {template}: {}, {}, {evaluated} of {candidates} candidates evaluated\n",
            counted(*epochs, "epoch", "epochs"),
            counted(*iterations, "iteration", "iterations"),
        );
        if let Some(Best { candidate, nodes, evaluation }) = best {
            let nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
            text += &format!(
                "best: candidate {candidate}, proxy {} {}: {}\n",
                goal.name(),
                goal.of(evaluation),
                nodes.join(",")
            );
        }
        if let Some(job) = job {
            text += &format!("a {job} {}\n", if *paused { "waits" } else { "is under way" });
        }
        text
    }
}

/// How what happens is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tells {
    /// Not at all.
    Nothing,
    /// In lines for people.
    Lines,
    /// In lines of JSON, a report each.
    Json,
}

/// A line of `watch --json` where a study begins.
#[derive(Debug, Serialize)]
struct Begun {
    study: State,
}

/// A connection with what is known through it.
struct Connection {
    viewer: Viewer,
    replica: Replica,
    printer: ProgressPrinter,
    /// How what happens is told.
    tells: Tells,
    /// The job whose end is waited for, and told by itself.
    awaited: Option<Ticket>,
    /// The last note.
    last_note: Option<String>,
    /// Answers that were not asked for by this viewer: how jobs have ended.
    ends: Vec<(Ticket, Answer)>,
    /// How long to wait for a connection.
    patience: Duration,
    /// Since when there is none.
    lost: Option<Instant>,
    /// The job that is under way.
    job: Option<Job>,
    /// Whether it waits.
    paused: bool,
}

/// How long to wait for a report before looking at the clock.
const TICK: Duration = Duration::from_millis(50);

impl Connection {
    fn new(viewer: Viewer, printer: ProgressPrinter, tells: Tells, patience: Duration) -> Self {
        Self {
            viewer,
            replica: Replica::default(),
            printer,
            tells,
            awaited: None,
            last_note: None,
            ends: Vec::new(),
            patience,
            lost: None,
            job: None,
            paused: false,
        }
    }

    /// The next answer to a command of this viewer; a `None` now and then.
    fn hear(&mut self) -> Result<Option<(Ticket, Answer)>> {
        let Some(report) = self.viewer.wait_for_report(TICK)? else { return Ok(None) };
        self.replica.follow(&report)?;
        self.tell(&report)?;
        match report {
            Report::Note(note) => self.last_note = Some(note),
            // What goes on to hold is told again after it.
            Report::Study(_) => self.job = None,
            Report::Started(job) => (self.job, self.paused) = (Some(job), false),
            Report::Paused(paused) => self.paused = paused,
            Report::Answer { ticket: ticket @ Ticket::Lab(_), answer } => {
                self.job = None;
                self.ends.push((ticket, answer));
            }
            Report::Answer { ticket, answer } => return Ok(Some((ticket, answer))),
            Report::NotOpened { message } => bail!(message),
            Report::RunOpened { .. }
            | Report::Data(_)
            | Report::Cautions { .. }
            | Report::Fitted(_)
            | Report::Template { .. }
            | Report::Event(_)
            | Report::Edited(_)
            | Report::Step { .. }
            | Report::Forgotten { .. }
            | Report::WeightsAt { .. }
            | Report::Iteration(_)
            | Report::EndsEarly(_)
            | Report::Progress(_) => {}
        }
        Ok(None)
    }

    fn tell(&mut self, report: &Report) -> Result<()> {
        self.printer.take(report);
        match (self.tells, report) {
            (Tells::Lines, Report::Answer { ticket, .. }) if Some(*ticket) == self.awaited => {
                Ok(())
            }
            (Tells::Lines, report) => {
                self.printer.print(report);
                Ok(())
            }
            (Tells::Json, Report::Study(study)) => {
                output::json_line(&Begun { study: State::of(study) })
            }
            (Tells::Json, report) => output::json_line(report),
            (Tells::Nothing, _) => Ok(()),
        }
    }

    /// Hears once more, unless there has been no connection for too long.
    fn go_on(&mut self) -> Result<Option<(Ticket, Answer)>> {
        let heard = self.hear()?;
        if self.viewer.is_connected() {
            self.lost = None;
        } else if self.lost.get_or_insert_with(Instant::now).elapsed() > self.patience {
            let why = self.last_note.as_ref().map_or(String::new(), |note| format!(" ({note})"));
            bail!(
                "no lab is served there{why}; begin with `nas-navigator serve`, or say with --connect where it is"
            );
        }
        Ok(heard)
    }

    /// Waits until there is a connection whose commands are taken.
    fn reach(&mut self) -> Result<()> {
        let mut since = Instant::now();
        while !self.viewer.writes() {
            self.go_on()?;
            if !self.viewer.is_connected() {
                since = Instant::now();
            } else if since.elapsed() > self.patience {
                bail!("another viewer gives the commands; ask again when it has left");
            }
        }
        Ok(())
    }

    /// Waits until everything is known.
    fn catch_up(&mut self) -> Result<&Study> {
        loop {
            if self.viewer.is_up_to_date() && self.replica.study().is_some() {
                break;
            }
            self.go_on()?;
        }
        match self.replica.study() {
            Some(study) => Ok(study),
            None => bail!("nothing is known of the lab"),
        }
    }

    /// How far the run is.
    fn known(&self) -> Result<State> {
        let Some(study) = self.replica.study() else { bail!("nothing is known of the lab") };
        let job = self.job.map(Job::name);
        Ok(State { job, paused: self.paused && job.is_some(), ..State::of(study) })
    }

    /// The same as text.
    fn state(&self) -> Result<String> {
        let objective = self.replica.study().map(Study::objective).unwrap_or_default();
        Ok(self.known()?.text(Goal { objective, ..self.printer.goal() }))
    }

    /// The answer to a command.
    fn ask(&mut self, command: &Command) -> Result<Answer> {
        self.reach()?;
        let asked = self.viewer.ask(command)?;
        loop {
            if let Some((_, answer)) = self.go_on()?.filter(|&(ticket, _)| ticket == asked) {
                return Ok(answer);
            }
        }
    }

    /// How a job ends that was begun and is known to be under way.
    fn end(&mut self, job: Ticket) -> Result<Answer> {
        loop {
            if let Some(place) = self.ends.iter().position(|&(ticket, _)| ticket == job) {
                return Ok(self.ends.swap_remove(place).1);
            }
            // What ends while there is no connection is told, unless another study has begun since.
            let another = self.ends.iter().any(|&(ticket, _)| ticket > job);
            if another || (self.viewer.is_up_to_date() && self.job.is_none()) {
                bail!(
                    "the job has ended while there was no connection to the server, or with the server; `ask show` tells what is kept"
                );
            }
            self.go_on()?;
        }
    }
}

pub(super) fn execute(args: AskArgs) -> Result<ExitCode> {
    let AskArgs { connect, runs, patience, json, what } = args;
    let write = !matches!(what, What::Watch | What::Show);
    let Some(options) = connect.options(&runs, write)? else {
        bail!("say with --connect where the lab is served");
    };
    let viewer = Viewer::connect(options.clone())?;
    let goal = Goal { quality: Quality::Accuracy, objective: Objective::default() };
    let printer = ProgressPrinter::new(goal);
    let tells = match (&what, json) {
        (What::Watch, true) => Tells::Json,
        (What::Watch, false) => Tells::Lines,
        _ => Tells::Nothing,
    };
    let patience = Duration::from_secs(patience);
    let mut connection = Connection::new(viewer, printer, tells, patience);
    let mut waits = false;
    let command = match what {
        What::Watch => loop {
            connection.hear()?;
        },
        What::Show => {
            connection.catch_up()?;
            match json {
                true => output::json(&connection.known()?)?,
                false => output::data(&connection.state()?)?,
            }
            return Ok(ExitCode::SUCCESS);
        }
        What::Train { epochs, wait } => {
            waits = !wait.no_wait;
            Command::Train { epochs: epochs as usize, template: None }
        }
        What::Search { iterations, candidates, wait } => {
            waits = !wait.no_wait;
            Command::Search { iterations, candidates: candidates as usize, template: None }
        }
        What::Verify { top, random, epochs, wait } => {
            waits = !wait.no_wait;
            let epochs = epochs.map(|epochs| epochs as usize);
            Command::Verify(VerifySettings { top, random, epochs })
        }
        What::Evaluate { candidates } => {
            let nodes = |text: &String| text.split(',').map(|id| NodeId::from(id.trim())).collect();
            Command::Evaluate { candidates: candidates.iter().map(nodes).collect() }
        }
        What::Steer(steering) => {
            let study = connection.catch_up()?;
            Command::Steer(steering.steering(study.search())?)
        }
        What::Aim { objective } => Command::Aim(objective),
        What::Retune { learning_rate, clip } => {
            let study = connection.catch_up()?;
            let now = study.training().step_length();
            let learning_rate = learning_rate.unwrap_or(now.learning_rate);
            Command::Retune(StepLength { learning_rate, clip: clip.or(now.clip) })
        }
        What::Edit { template } => {
            let template = job::load_template(&template)?;
            let study = connection.catch_up()?;
            let (template, edits) = study.fit(template);
            for edit in edits {
                output::message(&format!("note: as the data of the run is, {edit}"));
            }
            Command::Edit(template)
        }
        What::Pause => Command::Pause,
        What::Resume => Command::Resume,
        What::Stop => Command::Stop,
        What::Cancel => Command::Cancel,
    };
    let mut answer = connection.ask(&command)?;
    if let Answer::Begun { ticket } = answer
        && waits
    {
        // To watch is enough from here on, so that others can give commands.
        connection.viewer = Viewer::connect(ClientOptions { write: false, ..options })?;
        connection.catch_up()?;
        (connection.tells, connection.awaited) = (Tells::Lines, Some(ticket));
        output::message("the job has begun; Ctrl-C leaves it to the server, `ask stop` ends it");
        answer = connection.end(ticket)?;
    }
    connection.printer.finish();
    if json {
        output::json(&answer)?;
    }
    match answer {
        Answer::Refused { message } | Answer::Failed { message, .. } => bail!(message),
        Answer::Evaluated(done) if !json => {
            let goal = connection.printer.goal();
            let lines = done.iter().map(|(id, evaluation)| {
                // A table does not tell it.
                let known = evaluation.loss.is_finite();
                let loss = known.then(|| format!(", loss {:.4}", evaluation.loss));
                format!(
                    "candidate {}: {} {}{}\n",
                    id.0,
                    goal.quality.name(),
                    goal.quality.text(evaluation.accuracy),
                    loss.unwrap_or_default()
                )
            });
            output::data(&lines.collect::<String>())?;
        }
        Answer::Done | Answer::Begun { .. } | Answer::Evaluated(_) | Answer::Ended { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}
