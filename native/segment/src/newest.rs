//! The newest batches of a segment that is written: where each lies, without reading the file.

/// How many are remembered.
const REMEMBERED: usize = 64;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub base_offset: i64,
    pub last_offset: i64,
    pub position: u64,
    pub size: u64,
}

/// A ring of the places of batches, in the order of their offsets. Those that are only staged are among them.
pub(crate) struct Newest {
    ring: [Place; REMEMBERED],
    count: usize,
}

impl Newest {
    pub(crate) fn new() -> Self {
        Newest { ring: [Place::default(); REMEMBERED], count: 0 }
    }

    pub(crate) fn push(&mut self, place: Place) {
        self.ring[self.count % REMEMBERED] = place;
        self.count += 1;
    }

    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }

    /// From the newest on.
    fn iter(&self) -> impl Iterator<Item = Place> + '_ {
        (1..=self.count.min(REMEMBERED)).map(|back| self.ring[(self.count - back) % REMEMBERED])
    }

    /// The batch that holds `offset`, or the first one after it. `None`: it is not remembered, or lies at or behind `end`.
    pub(crate) fn find(&self, offset: i64, end: u64) -> Option<Place> {
        let mut older = self.iter().skip(1);
        for place in self.iter() {
            if place.last_offset < offset {
                return None;
            }
            let before = older.next();
            let is_first = place.base_offset <= offset || before.is_some_and(|b| b.last_offset < offset);
            if is_first && place.position < end {
                return Some(place);
            }
        }
        None
    }

    /// Where the batches below `offset`, which is a base offset or the end, end. `None`: that is not remembered.
    pub(crate) fn end_below(&self, offset: i64) -> Option<u64> {
        let place = self.iter().find(|place| place.base_offset <= offset)?;
        Some(if place.base_offset == offset { place.position } else { place.position + place.size })
    }
}

#[cfg(test)]
mod tests {
    use super::{Newest, Place, REMEMBERED};

    /// Batches of three offsets and 100 bytes; from 30 on they begin at 40.
    fn filled(count: usize) -> Newest {
        let mut newest = Newest::new();
        for i in 0..count {
            let base_offset = i as i64 * 3 + if i < 10 { 0 } else { 10 };
            newest.push(Place { base_offset, last_offset: base_offset + 2, position: i as u64 * 100, size: 100 });
        }
        newest
    }

    #[test]
    fn an_offset_is_found_in_its_batch_or_in_the_first_one_behind_a_gap() {
        let newest = filled(20);
        for (offset, position) in [(3, 100), (29, 900), (30, 1000), (39, 1000), (42, 1000), (43, 1100), (69, 1900)] {
            assert_eq!(newest.find(offset, u64::MAX).map(|p| p.position), Some(position), "offset {offset}");
        }
        assert_eq!(newest.find(70, u64::MAX), None);
        assert_eq!(newest.find(69, 1900), None, "it is not written yet");
    }

    #[test]
    fn what_the_ring_has_lost_is_not_guessed() {
        let newest = filled(REMEMBERED + 10);
        assert_eq!(newest.find(35, u64::MAX), None, "whether a batch before the oldest ends before it is not known");
        assert_eq!(newest.find(40, u64::MAX).map(|p| p.position), Some(1000));
        assert_eq!(newest.end_below(39), None);
    }

    #[test]
    fn batches_below_an_offset_end_where_it_begins_or_before_the_gap_it_lies_in() {
        let newest = filled(20);
        for (offset, end) in [(3, 100), (35, 1000), (40, 1000), (43, 1100), (70, 2000)] {
            assert_eq!(newest.end_below(offset), Some(end), "offset {offset}");
        }
    }
}
