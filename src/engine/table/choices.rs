//! Cuts the texts of architectures into choices.

use std::collections::BTreeSet;

/// What separates choices where no `/` does, the most certain first; of arrows, the longer ones hold the shorter.
const CERTAIN: [&str; 20] = [
    "-->", "==>", "->", "=>", "~>", ">>", "::", "|", ";", ",", " ", "+", ":", ">", "\\",
    "\u{2192}", "\u{21d2}", "\u{bb}", "\u{2022}", "\u{3001}",
];

/// What may separate choices, and also stands within names; it does if the table is complete then.
const POSSIBLE: [&str; 14] =
    ["--", "__", "-", "_", ".", "=", "*", "~", "&", "#", "@", "^", "!", "$"];

/// From how many architectures on it is worth a word that each is a choice of its own.
const MANY: usize = 50;

/// The choices of each architecture.
#[derive(Debug)]
pub(super) struct Choices {
    /// Of each text.
    pub(super) of: Vec<Vec<String>>,
    /// What was inferred.
    pub(super) note: Option<String>,
}

/// An architecture that is several choices with nothing between them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Joined {
    /// The text.
    pub(super) example: String,
    /// The same with `/` between its choices.
    pub(super) cut: String,
}

/// Splits all architectures by `/`, or else by what separates their choices.
///
/// # Errors
/// When nothing does, but each looks like several choices.
pub(super) fn split(texts: &[String]) -> Result<Choices, Joined> {
    let bare: Vec<&str> = texts.iter().map(|text| without_brackets(text)).collect();
    if texts.iter().any(|text| text.contains('/')) {
        return Ok(Choices { of: bare.iter().map(|text| by(text, "/")).collect(), note: None });
    }
    let separated = |separator: &str| Choices {
        of: bare.iter().map(|text| by(text, separator)).collect(),
        note: Some(format!(
            "choices of an architecture are separated by {}",
            if separator == " " { "spaces".to_owned() } else { format!("`{separator}`") }
        )),
    };
    for separator in CERTAIN {
        if bare.iter().all(|text| by(text, separator).len() > 1) {
            return Ok(separated(separator));
        }
    }
    let others = other_signs(&bare);
    let possible = || POSSIBLE.into_iter().chain(others.iter().map(String::as_str));
    for separator in possible() {
        let choices = separated(separator);
        if is_whole(&choices.of) {
            return Ok(choices);
        }
    }
    let of = bare.iter().map(|text| vec![(*text).trim().to_owned()]).collect();
    let distinct = texts.iter().collect::<BTreeSet<_>>().len();
    let alike = possible().find(|&separator| {
        let lengths: BTreeSet<_> = bare.iter().map(|text| by(text, separator).len()).collect();
        lengths.first().is_some_and(|&length| length > 1) && lengths.len() == 1
    });
    if let (Some(separator), 2.., Some(example)) = (alike, distinct, bare.first()) {
        let note = format!(
            "architectures such as `{example}` are one choice each; if `{separator}` separates choices, write `/` in its place"
        );
        return Ok(Choices { of, note: Some(note) });
    }
    if let Some((joined, is_certain)) = joined(&bare) {
        if is_certain {
            return Err(joined);
        }
        let Joined { example, cut } = joined;
        let note = format!(
            "architectures such as `{example}` are one choice each; if they are several, join these by `/` (`{cut}`)"
        );
        return Ok(Choices { of, note: Some(note) });
    }
    let note = (distinct >= MANY).then(|| {
        format!(
            "architectures are not separated into choices, so the table is one layer of {distinct}; join the choices by `/` if \
             there are several layers"
        )
    });
    Ok(Choices { of, note })
}

/// Other signs that stand in all texts: no letters, digits, brackets or quotes, and none that are known.
fn other_signs(texts: &[&str]) -> Vec<String> {
    let Some(first) = texts.first() else { return Vec::new() };
    let is_sign = |sign: &char| {
        !sign.is_alphanumeric()
            && !sign.is_whitespace()
            && !"()[]{}<%'\"`".contains(*sign)
            && !POSSIBLE.concat().contains(*sign)
    };
    let signs: BTreeSet<_> = first.chars().filter(is_sign).collect();
    let everywhere = signs.into_iter().filter(|&sign| texts.iter().all(|text| text.contains(sign)));
    everywhere.map(String::from).collect()
}

/// Whether texts without separators are choices one after the other, such as `k3e6se` or `021`, and whether that is
/// certain: when at least three of the positions differ, or numbers begin with 0, and all combinations are there, or half
/// of them.
fn joined(texts: &[&str]) -> Option<(Joined, bool)> {
    let is_bare = |text: &&str| text.chars().all(char::is_alphanumeric) && !text.is_empty();
    if !texts.iter().all(is_bare) {
        return None;
    }
    let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    let letters = |text: &&str| text.chars().all(char::is_alphabetic);
    let all_digits = texts.iter().all(digits);
    let of: Vec<Vec<String>> = if all_digits || texts.iter().all(letters) {
        texts.iter().map(|text| text.chars().map(String::from).collect()).collect()
    } else {
        texts.iter().map(|text| after_digits(text)).collect()
    };
    if !is_whole(&of) {
        return None;
    }
    let differ = (0..of[0].len())
        .filter(|&position| of.iter().any(|choices| choices[position] != of[0][position]))
        .count();
    let code = all_digits && texts.iter().any(|text| text.starts_with('0'));
    let joined = Joined { example: texts[0].to_owned(), cut: of[0].join("/") };
    let certain = differ > 2 || code;
    // Numbers such as 100, 150 and 200 are names.
    (certain || differ > 1 && !all_digits).then_some((joined, certain))
}

/// The parts of a text, cut where a letter follows a digit.
fn after_digits(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut digit = false;
    for character in text.chars() {
        if digit && !character.is_ascii_digit() {
            parts.push(String::new());
        }
        digit = character.is_ascii_digit();
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts
}

/// The parts of a text. Between bars, NAS-Bench-201 has `+` and nothing.
fn by(text: &str, separator: &str) -> Vec<String> {
    let parts = text.split(separator).map(|part| part.trim().trim_matches(['\'', '"']).to_owned());
    match separator {
        "|" => parts.filter(|part| !part.is_empty() && part != "+").collect(),
        " " => parts.filter(|part| !part.is_empty()).collect(),
        // Programs write a single part, or the last one, with a comma behind it.
        "," => {
            let mut parts: Vec<_> = parts.collect();
            if parts.len() > 2 && parts.last().is_some_and(String::is_empty) {
                parts.pop();
            }
            parts
        }
        _ => parts.collect(),
    }
}

/// The text without brackets around it.
fn without_brackets(text: &str) -> &str {
    let text = text.trim();
    let inner = [('[', ']'), ('(', ')'), ('{', '}')]
        .into_iter()
        .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close));
    inner.unwrap_or(text)
}

/// Whether these are as many choices each, several, and at least half of what they can be combined to; all of it where
/// there are two only, as parts of a name may be.
fn is_whole(of: &[Vec<String>]) -> bool {
    let Some(first) = of.first() else { return false };
    let positions = first.len();
    let sound = |choices: &Vec<String>| {
        choices.len() == positions && choices.iter().all(|choice| !choice.is_empty())
    };
    if positions < 2 || !of.iter().all(sound) {
        return false;
    }
    let combinations = (0..positions).fold(1_usize, |product, position| {
        let distinct = of.iter().map(|choices| &choices[position]).collect::<BTreeSet<_>>();
        product.saturating_mul(distinct.len())
    });
    let architectures = of.iter().collect::<BTreeSet<_>>().len();
    if positions == 2 { architectures == combinations } else { architectures * 2 >= combinations }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splits(texts: &[&str]) -> Vec<Vec<String>> {
        split(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()).expect("is split").of
    }

    #[test]
    fn choices_are_cut_at_what_separates_them() {
        for texts in [
            ["a/b", "a/c"],
            ["a|b", "a|c"],
            ["|a|+|b|", "|a|+|c|"],
            ["a;b", "a;c"],
            ["[a, b]", "[a, c]"],
            ["['a', 'b']", "['a', 'c']"],
            ["(a b)", "(a c)"],
            ["(a, b,)", "(a, c,)"],
            ["a - b", "a-c"],
            ["a_b", "a_c"],
            ["a.b", "a.c"],
            ["a>b", "a>c"],
            ["a->b", "a->c"],
            ["a -> b", "a -> c"],
            ["a=>b", "a=>c"],
            ["a-->b", "a-->c"],
            ["a\\b", "a\\c"],
            ["a__b", "a__c"],
            ["a::b", "a::c"],
            ["a~b", "a~c"],
            ["a\u{2192}b", "a\u{2192}c"],
            ["a\u{b7}b", "a\u{b7}c"],
        ] {
            assert_eq!(splits(&texts), [["a", "b"], ["a", "c"]], "{texts:?}");
        }
    }

    #[test]
    fn what_may_be_choices_or_names_is_told() {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let note = |of: &[&str]| split(&texts(of)).expect("is split").note;
        // All combinations are there, which names hardly are.
        let whole = note(&["1-1", "1-2", "2-1", "2-2"]).expect("is told");
        assert!(whole.contains("are separated by `-`"), "{whole}");
        let part = note(&["2-1", "1-2"]).expect("is told");
        assert!(part.contains("such as `2-1` are one choice each"), "{part}");
        assert!(part.contains("if `-` separates choices, write `/`"), "{part}");
        assert_eq!(note(&["2-1", "3"]), None, "these have nothing in common");
    }

    #[test]
    fn choices_with_nothing_between_them_are_refused_with_the_cut() {
        let all = |positions: &[&[&str]]| {
            positions.iter().fold(vec![String::new()], |texts, choices| {
                let longer = |text: &String| {
                    choices.iter().map(|choice| format!("{text}{choice}")).collect::<Vec<_>>()
                };
                texts.iter().flat_map(longer).collect()
            })
        };
        let (three, two) = (["0", "1", "2"], ["0", "1"]);
        for (positions, cut) in [
            (&[&three[..], &three, &two][..], "0/0/0"),
            (&[&["k3", "k5"], &["e3", "e6"], &["se", "no"]], "k3/e3/se"),
            (&[&two, &two], "0/0"),
            (&[&["a", "b"], &["a", "b"], &["a", "b"]], "a/a/a"),
        ] {
            let joined = split(&all(positions)).expect_err(cut);
            assert_eq!((joined.cut.as_str(), joined.example), (cut, cut.replace('/', "")));
        }
        let kernels = split(&all(&[&["k3", "k5"], &["e3", "e6"]])).expect("may be names");
        assert!(kernels.note.is_some_and(|note| note.contains("join these by `/` (`k3/e3`)")));
    }

    #[test]
    fn names_of_one_layer_stay_whole() {
        for texts in [
            &["conv-3x3", "conv-5x5", "pool-3x3"][..],
            &["-1", "8", "16"],
            &["-2x", "-10", "-5"],
            &["k3", "k5"],
            &["conv3\u{d7}3", "conv5\u{d7}5", "pool3\u{d7}3"],
            &["100", "150", "200"],
            &["16", "32", "64", "128"],
            &["relu", "gelu", "tanh"],
        ] {
            assert_eq!(
                splits(texts),
                texts.iter().map(|text| vec![(*text).to_owned()]).collect::<Vec<_>>()
            );
        }
    }
}
