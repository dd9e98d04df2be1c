//! [`FieldIndex`]: the sealed index with what it needs to answer.

use super::Records;
use super::column::Column;
use super::column::ColumnView;
use super::column::Kind;
use super::directory::Directory;
use super::directory::Found;
use super::directory::Node;
use super::directory::Set;
use crate::codec::Bytes;
use crate::error::Result;
use crate::slots::SlotSet;

/// The index on the fields of a segment, read in place. Whatever its bytes are, an answer or an error comes of them.
#[derive(Clone, Copy)]
pub(crate) struct FieldIndex<'a> {
    pub(crate) directory: &'a Directory,
    pub(super) bytes: &'a dyn Bytes,
    pub(super) records: &'a dyn Records,
}

impl<'a> FieldIndex<'a> {
    /// The index in `bytes`, of which `directory` was read, over `records`.
    pub(crate) fn new(directory: &'a Directory, bytes: &'a dyn Bytes, records: &'a dyn Records) -> Self {
        Self { directory, bytes, records }
    }

    /// Number of slots.
    pub(super) fn limit(&self) -> u32 {
        self.directory.len
    }

    pub(super) fn set(&self, set: &Set) -> Result<SlotSet> {
        set.read(self.bytes, self.limit())
    }

    pub(super) fn view(&self, node: &'a Node, column: &'a Column) -> Result<ColumnView<'a>> {
        ColumnView::open(column, self.limit(), self.bytes, self.records, &node.path)
    }

    /// The column of a kind at a path.
    pub(super) fn column(&self, node: &'a Node, kind: Kind) -> Result<Option<ColumnView<'a>>> {
        node.columns
            .iter()
            .find(|column| column.kind == kind)
            .map(|column| self.view(node, column))
            .transpose()
    }

    /// The node of a path that has an index.
    pub(super) fn indexed(&self, path: &[String]) -> Option<&'a Node> {
        match self.directory.find(path) {
            Found::Path(node) if node.indexed => Some(node),
            _ => None,
        }
    }
}
