//! Sessions of all kinds of events, told live and folded.

mod timeline;

use super::*;
use crate::engine::{
    candidate::CandidateId,
    mask::Mask,
    messages::keep,
    search::{Candidate, NodeFitness, Objective, Proposal, Standing, Steering},
    template::{self, Checked, Edit, NodeId},
    training::{EpochReport, StepLength, TrainSettings},
};
use proptest::prelude::*;
use std::sync::Arc;

/// Candidates that are drawn before anything happens.
const POOL: usize = 12;

fn setup() -> Setup {
    let (objective, training) = (Objective::Accuracy, TrainSettings::default());
    Setup { seed: 5, objective, training, judging: Judging::EachIteration }
}

/// A study with the events that made it.
struct Session {
    first: Checked,
    live: Study,
    events: Vec<Arc<Event>>,
    /// By number less 1.
    templates: Vec<Checked>,
    /// At the end of each iteration.
    fitness: Vec<Vec<NodeFitness>>,
    step: u64,
}

impl Session {
    fn begin() -> Self {
        let [small, ..] = template::presets();
        let first = small.checked().expect("presets are right");
        let live = Study::begin(first.clone(), setup(), POOL);
        let graph = first.graph();
        let pool = live.candidates().iter().map(|candidate| {
            let (parents, kept) = (Vec::new(), ids(&first, &candidate.mask));
            Arc::new(Event::Candidate { id: candidate.id, iteration: 0, parents, kept })
        });
        let events = pool.collect();
        assert!(graph.len() > 10);
        Self { templates: vec![first.clone()], first, live, events, fitness: Vec::new(), step: 0 }
    }

    fn tell(&mut self, event: Event) {
        let event = Arc::new(event);
        self.live.apply(&event).expect("follows");
        self.events.push(event);
        assert_eq!(kept_up_to_date(&self.live), counted(&self.live), "{:?}", self.events.last());
    }

    fn train(&mut self) {
        self.step += 50;
        let epoch = self.live.epochs().len() + 1;
        self.tell(Event::Epoch(EpochReport { epoch, step: self.step, ..EpochReport::EXAMPLE }));
    }

    fn search(&mut self, count: usize) {
        for id in self.live.search().stale() {
            self.evaluate(id);
        }
        let iteration = self.live.search().finished_iterations() + 1;
        let mut candidates = Vec::new();
        for Proposal { mask, parents, known } in self.live.search().proposals(count) {
            let id = known.unwrap_or_else(|| {
                let id = CandidateId::after(self.live.candidates().len());
                let kept = ids(self.live.template(), &mask);
                self.tell(Event::Candidate { id, iteration, parents, kept });
                id
            });
            self.evaluate(id);
            candidates.push(id);
        }
        let Some(best) = self.live.search().best() else { return };
        let mean_accuracy = self.live.mean_of(&candidates).accuracy;
        self.tell(Event::Iteration { iteration, candidates, mean_accuracy, best, seconds: 2.0 });
        self.fitness.extend(self.live.iterations().last().map(|it| it.fitness.clone()));
    }

    /// Accuracy depends on the ids that are kept and on the weights.
    fn evaluate(&mut self, id: CandidateId) {
        let kept = ids(self.live.template(), &self.live.candidates()[id.index()].mask);
        let worth = |id: &NodeId| {
            id.as_str().bytes().fold(self.step, |sum, byte| sum * 31 % 101 + u64::from(byte)) % 13
        };
        let accuracy = kept.iter().map(worth).sum::<u64>() as f64 / (13 * kept.len()) as f64;
        self.tell(Event::Evaluated {
            id,
            iteration: 1,
            step: self.step,
            accuracy,
            balanced_accuracy: Some(accuracy / 2.0),
            loss: -accuracy,
            seconds: 0.5,
        });
    }

    /// Goes on with another template, if it can be searched.
    fn edit(&mut self, template: Checked) -> bool {
        let number = self.live.number() + 1;
        let event = Arc::new(Event::Edited {
            template: number,
            step: self.step,
            lasting: true,
            restarts: true,
            forgotten: Vec::new(),
        });
        let mut edited = self.live.clone();
        edited.bring(number, template.clone());
        if edited.apply(&event).is_err() {
            return false;
        }
        self.live = edited;
        self.templates.push(template);
        self.events.push(event);
        true
    }

    /// Removes a node, if what is left is a template.
    fn remove(&mut self, node: usize) -> bool {
        let graph = self.live.template().graph();
        let nodes = vec![graph.id(node % graph.len()).clone()];
        let edited = self.live.template().template().edited(&[Edit::Remove { nodes, heal: false }]);
        match edited.map(Checked::new) {
            Ok(Ok(template)) => self.edit(template),
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// The same study from its events.
    fn fold(&self, count: usize, judging: Judging) -> Study {
        let mut study = Study::untold(self.first.clone(), Setup { judging, ..setup() });
        for event in &self.events[..count] {
            self.take(&mut study, event);
        }
        if count >= POOL {
            study.settle();
        }
        study
    }

    fn take(&self, study: &mut Study, event: &Arc<Event>) {
        if let Event::Edited { template, .. } = **event {
            study.bring(template, self.templates[template as usize - 1].clone());
        }
        study.apply(event).expect("follows");
    }
}

fn ids(template: &Checked, mask: &Mask) -> Vec<NodeId> {
    mask.iter().map(|node| template.graph().id(node).clone()).collect()
}

type Figures = (usize, Option<CandidateId>, Option<(f64, f64)>, Option<usize>);

/// How many candidates are evaluated, the best, the range of accuracies, and how many tie.
fn kept_up_to_date(study: &Study) -> Figures {
    let search = study.search();
    (search.evaluations(), search.best(), search.accuracy_range(), search.tie())
}

/// The same by a look at all candidates.
fn counted(study: &Study) -> Figures {
    let candidates = study.candidates();
    let evaluated = candidates.iter().filter(|it| it.evaluation.is_some()).count();
    let accuracies: Vec<_> = candidates.iter().filter_map(Candidate::accuracy_now).collect();
    let range = accuracies.iter().copied().reduce(f64::min);
    let range = range.zip(accuracies.iter().copied().reduce(f64::max));
    let present = candidates.iter().filter(|it| it.standing == Standing::Present);
    let worth = |it: &Candidate| Some(study.objective().worth(&it.evaluation?));
    let worths: Vec<_> = present.filter_map(worth).collect();
    let tie = worths.len() > 1 && worths.iter().all(|worth| *worth == worths[0]);
    let best = study.search().ranked().first().map(|rank| rank.id);
    (evaluated, best, range, tie.then_some(worths.len()))
}

/// What the evaluations say.
fn concluded(study: &Study) -> String {
    format!("{:?} {:?}", study.fitness(), study.search().proposals(3))
}

/// All that is known, as text.
fn told(study: &Study) -> String {
    format!("{} {:?}", study.known(), study.fitness())
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Train,
    Search(usize),
    Remove(usize),
    Undo(usize),
    Pin(usize),
    Free,
    Time,
    Aim,
    Retune,
    Retrain,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Train),
        (1..5usize).prop_map(Act::Search),
        (0..100usize).prop_map(Act::Remove),
        (0..100usize).prop_map(Act::Undo),
        (0..100usize).prop_map(Act::Pin),
        Just(Act::Free),
        Just(Act::Time),
        Just(Act::Aim),
        Just(Act::Retune),
        Just(Act::Retrain),
    ]
}

impl Session {
    fn act(&mut self, act: Act) {
        match act {
            Act::Train => self.train(),
            Act::Search(count) => self.search(count),
            Act::Remove(node) => {
                self.remove(node);
            }
            Act::Undo(which) => {
                let template = self.templates[which % self.templates.len()].clone();
                self.edit(template);
            }
            Act::Pin(node) => {
                let graph = self.live.template().graph();
                let pinned = vec![graph.id(node % graph.len()).clone()];
                let steering = Steering { pinned, ..Steering::default() };
                if self.live.search().check(&steering, self.live.cloud()).is_ok() {
                    self.tell(Event::Steered(steering));
                }
            }
            Act::Free => self.tell(Event::Steered(Steering::default())),
            Act::Time => {
                let id = self.live.search().best().unwrap_or(CandidateId(0));
                self.tell(Event::Timed { id, latency: 1e-3 });
            }
            Act::Aim => {
                let objective = match self.live.objective() {
                    Objective::Accuracy => Objective::Loss,
                    Objective::BalancedAccuracy | Objective::Loss => Objective::Accuracy,
                };
                self.tell(Event::Aimed { objective });
            }
            Act::Retune => {
                let to = StepLength { learning_rate: 1e-4, clip: Some(5.0) };
                self.tell(Event::Retuned { to, instead_of: self.live.configured() });
            }
            Act::Retrain => {
                let Some(id) = self.live.search().best() else { return };
                let (accuracy, balanced_accuracy, loss) = (0.5, None, 1.0);
                let (epochs, seconds) = (2, 3.0);
                self.tell(Event::Retrained {
                    id,
                    epochs,
                    accuracy,
                    balanced_accuracy,
                    loss,
                    seconds,
                });
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn folding_the_events_gives_the_live_study_after_each_of_them(
        acts in proptest::collection::vec(act(), 1..12)
    ) {
        let mut session = Session::begin();
        let state = |session: &Session| {
            (session.events.len(), told(&session.live), concluded(&session.live))
        };
        let mut all = vec![state(&session)];
        for act in acts {
            session.act(act);
            all.push(state(&session));
        }
        for (count, live, conclusions) in all {
            prop_assert_eq!(&told(&session.fold(count, Judging::EachIteration)), &live);
            // Also where nothing was concluded on the way.
            prop_assert_eq!(&concluded(&session.fold(count, Judging::WhenAsked)), &conclusions);
        }
        // A reader that begins anywhere and takes the fitness as it is told knows the same.
        let half = session.events.len().midpoint(POOL).max(POOL);
        let mut replica = session.fold(half, Judging::EachIteration).replica();
        for event in &session.events[half..] {
            session.take(&mut replica, event);
            if let Event::Iteration { iteration, .. } = **event {
                let told = session.fitness[iteration as usize - 1].clone();
                replica.take_fitness(iteration, told);
            }
        }
        prop_assert_eq!(replica.known(), session.live.known());
    }

    #[test]
    fn what_an_edit_removes_is_back_when_a_later_edit_brings_the_nodes_back(
        acts in proptest::collection::vec(act(), 0..6), nodes in proptest::collection::vec(0..100usize, 1..4),
        count in 1..4usize
    ) {
        let mut session = Session::begin();
        session.act(Act::Train);
        session.act(Act::Search(4));
        for act in acts {
            session.act(act);
        }
        let (before, fitness) = (session.live.clone(), session.live.fitness());
        let removed = nodes.into_iter().filter(|&node| session.remove(node)).count();
        prop_assume!(removed > 0);
        session.search(count);
        prop_assert!(session.edit(before.template().clone()));
        let back = &session.live;
        let known = before.candidates().len();
        for (was, is) in before.placed().zip(back.placed()) {
            // An evaluation of this session counts to its iteration.
            let iteration = is.candidate.iteration;
            let again = Candidate { iteration, ..was.candidate.clone() };
            let evaluated_since = was.candidate.evaluation.is_none() || was.candidate.standing == Standing::Stale;
            if !evaluated_since || is.candidate.evaluation == was.candidate.evaluation {
                prop_assert_eq!(is.candidate, &again);
            }
            prop_assert_eq!(is.position, was.position);
            prop_assert_eq!(&is.candidate.mask, &was.candidate.mask);
        }
        prop_assert!(back.candidates().len() >= known);
        prop_assert_eq!(back.fitness().len(), fitness.len());
        prop_assert_eq!(back.search().steering(), before.search().steering());
    }
}

#[test]
fn nodes_that_come_back_in_stages_have_the_fitness_that_they_had() {
    let mut session = Session::begin();
    session.act(Act::Train);
    session.act(Act::Search(6));
    let (whole, before) = (session.live.template().clone(), told(&session.live));
    let free: Vec<_> = session.live.template().graph().layers().iter().map(|it| it[0]).collect();
    let removed = free.into_iter().filter(|&node| session.remove(node)).count();
    assert!(removed > 1, "{removed}");
    let stages: Vec<_> = session.templates[1..session.templates.len() - 1].to_vec();
    for stage in stages.into_iter().rev().chain([whole]) {
        assert!(session.edit(stage));
    }
    let number = |text: String, number: u32| text.replacen(&format!("(({number},"), "((N,", 1);
    let after = number(told(&session.live), session.live.number());
    // Where the weights are differs, what they are does not.
    let place = format!("Some(\"edit-{}\")", session.live.number());
    assert_eq!(after.replacen(&place, "Some(\"epoch-1\")", 1), number(before, 1));
}

#[test]
fn a_run_of_an_older_program_forgets_what_its_edits_removed() {
    let mut session = Session::begin();
    session.act(Act::Train);
    session.act(Act::Search(6));
    let whole = session.first.clone();
    let (before, alternatives) = (session.live.clone(), session.live.template().graph().layers());
    let node = alternatives.iter().find(|layer| layer.len() > 1).expect("a layer")[0];
    assert!(session.remove(node));
    session.edit(whole);
    for event in &mut session.events {
        if let Event::Edited { lasting, .. } = Arc::make_mut(event) {
            *lasting = false;
        }
    }
    let folded = session.fold(session.events.len(), Judging::EachIteration);
    let is_retired =
        |study: &Study| study.candidates().iter().map(Candidate::is_retired).collect::<Vec<_>>();
    let kept = |candidate: &Candidate| candidate.mask.contains(node);
    assert_eq!(is_retired(&session.live), vec![false; before.candidates().len()]);
    assert_eq!(is_retired(&folded), before.candidates().iter().map(kept).collect::<Vec<_>>());
    // It may find them again.
    let gone = before.candidates().iter().find(|candidate| kept(candidate)).expect("some");
    let mut again = folded.clone();
    let id = CandidateId::after(again.candidates().len());
    let kept = ids(again.template(), &gone.mask);
    let candidate = Event::Candidate { id, iteration: 2, parents: Vec::new(), kept };
    again.apply(&candidate.into()).expect("is new");
}

#[test]
fn events_that_do_not_follow_are_refused_in_these_words() {
    let mut session = Session::begin();
    session.act(Act::Train);
    session.act(Act::Search(2));
    let (next, known) = (session.live.candidates().len(), session.live.candidates()[0].clone());
    let known = ids(session.live.template(), &known.mask);
    let candidate = |id: usize, kept: Vec<NodeId>| Event::Candidate {
        id: CandidateId::after(id),
        iteration: 2,
        parents: Vec::new(),
        kept,
    };
    let of_pool = Event::Candidate {
        id: CandidateId::after(next),
        iteration: 0,
        parents: Vec::new(),
        kept: known.clone(),
    };
    let there = session.live.search().template().keys()[0];
    let edit = |step, forgotten| Event::Edited {
        template: 2,
        step,
        lasting: true,
        restarts: true,
        forgotten,
    };
    let cases = [
        ("a candidate left out", candidate(next + 1, known.clone())),
        ("another template's node", candidate(next, vec!["nowhere".into()])),
        ("a candidate that is there", candidate(next, known)),
        ("one of the pool, too late", of_pool),
        ("an epoch left out", Event::Epoch(EpochReport { epoch: 7, ..EpochReport::EXAMPLE })),
        ("the time of no candidate", Event::Timed { id: CandidateId(999), latency: 1.0 }),
        ("an edit of older weights", edit(49, Vec::new())),
        ("a node forgotten that is there", edit(50, vec![there])),
    ];
    let refused = |mut study: Study, event: &Event| {
        let error = study.apply(&event.clone().into()).expect_err("does not follow").to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    };
    let brought = || {
        let mut study = session.live.clone();
        study.bring(2, session.first.clone());
        study
    };
    let missing =
        ("a template that is missing", refused(session.live.clone(), &edit(50, Vec::new())));
    let cases = cases.map(|(case, event)| (case, refused(brought(), &event)));
    keep("broken-studies", cases.into_iter().chain([missing]));
}
