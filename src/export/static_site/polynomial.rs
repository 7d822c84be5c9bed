//! The longitude or latitude of positions in a small region, as a polynomial of second degree in
//! easting and northing. The residuals are a few millionths of a degree, so they have one or two
//! digits, while the degrees have nine.

/// The number of terms: 1, x, y, x², x·y and y².
const TERMS: usize = 6;

/// A polynomial of second degree in easting and northing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Polynomial([f64; TERMS]);

impl Polynomial {
    /// Fits a polynomial to values at positions, by least squares. If there are too few positions,
    /// some terms are zero.
    pub(super) fn fit(samples: &[([f64; 2], f64)]) -> Polynomial {
        let Some((_, first)) = samples.first() else {
            return Polynomial([0.0; TERMS]);
        };
        let mut rows = [[0.0; TERMS + 1]; TERMS];
        for (position, value) in samples {
            let terms = terms(*position);
            for (row, term) in rows.iter_mut().zip(terms) {
                for (cell, other) in row.iter_mut().zip(terms) {
                    *cell += term * other;
                }
                row[TERMS] += term * (value - first);
            }
        }
        // A small addition to the diagonal makes the equations solvable for any positions.
        for (index, row) in rows.iter_mut().enumerate() {
            row[index] += 1e-6;
        }
        let mut coefficients = solve(rows);
        coefficients[0] += first;
        Polynomial(coefficients.map(|value| (value * 1e4).round() / 1e4))
    }

    /// Returns the coefficients of 1, x, y, x², x·y and y².
    pub(super) fn coefficients(&self) -> [f64; TERMS] {
        self.0
    }

    /// Returns the value at a position. `catchment.js` adds the terms in the same order, so its
    /// result is identical to the last bit.
    pub(super) fn at(&self, [x, y]: [f64; 2]) -> f64 {
        let [a, b, c, d, e, f] = self.0;
        a + b * x + c * y + d * x * x + e * x * y + f * y * y
    }
}

fn terms([x, y]: [f64; 2]) -> [f64; TERMS] {
    [1.0, x, y, x * x, x * y, y * y]
}

/// Solves linear equations with a positive definite matrix by elimination. The last column is the
/// right-hand side.
fn solve(mut rows: [[f64; TERMS + 1]; TERMS]) -> [f64; TERMS] {
    for pivot in 0..TERMS {
        let pivot_row = rows[pivot];
        for row in rows.iter_mut().skip(pivot + 1) {
            let factor = row[pivot] / pivot_row[pivot];
            for (cell, above) in row.iter_mut().zip(pivot_row) {
                *cell -= factor * above;
            }
        }
    }
    let mut solution = [0.0; TERMS];
    for pivot in (0..TERMS).rev() {
        let known: f64 = (pivot + 1..TERMS)
            .map(|column| rows[pivot][column] * solution[column])
            .sum();
        solution[pivot] = (rows[pivot][TERMS] - known) / rows[pivot][pivot];
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polynomial_of_second_degree_is_found_again() {
        let expected = Polynomial([-2_800_000.0, 15_000.0, -320.5, 0.25, 2.5, -0.75]);
        let positions = (0..60).map(|index| [f64::from(index % 7), f64::from(index * index % 11)]);
        let samples: Vec<_> = positions
            .map(|position| (position, expected.at(position)))
            .collect();
        let found = Polynomial::fit(&samples);
        for (found, expected) in found.0.iter().zip(expected.0) {
            assert!((found - expected).abs() < 0.01, "{found} {expected}");
        }
    }

    #[test]
    fn few_positions_have_finite_coefficients() {
        for count in 0..4_u32 {
            let samples: Vec<_> = (0..count)
                .map(|index| ([f64::from(index), 0.0], f64::from(index) + 54e6))
                .collect();
            let found = Polynomial::fit(&samples);
            assert!(found.0.iter().all(|value| value.is_finite()));
            for (position, value) in samples {
                assert!((found.at(position) - value).abs() < 1.0);
            }
        }
    }
}
