//! Bilinear resizing, so that any data set can be fed to any template.

/// For each output position, the first input position that counts and the weights of it and its successors.
type Taps = Vec<(usize, Vec<f32>)>;

/// Brings images of one size (height, width) to another.
///
/// Pixel centres lie at half-integers, as in PyTorch's `align_corners=False` and in Pillow; when shrinking, the
/// triangle widens so that every input pixel counts, which avoids aliasing (Pillow's `BILINEAR`).
pub(super) struct Resizer {
    from: [usize; 2],
    to: [usize; 2],
    rows: Taps,
    columns: Taps,
}

impl Resizer {
    /// From images of `from` to images of `to`.
    pub(super) fn new(from: [usize; 2], to: [usize; 2]) -> Self {
        Self { from, to, rows: taps(from[0], to[0]), columns: taps(from[1], to[1]) }
    }

    /// Resizes an image of several planes. `fill` writes a row, counted from 0, of each plane one after the
    /// other: values from 0 to 255 in whatever form they are, so that no image is copied. `[planes, height, width]`.
    pub(super) fn resize(&self, planes: usize, mut fill: impl FnMut(usize, &mut [f32])) -> Vec<u8> {
        let ([height, width], [to_height, to_width]) = (self.from, self.to);
        let mut row = vec![0.0; planes * width];
        let mut narrow = vec![0.0; planes * to_width];
        let mut sums = vec![0.0; planes * to_height * to_width];
        // Output rows before this one are complete.
        let mut open = 0;
        for y in 0..height {
            fill(y, &mut row);
            for (source, target) in row.chunks_exact(width).zip(narrow.chunks_exact_mut(to_width)) {
                for (value, (first, weights)) in target.iter_mut().zip(&self.columns) {
                    *value = weights.iter().zip(&source[*first..]).map(|(w, v)| w * v).sum();
                }
            }
            let ends = |(first, weights): &(usize, Vec<f32>)| first + weights.len() <= y;
            while self.rows.get(open).is_some_and(ends) {
                open += 1;
            }
            for (output, (first, weights)) in self.rows.iter().enumerate().skip(open) {
                let Some(tap) = y.checked_sub(*first) else { break };
                let weight = weights[tap];
                for (plane, source) in narrow.chunks_exact(to_width).enumerate() {
                    let target = &mut sums[(plane * to_height + output) * to_width..][..to_width];
                    for (sum, value) in target.iter_mut().zip(source) {
                        *sum += weight * value;
                    }
                }
            }
        }
        // The cast saturates; the weights sum to 1, so only rounding could leave 0..=255.
        sums.into_iter().map(|sum: f32| sum.round() as u8).collect()
    }
}

/// Resizes each `from` (height, width) plane of `pixels` to `to`, see [`Resizer`].
pub(super) fn bilinear(pixels: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
    if from == to {
        return pixels.to_vec();
    }
    let resizer = Resizer::new(from, to);
    let planes = pixels.len() / (from[0] * from[1]);
    let mut output = Vec::with_capacity(planes * to[0] * to[1]);
    for plane in pixels.chunks_exact(from[0] * from[1]) {
        output.extend(resizer.resize(1, |y, row| {
            for (value, &pixel) in row.iter_mut().zip(&plane[y * from[1]..]) {
                *value = f32::from(pixel);
            }
        }));
    }
    output
}

fn taps(from: usize, to: usize) -> Taps {
    if from == to {
        return (0..to).map(|position| (position, vec![1.0])).collect();
    }
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    let triangle = |output: usize| {
        let centre = (output as f64 + 0.5) * scale;
        let first = (centre - support).floor().max(0.0) as usize;
        let end = ((centre + support).ceil() as usize).min(from);
        let weight = |input| (1.0 - (input as f64 + 0.5 - centre).abs() / support).max(0.0);
        let weights: Vec<f64> = (first..end).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        (first, weights.iter().map(|weight| (weight / sum) as f32).collect())
    };
    (0..to).map(triangle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_constant_image_stays_constant(value: u8, from in [1usize..20, 1usize..20], to in [1usize..40, 1usize..40]) {
            let resized = bilinear(&vec![value; 2 * from[0] * from[1]], from, to);
            prop_assert_eq!(resized, vec![value; 2 * to[0] * to[1]]);
        }

        #[test]
        fn the_same_size_changes_nothing(pixels in proptest::collection::vec(any::<u8>(), 35)) {
            prop_assert_eq!(bilinear(&pixels, [5, 7], [5, 7]), pixels);
        }

        #[test]
        fn transposing_and_resizing_commute(
            pixels in proptest::collection::vec(any::<u8>(), 20), to in [1usize..12, 1usize..12]
        ) {
            let transpose = |pixels: &[u8], width: usize| {
                (0..width).flat_map(|column| pixels.iter().skip(column).step_by(width).copied()).collect::<Vec<_>>()
            };
            let a = bilinear(&transpose(&pixels, 5), [5, 4], [to[1], to[0]]);
            let b = transpose(&bilinear(&pixels, [4, 5], to), to[1]);
            // Sums in another order may round to the neighbour.
            prop_assert!(a.iter().zip(&b).all(|(a, b)| a.abs_diff(*b) <= 1), "{:?} {:?}", a, b);
        }

        #[test]
        fn mirroring_and_resizing_commute(pixels in proptest::collection::vec(any::<u8>(), 12), to in 1usize..30) {
            let mirror = |pixels: &[u8]| pixels.iter().rev().copied().collect::<Vec<_>>();
            let (a, b) = (bilinear(&mirror(&pixels), [1, 12], [1, to]), mirror(&bilinear(&pixels, [1, 12], [1, to])));
            prop_assert!(a.iter().zip(&b).all(|(a, b)| a.abs_diff(*b) <= 1), "{:?} {:?}", a, b);
        }
    }

    #[test]
    fn a_ramp_is_interpolated_as_by_hand() {
        // Output centres fall on 0.25, 0.75, 1.25, 1.75 input pixels; those at the border take its value.
        assert_eq!(bilinear(&[0, 100], [1, 2], [1, 4]), [0, 25, 75, 100]);
        assert_eq!(bilinear(&[0, 100], [2, 1], [4, 1]), [0, 25, 75, 100]);
        assert_eq!(bilinear(&[0, 100, 200, 40], [2, 2], [1, 1]), [85]);
    }

    #[test]
    fn planes_of_one_image_are_resized_as_each_alone() {
        let pixels: Vec<u8> = (0..2 * 7 * 9).map(|i| (i * 37 % 256) as u8).collect();
        for to in [[3, 4], [7, 9], [7, 5], [20, 9], [1, 30]] {
            let resized = Resizer::new([7, 9], to).resize(2, |y, row| {
                for plane in 0..2 {
                    for x in 0..9 {
                        row[plane * 9 + x] = f32::from(pixels[(plane * 7 + y) * 9 + x]);
                    }
                }
            });
            assert_eq!(resized, bilinear(&pixels, [7, 9], to), "{to:?}");
        }
    }

    #[test]
    fn shrinking_counts_every_pixel() {
        // A triangle of half-width 4 over four pixels whose centres lie 1.5, 0.5, 0.5, 1.5 from its own.
        assert_eq!(
            bilinear(&[0, 0, 0, 160], [1, 4], [1, 1]),
            [160.0 * 2.5 / 12.0_f32].map(|v| v.round() as u8)
        );
    }
}
