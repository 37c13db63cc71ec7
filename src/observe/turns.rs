//! Waiting inquiries, of which the look-up groups of the relays take turns.

use std::collections::{HashMap, VecDeque};

use super::place::Place;
use crate::relay::Prefix;

/// The maximum number of groups that are looked at to find an inquiry that gives way.
const DROP_LOOKS: usize = 64;

/// Inquiries that wait. Each group in turn gives its oldest one.
#[derive(Debug)]
pub(super) struct Turns<T> {
    /// Never contains an empty queue.
    groups: HashMap<Prefix, VecDeque<(Place, T)>>,
    /// Every group once, the next one first.
    order: VecDeque<Prefix>,
    waiting: usize,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Turns { groups: HashMap::new(), order: VecDeque::new(), waiting: 0 }
    }
}

impl<T> Turns<T> {
    /// The number of inquiries that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// Adds an inquiry behind those of its group.
    pub(super) fn push(&mut self, place: Place, what: T) {
        let queue = self.groups.entry(place.group).or_default();
        if queue.is_empty() {
            self.order.push_back(place.group);
        }
        queue.push_back((place, what));
        self.waiting += 1;
    }

    /// Takes the oldest inquiry that `may_run` of the first group that has one.
    pub(super) fn take(&mut self, may_run: impl Fn(&Place) -> bool) -> Option<(Place, T)> {
        for _ in 0..self.order.len() {
            let group = self.order.pop_front()?;
            let queue = self.groups.get_mut(&group)?;
            let first = queue.iter().position(|(place, _)| may_run(place));
            let taken = first.and_then(|at| queue.remove(at));
            if queue.is_empty() {
                self.groups.remove(&group);
            } else {
                self.order.push_back(group);
            }
            if taken.is_some() {
                self.waiting -= 1;
                return taken;
            }
        }
        None
    }

    /// Drops the newest inquiry of a group if it `gives_way`, beginning with the group whose turn is
    /// last. Looks at no more than [`DROP_LOOKS`] groups.
    pub(super) fn drop_last(&mut self, gives_way: impl Fn(&Place) -> bool) -> Option<Place> {
        let newest = |group: &Prefix| self.groups.get(group).and_then(|queue| queue.back());
        let may_drop = |group: &Prefix| newest(group).is_some_and(|(place, _)| gives_way(place));
        let (at, &group) =
            self.order.iter().enumerate().rev().take(DROP_LOOKS).find(|(_, group)| may_drop(group))?;
        let queue = self.groups.get_mut(&group)?;
        let (place, _) = queue.pop_back()?;
        if queue.is_empty() {
            self.groups.remove(&group);
            self.order.remove(at);
        }
        self.waiting -= 1;
        Some(place)
    }
}
