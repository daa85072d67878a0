//! Packed tables and workbooks, for tests; those from outside the crate include this file, too.

use flate2::{Compression, Crc, write::GzEncoder};
use std::io::Write as _;

/// `bytes` as gzip packs them.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("to memory");
    encoder.finish().expect("to memory")
}

/// A sheet of a workbook: its name and its rows. Cells are XML, such as `<v>5</v>`; what has none is a text.
pub(crate) type SheetOf<'a> = (&'a str, &'a [&'a [&'a str]]);

/// The name of a column, from 0: A to Z, AA and so on.
fn letters(column: usize) -> String {
    let last = char::from(b'A' + (column % 26) as u8);
    let before = if column < 26 { String::new() } else { letters(column / 26 - 1) };
    format!("{before}{last}")
}

/// A workbook of these sheets.
pub(crate) fn workbook(sheets: &[SheetOf<'_>]) -> Vec<u8> {
    workbook_hiding(sheets, &[])
}

/// The same, in which the sheets of these names are hidden.
pub(crate) fn workbook_hiding(sheets: &[SheetOf<'_>], hidden: &[&str]) -> Vec<u8> {
    const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
    let numbered = sheets.iter().enumerate();
    let list: String = numbered
        .clone()
        .map(|(i, (name, _))| {
            let state = if hidden.contains(name) { "hidden" } else { "visible" };
            format!(
                "<sheet name=\"{name}\" state=\"{state}\" sheetId=\"{}\" r:id=\"rId{}\"/>",
                i + 1,
                i + 1
            )
        })
        .collect();
    let relations: String = numbered
        .clone()
        .map(|(i, _)| {
            format!(
                "<Relationship Id=\"rId{0}\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet{0}.xml\"/>",
                i + 1
            )
        })
        .collect();
    let mut parts = vec![
        ("[Content_Types].xml".to_owned(), format!("<Types xmlns=\"{PACKAGE}/content-types\"/>")),
        (
            "_rels/.rels".to_owned(),
            format!(
                "<Relationships xmlns=\"{PACKAGE}/relationships\"><Relationship Id=\"rId1\" \
                 Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/workbook.xml".to_owned(),
            format!(
                "<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><sheets>{list}</sheets></workbook>"
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels".to_owned(),
            format!("<Relationships xmlns=\"{PACKAGE}/relationships\">{relations}</Relationships>"),
        ),
    ];
    for (i, (_, rows)) in numbered {
        let mut data = String::new();
        for (row, cells) in (1..).zip(*rows) {
            data += &format!("<row r=\"{row}\">");
            for (column, cell) in cells.iter().enumerate() {
                let place = format!("{}{row}", letters(column));
                data += &if cell.is_empty() {
                    String::new()
                } else if cell.starts_with('<') {
                    format!("<c r=\"{place}\">{cell}</c>")
                } else if cell.starts_with('#') {
                    format!("<c r=\"{place}\" t=\"e\"><v>{cell}</v></c>")
                } else {
                    format!("<c r=\"{place}\" t=\"inlineStr\"><is><t>{cell}</t></is></c>")
                };
            }
            data += "</row>";
        }
        let sheet =
            format!("<worksheet xmlns=\"{MAIN}\"><sheetData>{data}</sheetData></worksheet>");
        parts.push((format!("xl/worksheets/sheet{}.xml", i + 1), sheet));
    }
    let parts: Vec<_> = parts.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    zip(&parts)
}

/// A ZIP archive with these files, not packed.
pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut archive, mut list) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let mut crc = Crc::new();
        crc.update(content);
        let size = (content.len() as u32).to_le_bytes();
        let header = [
            &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &crc.sum().to_le_bytes(),
            &size,
            &size,
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        let place = (archive.len() as u32).to_le_bytes();
        archive.extend([b"PK\x03\x04", &header[..], name.as_bytes(), content].concat());
        list.extend(
            [b"PK\x01\x02\x14\x00", &header[..], &[0; 10], &place, name.as_bytes()].concat(),
        );
    }
    let count = (files.len() as u16).to_le_bytes();
    let end = [
        b"PK\x05\x06\0\0\0\0",
        &count[..],
        &count,
        &(list.len() as u32).to_le_bytes(),
        &(archive.len() as u32).to_le_bytes(),
        &[0, 0],
    ];
    [archive, list, end.concat()].concat()
}
