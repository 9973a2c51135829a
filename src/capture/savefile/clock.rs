//! Timestamps of pcapng: 64 bits in a unit that each interface chooses, from a start that it may shift.

use crate::model::Timestamp;

/// How a timestamp is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    pub(super) unit: Unit,
    pub(super) offset_secs: i64,
}

/// Length of a timestamp's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// This many nanoseconds.
    Nanos(u64),
    /// This many to a nanosecond; `None` for more than any timestamp can count.
    PerNano(Option<u64>),
    /// Two to the power of this many to a second.
    Binary(u8),
}

impl Unit {
    /// `if_tsresol`: the top bit chooses powers of two, else of ten.
    pub(super) fn of(tsresol: u8) -> Self {
        let exponent = tsresol & 0x7f;
        if tsresol & 0x80 != 0 {
            return Self::Binary(exponent);
        }
        let power = |exponent: u8| 10_u64.checked_pow(u32::from(exponent));
        match 9_u8.checked_sub(exponent) {
            Some(coarser) => Self::Nanos(power(coarser).unwrap_or(u64::MAX)),
            None => Self::PerNano(power(exponent.saturating_sub(9))),
        }
    }
}

impl Clock {
    /// The moment that a timestamp of two halves means; saturates at the ends of what is counted.
    pub(super) fn time(self, high: u32, low: u32) -> Timestamp {
        let stamp = (u64::from(high) << 32) | u64::from(low);
        let nanos = match self.unit {
            Unit::Nanos(unit) => u128::from(stamp).saturating_mul(u128::from(unit)),
            Unit::PerNano(units) => u128::from(units.and_then(|units| stamp.checked_div(units)).unwrap_or(0)),
            // A 64-bit number times 10^9 fits in 94 bits, and 127 is the largest exponent.
            Unit::Binary(exponent) => {
                u128::from(stamp).saturating_mul(1_000_000_000).checked_shr(u32::from(exponent)).unwrap_or(0)
            }
        };
        let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
        Timestamp::from_nanos(nanos.saturating_add(self.offset_secs.saturating_mul(1_000_000_000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolutions_beyond_reason_saturate() {
        for (tsresol, time) in [
            (0, Timestamp::from_nanos(i64::MAX)),
            (0x80, Timestamp::from_nanos(i64::MAX)),
            (127, Timestamp::from_nanos(0)),
            (0xff, Timestamp::from_nanos(0)),
            (28, Timestamp::from_nanos(1)),
            (29, Timestamp::from_nanos(0)),
        ] {
            let clock = Clock { unit: Unit::of(tsresol), offset_secs: 0 };
            assert_eq!(clock.time(u32::MAX, u32::MAX), time, "{tsresol:x}");
        }
        let clock = Clock { unit: Unit::of(6), offset_secs: i64::MIN };
        assert_eq!(clock.time(0, 1), Timestamp::from_nanos(i64::MIN + 1_000));
    }
}
