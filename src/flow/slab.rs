//! Items that stay where they are, in the order in which they came.

/// Grows by pieces, so that nothing is ever copied and no more memory is taken than a piece too much.
#[derive(Debug)]
pub(super) struct Slab<T> {
    pieces: Vec<Vec<T>>,
    len: usize,
}

/// Items of one piece.
const PIECE: usize = 64;

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pieces: Vec::new(), len: 0 }
    }
}

impl<T> Slab<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds an item; its place is the number of items before it.
    pub(super) fn push(&mut self, item: T) -> usize {
        if self.len.is_multiple_of(PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(item);
        }
        let place = self.len;
        self.len = self.len.saturating_add(1);
        place
    }

    pub(super) fn get(&self, place: usize) -> Option<&T> {
        self.pieces.get(place / PIECE)?.get(place % PIECE)
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.pieces.get_mut(place / PIECE)?.get_mut(place % PIECE)
    }

    /// Takes away the items whose places are not to be kept, and moves the others together, in order. Gives the new place
    /// of each old one.
    pub(super) fn keep(
        &mut self,
        keep: impl Fn(usize) -> bool,
        mut taken: impl FnMut(T),
    ) -> Vec<Option<usize>> {
        let mut places = Vec::with_capacity(self.len);
        for item in std::mem::take(self).pieces.into_iter().flatten() {
            let kept = keep(places.len());
            places.push(kept.then_some(self.len));
            if kept {
                self.push(item);
            } else {
                taken(item);
            }
        }
        places
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pieces.iter_mut().flatten()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_keep_their_places() {
        let mut slab = Slab::default();
        for n in 0..1000 {
            assert_eq!(slab.push(n), n);
        }
        assert_eq!(
            (slab.len(), slab.get(0), slab.get(999), slab.get(1000)),
            (1000, Some(&0), Some(&999), None)
        );
        assert!(slab.iter().copied().eq(0..1000));
        if let Some(item) = slab.get_mut(500) {
            *item = 7;
        }
        assert_eq!(slab.get(500), Some(&7));
        let mut taken = Vec::new();
        let places = slab.keep(|place| place % 3 == 0, |item| taken.push(item));
        assert_eq!((slab.len(), taken.len()), (334, 666));
        assert_eq!((places[1], places[999], slab.get(333)), (None, Some(333), Some(&999)));
    }
}
