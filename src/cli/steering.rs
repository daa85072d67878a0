//! What the search is steered to, on the command line.

use crate::engine::{
    candidate::CandidateId,
    lab::Lab,
    search::{Measure, Rank, SearchState, Steering},
    template::NodeId,
};
use anyhow::{Result, bail};
use clap::{Args, builder::ValueParser};
use std::str::FromStr;

/// Arguments that steer the search: conditions on new candidates. A resumed run keeps its earlier steering, except
/// for the arguments that are given again.
#[derive(Debug, Args)]
#[command(next_help_heading = "Steering")]
pub(super) struct SteeringArgs {
    /// Nodes that every new candidate keeps, separated by commas.
    #[arg(long, value_name = "NODE,...", value_delimiter = ',')]
    pin: Vec<String>,
    /// Nodes that no new candidate keeps, separated by commas.
    #[arg(long, value_name = "NODE,...", value_delimiter = ',')]
    forbid: Vec<String>,
    /// New candidates keep only nodes that one of these keeps: best:N, worst:N, or candidates separated by commas.
    #[arg(long, value_name = "CANDIDATES")]
    union: Option<Selection>,
    /// New candidates come from the region that these take up: best:N, worst:N, or candidates separated by commas.
    #[arg(long, value_name = "CANDIDATES")]
    region: Option<Selection>,
    /// The most parameters of new candidates, such as 250000, 250k or 1.5M.
    #[arg(long, value_name = "N", value_parser = ValueParser::new(amount))]
    max_parameters: Option<u64>,
    /// The most floating-point operations for an image, such as 20M.
    #[arg(long, value_name = "N", value_parser = ValueParser::new(amount))]
    max_flops: Option<u64>,
    /// The longest time for an image in milliseconds, measured where candidates are evaluated. A search that looks
    /// at the clock cannot be repeated exactly.
    #[arg(long, value_name = "MS", value_parser = super::arguments::number())]
    max_latency: Option<f64>,
    /// Look for the best candidates of any cost: those with high accuracy and a low value of this.
    #[arg(long, value_name = "MEASURE", value_parser = super::training::named::<Measure>())]
    pareto: Option<Measure>,
    /// Forget what a resumed run was steered to before.
    #[arg(long)]
    free: bool,
}

impl SteeringArgs {
    /// Steers the search of `lab`; says whether that is something new.
    pub(super) fn steer(&self, lab: &mut Lab) -> Result<bool> {
        Ok(lab.steer(self.steering(lab.study().search())?)?)
    }

    /// What these arguments steer a search to.
    pub(super) fn steering(&self, search: &SearchState) -> Result<Steering> {
        let before = if self.free { Steering::default() } else { search.asked().clone() };
        let nodes = |given: &[String], before: Vec<NodeId>| {
            if given.is_empty() {
                return before;
            }
            given.iter().map(|id| NodeId::new(id.clone())).collect()
        };
        let candidates = |given: &Option<Selection>, before: Vec<CandidateId>| match given {
            Some(selection) => selection.of(search.ranked()),
            None => Ok(before),
        };
        Ok(Steering {
            pinned: nodes(&self.pin, before.pinned),
            forbidden: nodes(&self.forbid, before.forbidden),
            union: candidates(&self.union, before.union)?,
            region: candidates(&self.region, before.region)?,
            max_parameters: self.max_parameters.or(before.max_parameters),
            max_flops: self.max_flops.or(before.max_flops),
            max_latency: self.max_latency.map(|ms| ms / 1e3).or(before.max_latency),
            pareto: self.pareto.or(before.pareto),
        })
    }
}

/// Some of a run's candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Selection {
    Best(usize),
    Worst(usize),
    These(Vec<CandidateId>),
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = |count: &str| match count.parse() {
            Ok(count @ 1..) => Ok(count),
            _ => Err(format!("`{count}` is no number from 1 on")),
        };
        if let Some(best) = text.strip_prefix("best:") {
            return Ok(Self::Best(count(best)?));
        }
        if let Some(worst) = text.strip_prefix("worst:") {
            return Ok(Self::Worst(count(worst)?));
        }
        let id = |id: &str| {
            let number = id.trim().trim_start_matches('#').parse().map(CandidateId);
            number.map_err(|_| {
                format!("`{id}` is no candidate; give best:N, worst:N, or numbers as 3,14")
            })
        };
        Ok(Self::These(text.split(',').map(id).collect::<Result<_, _>>()?))
    }
}

impl Selection {
    /// Those of the `ranked` candidates, best first.
    fn of(&self, mut ranked: Vec<Rank>) -> Result<Vec<CandidateId>> {
        let (count, best) = match self {
            Self::These(ids) => return Ok(ids.clone()),
            &Self::Best(count) => (count, true),
            &Self::Worst(count) => (count, false),
        };
        if ranked.len() < count {
            bail!(
                "{count} candidates cannot be chosen by their results: {} are evaluated; search first, then steer with \
                 --resume",
                ranked.len()
            );
        }
        if !best {
            ranked.reverse();
        }
        Ok(ranked[..count].iter().map(|rank| rank.id).collect())
    }
}

/// A whole number above 0, with a unit k, M or G if it has one.
fn amount(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no amount; give one such as 250000, 250k or 1.5M");
    let units = [("k", 1e3), ("M", 1e6), ("G", 1e9)];
    let unit =
        units.into_iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)));
    let (number, factor) = unit.unwrap_or((text, 1.0));
    let value = number.trim().parse::<f64>().map_err(|_| wrong())? * factor;
    if (1.0..1e18).contains(&value) { Ok(value.round() as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units_and_are_above_0() {
        assert_eq!(amount("250000"), Ok(250_000));
        assert_eq!(amount("250k"), Ok(250_000));
        assert_eq!(amount("1.5M"), Ok(1_500_000));
        assert_eq!(amount("2 G"), Ok(2_000_000_000));
        for wrong in ["0", "-1", "much", "", "k", "NaN", "1e99"] {
            assert!(amount(wrong).is_err_and(|error| error.contains("250k")), "{wrong}");
        }
    }

    #[test]
    fn selections_are_read() {
        assert_eq!("best:5".parse(), Ok(Selection::Best(5)));
        assert_eq!("worst:2".parse(), Ok(Selection::Worst(2)));
        assert_eq!("#3,14".parse(), Ok(Selection::These(vec![CandidateId(3), CandidateId(14)])));
        for wrong in ["best:0", "best:", "good:3", "", "1,,2"] {
            assert!(wrong.parse::<Selection>().is_err(), "{wrong}");
        }
    }
}
