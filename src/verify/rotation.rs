//! A line in which networks take turns, so that none of them keeps the others away. It has no side
//! effects.
//!
//! Providers take turns, and the networks of a provider take turns among themselves: the owner of an
//! IPv6 /32 has 65,536 networks, and still has one turn in each round.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use crate::relay::Prefix;

/// Where a relay waits in a [`NetworkRotation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkPlace {
    /// The IPv6 /32. An IPv4 network stands for itself.
    pub provider: Prefix,
    /// The IPv4 /24 or the IPv6 /48.
    pub network: Prefix,
}

impl NetworkPlace {
    /// The place of a relay.
    pub fn of(relay: IpAddr) -> Self {
        let network = Prefix::shared(relay);
        NetworkPlace { provider: Prefix::provider(relay).unwrap_or(network), network }
    }
}

/// What waits, of which networks take turns. What waits longest in a network comes first there.
#[derive(Debug)]
pub struct NetworkRotation<T> {
    /// The providers with something that waits, each once, the next one first.
    order: VecDeque<Prefix>,
    providers: HashMap<Prefix, ProviderLine<T>>,
    waiting: usize,
}

/// What waits in the networks of one provider.
#[derive(Debug)]
struct ProviderLine<T> {
    /// The networks with something that waits, each once, the next one first.
    order: VecDeque<Prefix>,
    networks: HashMap<Prefix, VecDeque<T>>,
}

impl<T> Default for NetworkRotation<T> {
    fn default() -> Self {
        NetworkRotation { order: VecDeque::new(), providers: HashMap::new(), waiting: 0 }
    }
}

impl<T> Default for ProviderLine<T> {
    fn default() -> Self {
        ProviderLine { order: VecDeque::new(), networks: HashMap::new() }
    }
}

impl<T> NetworkRotation<T> {
    /// How much waits.
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Whether something waits in a network.
    pub fn has(&self, place: NetworkPlace) -> bool {
        self.providers.get(&place.provider).is_some_and(|line| line.networks.contains_key(&place.network))
    }

    /// Lets something wait behind the rest of its network.
    pub fn push(&mut self, place: NetworkPlace, what: T) {
        let line = self.providers.entry(place.provider).or_default();
        if line.networks.is_empty() {
            self.order.push_back(place.provider);
        }
        let queue = line.networks.entry(place.network).or_default();
        if queue.is_empty() {
            line.order.push_back(place.network);
        }
        queue.push_back(what);
        self.waiting += 1;
    }

    /// Takes what comes next. `pick` chooses from what waits in one network, in its order, or passes over
    /// the network; providers that are not `open` are passed over as a whole. The network and the provider
    /// go to the end of the line.
    pub fn take<R>(
        &mut self,
        open: impl Fn(Prefix) -> bool,
        mut pick: impl FnMut(NetworkPlace, &VecDeque<T>) -> Option<(usize, R)>,
    ) -> Option<(T, R)> {
        let mut pick_of = |provider: Prefix, network: Prefix, line: &ProviderLine<T>| {
            let (nth, picked) = pick(NetworkPlace { provider, network }, line.networks.get(&network)?)?;
            Some((network, nth, picked))
        };
        let (provider, (network, nth, picked)) =
            self.order.iter().filter(|provider| open(**provider)).find_map(|&provider| {
                let line = self.providers.get(&provider)?;
                let found = line.order.iter().find_map(|&network| pick_of(provider, network, line))?;
                Some((provider, found))
            })?;
        let taken = self.remove_at(NetworkPlace { provider, network }, nth)?;
        Some((taken, picked))
    }

    /// Takes out the first thing in a network that `is_it`. The network and the provider keep their turns.
    pub fn remove(&mut self, place: NetworkPlace, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let line = self.providers.get_mut(&place.provider)?;
        let queue = line.networks.get_mut(&place.network)?;
        let at = queue.iter().position(is_it)?;
        let removed = queue.remove(at)?;
        self.waiting -= 1;
        if queue.is_empty() {
            line.networks.remove(&place.network);
            line.order.retain(|network| *network != place.network);
        }
        if line.networks.is_empty() {
            self.providers.remove(&place.provider);
            self.order.retain(|provider| *provider != place.provider);
        }
        Some(removed)
    }

    /// Takes out what waits at a place of a network's queue, and ends the turn of the network and of the
    /// provider.
    fn remove_at(&mut self, place: NetworkPlace, nth: usize) -> Option<T> {
        let line = self.providers.get_mut(&place.provider)?;
        let queue = line.networks.get_mut(&place.network)?;
        let taken = queue.remove(nth)?;
        self.waiting -= 1;
        let is_last = queue.is_empty();
        line.order.retain(|network| *network != place.network);
        if is_last {
            line.networks.remove(&place.network);
        } else {
            line.order.push_back(place.network);
        }
        let is_last = line.networks.is_empty();
        self.order.retain(|provider| *provider != place.provider);
        if is_last {
            self.providers.remove(&place.provider);
        } else {
            self.order.push_back(place.provider);
        }
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(relay: &str) -> NetworkPlace {
        NetworkPlace::of(relay.parse().unwrap())
    }

    /// Everything in the order in which it is taken.
    fn all(line: &mut NetworkRotation<String>) -> Vec<String> {
        std::iter::from_fn(|| line.take(|_| true, |_, _| Some((0, ())))).map(|(taken, ())| taken).collect()
    }

    #[test]
    fn the_owner_of_many_networks_has_one_turn_in_each_round() {
        let mut line = NetworkRotation::default();
        for network in 0..1_000 {
            let relay = format!("2001:db8:{network:x}::25");
            line.push(place(&relay), relay);
        }
        for relay in ["192.0.2.1", "198.51.100.1", "2001:db9::25", "192.0.2.2"] {
            line.push(place(relay), relay.to_owned());
        }
        assert_eq!(line.len(), 1_004);
        let order = all(&mut line);
        let expected =
            ["2001:db8:0::25", "192.0.2.1", "198.51.100.1", "2001:db9::25", "2001:db8:1::25", "192.0.2.2"];
        assert_eq!(order[..6], expected);
        assert_eq!(order.len(), 1_004, "nothing is lost");
        assert!(line.is_empty() && line.order.is_empty() && line.providers.is_empty());
    }

    #[test]
    fn the_networks_of_a_provider_take_turns() {
        let mut line = NetworkRotation::default();
        for relay in ["2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::3", "2001:db8:2::1"] {
            line.push(place(relay), relay.to_owned());
        }
        assert_eq!(all(&mut line), ["2001:db8:1::1", "2001:db8:2::1", "2001:db8:1::2", "2001:db8:1::3"]);
    }

    #[test]
    fn what_may_not_begin_is_passed_over_and_keeps_its_turn() {
        let mut line = NetworkRotation::default();
        for relay in ["192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8::1"] {
            line.push(place(relay), relay.to_owned());
        }
        let closed = place("192.0.2.1").provider;
        let taken = line.take(|provider| provider != closed, |_, _| Some((0, ())));
        assert_eq!(taken, Some(("198.51.100.1".to_owned(), ())));
        let second = |_: NetworkPlace, queue: &VecDeque<String>| {
            queue.iter().position(|of| of.ends_with(".2")).map(|nth| (nth, ()))
        };
        assert_eq!(line.take(|_| true, second), Some(("192.0.2.2".to_owned(), ())));
        assert_eq!(
            line.remove(place("2001:db8::1"), |of| of == "2001:db8::1"),
            Some("2001:db8::1".to_owned())
        );
        assert!(!line.has(place("2001:db8::1")) && line.has(place("192.0.2.77")));
        assert_eq!(line.remove(place("2001:db8::1"), |_| true), None);
        assert_eq!(all(&mut line), ["192.0.2.1"]);
    }
}
