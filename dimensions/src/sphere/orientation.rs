//! On which side of a great circle a point lies, decided exactly.
//!
//! The sign of the determinant of three vectors is first computed in floating point with a bound
//! on its error. Only if the bound does not exclude the other sign are the six products of the
//! determinant summed as integers on a common exponent, which is exact for all finite inputs.
//! Any valid bound gives the same answers; a loose one only costs time.

use super::vector::UnitVector3d;

/// Bound on the error of the determinant of three vectors of length about 1.
///
/// Each term passes through five roundings of relative size 2⁻⁵³, and the absolute values of the
/// terms add up to little more than 3: 3.1 · 5.1 · 2⁻⁵³ < 1.8e-15.
const ABSOLUTE_BOUND: f64 = 1.8e-15;
/// Bound relative to the sum of the absolute values of the terms: above 5.1 · 2⁻⁵³.
const RELATIVE_BOUND: f64 = 5.8e-16;
/// More than what underflow can hide in any term.
const UNDERFLOW_BOUND: f64 = 1.0e-300;

/// Sign of the determinant of (a, b, c): 1 if c is left of the great circle from a to b seen
/// from outside, −1 if it is right, 0 if the three are exactly coplanar with the origin.
#[inline]
pub(super) fn orientation(a: &UnitVector3d, b: &UnitVector3d, c: &UnitVector3d) -> i8 {
    let (a, b, c) = (&a.v, &b.v, &c.v);
    let (yz, zy) = (b.y * c.z, b.z * c.y);
    let (zx, xz) = (b.z * c.x, b.x * c.z);
    let (xy, yx) = (b.x * c.y, b.y * c.x);
    let determinant = a.x * (yz - zy) + a.y * (zx - xz) + a.z * (xy - yx);
    if determinant > ABSOLUTE_BOUND {
        return 1;
    }
    if determinant < -ABSOLUTE_BOUND {
        return -1;
    }
    let magnitude = a.x.abs() * (yz.abs() + zy.abs())
        + a.y.abs() * (zx.abs() + xz.abs())
        + a.z.abs() * (xy.abs() + yx.abs());
    let bound = RELATIVE_BOUND * magnitude + UNDERFLOW_BOUND;
    if determinant > bound {
        return 1;
    }
    if determinant < -bound {
        return -1;
    }
    // Shared vertices are the common reason to get here.
    if a == b || b == c || a == c || *a == -*b || *b == -*c || *a == -*c {
        return 0;
    }
    exact_orientation([a.x, a.y, a.z], [b.x, b.y, b.z], [c.x, c.y, c.z])
}

/// Orientation of b and c about the z axis: whether longitude increases from b to c.
pub(super) fn orientation_z(b: &UnitVector3d, c: &UnitVector3d) -> i8 {
    orientation(&UnitVector3d::Z, b, c)
}

/// A finite double as sign, integer mantissa and power of two.
struct Parts {
    negative: bool,
    mantissa: u64,
    exponent: i32,
}

impl Parts {
    fn of(value: f64) -> Self {
        const FRACTION: u64 = (1 << 52) - 1;
        let bits = value.to_bits();
        let biased = ((bits >> 52) & 0x7ff) as i32;
        let fraction = bits & FRACTION;
        let (mantissa, exponent) =
            if biased == 0 { (fraction, -1074) } else { (fraction | (1 << 52), biased - 1075) };
        Self { negative: value.is_sign_negative(), mantissa, exponent }
    }
}

/// One product of the determinant: ± words · 2^exponent.
#[derive(Clone, Copy, Default)]
struct Term {
    negative: bool,
    words: [u64; 3],
    exponent: i32,
}

impl Term {
    fn is_zero(&self) -> bool {
        self.words == [0; 3]
    }

    fn product(negate: bool, factors: [f64; 3]) -> Self {
        let [p, q, r] = factors.map(Parts::of);
        let pq = u128::from(p.mantissa) * u128::from(q.mantissa);
        let low = u128::from(pq as u64) * u128::from(r.mantissa);
        let high = (pq >> 64) * u128::from(r.mantissa) + (low >> 64);
        Self {
            negative: negate ^ p.negative ^ q.negative ^ r.negative,
            words: [low as u64, high as u64, (high >> 64) as u64],
            exponent: p.exponent + q.exponent + r.exponent,
        }
    }
}

/// Words of the accumulator: three exponents between −1074 and −52 spread over at most 3066
/// bits, a product fills 159, and six of them carry into three more, plus the sign.
const ACCUMULATOR_WORDS: usize = 54;

/// Sign of the determinant of three finite vectors whose components are below 2.
fn exact_orientation(a: [f64; 3], b: [f64; 3], c: [f64; 3]) -> i8 {
    let terms = [
        Term::product(false, [a[0], b[1], c[2]]),
        Term::product(true, [a[0], b[2], c[1]]),
        Term::product(false, [a[1], b[2], c[0]]),
        Term::product(true, [a[1], b[0], c[2]]),
        Term::product(false, [a[2], b[0], c[1]]),
        Term::product(true, [a[2], b[1], c[0]]),
    ];
    let nonzero = || terms.iter().filter(|t| !t.is_zero());
    let (Some(low), Some(high)) =
        (nonzero().map(|t| t.exponent).min(), nonzero().map(|t| t.exponent).max())
    else {
        return 0;
    };
    let mut accumulator = [0u64; ACCUMULATOR_WORDS];
    let words = ((high - low) as usize + 159 + 4).div_ceil(64).min(ACCUMULATOR_WORDS);
    let sum = &mut accumulator[..words];
    for term in nonzero() {
        accumulate(sum, term, (term.exponent - low) as usize);
    }
    if sum[words - 1] >> 63 == 1 { -1 } else { i8::from(sum.iter().any(|&w| w != 0)) }
}

/// Adds or subtracts a term, shifted left by `shift` bits, to a two's complement integer.
fn accumulate(sum: &mut [u64], term: &Term, shift: usize) {
    let (skip, bits) = (shift / 64, shift % 64);
    let [w0, w1, w2] = term.words;
    let shifted = if bits == 0 {
        [w0, w1, w2, 0]
    } else {
        let back = 64 - bits;
        [w0 << bits, (w1 << bits) | (w0 >> back), (w2 << bits) | (w1 >> back), w2 >> back]
    };
    let mut carry = false;
    for (i, word) in sum.iter_mut().skip(skip).enumerate() {
        let operand = shifted.get(i).copied().unwrap_or(0);
        let (first, second);
        if term.negative {
            (*word, first) = word.overflowing_sub(operand);
            (*word, second) = word.overflowing_sub(u64::from(carry));
        } else {
            (*word, first) = word.overflowing_add(operand);
            (*word, second) = word.overflowing_add(u64::from(carry));
        }
        carry = first | second;
        if !carry && i >= shifted.len() {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unit(x: f64, y: f64, z: f64) -> UnitVector3d {
        UnitVector3d::new(x, y, z).expect("not zero")
    }

    #[test]
    fn axes_are_right_handed() {
        let (x, y, z) = (UnitVector3d::X, UnitVector3d::Y, UnitVector3d::Z);
        assert_eq!(orientation(&x, &y, &z), 1);
        assert_eq!(orientation(&y, &x, &z), -1);
        assert_eq!(orientation(&x, &y, &-x), 0);
    }

    #[test]
    fn last_bits_decide() {
        let a = UnitVector3d::X;
        let b = UnitVector3d::Y;
        for (tilt, sign) in [(1e-300, 1), (-1e-300, -1), (5e-324, 1), (-5e-324, -1), (0.0, 0)] {
            let c = UnitVector3d::from_stored(0.6, 0.8, tilt).expect("unit length");
            assert_eq!(orientation(&a, &b, &c), sign, "tilt {tilt:e}");
        }
    }

    #[test]
    fn products_far_apart_in_size_are_all_counted() {
        // Two products of 1 cancel, and one of 2⁻²¹⁴⁸ remains.
        let s = 5e-324;
        assert_eq!(exact_orientation([1.0, 1.0, s], [1.0, 1.0, 0.0], [0.0, s, 1.0]), 1);
        assert_eq!(exact_orientation([1.0, 1.0, s], [1.0, 1.0, 0.0], [0.0, -s, 1.0]), -1);
    }

    proptest! {
        /// The float filter and the integer sum agree where the filter is sure, and the sum obeys
        /// the symmetries of a determinant everywhere.
        #[test]
        fn exact_sum_agrees_with_the_filter(v in prop::array::uniform9(-1.0f64..1.0)) {
            let [a, b, c] = [[v[0], v[1], v[2]], [v[3], v[4], v[5]], [v[6], v[7], v[8]]];
            let sign = exact_orientation(a, b, c);
            prop_assert_eq!(exact_orientation(b, c, a), sign);
            prop_assert_eq!(exact_orientation(b, a, c), -sign);
            let [ua, ub, uc] = [a, b, c].map(|p| unit(p[0], p[1], p[2]));
            let raw = |p: UnitVector3d| [p.x(), p.y(), p.z()];
            prop_assert_eq!(orientation(&ua, &ub, &uc), exact_orientation(raw(ua), raw(ub), raw(uc)));
        }

        /// Small integers have an exact determinant in 64 bits to compare with.
        #[test]
        fn exact_sum_agrees_with_integers(v in prop::array::uniform9(-3i64..=3), e in 0i32..400) {
            let det = v[0] * (v[4] * v[8] - v[5] * v[7])
                + v[1] * (v[5] * v[6] - v[3] * v[8])
                + v[2] * (v[3] * v[7] - v[4] * v[6]);
            // Scaling a vector by a power of two moves exponents but not the sign.
            let f = |i: usize, scale: f64| v[i] as f64 / 4.0 * scale;
            let s = 2f64.powi(-e);
            let sign = exact_orientation(
                [f(0, s), f(1, s), f(2, s)],
                [f(3, 1.0), f(4, 1.0), f(5, 1.0)],
                [f(6, s), f(7, s), f(8, s)],
            );
            prop_assert_eq!(i64::from(sign), det.signum());
        }
    }
}
