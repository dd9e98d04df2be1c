//! The index against the plainest way to answer the same queries, and against damaged bytes.

use super::*;
use crate::slots::SlotSet;
use naive::NaiveField;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Records of two fields in segments, some of them dead.
#[derive(Debug, Clone)]
struct Library {
    /// Segments of records of title, body and whether it is alive.
    segments: Vec<Vec<(String, String, bool)>>,
    positions: bool,
}

struct Sealed {
    titles: Vec<u8>,
    bodies: Vec<u8>,
    dead: SlotSet,
    len: u32,
}

fn seal(analyzer: &Analyzer, positions: bool, texts: impl Iterator<Item = String>, len: u32) -> Vec<u8> {
    let mut builder = FieldBuilder::new(analyzer, positions);
    (0..).zip(texts).for_each(|(slot, text)| builder.add(slot, &text));
    builder.seal(len).unwrap()
}

fn sealed(library: &Library, analyzers: [&Analyzer; 2]) -> Vec<Sealed> {
    let one = |records: &Vec<(String, String, bool)>| {
        let len = records.len() as u32;
        let dead = (0..).zip(records).filter(|(_, record)| !record.2).map(|(slot, _)| slot).collect();
        let titles =
            seal(analyzers[0], library.positions, records.iter().map(|record| record.0.clone()), len);
        let bodies =
            seal(analyzers[1], library.positions, records.iter().map(|record| record.1.clone()), len);
        Sealed { titles, bodies, dead: SlotSet::from_ascending(len, dead), len }
    };
    library.segments.iter().map(one).collect()
}

/// Runs `f` on the query, looked up in all segments.
fn with_prepared<T>(
    sealed: &[Sealed],
    analyzers: [&Analyzer; 2],
    query: &TextQuery,
    f: impl FnOnce(&Prepared<'_>) -> T,
) -> crate::error::Result<T> {
    let mut views = Vec::new();
    for segment in sealed {
        views.push([Some(FieldView::open(&segment.titles)?), Some(FieldView::open(&segment.bodies)?)]);
    }
    let mut totals = [Totals::default(); 2];
    for (segment, views) in sealed.iter().zip(&views) {
        for (totals, view) in totals.iter_mut().zip(views.iter().flatten()) {
            *totals = totals.plus(view.totals(Some(&segment.dead))?);
        }
    }
    let field = |at: usize, name| SearchedField {
        name,
        analyzer: analyzers[at],
        bm25: Bm25::default(),
        boost: [2.0, 1.0][at],
        by_default: true,
        totals: totals[at],
    };
    let segments: Vec<SearchedSegment<'_>> = sealed
        .iter()
        .zip(&views)
        .map(|(segment, views)| SearchedSegment { views, dead: Some(&segment.dead), len: segment.len })
        .collect();
    Ok(f(&Prepared::new(query, &[field(0, "title"), field(1, "body")], &segments)?))
}

impl crate::codec::Bytes for Vec<u8> {
    fn len(&self) -> usize {
        self.len()
    }

    fn bytes(&self, range: std::ops::Range<usize>) -> crate::error::Result<&[u8]> {
        self.as_slice().bytes(range)
    }
}

/// Fields that a clause may name.
const FIELDS: &[&[&str]] = &[&[], &["title"], &["body"], &["title", "body"]];
const WORDS: [&str; 14] = [
    "gold",
    "mine",
    "mines",
    "mining",
    "sluice",
    "box",
    "prospector",
    "prospects",
    "the",
    "river",
    "C++",
    "\u{6771}\u{4eac}\u{90fd}",
    "ore-bed",
    "gild",
];

fn text(words: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&WORDS[..]), words).prop_map(|words| words.join(" "))
}

fn library() -> impl Strategy<Value = Library> {
    let record = || (text(0..4), text(0..12), prop::bool::weighted(0.8));
    let segment = prop_oneof![
        3 => prop::collection::vec(record(), 0..40),
        1 => prop::collection::vec(record(), 200..700),
    ];
    (prop::collection::vec(segment, 1..4), prop::bool::weighted(0.8))
        .prop_map(|(segments, positions)| Library { segments, positions })
}

fn clause(phrases: bool) -> impl Strategy<Value = Clause> {
    let word = || prop::sample::select(&WORDS[..]);
    let what = prop_oneof![
        4 => word().prop_map(Clause::word),
        if phrases { 2 } else { 0 } => (text(1..4), 0u32..4).prop_map(|(text, slop)| Clause::phrase(text, slop)),
        1 => prop::sample::select(&["go", "pros", "mi", "g", "mining"][..]).prop_map(Clause::prefix),
        1 => (prop::sample::select(&["gold", "gols", "miine", "rivver", "bxo"][..]), 1u8..3)
            .prop_map(|(word, edits)| Clause::fuzzy(word, edits).unwrap()),
    ];
    let fields = prop::sample::select(FIELDS);
    (what, fields, prop::sample::select(&[0.5f32, 1.0, 3.0][..]))
        .prop_map(|(clause, fields, boost)| clause.within(fields.iter().copied()).boost(boost).unwrap())
}

fn query(phrases: bool) -> impl Strategy<Value = TextQuery> {
    let occurring = (0u8..8, clause(phrases));
    (prop::collection::vec(occurring, 1..6), prop::option::of(0u32..4)).prop_map(|(clauses, minimum)| {
        let query = clauses.into_iter().fold(TextQuery::new(), |query, (occur, clause)| match occur {
            0 | 1 => query.must(clause),
            2 => query.must_not(clause),
            _ => query.should(clause),
        });
        match minimum {
            Some(0) => TextQuery { minimum: query::Minimum::All, ..query },
            Some(count) => query.minimum(count),
            None => query,
        }
    })
}

/// Score, segment and slot of every match, by segment and slot.
fn naive_hits(library: &Library, analyzers: [&Analyzer; 2], query: &TextQuery) -> Vec<(f64, usize, u32)> {
    let live = || {
        let records = library.segments.iter().enumerate();
        records.flat_map(|(segment, records)| {
            (0..)
                .zip(records)
                .filter(|(_, record)| record.2)
                .map(move |(slot, record)| (segment, slot, record))
        })
    };
    let titles = NaiveField::new(analyzers[0].clone(), 2.0, live().map(|(_, _, record)| record.0.as_str()));
    let bodies = NaiveField::new(analyzers[1].clone(), 1.0, live().map(|(_, _, record)| record.1.as_str()));
    let fields = [("title", titles), ("body", bodies)];
    let hits = live().enumerate();
    hits.filter_map(|(at, (segment, slot, _))| Some((naive::score(query, &fields, at)?, segment, slot)))
        .collect()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-4 * a.abs().max(b.abs()) + 1e-6
}

/// What of a filter of every `step`th slot is compared.
fn check(library: &Library, query: &TextQuery, step: usize, k: usize) {
    let (simple, english) = (Analyzer::simple(), Analyzer::default());
    let analyzers = [&simple, &english];
    let sealed = sealed(library, analyzers);
    let filters: Vec<SlotSet> = sealed
        .iter()
        .map(|segment| SlotSet::from_ascending(segment.len, (0..segment.len).step_by(step).collect()))
        .collect();
    let mut wanted = naive_hits(library, analyzers, query);
    wanted.retain(|(_, segment, slot)| filters[*segment].contains(*slot));
    let filter = |segment: usize| (step > 1).then(|| &filters[segment]);
    for segment in &sealed {
        FieldView::open(&segment.titles).unwrap().verify().unwrap();
        FieldView::open(&segment.bodies).unwrap().verify().unwrap();
    }
    with_prepared(&sealed, analyzers, query, |prepared| {
        let (mut found, mut all) = (Vec::new(), Vec::new());
        let mut scratch = Scratch::default();
        let mut threshold = 0.0f32;
        for segment in 0..sealed.len() {
            prepared
                .scores(segment, filter(segment), &mut scratch, &mut |score, slot| {
                    all.push((score, segment, slot));
                })
                .unwrap();
            prepared
                .search(segment, k, filter(segment), threshold, &mut scratch, &mut |score, slot| {
                    found.push((score, segment, slot));
                })
                .unwrap();
            found.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
            found.truncate(k);
            threshold = if found.len() == k && k > 0 { found[k - 1].0 } else { 0.0 };
        }
        assert_eq!(all.len(), wanted.len(), "{query:?}");
        for (found, wanted) in all.iter().zip(&wanted) {
            assert_eq!((found.1, found.2), (wanted.1, wanted.2), "{query:?}");
            assert!(near(f64::from(found.0), wanted.0), "{found:?} {wanted:?} {query:?}");
        }
        // The best are the best of all, in the same order, with the same scores.
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        all.truncate(k);
        assert_eq!(found, all, "{query:?}");
    })
    .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_query_finds_what_looking_at_every_record_finds(
        mut library in library(), query in query(true), step in prop::sample::select(&[1usize, 1, 2, 90][..]), k in 0usize..12,
    ) {
        library.positions = true;
        check(&library, &query, step, k);
    }

    #[test]
    fn damaged_bytes_never_panic(
        library in library(), query in query(true), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let (simple, english) = (Analyzer::simple(), Analyzer::default());
        let mut sealed = sealed(&library, [&simple, &english]);
        for segment in &mut sealed {
            for (place, byte) in &damage {
                for bytes in [&mut segment.titles, &mut segment.bodies] {
                    let at = place.index(bytes.len());
                    bytes[at] = *byte;
                }
            }
        }
        for segment in &sealed {
            let _ = FieldView::open(&segment.bodies).and_then(|view| view.verify());
        }
        let query = TextQuery { lenient: true, ..query };
        let _ = with_prepared(&sealed, [&simple, &english], &query, |prepared| {
            let mut scratch = Scratch::default();
            for segment in 0..sealed.len() {
                let _ = prepared.search(segment, 10, None, 0.0, &mut scratch, &mut |_, _| {});
                let _ = prepared.matching(segment, None, &mut scratch);
            }
        });
    }
}

fn hits(texts: &[&str], query: &TextQuery) -> Vec<u32> {
    let records = texts.iter().map(|text| (String::new(), (*text).to_owned(), true)).collect();
    let library = Library { segments: vec![records], positions: true };
    let (simple, english) = (Analyzer::simple(), Analyzer::default());
    let sealed = sealed(&library, [&simple, &english]);
    let found: BTreeSet<u32> = with_prepared(&sealed, [&simple, &english], query, |prepared| {
        prepared.matching(0, None, &mut Scratch::default()).unwrap().iter().collect()
    })
    .unwrap();
    found.into_iter().collect()
}

fn typed(texts: &[&str], query: &str) -> Vec<u32> {
    hits(texts, &TextQuery::parse(query, |name| !name.starts_with("http")))
}

#[test]
fn many_clauses_are_counted_like_few() {
    let record = |at: usize| {
        let words = (0..at % 7).map(|word| WORDS[(at * 5 + word * 3) % WORDS.len()]);
        (String::new(), words.collect::<Vec<_>>().join(" "), !at.is_multiple_of(11))
    };
    let library = Library { segments: vec![(0..300).map(record).collect()], positions: true };
    for clauses in [10, 64, 65, 90] {
        for minimum in [2, 3, 8] {
            let words = (0..clauses).map(|at| WORDS[at % WORDS.len()]);
            check(&library, &TextQuery::at_least(minimum, &words.collect::<Vec<_>>().join(" ")), 1, 10);
        }
    }
}

#[test]
fn what_people_look_for_is_found() {
    let texts = [
        "Error E1234 in foo_bar, written in C++",
        "node.js and C# at jane.doe@example.com",
        "see https://example.com/mines/gold?x=1",
        "\u{6771}\u{4eac}\u{90fd}\u{306b}\u{4f4f}\u{3080}",
        "The miner's mining of mines",
        "a plain C compiler",
    ];
    for (query, wanted) in [
        ("e1234", &[0][..]),
        ("foo_bar", &[0]),
        ("foo*", &[0]),
        ("C++", &[0]),
        ("c#", &[1]),
        ("C", &[5]),
        ("node.js", &[1]),
        ("+jane.doe@example.com", &[1]),
        ("example.com", &[1, 2]),
        ("https://example.com/mines/gold", &[1, 2, 4]),
        ("+\u{6771}\u{4eac}", &[3]),
        ("\u{4eac}\u{90fd}", &[3]),
        ("\u{3080}", &[3]),
        ("\u{4eac}", &[3]),
        ("\u{5927}", &[]),
        ("mining", &[2, 4]),
        ("mining*", &[2, 4]),
        ("mininng~1", &[2, 4]),
        ("\"mining of mines\"", &[4]),
        ("\"mines mining\"~1", &[4]),
        ("body:miner", &[4]),
        ("title:miner", &[]),
        ("the", &[]),
        ("+the mine", &[2, 4]),
        ("+mine -gold", &[4]),
        ("-gold", &[]),
    ] {
        assert_eq!(typed(&texts, query), wanted, "{query}");
    }
}

#[test]
fn a_field_that_is_not_there_is_an_error_with_those_there_are() {
    let (simple, english) = (Analyzer::simple(), Analyzer::default());
    let sealed = sealed(&Library { segments: vec![vec![]], positions: false }, [&simple, &english]);
    let query = TextQuery::parse("titel:gold", |_| true);
    let error = with_prepared(&sealed, [&simple, &english], &query, |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "option 'text': there is no text field 'titel', but title, body");
    let query = TextQuery::new().should(Clause::phrase("sluice box", 0));
    let error = with_prepared(&sealed, [&simple, &english], &query, |_| ()).unwrap_err();
    assert!(error.to_string().contains("keeps no positions"), "{error}");
}

#[test]
fn phrases_do_not_reach_from_one_value_into_the_next() {
    let english = Analyzer::default();
    let mut builder = FieldBuilder::new(&english, true);
    builder.add(0, "sluice");
    builder.add(0, "box");
    builder.add(3, "sluice box");
    let sealed = [Sealed {
        titles: seal(&english, true, std::iter::empty(), 5),
        bodies: builder.seal(5).unwrap(),
        dead: SlotSet::none(5),
        len: 5,
    }];
    for (query, wanted) in
        [("\"sluice box\"", vec![3]), ("\"sluice box\"~200", vec![0, 3]), ("+sluice +box", vec![0, 3])]
    {
        let query = TextQuery::parse(query, |_| false);
        let found = with_prepared(&sealed, [&english, &english], &query, |prepared| {
            prepared.matching(0, None, &mut Scratch::default()).unwrap().iter().collect::<Vec<u32>>()
        });
        assert_eq!(found.unwrap(), wanted);
    }
}

fn marked(text: &str, query: &str, options: &Highlight) -> Vec<Fragment> {
    marked_in(&[text], query, options)
}

fn marked_in(texts: &[&str], query: &str, options: &Highlight) -> Vec<Fragment> {
    let text = texts.join(" ");
    let records = vec![(String::new(), text, true), (String::new(), "gold".into(), true)];
    let library = Library { segments: vec![records], positions: true };
    let (simple, english) = (Analyzer::simple(), Analyzer::default());
    let sealed = sealed(&library, [&simple, &english]);
    let query = TextQuery::parse(query, |_| false);
    with_prepared(&sealed, [&simple, &english], &query, |prepared| {
        let highlighter = Highlighter::new(options, prepared, 1, &english);
        highlighter.fragments_of(texts.iter().copied().enumerate())
    })
    .unwrap()
}

#[test]
fn words_are_marked_as_they_stand_in_the_text() {
    let text = "The Miner's mines: a sluice box, a box and a sluice; \u{6771}\u{4eac}\u{90fd} prospectors.";
    for (query, wanted) in [
        (
            "mining",
            "The Miner's <b>mines</b>: a sluice box, a box and a sluice; \u{6771}\u{4eac}\u{90fd} prospectors.",
        ),
        (
            "mininng~1 -box",
            "The Miner's <b>mines</b>: a sluice box, a box and a sluice; \u{6771}\u{4eac}\u{90fd} prospectors.",
        ),
        (
            "prosp*",
            "The Miner's mines: a sluice box, a box and a sluice; \u{6771}\u{4eac}\u{90fd} <b>prospectors</b>.",
        ),
        (
            "\"sluice box\"",
            "The Miner's mines: a <b>sluice</b> <b>box</b>, a box and a sluice; \u{6771}\u{4eac}\u{90fd} prospectors.",
        ),
        (
            "\u{6771}\u{4eac}\u{90fd}",
            "The Miner's mines: a sluice box, a box and a sluice; <b>\u{6771}\u{4eac}\u{90fd}</b> prospectors.",
        ),
    ] {
        let fragments = marked(text, query, &Highlight::default());
        assert_eq!(fragments.len(), 1, "{query}");
        assert_eq!(fragments[0].marked, wanted, "{query}");
    }
    assert!(marked(text, "gold", &Highlight::default()).is_empty());
}

#[test]
fn the_best_fragments_come_first() {
    let text = format!(
        "{} gold {} a gold mine by the river {} mine",
        "x ".repeat(99),
        "y ".repeat(99),
        "\u{e9} ".repeat(99)
    );
    let options = Highlight::default().fragments(2).unwrap().fragment_bytes(40).unwrap().marks("[", "]");
    let fragments = marked(&text, "gold mine", &options);
    assert_eq!(fragments.len(), 2);
    assert!(fragments[0].marked.contains("[gold] [mine]"), "{fragments:?}");
    for fragment in &fragments {
        assert!(fragment.range.len() <= 40);
        assert!(fragment.words.iter().all(|word| ["gold", "mine"].contains(&&text[word.clone()])));
    }
    assert!(Highlight::default().fragments(0).is_err());
}

#[test]
fn fragments_of_several_texts_say_which_they_are_of() {
    let texts = ["a river", "gold", "a gold mine", "gold and gold", "mine"];
    let options = Highlight::default().fragments(2).unwrap();
    let fragments = marked_in(&texts, "gold mine", &options);
    assert_eq!(fragments.len(), 2);
    assert_eq!((fragments[0].element, fragments[0].marked.as_str()), (2, "a <b>gold</b> <b>mine</b>"));
    assert_eq!(&texts[fragments[1].element][fragments[1].range.clone()], texts[fragments[1].element]);
}

proptest! {
    #[test]
    fn any_text_can_be_marked(text in "[a-c\u{e9}\u{6771} .,'-]{0,60}", query in "[a-c\u{6771} ~*\"+]{0,12}", bytes in 1usize..30) {
        let options = Highlight::default().fragment_bytes(bytes).unwrap().marks("", "");
        for fragment in marked(&text, &query, &options) {
            prop_assert_eq!(&fragment.marked, &text[fragment.range.clone()]);
        }
    }
}
