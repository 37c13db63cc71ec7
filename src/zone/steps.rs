//! A map from address ranges to values, stored as the addresses at which the value changes.

/// One of this many steps is copied into a short table that is searched first.
const SAMPLED: usize = 64;

/// An address of one family, as an integer.
pub trait Position: Copy + Ord {
    /// The last address.
    const LAST: Self;

    /// The next address; `None` for the last one.
    fn next(self) -> Option<Self>;
    /// The previous address; `None` for the first one.
    fn previous(self) -> Option<Self>;
}

impl Position for u32 {
    const LAST: Self = u32::MAX;

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn previous(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

impl Position for u128 {
    const LAST: Self = u128::MAX;

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn previous(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

/// A value for every address. Addresses before the first step have the default value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps<K, V> {
    /// The addresses at which the value changes, in ascending order.
    starts: Vec<K>,
    values: Vec<V>,
    /// Every `SAMPLED`th element of `starts`.
    sample: Vec<K>,
}

impl<K, V> Default for Steps<K, V> {
    fn default() -> Self {
        Steps { starts: Vec::new(), values: Vec::new(), sample: Vec::new() }
    }
}

/// A range of addresses with one value. Any two blocks of a set are either nested or disjoint.
#[derive(Clone, Copy, Debug)]
pub struct ValueRange<K, V> {
    /// The first address.
    pub first: K,
    /// The last address.
    pub last: K,
    /// The value of the addresses.
    pub value: V,
}

impl<K: Position, V: Copy + Eq + Default> Steps<K, V> {
    /// Builds the map from blocks. Within a larger block a smaller one takes precedence; of equal
    /// blocks, the last.
    pub fn of(mut blocks: Vec<ValueRange<K, V>>) -> Self {
        blocks.sort_by(|one, other| one.first.cmp(&other.first).then(other.last.cmp(&one.last)));
        let mut steps = Steps::default();
        let mut around: Vec<ValueRange<K, V>> = Vec::new();
        for block in blocks {
            steps.close(&mut around, Some(block.first));
            steps.step(block.first, block.value);
            around.push(block);
        }
        steps.close(&mut around, None);
        steps.starts.shrink_to_fit();
        steps.values.shrink_to_fit();
        steps.sample = steps.starts.iter().step_by(SAMPLED).copied().collect();
        steps
    }

    /// Closes the blocks that end before an address, or all blocks for `None`.
    fn close(&mut self, around: &mut Vec<ValueRange<K, V>>, before: Option<K>) {
        while let Some(block) = around.pop_if(|block| before.is_none_or(|first| block.last < first)) {
            // `step` merges the ends of blocks that end at the same address.
            let outer = around.last().map_or(V::default(), |outer| outer.value);
            if let Some(next) = block.last.next() {
                self.step(next, outer);
            }
        }
    }

    fn step(&mut self, start: K, value: V) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.values.pop();
        }
        if *self.values.last().unwrap_or(&V::default()) != value {
            self.starts.push(start);
            self.values.push(value);
        }
    }

    /// The place of the step that gives an address its value; `None` before the first step.
    fn place(&self, key: K) -> Option<usize> {
        let from = self.sample.partition_point(|start| *start <= key).checked_sub(1)? * SAMPLED;
        let to = (from + SAMPLED).min(self.starts.len());
        Some(from + self.starts[from..to].partition_point(|start| *start <= key) - 1)
    }

    /// The value of an address.
    pub fn at(&self, key: K) -> V {
        self.place(key).map_or(V::default(), |place| self.values[place])
    }

    /// The ranges of equal value between `first` and `last`, in ascending order, including ranges
    /// of the default value.
    pub fn between(&self, first: K, last: K) -> impl Iterator<Item = ValueRange<K, V>> {
        let place = self.place(first);
        let mut next = place.map_or(0, |place| place + 1);
        let mut open = Some((first, place.map_or(V::default(), |place| self.values[place])));
        std::iter::from_fn(move || {
            let (from, value) = open.take()?;
            let following = self.starts.get(next).filter(|start| **start <= last);
            let end = following.and_then(|start| start.previous());
            open = following.map(|start| (*start, self.values[next]));
            next += 1;
            Some(ValueRange { first: from, last: end.unwrap_or(last), value })
        })
    }

    /// The addresses at which the value changes, in ascending order.
    pub fn starts(&self) -> impl Iterator<Item = K> {
        self.starts.iter().copied()
    }

    /// Whether all addresses have the default value.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Compares the map with a search through all blocks: the smallest block that contains an
    /// address gives its value.
    #[test]
    fn the_smallest_block_decides() {
        let block = (0..64u32, 0..=6u32, 1..5u8).prop_map(|(at, bits, value)| {
            let first = at >> bits << bits;
            ValueRange { first, last: first + (1 << bits) - 1, value }
        });
        let mut runner = proptest::test_runner::TestRunner::default();
        runner
            .run(&proptest::collection::vec(block, 0..40), |blocks| {
                let steps = Steps::of(blocks.clone());
                for key in 0..80 {
                    let same = blocks.iter().filter(|block| (block.first..=block.last).contains(&key));
                    let smallest = same.clone().map(|block| block.last - block.first).min();
                    let values: Vec<u8> = same
                        .filter(|block| Some(block.last - block.first) == smallest)
                        .map(|block| block.value)
                        .collect();
                    prop_assert_eq!(steps.at(key), values.last().copied().unwrap_or(0));
                    for last in [key, key + 7, 90] {
                        let mut next = key;
                        for stretch in steps.between(key, last) {
                            prop_assert_eq!(stretch.first, next);
                            for at in stretch.first..=stretch.last {
                                prop_assert_eq!(steps.at(at), stretch.value);
                            }
                            next = stretch.last + 1;
                        }
                        prop_assert_eq!(next, last + 1);
                    }
                }
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn the_last_address_of_all_ends_a_block() {
        let steps = Steps::of(vec![
            ValueRange { first: 0u32, last: u32::MAX, value: 1u8 },
            ValueRange { first: u32::MAX, last: u32::MAX, value: 2 },
        ]);
        assert_eq!((steps.at(0), steps.at(u32::MAX - 1), steps.at(u32::MAX)), (1, 1, 2));
    }
}
