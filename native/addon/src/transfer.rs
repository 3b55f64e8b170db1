//! The door to the threads that move large answers to sockets (`segment::transfer`).

use napi::bindgen_prelude::{FnArgs, Function, Uint8Array};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;

use crate::cold::{thrown, Result};
use crate::handles;

#[napi]
pub struct Transfers {
    inner: segment::transfer::Transfers,
}

#[napi]
impl Transfers {
    #[napi(constructor)]
    pub fn new(ended: Function<FnArgs<(f64, f64)>, ()>) -> napi::Result<Self> {
        // Weak: transfers alone keep no event loop alive, their sockets do.
        let ended = ended.build_threadsafe_function().weak::<true>().build()?;
        let inner = segment::transfer::Transfers::new(move |socket, bytes| {
            // A thread that has ended is told nothing.
            let _ = ended.call((socket as f64, bytes as f64).into(), ThreadsafeFunctionCallMode::NonBlocking);
        });
        Ok(Transfers { inner })
    }

    #[napi]
    pub fn open(&mut self, descriptor: i32, threads: u32) -> f64 {
        self.inner.open(descriptor, threads as usize).map_or(-1.0, |socket| socket as f64)
    }

    #[napi]
    pub fn add_bytes(&mut self, socket: f64, bytes: Uint8Array) -> bool {
        self.inner.add_bytes(socket as u64, &bytes)
    }

    #[napi]
    pub fn add_segment(&mut self, socket: f64, handle: f64, position: f64, length: f64) -> Result<bool> {
        let file = handles::with(handle, |s| s.share(position as u64, length as usize)).map_err(thrown)?;
        Ok(file.is_some_and(|file| self.inner.add_file(socket as u64, file, position as u64, length as usize)))
    }

    #[napi]
    pub fn begin(&mut self, socket: f64) -> bool {
        self.inner.begin(socket as u64)
    }

    #[napi]
    pub fn moved(&self, socket: f64) -> f64 {
        self.inner.moved(socket as u64) as f64
    }

    #[napi]
    pub fn close(&mut self, socket: f64) {
        self.inner.close(socket as u64);
    }
}
