//! Tests of the reader as a whole: packed files, workbooks, and files that are something else.

use super::{
    made::{gzip, workbook, workbook_hiding, zip},
    *,
};
use flate2::Compression;
use proptest::prelude::*;
use std::io::Write as _;

/// The rows of a file with these bytes.
fn rows(bytes: &[u8]) -> Result<Vec<Vec<String>>, SheetError> {
    let sheet = Sheet::from_bytes(bytes.to_vec())?;
    sheet
        .rows()
        .map(|row| row.map(|row| row.cells.iter().map(ToString::to_string).collect()))
        .collect()
}

fn message(bytes: &[u8]) -> String {
    rows(bytes).expect_err("is refused").to_string()
}

const SMALL: &str = "a,b\n1,2.5\n";

#[test]
fn encodings_and_packing_do_not_matter() {
    let utf16 = |text: &str| -> Vec<u8> {
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    };
    let expected = vec![vec!["a", "b"], vec!["1", "2.5"]];
    for bytes in [
        SMALL.as_bytes().to_vec(),
        format!("\u{feff}{SMALL}").into_bytes(),
        utf16(SMALL),
        gzip(SMALL.as_bytes()),
        gzip(&utf16(SMALL)),
        [gzip(b"a,b\n"), gzip(b"1,2.5\n")].concat(),
        b"a\tb\r1\t2.5".to_vec(),
        b"sep=;\r\na;b\r\n1;2.5".to_vec(),
        b"\"a,b\"\n\n\"1,2.5\"\n".to_vec(),
    ] {
        assert_eq!(rows(&bytes).expect("is read"), expected, "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn lines_within_quotes_keep_their_numbers_when_unwrapped() {
    let sheet = Sheet::from_bytes(b"\"a,b\"\n\n\"1,2.5\"\n".to_vec()).unwrap();
    let lines: Vec<_> = sheet.rows().map(|row| row.unwrap().line).collect();
    assert_eq!(lines, [1, 3]);
    assert!(sheet.notes[0].contains("quotes"), "{:?}", sheet.notes);
}

#[test]
fn a_workbook_gives_the_first_sheet_that_has_cells() {
    let cells: &[&[&str]] = &[
        &["a", "b", "kind"],
        &["<v>1.5</v>", "<f>1+1</f><v>2</v>", "red"],
        &[],
        &["<v>1e-3</v>", "#DIV/0!", ""],
    ];
    let bytes = workbook(&[("empty", &[]), ("Data", cells), ("other", &[&["x"]])]);
    let sheet = Sheet::from_bytes(bytes).unwrap();
    assert!(sheet.notes[0].contains("`Data`"), "{:?}", sheet.notes);
    let found: Vec<_> = sheet
        .rows()
        .map(|row| row.unwrap())
        .map(|row| (row.line, number::shown(&row.cells.join("|")).into_owned()))
        .collect();
    let expected = [(1, "a|b|kind"), (2, "1.5|2|red"), (4, "0.001|#DIV/0!|")];
    assert_eq!(found, expected.map(|(line, cells)| (line, cells.to_owned())));
}

#[test]
fn files_that_are_something_else_are_named_with_what_to_do() {
    for (bytes, parts) in [
        (&b"<!DOCTYPE html><html>"[..], &["a web page", "download"][..]),
        (b"PK\x03\x04\0train/0.png", &["a ZIP archive", "give the table"]),
        (b"{\"a\": [1, 2]}", &["a JSON file", "export it as CSV"]),
        (b"% by hand\n@RELATION iris\n", &["an ARFF file"]),
        (b"a,b\ncaf\xe9,2\n", &["line 2", "UTF-8"]),
        (b"sep=\na,b\n", &["line 1", "delete the line"]),
        (b"a,b\n1,\"2\n", &["line 2", "not closed"]),
        (b"a,b\n1,\0\n", &["a binary file", "export it as CSV"]),
        (b"\x07\x01\xff\xfe\x80", &["a binary file"]),
        (b"<table><tr><td>1</td></tr></table>", &["saved as .xls", "open it in Excel"]),
        (b"\x80\x04\x95pickle", &["a Python pickle", "export it as CSV"]),
    ] {
        let message = message(bytes);
        for part in parts {
            assert!(message.contains(part), "`{part}` is missing in: {message}");
        }
    }
    let packed = gzip(SMALL.as_bytes());
    assert!(message(&packed[..packed.len() / 2]).contains("damaged or cut off"));
    let wide: &[&[&str]] = &[&["x"; (1 << 14) + 1], &["1"]];
    let wide = message(&workbook(&[("wide", wide)]));
    assert!(wide.contains("line 1 of `wide` has a cell in column 16385"), "{wide}");
    let no_sheet = message(&workbook(&[("empty", &[])]));
    assert!(no_sheet.contains("no sheet") && no_sheet.contains("CSV UTF-8"), "{no_sheet}");
    let office = zip(&[("[Content_Types].xml", b""), ("xl/other", b"")]);
    assert!(message(&office).contains("save the sheet as \"CSV UTF-8\""));
}

#[test]
fn a_word_about_the_data_on_the_first_sheet_is_passed_over_and_formulas_need_values() {
    let table: &[&[&str]] = &[&["a", "b"], &["<v>1</v>", "two\nlines"]];
    let sheet = Sheet::from_bytes(workbook(&[("Readme", &[&["made by me"]]), ("real", table)]));
    let sheet = sheet.unwrap();
    assert_eq!(sheet.name.as_deref(), Some("real"));
    let last = sheet.rows().last().unwrap().unwrap();
    assert_eq!(last.cells.join("|"), "1|two lines");
    let formulas: &[&[&str]] = &[&["a", "b"], &["<v>1</v>", "<f>A2*2</f><v></v>"]];
    let error = message(&workbook(&[("one", formulas)]));
    assert!(error.contains("row 2 of the sheet `one`") && error.contains("LibreOffice"), "{error}");
}

#[test]
fn hidden_sheets_come_last_and_the_one_that_is_read_is_named() {
    let table = |cell: &'static str| [["a", "b"], ["<v>1</v>", cell]];
    let (draft, real) = (table("draft"), table("real"));
    let (draft, real) = (draft.each_ref().map(|r| &r[..]), real.each_ref().map(|r| &r[..]));
    let sheets: [(&str, &[&[&str]]); 2] = [("Draft", &draft), ("Real", &real)];
    let read = |hidden: &[&str]| {
        let sheet = Sheet::from_bytes(workbook_hiding(&sheets, hidden)).unwrap();
        (sheet.name.clone(), sheet.rows().last().unwrap().unwrap().cells.join("|"))
    };
    assert_eq!(read(&[]), (Some("Draft".to_owned()), "1|draft".to_owned()));
    assert_eq!(read(&["Draft"]), (Some("Real".to_owned()), "1|real".to_owned()));
    // What is hidden is better than nothing, and is named.
    let sheets: [(&str, &[&[&str]]); 2] = [("Empty", &[]), ("Real", &real)];
    let sheet = Sheet::from_bytes(workbook_hiding(&sheets, &["Real"])).unwrap();
    assert!(sheet.notes[0].contains("`Real`"), "{:?}", sheet.notes);
}

#[test]
fn headers_may_begin_as_binary_files_do() {
    for text in ["BMI,age\n1,2\n", "P1,P2\n1,2\n", "PAR1,b\n1,2\n"] {
        assert_eq!(rows(text.as_bytes()).expect(text).len(), 2);
    }
}

#[test]
fn what_unpacks_to_too_much_is_refused_before_it_is_read() {
    // A workbook whose only part says that it is small.
    let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![0; 1 << 20];
    for _ in 0..257 {
        packer.write_all(&zeros).unwrap();
    }
    let bomb = packer.finish().unwrap();
    let mut archive = zip(&[("xl/workbook.xml", &bomb)]);
    archive[8] = 8;
    let list = archive.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    archive[list + 10] = 8;
    assert!(message(&archive).contains("more than 268435456 bytes"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_files_never_panic(
        which in 0usize..5,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<proptest::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let text = "# note\n\"a, b\";c;d\n1,5;2;x\n\"q\"\"\nr\";-3;y\n;;\n1.234;5e3;\u{2212}7 %\n";
        let mut bytes = match which {
            0 => text.as_bytes().to_vec(),
            1 => gzip(text.as_bytes()),
            2 => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            3 => format!("sep=;\n{text}").into_bytes(),
            _ => workbook(&[("one", &[&["a", "b"], &["<v>1</v>", "<v>2</v>"]])]),
        };
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Err(error) = rows(&bytes) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
