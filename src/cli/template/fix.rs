//! `nas-navigator template fix`: mends a template.

use super::{ProblemReport, clean, keep_and_save, problem_reports, read_file};
use crate::{
    cli::output,
    engine::template::{Fix, Problem, fixes_of, mended, to_ron},
    format::counted,
};
use anyhow::{Result, bail};
use serde::Serialize;
use std::{path::PathBuf, process::ExitCode};

/// The output of `fix`.
#[derive(Debug, Serialize)]
struct FixReport {
    file: PathBuf,
    done: Vec<String>,
    problems_left: Vec<ProblemReport>,
}

pub(super) fn fix(
    file: &str,
    wanted: Option<(u32, u32)>,
    to: Option<PathBuf>,
    json: bool,
) -> Result<ExitCode> {
    let (path, name, text, template) = read_file(file)?;
    let analysis = template.analysis();
    let (fixed, done) = match wanted {
        None => {
            let (fixed, done) = mended(&template);
            let told = |(problem, fix): &(Problem, Fix)| format!("{}: {}", problem.what, fix.title);
            (fixed, done.iter().map(told).collect())
        }
        Some((number, choice)) => {
            let count = analysis.problems.len();
            let Some(problem) = analysis.problems.get(number as usize - 1) else {
                bail!(
                    "{name} has {}; `template check` lists them",
                    counted(count, "problem", "problems")
                );
            };
            let fixes = fixes_of(&template, &analysis, problem);
            let Some(Fix { title, edits }) = fixes.get(choice as usize - 1) else {
                let titles = fixes
                    .iter()
                    .enumerate()
                    .map(|(place, fix)| format!("\n  fix {}: {}", place + 1, fix.title));
                bail!(
                    "problem {number} has {}: {problem}{}",
                    counted(fixes.len(), "fix", "fixes"),
                    titles.collect::<String>()
                );
            };
            (template.edited(edits)?, vec![format!("{}: {title}", problem.what)])
        }
    };
    let left = fixed.analysis().problems;
    let (to, text) = match to {
        None if done.is_empty() => (path, text),
        to => (keep_and_save(&path, to, &fixed)?, to_ron(&fixed)?),
    };
    if json {
        let problems_left = problem_reports(&left, &text);
        output::json(&FixReport { file: to, done, problems_left })?;
    } else {
        let mut text: String = done.iter().map(|line| clean(&format!("{line}\n"))).collect();
        if done.is_empty() {
            text += "nothing was mended\n";
        }
        let left = match left.len() {
            0 => "no problem is left".to_owned(),
            1 => "one problem is left; `template check` tells it".to_owned(),
            count => format!("{count} problems are left; `template check` tells them"),
        };
        output::data(&format!("{text}{}: {left}\n", to.display()))?;
    }
    Ok(if left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
