//! What the window shows: the template on the plate and everything that jobs have reported. Entities
//! and panels are views of these resources.

mod archive;

pub use archive::Archive;

use super::settings::Settings;
use crate::engine::{
    candidate::CandidateId,
    command::Job,
    data::{DataSource, Decimal},
    remote::ClientOptions,
    report::{Progress, Topic},
    run::{Run, RunError},
    serve::Contact,
    table::{KnownResults, TableError},
    template::{self, Checked, Edit, FileError, Graph, Network, NodeId, Template},
    training::TrainSettings,
};
use bevy::prelude::*;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// How many steps of undo are kept.
const UNDO_STEPS: usize = 200;

pub(super) fn plugin(app: &mut App) {
    app.init_resource::<Archive>()
        .init_resource::<TrainingHistory>()
        .init_resource::<JobStatus>()
        .init_resource::<Focus>()
        .add_message::<TemplateOpened>()
        .add_message::<TemplateFitted>()
        .add_message::<TemplateReplaced>()
        .add_message::<CandidateEvaluated>()
        .add_message::<Notice>()
        .add_message::<DocumentRequest>()
        .add_systems(Startup, |mut opened: MessageWriter<TemplateOpened>| {
            opened.write(TemplateOpened);
        })
        .add_systems(Update, answer_requests.in_set(DocumentSystems));
}

/// Systems that change the document; run before those that follow it.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
pub struct DocumentSystems;

/// Requests of the user to the document.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub enum DocumentRequest {
    /// Put the preset of this name on the plate.
    OpenPreset(String),
    /// Put the template of this file on the plate.
    OpenFile(PathBuf),
    /// Put the template of a table of known results on the plate, to be searched.
    OpenTable {
        /// The file.
        file: PathBuf,
        /// What stands before the decimals of its numbers, if that is said.
        decimal: Option<Decimal>,
    },
    /// Open the run in this folder and show what it holds.
    OpenRun(PathBuf),
    /// Write the template to the file it came from; a preset needs [`SaveAs`](Self::SaveAs).
    Save,
    /// Write the template to this file.
    SaveAs(PathBuf),
    /// Take the last edit back.
    Undo,
    /// Do it again.
    Redo,
}

fn answer_requests(
    mut requests: MessageReader<DocumentRequest>,
    mut document: ResMut<Document>,
    mut opened: MessageWriter<TemplateOpened>,
    mut notices: MessageWriter<Notice>,
) {
    for request in requests.read() {
        let replaced = match request {
            DocumentRequest::OpenPreset(name) => {
                let preset = template::presets().into_iter().find(|preset| preset.name == *name);
                match preset.map(|preset| preset.checked()) {
                    Some(checked) => checked
                        .map(|checked| Document::new(checked, None))
                        .map_err(|error| error.to_string()),
                    None => Err(format!("there is no preset `{name}`")),
                }
            }
            DocumentRequest::OpenFile(path) => template::load(path)
                .map(|checked| Document::new(checked, Some(path.clone())))
                .map_err(|error: FileError| error.to_string()),
            DocumentRequest::OpenTable { file, decimal } => {
                Document::of_table(file, *decimal).map_err(|error| error.to_string())
            }
            DocumentRequest::OpenRun(folder) => {
                Document::of_run(folder).map_err(|error| error.to_string())
            }
            DocumentRequest::Save => {
                match document.path().cloned() {
                    Some(path) => save(&mut document, path, &mut notices),
                    None => {
                        notices.write(Notice::Error(
                            "the template has no file yet; save it under a name of your own".into(),
                        ));
                    }
                }
                continue;
            }
            DocumentRequest::SaveAs(path) => {
                save(&mut document, path.clone(), &mut notices);
                continue;
            }
            DocumentRequest::Undo | DocumentRequest::Redo => {
                let undo = *request == DocumentRequest::Undo;
                if !(if undo { document.undo() } else { document.redo() }) {
                    let what = if undo { "nothing to undo" } else { "nothing to redo" };
                    notices.write(Notice::Info(what.into()));
                }
                continue;
            }
        };
        match replaced {
            Ok(replacement) => {
                *document = replacement;
                opened.write(TemplateOpened);
            }
            Err(message) => {
                notices.write(Notice::Error(message));
            }
        }
    }
}

fn save(document: &mut Document, path: PathBuf, notices: &mut MessageWriter<Notice>) {
    match template::save(&path, document.template()) {
        Ok(()) => {
            notices.write(Notice::Info(format!("saved {}", path.display())));
            document.mark_saved(path);
        }
        Err(error) => {
            notices.write(Notice::Error(error.to_string()));
        }
    }
}

/// Another template is on the plate; everything that jobs had reported is gone.
#[derive(Message, Clone, Debug)]
pub struct TemplateOpened;

/// The template was fitted to the data: bricks have other arguments.
#[derive(Message, Clone, Debug)]
pub struct TemplateFitted;

/// Another template came to the plate from a lab elsewhere; what is known of candidates is not affected.
#[derive(Message, Clone, Debug)]
pub struct TemplateReplaced;

/// Whether another template has come to the plate, in whichever way: for systems that show it.
pub(in crate::app) fn template_changed(
    mut opened: MessageReader<TemplateOpened>,
    mut replaced: MessageReader<TemplateReplaced>,
) -> bool {
    // Both are read in any case, or what is left would be heard again in the next frame.
    opened.read().count() + replaced.read().count() > 0
}

/// A candidate in the [`Archive`] has got its accuracy.
#[derive(Message, Clone, Debug)]
pub struct CandidateEvaluated {
    /// Which.
    pub id: CandidateId,
}

/// Something the user should read: shown as a toast and in the log.
#[derive(Message, Clone, Debug)]
pub enum Notice {
    /// Good to know.
    Info(String),
    /// All cautions about one topic that hold now. They replace the earlier ones about the same topic.
    Cautions {
        /// Their topic.
        about: Topic,
        /// Each says why, and what to do.
        texts: Vec<String>,
    },
    /// Something failed: what, where, what to do.
    Error(String),
}

/// The template on the plate, with undo.
#[derive(Resource, Debug)]
pub struct Document {
    checked: Checked,
    path: Option<PathBuf>,
    run: Option<OpenedRun>,
    table: Option<OpenedTable>,
    lab: Option<ServedLab>,
    saved: Template,
    undo: Vec<Template>,
    redo: Vec<Template>,
}

/// The table of known results that a document was made of.
#[derive(Clone, Debug)]
pub struct OpenedTable {
    /// Its file.
    pub file: PathBuf,
    /// What it holds.
    pub known: Arc<KnownResults>,
}

/// The lab elsewhere that a document follows.
#[derive(Clone, Debug)]
pub struct ServedLab {
    /// How it is reached.
    pub options: ClientOptions,
    /// Whether the template on the plate is the lab's.
    is_told: bool,
}

/// What a document makes of the template that a lab elsewhere has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum Followed {
    /// It has the same network already.
    Same,
    /// It took it over.
    Changed {
        /// Whether edits that were made here went with the template before.
        edits_lost: bool,
    },
}

/// The run that a document was opened from.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenedRun {
    /// The run folder.
    pub folder: PathBuf,
    /// The data that it trains on.
    pub data: DataSource,
    /// How it trains.
    pub training: TrainSettings,
}

impl Document {
    /// A document with this template, which is on disk at `path`; `None` for a preset.
    pub fn new(checked: Checked, path: Option<PathBuf>) -> Self {
        let saved = checked.template().clone();
        let (undo, redo) = (Vec::new(), Vec::new());
        Self { checked, path, run: None, table: None, lab: None, saved, undo, redo }
    }

    /// The document of the table of known results in `file`: its template, to be searched.
    ///
    /// # Errors
    /// When it cannot be read, or its results are no accuracies.
    pub fn of_table(file: &Path, decimal: Option<Decimal>) -> Result<Self, TableError> {
        let known = KnownResults::load(file, decimal)?;
        let name = DataSource::Table(file.to_owned()).short_name();
        let template = known.template(&name);
        let opened = OpenedTable { file: file.to_owned(), known: Arc::new(known) };
        Ok(Self { table: Some(opened), ..Self::new(template, None) })
    }

    /// The document of the run in `folder`.
    ///
    /// # Errors
    /// When there is no run or its template is damaged.
    pub fn of_run(folder: &Path) -> Result<Self, RunError> {
        let run = Run::open(folder)?;
        let (template, training) = run.present()?;
        let data = run.config().data.clone();
        let opened = OpenedRun { folder: folder.to_owned(), data, training };
        Ok(Self { run: Some(opened), ..Self::new(template, None) })
    }

    /// The document of a lab that another program serves. `meanwhile` is on the plate until the lab has told its template.
    pub fn of_lab(options: ClientOptions, meanwhile: Checked) -> Self {
        let lab = ServedLab { options, is_told: false };
        Self { lab: Some(lab), ..Self::new(meanwhile, None) }
    }

    /// The lab elsewhere that it follows; `None` for what this program works on itself.
    pub fn lab(&self) -> Option<&ServedLab> {
        self.lab.as_ref()
    }

    /// Takes over the template of the lab elsewhere, where that computes something else. This is no step of undo: where
    /// other nodes or links came, the steps before it are forgotten.
    pub(in crate::app) fn follow(&mut self, told: &Checked) -> Followed {
        let Some(lab) = &mut self.lab else { return Followed::Same };
        let was_told = std::mem::replace(&mut lab.is_told, true);
        let (here, there) = (&self.checked.template().network, &told.template().network);
        if was_told && here == there {
            return Followed::Same;
        }
        if was_told && with_ops_of(here, there) == **there {
            self.fit(told.graph());
            return Followed::Changed { edits_lost: false };
        }
        let edits_lost = self.is_dirty() || self.can_undo();
        let lab = self.lab.take();
        *self = Self { lab, ..Self::new(told.clone(), None) };
        Followed::Changed { edits_lost }
    }

    /// The run that was opened; `None` for a template, whose run begins with its first job.
    pub fn run(&self) -> Option<&OpenedRun> {
        self.run.as_ref()
    }

    /// The table of known results that it was made of; `None` for a run, also for one that searches a table.
    pub fn table(&self) -> Option<&OpenedTable> {
        self.table.as_ref()
    }

    /// Whether a table of known results is searched: there is nothing to train.
    pub fn is_of_table(&self) -> bool {
        let of_run = |run: &OpenedRun| run.data.known_results().is_some();
        // A lab elsewhere does not tell it, but a table's template has no weights.
        let graph = self.graph();
        let has_weights = (0..graph.len()).any(|node| graph.cost(node).params > 0);
        let of_lab = |lab: &ServedLab| lab.is_told && !has_weights;
        self.table.is_some()
            || self.run.as_ref().is_some_and(of_run)
            || self.lab.as_ref().is_some_and(of_lab)
    }

    /// Keeps the template and leaves the run that was opened: the next job begins another.
    pub fn leave_run(&mut self) {
        self.run = None;
    }

    /// The template, which is right.
    pub fn template(&self) -> &Template {
        self.checked.template()
    }

    /// Its network, checked. Moving a brick leaves it as it is.
    pub fn graph(&self) -> &Arc<Graph> {
        self.checked.graph()
    }

    /// Both, for a job.
    pub fn checked(&self) -> &Checked {
        &self.checked
    }

    /// The file it was opened from or last saved to.
    pub fn path(&self) -> Option<&PathBuf> {
        self.path.as_ref()
    }

    /// Whether there are edits that are not on disk.
    pub fn is_dirty(&self) -> bool {
        *self.template() != self.saved
    }

    /// Remembers that the present state is on disk at `path`.
    pub fn mark_saved(&mut self, path: PathBuf) {
        self.saved = self.template().clone();
        self.path = Some(path);
    }

    /// Moves a brick to `position` (studs) as one undoable step. No step if it is there already.
    pub fn move_brick(&mut self, id: &NodeId, position: [f32; 2]) {
        if self.template().position(id) == position {
            return;
        }
        let edit = Edit::Move { node: id.clone(), position };
        let before = self.template().clone();
        // A brick that is gone cannot be moved, which is no news.
        let Ok(template) = before.edited(&[edit]) else { return };
        if self.replace(template) {
            self.undo.push(before);
            if self.undo.len() > UNDO_STEPS {
                self.undo.remove(0);
            }
            self.redo.clear();
        }
    }

    /// Takes over a template that was fitted to the data: the same nodes with other arguments. This is no step of
    /// undo, since the user did not make it. The steps before it keep the arguments as well.
    pub fn fit(&mut self, fitted: &Graph) {
        let was_saved = !self.is_dirty();
        let before = Arc::clone(&self.template().network);
        let now = Arc::new(with_ops_of(&before, fitted.network()));
        for step in self.undo.iter_mut().chain(&mut self.redo) {
            // Steps that only move bricks have one network.
            step.network = if Arc::ptr_eq(&step.network, &before) {
                Arc::clone(&now)
            } else {
                Arc::new(with_ops_of(&step.network, fitted.network()))
            };
        }
        let template = Template { network: now, ..self.template().clone() };
        self.replace(template);
        if was_saved && self.path.is_none() {
            self.saved = self.template().clone();
        }
    }

    /// Whether there is an edit to take back.
    pub fn can_undo(&self) -> bool {
        !self.undo.is_empty()
    }

    /// Whether there is an edit to do again.
    pub fn can_redo(&self) -> bool {
        !self.redo.is_empty()
    }

    /// Takes the last edit back; `false` if there is none.
    pub fn undo(&mut self) -> bool {
        let Some(template) = self.undo.pop() else { return false };
        let before = self.template().clone();
        if self.replace(template) {
            self.redo.push(before);
        }
        true
    }

    /// Does again what was taken back last; `false` if there is nothing.
    pub fn redo(&mut self) -> bool {
        let Some(template) = self.redo.pop() else { return false };
        let before = self.template().clone();
        if self.replace(template) {
            self.undo.push(before);
        }
        true
    }

    /// Puts an edited template in the place of the present one, unless it is wrong. The network is only checked if it is
    /// another one.
    fn replace(&mut self, template: Template) -> bool {
        match self.checked.with_template(template) {
            Ok(checked) => {
                self.checked = checked;
                true
            }
            Err(problems) => {
                error!("an edit made the template invalid: {problems:?}");
                false
            }
        }
    }
}

/// A network whose nodes have the operations that they have in another one.
fn with_ops_of(network: &Network, other: &Network) -> Network {
    let mut network = network.clone();
    for node in &mut network.nodes {
        if let Some(twin) = other.node(&node.id) {
            node.ops.clone_from(&twin.ops);
        }
    }
    network
}

/// The reports of training.
#[derive(Resource, Debug, Default)]
pub struct TrainingHistory {
    /// `(step, loss)` of every training step since the run was opened, steps from 1.
    pub steps: Vec<(u64, f64)>,
    /// The nodes that the last step trained, by index; `None` when no training runs.
    pub training_path: Option<crate::engine::mask::Mask>,
}

/// The present state of the jobs.
#[derive(Resource, Debug, Default)]
pub struct JobStatus {
    /// The job that runs, paused or not.
    pub running: Option<Job>,
    /// Whether it waits.
    pub paused: bool,
    /// Whether it was asked to stop and has not ended yet.
    pub stopping: bool,
    /// How far it is.
    pub progress: Option<Progress>,
    /// Name and folder of the run.
    pub run: Option<(String, PathBuf)>,
    /// What the run trains on; `None` when there is no worker that could do a job.
    pub data: Option<DataSource>,
    /// How the run trains.
    pub training: TrainSettings,
    /// The connection to the lab, if that is elsewhere.
    pub contact: Option<Contact>,
}

impl JobStatus {
    /// Forgets the job; the run stays.
    pub fn end_job(&mut self) {
        *self = Self {
            run: self.run.take(),
            data: self.data.take(),
            training: self.training,
            contact: self.contact.take(),
            ..Self::default()
        };
    }

    /// Whether the run was set up as the settings say now; otherwise the next training begins another run. The settings
    /// here are not about a lab elsewhere.
    pub fn is_set_up_as(&self, settings: &Settings) -> bool {
        if self.contact.is_some() {
            return true;
        }
        let trains = settings.data.known_results().is_none();
        let is_same_training = !trains || self.training == settings.training;
        self.data.as_ref() == Some(&settings.data) && is_same_training
    }
}

/// The view that set a hover, so that only that view takes it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Bricks on the plate.
    Lego,
    /// Points of the cloud.
    Cloud,
    /// egui panels.
    Panel,
    /// A scripted walk.
    Tour,
}

/// The hovered and selected things, shared by all views, so that brushing links them both ways.
#[derive(Resource, Debug, Default)]
pub struct Focus {
    hovered_brick: Option<(View, NodeId)>,
    hovered_candidate: Option<(View, CandidateId)>,
    /// The brick whose properties are shown.
    pub selected_brick: Option<NodeId>,
    /// The candidate whose card stays when nothing is hovered.
    pub selected_candidate: Option<CandidateId>,
}

impl Focus {
    /// The brick under the pointer, in whichever view.
    pub fn hovered_brick(&self) -> Option<&NodeId> {
        self.hovered_brick.as_ref().map(|(_, id)| id)
    }

    /// The candidate under the pointer, in whichever view.
    pub fn hovered_candidate(&self) -> Option<CandidateId> {
        self.hovered_candidate.map(|(_, id)| id)
    }

    /// The candidate to show: the hovered one, else the selected one.
    pub fn shown_candidate(&self) -> Option<CandidateId> {
        self.hovered_candidate().or(self.selected_candidate)
    }

    /// Sets or takes away the hovered brick on behalf of `view`; taking away another view's hover does
    /// nothing. Call through [`ResMut`] only when something changed (`set_if_neq` style), since every
    /// call through it marks the resource changed.
    pub fn hover_brick(&mut self, view: View, id: Option<NodeId>) {
        match id {
            Some(id) => self.hovered_brick = Some((view, id)),
            None if self.hovered_brick.as_ref().is_some_and(|(by, _)| *by == view) => {
                self.hovered_brick = None;
            }
            None => {}
        }
    }

    /// Sets or takes away the hovered candidate on behalf of `view`, as [`hover_brick`](Self::hover_brick).
    pub fn hover_candidate(&mut self, view: View, id: Option<CandidateId>) {
        match id {
            Some(id) => self.hovered_candidate = Some((view, id)),
            None if self.hovered_candidate.is_some_and(|(by, _)| by == view) => {
                self.hovered_candidate = None;
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::remote::{Limits, Token, Waits};
    use proptest::prelude::*;

    fn document() -> Document {
        let [small, ..] = template::presets();
        Document::new(small.checked().expect("presets are right"), None)
    }

    proptest! {
        #[test]
        fn undoing_everything_restores_the_template_and_redoing_it_the_edits(
            moves in proptest::collection::vec((0usize..15, -20i8..20, -20i8..20), 1..20)
        ) {
            let mut document = document();
            let before = document.template().clone();
            let graph = Arc::clone(document.graph());
            for &(node, x, z) in &moves {
                let id = document.graph().id(node).clone();
                document.move_brick(&id, [f32::from(x), f32::from(z)]);
            }
            let after = document.template().clone();
            while document.undo() {}
            prop_assert_eq!(document.template(), &before);
            prop_assert!(!document.is_dirty());
            while document.redo() {}
            prop_assert_eq!(document.template(), &after);
            prop_assert!(Arc::ptr_eq(&graph, document.graph()), "nothing was checked again");
        }
    }

    #[test]
    fn a_move_to_the_same_place_and_of_an_unknown_brick_is_no_step() {
        let mut document = document();
        let id = document.graph().id(3).clone();
        let position = document.template().position(&id);
        document.move_brick(&id, position);
        document.move_brick(&"nowhere".into(), [3.0, 0.0]);
        document.move_brick(&id, [f32::NAN, 0.0]);
        assert!(!document.can_undo() && !document.is_dirty());
    }

    #[test]
    fn an_edit_after_an_undo_ends_what_could_be_redone() {
        let mut document = document();
        let id = document.graph().id(0).clone();
        document.move_brick(&id, [1.0, 1.0]);
        assert!(document.undo() && document.can_redo());
        document.move_brick(&id, [2.0, 2.0]);
        assert!(!document.redo());
        assert_eq!(document.template().position(&id), [2.0, 2.0]);
    }

    #[test]
    fn only_the_view_that_hovers_takes_its_hover_away() {
        let mut focus = Focus::default();
        focus.hover_brick(View::Lego, Some("a".into()));
        focus.hover_brick(View::Panel, None);
        assert_eq!(focus.hovered_brick(), Some(&"a".into()));
        focus.hover_brick(View::Panel, Some("b".into()));
        focus.hover_brick(View::Lego, None);
        assert_eq!(focus.hovered_brick(), Some(&"b".into()));
        focus.hover_brick(View::Panel, None);
        assert_eq!(focus.hovered_brick(), None);
    }

    /// The document's systems without anything that draws.
    fn app(document: Document) -> App {
        let mut app = App::new();
        app.add_plugins((MinimalPlugins, plugin)).insert_resource(document);
        app
    }

    #[test]
    fn what_a_lab_elsewhere_tells_replaces_only_what_computes_something_else() {
        const TOLD: &str = include_str!("../../scenes/3-conv-3-layer.ron");
        let parse = |text: &str| template::parse("told", text).expect("is right");
        let options = ClientOptions {
            address: "localhost".to_owned(),
            token: Token::new().expect("random bytes"),
            write: true,
            trust: None,
            exposed: false,
            waits: Waits::default(),
            limits: Limits::default(),
        };
        let mut document = Document::of_lab(options, document().checked().clone());
        let changed = |edits_lost| Followed::Changed { edits_lost };
        let told = parse(TOLD);
        assert_eq!(document.follow(&told), changed(false));
        let id = document.graph().id(0).clone();
        document.move_brick(&id, [-40.0, 0.0]);
        assert_eq!(document.follow(&told), Followed::Same);
        assert!(document.is_dirty() && document.can_undo());

        // Other arguments leave bricks where they were moved to.
        let other = parse(&TOLD.replace("kernel: 5)", "kernel: 7)"));
        assert_eq!(document.follow(&other), changed(false));
        assert_eq!(document.template().network, other.template().network);
        assert_eq!(document.template().position(&id), [-40.0, 0.0]);
        assert!(document.undo() && document.redo());
        assert_eq!(document.template().network, other.template().network);

        let others = template::presets()[2].checked().expect("presets are right");
        assert_eq!(document.follow(&others), changed(true));
        assert_eq!(document.template(), others.template());
        assert!(!document.is_dirty() && !document.can_undo());
    }

    fn notices(app: &mut App) -> Vec<Notice> {
        app.world_mut().resource_mut::<Messages<Notice>>().drain().collect()
    }

    #[test]
    fn saving_and_opening_go_through_files_and_a_failure_keeps_the_document() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mine.ron");
        let mut app = app(document());
        let id = app.world().resource::<Document>().graph().id(0).clone();
        app.world_mut().resource_mut::<Document>().move_brick(&id, [5.0, 6.0]);
        app.world_mut().write_message(DocumentRequest::SaveAs(path.clone()));
        app.update();
        assert!(!app.world().resource::<Document>().is_dirty());
        let saved = template::load(&path).expect("is right");
        assert_eq!(saved.template().position(&id), [5.0, 6.0]);

        notices(&mut app);
        app.world_mut().write_message(DocumentRequest::OpenFile(folder.path().join("none.ron")));
        app.update();
        let told = notices(&mut app);
        assert!(
            matches!(told.as_slice(), [Notice::Error(text)] if text.contains("none.ron")),
            "{told:?}"
        );
        assert_eq!(app.world().resource::<Document>().path(), Some(&path));
    }
}
