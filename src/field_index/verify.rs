//! Everything that can be wrong with an index, looked for.

use super::column::ColumnView;
use super::column::Dictionary;
use super::corrupt;
use super::directory::Node;
use super::gather::Gather;
use super::places::code;
use super::view::FieldIndex;
use crate::error::Result;
use crate::slots::SlotSet;

impl<'a> FieldIndex<'a> {
    /// Reads all of the index and compares its parts with each other: values are distinct and sorted, ordinals and slots agree,
    /// sets and lists are what they say.
    ///
    /// # Errors
    /// `Corrupt` for the first thing that is wrong.
    pub(crate) fn verify(&self) -> Result<()> {
        for node in &self.directory.nodes {
            self.verify_node(node)?;
        }
        Ok(())
    }

    fn verify_node(&self, node: &'a Node) -> Result<()> {
        let exists = self.set(&node.exists)?;
        let arrays = self.set(&node.arrays)?;
        for set in [&node.mixed, &node.nested] {
            if !self.set(set)?.and_not(&arrays).is_empty() {
                return Err(corrupt(set.start, "slots with arrays in a set are not among those with arrays"));
            }
        }
        if !arrays.and_not(&exists).is_empty() {
            return Err(corrupt(node.arrays.start, "slots with arrays are not among those with values"));
        }
        self.set(&node.rest)?;
        for column in &node.columns {
            let view = self.view(node, column)?;
            verify_dictionary(&view)?;
            self.verify_slots(&view, &exists)?;
        }
        Ok(())
    }

    /// Compares ordinals with lists.
    fn verify_slots(&self, view: &ColumnView<'_>, exists: &SlotSet) -> Result<()> {
        let problem = |problem: &str| corrupt(view.column.start, problem);
        let limit = self.limit() as usize;
        let (mut lowest, mut highest) = (vec![u32::MAX; limit], vec![u32::MAX; limit]);
        let mut pairs = 0;
        for entry in 0..view.entries() {
            let range = entry..entry + 1;
            let count = view.postings.count(&range)?;
            pairs += u64::from(count);
            let slots = match view.postings.is_by_ordinals(entry)? {
                true => view.slots(std::slice::from_ref(&range))?,
                false => {
                    let mut slots = Gather::new(self.limit(), count as usize, 1);
                    view.postings.read(range, &mut slots)?;
                    slots.finish()
                }
            };
            if slots.len() != count as usize || count == 0 || !slots.and_not(exists).is_empty() {
                return Err(problem("a value does not have the slots that it should"));
            }
            for slot in slots.iter() {
                let slot = slot as usize;
                lowest[slot] = lowest[slot].min(entry);
                highest[slot] = entry;
            }
        }
        if pairs != u64::from(view.column.pairs) || (lowest != highest) != view.column.many {
            return Err(problem("the values do not have as many slots as they should"));
        }
        for (ordinals, wanted) in [(view.lowest()?, lowest), (view.highest()?, highest)] {
            let Some(ordinals) = ordinals else { continue };
            let differs = |(slot, wanted): (u32, u32)| {
                ordinals.at(slot) != Some(wanted).filter(|wanted| *wanted != u32::MAX)
            };
            if (0..).zip(wanted).any(differs) {
                return Err(problem("an ordinal is not that of the slot's value"));
            }
        }
        Ok(())
    }
}

/// Values are distinct, sorted, and of their kind.
fn verify_dictionary(view: &ColumnView<'_>) -> Result<()> {
    let unsorted = || corrupt(view.column.start, "values are out of order");
    if !matches!(view.dictionary, Dictionary::Texts(_)) {
        (0..view.entries()).try_for_each(|entry| view.value(entry).map(drop))?;
    }
    for entry in 1..view.entries() {
        let ascends = match &view.dictionary {
            Dictionary::Numbers(numbers) => numbers.get(entry - 1)? < numbers.get(entry)?,
            Dictionary::Texts(_) => true,
            Dictionary::Places(places) => {
                let (last, next) = (places.get(entry - 1)?, places.get(entry)?);
                let key = |place: crate::metadata::GeoPoint| {
                    (code(place), place.lat().to_bits(), place.lon().to_bits())
                };
                key(last) < key(next)
            }
        };
        if !ascends {
            return Err(unsorted());
        }
    }
    if let Dictionary::Texts(texts) = &view.dictionary {
        let mut last: Option<String> = None;
        texts.each(0..view.entries(), |_, text| match last.replace(text.to_owned()) {
            Some(last) if last.as_str() >= text => Err(unsorted()),
            _ => Ok(()),
        })?;
    }
    Ok(())
}
