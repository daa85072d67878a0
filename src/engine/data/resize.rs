//! Bilinear resizing, so that any data set can be fed to any template.

/// For each output position, the first input position that counts and the weights of it and its successors.
type Taps = Vec<(usize, Vec<f32>)>;

/// Resizes each `from` (height, width) plane of `pixels` to `to`.
///
/// Pixel centres lie at half-integers, as in PyTorch's `align_corners=False` and in Pillow; when shrinking, the
/// triangle widens so that every input pixel counts, which avoids aliasing (Pillow's `BILINEAR`).
pub(super) fn bilinear(pixels: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
    if from == to {
        return pixels.to_vec();
    }
    let (rows, columns) = (taps(from[0], to[0]), taps(from[1], to[1]));
    let planes = pixels.len() / (from[0] * from[1]);
    let mut output = Vec::with_capacity(planes * to[0] * to[1]);
    let mut narrow = vec![0.0; from[0] * to[1]];
    for plane in pixels.chunks_exact(from[0] * from[1]) {
        for (source, target) in plane.chunks_exact(from[1]).zip(narrow.chunks_exact_mut(to[1])) {
            for (value, (first, weights)) in target.iter_mut().zip(&columns) {
                let window = &source[*first..];
                *value = weights.iter().zip(window).map(|(w, &p)| w * f32::from(p)).sum::<f32>();
            }
        }
        for (first, weights) in &rows {
            for column in 0..to[1] {
                let window = narrow[first * to[1] + column..].iter().step_by(to[1]);
                let value: f32 = weights.iter().zip(window).map(|(w, v)| w * v).sum();
                // The cast saturates; the weights sum to 1, so only rounding could leave 0..=255.
                output.push(value.round() as u8);
            }
        }
    }
    output
}

fn taps(from: usize, to: usize) -> Taps {
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
    fn shrinking_counts_every_pixel() {
        // A triangle of half-width 4 over four pixels whose centres lie 1.5, 0.5, 0.5, 1.5 from its own.
        assert_eq!(
            bilinear(&[0, 0, 0, 160], [1, 4], [1, 1]),
            [160.0 * 2.5 / 12.0_f32].map(|v| v.round() as u8)
        );
    }
}
