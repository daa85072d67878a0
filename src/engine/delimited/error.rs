//! Why a file cannot be read as a table, in words that name the line and the fix; readers put the file before them.

use crate::engine::{sniff::Kind, text::TextError};
use std::io;
use thiserror::Error;

/// Why a file is no table.
#[derive(Debug, Error)]
pub enum SheetError {
    /// The operating system refused.
    #[error("the file cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The file is larger than memory is allowed for.
    #[error("the file has {bytes} bytes, allowed are {limit}; leave out rows or columns")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// The packed content is damaged.
    #[error("the packed file is damaged or cut off ({0}); download or copy it again")]
    Packed(io::Error),
    /// The packed content is larger than memory is allowed for.
    #[error(
        "the file unpacks to more than {0} bytes, which is the limit; leave out rows or columns"
    )]
    Unpacked(u64),
    /// The file is of another format.
    #[error("this is {kind}, not a table in text; {fix}")]
    Kind {
        /// What it is.
        kind: Kind,
        /// The fix.
        fix: &'static str,
    },
    /// The file is text of another format.
    #[error("this is {0}, not a table; export it as CSV")]
    Format(&'static str),
    /// The bytes are no text.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A quoted cell has no end.
    #[error("line {line}: the quotes that begin here are not closed; close or remove them")]
    OpenQuotes {
        /// The line on which it begins.
        line: u64,
    },
    /// A quoted cell goes on after its closing quotes.
    #[error(
        "line {line}: text follows on the closing quotes of `{cell}`; write quotes within quotes twice, or remove them"
    )]
    AfterQuotes {
        /// The line on which the cell begins.
        line: u64,
        /// Its beginning.
        cell: String,
    },
    /// A row has more cells than can be columns.
    #[error(
        "line {line}: more than {limit} cells, which is the limit; leave out columns, or end lines where rows end"
    )]
    TooManyCells {
        /// The line.
        line: u64,
        /// The most that are read.
        limit: usize,
    },
    /// A formula whose value the file does not hold.
    #[error(
        "row {line} of the sheet `{sheet}` has a formula without its value; open the workbook in Excel or LibreOffice and \
         save it, so that it is calculated"
    )]
    Formula {
        /// The sheet.
        sheet: String,
        /// The row.
        line: u64,
    },
    /// The bytes are no text, and of no known format.
    #[error("this is a binary file of an unknown format, not a table in text; export it as CSV")]
    Binary,
    /// A line that begins with `#` may be a comment as well as a row.
    #[error(
        "line {line}: this may be a comment or a row, as it begins with `#` and `{cell}` without it stands in other rows; \
         delete the line, or put its first cell in quotes"
    )]
    Hash {
        /// The line.
        line: u64,
        /// Its first cell, without the `#`.
        cell: String,
    },
    /// The first line is `sep=` without a separator.
    #[error(
        "line 1: `sep=` names no separator; write one behind it, as in `sep=;`, or delete the line"
    )]
    Separator,
    /// The first line names a separator that the other lines do not have.
    #[error(
        "line 1: `sep=` names {named} as the separator, but the cells below are separated by {found}; delete the line, or \
         correct it"
    )]
    WrongSeparator {
        /// The separator that the line names.
        named: String,
        /// What there is.
        found: String,
    },
    /// A workbook that cannot be read.
    #[error(
        "the workbook cannot be read ({0}); open it and save the sheet as \"CSV UTF-8\" (File, Save as)"
    )]
    Workbook(String),
}
