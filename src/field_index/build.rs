//! Building: the records are walked once, values are gathered by path and kind, then each column is sorted and written.

use super::column::Column;
use super::column::Kind;
use super::directory::MAX_NAMES;
use super::directory::MAX_PATHS;
use super::directory::Node as Sealed;
use super::directory::finish;
use super::number::Number;
use super::seal::Gathered;
use super::seal::Section;
use super::seal::seal;
use super::seal::seal_set;
use super::texts::Seen;
use crate::error::Result;
use crate::ids::Slot;
use crate::metadata::FieldReader;
use crate::metadata::GeoPoint;
use crate::metadata::Token;
use rayon::prelude::*;
use std::collections::HashMap;

/// Columns of more values than this are not made: positions in them would not fit. Tests then look at the records.
const MAX_PAIRS: usize = 1 << 30;

/// The index over the encoded fields of `len` records in the order of their slots. Paths in `unindexed` (names with dots
/// between them) and what lies below are left out; filters on them look at the records.
///
/// Needs the encoded records, 8 bytes for each value, and about 60 for each distinct value; texts are not copied. Columns are
/// written by all threads of the current pool.
pub(crate) fn build<'a>(
    len: u32,
    fields: impl Iterator<Item = Result<&'a [u8]>>,
    unindexed: &[&str],
) -> Result<Vec<u8>> {
    let mut builder = Builder { nodes: vec![Node::new("", None)], unindexed, slot: 0 };
    for (slot, encoded) in (0..len).zip(fields) {
        builder.slot = slot;
        builder.record(encoded?)?;
    }
    Ok(finish(len, builder.nodes.into_par_iter().map(|node| node.seal(len)).collect()))
}

/// The place of a node among all.
type NodeId = usize;

struct Builder<'a, 'u> {
    /// The first is the root; a parent comes before its children.
    nodes: Vec<Node<'a>>,
    unindexed: &'u [&'u str],
    /// The record that is being walked.
    slot: Slot,
}

/// What was found at one path.
struct Node<'a> {
    name: &'a str,
    parent: Option<NodeId>,
    indexed: bool,
    children: HashMap<&'a str, NodeId>,
    sets: Sets,
    /// The record last seen here, whether it had an array, and the number of its texts so far.
    last: Option<Slot>,
    had_array: bool,
    texts_seen: u32,
    numbers: Gathered<Number, Number>,
    texts: Gathered<&'a str, Seen<'a>>,
    instants: Gathered<i64, Number>,
    bools: Gathered<i64, Number>,
    nulls: Gathered<i64, Number>,
    places: Gathered<[u64; 2], GeoPoint>,
}

/// Ascending slots, see `directory`.
#[derive(Default)]
struct Sets {
    exists: Vec<Slot>,
    arrays: Vec<Slot>,
    mixed: Vec<Slot>,
    nested: Vec<Slot>,
    rest: Vec<Slot>,
}

/// Appends a slot where it is not the last.
fn push(slots: &mut Vec<Slot>, slot: Slot) {
    if slots.last() != Some(&slot) {
        slots.push(slot);
    }
}

impl<'a> Builder<'a, '_> {
    fn record(&mut self, encoded: &'a [u8]) -> Result<()> {
        let mut reader = FieldReader::new(encoded);
        let count = reader.count()?;
        self.map(&mut reader, 0, count, 1)?;
        reader.finish()
    }

    /// The values of a map at a node; they lie `depth` deep.
    fn map(&mut self, reader: &mut FieldReader<'a>, node: NodeId, count: usize, depth: usize) -> Result<()> {
        for _ in 0..count {
            let name = reader.name()?;
            let token = reader.token()?;
            match self.child(node, name) {
                Some(child) => self.value(reader, child, token, depth)?,
                None => {
                    push(&mut self.nodes[node].sets.rest, self.slot);
                    reader.skip(token, depth)?;
                }
            }
        }
        Ok(())
    }

    /// The node of a name in the maps of a node; `None` where there are too many.
    fn child(&mut self, parent: NodeId, name: &'a str) -> Option<NodeId> {
        if let Some(child) = self.nodes[parent].children.get(name) {
            return Some(*child);
        }
        if self.nodes[parent].children.len() >= MAX_NAMES || self.nodes.len() > MAX_PATHS {
            return None;
        }
        let child = self.nodes.len();
        self.nodes[parent].children.insert(name, child);
        self.nodes.push(Node::new(name, Some(parent)));
        if !self.unindexed.is_empty() {
            let path = self.path(child);
            self.nodes[child].indexed = !self.unindexed.contains(&path.as_str());
        }
        Some(child)
    }

    fn path(&self, node: NodeId) -> String {
        match self.nodes[node].parent {
            None | Some(0) => self.nodes[node].name.to_owned(),
            Some(parent) => format!("{}.{}", self.path(parent), self.nodes[node].name),
        }
    }

    fn value(
        &mut self,
        reader: &mut FieldReader<'a>,
        node: NodeId,
        token: Token<'a>,
        depth: usize,
    ) -> Result<()> {
        reader.check_depth(depth)?;
        let found = &mut self.nodes[node];
        found.enter(self.slot, matches!(token, Token::Array(_)));
        match token {
            _ if !found.indexed => reader.skip(token, depth),
            Token::Map(count) => self.map(reader, node, count, depth + 1),
            Token::Array(count) => {
                push(&mut found.sets.arrays, self.slot);
                for _ in 0..count {
                    let token = reader.token()?;
                    self.element(reader, node, token, depth + 1)?;
                }
                Ok(())
            }
            scalar => {
                found.add(scalar, self.slot);
                Ok(())
            }
        }
    }

    fn element(
        &mut self,
        reader: &mut FieldReader<'a>,
        node: NodeId,
        token: Token<'a>,
        depth: usize,
    ) -> Result<()> {
        reader.check_depth(depth)?;
        let found = &mut self.nodes[node];
        match token {
            Token::Map(count) => {
                push(&mut found.sets.nested, self.slot);
                self.map(reader, node, count, depth + 1)
            }
            Token::Array(_) => {
                push(&mut found.sets.nested, self.slot);
                reader.skip(token, depth)
            }
            scalar => {
                found.add(scalar, self.slot);
                Ok(())
            }
        }
    }
}

impl<'a> Node<'a> {
    fn new(name: &'a str, parent: Option<NodeId>) -> Self {
        Self {
            name,
            parent,
            indexed: true,
            children: HashMap::new(),
            sets: Sets::default(),
            last: None,
            had_array: false,
            texts_seen: 0,
            numbers: Gathered::default(),
            texts: Gathered::default(),
            instants: Gathered::default(),
            bools: Gathered::default(),
            nulls: Gathered::default(),
            places: Gathered::default(),
        }
    }

    /// Notes that a record has a value here.
    fn enter(&mut self, slot: Slot, is_array: bool) {
        if self.last.replace(slot) != Some(slot) {
            (self.had_array, self.texts_seen) = (is_array, 0);
            self.sets.exists.push(slot);
            return;
        }
        if self.had_array || is_array {
            push(&mut self.sets.mixed, slot);
        }
        self.had_array |= is_array;
    }

    /// Notes a value that is no array or map.
    fn add(&mut self, token: Token<'a>, slot: Slot) {
        match token {
            Token::Null => {
                self.nulls.add(0, slot, Number::I64(0));
            }
            Token::Bool(truth) => {
                self.bools.add(truth.into(), slot, Number::I64(truth.into()));
            }
            Token::I64(whole) => self.number(Number::I64(whole), slot),
            Token::F64(float) => self.number(Number::F64(float), slot),
            Token::Str(text) => {
                self.texts.add(text, slot, Seen { text, slot, place: self.texts_seen });
                self.texts_seen += 1;
            }
            Token::DateTime(instant) => {
                let micros = instant.unix_micros();
                self.instants.add(micros, slot, Number::I64(micros));
            }
            Token::Geo(place) => {
                self.places.add([place.lat().to_bits(), place.lon().to_bits()], slot, place);
            }
            Token::Array(_) | Token::Map(_) => {}
        }
    }

    /// Of equal numbers an integer is kept.
    fn number(&mut self, number: Number, slot: Slot) {
        let kept = self.numbers.add(number, slot, number);
        if let Number::I64(_) = number {
            *kept = number;
        }
    }

    /// Sorts and writes what was gathered.
    fn seal(mut self, len: u32) -> (Sealed, Vec<u8>) {
        let mut out = Section::default();
        let pairs = [
            self.numbers.pairs(),
            self.texts.pairs(),
            self.instants.pairs(),
            self.bools.pairs(),
            self.nulls.pairs(),
            self.places.pairs(),
        ];
        self.indexed &= pairs.into_iter().all(|pairs| pairs <= MAX_PAIRS);
        let columns = if self.indexed { self.seal_columns(len, &mut out) } else { Vec::new() };
        let mut set = |slots: Vec<Slot>| seal_set(&slots, len, &mut out);
        let node = Sealed {
            parent: self.parent.unwrap_or(0),
            path: vec![self.name.into()],
            indexed: self.indexed,
            exists: set(self.sets.exists),
            arrays: set(self.sets.arrays),
            mixed: set(self.sets.mixed),
            nested: set(self.sets.nested),
            rest: set(self.sets.rest),
            columns,
            children: HashMap::new(),
        };
        (node, out.finish())
    }

    fn seal_columns(&mut self, len: u32, out: &mut Section) -> Vec<Column> {
        let mut columns = Vec::new();
        let mut numbers = |kind: Kind, gathered: (Vec<Number>, Vec<(u32, Slot)>), out: &mut Section| {
            columns.extend(seal(kind, gathered, len, Ord::cmp, super::numbers::write, out));
        };
        numbers(Kind::Number, self.numbers.take(), out);
        numbers(Kind::DateTime, self.instants.take(), out);
        numbers(Kind::Bool, self.bools.take(), out);
        numbers(Kind::Null, self.nulls.take(), out);
        let by_text = |a: &Seen<'_>, b: &Seen<'_>| a.text.cmp(b.text);
        columns.extend(seal(Kind::Text, self.texts.take(), len, by_text, super::texts::write, out));
        let key =
            |place: &GeoPoint| (super::places::code(*place), place.lat().to_bits(), place.lon().to_bits());
        let by_curve = |a: &GeoPoint, b: &GeoPoint| key(a).cmp(&key(b));
        columns.extend(seal(Kind::Geo, self.places.take(), len, by_curve, super::places::write, out));
        columns
    }
}
