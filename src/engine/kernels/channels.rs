//! Channels side by side, and apart again.

use super::output;

/// Pixels that one task copies.
const PIXELS: usize = 1 << 10;

/// The channels of `second` behind those of `first`, pixel by pixel; `channels` says how many each has.
pub(in crate::engine) fn join(first: &[f32], second: &[f32], channels: [usize; 2]) -> Vec<f32> {
    let [some, more] = channels;
    let both = some + more;
    let (joined, _) = output::fill(
        first.len() + second.len(),
        PIXELS * both,
        || (),
        |(), piece, into| {
            let first = first[piece * PIXELS * some..].chunks_exact(some);
            let second = second[piece * PIXELS * more..].chunks_exact(more);
            for ((into, first), second) in into.chunks_exact_mut(both).zip(first).zip(second) {
                into[..some].copy_from_slice(first);
                into[some..].copy_from_slice(second);
            }
        },
    );
    joined
}

/// `count` channels of each pixel, from `start` on; `channels` is how many there are.
pub(in crate::engine) fn part(
    values: &[f32],
    channels: usize,
    start: usize,
    count: usize,
) -> Vec<f32> {
    let (part, _) = output::fill(
        values.len() / channels * count,
        PIXELS * count,
        || (),
        |(), piece, into| {
            let pixels = values[piece * PIXELS * channels..].chunks_exact(channels);
            for (into, pixel) in into.chunks_exact_mut(count).zip(pixels) {
                into.copy_from_slice(&pixel[start..start + count]);
            }
        },
    );
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_joined_comes_apart_again() {
        let pixels = 2 * PIXELS + 7;
        let first: Vec<_> = (0..pixels * 3).map(|i| i as f32).collect();
        let second: Vec<_> = (0..pixels * 2).map(|i| -(i as f32)).collect();
        let joined = join(&first, &second, [3, 2]);
        assert_eq!(joined[..10], [0.0, 1.0, 2.0, 0.0, -1.0, 3.0, 4.0, 5.0, -2.0, -3.0]);
        assert_eq!(part(&joined, 5, 0, 3), first);
        assert_eq!(part(&joined, 5, 3, 2), second);
    }
}
