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

/// Splits the images with these targets into those that stay (nine tenths) and those held out (the last
/// tenth, rounded down); both in an order of which every beginning holds the classes in proportion.
///
/// Each class is shuffled with a fixed seed; its i-th image of n is then placed at (i + ½) / n of the whole.
/// Numbers to predict count as one class.
pub(super) fn hold_out(targets: &Targets, what: HeldOut) -> (Vec<usize>, Vec<usize>) {
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
    let held = order.split_off(order.len() - order.len() / 10);
    (order, held)
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
            let (train, val) = hold_out(&labels.clone().into(), HeldOut::Val);
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
        let (train, val) = hold_out(&labels.clone().into(), HeldOut::Val);
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
        let (train, _) = hold_out(&labels.clone().into(), HeldOut::Val);
        let places: Vec<usize> = (0..train.len()).filter(|&place| train[place] < 2).collect();
        assert!((24..=26).contains(&places[0]) && (73..=75).contains(&places[1]), "{places:?}");
    }

    #[test]
    fn numbers_are_shuffled_and_split_like_one_class() {
        let numbers = Targets::Numbers((0..100).map(|number| number as f32).collect());
        let (rest, held) = hold_out(&numbers, HeldOut::Test);
        assert_eq!((rest.len(), held.len()), (90, 10));
        assert!(held.windows(2).any(|pair| pair[0] > pair[1]), "shuffled: {held:?}");
        let ones = Targets::Classes(vec![0; 100]);
        assert_eq!(hold_out(&ones, HeldOut::Test), (rest, held.clone()));
        assert_ne!(hold_out(&ones, HeldOut::Val).1, held, "another draw for another split");
    }

    #[test]
    fn the_split_is_always_the_same() {
        let labels: Vec<u8> = (0..100).map(|index| (index % 7) as u8).collect();
        assert_eq!(
            hold_out(&labels.clone().into(), HeldOut::Val),
            hold_out(&labels.clone().into(), HeldOut::Val)
        );
    }
}
