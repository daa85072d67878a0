//! What `train` and `search` share: their arguments, the lab they work in, and a stop on Ctrl-C and other signals.

use super::{
    arguments::{self, Device, RunsFolder},
    data::DataArgs,
    output,
    progress::ProgressPrinter,
    report::RunReport,
    runs,
    training::TrainingArgs,
};
use crate::{
    engine::{
        data::DataSource,
        files,
        lab::{Control, Lab, LabSettings, Plan},
        table::KnownResults,
        template::{self, Checked, presets},
        training::TrainSettings,
    },
    signals,
};
use anyhow::{Error, Result, anyhow, bail};
use clap::{Args, CommandFactory, error::ErrorKind};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

/// Arguments of every command that trains.
#[derive(Debug, Args)]
pub(super) struct JobArgs {
    #[command(flatten)]
    lab: LabArgs,
    /// Epochs of supernet training in all [default: 3, or what the resumed run set out to do].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=MOST))]
    epochs: Option<u32>,
    /// Print the final report as one JSON document.
    #[arg(long)]
    pub(super) json: bool,
}

/// The lab of a command: what it works on, and where it records that.
#[derive(Debug, Args)]
pub(super) struct LabArgs {
    /// Scene file, or name of a preset; not for a table of known results, which makes its own.
    #[arg(long, value_name = "FILE|PRESET", conflicts_with = "resume")]
    template: Option<String>,
    /// Seed of every random draw [default: 1].
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    seed: Option<u64>,
    #[command(flatten)]
    device: Device,
    #[command(flatten)]
    pub(super) runs: RunsFolder,
    /// Name of the new run's folder [default: after template, data and seed].
    #[arg(long, value_name = "NAME", conflicts_with = "resume")]
    name: Option<String>,
    /// Continue the run of this name, as `runs list` shows it, or in this folder.
    #[arg(long, value_name = "NAME|DIR", value_parser = arguments::path())]
    resume: Option<PathBuf>,
    /// The most of the machine's memory that the evaluation of a new run may take, such as 500M or 2G; where it would take
    /// more, fewer images are run at once, and the run keeps to that [default: half of what is free].
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    memory: Option<u64>,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    training: TrainingArgs,
}

/// The most epochs, iterations or candidates per iteration that can be asked for.
pub(super) const MOST: i64 = 1_000_000;

/// Epochs where the command line does not say.
const DEFAULT_EPOCHS: usize = 3;

impl LabArgs {
    /// The lab to work in, new or resumed; `epochs` are those that are asked for at once.
    pub(super) fn lab(&self, epochs: Option<u32>) -> Result<Lab> {
        if let Some(run) = &self.resume {
            if let Some(flag) = self.data.settled() {
                bail!(
                    "{flag} was settled when the run began; leave it out, or start a new run without --resume"
                );
            }
            let folder = runs::folder(&self.runs.runs, run.clone());
            let mut lab = Lab::open_to_write(&folder, self.device.device)?;
            lab.set_memory(self.memory);
            if let Some(data) = &self.data.data {
                lab.move_data(data.clone());
            }
            if self.training.retune(&mut lab)? {
                let TrainSettings { learning_rate, clip, .. } = lab.training();
                let clip =
                    clip.map_or(String::new(), |clip| format!(", gradients clipped to {clip}"));
                output::message(&format!("from here on: learning rate {learning_rate}{clip}"));
            }
            if lab.is_of_table() {
                self.tell_unused(&lab.settings().data, epochs);
            }
            return Ok(lab);
        }
        let settings = LabSettings {
            data: self.data.data.clone().unwrap_or(DataSource::FashionMini),
            read: self.data.read(),
            memory: self.memory,
            device: self.device.device,
            seed: self.seed.unwrap_or(1),
            training: self.training.settings(),
            ..LabSettings::default()
        };
        let (runs, name) = (self.runs.runs.clone(), self.name.clone());
        if let Some(file) = settings.data.known_results() {
            if let Some(template) = &self.template {
                return Err(makes_its_own(template));
            }
            let known = KnownResults::load(file, settings.read.decimal)?;
            let template = known.template(&settings.data.short_name());
            self.tell_unused(&settings.data, epochs);
            let training = TrainSettings::default();
            let settings = LabSettings { training, ..settings };
            return Ok(Lab::of_table(template, Arc::new(known), settings, runs, name)?);
        }
        let Some(template) = self.template.as_deref() else {
            let missing =
                "no template: give --template FILE, or --resume NAME, or search --data table:FILE";
            super::Cli::command().error(ErrorKind::MissingRequiredArgument, missing).exit()
        };
        let (template, file) = find_template(template)?;
        let settings = LabSettings { fit: self.data.fit || file.is_none(), ..settings };
        self.tell_unused(&settings.data, epochs);
        Ok(Lab::new(template, settings, runs, name))
    }

    /// Tells which arguments change nothing.
    fn tell_unused(&self, data: &DataSource, epochs: Option<u32>) {
        let mut unused = self.data.unused(data);
        if data.known_results().is_some() {
            let memory = self.memory.map(|_| "--memory");
            let of_training = epochs.map(|_| "--epochs").into_iter().chain(memory);
            let of_training = of_training.chain(self.training.given());
            unused.extend(of_training.map(|name| {
                format!("{name} is about training and supernets, and changes nothing for {data}")
            }));
        }
        unused.iter().for_each(|unused| output::message(&format!("note: {unused}")));
    }
}

impl JobArgs {
    /// The lab to work in, new or resumed.
    pub(super) fn lab(&self) -> Result<Lab> {
        self.lab.lab(self.epochs)
    }

    /// How many epochs are still to be trained; none for a table of known results.
    pub(super) fn epochs_to_go(&self, lab: &Lab) -> usize {
        if lab.is_of_table() {
            return 0;
        }
        let given = self.epochs.map(|epochs| epochs as usize);
        let wanted = given.or(lab.targets().epochs).unwrap_or(DEFAULT_EPOCHS);
        wanted.saturating_sub(lab.epochs())
    }
}

/// A template was given for a table of known results.
pub(super) fn makes_its_own(template: &str) -> Error {
    anyhow!("a table of known results makes its own template; leave --template {template} out")
}

/// A number of bytes, such as `500M`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no amount of memory; give one such as 500M or 2G");
    let upper = text.trim().to_uppercase();
    let digits = upper.trim_end_matches("B").trim_end_matches("I");
    let (number, unit) = match digits.char_indices().last().ok_or_else(wrong)? {
        (at, 'K') => (&digits[..at], 1 << 10),
        (at, 'M') => (&digits[..at], 1 << 20),
        (at, 'G') => (&digits[..at], 1 << 30),
        (at, 'T') => (&digits[..at], 1_u64 << 40),
        _ => (digits, 1),
    };
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let bytes = number * unit as f64;
    // Less could not hold one image with the weights.
    if bytes.is_finite() && bytes >= f64::from(1 << 20) && bytes < 2_f64.powi(60) {
        Ok(bytes as u64)
    } else if number > 0.0 {
        Err(format!("`{text}` is {bytes} bytes; give 1M or more, and less than 1048576T"))
    } else {
        Err(wrong())
    }
}

/// The template called `name`: a scene file, or else a preset.
pub(super) fn load_template(name: &str) -> Result<Checked> {
    Ok(find_template(name)?.0)
}

/// The same with the file that it is from.
pub(super) fn find_template(name: &str) -> Result<(Checked, Option<PathBuf>)> {
    let path = files::expand_home(Path::new(name));
    let preset = presets().into_iter().find(|preset| preset.name == name);
    // A folder that is called as a preset is no template.
    if path.exists() && !path.is_dir() {
        if preset.is_some() {
            output::message(&format!(
                "the template is the file {name}, not the preset of that name"
            ));
        }
        return Ok((template::load(&path)?, Some(path)));
    }
    if let Some(preset) = preset {
        return Ok((preset.checked()?, None));
    }
    if path.is_dir() {
        bail!("{name} is a folder; give the scene file (.ron) in it");
    }
    bail!(
        "there is no file {name}, nor a preset of that name; the presets are {}",
        template_names()
    )
}

/// The names of all presets, for messages.
pub(super) fn template_names() -> String {
    presets().iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ")
}

/// Trains `lab` for as many epochs as are missing; `false` if that was stopped.
pub(super) fn train_missing(
    lab: &mut Lab,
    epochs: usize,
    control: &Control,
    printer: &mut ProgressPrinter,
) -> Result<bool> {
    if epochs == 0 {
        lab.check_moved_data(&mut |report| printer.print(&report))?;
        return Ok(true);
    }
    let stopped =
        lab.work(Plan::Train { epochs }, control, &mut |report| printer.print(&report))?;
    Ok(!stopped)
}

/// A control that Ctrl-C and other signals stop: once to end cleanly after the running batch, twice to end at once.
pub(super) fn control_with_signals() -> Result<Arc<Control>> {
    let control = Arc::new(Control::default());
    let handle = Arc::clone(&control);
    signals::listen(move |signal| {
        let name = signal.name();
        if !handle.has_begun() {
            // Reading data may take minutes, and there is nothing to keep.
            output::message(&format!("{name}: ending before anything has begun"));
            std::process::exit(signal.exit_code().into());
        }
        handle.stop();
        output::message(&format!(
            "{name}: stopping after this batch; what is done is kept ({name} again ends at once)"
        ));
    })?;
    Ok(control)
}

/// Prints the final report on `lab` and gives the exit code.
pub(super) fn conclude(
    lab: &Lab,
    json: bool,
    latency: bool,
    control: &Control,
) -> Result<ExitCode> {
    let mut report = RunReport::new(lab);
    if latency {
        report.time(lab)?;
    }
    exit_code(control.is_stopped(), report.print(json))
}

/// The exit code of a job whose results were `printed`, or not: that of the signal that has stopped it, as a shell has
/// it.
pub(super) fn exit_code(stopped: bool, printed: Result<()>) -> Result<ExitCode> {
    match (signals::exit_code().filter(|_| stopped), printed) {
        (None, printed) => printed.map(|()| ExitCode::SUCCESS),
        (Some(code), printed) => {
            // Where a terminal was closed nothing can be printed, which is no failure of the job.
            if let Err(error) = printed {
                output::message(&format!("error: {error:#}"));
            }
            Ok(ExitCode::from(code))
        }
    }
}
