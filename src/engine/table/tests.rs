//! Tests of the table reader: what it takes, and what it says of each thing that can be wrong.

use super::*;
use crate::engine::{candidate, messages::keep};
use std::path::PathBuf;

/// The table that `text` is the file of.
pub(in crate::engine) fn parse(text: &str) -> Result<Table, TableError> {
    let folder = tempfile::tempdir().expect("a folder");
    Table::load(&file_of(folder.path(), text))
}

/// The file `table.csv` of a table.
pub(in crate::engine) fn file_of(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("table.csv");
    std::fs::write(&path, text).expect("is written");
    path
}

/// A table of all combinations of so many choices, without functional equality.
pub(in crate::engine) fn complete(choices: &[usize], search: impl Fn(&[usize]) -> f64) -> Table {
    let mut text = String::from("architecture,search,report\n");
    for mut rest in 0..choices.iter().product() {
        let mut digits = Vec::new();
        for count in choices {
            digits.push(rest % count);
            rest /= count;
        }
        let names: Vec<_> = digits.iter().map(ToString::to_string).collect();
        let search = search(&digits);
        text += &format!("{},{search},{}\n", names.join("/"), search + 0.5);
    }
    parse(&text).expect("is complete")
}

const SMALL: &str = "architecture,search,report\n0/0,1,10\n0/1,2,20\n1/0,3,30\n1/1,4,40\n";

#[test]
fn rows_are_found_by_their_choices() {
    let table = parse(SMALL).expect("is sound");
    assert_eq!((table.len(), table.functions(), table.positions()), (4, 4, 2));
    for (digits, text, search, report) in
        [([0, 0], "0/0", 1.0, 10.0), ([0, 1], "0/1", 2.0, 20.0), ([1, 0], "1/0", 3.0, 30.0)]
    {
        let architecture = table.architecture(&digits);
        assert_eq!(table.known(architecture), Known { search, report });
        assert_eq!(table.text(architecture), text);
        assert_eq!(table.digits(architecture), digits);
        assert_eq!(table.representative(architecture), architecture);
    }
    assert_eq!(table.text(table.best()), "1/1");
}

#[test]
fn quotes_line_ends_marks_spaces_and_the_order_of_rows_and_columns_do_not_matter() {
    let table = parse(
        "\u{feff}report,notes, search ,architecture\r\n\"40\",\"a, b\",4,1/1\r\n10,,1, 0/0\r\n30,,3,1 / 0\r\n20,,2,\"0/1\"\r\n",
    )
    .expect("is sound");
    let plain = parse(SMALL).expect("is sound");
    assert!(table.architectures().eq(plain.architectures()));
    for architecture in table.architectures() {
        assert_eq!(table.known(architecture), plain.known(architecture));
        assert_eq!(table.text(architecture), plain.text(architecture));
    }
}

#[test]
fn choices_stand_in_natural_order() {
    let names = |choices: &[&str]| {
        let rows: String = choices.iter().map(|choice| format!("{choice},1,1\n")).collect();
        parse(&format!("architecture,search,report\n{rows}")).expect("is sound").choices(0).to_vec()
    };
    assert_eq!(names(&["64", "8", "16", "-1"]), ["-1", "8", "16", "64"]);
    assert_eq!(names(&["k11e6", "k3e6", "k3", "none"]), ["k3", "k3e6", "k11e6", "none"]);
    assert_eq!(names(&["-2x", "-10", "-5"]), ["-2x", "-5", "-10"]);
}

#[test]
fn canonical_forms_make_functions() {
    let table = parse(
        "architecture,search,report,canonical\n0/0,1,1,0/0\n0/1,2,2,1/0\n1/0,2,2,1/0\n1/1,3,3,any label\n",
    )
    .expect("is sound");
    assert_eq!((table.len(), table.functions()), (4, 3));
    let [a, b, c, d] = [[0, 0], [0, 1], [1, 0], [1, 1]].map(|digits| table.architecture(&digits));
    assert_eq!(table.function(b), table.function(c));
    assert_ne!(table.function(a), table.function(b));
    assert_eq!(table.representative(b), c, "the one that is named");
    assert_eq!(table.representative(d), d, "the first where the name is no architecture");
}

#[test]
fn equal_search_values_are_ordered_by_report() {
    let table =
        parse("architecture,search,report\n0,9,1\n1,9,2\n2,9,2\n3,1,5\n").expect("is sound");
    assert_eq!(table.text(table.best()), "1");
}

#[test]
fn the_template_has_a_candidate_for_each_architecture() {
    let table = complete(&[2, 3, 1, 2], |digits| digits.iter().sum::<usize>() as f64);
    let graph = table.template();
    let places = table.places(&graph);
    assert_eq!(graph.len(), 10);
    let all = candidate::list_all(&graph, 100).expect("a small space");
    assert_eq!(all.len(), table.len());
    for architecture in table.architectures() {
        let mask = places.mask(architecture).expect("all nodes are there");
        assert_eq!(candidate::problem(&graph, &mask), None);
        assert_eq!(places.architecture(&mask), Some(architecture));
        assert!(all.contains(&mask));
    }
}

#[test]
fn every_mistake_is_told_in_these_words() {
    let broken = [
        "",
        "a,b\n",
        "architecture,search\n0,1\n",
        "architecture,search,report,search\n",
        "architecture,search,report\n",
        "architecture,search,report\n0,1,1\n1,1\n",
        "architecture,search,report\n0,1,1\n1,1,1,1\n",
        "architecture,search,report\n0,1,inf\n1,,2\n",
        "architecture,search,report\n0,1,good\n",
        "architecture,search,report\n0,1e101,1\n",
        "architecture,search,report\n0,1,1\n1,5%,2\n",
        "architecture;search;report\n0;1,234;1\n1;2,345;1\n",
        "\n\narchitecture,search\n0,1\n",
        "architecture,search,report\n0/1,1,1\n0,1,1\n",
        "architecture,search,report\n0//1,1,1\n",
        "architecture,search,report\n,1,1\n",
        "architecture,search,report,canonical\n0,1,1,\n",
        "architecture,search,report,canonical\n1,2,2,a\n0,1,1,a\n",
        "architecture,search,report\n0/0,1,1\n0/1,1,1\n1/0,1,1\n",
        "architecture,search,report\na,90,40,90,30\nb,92,54,92,44\n",
    ];
    let said = |text: &&str| (format!("{text:?}"), parse(text).expect_err(text).to_string());
    keep("broken-known-results", broken.iter().map(said));
    let message = Table::load("no/such.csv".as_ref()).expect_err("is missing").to_string();
    assert!(message.contains("no/such.csv"), "{message}");
}

#[test]
fn text_that_is_not_utf_8_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("table.csv");
    std::fs::write(&path, b"architecture,search,report\n0,1,1\n\xff,1,1\n").expect("is written");
    let message = Table::load(&path).expect_err("is no text").to_string();
    assert!(message.contains("table.csv: line 3 is not UTF-8"), "{message}");
}

/// Tables with the same architectures and results.
fn same(table: &Table, other: &Table) {
    assert!(table.architectures().eq(other.architectures()));
    for architecture in table.architectures() {
        assert_eq!(table.known(architecture), other.known(architecture));
        assert_eq!(table.text(architecture), other.text(architecture));
    }
}

#[test]
fn exports_of_other_programs_are_read_alike() {
    let plain = parse(SMALL).expect("is sound");
    assert!(plain.notes().is_empty(), "{:?}", plain.notes());
    for text in [
        SMALL.replace(',', ";"),
        SMALL.replace(',', "\t"),
        SMALL.replace(',', "  "),
        SMALL.replace("architecture,search,report", "Architecture,SEARCH,Report"),
        format!("# made on a day\n{SMALL}"),
        format!("{SMALL}architecture,search,report\n"),
        format!("sep=,\n{SMALL}"),
        SMALL.replace('\n', ",\r\n"),
        SMALL
            .lines()
            .map(|line| {
                line.replace(",1,", ",1%,")
                    .replace(",2,", ",2 %,")
                    .replace(",3,", ",3%,")
                    .replace(",4,", ",4%,")
                    + "\n"
            })
            .collect(),
        SMALL.replace("/0", "-0").replace("/1", "-1"),
        SMALL.replace("/0", "|0").replace("/1", "|1"),
        SMALL
            .replace("0/0", "\"(0, 0)\"")
            .replace("0/1", "\"(0, 1)\"")
            .replace("1/0", "\"(1, 0)\"")
            .replace("1/1", "\"(1, 1)\""),
    ] {
        same(&parse(&text).unwrap_or_else(|error| panic!("{error} in {text}")), &plain);
    }
    let table = parse(&SMALL.replace("/0", "-0").replace("/1", "-1")).expect("is sound");
    assert!(table.notes()[0].contains("separated by `-`"), "{:?}", table.notes());
}

#[test]
fn several_rows_of_an_architecture_count_as_their_mean() {
    let table = parse("architecture,seed,search,report\n0,1,1,10\n1,1,5,50\n0,2,2,20\n0,3,6,60\n")
        .expect("is sound");
    assert_eq!(table.known(table.architecture(&[0])), Known { search: 3.0, report: 30.0 });
    assert_eq!(table.known(table.architecture(&[1])), Known { search: 5.0, report: 50.0 });
    assert!(table.notes()[0].contains("1 of 2 architectures have several rows (4 in all)"));
}

#[test]
fn what_failed_is_the_worst_and_no_part_of_a_mean() {
    for word in ["NaN", "", "failed", "inf", "-inf", "OOM", "nan%", "None"] {
        let table = parse(&format!(
            "architecture,search,report\n0,-4,-40\n1,{word},{word}\n2,-3,-30\n2,-2,{word}\n3,-1,-10\n"
        ))
        .expect(word);
        let known = |digit| table.known(table.architecture(&[digit]));
        assert_eq!(known(1), Known { search: -4.0, report: -40.0 }, "as bad as the worst");
        assert_eq!(known(2), Known { search: -3.0, report: -30.0 });
        assert_eq!(table.text(table.best()), "3");
        let note = &table.notes()[1];
        for part in [
            "2 rows without a result",
            "1 architecture with no other row",
            "of 1 architecture the mean",
        ] {
            assert!(note.contains(part), "{note}");
        }
    }
    let table = parse("architecture,search,report,canonical\n0,1,1,a\n1,2,2,b\n2,NaN,NaN,b\n")
        .expect("is sound");
    assert_eq!(table.known(table.architecture(&[2])).search, 2.0, "as what computes the same");
}

#[test]
fn more_choices_than_can_be_searched_are_refused() {
    let table = |count: usize| {
        let rows: String = (0..count).map(|i| format!("a{i},{i},{i}\n")).collect();
        parse(&format!("architecture,search,report\n{rows}"))
    };
    assert!(table(60).expect("is sound").notes()[0].contains("one layer of 60"));
    let message = table(15_000).expect_err("is too large").to_string();
    for part in ["15000 choices in 1 position", "at most 256", "by `/`"] {
        assert!(message.contains(part), "{message}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_tables_are_read_or_refused_with_their_name(
        changes in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0u8..128), 1..5),
    ) {
        let mut bytes = SMALL.replace("1/0,3", "1/0,NaN").into_bytes();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let text = String::from_utf8(bytes).expect("ASCII stays ASCII");
        match parse(&text) {
            Ok(table) => proptest::prop_assert!(table.functions() <= table.len()),
            Err(error) => proptest::prop_assert!(error.to_string().contains("table.csv"), "{error}"),
        }
    }
}

#[test]
fn how_numbers_are_read_is_told_and_never_guessed() {
    let table = |cells: [&str; 4]| {
        let names = ["0/0", "0/1", "1/0", "1/1"];
        let rows = names.iter().zip(cells).map(|(name, cell)| format!("{name};{cell}\n"));
        parse(&format!("architecture;search;report\n{}", rows.collect::<String>()))
    };
    let data = table(["1,5;2", "2,5;3", "0,5;4", "1,125;5"]).expect("is sound");
    assert!(data.notes().iter().any(|note| note.contains("decimal commas in column `search`")));
    let error = table(["1,125;2.5", "2,125;3.5", "3;4.5", "4;5.5"]).unwrap_err().to_string();
    assert!(error.contains("column `search` can be read in two ways"), "{error}");
}

#[test]
fn a_header_may_have_no_cell_above_the_names_of_rows() {
    let rows = "r1;0/0;1;1\nr2;0/1;2;2\nr3;1/0;3;3\nr4;1/1;4;4\n";
    assert_eq!(parse(&format!("architecture;search;report\n{rows}")).expect("is sound").len(), 4);
}

#[test]
fn architectures_without_slashes_are_cut_or_refused() {
    let text = |separator: &str| {
        let mut text = String::from("architecture,search,report\n");
        for kernel in ["k3", "k5", "k7"] {
            for width in ["e3", "e4"] {
                for gate in ["se", "no"] {
                    text += &format!("{},1.5,2\n", [kernel, width, gate].join(separator));
                }
            }
        }
        text
    };
    for separator in [">", "->", "=>", "\\", "\u{2192}", "/", "__"] {
        let table = parse(&text(separator)).expect(separator);
        assert_eq!((table.positions(), table.len()), (3, 12), "{separator}");
        assert_eq!(table.choices(2), ["no", "se"], "{separator}");
    }
    let error = parse(&text("")).expect_err("nothing separates").to_string();
    assert!(error.contains("`k3e3se`") && error.contains("(`k3/e3/se`)"), "{error}");
}

#[test]
fn the_decimal_sign_of_a_table_can_be_said_and_cut_numbers_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("table.csv");
    let rows = "a;90,400;90,300\nb;92,540;92,440\n";
    std::fs::write(&path, format!("architecture;search;report\n{rows}")).expect("is written");
    let refused = Table::load(&path).expect_err("two readings").to_string();
    assert!(refused.contains("--decimal comma for 90.400"), "{refused}");
    for (decimal, search) in [(Decimal::Comma, 92.54), (Decimal::Point, 92540.0)] {
        let table = Table::load_with(&path, Some(decimal)).expect("is said");
        assert_eq!(table.known(table.best()).search, search);
    }
    let cut = parse("architecture,search,report\na,90,40,90,30\nb,92,54,92,44\n");
    let cut = cut.expect_err("is cut").to_string();
    assert!(cut.contains(":2:") && cut.contains("decimal commas (`90,40`)"), "{cut}");
}
