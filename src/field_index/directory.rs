//! The directory: all paths, which records have them, and where their columns lie.
//!
//! ```text
//! directory := nodes: varint, node*        the first is the root, a parent comes before its children
//! node      := parent: varint, name: string, flags: u8 (1: it has an index), exists: set, arrays: set, mixed: set,
//!              nested: set, rest: set, columns: varint, column*
//! set       := slots: varint, start: varint, bytes: varint     a roaring bitmap; no bytes where it has no slot or all
//! column    := kind: u8 (0 number, 1 text, 2 instant, 3 bool, 4 null, 5 place), flags: u8 (1: ordinals, 2: several values
//!              in a slot), entries: varint, pairs: varint, start: varint, dictionary bytes: varint, list bytes: varint
//! ```
//!
//! The sets of a path: the slots that have it; those with an array there; those with an array and something else, be it a
//! second array; those with arrays or maps in an array; and those that have more names below than there is an index for.

use super::bitmap::Bitmap;
use super::column::Column;
use super::corrupt;
use super::gather::Gather;
use crate::codec::ByteReader;
use crate::codec::ByteWriter;
use crate::codec::Bytes;
use crate::error::Result;
use crate::slots::SlotSet;
use std::collections::HashMap;
use std::sync::Arc;

/// Names in the maps at one path that have an index. More of them are rather data than names.
pub(super) const MAX_NAMES: usize = 1000;
/// Paths that have an index.
pub(super) const MAX_PATHS: usize = 10_000;
/// Names in a path: values nest no deeper.
const MAX_DEPTH: usize = 64;
/// First bytes of an index.
const MAGIC: u32 = 0x7864_696c;
/// Bytes before the first column.
const HEADER: usize = 24;

/// A set of slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) len: u32,
    pub(super) start: usize,
    pub(super) bytes: usize,
}

/// A path.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) parent: usize,
    /// All names; while building, the last one.
    pub(super) path: Vec<Arc<str>>,
    pub(super) indexed: bool,
    pub(super) exists: Set,
    pub(super) arrays: Set,
    pub(super) mixed: Set,
    pub(super) nested: Set,
    pub(super) rest: Set,
    pub(super) columns: Vec<Column>,
    pub(super) children: HashMap<Arc<str>, usize>,
}

impl Set {
    fn decode(reader: &mut ByteReader<'_>, limit: u32, end: usize) -> Result<Self> {
        let mut number = || reader.varint().map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let (len, start, bytes) = (number()?, number()?, number()?);
        let whole = len == 0 || len == limit as usize;
        match len <= limit as usize
            && start.checked_add(bytes).is_some_and(|to| to <= end)
            && whole == (bytes == 0)
        {
            true => Ok(Self { len: len as u32, start, bytes }),
            false => Err(reader.error("a set that lies outside")),
        }
    }

    fn encode(&self, out: &mut ByteWriter) {
        [self.len as usize, self.start, self.bytes].iter().for_each(|number| out.varint(*number as u64));
    }

    /// The set, of the slots below `limit`.
    pub(super) fn read(&self, bytes: &dyn Bytes, limit: u32) -> Result<SlotSet> {
        if self.len == 0 || self.len == limit {
            return Ok(if self.len == 0 { SlotSet::none(limit) } else { SlotSet::all(limit) });
        }
        let bitmap = Bitmap::new(bytes.bytes(self.start..self.start + self.bytes)?)?;
        if bitmap.len() != u64::from(self.len) {
            return Err(corrupt(self.start, "a set does not have as many slots as it should"));
        }
        let mut out = Gather::new(limit, self.len as usize, 1);
        bitmap.read(&mut out)?;
        Ok(out.finish())
    }
}

impl Node {
    fn sets(&self) -> [&Set; 5] {
        [&self.exists, &self.arrays, &self.mixed, &self.nested, &self.rest]
    }

    fn sets_mut(&mut self) -> [&mut Set; 5] {
        [&mut self.exists, &mut self.arrays, &mut self.mixed, &mut self.nested, &mut self.rest]
    }

    fn decode(reader: &mut ByteReader<'_>, limit: u32, end: usize) -> Result<Self> {
        let parent = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
        let name = Arc::from(reader.string()?);
        let indexed = match reader.u8()? {
            flags @ 0..=1 => flags == 1,
            flags => return Err(reader.error(format!("unknown flags {flags} of a path"))),
        };
        let mut set = || Set::decode(reader, limit, end);
        let (exists, arrays, mixed, nested, rest) = (set()?, set()?, set()?, set()?, set()?);
        let mut columns: Vec<Column> = Vec::new();
        for _ in 0..reader.count(7)? {
            let column = Column::decode(reader, limit, end)?;
            if columns.iter().any(|other| other.kind == column.kind) {
                return Err(reader.error("two columns of one kind"));
            }
            columns.push(column);
        }
        let (path, children) = (vec![name], HashMap::new());
        Ok(Self { parent, path, indexed, exists, arrays, mixed, nested, rest, columns, children })
    }

    fn encode(&self, out: &mut ByteWriter) {
        out.varint(self.parent as u64);
        out.string(self.path.last().map_or("", |name| name));
        out.u8(self.indexed.into());
        self.sets().iter().for_each(|set| set.encode(out));
        out.varint(self.columns.len() as u64);
        self.columns.iter().for_each(|column| column.encode(out));
    }
}

/// Puts header, the bytes of all nodes, and the directory together. What the nodes say of places counts from the start of
/// their own bytes.
pub(super) fn finish(len: u32, nodes: Vec<(Node, Vec<u8>)>) -> Vec<u8> {
    let mut directory = ByteWriter::new();
    directory.varint(nodes.len() as u64);
    let mut end = HEADER;
    let mut bodies = Vec::with_capacity(nodes.len());
    for (mut node, bytes) in nodes {
        node.sets_mut().into_iter().for_each(|set| set.start += end);
        node.columns.iter_mut().for_each(|column| column.start += end);
        node.encode(&mut directory);
        end += bytes.len();
        bodies.push(bytes);
    }
    let directory = directory.finish();
    let mut out = ByteWriter::new();
    out.u32(MAGIC);
    out.u32(len);
    out.u64(end as u64);
    out.u64(directory.len() as u64);
    bodies.into_iter().for_each(|bytes| out.bytes(&bytes));
    out.bytes(&directory);
    out.finish()
}

/// What is known of a path.
pub(super) enum Found<'d> {
    /// No record has it.
    Nothing,
    /// It is in the directory.
    Path(&'d Node),
    /// Records of this set may have it.
    Among(&'d Set),
}

/// All paths of a segment. Small beside the records; decoded once.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    pub(super) len: u32,
    pub(super) nodes: Vec<Node>,
}

impl Directory {
    /// The directory of an index over `len` records.
    ///
    /// # Errors
    /// `Corrupt` where the bytes are no such index.
    pub(crate) fn open(bytes: &dyn Bytes, len: u32) -> Result<Self> {
        let mut head = ByteReader::new(super::PART, bytes.bytes(0..HEADER.min(bytes.len()))?);
        let (magic, slots) = (head.u32()?, head.u32()?);
        if magic != MAGIC || slots != len {
            return Err(corrupt(
                0,
                format!("a header {magic:08x} of {slots} slots where {MAGIC:08x} of {len} is expected"),
            ));
        }
        let (start, size) = (head.u64()?, head.u64()?);
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        if start < HEADER || (start as u64).checked_add(size) != Some(bytes.len() as u64) {
            return Err(corrupt(8, format!("a directory of {size} bytes at {start} of {}", bytes.len())));
        }
        let mut reader = ByteReader::new(super::PART, bytes.bytes(start..bytes.len())?);
        let count = reader.count(19)?;
        if count == 0 || count > MAX_PATHS + 1 {
            return Err(reader.error(format!("{count} paths")));
        }
        let mut nodes: Vec<Node> = Vec::with_capacity(count);
        for at in 0..count {
            let node = Node::decode(&mut reader, len, start)?;
            add(&mut nodes, at, node)?;
        }
        reader.finish()?;
        Ok(Self { len, nodes })
    }

    /// The names of all paths, with dots between them.
    pub(crate) fn paths(&self) -> impl Iterator<Item = String> {
        self.nodes.iter().skip(1).map(|node| node.path.join("."))
    }

    /// True where some record may have the path.
    pub(crate) fn may_have(&self, names: &[String]) -> bool {
        !matches!(self.find(names), Found::Nothing)
    }

    /// Looks a path up.
    pub(super) fn find(&self, names: &[String]) -> Found<'_> {
        let Some(mut node) = self.nodes.first() else { return Found::Nothing };
        for name in names {
            if !node.indexed {
                return Found::Among(&node.exists);
            }
            match node.children.get(name.as_str()).and_then(|child| self.nodes.get(*child)) {
                Some(child) => node = child,
                None if node.rest.len > 0 => return Found::Among(&node.rest),
                None => return Found::Nothing,
            }
        }
        Found::Path(node)
    }
}

/// Appends a node: it is given the names of its parents, and they are told of it.
fn add(nodes: &mut Vec<Node>, at: usize, mut node: Node) -> Result<()> {
    let Some(name) = node.path.pop().filter(|_| at > 0) else {
        nodes.push(node);
        return Ok(());
    };
    let problem = |problem: &str| corrupt(0, format!("path {at} {problem}"));
    let parent = nodes.get_mut(node.parent).ok_or_else(|| problem("comes before its parent"))?;
    if parent.path.len() >= MAX_DEPTH || parent.children.insert(name.clone(), at).is_some() {
        return Err(problem("is there twice or too deep"));
    }
    node.path = parent.path.iter().cloned().chain([name]).collect();
    nodes.push(node);
    Ok(())
}
