//! A file that holds nothing and tells of the hints it is given.

use std::io::{self, IoSlice};

use crate::storage::File;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    Writeback,
    Preallocate,
}

/// Calls the function with each hint, its position and its length.
pub struct Hints<F>(pub F);

impl<F: Fn(Hint, u64, u64) + Send + Sync> File for Hints<F> {
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Ok(0)
    }
    fn write_at(&self, _: &[IoSlice<'_>], _: u64) -> io::Result<usize> {
        Ok(0)
    }
    fn truncate(&self, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
    fn len(&self) -> io::Result<u64> {
        Ok(0)
    }
    fn start_writeback(&self, position: u64, length: u64) {
        (self.0)(Hint::Writeback, position, length);
    }
    fn preallocate(&self, position: u64, length: u64) {
        (self.0)(Hint::Preallocate, position, length);
    }
}
