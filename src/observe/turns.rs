//! Waiting inquiries, of which the sites of the relays take turns.

use std::collections::{HashMap, VecDeque};

use super::place::Place;
use crate::relay::Prefix;

/// The maximum number of sites that are looked at to find an inquiry that gives way.
const DROP_LOOKS: usize = 64;

/// Inquiries that wait. Each site in turn gives its oldest one.
#[derive(Debug)]
pub(super) struct Turns<T> {
    /// Never contains an empty queue.
    sites: HashMap<Prefix, VecDeque<(Place, T)>>,
    /// Every site once, the next one first.
    order: VecDeque<Prefix>,
    waiting: usize,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Turns { sites: HashMap::new(), order: VecDeque::new(), waiting: 0 }
    }
}

impl<T> Turns<T> {
    /// The number of inquiries that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// Adds an inquiry behind those of its site.
    pub(super) fn push(&mut self, place: Place, what: T) {
        let queue = self.sites.entry(place.site).or_default();
        if queue.is_empty() {
            self.order.push_back(place.site);
        }
        queue.push_back((place, what));
        self.waiting += 1;
    }

    /// Takes the oldest inquiry that `may_run` of the first site that has one.
    pub(super) fn take(&mut self, may_run: impl Fn(&Place) -> bool) -> Option<(Place, T)> {
        for _ in 0..self.order.len() {
            let site = self.order.pop_front()?;
            let queue = self.sites.get_mut(&site)?;
            let first = queue.iter().position(|(place, _)| may_run(place));
            let taken = first.and_then(|at| queue.remove(at));
            if queue.is_empty() {
                self.sites.remove(&site);
            } else {
                self.order.push_back(site);
            }
            if taken.is_some() {
                self.waiting -= 1;
                return taken;
            }
        }
        None
    }

    /// Drops the newest inquiry of a site if it `gives_way`, beginning with the site whose turn is
    /// last. Looks at no more than [`DROP_LOOKS`] sites.
    pub(super) fn drop_last(&mut self, gives_way: impl Fn(&Place) -> bool) -> Option<Place> {
        let newest = |site: &Prefix| self.sites.get(site).and_then(|queue| queue.back());
        let may_drop = |site: &Prefix| newest(site).is_some_and(|(place, _)| gives_way(place));
        let (at, &site) =
            self.order.iter().enumerate().rev().take(DROP_LOOKS).find(|(_, site)| may_drop(site))?;
        let queue = self.sites.get_mut(&site)?;
        let (place, _) = queue.pop_back()?;
        if queue.is_empty() {
            self.sites.remove(&site);
            self.order.remove(at);
        }
        self.waiting -= 1;
        Some(place)
    }
}
