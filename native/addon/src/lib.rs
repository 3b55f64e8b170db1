//! The Node door of the `segment` crate: argument checks, handles, error codes. No file format, no policy.
//!
//! What is called per request (`hot.rs`) speaks Node-API directly, because a generated wrapper takes a reference
//! to every typed array; the rest is generated. The contract is `src/log/native.ts`.

// A test build generates no wrappers, so nothing calls these functions; their tests are in Node.
#![cfg_attr(test, allow(dead_code))]

mod cold;
mod handles;
mod hot;
mod raw;
#[cfg(feature = "simulation")]
mod simulation;
mod storage;
mod transfer;

use napi::bindgen_prelude::Object;
use napi_derive::napi;

#[napi(module_exports)]
pub fn exports(exports: Object, env: napi::Env) -> napi::Result<()> {
    hot::register(&env, &exports)
}
