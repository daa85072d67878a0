//! Tests of the reader of data tables: what it takes and infers, and what it says of each thing that can be wrong.

use super::*;
use crate::engine::{
    data::{DataSource, Decimal, ImageSize, Split, Targets, Task, TaskKind},
    delimited::made::{gzip, workbook},
    messages::keep,
};
use proptest::prelude::*;
use std::fs;

fn load_bytes(
    bytes: &[u8],
    label: Option<&str>,
    options: ReadOptions,
) -> Result<Dataset, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("table.csv");
    fs::write(&file, bytes).unwrap();
    let source = DataSource::Csv { file, label: label.map(str::to_owned) };
    Dataset::load_with(&source, &options, ImageSize::Commonest)
}

fn load_text(text: &str, label: Option<&str>) -> Result<Dataset, DataError> {
    load_bytes(text.as_bytes(), label, ReadOptions::default())
}

fn load(text: &str) -> Dataset {
    load_text(text, None).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn message(text: &str, label: Option<&str>) -> String {
    load_text(text, label).expect_err(text).to_string()
}

/// All rows of all splits: features and target as a number, sorted by the features.
fn rows(data: &Dataset) -> Vec<(Vec<f32>, f32)> {
    let mut rows = Vec::new();
    for split in Split::ALL {
        let images = data.split(split);
        let Pixels::Floats(values) = images.pixels() else { panic!("floats") };
        for (index, row) in values.chunks_exact(images.image_size()).enumerate() {
            let target = match images.targets() {
                Targets::Classes(labels) => f32::from(labels[index]),
                Targets::Numbers(numbers) => numbers[index],
            };
            rows.push((row.to_vec(), target));
        }
    }
    rows.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
    rows
}

fn names(data: &Dataset) -> &[String] {
    match &data.task {
        Task::Classes(names) => names,
        Task::Number(_) => &[],
    }
}

fn has_note(data: &Dataset, parts: &[&str]) {
    let found = data.notes.iter().any(|note| parts.iter().all(|part| note.contains(part)));
    assert!(found, "{parts:?} are missing in {:?}", data.notes);
}

/// Twelve rows `x,y,kind` with this header.
fn small(header: &str) -> String {
    let rows = (0..12).map(|i| format!("{i}.5,{},{}\n", 30 - i * 2, ["a", "b"][i % 2]));
    header.to_owned() + &rows.collect::<String>()
}

#[test]
fn texts_in_the_last_column_are_classes() {
    let kinds = ["setosa", "virginica", "setosa", "versicolor"];
    let text: String =
        (0..40).map(|i| format!("{i},{}.5,Iris {}\n", 40 - i, kinds[i % 4])).collect();
    let data = load(&text);
    assert_eq!(names(&data), ["Iris setosa", "Iris versicolor", "Iris virginica"]);
    assert_eq!(data.shape(), [2, 1, 1]);
    // A fifth of 40 each for test and validation.
    assert_eq!(Split::ALL.map(|split| data.split(split).len()), [24, 8, 8]);
    let expected: Vec<_> =
        (0..40).map(|i| (vec![i as f32, 40.5 - i as f32], [0.0, 2.0, 0.0, 1.0][i % 4])).collect();
    assert_eq!(rows(&data), expected);
    has_note(&data, &["40 rows", "commas", "no header", "column `3`, the last one,", "3 classes"]);
}

#[test]
fn tables_of_a_thousand_rows_keep_their_splits_and_their_fingerprint() {
    let text: String =
        (0..1000).map(|i| format!("{},{}.5,k{}\n", i * 7 % 100, i % 13, i % 3)).collect();
    let data = load(&text);
    assert_eq!(Split::ALL.map(|split| data.split(split).len()), [810, 90, 100]);
    assert_eq!(data.fingerprint(), FINGERPRINT);
}

/// As it was before small tables held out more.
const FINGERPRINT: &str = "a958d8250383abe6";

#[test]
fn the_column_to_predict_is_found_by_name_or_number() {
    let text: String = (0..40).map(|i| format!("\"{}\";{i};{}\r\n", i % 2 * 3, i * i)).collect();
    let with_header = format!("\u{feff}Kind;\"x; or so\";square\r\n\r\n{text}");
    for (text, label) in [
        (&with_header, "Kind"),
        (&with_header, "kind"),
        (&with_header, "1"),
        (&text, "1"),
        (&text.replace(';', "\t"), "1"),
    ] {
        let data = load_text(text, Some(label)).unwrap();
        assert_eq!(names(&data), ["0", "3"], "whole numbers, each in many rows");
        let expected: Vec<_> =
            (0..40).map(|i| (vec![i as f32, (i * i) as f32], (i % 2) as f32)).collect();
        assert_eq!(rows(&data), expected);
    }
    let data = load_text(&with_header, Some("kind")).unwrap();
    has_note(&data, &["`kind` was taken for column `Kind`"]);
    assert!(message(&with_header, Some("4")).contains("no column `4`"));
}

#[test]
fn words_for_missing_values_are_classes_in_the_column_to_predict() {
    for word in ["none", "NA", "null", "?", "n/a"] {
        let text: String =
            (0..30).map(|i| format!("{i},{}\n", [word, "scratch", "dent"][i % 3])).collect();
        let data = load(&text);
        assert_eq!(names(&data).len(), 3);
        assert!(names(&data).contains(&word.to_owned()));
        has_note(&data, &[&format!("`{word}` stands in 10 rows"), "is a class"]);
    }
    let text: String = (0..30).map(|i| format!("{i},{}\n", ["", "x", "y"][i % 3])).collect();
    assert!(
        message(&text, None)
            .contains("line 1: the value of the column to predict, `2`, is missing")
    );
    let options = ReadOptions { missing: Some(Missing::Drop), ..ReadOptions::default() };
    let data = load_bytes(text.as_bytes(), None, options).unwrap();
    assert_eq!(rows(&data).len(), 20);
    has_note(&data, &["10 rows without a value"]);
}

#[test]
fn labels_are_classes_and_measurements_are_numbers() {
    let table = |count: usize, label: &dyn Fn(usize) -> String| -> String {
        (0..count).map(|i| format!("{}.5,{}\n", i, label(i))).collect()
    };
    for (text, classes) in [
        (table(200, &|i| format!("{}.0", i % 2)), 2),
        (table(1440, &|i| (i % 120).to_string()), 120),
        (table(27, &|i| (i % 3).to_string()), 3),
        (table(20, &|i| (i % 4 + 1).to_string()), 4),
        (table(40, &|i| if i % 2 == 0 { "-1" } else { "1" }.to_owned()), 2),
        (table(60, &|i| format!("{},0", i % 5)).replace(".5,", ".5;"), 5),
    ] {
        let data = load(&text);
        assert_eq!(names(&data).len(), classes, "{:?}", data.notes);
        has_note(&data, &[&format!("{classes} classes"), "--task numbers"]);
        let options = ReadOptions { task: Some(TaskKind::Numbers), ..ReadOptions::default() };
        let data = load_bytes(text.as_bytes(), None, options).unwrap();
        assert!(matches!(data.task, Task::Number(_)));
    }
    for text in [
        // Counts of a few, prices, and numbers with fractions.
        table(40, &|i| (i / 2).to_string()),
        table(100, &|i| (i * i % 90 * 5).to_string()),
        table(40, &|i| format!("{}.5", i % 2)),
        table(300, &|i| (100 + i % 37 * 10).to_string()),
        table(12, &|i| i.to_string()),
    ] {
        assert!(matches!(load(&text).task, Task::Number(_)), "{text}");
        let options = ReadOptions { task: Some(TaskKind::Classes), ..ReadOptions::default() };
        let forced = load_bytes(text.as_bytes(), None, options);
        assert!(
            forced.is_ok_and(|data| matches!(data.task, Task::Classes(_))) || text.len() < 1000
        );
    }
    let data = load(&table(40, &|i| (i / 2).to_string()));
    has_note(&data, &["numbers from 0 to 19", "20 different", "--task classes"]);
    let classes = ReadOptions { task: Some(TaskKind::Classes), ..ReadOptions::default() };
    let text = table(40, &|i| ["0.5", "10", "2", "-1.50"][i % 4].to_owned());
    let data = load_bytes(text.as_bytes(), None, classes).unwrap();
    assert_eq!(names(&data), ["-1.5", "0.5", "2", "10"], "in the order of their values");
    let numbers = ReadOptions { task: Some(TaskKind::Numbers), ..ReadOptions::default() };
    let error = load_bytes(small("").as_bytes(), None, numbers).unwrap_err().to_string();
    assert!(error.contains("`a` on line 1, which is no number"), "{error}");
}

#[test]
fn headers_are_known_by_their_types() {
    let plain = rows(&load(&small("x,y,kind\n")));
    for header in [
        "",
        "x,2019,kind\n",
        "0,1,2\n",
        "1,2,3\n",
        "0,1,label\n",
        "Na,Mg,kind\n",
        "x,x,kind\n",
        "x,\"y\n(cm)\",kind\n",
        "# exported\n\n# x,y,kind\n",
        "# x,y,kind\n# mm,kg,-\n",
        "#,y,kind\n",
        "x,y,kind,\n",
        "x,y,a\n",
    ] {
        let data = load(&small(header));
        assert_eq!(rows(&data), plain, "{header}");
        assert_eq!(names(&data), ["a", "b"], "{header}");
    }
    has_note(&load(&small("x,y,kind\n")), &["line 1 is the header", "--header no"]);
    has_note(&load(&small("# x,y,kind\n")), &["comment on line 1 is the header", "column `kind`"]);
    has_note(&load(&small("x,x,kind\n")), &["2 columns are called `x`"]);
    // Numbers over whole numbers are a row; where they count, that is not clear.
    let whole: String = (0..40).map(|i| format!("{},{},{},{}\n", i, i * i, 7 * i, i % 2)).collect();
    assert_eq!(rows(&load(&format!("0,1,5,1\n{whole}"))).len(), 41);
    let unclear = message(&format!("0,1,2,3\n{whole}"), None);
    assert!(unclear.contains("line 1") && unclear.contains("--header yes"), "{unclear}");
    for (header, count) in [(true, 39), (false, 40)] {
        let options = ReadOptions { header: Some(header), ..ReadOptions::default() };
        let data = load_bytes(whole.as_bytes(), None, options).unwrap();
        assert_eq!(rows(&data).len(), count);
    }
    let unclear = message(&format!("x,0.5,0.5,y\n{whole}"), None);
    assert!(unclear.contains("line 1") && unclear.contains("--header yes"), "{unclear}");
}

#[test]
fn numbers_and_names_of_rows_are_left_out() {
    let plain = rows(&load(&small("x,y,kind\n")));
    let body = small("");
    let with = |header: &str, first: &dyn Fn(usize) -> String| -> String {
        let rows = body.lines().enumerate().map(|(i, row)| format!("{},{row}\n", first(i)));
        header.to_owned() + &rows.collect::<String>()
    };
    for text in [
        with(",x,y,kind\n", &|i| i.to_string()),
        with(",x,y,kind\n", &|i| (i * 5 % 12 + 3).to_string()),
        with("Unnamed: 0,x,y,kind\n", &|i| i.to_string()),
        with("\"\",x,y,kind\n", &|i| format!("\"car {i}\"")),
        with("x,y,kind\n", &|i| (i + 1).to_string()),
        with("x,y,kind\n", &|i| format!("car {i}")),
        with(",0,1,2\n", &|i| i.to_string()),
    ] {
        let data = load(&text);
        assert_eq!(rows(&data), plain, "{text}");
        has_note(&data, &["the first column has no name", "left out"]);
    }
    let data = load(&with("id,x,y,kind\n", &|i| i.to_string()));
    assert_eq!(data.shape(), [3, 1, 1]);
    has_note(&data, &["column `id` has another number in each row"]);
    let ids = message(&with("name,x,y,kind\n", &|i| format!("car {i}")), None);
    assert!(
        ids.contains("another text in each row") && ids.contains("leave the column out"),
        "{ids}"
    );
}

#[test]
fn what_programs_add_to_tables_is_passed_over() {
    let plain = rows(&load(&small("x,y,kind\n")));
    let header = "x,y,kind\n";
    let rows_of = small("");
    let trailing = |text: &str| text.replace('\n', ",\n");
    for text in [
        trailing(&small(header)),
        trailing(&trailing(&small(header))),
        format!("x,y,kind,\n{rows_of}"),
        format!("x,y,kind\n{}", trailing(&rows_of)),
        trailing(&rows_of),
        format!("# made on a day\n# in cm\n{header}{rows_of}# the end\n"),
        format!("{header}{rows_of},,\n,,\n\n\n"),
        format!("{header}{rows_of}{header}"),
        format!("\r\n\r\n{}", small(header).replace('\n', "\r\n")),
        small(header).replace(',', ";"),
        small(header).replace(',', "\t"),
        small(header).replace(',', "|"),
        small(header).replace(',', "  "),
        small(header).replace('.', ",").replace(",5,", ",5;").replace(',', ";").replace(";5", ",5"),
        small(header).lines().map(|line| format!("\"{line}\"\n")).collect(),
        small(header).lines().map(|line| format!("\"{}\"\n", line.replace(',', "\",\""))).collect(),
    ] {
        let data = load(&text);
        assert_eq!(rows(&data), plain, "{text}");
        assert_eq!(names(&data), ["a", "b"]);
    }
    has_note(&load(&format!("{header}{rows_of}{header}")), &["again 1 time (line 14)"]);
    has_note(&load(&format!("# one\n{header}{rows_of}")), &["1 comment line left out"]);
    let label = load_text(&trailing(&small(header)), Some("kind")).unwrap();
    assert_eq!(rows(&label), plain);
    assert_eq!(
        rows(&load_bytes(&gzip(small(header).as_bytes()), None, ReadOptions::default()).unwrap()),
        plain
    );
}

#[test]
fn numbers_are_read_as_they_are_meant() {
    let column = |cells: [&str; 3], separator: &str| -> Vec<f32> {
        let text: String = (0..12)
            .map(|i| format!("{}{separator}{i}{separator}{}\n", cells[i % 3], ["a", "b"][i % 2]))
            .collect();
        let mut rows = rows(&load(&format!("x{separator}i{separator}kind\n{text}")));
        rows.sort_by(|a, b| a.0[1].total_cmp(&b.0[1]));
        rows[..3].iter().map(|(row, _)| row[0]).collect()
    };
    for (cells, separator, expected) in [
        (["1.234,56", "2", "0,5"], ";", [1234.56, 2.0, 0.5]),
        (["1,234.56", "2", "0.5"], ";", [1234.56, 2.0, 0.5]),
        (["\"1,234\"", "2", "0.5"], ",", [1234.0, 2.0, 0.5]),
        (["1,234", "2", "0,5"], ";", [1.234, 2.0, 0.5]),
        (["1.234", "2", "5"], ",", [1.234, 2.0, 5.0]),
        (["1 234", "2", "-5"], ";", [1234.0, 2.0, -5.0]),
        (["1'234", "2", "\u{2212}5"], ",", [1234.0, 2.0, -5.0]),
        (["1\u{202f}234,5", "2", "\u{2013}5"], ";", [1234.5, 2.0, -5.0]),
        (["5 %", "2%", "1.5 %"], ",", [5.0, 2.0, 1.5]),
        (["TRUE", "False", "true"], ",", [1.0, 0.0, 1.0]),
        (["1e2", "1E+02", "1.5e-1"], ",", [100.0, 100.0, 0.15]),
        (["\"1\"", "\" 2 \"", "+3"], ",", [1.0, 2.0, 3.0]),
    ] {
        assert_eq!(column(cells, separator), expected, "{cells:?}");
    }
    let prices: String = (0..11).map(|i| format!("{i}.5,\"{},234\"\n", i + 1)).collect();
    let text = message(&format!("x,price\n{prices}"), None);
    assert!(
        text.contains("the column to predict, `price`, can be read in two ways"),
        "other columns say nothing: {text}"
    );
    let data = load(&format!("x,price\n{prices}11.5,\"12,234.0\"\n"));
    assert_eq!(rows(&data)[11].1, 12_234.0);
    has_note(&data, &["thousands are separated in column `price`", "`1,234` is 1234"]);
    for (cell, separator) in [("\"1,234\"", ","), ("1,234", ";"), ("1.234", ";"), ("1.234", "\t")] {
        let text: String =
            (0..12).map(|i| format!("{cell}{separator}{i}{separator}{}\n", i % 2)).collect();
        let error = message(&format!("x{separator}y{separator}k\n{text}"), None);
        for part in ["column `x` can be read in two ways", "is 1.234 if", "and 1234 if"] {
            assert!(error.contains(part), "`{part}` is missing in: {error}");
        }
    }
}

#[test]
fn missing_values_are_refused_or_filled_or_left_out() {
    let text: String = (0..40)
        .map(|i| match i {
            3 => format!("NA,{i},{}\n", i % 2),
            7 | 9 => format!("{i},,{}\n", i % 2),
            _ => format!("{i},{i},{}\n", i % 2),
        })
        .collect();
    let text = format!("a,b,k\n{text}");
    let error = message(&text, None);
    for part in ["line 5", "3 in all", "`a` 1, `b` 2", "--missing mean", "--missing drop"] {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
    let with = |missing| {
        let options = ReadOptions { missing: Some(missing), ..ReadOptions::default() };
        load_bytes(text.as_bytes(), None, options).unwrap()
    };
    let dropped = with(Missing::Drop);
    assert_eq!(rows(&dropped).len(), 37);
    has_note(&dropped, &["3 rows with missing values left out, 37 remain"]);
    let filled = with(Missing::Mean);
    let all = rows(&filled);
    assert_eq!(all.len(), 40);
    let Pixels::Floats(train) = filled.train.pixels() else { panic!("floats") };
    let holes: Vec<_> = all.iter().filter(|(row, _)| row[0] != row[1]).collect();
    assert_eq!(holes.len(), 3);
    // The mean over the training rows that have a value, and not over all.
    let known: Vec<f64> = train
        .chunks_exact(2)
        .filter(|row| row[0] == row[1] || row[0] == 7.0 || row[0] == 9.0)
        .map(|row| f64::from(row[0]))
        .collect();
    let mean = (known.iter().sum::<f64>() / known.len() as f64) as f32;
    assert_eq!(all.iter().find(|(row, _)| row[1] == 3.0).map(|(row, _)| row[0]), Some(mean));
    has_note(&filled, &["3 missing values replaced", "`a` 1 by", "`b` 2 by"]);
    let void = (0..20).map(|i| format!("{i},,{}\n", i % 2)).collect::<String>();
    assert!(
        message(&format!("a,b,k\n{void}"), None).contains("column `b` has no value in any row")
    );
}

#[test]
fn what_cannot_be_used_is_refused_in_these_words() {
    let good: String = (0..20).map(|i| format!("{i},{}\n", i % 2)).collect();
    let lines = [
        "1,",
        " ,1",
        "NaN,1",
        "#DIV/0!,1",
        "1,\"0\n2,1\n3,1\"",
        "red,1",
        "yes,1",
        "inf,1",
        "1e39,1",
        "2020-01-31,1",
        "Total,1",
        "190,Total",
        "1,2,3",
        "1",
        "1,\"2",
        "\"a\"b,2",
        "TRUE,1",
    ];
    let lines = lines
        .map(|line| (format!("{line:?} after 20 rows"), message(&format!("{good}{line}\n"), None)));
    let rows = |header: &str, row: fn(usize) -> String| {
        header.to_owned() + &(0..12).map(row).collect::<String>()
    };
    let tables = [
        String::new(),
        "\n\n".to_owned(),
        "a\n1\n".to_owned(),
        "a,b\n".to_owned(),
        "a,b,c\ncm,kg,-\n1,2,3\n2,3,4\n".to_owned(),
        "Report\na,b,c\n1,2,3\n2,3,4\n".to_owned(),
        "Report,,\na,b,c\n1,2,3\n2,3,4\n".to_owned(),
        "1,x\n2,x\n".to_owned(),
        "1,5\n2,5\n".to_owned(),
        "1700000000,1\n1700000900,2\n".to_owned(),
        "1,1700000000\n2,1700000001\n".to_owned(),
        "1,a\n2,b\n3,c\n".to_owned(),
        "1,1\n2,inf\n".to_owned(),
        "1,0.5\n2,1.5\n".to_owned(),
        "1,0.5\n".to_owned(),
        "a,b\n1,2\n".to_owned(),
        rows("x,y,k\n", |i| format!("\"1,234\",{i},{}\n", i % 2)),
        rows("x,price\n", |i| format!("{i}.5,\"{},234\"\n", i + 1)),
        rows("a,b,k\n", |i| format!("{i},,{}\n", i % 2)),
        rows("0,1,2,3\n", |i| format!("{i},{},{},{}\n", i * i, 7 * i, i % 2)),
        rows("a,b,kind\n", |i| format!("{},{i}5,{i},x{}\n", i % 3, i % 2)),
        rows("sep=;\nx,kind\n", |i| format!("{i},{}\n", i % 2)),
        rows("k,x,y\n", |i| format!("{},{i}.5,{i}\n", ["b", "#a", "c"][i % 3])) + "a,1,2\n",
    ];
    let tables = tables.map(|text| (format!("{text:?}"), message(&text, None)));
    let labelled = [("x,y,kind\n", "size"), ("x,y,kind\n", "9"), ("x,x,kind\n", "x")].map(
        |(header, label)| (format!("#{label} of {header:?}"), message(&small(header), Some(label))),
    );
    keep("broken-tables", lines.into_iter().chain(tables).chain(labelled));
    let blank: String = (0..20).map(|i| format!("{i},{i},k{}\n", i % 2)).collect();
    let text = message(&format!("a,b,k\n{blank}\n\n\n1,oops,k1\n{blank}"), None);
    assert!(text.contains("line 25: `oops` in column `b`"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let source = DataSource::Csv { file: folder.path().to_owned(), label: None };
    assert!(matches!(Dataset::load(&source), Err(DataError::NoFile { .. })));
    let latin1 = load_bytes(b"1,caf\xe9\n", None, ReadOptions::default()).unwrap_err().to_string();
    assert!(latin1.contains("line 1 is not UTF-8"), "{latin1}");
}

#[test]
fn classes_that_may_be_one_are_told_and_rare_ones_are_trained() {
    let text: String =
        (0..30).map(|i| format!("{i},{}\n", ["Red", "red", "blue"][i % 3])).collect();
    has_note(&load(&text), &["`Red` and `red`", "kept apart"]);
    let text: String = (0..30)
        .map(|i| format!("{i},{}\n", if i == 4 { "rare" } else { ["a", "b"][i % 2] }))
        .collect();
    let data = load(&text);
    has_note(&data, &["single row", "`rare`"]);
    assert_eq!(data.train.class_counts()[2], 1);
}

#[test]
fn small_tables_hold_out_enough_to_validate() {
    let text: String = (0..15).map(|i| format!("{i},{}.5\n", i * i)).collect();
    let data = load(&text);
    assert_eq!(Split::ALL.map(|split| data.split(split).len()), [9, 3, 3]);
}

#[test]
fn a_workbook_is_read_as_its_text_would_be() {
    let lines: Vec<Vec<String>> = small("x,y,kind\n")
        .lines()
        .map(|line| {
            let is_number = |cell: &str| cell.parse::<f64>().is_ok();
            line.split(',')
                .map(
                    |cell| if is_number(cell) { format!("<v>{cell}</v>") } else { cell.to_owned() },
                )
                .collect()
        })
        .collect();
    let lines: Vec<Vec<&str>> =
        lines.iter().map(|line| line.iter().map(String::as_str).collect()).collect();
    let lines: Vec<&[&str]> = lines.iter().map(Vec::as_slice).collect();
    let data = load_bytes(&workbook(&[("one", &lines)]), None, ReadOptions::default()).unwrap();
    assert_eq!(rows(&data), rows(&load(&small("x,y,kind\n"))));
    has_note(&data, &["from a workbook", "2 classes (a, b)"]);
}

#[test]
fn an_error_in_a_workbook_names_the_sheet_where_there_are_several() {
    let mut lines: Vec<&[&str]> = vec![&["x", "y", "kind"]];
    lines.extend(
        [["<v>1</v>", "<v>2.5</v>", "a"], ["<v>3</v>", "<v>1.5</v>", "b"]]
            .iter()
            .map(|r| &r[..])
            .cycle()
            .take(20),
    );
    lines.push(&["many", "<v>2.5</v>", "a"]);
    let said = |sheets: &[(&str, &[&[&str]])]| {
        let refused = load_bytes(&workbook(sheets), Some("kind"), ReadOptions::default());
        refused.expect_err("has a text for a number").to_string()
    };
    let several = said(&[("Readme", &[&["made by me"]]), ("Data 2024", &lines)]);
    assert!(
        several.contains("line 22") && several.contains("(in the sheet `Data 2024`)"),
        "{several}"
    );
    let single = said(&[("Data 2024", &lines)]);
    assert!(single.contains("line 22") && !single.contains("Data 2024"), "{single}");
}

#[test]
fn a_column_far_from_0_is_normalised_as_one_near_it() {
    let far = 1_000_000.0;
    let text = |offset: f32| -> String {
        (0..40).map(|i| format!("{},{}\n", offset + (i * 7 % 40) as f32, i % 2)).collect()
    };
    let (near, far) = (load(&text(0.0)), load(&text(far)));
    let all: Vec<_> = (0..near.train.len()).collect();
    let pixels = |data: &Dataset| data.batch(Split::Train, &all).pixels;
    for (a, b) in pixels(&near).iter().zip(pixels(&far)) {
        assert!((a - b).abs() < 0.01, "{a} {b}");
    }
}

#[test]
fn tens_of_thousands_of_columns_are_read_and_more_are_refused() {
    let table = |pairs: usize| -> String {
        let row = |kind: &str| "1.5,2,".repeat(pairs) + kind + "\n";
        (0..8).map(|i| row(["a", "b"][i % 2])).collect()
    };
    assert_eq!(load(&table(30_000)).shape(), [60_000, 1, 1]);
    assert!(message(&table(50_000), None).contains("line 1: more than 65536 cells"));
}

/// Twelve rows of numbers below 10 in three columns, and a class.
fn spectra(header: &str) -> String {
    let row = |i: usize| format!("{}.9,{}.7,{}.1,{}\n", i % 7, i % 5, i % 9, ["a", "b"][i % 2]);
    header.to_owned() + &(0..12).map(row).collect::<String>()
}

#[test]
fn wavelengths_and_years_beside_the_name_of_the_classes_are_a_header() {
    for header in [
        "1100,1102,1104,class\n",
        "1100.5,1102.5,1104.5,class\n",
        "2020,2021,2022,k\n",
        "\"0\",\"1\",\"2\",\"class\"\n",
    ] {
        let data = load(&spectra(header));
        assert_eq!(rows(&data).len(), 12, "{header}");
        assert_eq!(names(&data), ["a", "b"]);
    }
    let truths: String = (0..12).map(|i| format!("{},{},{}\n", i % 5, i % 3, i % 2 == 0)).collect();
    assert_eq!(rows(&load(&format!("\"0\",\"1\",\"2\"\n{truths}"))).len(), 12);
}

#[test]
fn a_first_row_that_may_be_either_is_refused_with_the_option() {
    let pairs: String = (1..13).map(|i| format!("0.{i},0.{}\n", 42 + i)).collect();
    let orders: String = (0..12).map(|i| ["2,1,4,3\n", "4,3,2,1\n", "3,4,1,2\n"][i % 3]).collect();
    for text in [
        format!("0,1\n{pairs}"),
        format!("1,2,3,4\n{orders}"),
        format!("<5,3,a\n{}", small("")),
        spectra("3.2,2.5,1.1,c\n"),
    ] {
        let error = message(&text, None);
        assert!(error.contains("line 1: this may be a header or a row"), "{error}");
        let options = ReadOptions { header: Some(true), ..ReadOptions::default() };
        assert!(load_bytes(text.as_bytes(), None, options).is_ok(), "{text}");
    }
    assert_eq!(rows(&load(&spectra("3.2,2.5,1.1,a\n"))).len(), 13);
}

#[test]
fn rows_that_begin_with_a_hash_are_examples() {
    let text: String =
        (0..12).map(|i| format!("{},{i}.5,{i}\n", ["b", "#a", "c"][i % 3])).collect();
    let data = load_text(&format!("k,x,y\n{text}"), Some("k")).unwrap();
    assert_eq!(names(&data), ["#a", "b", "c"]);
    assert_eq!(rows(&data).len(), 12);
    let error = message(&format!("k,x,y\n{text}a,1,2\n"), Some("k"));
    assert!(error.contains("line 3: this may be a comment or a row"), "{error}");
}

#[test]
fn whole_numbers_that_are_written_in_two_ways_are_two_classes() {
    for (cells, task, expected) in [
        (&["01234", "1234", "7"][..], None, 3),
        (&["01234", "1234"], Some(TaskKind::Classes), 2),
        (&["1E3", "1000"], Some(TaskKind::Classes), 2),
        (&["9007199254740993", "9007199254740992"], Some(TaskKind::Classes), 2),
        (&["1", "2.0"], None, 2),
    ] {
        let text: String = (0..42).map(|i| format!("{i}.5,{}\n", cells[i % cells.len()])).collect();
        let options = ReadOptions { task, ..ReadOptions::default() };
        let data = load_bytes(text.as_bytes(), None, options).unwrap();
        assert_eq!(names(&data).len(), expected, "{cells:?}");
    }
    let text: String = (0..60).map(|i| format!("{i}.5,{}\n", ["1", "1.0", "2"][i % 3])).collect();
    let options = ReadOptions { task: Some(TaskKind::Classes), ..ReadOptions::default() };
    assert_eq!(names(&load_bytes(text.as_bytes(), None, options).unwrap()), ["1", "2"]);
}

#[test]
fn a_header_that_is_said_to_be_none_and_numbers_of_columns_are_as_they_are_seen() {
    let options = ReadOptions { header: Some(false), ..ReadOptions::default() };
    let error = load_bytes(small("x,y,kind\n").as_bytes(), None, options).unwrap_err().to_string();
    assert!(error.contains("leave --header no out"), "{error}");
    let rows_named: String =
        small("").lines().enumerate().map(|(i, row)| format!("r{i},{row}\n")).collect();
    let data = load_text(&format!("x,y,kind\n{rows_named}"), Some("3")).unwrap();
    assert_eq!(names(&data), ["a", "b"]);
    assert!(message(&format!("x,y,kind\n{rows_named}"), Some("4")).contains("no column `4`"));
}

#[test]
fn classes_that_lose_all_rows_are_named() {
    let text: String = (0..30)
        .map(|i| match i % 3 {
            0 => format!(",{i},lost\n"),
            kind => format!("{i}.5,{i},k{kind}\n"),
        })
        .collect();
    let options = ReadOptions { missing: Some(Missing::Drop), ..ReadOptions::default() };
    let data = load_bytes(format!("x,y,k\n{text}").as_bytes(), None, options).unwrap();
    assert_eq!(names(&data), ["k1", "k2"]);
    has_note(&data, &["1 class of column `k` lost all rows", "`lost`"]);
}

#[test]
fn columns_that_pandas_adds_are_left_out() {
    let plain = rows(&load(&small("x,y,kind\n")));
    let body = small("");
    let body = body.lines().enumerate();
    let first: String = body.clone().map(|(i, row)| format!("{i}.0,{i},{row}\n")).collect();
    assert_eq!(rows(&load(&format!("Unnamed: 0.1,Unnamed: 0,x,y,kind\n{first}"))), plain);
    assert_eq!(rows(&load(&format!(",,x,y,kind\n{first}"))), plain);
    let last: String = body.clone().map(|(i, row)| format!("{row},{i}\n")).collect();
    assert_eq!(rows(&load(&format!("x,y,kind,Unnamed: 3\n{last}"))), plain);
    let other: String = body.map(|(i, row)| format!("{}.5,{row}\n", i * i % 7)).collect();
    let data = load(&format!("Unnamed: 0,x,y,kind\n{other}"));
    has_note(&data, &["column `Unnamed: 0` without a name used"]);
}

#[test]
fn a_last_column_without_values_is_not_predicted() {
    let text = small("x,y,kind,notes\n");
    let text = text
        .lines()
        .enumerate()
        .map(|(i, row)| if i == 0 { format!("{row}\n") } else { format!("{row},\n") });
    let data = load(&text.collect::<String>());
    assert_eq!(rows(&data), rows(&load(&small("x,y,kind\n"))));
    has_note(&data, &["column `notes` without a value in any row left out"]);
}

#[test]
fn numbers_of_a_workbook_are_what_they_are_and_texts_among_them_are_ambiguous() {
    let rows_of = |cells: &[&str]| {
        let lines: Vec<Vec<String>> =
            [vec!["x".to_owned(), "k".to_owned()]]
                .into_iter()
                .chain((0..12).map(|i| {
                    vec![cells[i % cells.len()].to_owned(), ["a", "b"][i / 2 % 2].to_owned()]
                }))
                .collect();
        let lines: Vec<Vec<&str>> =
            lines.iter().map(|line| line.iter().map(String::as_str).collect()).collect();
        let lines: Vec<&[&str]> = lines.iter().map(Vec::as_slice).collect();
        load_bytes(&workbook(&[("one", &lines)]), None, ReadOptions::default())
    };
    let error = rows_of(&["1,234", "<v>1.5</v>"]).unwrap_err().to_string();
    assert!(error.contains("two ways"), "{error}");
    let data = rows_of(&["3,5", "<v>1.125</v>"]).unwrap();
    assert_eq!((rows(&data)[0].0[0], rows(&data)[11].0[0]), (1.125, 3.5));
    assert_eq!(rows(&rows_of(&["<v>1.125</v>", "<v>2</v>"]).unwrap())[0].0[0], 1.125);
}

#[test]
fn few_different_fractions_are_told_as_what_may_be_classes() {
    for (values, told) in [
        (&["0.0", "0.5", "1.0"][..], Some("3 different ones only")),
        (&["0.1", "0.9"], Some("2 different ones only")),
        (&["0.1", "0.9", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8"], None),
    ] {
        let row = |i: usize| format!("{i}.5,{}\n", values[i % values.len()]);
        let data = load(&(0..24).map(row).collect::<String>());
        assert!(matches!(data.task, Task::Number(_)), "{values:?}");
        match told {
            Some(told) => has_note(&data, &[told, "--task classes makes classes of them"]),
            None => assert!(!data.notes.iter().any(|note| note.contains("--task")), "{values:?}"),
        }
    }
}

#[test]
fn the_decimal_sign_can_be_said() {
    for separator in ['\t', ' ', ';'] {
        let text: String = (0..12)
            .map(|i| format!("{}.0{:02}{separator}{}.{}\n", i + 1, i, 20 - i, 101 + i))
            .collect();
        let text = format!("a{separator}b\n{text}");
        let refused = message(&text, None);
        assert!(
            refused.contains("--decimal point for") && refused.contains("two ways"),
            "{refused}"
        );
        let read = |decimal| {
            let options = ReadOptions { decimal: Some(decimal), ..ReadOptions::default() };
            load_bytes(text.as_bytes(), None, options).expect("is said")
        };
        assert_eq!(rows(&read(Decimal::Point))[0], (vec![1.0], 20.101));
        let thousands = read(Decimal::Comma);
        assert_eq!(rows(&thousands)[0], (vec![1000.0], 20101.0));
        has_note(&thousands, &["thousands are separated", "`1.000` is 1000"]);
    }
}

#[test]
fn decimal_commas_that_cut_numbers_are_named_as_the_cause() {
    let rows = |row: fn(usize) -> String| (0..12).map(row).collect::<String>();
    for text in [
        "a,b,c,kind\n".to_owned() + &rows(|i| format!("-{i},50,{i},98,2,{i},x{}\n", i % 2)),
        // One column of three.
        "a,b,kind\n".to_owned() + &rows(|i| format!("{},{i}5,{i},x{}\n", i % 3, i % 2)),
        // Most numbers are whole.
        "a,b,kind\n".to_owned()
            + &rows(|i| format!("{i}{},{i},x{}\n", if i == 7 { ",5" } else { "" }, i % 2)),
    ] {
        let error = message(&text, None);
        for part in ["decimal commas (`", "cut in two", "semicolons or tabs"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains("delete the line"), "{error}");
    }
}

#[test]
fn a_first_line_that_names_the_wrong_separator_is_named() {
    for (text, named, found) in [
        (small("sep=;\nx,y,kind\n"), "semicolons", "commas"),
        (
            small("sep=,\nx,y,kind\n")
                .replace("5,", "5;")
                .replace(",a", ";a")
                .replace(",b", ";b")
                .replace("x,y,", "x;y;"),
            "commas",
            "semicolons",
        ),
    ] {
        let error = message(&text, None);
        assert!(error.contains(&format!("line 1: `sep=` names {named}")), "{error}");
        assert!(error.contains(&format!("separated by {found}")), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_tables_are_read_or_refused_with_their_name(
        which in 0usize..3,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        missing in 0usize..3,
    ) {
        let text = small(",x,y,kind\n").lines().enumerate()
            .map(|(i, line)| if i == 0 { format!("{line}\n") } else { format!("{i},{line}\n") })
            .collect::<String>();
        let mut bytes = match which {
            0 => text.into_bytes(),
            1 => gzip(text.as_bytes()),
            _ => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        };
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let missing = [None, Some(Missing::Mean), Some(Missing::Drop)][missing];
        match load_bytes(&bytes, None, ReadOptions { missing, ..ReadOptions::default() }) {
            Ok(data) => {
                let Pixels::Floats(values) = data.train.pixels() else { panic!("floats") };
                prop_assert!(values.iter().all(|value| value.is_finite()));
            }
            Err(error) => prop_assert!(error.to_string().contains("table.csv"), "{error}"),
        }
    }
}
