//! Slots with the same code. In a graph they would be each other's nearest neighbors and crowd out all links to the rest,
//! so only the first of them, the head, is a node; the others, its members, are told of beside it.

use crate::ids::Slot;
use crate::quant::Codes;

/// Heads with their members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Duplicates {
    /// Ascending.
    heads: Vec<Slot>,
    /// End of each head's range in `members`.
    ends: Vec<u32>,
    /// Ascending within a head.
    members: Vec<Slot>,
}

impl Duplicates {
    /// Finds slots with the same code. `prefer` says which slot should be the head, where there is a choice; among equals
    /// it is the lowest.
    pub(super) fn find(codes: &Codes<'_>, prefer: impl Fn(Slot) -> bool) -> Self {
        let mut hashes: Vec<(u64, Slot)> = (0..codes.len() as Slot)
            .map(|slot| (crate::codec::checksum64(0, codes.code(slot)), slot))
            .collect();
        hashes.sort_unstable();
        let mut groups: Vec<Vec<Slot>> = Vec::new();
        for run in hashes.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
            groups.extend(groups_of(codes, run.iter().map(|(_, slot)| *slot)));
        }
        for group in &mut groups {
            group.sort_unstable_by_key(|slot| (!prefer(*slot), *slot));
            group[1..].sort_unstable();
        }
        Self::from_groups(groups)
    }

    /// From groups of a head and its members.
    fn from_groups(mut groups: Vec<Vec<Slot>>) -> Self {
        groups.sort_unstable_by_key(|group| group[0]);
        let mut found = Self::default();
        for group in groups {
            found.heads.push(group[0]);
            found.members.extend_from_slice(&group[1..]);
            found.ends.push(found.members.len() as u32);
        }
        found
    }

    /// Slots that have members, ascending.
    pub(super) fn heads(&self) -> &[Slot] {
        &self.heads
    }

    /// End of each head's range in [`Duplicates::all_members`].
    pub(super) fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The members of all heads, one head after the other.
    pub(super) fn all_members(&self) -> &[Slot] {
        &self.members
    }

    /// Each head and its members.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &[Slot])> {
        (0..self.heads.len()).map(|place| (self.heads[place], self.members_at(place)))
    }

    /// The members of a slot; none where it is no head.
    pub(super) fn members(&self, slot: Slot) -> &[Slot] {
        self.heads.binary_search(&slot).map_or(&[], |place| self.members_at(place))
    }

    fn members_at(&self, place: usize) -> &[Slot] {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.members[start as usize..self.ends[place] as usize]
    }

    /// The same groups under other numbers.
    pub(super) fn renumbered(&self, new_of: &[Slot]) -> Self {
        let group = |(head, members): (Slot, &[Slot])| {
            let mut group: Vec<Slot> =
                std::iter::once(&head).chain(members).map(|old| new_of[*old as usize]).collect();
            group[1..].sort_unstable();
            group
        };
        Self::from_groups(self.iter().map(group).collect())
    }
}

/// The groups of at least two among slots whose codes have the same hash, by comparing the codes.
fn groups_of(codes: &Codes<'_>, slots: impl Iterator<Item = Slot>) -> Vec<Vec<Slot>> {
    let mut groups: Vec<Vec<Slot>> = Vec::new();
    for slot in slots {
        let code = codes.code(slot);
        match groups.iter_mut().find(|group| codes.code(group[0]) == code) {
            Some(group) => group.push(slot),
            None => groups.push(vec![slot]),
        }
    }
    groups.retain(|group| group.len() > 1);
    groups
}
