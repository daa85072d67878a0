//! Takes a validation or test split out of the training images where the files have none.

use super::Targets;
use crate::engine::seed;
use rand::Rng;

/// The seed is fixed: two runs with different seeds must still see the same images in validation.
const SPLIT_SEED: u64 = 0;

/// Which split is taken out, so that both can be taken from the same images one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) enum HeldOut {
    Val = 0,
    Test = 1,
}

/// Data sets with fewer examples are small: a tenth of them would say little about anything.
const SMALL: usize = 1_000;

/// The fewest examples of a small data set that are held out: of one, no correlation and no R² is known.
const FEWEST: usize = 2;

/// How many of `here` examples are held out for a split, where the data set has `all` before anything is held out: a tenth
/// of those here, rounded down; of less than 1,000 a fifth of all, rounded up, and at least two.
fn share(here: usize, all: usize) -> usize {
    if all < SMALL { all.div_ceil(5).max(FEWEST).min(here) } else { here / 10 }
}

/// Splits the images with these targets into those that stay and those held out ([`share`] says how many); both in an
/// order of which every beginning holds the classes in proportion. `all` says how many images there were before any were
/// held out.
///
/// Each class is shuffled with a fixed seed; its i-th image of n is then placed at (i + ½) / n of the whole, and the last
/// are held out. Numbers to predict count as one class. Of a small data set, every class keeps an image, and has one
/// among those held out if there are enough (three for the test split, two for the validation split).
pub(super) fn hold_out(targets: &Targets, what: HeldOut, all: usize) -> (Vec<usize>, Vec<usize>) {
    let mut rng = seed::rng(SPLIT_SEED, "data/split", what as u64);
    let mut classes: Vec<Vec<(u64, usize)>> = Vec::new();
    for index in 0..targets.len() {
        let class = match targets {
            Targets::Classes(labels) => usize::from(labels[index]),
            Targets::Numbers(_) => 0,
        };
        if classes.len() <= class {
            classes.resize(class + 1, Vec::new());
        }
        classes[class].push((rng.next_u64(), index));
    }
    let mut places = Vec::with_capacity(targets.len());
    for class in &mut classes {
        class.sort_unstable();
        let count = class.len() as u64;
        for (rank, &(draw, index)) in (0u64..).zip(class.iter()) {
            // In 32-bit fixed point: exact enough to order, and the same on every machine. The draw decides
            // between classes of the same size.
            places.push((((2 * rank + 1) << 32) / (2 * count), draw, index));
        }
    }
    places.sort_unstable();
    let mut order: Vec<usize> = places.into_iter().map(|(_, _, index)| index).collect();
    let count = share(order.len(), all);
    let mut held = order.split_off(order.len() - count);
    if all < SMALL {
        let class_of = |index: usize| match targets {
            Targets::Classes(labels) => usize::from(labels[index]),
            Targets::Numbers(_) => 0,
        };
        let enough = match what {
            HeldOut::Test => 3,
            HeldOut::Val => 2,
        };
        balance(&mut order, &mut held, count, class_of, enough, |class| classes[class].len());
    }
    (order, held)
}

/// Moves examples so that every class keeps one less than `enough`, what training and the splits to come need, and has one
/// that is held out if it has more; then holds out `count` as far as that goes.
fn balance(
    stay: &mut Vec<usize>,
    held: &mut Vec<usize>,
    count: usize,
    class_of: impl Fn(usize) -> usize,
    enough: usize,
    size: impl Fn(usize) -> usize,
) {
    let classes = stay.iter().chain(&*held).map(|&index| class_of(index) + 1).max().unwrap_or(0);
    let mut staying = vec![0_usize; classes];
    stay.iter().for_each(|&index| staying[class_of(index)] += 1);
    for (class, staying) in staying.iter_mut().enumerate() {
        let in_class = |index: &usize| class_of(*index) == class;
        while *staying < size(class).min(enough - 1)
            && let Some(place) = held.iter().position(in_class)
        {
            stay.push(held.remove(place));
            *staying += 1;
        }
        if *staying >= enough
            && !held.iter().any(in_class)
            && let Some(place) = stay.iter().rposition(in_class)
        {
            held.push(stay.remove(place));
            *staying -= 1;
        }
    }
    while held.len() < count
        && let Some(place) = stay.iter().rposition(|&index| staying[class_of(index)] >= enough)
    {
        let index = stay.remove(place);
        staying[class_of(index)] -= 1;
        held.push(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_image_is_in_exactly_one_split_and_classes_keep_their_share(
            labels in proptest::collection::vec(0u8..5, 10..400)
        ) {
            let (train, val) = hold_out(&labels.clone().into(), HeldOut::Val, 1_000);
            prop_assert_eq!(val.len(), labels.len() / 10);
            let mut all = [train, val.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
            for class in 0..5 {
                let count = |indices: &mut dyn Iterator<Item = usize>| {
                    indices.filter(|&index| labels[index] == class).count() as f64
                };
                let (total, held) = (count(&mut (0..labels.len())), count(&mut val.iter().copied()));
                prop_assert!((held - total / 10.0).abs() < 2.0, "{held} of {total}");
            }
        }
    }

    #[test]
    fn equal_classes_stay_equal_in_validation_and_in_every_beginning() {
        let labels: Vec<u8> = (0..600).map(|index| (index / 200) as u8).collect();
        let (train, val) = hold_out(&labels.clone().into(), HeldOut::Val, 1_000);
        let count =
            |indices: &[usize], class| indices.iter().filter(|&&i| labels[i] == class).count();
        for class in 0..3 {
            assert_eq!(count(&val, class), 20);
            assert_eq!(count(&train, class), 180);
            assert_eq!(count(&train[..33], class), 11);
        }
        assert_ne!(train[..3], [0, 200, 400], "shuffled");
    }

    #[test]
    fn a_rare_class_is_spread_over_the_training_split() {
        // Two of a hundred images: at a quarter and at three quarters of the whole.
        let labels: Vec<u8> = (0..100).map(|index| u8::from(index < 2)).collect();
        let (train, _) = hold_out(&labels.clone().into(), HeldOut::Val, 1_000);
        let places: Vec<usize> = (0..train.len()).filter(|&place| train[place] < 2).collect();
        assert!((24..=26).contains(&places[0]) && (73..=75).contains(&places[1]), "{places:?}");
    }

    #[test]
    fn numbers_are_shuffled_and_split_like_one_class() {
        let numbers = Targets::Numbers((0..100).map(|number| number as f32).collect());
        let (rest, held) = hold_out(&numbers, HeldOut::Test, 1_000);
        assert_eq!((rest.len(), held.len()), (90, 10));
        assert!(held.windows(2).any(|pair| pair[0] > pair[1]), "shuffled: {held:?}");
        let ones = Targets::Classes(vec![0; 100]);
        assert_eq!(hold_out(&ones, HeldOut::Test, 1_000), (rest, held.clone()));
        assert_ne!(hold_out(&ones, HeldOut::Val, 1_000).1, held, "another draw for another split");
    }

    #[test]
    fn the_split_is_always_the_same() {
        let labels: Vec<u8> = (0..100).map(|index| (index % 7) as u8).collect();
        assert_eq!(
            hold_out(&labels.clone().into(), HeldOut::Val, 1_000),
            hold_out(&labels.clone().into(), HeldOut::Val, 1_000)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn small_data_sets_hold_out_a_fifth_and_every_class_that_can(
            labels in proptest::collection::vec(0u8..7, 6..999)
        ) {
            let all = labels.len();
            let targets = Targets::from(labels.clone());
            let (rest, test) = hold_out(&targets, HeldOut::Test, all);
            let (train, val) = hold_out(&targets.select(&rest), HeldOut::Val, all);
            let [train, val] = [train, val].map(|places| places.iter().map(|&place| rest[place]).collect::<Vec<_>>());
            let mut together = [train.clone(), val.clone(), test.clone()].concat();
            together.sort_unstable();
            prop_assert_eq!(together, (0..all).collect::<Vec<_>>());
            for held in [&val, &test] {
                prop_assert!(all < 20 || held.len() * 5 >= all, "{} of {}", held.len(), all);
                prop_assert!(held.len() <= all.div_ceil(5).max(2) + 7, "{} of {}", held.len(), all);
            }
            for class in 0..7 {
                let count = |indices: &[usize]| indices.iter().filter(|&&index| labels[index] == class).count();
                let every = count(&(0..all).collect::<Vec<_>>());
                prop_assert!(every == 0 || count(&train) > 0);
                if every >= 3 {
                    let counts = [count(&train), count(&val), count(&test)];
                    prop_assert!(!counts.contains(&0), "{counts:?}");
                }
            }
        }
    }

    #[test]
    fn fifteen_numbers_give_nine_three_and_three() {
        let numbers = Targets::Numbers((0..15).map(|number| number as f32).collect());
        let (rest, test) = hold_out(&numbers, HeldOut::Test, 15);
        let (train, val) = hold_out(&numbers.select(&rest), HeldOut::Val, 15);
        assert_eq!((train.len(), val.len(), test.len()), (9, 3, 3));
    }
}
