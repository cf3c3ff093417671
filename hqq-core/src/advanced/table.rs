//! A few things by number, one after the other: no hashing, and no panic for a build to carry.

use heapless::Vec;

/// At most `N` values by number. Looking one up looks at all of them: they are few, and mostly one.
#[derive(Debug)]
pub(super) struct Table<V, const N: usize>(Vec<(u64, V), N>);

impl<V, const N: usize> Table<V, N> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, id: u64) -> Option<&V> {
        self.iter()
            .find(|(at, _)| *at == id)
            .map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut V> {
        let mut entries = self.0.iter_mut();
        entries.find(|(at, _)| *at == id).map(|(_, value)| value)
    }

    pub(super) fn contains(&self, id: u64) -> bool {
        self.get(id).is_some()
    }

    /// Adds one, or replaces that of its number; `false` where there is no room.
    pub(super) fn insert(&mut self, id: u64, value: V) -> bool {
        if let Some(old) = self.get_mut(id) {
            *old = value;
            return true;
        }
        self.0.push((id, value)).is_ok()
    }

    /// Takes one out; the last takes its place.
    pub(super) fn remove(&mut self, id: u64) -> Option<V> {
        let at = self.iter().position(|(number, _)| number == id)?;
        let mut taken = self.0.pop()?;
        if let Some(place) = self.0.get_mut(at) {
            core::mem::swap(place, &mut taken);
        }
        Some(taken.1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        self.0.iter().map(|(id, value)| (*id, value))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}
