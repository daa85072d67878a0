//! Reads tables from files.

use super::{Architecture, Function, Known, Table, TableError, choices};
use crate::{
    engine::delimited::{Decimal, Row, Separator, Sheet, SheetError, Style, number, words},
    format::counted,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};

/// What a whole is in per cent.
pub(super) const PER_CENT: f64 = 100.0;

/// The most choices of all positions together: the navigator weighs each against each, in every iteration of every run.
const MOST_CHOICES: usize = 256;

/// The words that stand for the result of a training that failed, in addition to those for a missing value.
const FAILED: [&str; 11] = [
    "failed",
    "fail",
    "failure",
    "error",
    "err",
    "oom",
    "out of memory",
    "crash",
    "crashed",
    "diverged",
    "timeout",
];

/// What one line says.
#[derive(Debug)]
struct Line {
    line: u64,
    architecture: String,
    /// `search` and `report`; `None` if one of them says that the training failed.
    values: Option<[String; 2]>,
    canonical: Option<String>,
}

/// An architecture, with what its lines say together.
#[derive(Debug)]
pub(super) struct Entry {
    /// The first of them.
    pub(super) line: u64,
    pub(super) choices: Vec<String>,
    pub(super) known: Known,
    /// What is equal for architectures that compute the same; the architecture itself where the file has no
    /// such column.
    pub(super) canonical: String,
}

/// The lines of an architecture.
#[derive(Debug)]
struct Group {
    line: u64,
    choices: Vec<String>,
    canonical: String,
    /// `search` and `report` of those that did not fail.
    results: Vec<[f64; 2]>,
    lines: usize,
}

pub(super) fn load(path: &Path, decimal: Option<Decimal>) -> Result<Table, TableError> {
    let no_table = |error| match error {
        SheetError::Read(source) => TableError::Read { path: path.to_owned(), source },
        source => TableError::NoTable { path: path.to_owned(), source },
    };
    let sheet = Sheet::open(path).map_err(no_table)?;
    let mut notes = sheet.notes.clone();
    let mut rows = sheet.rows();
    let mut header =
        rows.next().transpose().map_err(no_table)?.unwrap_or(Row { line: 1, cells: Vec::new() });
    // Programs write no cell above the names of rows.
    let short = |row: &Row<'_>| row.filled() == header.cells.len() + 1;
    if header.filled() == header.cells.len()
        && header.cells.len() > 1
        && sheet.rows().nth(1).is_some_and(|row| row.as_ref().is_ok_and(short))
    {
        header.cells.insert(0, "".into());
    }
    let columns = Columns::find(path, &header)?;
    let mut styles = [Style::default(), Style::default()];
    let mut lines = Vec::new();
    let mut repeated = 0;
    let commas = sheet.separator() == Some(Separator::One(','));
    for row in rows.by_ref() {
        let row = row.map_err(no_table)?;
        if row.cells == header.cells {
            repeated += 1;
        } else {
            lines.push(columns.line(path, &header, &row, commas, &mut styles)?);
        }
    }
    if rows.comments() > 0 {
        notes.push(format!(
            "{} left out",
            counted(rows.comments() as usize, "comment line", "comment lines")
        ));
    }
    if repeated > 0 {
        notes.push(format!(
            "the header stands in the table again {}: left out",
            counted(repeated, "time", "times")
        ));
    }
    if styles.iter().any(Style::is_percent) {
        notes.push("percent signs were left out".to_owned());
    }
    let groups = groups(path, lines, &styles, decimal, &mut notes)?;
    let entries = entries(path, groups, &mut notes)?;
    table(path, &entries, notes)
}

/// Where each column stands.
struct Columns {
    architecture: usize,
    /// `search` and `report`.
    values: [usize; 2],
    canonical: Option<usize>,
}

impl Columns {
    fn find(path: &Path, header: &Row<'_>) -> Result<Self, TableError> {
        let find = |column: &'static str, least: usize| {
            let exact: Vec<_> =
                header.cells.iter().enumerate().filter(|(_, name)| *name == column).collect();
            let places: Vec<_> = if exact.is_empty() {
                let same = |name: &str| name.eq_ignore_ascii_case(column);
                header.cells.iter().enumerate().filter(|(_, name)| same(name)).collect()
            } else {
                exact
            };
            match places.as_slice() {
                &[(place, _)] => Ok(Some(place)),
                [] if least == 0 => Ok(None),
                places => Err(TableError::Column {
                    path: path.to_owned(),
                    line: header.line,
                    column,
                    count: places.len(),
                    found: if header.cells.is_empty() {
                        "none".to_owned()
                    } else {
                        header
                            .cells
                            .iter()
                            .take(50)
                            .map(|name| &**name)
                            .collect::<Vec<_>>()
                            .join(", ")
                    },
                }),
            }
        };
        // A column that must be there is found or an error.
        let must = |column| find(column, 1).map(Option::unwrap_or_default);
        Ok(Self {
            architecture: must("architecture")?,
            values: [must("search")?, must("report")?],
            canonical: find("canonical", 0)?,
        })
    }

    fn line(
        &self,
        path: &Path,
        header: &Row<'_>,
        row: &Row<'_>,
        commas: bool,
        styles: &mut [Style; 2],
    ) -> Result<Line, TableError> {
        let wrong = |what, fix| wrong(path, row.line, what, fix);
        let width = header.filled();
        if row.filled() > header.cells.len()
            && commas
            && let Some(example) =
                number::cut_at_commas(row.cells.iter().map(|cell| &**cell), header.cells.len())
        {
            return Err(TableError::CutNumbers {
                path: path.to_owned(),
                line: row.line,
                width,
                cells: row.cells.len(),
                why: number::about_cut(&example),
            });
        }
        if row.cells.len() < width || row.filled() > header.cells.len() {
            return Err(wrong(
                format!(
                    "the first line names {width} columns, this one has {} values",
                    row.cells.len()
                ),
                "give each column one value",
            ));
        }
        let mut failed = false;
        for (place, style) in self.values.iter().zip(styles) {
            let cell = &*row.cells[*place];
            if is_failed(cell) {
                failed = true;
            } else if !style.take(row.line, cell) {
                return Err(wrong(
                    format!("`{}` is `{cell}`, which is not a number", header.cells[*place]),
                    "write one such as 93.4 or 0.934, or `failed` if the training failed",
                ));
            }
        }
        let canonical = match self.canonical.map(|place| &*row.cells[place]) {
            Some("") => {
                return Err(wrong(
                    "`canonical` is empty".to_owned(),
                    "write the architecture itself where no other is the same",
                ));
            }
            Some(canonical) => Some(number::shown(canonical).into_owned()),
            None => None,
        };
        Ok(Line {
            line: row.line,
            architecture: number::shown(&row.cells[self.architecture]).into_owned(),
            values: (!failed).then(|| self.values.map(|place| row.cells[place].to_string())),
            canonical,
        })
    }
}

/// Whether a cell says that a training failed: nothing, `NaN`, `inf`, `failed` and the like.
fn is_failed(cell: &str) -> bool {
    let cell = number::without_percent(cell).unwrap_or(cell);
    cell.is_empty()
        || words::is_missing(cell)
        || number::is_infinite(cell)
        || FAILED.iter().any(|word| word.eq_ignore_ascii_case(cell))
}

fn wrong(path: &Path, line: u64, what: String, fix: &'static str) -> TableError {
    TableError::Line { path: path.to_owned(), line, what, fix }
}

/// The lines of each architecture, in the order of the first of them.
fn groups(
    path: &Path,
    lines: Vec<Line>,
    styles: &[Style; 2],
    given: Option<Decimal>,
    notes: &mut Vec<String>,
) -> Result<Vec<Group>, TableError> {
    let [search, report] = styles.each_ref().map(Style::evidence);
    let evidence = [search[0] || report[0], search[1] || report[1]];
    let mut decimals = Vec::new();
    for (column, style) in ["search", "report"].into_iter().zip(styles) {
        // Results are shares, per cents or losses: a single point has no thousands before it.
        let decimal = style.decide(evidence, true, given).map_err(|what| TableError::Numbers {
            path: path.to_owned(),
            column,
            what,
        })?;
        if decimal == Decimal::Comma {
            notes.push(format!("numbers have decimal commas in column `{column}`"));
        }
        if let Some(seen) = style.thousands(decimal) {
            notes.push(format!(
                "thousands are separated in column `{column}`: `{}` is {}",
                seen.cell,
                number::normal(&seen.cell, decimal).unwrap_or_default()
            ));
        }
        decimals.push(decimal);
    }
    let texts: Vec<_> = lines.iter().map(|line| line.architecture.clone()).collect();
    let choices = choices::split(&texts).map_err(|joined| TableError::Joined {
        path: path.to_owned(),
        example: joined.example,
        cut: joined.cut,
    })?;
    notes.extend(choices.note);
    let mut groups: Vec<Group> = Vec::new();
    let mut places = HashMap::<Vec<String>, usize>::new();
    for (line, choices) in lines.into_iter().zip(choices.of) {
        let wrong = |what: String, fix| wrong(path, line.line, what, fix);
        if choices.iter().any(String::is_empty) {
            return Err(wrong(
                format!("architecture `{}` has an empty choice", line.architecture),
                "name a choice between each two `/`",
            ));
        }
        if let Some(first) = groups.first().filter(|first| first.choices.len() != choices.len()) {
            return Err(wrong(
                format!(
                    "{} choices, but the architecture of line {} has {}",
                    choices.len(),
                    first.line,
                    first.choices.len()
                ),
                "give each architecture as many, joined by `/`",
            ));
        }
        let canonical = line.canonical.unwrap_or_else(|| choices.join("/"));
        let place = *places.entry(choices.clone()).or_insert(groups.len());
        if place == groups.len() {
            let (line, canonical) = (line.line, canonical.clone());
            groups.push(Group { line, choices, canonical, results: Vec::new(), lines: 0 });
        }
        let group = &mut groups[place];
        if group.canonical != canonical {
            return Err(wrong(
                format!(
                    "`canonical` is `{canonical}`, but in line {}, which has the same architecture, `{}`",
                    group.line, group.canonical
                ),
                "give both the same",
            ));
        }
        group.lines += 1;
        if let Some(cells) = line.values {
            let mut values = [0.0; 2];
            for ((value, cell), decimal) in values.iter_mut().zip(&cells).zip(&decimals) {
                let bare = number::without_percent(cell).unwrap_or(cell);
                let number =
                    number::normal(bare, *decimal).and_then(|number| number.parse::<f64>().ok());
                // Means and deviations of larger ones would not be finite.
                let Some(number) = number.filter(|number| number.abs() < 1e100) else {
                    return Err(wrong(
                        format!("`{}` is too large a number", number::shown(cell)),
                        "write one such as 93.4 or 0.934",
                    ));
                };
                *value = number;
            }
            group.results.push(values);
        }
    }
    Ok(groups)
}

/// What is known of each architecture: the mean of its lines, without failed ones; what failed altogether is as bad as the
/// worst.
fn entries(
    path: &Path,
    groups: Vec<Group>,
    notes: &mut Vec<String>,
) -> Result<Vec<Entry>, TableError> {
    let architectures = groups.len();
    let lines: usize = groups.iter().map(|group| group.lines).sum();
    let results: usize = groups.iter().map(|group| group.results.len()).sum();
    let several = groups.iter().filter(|group| group.lines > 1).count();
    if several > 0 {
        notes.push(format!(
            "{several} of {architectures} architectures have several rows ({lines} in all): the means of `search` and `report` count"
        ));
    }
    let known: Vec<Option<Known>> = groups
        .iter()
        .map(|group| {
            let mean = |place: usize| {
                let mut values: Vec<_> = group.results.iter().map(|result| result[place]).collect();
                // The same values have the same mean, in whatever order the rows stand.
                values.sort_unstable_by(f64::total_cmp);
                values.iter().sum::<f64>() / values.len() as f64
            };
            (!group.results.is_empty()).then(|| Known { search: mean(0), report: mean(1) })
        })
        .collect();
    let worst = known
        .iter()
        .flatten()
        .copied()
        .reduce(|a, b| Known { search: a.search.min(b.search), report: a.report.min(b.report) });
    let Some(worst) = worst else {
        return Err(if groups.is_empty() {
            TableError::NoRows { path: path.to_owned() }
        } else {
            TableError::NoResults { path: path.to_owned(), rows: lines }
        });
    };
    // What computes the same as one that succeeded would have succeeded, too.
    let mut of_canonical = HashMap::<String, Known>::new();
    for (group, known) in groups.iter().zip(&known) {
        if let Some(known) = known {
            of_canonical.entry(group.canonical.clone()).or_insert(*known);
        }
    }
    if results < lines {
        let failed = known.iter().filter(|known| known.is_none()).count();
        let rescued =
            groups.iter().filter(|group| (1..group.lines).contains(&group.results.len())).count();
        let mut note = format!("{} without a result", counted(lines - results, "row", "rows"));
        if failed > 0 {
            note += &format!(
                "; {} with no other row {} the worst of the table (search {}, report {})",
                counted(failed, "architecture", "architectures"),
                if failed == 1 { "counts as" } else { "count as" },
                worst.search,
                worst.report
            );
        }
        if rescued > 0 {
            note += &format!(
                "; of {} the mean of the other rows counts",
                counted(rescued, "architecture", "architectures")
            );
        }
        notes.push(note);
    }
    Ok(groups
        .into_iter()
        .zip(known)
        .map(|(group, known)| Entry {
            line: group.line,
            known: known.or_else(|| of_canonical.get(&group.canonical).copied()).unwrap_or(worst),
            choices: group.choices,
            canonical: group.canonical,
        })
        .collect())
}

/// The table of architectures that are sound each for itself and differ.
pub(super) fn table(path: &Path, rows: &[Entry], notes: Vec<String>) -> Result<Table, TableError> {
    let Some(first) = rows.first() else {
        return Err(TableError::NoRows { path: path.to_owned() });
    };
    let choices: Vec<Vec<String>> = (0..first.choices.len())
        .map(|position| {
            let distinct: BTreeSet<_> = rows.iter().map(|row| &row.choices[position]).collect();
            let mut choices: Vec<_> = distinct.into_iter().cloned().collect();
            sort_naturally(&mut choices);
            choices
        })
        .collect();
    let places: Vec<HashMap<&str, usize>> = choices
        .iter()
        .map(|choices| choices.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect())
        .collect();
    let count = choices.iter().map(Vec::len).sum();
    if count > MOST_CHOICES {
        return Err(TableError::TooManyChoices {
            path: path.to_owned(),
            count,
            layers: choices.len(),
            limit: MOST_CHOICES,
        });
    }
    let combinations =
        choices.iter().try_fold(1_usize, |product, choices| product.checked_mul(choices.len()));
    if combinations != Some(rows.len()) {
        return Err(incomplete(path, rows, &choices, combinations));
    }

    let index = |row: &Entry| {
        row.choices.iter().zip(&choices).zip(&places).fold(0, |sum, ((choice, choices), places)| {
            sum * choices.len() + places[choice.as_str()]
        })
    };
    let mut in_order: Vec<_> = rows.iter().map(|row| (Architecture(index(row)), row)).collect();
    in_order.sort_by_key(|&(architecture, _)| architecture);
    let mut of_canonical = HashMap::<&str, (Function, &Entry)>::new();
    let mut representatives = Vec::new();
    let mut functions = Vec::with_capacity(rows.len());
    for &(architecture, row) in &in_order {
        let &mut (function, first) = of_canonical.entry(&row.canonical).or_insert_with(|| {
            representatives.push(architecture);
            (Function(representatives.len() - 1), row)
        });
        if row.known != first.known {
            let (line, earlier) = (row.line.max(first.line), row.line.min(first.line));
            return Err(wrong(
                path,
                line,
                format!(
                    "`canonical` is `{}`, as in line {earlier}, but the values differ",
                    row.canonical
                ),
                "give what computes the same the same `search` and `report`, or another `canonical`",
            ));
        }
        if row.choices.join("/") == row.canonical {
            representatives[function.0] = architecture;
        }
        functions.push(function);
    }
    let known = in_order.into_iter().map(|(_, row)| row.known).collect();
    Ok(Table { choices, known, functions, representatives, notes })
}

fn incomplete(
    path: &Path,
    rows: &[Entry],
    choices: &[Vec<String>],
    combinations: Option<usize>,
) -> TableError {
    let there: BTreeSet<_> = rows.iter().map(|row| &row.choices).collect();
    // There are fewer rows than combinations, so one of the first few is missing.
    let example = (0..=rows.len())
        .map(|number| {
            let mut rest = number;
            let mut named: Vec<_> = choices
                .iter()
                .rev()
                .map(|choices| {
                    let choice = choices[rest % choices.len()].clone();
                    rest /= choices.len();
                    choice
                })
                .collect();
            named.reverse();
            named
        })
        .find(|named| !there.contains(named))
        .unwrap_or_default();
    let mut uses = BTreeMap::<(usize, &str), (usize, u64)>::new();
    for row in rows {
        for (position, choice) in row.choices.iter().enumerate() {
            uses.entry((position, choice)).or_insert((0, row.line)).0 += 1;
        }
    }
    let ((position, rarest), (_, line)) =
        uses.into_iter().min_by_key(|&(_, (count, _))| count).unwrap_or_default();
    TableError::Incomplete {
        path: path.to_owned(),
        rows: rows.len(),
        combinations: combinations.map_or("too many".to_owned(), |count| count.to_string()),
        example: example.join("/"),
        rarest: rarest.to_owned(),
        position: position + 1,
        line,
    }
}

/// Sorts numbers by their value, and other texts by their parts, of which those of digits count as numbers: `k3`
/// before `k11`.
fn sort_naturally(texts: &mut [String]) {
    let number = |text: &String| text.parse::<f64>().unwrap_or(f64::NAN);
    if texts.iter().all(|text| number(text).is_finite()) {
        // What is equal as a number may be written in two ways, such as 1 and 1.0.
        texts.sort_by(|a, b| number(a).total_cmp(&number(b)).then(a.cmp(b)));
    } else {
        texts.sort_by(|a, b| parts(a).cmp(parts(b)).then(a.cmp(b)));
    }
}

/// A text's parts, split where digits begin or end, with the value of those of digits.
fn parts(text: &str) -> impl Iterator<Item = (u64, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let digit = rest.chars().next()?.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        rest = after;
        Some((part.parse().unwrap_or(0), part))
    })
}
