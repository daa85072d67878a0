//! Opening a lab from the journal of its run.

use super::{Lab, LabError, LabSettings, Source};
use crate::engine::{
    device::DeviceChoice,
    run::{Entry, Run},
    study::{Event, Judging, Setup},
};
use std::{path::Path, sync::Arc};

/// The `run` with everything its journal holds; nothing is changed. `judging` says when the fitness
/// of nodes is worked out.
pub(super) fn open(mut run: Run, device: DeviceChoice, judging: Judging) -> Result<Lab, LabError> {
    let folder = &run.folder().to_owned();
    let checked = run.config().training.check_alone();
    checked.map_err(|source| LabError::Settings { path: folder.join("run.ron"), source })?;
    let state = run.state()?;
    let (journal, entries) = (run.journal_path(), run.journal()?);
    let config = run.config();
    let settings = LabSettings {
        data: config.data.clone(),
        read: config.read,
        moved_data: None,
        fit: false,
        objective: config.objective,
        memory: None,
        device,
        seed: config.seed,
        training: config.training,
        evaluation: config.evaluation,
        pool: config.pool,
    };
    let setup = Setup { judging: Judging::WhenAsked, ..settings.study() };
    let source = match run.known_results()? {
        Some(known) => Source::Table(Arc::new(known)),
        None => Source::Supernet(None),
    };
    let mut study = source.untold_study(run.template(1)?, setup);
    let mut judged = match judging {
        Judging::EachIteration => last_iterations(&entries),
        Judging::WhenAsked | Judging::Elsewhere => Vec::new(),
    };
    for Entry { line, event, .. } in entries {
        if let Event::Edited { template, .. } = event {
            study.bring(template, run.template(template)?);
        }
        study.apply(&event.into()).map_err(|mismatch| LabError::JournalMismatch {
            path: journal.clone(),
            line,
            what: mismatch.to_string(),
        })?;
        if judged.pop_if(|last| *last == line).is_some() {
            study.judge();
        }
    }
    study.settle();
    study.judge_from_here(judging);
    let mut lab = Lab {
        study,
        settings,
        runs: folder.parent().unwrap_or(Path::new(".")).to_owned(),
        name: None,
        source,
        setup_secs: 0.0,
        untold_secs: 0.0,
        summary: run.summary()?,
        state,
        run: None,
        untold: Vec::new(),
    };
    lab.study.weights_at(lab.trained_steps());
    lab.run = Some(run);
    Ok(lab)
}

/// The lines that end the last iteration of each template, last first: of the others no fitness is kept.
fn last_iterations(entries: &[Entry]) -> Vec<usize> {
    let mut is_last = true;
    let mut found = Vec::new();
    for Entry { line, event, .. } in entries.iter().rev() {
        match event {
            Event::Edited { .. } => is_last = true,
            Event::Iteration { .. } if std::mem::take(&mut is_last) => found.push(*line),
            _ => {}
        }
    }
    found
}
