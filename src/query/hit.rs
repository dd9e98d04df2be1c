//! [`Hit`]: a record found by a search.

use crate::error::Result;
use crate::ids::RecordId;
use crate::ids::Slot;
use crate::metadata::Fields;
use crate::segment::Record;
use crate::segment::Segment;
use crate::storage::Pin;
use crate::text::Fragment;
use std::fmt;
use std::sync::Arc;

/// A record found by a search. Its fields are read when they are asked for, so a hit that is kept keeps the room of what
/// is deleted meanwhile from being used again, as a [`Snapshot`](crate::Snapshot) does.
///
/// `score` is larger for better hits with every metric: the cosine, the dot product, or the negated distance.
/// `distance` is the metric's own: 1 - cosine, the negated dot product, the Euclidean distance (not squared), or the
/// number of bits that differ.
#[derive(Clone)]
pub struct Hit {
    pub(super) id: RecordId,
    pub(super) score: f32,
    pub(super) distance: f32,
    pub(super) origin: Origin,
    pub(super) extra: Option<Box<Extra>>,
}

/// What hits of searches with several parts, or words, have as well.
#[derive(Clone)]
pub(super) struct Extra {
    /// Names and scores of the parts.
    pub(super) scores: Vec<(String, f32)>,
    /// Names of fields and the best fragments of their texts.
    pub(super) highlights: Vec<(String, Vec<Fragment>)>,
}

#[derive(Clone)]
pub(super) struct Origin {
    pub(super) segment: Arc<Segment>,
    pub(super) slot: Slot,
    pub(super) _pin: Pin,
}

impl Hit {
    /// The record's id.
    #[must_use]
    pub fn id(&self) -> &RecordId {
        &self.id
    }

    /// How good the hit is; larger is better.
    #[must_use]
    pub fn score(&self) -> f32 {
        self.score
    }

    /// What the record scores in each part of the search: `vector` and `text`, or the names of vectors where there are
    /// several, and those of sparse ones. A part that did not find the record has its score as well; words and terms that do
    /// not match have 0.
    #[must_use]
    pub fn scores(&self) -> Vec<(&str, f32)> {
        match &self.extra {
            Some(extra) => extra.scores.iter().map(|(name, score)| (name.as_str(), *score)).collect(),
            None => vec![("vector", self.score)],
        }
    }

    /// The best fragments of the fields that [`Search::highlight`](crate::Search::highlight) named, the best first; none of a
    /// field in which no word was found.
    #[must_use]
    pub fn highlights(&self) -> &[(String, Vec<Fragment>)] {
        self.extra.as_ref().map_or(&[], |extra| extra.highlights.as_slice())
    }

    /// How far the record's vector is from the query; smaller is nearer. With several vectors, the first; NaN where there is none.
    #[must_use]
    pub fn distance(&self) -> f32 {
        self.distance
    }

    /// The record's fields.
    ///
    /// # Errors
    /// `Corrupt` where the file is damaged there.
    pub fn fields(&self) -> Result<Fields> {
        self.origin.segment.fields(self.origin.slot)
    }

    /// The whole record: id, vectors and fields.
    ///
    /// # Errors
    /// `Corrupt` where the file is damaged there.
    pub fn record(&self) -> Result<Record> {
        self.origin.segment.record(self.origin.slot)
    }
}

impl fmt::Debug for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hit {{ id: {}, score: {}, distance: {} }}", self.id, self.score, self.distance)
    }
}
