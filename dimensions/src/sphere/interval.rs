//! Closed intervals of longitude (which wrap) and of latitude (which do not).

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use super::relationship::Relationship;
use super::vector::normalized_angle;

/// Longitudes from `a` eastwards to `b`, radians; wraps through 0 if `a > b`, empty if a bound is
/// NaN.
#[derive(Clone, Copy, Debug)]
pub(super) struct LonInterval {
    pub(super) a: f64,
    pub(super) b: f64,
}

/// Eastward angle from `from` to `to`, radians in `[0, 2π]`.
fn eastward(from: f64, to: f64) -> f64 {
    let difference = to - from;
    if difference < 0.0 { TAU + difference } else { difference }
}

impl LonInterval {
    pub(super) const EMPTY: Self = Self { a: f64::NAN, b: f64::NAN };
    pub(super) const FULL: Self = Self { a: 0.0, b: TAU };

    /// An interval between two angles, which are reduced to `[0, 2π]`; `None` if they are out of
    /// order and not both in that range, because then it is not known which way round is meant.
    pub(super) fn new(a: f64, b: f64) -> Option<Self> {
        if a.is_nan() || b.is_nan() {
            return Some(Self::EMPTY);
        }
        let in_range = |x: f64| (0.0..=TAU).contains(&x);
        if !in_range(a) || !in_range(b) {
            if a > b {
                return None;
            }
            if b - a >= TAU {
                return Some(Self::FULL);
            }
        }
        Some(Self { a: normalized_angle(a), b: normalized_angle(b) })
    }

    pub(super) fn is_empty(self) -> bool {
        self.a.is_nan() || self.b.is_nan()
    }

    pub(super) fn is_full(self) -> bool {
        self.a == 0.0 && self.b == TAU
    }

    fn wraps(self) -> bool {
        self.a > self.b
    }

    pub(super) fn size(self) -> f64 {
        eastward(self.a, self.b)
    }

    pub(super) fn center(self) -> f64 {
        let mean = 0.5 * (self.a + self.b);
        if self.a <= self.b {
            mean
        } else if mean < PI {
            mean + PI
        } else {
            mean - PI
        }
    }

    pub(super) fn contains(self, lon: f64) -> bool {
        if self.wraps() { lon <= self.b || self.a <= lon } else { self.a <= lon && lon <= self.b }
    }

    pub(super) fn intersects(self, other: Self) -> bool {
        if self.is_empty() || other.is_empty() {
            return false;
        }
        match (self.wraps(), other.wraps()) {
            (true, true) => true,
            (false, true) => other.a <= self.b || other.b >= self.a,
            (true, false) => self.a <= other.b || self.b >= other.a,
            (false, false) => other.b >= self.a && other.a <= self.b,
        }
    }

    pub(super) fn relate(self, other: Self) -> Relationship {
        if let Some(relation) = Relationship::of_empty(self.is_empty(), other.is_empty()) {
            return relation;
        }
        if self.a == other.a && self.b == other.b {
            return Relationship::CONTAINS | Relationship::WITHIN;
        }
        if self.wraps() == other.wraps() {
            return if self.a <= other.a && self.b >= other.b {
                Relationship::CONTAINS
            } else if self.a >= other.a && self.b <= other.b {
                Relationship::WITHIN
            } else if self.intersects(other) {
                Relationship::NONE
            } else {
                Relationship::DISJOINT
            };
        }
        let other_is_plain = self.wraps();
        let (wrapping, plain) = if other_is_plain { (self, other) } else { (other, self) };
        // Seen from the wrapping interval.
        let relation = if plain.is_full() {
            Relationship::WITHIN
        } else if wrapping.a <= plain.a || wrapping.b >= plain.b {
            Relationship::CONTAINS
        } else if wrapping.intersects(plain) {
            Relationship::NONE
        } else {
            Relationship::DISJOINT
        };
        if other_is_plain { relation } else { relation.inverted() }
    }

    /// The interval grown by `by` radians on both sides, or shrunk if `by` is negative.
    pub(super) fn dilated(self, by: f64) -> Self {
        if self.is_empty() || self.is_full() || by == 0.0 || by.is_nan() {
            return self;
        }
        if by >= PI {
            return Self::FULL;
        }
        if by <= -PI {
            return Self::EMPTY;
        }
        let (mut a, mut b) = (self.a - by, self.b + by);
        if by > 0.0 {
            if self.wraps() {
                if a <= b {
                    return Self::FULL;
                }
            } else {
                if a < 0.0 {
                    a += TAU;
                    if a <= b {
                        return Self::FULL;
                    }
                }
                if b > TAU {
                    b -= TAU;
                    if a <= b {
                        return Self::FULL;
                    }
                }
            }
        } else if self.wraps() {
            if a > TAU {
                a -= TAU;
                if a > b {
                    return Self::EMPTY;
                }
            }
            if b < 0.0 {
                b += TAU;
                if a > b {
                    return Self::EMPTY;
                }
            }
        } else if a > b {
            return Self::EMPTY;
        }
        Self::new(a, b).unwrap_or(Self::FULL)
    }

    /// A small interval that holds both; where two gaps could be kept open, the wider one is.
    pub(super) fn expanded(self, other: Self) -> Self {
        if other.is_empty() {
            return self;
        }
        match (self.contains(other.a), self.contains(other.b)) {
            // Either `other` lies inside, or the two close the circle.
            (true, true) if self.wraps() != other.wraps() => Self::FULL,
            (true, true) => self,
            (true, false) => Self { b: other.b, ..self },
            (false, true) => Self { a: other.a, ..self },
            (false, false) => {
                if self.is_empty() || other.contains(self.a) {
                    other
                } else if eastward(self.b, other.a) < eastward(other.b, self.a) {
                    Self { b: other.b, ..self }
                } else {
                    Self { a: other.a, ..self }
                }
            }
        }
    }

    /// A small interval that holds what is in both.
    pub(super) fn clipped(self, other: Self) -> Self {
        if other.is_empty() || self.is_empty() {
            return Self::EMPTY;
        }
        match (self.contains(other.a), self.contains(other.b)) {
            // The common part may be in two pieces; the smaller interval holds both.
            (true, true) => {
                if self.size() >= other.size() {
                    other
                } else {
                    self
                }
            }
            (true, false) => Self { a: other.a, ..self },
            (false, true) => Self { b: other.b, ..self },
            (false, false) => {
                if other.contains(self.a) {
                    self
                } else {
                    Self::EMPTY
                }
            }
        }
    }
}

/// Latitudes from `a` to `b`, radians; empty unless `a <= b`.
#[derive(Clone, Copy, Debug)]
pub(super) struct LatInterval {
    pub(super) a: f64,
    pub(super) b: f64,
}

impl LatInterval {
    pub(super) const EMPTY: Self = Self { a: 1.0, b: 0.0 };
    pub(super) const FULL: Self = Self { a: -FRAC_PI_2, b: FRAC_PI_2 };

    pub(super) const fn point(lat: f64) -> Self {
        Self { a: lat, b: lat }
    }

    pub(super) fn is_empty(self) -> bool {
        !matches!(
            self.a.partial_cmp(&self.b),
            Some(std::cmp::Ordering::Less | std::cmp::Ordering::Equal)
        )
    }

    pub(super) fn is_full(self) -> bool {
        self.a == -FRAC_PI_2 && self.b == FRAC_PI_2
    }

    pub(super) fn center(self) -> f64 {
        0.5 * (self.a + self.b)
    }

    pub(super) fn contains(self, lat: f64) -> bool {
        self.a <= lat && lat <= self.b
    }

    pub(super) fn intersects(self, other: Self) -> bool {
        !self.is_empty() && !other.is_empty() && self.a <= other.b && self.b >= other.a
    }

    pub(super) fn relate(self, other: Self) -> Relationship {
        if let Some(relation) = Relationship::of_empty(self.is_empty(), other.is_empty()) {
            relation
        } else if self.a == other.a && self.b == other.b {
            Relationship::CONTAINS | Relationship::WITHIN
        } else if self.a > other.b || self.b < other.a {
            Relationship::DISJOINT
        } else if self.a <= other.a && self.b >= other.b {
            Relationship::CONTAINS
        } else if other.a <= self.a && other.b >= self.b {
            Relationship::WITHIN
        } else {
            Relationship::NONE
        }
    }

    pub(super) fn dilated(self, by: f64) -> Self {
        if by.is_nan() || self.is_empty() { self } else { Self { a: self.a - by, b: self.b + by } }
    }

    pub(super) fn with(self, lat: f64) -> Self {
        if self.is_empty() {
            Self::point(lat)
        } else if lat < self.a {
            Self { a: lat, ..self }
        } else if lat > self.b {
            Self { b: lat, ..self }
        } else {
            self
        }
    }

    pub(super) fn expanded(self, other: Self) -> Self {
        if self.is_empty() {
            other
        } else if other.is_empty() {
            self
        } else {
            self.with(other.a).with(other.b)
        }
    }

    pub(super) fn clipped(self, other: Self) -> Self {
        if other.is_empty() {
            other
        } else if self.is_empty() {
            self
        } else {
            Self {
                a: if self.a < other.a { other.a } else { self.a },
                b: if other.b < self.b { other.b } else { self.b },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longitudes_out_of_order_wrap_only_inside_one_turn() {
        let i = LonInterval::new(6.0, 0.5).expect("both are normalised");
        assert!(i.contains(6.1) && i.contains(0.0) && !i.contains(3.0));
        assert!(LonInterval::new(7.0, 0.5).is_none());
        assert!(LonInterval::new(-4.0, 4.0).expect("in order").is_full());
        assert!(LonInterval::new(f64::NAN, 1.0).expect("empty").is_empty());
    }

    #[test]
    fn dilation_past_the_antipode_fills_the_circle() {
        let i = LonInterval { a: 1.0, b: 2.0 };
        assert!(i.dilated(PI).is_full());
        assert!(i.dilated(2.7).is_full());
        assert!(i.dilated(1.5).wraps());
        assert!(i.dilated(-0.6).is_empty());
    }

    #[test]
    fn expansion_closes_the_narrower_gap() {
        let i = LonInterval { a: 0.1, b: 0.2 }.expanded(LonInterval { a: 6.0, b: 6.1 });
        assert_eq!((i.a, i.b), (6.0, 0.2));
    }

    #[test]
    fn an_interval_with_nan_is_empty() {
        assert!(LatInterval { a: f64::NAN, b: 1.0 }.is_empty());
        assert!(!LatInterval::FULL.intersects(LatInterval::EMPTY));
    }
}
