//! Workbooks of Excel: the cells of the first visible sheet that has several columns and rows.

use super::{SheetError, number};
use crate::quiet::quietly;
use calamine::{DataRef, ExcelDateTime, Reader, SheetVisible, Xlsx};
use flate2::read::DeflateDecoder;
use std::io::{self, Cursor, Read};

/// The most bytes that the parts of a workbook may unpack to.
const MOST_BYTES: u64 = 256 << 20;

/// The most cells of a sheet, with the empty ones before filled ones.
const MOST_CELLS: usize = 20_000_000;

/// The most columns: what Excel and others allow. A damaged name of a cell may say any number.
const MOST_COLUMNS: usize = 1 << 14;

/// The cells of a sheet.
#[derive(Debug)]
pub(super) struct Cells {
    /// The name of the sheet, where there are several.
    pub(super) name: Option<String>,
    /// The number of each row that has cells, from 1, and the cells as text; numbers have the decimal sign
    /// [`number::EXACT`].
    pub(super) rows: Vec<(u64, Vec<String>)>,
}

/// The first sheet with a table, of the visible ones first, of the workbook that `bytes` are.
///
/// # Errors
/// When it is damaged, too large, or holds nothing.
pub(super) fn read(bytes: &[u8]) -> Result<Cells, SheetError> {
    check_size(bytes)?;
    // The library may panic at what is damaged.
    quietly(|| cells(bytes)).unwrap_or_else(|panic| Err(SheetError::Workbook(panic)))
}

fn cells(bytes: &[u8]) -> Result<Cells, SheetError> {
    let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(failed)?;
    let sheets = workbook.sheets_metadata().iter();
    let mut names: Vec<_> =
        sheets.map(|sheet| (sheet.visible != SheetVisible::Visible, sheet.name.clone())).collect();
    // In their order, but hidden ones last.
    names.sort_by_key(|&(hidden, _)| hidden);
    let several = names.len() > 1;
    let mut first = None;
    for (_, name) in names {
        let Some(rows) = sheet(&mut workbook, &name)? else { continue };
        let is_table = rows.len() > 1 && rows.iter().any(|(_, cells)| cells.len() > 1);
        let cells = Cells { name: several.then_some(name), rows };
        if is_table {
            return Ok(cells);
        }
        // Perhaps a word about the data, with the table on another sheet.
        first.get_or_insert(cells);
    }
    first.ok_or_else(|| SheetError::Workbook("no sheet of it has a cell".to_owned()))
}

fn failed(error: calamine::XlsxError) -> SheetError {
    SheetError::Workbook(one_line(&error.to_string()))
}

/// The rows of a sheet; `None` if it has no cell.
fn sheet(
    workbook: &mut Xlsx<Cursor<&[u8]>>,
    name: &str,
) -> Result<Option<Vec<(u64, Vec<String>)>>, SheetError> {
    let mut rows: Vec<(u64, Vec<String>)> = Vec::new();
    let mut count = 0;
    let mut reader = match workbook.worksheet_cells_reader(name) {
        Ok(reader) => reader,
        // A sheet with a chart only.
        Err(calamine::XlsxError::NotAWorksheet(_)) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    while let Some(cell) = reader.next_cell_with_formula_metadata().map_err(failed)? {
        let (row, column) = cell.pos;
        let (line, column) = (u64::from(row) + 1, column as usize);
        if cell.formula.is_some() && matches!(cell.value, DataRef::Empty) {
            return Err(SheetError::Formula { sheet: name.to_owned(), line });
        }
        let text = text(&cell.value);
        if text.is_empty() {
            continue;
        }
        if rows.last().is_none_or(|(last, _)| *last != line) {
            rows.push((line, Vec::new()));
        }
        if column >= MOST_COLUMNS {
            return Err(SheetError::Workbook(format!(
                "line {line} of `{name}` has a cell in column {}; sheets end at column {MOST_COLUMNS}",
                column + 1
            )));
        }
        let Some((_, cells)) = rows.last_mut() else { continue };
        if cells.len() <= column {
            count += column + 1 - cells.len();
            if count > MOST_CELLS {
                return Err(too_many(name));
            }
            cells.resize(column + 1, String::new());
        }
        cells[column] = text;
    }
    if rows.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
        return Err(SheetError::Workbook("its rows are not in order".to_owned()));
    }
    let width = rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
    if width.saturating_mul(rows.len()) > MOST_CELLS {
        return Err(too_many(name));
    }
    rows.iter_mut().for_each(|(_, cells)| cells.resize(width, String::new()));
    Ok((!rows.is_empty()).then_some(rows))
}

fn too_many(name: &str) -> SheetError {
    SheetError::Workbook(format!("`{name}` has more than {MOST_CELLS} cells, which is the limit"))
}

fn text(cell: &DataRef<'_>) -> String {
    match cell {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => decimal(*number),
        DataRef::String(text) => one_line(text),
        DataRef::SharedString(text) => one_line(text),
        DataRef::Bool(truth) => truth.to_string().to_uppercase(),
        DataRef::DateTime(time) => date(time),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}

/// A number that is one in the workbook, written so that it decides nothing about texts, nor they about it.
fn decimal(number: f64) -> String {
    number.to_string().replace('.', number::EXACT.encode_utf8(&mut [0; 4]))
}

fn date(time: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Makes sure that the parts of the workbook unpack to what memory is allowed for. What they announce may be wrong, so
/// each is unpacked once to see.
fn check_size(bytes: &[u8]) -> Result<(), SheetError> {
    let damaged = || SheetError::Workbook("its list of parts is damaged".to_owned());
    let number = |place: usize, size: usize| {
        let bytes = bytes.get(place..place.checked_add(size)?)?;
        Some(bytes.iter().rev().fold(0_usize, |number, &byte| number << 8 | usize::from(byte)))
    };
    let end = bytes.windows(4).rposition(|four| four == b"PK\x05\x06").ok_or_else(damaged)?;
    let parts = number(end + 10, 2).ok_or_else(damaged)?;
    let mut place = number(end + 16, 4).ok_or_else(damaged)?;
    let mut left = MOST_BYTES;
    for _ in 0..parts {
        if bytes.get(place..place.saturating_add(4)) != Some(b"PK\x01\x02") {
            return Err(damaged());
        }
        let header: Option<[usize; 6]> = (|| {
            let two = |offset| number(place + offset, 2);
            let [name, extra, comment] = [two(28)?, two(30)?, two(32)?];
            let start = number(place + 42, 4)?;
            let begins = start + 30 + number(start + 26, 2)? + number(start + 28, 2)?;
            Some([two(10)?, number(place + 20, 4)?, begins, name, extra, comment])
        })();
        let [method, packed, begins, name, extra, comment] = header.ok_or_else(damaged)?;
        let content = bytes.get(begins..begins.saturating_add(packed)).ok_or_else(damaged)?;
        let size = match method {
            0 => packed as u64,
            8 => io::copy(&mut DeflateDecoder::new(content).take(left + 1), &mut io::sink())
                .map_err(SheetError::Packed)?,
            _ => return Err(damaged()),
        };
        left = left.checked_sub(size).ok_or(SheetError::Unpacked(MOST_BYTES))?;
        place += 46 + name + extra + comment;
    }
    Ok(())
}
