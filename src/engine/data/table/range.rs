//! Whether 32 bits tell the numbers of a column apart.

/// In how many steps of its largest number, at 32 bits, a column must differ at least.
const FEWEST_STEPS: f64 = 64.0;

/// The smallest and the largest number of a column, as the file has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    low: f64,
    high: f64,
}

impl Default for Range {
    fn default() -> Self {
        Self { low: f64::INFINITY, high: f64::NEG_INFINITY }
    }
}

impl Range {
    /// Takes a number in.
    pub(super) fn take(&mut self, number: f64) {
        self.low = self.low.min(number);
        self.high = self.high.max(number);
    }

    /// The smallest and the largest.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Why the column cannot be kept with 32 bits, if so.
    pub(super) fn problem(&self) -> Option<String> {
        let Self { low, high } = *self;
        let step = f64::from(f32::EPSILON) * low.abs().max(high.abs());
        (low < high && high - low < FEWEST_STEPS * step).then(|| {
            format!(
                "goes from {low} to {high}: with 32 bits hardly any of its numbers differ; subtract {low} from all of them"
            )
        })
    }
}
