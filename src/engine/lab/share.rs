//! Shares of a verification: what one of them has to train, and how their results come into the run.

use super::{Lab, LabError};
use crate::engine::{
    candidate::CandidateId,
    command::VerifySettings,
    data::fingerprint,
    run::{SHARE_VERSION, Share, SharePlan, ShareResult, ShareStretch, ShareWriter},
    search::Standing,
    study::Event,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// How far a share is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShareStanding {
    /// Which share.
    pub share: Share,
    /// Its journal.
    pub file: PathBuf,
    /// Epochs for each candidate.
    pub epochs: usize,
    /// Its candidates of which the share or the run knows what becomes of them.
    pub done: Vec<CandidateId>,
    /// The others.
    pub missing: Vec<CandidateId>,
}

/// What has come of merging the shares of a verification into their run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MergedShares {
    /// What the run did not know, in the order of its journal.
    pub merged: Vec<MergedResult>,
    /// How many results the run had already, or another share.
    pub known: usize,
    /// Results that do not fit the run any more: where they are, and why.
    pub left_out: Vec<String>,
    /// Files, or parts of them, that cannot be used for this run, and why.
    pub refused: Vec<String>,
    /// Shares that have still to train something, of those that belong to the merged ones.
    pub missing: Vec<MissingShare>,
}

/// A candidate of which the run has a new result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MergedResult {
    /// Which.
    pub candidate: CandidateId,
    /// For how many epochs it was trained.
    pub epochs: usize,
}

/// A share that lacks something.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MissingShare {
    /// Which share.
    pub share: Share,
    /// Epochs for each candidate.
    pub epochs: usize,
    /// Candidates that it has still to train.
    pub candidates: Vec<CandidateId>,
}

/// A result that fits the run, with what decides on its place in the journal.
struct Fitting {
    epochs: usize,
    /// Its place among the candidates that were chosen.
    place: usize,
    share: Share,
    result: ShareResult,
}

impl Lab {
    /// What a share of the verification of these candidates sets out to do.
    pub(super) fn share_plan(
        &self,
        share: Share,
        epochs: usize,
        chosen: Vec<CandidateId>,
    ) -> Result<SharePlan, LabError> {
        let Some(run) = &self.run else { return Err(LabError::NotTrained) };
        Ok(SharePlan {
            version: SHARE_VERSION,
            share,
            run: run.origin(),
            training: self.study.training(),
            evaluation: self.settings.evaluation,
            epochs,
            chosen,
        })
    }

    /// Takes up a share, and says which of its candidates are still to be trained.
    pub(super) fn take_share(
        &self,
        plan: SharePlan,
    ) -> Result<(ShareWriter, Vec<CandidateId>), LabError> {
        let Some(run) = &self.run else { return Err(LabError::NotTrained) };
        let writer = run.take_share(plan.clone())?;
        let mut missing = self.missing(&plan, plan.share);
        missing.retain(|&id| !writer.knows(id, &self.network(id)));
        Ok((writer, missing))
    }

    /// The candidates that `share` has by a plan, that are still ones, and that the run knows no result of.
    fn missing(&self, plan: &SharePlan, share: Share) -> Vec<CandidateId> {
        let places = plan.chosen.iter().enumerate();
        let own = places.filter(|&(place, _)| share.has(place)).map(|(_, &id)| id);
        let is_one = |id| match self.study.search().candidate(id).map(|it| it.standing) {
            Some(Standing::Present | Standing::Stale) => true,
            Some(Standing::Retired | Standing::Obsolete) | None => false,
        };
        own.filter(|&id| is_one(id) && !self.has_retrained(id, plan.epochs)).collect()
    }

    /// How far a share is with what is asked for.
    ///
    /// # Errors
    /// When its journal is damaged or cannot be read, or nothing is trained yet.
    pub fn share_standing(
        &self,
        settings: VerifySettings,
        share: Share,
    ) -> Result<ShareStanding, LabError> {
        let Some(run) = &self.run else { return Err(LabError::NotTrained) };
        let (epochs, chosen) = self.to_verify(settings);
        let plan = self.share_plan(share, epochs, chosen)?;
        let file = run.share_path(share);
        let stretches = if file.exists() { run.read_share(&file)? } else { Vec::new() };
        let of_plan = stretches.into_iter().filter(|stretch| stretch.plan.trains_as(&plan));
        let results: Vec<_> = of_plan.flat_map(|stretch| stretch.results).collect();
        let has = |id| results.iter().any(|it| it.id == id && it.network == self.network(id));
        let missing: Vec<_> =
            self.missing(&plan, share).into_iter().filter(|&id| !has(id)).collect();
        let own = plan.chosen.iter().filter(|&&id| plan.place(id).is_some());
        let done = own.copied().filter(|id| !missing.contains(id)).collect();
        Ok(ShareStanding { share, file, epochs, done, missing })
    }

    /// Which network a candidate is, in the sense of [`NodeKey`](crate::engine::template::NodeKey): 16 hexadecimal digits that
    /// change when anything of its nodes or of the links between them does. Nothing for one that is not known. Where another
    /// program writes it otherwise, its results are left out, and none is taken for that of another network.
    pub(super) fn network(&self, id: CandidateId) -> String {
        let Some(candidate) = self.study.search().candidate(id) else { return String::new() };
        let (graph, mask) = (self.graph(), &candidate.mask);
        let mut nodes: Vec<_> = mask.iter().collect();
        // Edits may put them into another order.
        nodes.sort_by_key(|&node| graph.id(node));
        let mut hash = Sha256::new();
        for node in nodes {
            let sources = graph.sources(node).iter().filter(|&&source| mask.contains(source));
            let sources: Vec<_> = sources.map(|&source| graph.id(source)).collect();
            let computes = graph.nodes()[node].computes();
            let told = (graph.id(node), computes, graph.input_shape(node), sources);
            hash.update(format!("{told:?}\n"));
        }
        fingerprint(hash)
    }

    /// Records in the run what its shares have found out, and what those in the files `more` have, as far as the run does
    /// not know it: in the order in which one process would have trained the candidates. Merging again changes nothing.
    ///
    /// # Errors
    /// When there are no shares, or the run cannot be written. A share that cannot be used is told, and the others are
    /// merged.
    pub fn merge_shares(&mut self, more: &[PathBuf]) -> Result<MergedShares, LabError> {
        self.source.check_trains()?;
        self.make_writable()?;
        let Some(run) = &self.run else { return Err(LabError::NotTrained) };
        let mut paths = run.shares()?;
        paths.extend_from_slice(more);
        if paths.is_empty() {
            return Err(LabError::NoShares { run: run.folder().to_owned() });
        }
        paths.sort();
        paths.dedup();
        let mut merged = MergedShares::default();
        let (mut plans, mut fitting) = (Vec::new(), Vec::new());
        for path in &paths {
            match run.read_share(path) {
                Ok(stretches) => {
                    for stretch in stretches {
                        if let Some(plan) = self.fit(path, stretch, &mut fitting, &mut merged) {
                            plans.push(plan);
                        }
                    }
                }
                Err(error) => merged.refused.push(error.to_string()),
            }
        }
        fitting.sort_by_key(|it: &Fitting| (it.epochs, it.place, it.result.id, it.share));
        let mut events: Vec<Event> = Vec::new();
        for Fitting { epochs, result: ShareResult { id: candidate, event, .. }, .. } in fitting {
            let result = MergedResult { candidate, epochs };
            if self.has_retrained(candidate, epochs) || merged.merged.contains(&result) {
                merged.known += 1;
            } else {
                merged.merged.push(result);
                events.push(event);
            }
        }
        self.note(events)?;
        if let Some(run) = self.written_run() {
            run.sync()?;
        }
        merged.missing = self.missing_shares(&plans);
        Ok(merged)
    }

    /// Puts the results of a stretch that fit the run into `fitting`, and tells of the others; gives the plan, if that fits.
    fn fit(
        &self,
        path: &Path,
        stretch: ShareStretch,
        fitting: &mut Vec<Fitting>,
        merged: &mut MergedShares,
    ) -> Option<SharePlan> {
        let ShareStretch { line, plan, results } = stretch;
        let present = self.share_plan(plan.share, plan.epochs, Vec::new()).ok()?;
        if plan.run != present.run {
            merged.refused.push(format!(
                "{}:{line}: this share is of another run; merge it into that one",
                path.display()
            ));
            return None;
        }
        if !plan.trains_as(&present) {
            merged.left_out.push(format!(
                "{}:{line}: what follows was trained with other settings than the run has now, such as another learning \
                 rate; train the share again, or go back to those",
                path.display()
            ));
            return None;
        }
        for result in results {
            if result.network != self.network(result.id) {
                merged.left_out.push(format!(
                    "{}:{}: candidate {} is another network in the run now, or none of its candidates",
                    path.display(),
                    result.line,
                    result.id
                ));
            } else if let Some(place) = plan.place(result.id) {
                fitting.push(Fitting { epochs: plan.epochs, place, share: plan.share, result });
            }
        }
        Some(plan)
    }

    /// The shares that have still to train something by one of these plans.
    fn missing_shares(&self, plans: &[SharePlan]) -> Vec<MissingShare> {
        let mut missing: Vec<MissingShare> = Vec::new();
        for plan in plans {
            let mut shares: Vec<_> =
                (0..plan.chosen.len()).map(|place| plan.share.having(place)).collect();
            shares.sort_unstable();
            shares.dedup();
            for share in shares {
                let candidates = self.missing(plan, share);
                let lacks = MissingShare { share, epochs: plan.epochs, candidates };
                if !lacks.candidates.is_empty() && !missing.contains(&lacks) {
                    missing.push(lacks);
                }
            }
        }
        missing
    }
}
