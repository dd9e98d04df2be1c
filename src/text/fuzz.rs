//! What the fuzz targets run: here, because the keyword index by itself is no part of the API.

use super::Analyzer;
use super::Bm25;
use super::FieldBuilder;
use super::FieldView;
use super::Highlight;
use super::Highlighter;
use super::Prepared;
use super::Scratch;
use super::SearchedField;
use super::SearchedSegment;
use super::TextQuery;
use crate::codec::Bytes;
use crate::error::Result;
use crate::ids::Slot;
use crate::slots::SlotSet;
use std::ops::Range;

const TYPED: [&str; 8] = [
    "gold mine river ore",
    "+gold +mine river",
    "\"gold mine\"~3 -coal",
    "mi* gols~2",
    "\u{6771}\u{4eac}\u{90fd} sluice",
    "ore",
    "+\"mine mine\" +g*",
    "box~1 box~2 the",
];

/// An index in memory.
pub(crate) struct Image<'a>(pub(crate) &'a [u8]);

impl Bytes for Image<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn bytes(&self, range: Range<usize>) -> Result<&[u8]> {
        self.0.bytes(range)
    }
}

/// Indexes to begin from: without texts, with few, and with lists of several blocks, with positions and without.
pub fn sealed_texts() -> Vec<Vec<u8>> {
    let analyzer = Analyzer::default();
    let words = ["gold", "mine", "river", "ore", "sluice", "box", "\u{6771}\u{4eac}\u{90fd}", "prospectors"];
    let mut sealed = Vec::new();
    for (records, positions) in [(0, false), (3, true), (40, false), (300, true), (300, false)] {
        let mut builder = FieldBuilder::new(&analyzer, positions);
        for slot in 0..records {
            let chosen = (0..slot % 9).map(|at| words[((slot * 7 + at * at * 5) % 8) as usize]);
            builder.add(slot, &chosen.collect::<Vec<_>>().join(" "));
        }
        sealed.extend(builder.seal(records + 1));
    }
    sealed
}

/// Reads the bytes as an index, runs queries over it, and verifies it.
pub fn postings(data: &[u8]) {
    let _ = run(data, &TYPED);
}

/// Looks for what was typed in a good index, and in itself.
pub fn query_string(typed: &str) {
    for bytes in &sealed_texts()[1..4] {
        let found = run(bytes, &[typed]);
        assert!(found.is_ok() || typed.contains(':'), "only a field may be unknown");
    }
}

fn run(data: &[u8], typed: &[&str]) -> Result<()> {
    let image = Image(data);
    let analyzer = Analyzer::default();
    let views = [Some(FieldView::open(&image)?)];
    let [Some(view)] = &views else { return Ok(()) };
    let verified = view.verify();
    let dead = SlotSet::from_ascending(view.len(), (0..view.len().min(1000)).step_by(7).collect());
    let field = SearchedField {
        name: "body",
        analyzer: &analyzer,
        bm25: Bm25::default(),
        boost: 1.0,
        by_default: true,
        totals: view.totals(Some(&dead))?,
    };
    let segments = [SearchedSegment { views: &views, dead: Some(&dead), len: view.len() }];
    let mut scratch = Scratch::default();
    let mut answered = Ok(());
    for typed in typed {
        let mut one = || -> Result<()> {
            let query = TextQuery::parse(typed, |_| true);
            let prepared = Prepared::new(&query, &[field], &segments)?;
            let mut best: Vec<(f32, Slot)> = Vec::new();
            prepared.search(0, 10, None, 0.0, &mut scratch, &mut |score, slot| best.push((score, slot)))?;
            let all = prepared.matching(0, None, &mut scratch)?;
            Highlighter::new(&Highlight::default(), &prepared, 0, &analyzer).fragments(typed);
            if verified.is_ok() {
                assert_eq!(best.len(), all.len().min(10), "the best are some of all");
                assert!(best.iter().all(|(_, slot)| all.contains(*slot)), "the best are some of all");
            }
            Ok(())
        };
        answered = answered.and(one());
    }
    answered.and(verified)
}
