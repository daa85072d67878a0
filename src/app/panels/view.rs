//! What panels read and what they ask for. Panels see the document, never change it: they fill in
//! [`Wishes`], which are carried out after all panels are drawn.

use crate::{
    app::{
        document::{Archive, Document, DocumentRequest, Focus, JobStatus, TrainingHistory},
        jobs::JobRequest,
        settings::Settings,
    },
    engine::{
        data::DataSource, mask::Mask, search::NodeFitness, template::NodeId,
        training::TrainSettings,
    },
};

/// Everything that panels show.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) document: &'a Document,
    pub(super) archive: &'a Archive,
    pub(super) history: &'a TrainingHistory,
    pub(super) status: &'a JobStatus,
    pub(super) focus: &'a Focus,
    pub(super) settings: &'a Settings,
}

/// The fitness of a node before the first iteration.
const UNKNOWN: NodeFitness =
    NodeFitness { fitness: 0.5, uncertainty: 1.0, frequency: 0.0, count: 0 };

impl View<'_> {
    /// Whether nothing has been trained.
    pub(super) fn is_untrained(&self) -> bool {
        self.history.steps.is_empty() && !self.archive.is_trained()
    }

    /// Whether candidates can be evaluated: enough was trained, or there is nothing to train.
    pub(super) fn is_ready(&self) -> bool {
        self.archive.is_trained() || self.document.is_of_table()
    }

    /// The result of the search for a node.
    pub(super) fn fitness(&self, node: usize) -> NodeFitness {
        self.archive.fitness().get(node).copied().unwrap_or(UNKNOWN)
    }

    /// The position of the brick that is hovered, in whichever view.
    pub(super) fn hovered_node(&self) -> Option<usize> {
        self.document.graph().index_of(self.focus.hovered_brick()?)
    }

    /// The position of the brick that is selected.
    pub(super) fn selected_node(&self) -> Option<usize> {
        self.document.graph().index_of(self.focus.selected_brick.as_ref()?)
    }

    /// The nodes of the candidate that is hovered or selected.
    pub(super) fn shown_mask(&self) -> Option<&Mask> {
        let mask = &self.archive.get(self.focus.shown_candidate()?)?.candidate.mask;
        (mask.node_count() == self.document.graph().len()).then_some(mask)
    }
}

/// The settings that panels edit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choices {
    pub(super) data: DataSource,
    pub(super) training: TrainSettings,
    pub(super) epochs: usize,
    pub(super) iterations: u32,
    pub(super) candidates: usize,
}

impl Choices {
    /// The present choices.
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            data: settings.data.clone(),
            training: settings.training,
            epochs: settings.epochs,
            iterations: settings.iterations,
            candidates: settings.candidates,
        }
    }

    /// Writes them back.
    pub(super) fn put(self, settings: &mut Settings) {
        settings.data = self.data;
        settings.training = self.training;
        settings.epochs = self.epochs;
        settings.iterations = self.iterations;
        settings.candidates = self.candidates;
    }
}

/// The requests of the user while the panels were drawn.
#[derive(Debug)]
pub(super) struct Wishes {
    /// Requests to the jobs.
    pub(super) jobs: Vec<JobRequest>,
    /// Requests to the document.
    pub(super) documents: Vec<DocumentRequest>,
    /// The program is to end, whatever is not saved.
    pub(super) quit: bool,
    /// The brick whose stand-in in a panel is under the pointer.
    pub(super) hovered: Option<NodeId>,
    /// The brick to select.
    pub(super) selected: Option<NodeId>,
    /// The new settings.
    pub(super) choices: Choices,
}

impl Wishes {
    /// No wishes.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            jobs: Vec::new(),
            documents: Vec::new(),
            quit: false,
            hovered: None,
            selected: None,
            choices: Choices::of(settings),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::engine::{
        candidate::CandidateId,
        search::{Candidate, Evaluation},
        study::Event,
        template::presets,
        training::EpochReport,
    };

    /// What a view shows, without an app.
    pub(in crate::app::panels) struct Shown {
        pub(in crate::app::panels) document: Document,
        pub(in crate::app::panels) archive: Archive,
        pub(in crate::app::panels) history: TrainingHistory,
        pub(in crate::app::panels) status: JobStatus,
        pub(in crate::app::panels) focus: Focus,
        pub(in crate::app::panels) settings: Settings,
    }

    impl Shown {
        /// The smallest preset, of which nothing is known yet.
        pub(in crate::app::panels) fn new() -> Self {
            let settings = Settings::example();
            let document = Document::new(presets()[0].checked().unwrap(), None);
            Self {
                archive: Archive::of(&document),
                document,
                history: TrainingHistory::default(),
                status: JobStatus { data: Some(settings.data.clone()), ..JobStatus::default() },
                focus: Focus::default(),
                settings,
            }
        }

        pub(in crate::app::panels) fn view(&self) -> View<'_> {
            View {
                document: &self.document,
                archive: &self.archive,
                history: &self.history,
                status: &self.status,
                focus: &self.focus,
                settings: &self.settings,
            }
        }

        /// An epoch is done.
        pub(in crate::app::panels) fn train(&mut self) {
            self.archive.apply(&Event::Epoch(EpochReport::EXAMPLE).into()).expect("is the first");
        }

        /// A candidate is evaluated.
        pub(in crate::app::panels) fn search(&mut self) {
            let graph = self.document.graph();
            let candidate = Candidate {
                id: CandidateId(0),
                mask: Mask::from_nodes(graph.len(), 0..graph.len()),
                parents: Vec::new(),
                iteration: Some(0),
                evaluation: Some(Evaluation { accuracy: 0.5, loss: 1.0, ..Evaluation::default() }),
                latency: None,
                affordable: true,
                standing: crate::engine::search::Standing::Present,
                cost: Default::default(),
            };
            self.archive.show(vec![(candidate, [0.0; 3])]);
        }
    }
}
