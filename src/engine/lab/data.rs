//! The data of a lab: read for a new run and brought together with the template, or found again for a run that has
//! one.

use super::{Lab, LabError, Source};
use crate::engine::{
    data::{
        DataError, DataSource, DataSummary, Dataset, ImageSize, Pixels, ReadOptions, Task, TaskKind,
    },
    report::Report,
    run::RunConfig,
    search::Objective,
    study::Study,
    template::{Checked, EndEdit, Ends, Graph, channels_last, fit, image_meant},
};
use std::sync::Arc;

/// Images up to this height and width give a template that is fitted to them their size; larger ones are brought
/// to the template's.
const MOST_FITTED_SIDE: usize = 64;

impl Lab {
    /// The data, in the shape that the template takes, with its fingerprint. Where the settings ask for it, the
    /// template is fitted to a new run's data.
    pub(super) fn load_data(
        &mut self,
        report: &mut dyn FnMut(Report),
    ) -> Result<(Dataset, String), LabError> {
        if let Some(run) = &self.run {
            let config = run.config().clone();
            return self.find_data(&config, report);
        }
        let data = self.read_new(report)?;
        let fingerprint = data.fingerprint();
        Ok((data, fingerprint))
    }

    /// Makes sure that data which is said to have moved is the run's, where no job has looked at it.
    ///
    /// # Errors
    /// When it is not there, or is other data, or where it is cannot be written down.
    pub fn check_moved_data(&mut self, report: &mut dyn FnMut(Report)) -> Result<(), LabError> {
        match self.source {
            Source::Supernet(None) if self.settings.moved_data.is_some() => {
                self.make_writable()?;
                self.load_data(report)?;
                Ok(())
            }
            Source::Supernet(_) => Ok(()),
            Source::Table(_) => self.check_table_stays(),
        }
    }

    /// Makes sure that no other table is asked for than that of the run.
    pub(super) fn check_table_stays(&self) -> Result<(), LabError> {
        match &self.settings.moved_data {
            Some(moved) if *moved != self.settings.data => Err(LabError::TableStays),
            Some(_) | None => Ok(()),
        }
    }

    fn read_new(&mut self, report: &mut dyn FnMut(Report)) -> Result<Dataset, LabError> {
        let [_, height, width] = self.graph().image_shape();
        let size = if self.settings.fit {
            self.fitted_size()
        } else {
            ImageSize::Exactly([height, width])
        };
        let mut data = Dataset::load_with(&self.settings.data, &self.settings.read, size)?;
        let mut other_classes = None;
        if !self.settings.fit {
            (data, other_classes) = self.as_the_template_says(data, size);
        }
        if self.study.objective() == Objective::BalancedAccuracy
            && matches!(data.task, Task::Number(_))
        {
            return Err(LabError::ObjectiveNeedsClasses { data: data.name });
        }
        if self.settings.fit {
            data = self.fit_template(data, report)?;
        } else {
            self.check_ends(&data, other_classes)?;
            data = data.fit_to(self.graph().image_shape())?;
        }
        let summary = DataSummary::of(&data);
        report(Report::Data(summary.clone()));
        for note in &summary.notes {
            report(Report::Note(note.clone()));
        }
        self.summary = Some(summary);
        report(super::caution::told(&super::caution::at_start(self)));
        Ok(data)
    }

    /// The same table with classes for numbers, or numbers for classes, where the settings do not say what the column
    /// to predict holds and the outputs of the template do; what was inferred otherwise, with the number of classes
    /// that its numbers would make.
    fn as_the_template_says(&mut self, data: Dataset, size: ImageSize) -> (Dataset, Option<usize>) {
        let outputs = self.graph().classes();
        let loss = self.settings.training.loss;
        let task = match &data.task {
            Task::Number(_) if outputs > 1 => TaskKind::Classes,
            Task::Classes(_) if outputs == 1 && !loss.takes_one_output() => TaskKind::Numbers,
            Task::Number(_) | Task::Classes(_) => return (data, None),
        };
        if self.settings.read.task.is_some() || !matches!(data.train.pixels(), Pixels::Floats(_)) {
            return (data, None);
        }
        let read = ReadOptions { task: Some(task), ..self.settings.read };
        let Ok(mut other) = Dataset::load_with(&self.settings.data, &read, size) else {
            return (data, None);
        };
        if let Task::Classes(names) = &other.task
            && names.len() != outputs
        {
            return (data, Some(names.len()));
        }
        let outputs = crate::format::counted(outputs, "output", "outputs");
        other.notes.push(format!(
            "the column to predict holds {task}, since the template has {outputs}; --task overrules that"
        ));
        // As a resumed run has to read it.
        self.settings.read = read;
        (other, None)
    }

    /// Finds the data of a run: where it is said to be now, where it was, or where it lies as seen from the run's
    /// folder. The first with the right fingerprint is it.
    fn find_data(
        &mut self,
        config: &RunConfig,
        report: &mut dyn FnMut(Report),
    ) -> Result<(Dataset, String), LabError> {
        let wanted = &config.data_fingerprint;
        let [channels, height, width] = self.graph().image_shape();
        let mut other = None;
        let mut failed = None;
        let places = self.places_of_data(config);
        for source in &places {
            let size = ImageSize::Exactly([height, width]);
            match Dataset::load_with(source, &config.read, size) {
                Ok(data) => {
                    let Ok(data) = data.fit_to([channels, height, width]) else {
                        other.get_or_insert((
                            source.clone(),
                            "examples of another shape".to_owned(),
                        ));
                        continue;
                    };
                    let fingerprint = data.fingerprint();
                    if fingerprint == *wanted {
                        if *source != config.data {
                            report(Report::Note(format!("the data is found at {source}")));
                        }
                        if Some(source) == self.settings.moved_data.as_ref()
                            && let Some(run) = self.written_run()
                        {
                            run.move_data(source)?;
                        }
                        self.settings.data = source.clone();
                        return Ok((data, fingerprint));
                    }
                    let found = format!("fingerprint {fingerprint}");
                    other.get_or_insert((source.clone(), found));
                }
                Err(error) => {
                    let missing =
                        matches!(error, DataError::NoFolder { .. } | DataError::NoFile { .. });
                    // What is there and cannot be read says more than what is not there.
                    if failed.as_ref().is_none_or(|&(_, was_missing)| was_missing && !missing) {
                        failed = Some((error, missing));
                    }
                }
            }
        }
        match (other, failed) {
            (Some((data, found)), _) => {
                // A damaged file may have anything in its place.
                let wanted = wanted.escape_debug().to_string();
                Err(LabError::OtherData { data, wanted, found })
            }
            (None, Some((_, true))) if self.settings.moved_data.is_none() => {
                Err(LabError::DataGone {
                    looked_at: places.iter().map(ToString::to_string).collect(),
                })
            }
            (None, Some((error, _))) => Err(error.into()),
            (None, None) => Err(LabError::DataGone { looked_at: Vec::new() }),
        }
    }

    /// Where the data of a run may be, most likely first; where it is said to be, nowhere else.
    fn places_of_data(&self, config: &RunConfig) -> Vec<DataSource> {
        if let Some(moved) = &self.settings.moved_data {
            return vec![moved.clone()];
        }
        let mut places: Vec<DataSource> = Vec::new();
        let mut add = |source: DataSource| {
            if !places.contains(&source) {
                places.push(source);
            }
        };
        add(config.data.clone());
        if let Some(place) = &config.data_place {
            add(config.data.at(place.absolute.clone()));
            if let Some(run) = &self.run {
                add(config.data.at(run.folder().join(&place.from_run)));
            }
        }
        places
    }

    /// The size of images that a template which is fitted to them takes.
    fn fitted_size(&self) -> ImageSize {
        let [_, height, width] = image_meant(self.graph().image_shape());
        ImageSize::CommonestUpTo { most: MOST_FITTED_SIDE, or: [height, width] }
    }

    /// Whether the data can be brought to `shape` and remains what it is: images of any size can be resized, and a
    /// grey image be given three equal channels, but none be written as a row of pixels.
    fn takes_shape(data: &Dataset, shape: [usize; 3]) -> bool {
        let ([own, ..], [_, native_height, native_width]) = (data.shape(), data.native_shape());
        let [channels, height, width] = shape;
        match data.train.pixels() {
            Pixels::Floats(_) => shape == data.shape(),
            Pixels::Bytes(_) => {
                let is_row = height.min(width) == 1
                    && height * width == native_height * native_width
                    && [height, width] != [native_height, native_width];
                (channels == own || (own == 1 && channels == 3)) && !is_row
            }
        }
    }

    /// How many outputs the data asks of a template that has `outputs` of them.
    fn wanted_outputs(&self, data: &Dataset, outputs: usize) -> usize {
        match &data.task {
            Task::Number(_) => 1,
            Task::Classes(names) => {
                let one = names.len() == 2 && self.settings.training.loss.takes_one_output();
                if one && outputs == 1 { 1 } else { names.len() }
            }
        }
    }

    /// Refuses data that the template does not go with, with the edits that would help.
    fn check_ends(&self, data: &Dataset, other_classes: Option<usize>) -> Result<(), LabError> {
        let has = Ends::of(self.graph());
        let own = channels_last(has.shape).unwrap_or(has.shape);
        let outputs = self.wanted_outputs(data, has.outputs);
        let edits = if Self::takes_shape(data, own) {
            let wanted = Ends { shape: own, outputs };
            if has == wanted {
                return Ok(());
            }
            fit(self.graph(), wanted)
        } else {
            self.fitted(data)
        };
        let edits = edits.map(|(_, edits)| edits);
        Err(LabError::Unfit(Box::new(Unfit::new(
            self.study.template(),
            data,
            other_classes,
            edits,
        ))))
    }

    /// The template with the ends that the data asks for, and the edits that it took.
    fn fitted(&self, data: &Dataset) -> Result<(Graph, Vec<EndEdit>), String> {
        let graph = self.graph();
        let outputs = self.wanted_outputs(data, graph.classes());
        let [channels, height, width] = data.native_shape();
        if matches!(data.train.pixels(), Pixels::Floats(_)) {
            return fit(graph, Ends { shape: data.shape(), outputs });
        }
        let [height, width] = self.fitted_size().of([height, width]);
        let fitted = fit(graph, Ends { shape: [channels, height, width], outputs });
        // They may be too small for the template's pooling.
        let [_, height, width] = image_meant(graph.image_shape());
        fitted.or_else(|why| {
            fit(graph, Ends { shape: [channels, height, width], outputs }).map_err(|_| why)
        })
    }

    /// Fits the template to `data`, tells what was changed, and gives the data in the template's shape.
    fn fit_template(
        &mut self,
        data: Dataset,
        report: &mut dyn FnMut(Report),
    ) -> Result<Dataset, LabError> {
        let (graph, edits) = match self.fitted(&data) {
            Ok(fitted) => fitted,
            Err(why) => {
                return Err(LabError::Unfit(Box::new(Unfit::new(
                    self.study.template(),
                    &data,
                    None,
                    Err(why),
                ))));
            }
        };
        let [_, height, width] = graph.image_shape();
        let mut data = if data.shape()[1..] == [height, width] {
            data
        } else {
            // As a resumed run reads it: scaled once.
            let size = ImageSize::Exactly([height, width]);
            Dataset::load_with(&self.settings.data, &self.settings.read, size)?
        };
        data = data.fit_to(graph.image_shape())?;
        if !edits.is_empty() {
            let told: Vec<_> = edits.iter().map(ToString::to_string).collect();
            data.notes.push(format!("the template is fitted to the data: {}", told.join(", ")));
            self.adopt(graph)?;
            report(Report::Fitted(Arc::clone(self.graph())));
            self.story().into_iter().for_each(&mut *report);
        }
        Ok(data)
    }

    /// Makes `graph`, which has the same nodes and links, the template of a lab that has done nothing yet.
    fn adopt(&mut self, graph: Graph) -> Result<(), LabError> {
        let steering = self.study.search().steering().clone();
        let template = self.study.template().with_graph(Arc::new(graph));
        // Costs are others.
        self.study = Study::begin(template, self.setup(), self.settings.pool);
        self.steer(steering)?;
        Ok(())
    }
}

/// A template and data that do not go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    template: String,
    has: Ends,
    data: String,
    shape: [usize; 3],
    /// Classes; `None` for numbers.
    classes: Option<usize>,
    is_table: bool,
    /// Whether the shape of the template's input is none of images.
    odd_shape: bool,
    /// How many classes the numbers to predict would make.
    other_classes: Option<usize>,
    /// What would help, or why nothing does.
    edits: Result<Vec<EndEdit>, String>,
}

impl Unfit {
    fn new(
        template: &Checked,
        data: &Dataset,
        other_classes: Option<usize>,
        edits: Result<Vec<EndEdit>, String>,
    ) -> Self {
        let has = Ends::of(template.graph());
        Self {
            template: template.template().name.clone(),
            has,
            data: data.name.clone(),
            shape: data.native_shape(),
            classes: match &data.task {
                Task::Classes(names) => Some(names.len()),
                Task::Number(_) => None,
            },
            is_table: matches!(data.train.pixels(), Pixels::Floats(_)),
            odd_shape: channels_last(has.shape).is_some()
                || matches!(data.train.pixels(), Pixels::Bytes(_))
                    && image_meant(has.shape) != has.shape,
            other_classes,
            edits,
        }
    }
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { template, has, data, shape, classes, .. } = self;
        let counted = crate::format::counted;
        let what = match classes {
            Some(classes) => counted(*classes, "class", "classes"),
            None => "a number to predict".to_owned(),
        };
        let values = if self.is_table {
            format!("rows of {}", counted(shape[0], "column", "columns"))
        } else {
            format!("images of {}", super::sizes(*shape))
        };
        write!(
            f,
            "{data} has {values} and {what}, the template `{template}` takes {} and gives {}",
            super::sizes(has.shape),
            counted(has.outputs, "output", "outputs")
        )?;
        if self.odd_shape {
            write!(f, " (a shape is written as channels, height, width)")?;
        }
        match &self.edits {
            Ok(edits) => {
                let steps: Vec<_> = edits.iter().map(EndEdit::instruction).collect();
                write!(f, "; {}, or let --fit do it", steps.join(", "))?;
            }
            Err(why) => write!(f, "; it cannot be fitted to the data: {why}")?,
        }
        if *classes == Some(2) && has.outputs == 1 {
            write!(f, ", or keep one output with --loss binary-cross-entropy")?;
        }
        if let Some(other) = self.other_classes {
            write!(f, ", or make {other} classes of the numbers with --task classes")?;
        }
        if self.is_table && self.edits.is_err() {
            write!(f, ", or choose a template without pooling, such as the preset 3-conv-3-layer")?;
        }
        if self.is_table && classes.is_some() && has.outputs == 1 {
            write!(f, ", or predict numbers with --task numbers, if they are numbers")?;
        }
        Ok(())
    }
}
