//! The sorted distinct places of a column: latitude and longitude, 16 bytes each, along a Z-order curve (Morton, 1966).
//!
//! A square of the curve is a run of entries, so a region is found by descending from the whole globe to quarters of
//! squares: those outside are left out, those inside are taken whole, and only the entries of small ones on the border are
//! looked at. As squares are judged by distances on the sphere, poles and the antimeridian need no care.

use super::corrupt;
use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::codec::Bytes;
use crate::error::Result;
use crate::filter::distance;
use crate::filter::in_box;
use crate::metadata::GeoPoint;
use std::ops::Range;

/// Bytes of a place.
const BYTES: usize = 16;
/// Runs of up to so many entries are looked at one by one.
const FEW: u32 = 32;
/// Mean radius of the Earth in meters.
const RADIUS: f64 = 6_371_008.8;
/// Squares that are so near to the border of a circle, in meters, are on it: more than floating point can err.
const MARGIN: f64 = 1.0;

/// Where a place lies on the curve.
pub(super) fn code(place: GeoPoint) -> u64 {
    let step = |degrees: f64, range: f64| ((degrees + range / 2.0) / range * 4_294_967_296.0) as u32;
    spread(step(place.lat(), 180.0)) << 1 | spread(step(place.lon(), 360.0))
}

/// Puts a zero above each bit.
fn spread(number: u32) -> u64 {
    let mut bits = u64::from(number);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// A part of the globe.
#[derive(Debug, Clone, Copy)]
pub(super) enum Region {
    /// At most so many meters away.
    Circle(GeoPoint, f64),
    /// Between the south-western and the north-eastern corner; where west is east of east, across the antimeridian.
    Box(GeoPoint, GeoPoint),
}

/// How a square lies to a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Inside,
    Outside,
    Border,
}

impl Region {
    /// True where a place is in the region.
    pub(super) fn contains(&self, place: GeoPoint) -> bool {
        match *self {
            Self::Circle(center, meters) => distance(center, place) <= meters,
            Self::Box(south_west, north_east) => in_box(place, south_west, north_east),
        }
    }

    fn side(&self, square: &Square) -> Side {
        match *self {
            Self::Circle(center, meters) => {
                let (middle, reach) = square.circle();
                let Some(middle) = middle else { return Side::Border };
                let away = distance(center, middle);
                if away + reach + MARGIN <= meters {
                    Side::Inside
                } else if away - reach - MARGIN > meters {
                    Side::Outside
                } else {
                    Side::Border
                }
            }
            Self::Box(south_west, north_east) => {
                let lats = side_of(square.lats(), south_west.lat()..north_east.lat());
                let (west, east) = (south_west.lon(), north_east.lon());
                let lons = match west <= east {
                    true => side_of(square.lons(), west..east),
                    false => {
                        match (side_of(square.lons(), west..181.0), side_of(square.lons(), -181.0..east)) {
                            (Side::Inside, _) | (_, Side::Inside) => Side::Inside,
                            (Side::Outside, Side::Outside) => Side::Outside,
                            _ => Side::Border,
                        }
                    }
                };
                match (lats, lons) {
                    (Side::Outside, _) | (_, Side::Outside) => Side::Outside,
                    (Side::Inside, Side::Inside) => Side::Inside,
                    _ => Side::Border,
                }
            }
        }
    }
}

/// How `part` lies to `whole`. What touches is on the border, as places are rounded to the curve.
fn side_of(part: Range<f64>, whole: Range<f64>) -> Side {
    const ROUNDING: f64 = 1e-9;
    if part.start >= whole.start + ROUNDING && part.end <= whole.end - ROUNDING {
        Side::Inside
    } else if part.end < whole.start - ROUNDING || part.start > whole.end + ROUNDING {
        Side::Outside
    } else {
        Side::Border
    }
}

/// A square of the curve: 4 to the `level`th of them cover the globe.
#[derive(Debug, Clone, Copy)]
struct Square {
    level: u32,
    lat: u32,
    lon: u32,
}

impl Square {
    fn lats(&self) -> Range<f64> {
        let side = 180.0 / (1u64 << self.level) as f64;
        let south = -90.0 + side * f64::from(self.lat);
        south..south + side
    }

    fn lons(&self) -> Range<f64> {
        let side = 360.0 / (1u64 << self.level) as f64;
        let west = -180.0 + side * f64::from(self.lon);
        west..west + side
    }

    /// The middle, and a distance that no place of the square exceeds: along the meridian, then along the parallel.
    fn circle(&self) -> (Option<GeoPoint>, f64) {
        let (lats, lons) = (self.lats(), self.lons());
        let middle = GeoPoint::new((lats.start + lats.end) / 2.0, (lons.start + lons.end) / 2.0);
        let nearest =
            if lats.start <= 0.0 && lats.end >= 0.0 { 0.0 } else { lats.start.abs().min(lats.end.abs()) };
        let half_lat = ((lats.end - lats.start) / 2.0).to_radians();
        let half_lon = ((lons.end - lons.start) / 2.0).to_radians() * nearest.to_radians().cos();
        (middle, RADIUS * (half_lat + half_lon))
    }

    /// The first code of the square behind this one at its level; `None` behind the last.
    fn end(&self) -> Option<u64> {
        let index = spread(self.lat) << 1 | spread(self.lon);
        index.wrapping_add(1).checked_shl(64 - 2 * self.level).filter(|end| *end != 0)
    }

    fn quarters(&self) -> [Self; 4] {
        let quarter =
            |lat, lon| Self { level: self.level + 1, lat: self.lat * 2 + lat, lon: self.lon * 2 + lon };
        [quarter(0, 0), quarter(0, 1), quarter(1, 0), quarter(1, 1)]
    }
}

/// Appends places in the order of the curve.
pub(super) fn write(places: &[GeoPoint], out: &mut ByteWriter) {
    for place in places {
        out.f64(place.lat());
        out.f64(place.lon());
    }
}

/// Places in the order of the curve, read in place.
pub(super) struct Places<'a> {
    bytes: &'a dyn Bytes,
    start: usize,
    entries: u32,
}

impl<'a> Places<'a> {
    /// The `entries` places in `range` of `bytes`.
    pub(super) fn open(bytes: &'a dyn Bytes, range: Range<usize>, entries: u32) -> Result<Self> {
        match entries as usize * BYTES == range.len() {
            true => Ok(Self { bytes, start: range.start, entries }),
            false => Err(corrupt(range.start, format!("{} bytes are not {entries} places", range.len()))),
        }
    }

    /// One of the places.
    pub(super) fn get(&self, entry: u32) -> Result<GeoPoint> {
        let at = self.start + entry as usize * BYTES;
        if entry >= self.entries {
            return Err(corrupt(at, format!("place {entry} of {}", self.entries)));
        }
        let mut reader = ByteReader::new(super::PART, self.bytes.bytes(at..at + BYTES)?);
        let place = GeoPoint::new(reader.f64()?, reader.f64()?);
        place.ok_or_else(|| corrupt(at, "a place outside the globe"))
    }

    /// The entries that are equal to `place`.
    pub(super) fn equal(&self, place: GeoPoint) -> Result<Vec<Range<u32>>> {
        let code = code(place);
        let from = self.below(code, 0..self.entries)?;
        let mut found = Vec::new();
        for entry in from..self.entries {
            let other = self.get(entry)?;
            if self::code(other) != code {
                break;
            }
            if other == place {
                push(&mut found, entry..entry + 1);
            }
        }
        Ok(found)
    }

    /// The entries in `region`, as ascending runs.
    pub(super) fn within(&self, region: Region) -> Result<Vec<Range<u32>>> {
        let mut found = Vec::new();
        self.descend(Square { level: 0, lat: 0, lon: 0 }, 0..self.entries, region, &mut found)?;
        Ok(found)
    }

    fn descend(
        &self,
        square: Square,
        entries: Range<u32>,
        region: Region,
        found: &mut Vec<Range<u32>>,
    ) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        match region.side(&square) {
            Side::Outside => {}
            Side::Inside => push(found, entries),
            Side::Border if entries.len() <= FEW as usize || square.level == 32 => {
                for entry in entries {
                    if region.contains(self.get(entry)?) {
                        push(found, entry..entry + 1);
                    }
                }
            }
            Side::Border => {
                let mut from = entries.start;
                for quarter in square.quarters() {
                    let to = match quarter.end() {
                        Some(end) => self.below(end, from..entries.end)?,
                        None => entries.end,
                    };
                    self.descend(quarter, from..to, region, found)?;
                    from = to;
                }
            }
        }
        Ok(())
    }

    /// The first of `entries` whose code is not less.
    fn below(&self, code: u64, entries: Range<u32>) -> Result<u32> {
        let before = |at: u32| Ok(self::code(self.get(entries.start + at)?) < code);
        Ok(entries.start + super::partition(entries.len() as u32, before)?)
    }
}

/// Appends a run, joined to the last where they meet.
fn push(runs: &mut Vec<Range<u32>>, run: Range<u32>) {
    match runs.last_mut() {
        Some(last) if last.end == run.start => last.end = run.end,
        _ => runs.push(run),
    }
}
