//! Seeded generators: one independent stream for each purpose, so that no generator state has to be saved.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// The generator for one purpose (`stream`, such as `"search"`) and one step of it (`index`).
///
/// The key is SHA-256 of the seed, the stream's name and the index, so that streams do not overlap and
/// any step can be redone without those before it.
pub fn rng(seed: u64, stream: &str, index: u64) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(index.to_le_bytes());
    // The name is the only part of variable length and stands last: no two inputs are the same bytes.
    hash.update(stream.as_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn the_same_key_gives_the_same_numbers_and_any_other_key_gives_others() {
        let first = |seed, stream, index| rng(seed, stream, index).next_u64();
        assert_eq!(first(1, "search", 0), first(1, "search", 0));
        let others = [
            first(2, "search", 0),
            first(1, "train", 0),
            first(1, "search", 1),
            first(1, "search0", 0),
        ];
        assert!(others.iter().all(|&other| other != first(1, "search", 0)), "{others:?}");
    }
}
