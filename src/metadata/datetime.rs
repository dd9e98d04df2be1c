//! [`DateTime`]: an instant, written and read as RFC 3339 has it.

use crate::error::Error;
use crate::error::Result;
use std::fmt;
use std::str::FromStr;

/// An instant in UTC, to the microsecond.
///
/// ```
/// use lodedb::DateTime;
///
/// let struck = DateTime::from_unix_micros(-3_815_726_400_000_000);
/// assert_eq!(struck.to_string(), "1849-01-31T12:00:00Z");
/// assert_eq!("1849-01-31T13:00:00+01:00".parse::<DateTime>()?, struck);
/// # Ok::<(), lodedb::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime(i64);

impl DateTime {
    /// The instant `micros` microseconds after 1970-01-01T00:00:00Z (before, when negative).
    #[must_use]
    pub fn from_unix_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_micros(self) -> i64 {
        self.0
    }

    /// Year, month and day in the proleptic Gregorian calendar. (Howard Hinnant, "chrono-Compatible Low-Level Date
    /// Algorithms", `civil_from_days`.)
    fn civil(self) -> (i64, i64, i64) {
        let days = self.0.div_euclid(86_400_000_000) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        (year_of_era + era * 400 + i64::from(month <= 2), month, day)
    }
}

/// Written as RFC 3339, such as `1849-01-31T12:00:00Z`, with a fraction where there is one. Years after 9999 have more
/// digits, years before 0 a sign.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        let micros = self.0.rem_euclid(86_400_000_000);
        let seconds = micros / 1_000_000;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let width = if year < 0 { 5 } else { 4 };
        write!(f, "{year:0width$}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match micros % 1_000_000 {
            0 => f.write_str("Z"),
            fraction => write!(f, ".{fraction:06}Z"),
        }
    }
}

/// Read as RFC 3339: a date and a time of day with a zone (`1849-01-31T12:00:00Z`, `1849-01-31 13:00:00.5+01:00`, `t` and
/// `z` also small), or a date alone, which is its midnight in UTC.
///
/// Digits of a fraction below the microsecond are cut off. A leap second (`23:59:60`) is refused: time is counted
/// without them. Years have four digits, and five or six where an instant is that far away; `-` stands before year 0.
impl FromStr for DateTime {
    type Err = Error;

    /// # Errors
    /// [`Error::InvalidDateTime`] says what does not fit.
    fn from_str(text: &str) -> Result<Self> {
        instant_in(text).map_err(|problem| {
            let mut quoted: String = text.chars().take(40).collect();
            quoted.push_str(if quoted.len() < text.len() { "..." } else { "" });
            Error::InvalidDateTime { text: quoted, problem }
        })
    }
}

const FORM: &str = "it is not written as '1849-01-31' or '1849-01-31T12:00:00Z'";

fn instant_in(text: &str) -> Result<DateTime, &'static str> {
    let mut reader = Reader { rest: text.as_bytes() };
    let midnight = date_in(&mut reader)? * 86_400;
    if reader.rest.is_empty() {
        return within_range(midnight, 0);
    }
    if !reader.eat(b"Tt ") {
        return Err(FORM);
    }
    let second = time_in(&mut reader)?;
    let fraction = fraction_in(&mut reader)?;
    let east = zone_in(&mut reader)?;
    match reader.rest {
        [] => within_range(midnight + second - east, fraction),
        _ => Err("something stands behind the zone"),
    }
}

fn within_range(seconds: i64, micros: i64) -> Result<DateTime, &'static str> {
    let micros = i128::from(seconds) * 1_000_000 + i128::from(micros);
    i64::try_from(micros).map(DateTime).map_err(|_| "it is more than 290,000 years away")
}

/// Days from 1970-01-01 to the date. (Howard Hinnant, `days_from_civil`.)
fn date_in(reader: &mut Reader<'_>) -> Result<i64, &'static str> {
    let sign = if reader.eat(b"-") { -1 } else { 1 };
    let len = reader.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(4..=6).contains(&len) {
        return Err(FORM);
    }
    let year = sign * reader.number(len).ok_or(FORM)?;
    let month = reader.number_after(b"-").ok_or(FORM)?;
    let day = reader.number_after(b"-").ok_or(FORM)?;
    if !(1..=12).contains(&month) {
        return Err("months go from 01 to 12");
    }
    if !(1..=days_of(year, month)).contains(&day) {
        return Err("the month does not have this day");
    }
    let (shifted_year, shifted_month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Ok(era * 146_097 + day_of_era - 719_468)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Seconds from midnight.
fn time_in(reader: &mut Reader<'_>) -> Result<i64, &'static str> {
    let hour = reader.number(2).ok_or(FORM)?;
    let minute = reader.number_after(b":").ok_or(FORM)?;
    let second = reader.number_after(b":").ok_or(FORM)?;
    match (hour, minute, second) {
        (0..=23, 0..=59, 0..=59) => Ok(hour * 3600 + minute * 60 + second),
        (0..=23, 0..=59, 60) => Err("leap seconds are not counted: seconds go to 59"),
        _ => Err("times of day go from 00:00:00 to 23:59:59"),
    }
}

/// Microseconds.
fn fraction_in(reader: &mut Reader<'_>) -> Result<i64, &'static str> {
    if !reader.eat(b".") {
        return Ok(0);
    }
    let len = reader.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if len == 0 {
        return Err("digits of the fraction are missing");
    }
    let digits = reader.rest[..len].iter().copied().chain(std::iter::repeat(b'0')).take(6);
    let micros = digits.fold(0, |micros, digit| micros * 10 + i64::from(digit - b'0'));
    reader.rest = &reader.rest[len..];
    Ok(micros)
}

/// Seconds that the zone's clocks are ahead.
fn zone_in(reader: &mut Reader<'_>) -> Result<i64, &'static str> {
    const NONE: &str = "it has no zone, such as 'Z' or '+01:00'";
    if reader.eat(b"Zz") {
        return Ok(0);
    }
    let sign = match reader.eat(b"+") {
        true => 1,
        false if reader.eat(b"-") => -1,
        false => return Err(NONE),
    };
    let hours = reader.number(2).ok_or(NONE)?;
    let minutes = reader.number_after(b":").ok_or(NONE)?;
    match (hours, minutes) {
        (0..=23, 0..=59) => Ok(sign * (hours * 3600 + minutes * 60)),
        _ => Err("zones go from -23:59 to +23:59"),
    }
}

/// Takes a text apart from its start.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// True where the next byte was one of these.
    fn eat(&mut self, which: &[u8]) -> bool {
        let found = self.rest.first().is_some_and(|byte| which.contains(byte));
        self.rest = &self.rest[usize::from(found)..];
        found
    }

    /// The number that the next `len` bytes are.
    fn number(&mut self, len: usize) -> Option<i64> {
        let (digits, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        digits
            .iter()
            .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
    }

    /// The number of two digits behind a separator.
    fn number_after(&mut self, separator: &[u8]) -> Option<i64> {
        if self.eat(separator) { self.number(2) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn instants_read_as_rfc_3339() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (-3_815_726_400_000_000, "1849-01-31T12:00:00Z"),
            (1_709_251_199_500_000, "2024-02-29T23:59:59.500000Z"),
        ] {
            assert_eq!(DateTime::from_unix_micros(micros).to_string(), text);
        }
    }

    #[test]
    fn far_years_have_their_digits_and_signs() {
        for (micros, text) in [
            (i64::MIN, "-290308-12-21T19:59:05.224192Z"),
            (i64::MAX, "294247-01-10T04:00:54.775807Z"),
            (-62_198_755_200_000_000, "-0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(DateTime::from_unix_micros(micros).to_string(), text);
            assert_eq!(text.parse::<DateTime>().unwrap().unix_micros(), micros);
        }
        assert!("294247-01-10T04:00:54.775808Z".parse::<DateTime>().is_err());
        assert!("999999-12-31".parse::<DateTime>().is_err());
    }

    #[test]
    fn every_form_of_the_rfc_is_read() {
        for (text, same) in [
            ("1849-01-31", "1849-01-31T00:00:00Z"),
            ("2024-02-29t23:59:59z", "2024-02-29T23:59:59Z"),
            ("1985-04-12 23:20:50.52Z", "1985-04-12T23:20:50.520000Z"),
            ("1996-12-19T16:39:57-08:00", "1996-12-20T00:39:57Z"),
            ("1937-01-01T12:00:27.87+00:20", "1937-01-01T11:40:27.870000Z"),
            ("2000-01-01T00:00:00.1234567+00:00", "2000-01-01T00:00:00.123456Z"),
            ("1969-12-31T23:59:59.9999999-00:00", "1969-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(text.parse::<DateTime>().unwrap().to_string(), same);
        }
    }

    #[test]
    fn what_is_not_an_instant_is_refused_with_the_reason() {
        for (text, problem) in [
            ("", "not written as"),
            ("gold", "not written as"),
            ("849-01-31", "not written as"),
            ("1849-1-31", "not written as"),
            ("1849-01-31X12:00:00Z", "not written as"),
            ("1849-01-31T12:00Z", "not written as"),
            ("1849-13-01", "months go from"),
            ("1849-02-29", "does not have this day"),
            ("1900-02-29", "does not have this day"),
            ("1849-01-31T24:00:00Z", "times of day"),
            ("1990-12-31T23:59:60Z", "leap seconds"),
            ("1849-01-31T12:00:00", "no zone"),
            ("1849-01-31T12:00:00+0100", "no zone"),
            ("1849-01-31T12:00:00+24:00", "zones go from"),
            ("1849-01-31T12:00:00.Z", "fraction"),
            ("1849-01-31T12:00:00Z ", "behind the zone"),
            ("1849-01-3\u{661}", "not written as"),
        ] {
            let error = text.parse::<DateTime>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
        let long = "9".repeat(1000).parse::<DateTime>().unwrap_err().to_string();
        assert!(long.len() < 150, "{long}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(micros: i64) {
            let instant = DateTime::from_unix_micros(micros);
            prop_assert_eq!(instant.to_string().parse::<DateTime>().unwrap(), instant);
        }

        #[test]
        fn a_zone_moves_the_clock_alone(seconds in -60_000_000_000..250_000_000_000i64, zone in -1439..=1439i64) {
            let clock = DateTime::from_unix_micros((seconds + zone * 60) * 1_000_000).to_string();
            let (sign, minutes) = (if zone < 0 { '-' } else { '+' }, zone.abs());
            let text = format!("{}{sign}{:02}:{:02}", clock.trim_end_matches('Z'), minutes / 60, minutes % 60);
            prop_assert_eq!(text.parse::<DateTime>().unwrap().unix_micros(), seconds * 1_000_000);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}", near in "[-+0-9TZ:. ]{0,30}") {
            let _ = (text.parse::<DateTime>(), near.parse::<DateTime>());
        }
    }
}
