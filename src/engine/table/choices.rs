//! Cuts the texts of architectures into choices.

use std::collections::BTreeSet;

/// What separates choices where no `/` does, the most certain first.
const CERTAIN: [char; 6] = ['|', ';', ',', ' ', '+', ':'];

/// What may separate choices, and also stands within names; it does if the table is complete then.
const POSSIBLE: [char; 3] = ['-', '_', '.'];

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

/// Splits all architectures by `/`, or else by what separates their choices.
pub(super) fn split(texts: &[String]) -> Choices {
    let bare: Vec<&str> = texts.iter().map(|text| without_brackets(text)).collect();
    if texts.iter().any(|text| text.contains('/')) {
        return Choices { of: bare.iter().map(|text| by(text, '/')).collect(), note: None };
    }
    let separated = |separator: char| Choices {
        of: bare.iter().map(|text| by(text, separator)).collect(),
        note: Some(format!(
            "choices of an architecture are separated by {}",
            if separator == ' ' { "spaces".to_owned() } else { format!("`{separator}`") }
        )),
    };
    for separator in CERTAIN {
        if bare.iter().all(|text| by(text, separator).len() > 1) {
            return separated(separator);
        }
    }
    for separator in POSSIBLE {
        let choices = separated(separator);
        if is_whole(&choices.of) {
            return choices;
        }
    }
    let distinct = texts.iter().collect::<BTreeSet<_>>().len();
    let alike = POSSIBLE.into_iter().find(|&separator| {
        let lengths: BTreeSet<_> = bare.iter().map(|text| by(text, separator).len()).collect();
        lengths.first().is_some_and(|&length| length > 1) && lengths.len() == 1
    });
    if let (Some(separator), 2.., Some(example)) = (alike, distinct, bare.first()) {
        let note = format!(
            "architectures such as `{example}` are one choice each; if `{separator}` separates choices, write `/` in its place"
        );
        let of = bare.iter().map(|text| vec![(*text).trim().to_owned()]).collect();
        return Choices { of, note: Some(note) };
    }
    let note = (distinct >= MANY).then(|| {
        format!(
            "architectures are not separated into choices, so the table is one layer of {distinct}; join the choices by `/` if \
             there are several layers"
        )
    });
    Choices { of: bare.iter().map(|text| vec![(*text).trim().to_owned()]).collect(), note }
}

/// The parts of a text. Between bars, NAS-Bench-201 has `+` and nothing.
fn by(text: &str, separator: char) -> Vec<String> {
    let parts = text.split(separator).map(|part| part.trim().trim_matches(['\'', '"']).to_owned());
    match separator {
        '|' => parts.filter(|part| !part.is_empty() && part != "+").collect(),
        ' ' => parts.filter(|part| !part.is_empty()).collect(),
        // Programs write a single part, or the last one, with a comma behind it.
        ',' => {
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
        split(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()).of
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
        ] {
            assert_eq!(splits(&texts), [["a", "b"], ["a", "c"]], "{texts:?}");
        }
    }

    #[test]
    fn what_may_be_choices_or_names_is_told() {
        let note =
            |texts: &[&str]| split(&texts.iter().map(ToString::to_string).collect::<Vec<_>>()).note;
        // All combinations are there, which names hardly are.
        let whole = note(&["1-1", "1-2", "2-1", "2-2"]).expect("is told");
        assert!(whole.contains("are separated by `-`"), "{whole}");
        let part = note(&["2-1", "1-2"]).expect("is told");
        assert!(part.contains("such as `2-1` are one choice each"), "{part}");
        assert!(part.contains("if `-` separates choices, write `/`"), "{part}");
        assert_eq!(note(&["2-1", "3"]), None, "these have nothing in common");
    }

    #[test]
    fn names_of_one_layer_stay_whole() {
        for texts in [
            &["conv-3x3", "conv-5x5", "pool-3x3"][..],
            &["-1", "8", "16"],
            &["-2x", "-10", "-5"],
            &["k3", "k5"],
        ] {
            assert_eq!(
                splits(texts),
                texts.iter().map(|text| vec![(*text).to_owned()]).collect::<Vec<_>>()
            );
        }
    }
}
