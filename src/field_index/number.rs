//! [`Number`]: integers and floats in one order, by their exact value.

use crate::filter;
use crate::metadata::Value;
use std::cmp::Ordering;
use std::hash::Hash;
use std::hash::Hasher;

/// A number that is not NaN. Equal numbers are equal whatever their kind: `2` and `2.0`, `0.0` and `-0.0`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    /// A whole number.
    I64(i64),
    /// A float.
    F64(f64),
}

/// The first float above every `i64`; its negative is the least `i64`.
const BEYOND: f64 = 9_223_372_036_854_775_808.0;

/// Compares exactly, as filters do.
fn compare(whole: i64, float: f64) -> Ordering {
    filter::compare(&Value::I64(whole), &Value::F64(float)).unwrap_or(Ordering::Equal)
}

impl Number {
    /// The integer of the same value where there is one, else the number itself.
    fn simplest(self) -> Self {
        match self {
            Self::F64(float) if (-BEYOND..BEYOND).contains(&float) && float.trunc() == float => {
                Self::I64(float as i64)
            }
            other => other,
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (*self, *other) {
            (Self::I64(a), Self::I64(b)) => a.cmp(&b),
            (Self::F64(a), Self::F64(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Self::I64(a), Self::F64(b)) => compare(a, b),
            (Self::F64(a), Self::I64(b)) => compare(b, a).reverse(),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.simplest() {
            Self::I64(number) => number.hash(state),
            Self::F64(number) => number.to_bits().hash(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::BuildHasher;
    use std::hash::RandomState;

    fn number() -> impl Strategy<Value = Number> {
        let near = prop_oneof![Just(0i64), Just(i64::MAX), Just(i64::MIN), Just(1 << 53), -5i64..5];
        prop_oneof![
            (near.clone(), -3i64..3).prop_map(|(base, more)| Number::I64(base.wrapping_add(more))),
            (near, -3i32..3).prop_map(|(base, more)| Number::F64(base as f64 + f64::from(more) / 2.0)),
            any::<i64>().prop_map(Number::I64),
            (-1e300..1e300).prop_map(Number::F64),
        ]
    }

    /// Twice the number, exactly, where it has at most one binary place and is not too large.
    fn doubled(number: Number) -> Option<i128> {
        match number {
            Number::I64(whole) => Some(i128::from(whole) * 2),
            Number::F64(float) if float.abs() < 1e30 && (float * 2.0).trunc() == float * 2.0 => {
                Some((float * 2.0) as i128)
            }
            Number::F64(_) => None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn numbers_compare_as_integers_wide_enough_do(a in number(), b in number(), c in number()) {
            if let (Some(x), Some(y)) = (doubled(a), doubled(b)) {
                prop_assert_eq!(a.cmp(&b), x.cmp(&y));
            }
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert!(!(a <= b && b <= c) || a <= c);
            if a == b {
                let state = RandomState::new();
                prop_assert_eq!(state.hash_one(a), state.hash_one(b));
            }
        }
    }
}
