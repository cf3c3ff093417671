//! Medians and quartiles.

use serde::Serialize;

/// The middle of some figures and how far they spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Quartiles {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
}

impl Quartiles {
    /// Of at least one figure; `None` of none.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        // Quarter `quarter` of the way, between the two figures that lie around it.
        let at = |quarter: usize| {
            let (index, rest) = (last * quarter / 4, last * quarter % 4);
            let (below, above) = (sorted[index], sorted[(index + 1).min(last)]);
            below + (above - below) * rest as f64 / 4.0
        };
        Some(Self {
            lower: at(1),
            median: at(2),
            upper: at(3),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_the_figures() {
        let of = |figures: &[f64]| Quartiles::of(figures.iter().copied());
        let quartiles = |lower, median, upper| {
            Some(Quartiles {
                lower,
                median,
                upper,
            })
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[7.0]), quartiles(7.0, 7.0, 7.0));
        assert_eq!(of(&[5.0, 1.0, 3.0, 2.0, 4.0]), quartiles(2.0, 3.0, 4.0));
        assert_eq!(of(&[4.0, 1.0, 3.0, 2.0]), quartiles(1.75, 2.5, 3.25));
    }
}
