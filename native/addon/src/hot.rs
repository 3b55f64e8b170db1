//! The functions called per request, over Node-API directly. Each reads its arguments, borrows the bytes for the
//! length of the call, and answers a number.
//!
//! Every `bytes`/`doubles` call here is sound for the same reason: the call is synchronous, no JavaScript runs
//! until it returns, and each borrows a different argument, or ends before the next begins. Memory that two threads
//! see is one's at a time: it changes hands with a message.

use std::ffi::CStr;
use std::ptr;

use napi::bindgen_prelude::{JsValue, Object};
use napi::sys;
use segment::pack::pack;
use segment::segment::Append;
use segment::verify::{seal_and_verify, verify, Rules, MOST_FAILED};

use crate::handles;
use crate::raw::{argument, error_value, Arguments, Outcome};

type Callback = unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value;

const FUNCTIONS: [(&CStr, Callback); 15] = [
    (c"crc32c", crc32c),
    (c"uncoveredCrc32c", uncovered_crc32c),
    (c"verifyBatch", verify_batch),
    (c"packRecords", pack_records),
    (c"copyBytes", copy_bytes),
    (c"segmentAppend", segment_append),
    (c"segmentFlush", segment_flush),
    (c"segmentSize", segment_size),
    (c"segmentReadPlan", segment_read_plan),
    (c"segmentRead", segment_read),
    (c"segmentSend", segment_send),
    (c"socketSend", socket_send),
    (c"socketCork", socket_cork),
    (c"segmentFindTimestamp", segment_find_timestamp),
    (c"segmentSync", segment_sync),
];

pub fn register(env: &napi::Env, exports: &Object) -> napi::Result<()> {
    for (name, callback) in FUNCTIONS {
        let mut function = ptr::null_mut();
        // SAFETY: module registration runs on the environment's thread; the name is NUL-terminated and static.
        let status = unsafe {
            sys::napi_create_function(
                env.raw(),
                name.as_ptr(),
                name.to_bytes().len() as isize,
                Some(callback),
                ptr::null_mut(),
                &mut function,
            )
        };
        // SAFETY: as above; `exports` is an object of this environment.
        let set = unsafe { sys::napi_set_named_property(env.raw(), exports.raw(), name.as_ptr(), function) };
        if status != sys::Status::napi_ok || set != sys::Status::napi_ok {
            return Err(napi::Error::from_reason(format!("cannot export {name:?}")));
        }
    }
    Ok(())
}

unsafe extern "C" fn crc32c(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the arguments of this callback.
    let args = unsafe { Arguments::<3>::read(env, info) };
    args.finish((|| {
        let (offset, length) = (args.size(1)?, args.size(2)?);
        // SAFETY: see the head of this file.
        let data = unsafe { args.bytes(0, offset, length) }?;
        Ok(segment::crc::crc32c(data) as f64)
    })())
}

unsafe extern "C" fn uncovered_crc32c(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the arguments of this callback.
    let args = unsafe { Arguments::<3>::read(env, info) };
    args.finish((|| {
        let (offset, length) = (args.size(1)?, args.size(2)?);
        // SAFETY: see the head of this file.
        let data = unsafe { args.bytes(0, offset, length) }?;
        Ok(segment::uncovered::uncovered_crc32c(data) as f64)
    })())
}

unsafe extern "C" fn verify_batch(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the arguments of this callback.
    let args = unsafe { Arguments::<8>::read(env, info) };
    args.finish((|| {
        let (offset, length, flags) = (args.size(1)?, args.size(2)?, args.integer(3)?);
        let rules = Rules {
            require_key: flags & 1 != 0,
            from_client: flags & 2 != 0,
            check_timestamps: flags & 4 != 0,
            min_timestamp: args.integer(4)?,
            max_timestamp: args.integer(5)?,
            max_uncompressed: args.size(6)? as u64,
        };
        // SAFETY: see the head of this file.
        let data = unsafe { args.bytes(0, offset, length) }?;
        let (verdict, found) = if flags & 8 != 0 { seal_and_verify(data, &rules) } else { verify(data, &rules) };
        // SAFETY: `data` is not used any more.
        let out = unsafe { args.doubles(7, 6 + MOST_FAILED) }?;
        out[0] = found.records as f64;
        out[1] = found.max_timestamp as f64;
        out[2] = found.max_timestamp_delta as f64;
        out[3] = found.failed_index as f64;
        out[4] = found.uncompressed_size as f64;
        out[5] = found.failed.len() as f64;
        for (slot, index) in out[6..].iter_mut().zip(&found.failed) {
            *slot = *index as f64;
        }
        Ok(verdict as u8 as f64)
    })())
}

unsafe extern "C" fn pack_records(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the arguments of this callback.
    let args = unsafe { Arguments::<9>::read(env, info) };
    args.finish((|| {
        let (position, limit, from) = (args.size(1)?, args.size(2)?, args.size(5)?);
        let (first_delta, timestamp_delta) = (args.integer(6)? as i32, args.integer(7)?);
        // SAFETY: see the head of this file; that the first two are different memory is checked below, before they are used.
        let (target, values, offsets) = unsafe { (args.bytes(0, 0, limit)?, args.all_bytes(3)?, args.integers(4)?) };
        let (to, of) = (target.as_ptr_range(), values.as_ptr_range());
        if to.start < of.end && of.start < to.end {
            return Err(argument("the values must not lie in the batch's own memory"));
        }
        let packed = pack(target, position, values, offsets, from, first_delta, timestamp_delta).map_err(|index| {
            argument(&format!("the offsets of value {index} do not lie within the {} bytes of values", values.len()))
        })?;
        // SAFETY: the other borrows are not used any more.
        let out = unsafe { args.doubles(8, 1) }?;
        out[0] = packed.next as f64;
        Ok(packed.position as f64)
    })())
}

unsafe extern "C" fn copy_bytes(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the arguments of this callback.
    let args = unsafe { Arguments::<3>::read(env, info) };
    args.finish((|| {
        let at = args.size(2)?;
        // SAFETY: see the head of this file; that they are different memory is checked below, before they are used.
        let source = unsafe { args.all_bytes(1) }?;
        // SAFETY: as above.
        let target = unsafe { args.bytes(0, at, source.len()) }?;
        let (to, of) = (target.as_ptr_range(), source.as_ptr_range());
        if to.start < of.end && of.start < to.end {
            return Err(argument("the bytes must not lie in the memory that they are copied to"));
        }
        target.copy_from_slice(source);
        Ok(source.len() as f64)
    })())
}

unsafe extern "C" fn segment_append(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the arguments of this callback.
    let args = unsafe { Arguments::<9>::read(env, info) };
    args.finish((|| {
        let (handle, offset, length) = (args.number(0)?, args.size(2)?, args.size(3)?);
        let append = Append {
            assign_offset: args.integer(4)?,
            leader_epoch: args.integer(5)? as i32,
            log_append_time: args.integer(6)?,
            max_timestamp: args.integer(7)?,
        };
        // SAFETY: see the head of this file.
        let data = unsafe { args.bytes(1, offset, length) }?;
        handles::with(handle, |s| s.append(data, &append)).map(|staged| staged as f64)
    })())
}

unsafe extern "C" fn segment_flush(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the arguments of this callback.
    let args = unsafe { Arguments::<1>::read(env, info) };
    args.finish((|| handles::with(args.number(0)?, |s| s.flush()).map(|size| size as f64))())
}

unsafe extern "C" fn segment_size(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the arguments of this callback.
    let args = unsafe { Arguments::<1>::read(env, info) };
    args.finish((|| handles::with(args.number(0)?, |s| Ok(s.size() as f64)))())
}

unsafe extern "C" fn segment_read_plan(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the arguments of this callback.
    let args = unsafe { Arguments::<6>::read(env, info) };
    args.finish((|| {
        let (handle, start, max_offset) = (args.number(0)?, args.integer(1)?, args.integer(2)?);
        let (max_bytes, min_one) = (args.size(3)? as u64, args.boolean(4)?);
        // SAFETY: see the head of this file.
        let out = unsafe { args.doubles(5, 6) }?;
        let plan = handles::with(handle, |s| s.plan(start, max_offset, max_bytes, min_one))?;
        out[0] = plan.position.map_or(-1.0, |p| p as f64);
        out[1] = plan.size as f64;
        out[2] = plan.first_batch_size as f64;
        let (first, last) = plan.damaged.unwrap_or((-1, -1));
        out[3] = first as f64;
        out[4] = last as f64;
        out[5] = plan.first_base_offset as f64;
        Ok(plan.size as f64)
    })())
}

unsafe extern "C" fn segment_read(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the arguments of this callback.
    let args = unsafe { Arguments::<5>::read(env, info) };
    args.finish((|| {
        let (handle, position, length, at) = (args.number(0)?, args.size(1)? as u64, args.size(2)?, args.size(4)?);
        // SAFETY: see the head of this file.
        let target = unsafe { args.bytes(3, at, length) }?;
        handles::with(handle, |s| s.read(position, target)).map(|n| n as f64)
    })())
}

unsafe extern "C" fn segment_send(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the arguments of this callback.
    let args = unsafe { Arguments::<4>::read(env, info) };
    args.finish((|| {
        let (handle, position, length, descriptor) =
            (args.number(0)?, args.size(1)? as u64, args.size(2)?, args.integer(3)? as i32);
        handles::with(handle, |s| s.send(position, length, descriptor)).map(|n| n as f64)
    })())
}

unsafe extern "C" fn socket_send(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the arguments of this callback.
    let args = unsafe { Arguments::<3>::read(env, info) };
    args.finish((|| {
        let (descriptor, length) = (args.integer(0)? as i32, args.size(2)?);
        // SAFETY: see the head of this file.
        let bytes = unsafe { args.bytes(1, 0, length) }?;
        Ok(segment::net::send(descriptor, bytes) as f64)
    })())
}

unsafe extern "C" fn socket_cork(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the arguments of this callback.
    let args = unsafe { Arguments::<2>::read(env, info) };
    args.finish((|| {
        segment::net::cork(args.integer(0)? as i32, args.boolean(1)?);
        Ok(0.0)
    })())
}

unsafe extern "C" fn segment_find_timestamp(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the arguments of this callback.
    let args = unsafe { Arguments::<5>::read(env, info) };
    args.finish((|| {
        let (handle, timestamp, start, limit) = (args.number(0)?, args.integer(1)?, args.integer(2)?, args.size(3)?);
        // SAFETY: see the head of this file.
        let out = unsafe { args.doubles(4, 3) }?;
        let found = handles::with(handle, |s| s.find_timestamp(timestamp, start, limit))?;
        out[0] = found.map_or(-1.0, |f| f.offset as f64);
        out[1] = found.map_or(-1.0, |f| f.timestamp as f64);
        out[2] = found.map_or(-1.0, |f| f.leader_epoch as f64);
        Ok(out[0])
    })())
}

/// A sync on its way through libuv's pool.
struct Syncing {
    job: segment::segment::SyncJob,
    result: Option<Outcome<u64>>,
    deferred: sys::napi_deferred,
    work: sys::napi_async_work,
}

unsafe extern "C" fn segment_sync(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: the arguments of this callback.
    let args = unsafe { Arguments::<2>::read(env, info) };
    let started = (|| {
        let (handle, with_indexes) = (args.number(0)?, args.boolean(1)?);
        let job = handles::with(handle, |s| s.sync_job(with_indexes))?;
        // SAFETY: `env` is that of the running callback.
        unsafe { start_sync(env, job) }
    })();
    match started {
        Ok(promise) => promise,
        Err(error) => args.finish(Err(error)),
    }
}

/// # Safety
/// Runs in a callback of `env`.
unsafe fn start_sync(env: sys::napi_env, job: segment::segment::SyncJob) -> Outcome<sys::napi_value> {
    let mut promise = ptr::null_mut();
    let mut deferred = ptr::null_mut();
    let mut name = ptr::null_mut();
    let label = c"millrace:sync";
    // SAFETY: out pointers are valid; the label is static.
    unsafe {
        sys::napi_create_promise(env, &mut deferred, &mut promise);
        sys::napi_create_string_utf8(env, label.as_ptr(), label.to_bytes().len() as isize, &mut name);
    }
    if cfg!(feature = "simulation") {
        // Virtual time decides when things end: nothing may run beside it.
        let mut done = Syncing { result: None, job, deferred, work: ptr::null_mut() };
        done.result = Some(done.job.run());
        // SAFETY: `env` is that of the running callback, and the promise is settled here alone.
        unsafe { settle(env, &done) };
        return Ok(promise);
    }
    let state = Box::into_raw(Box::new(Syncing { job, result: None, deferred, work: ptr::null_mut() }));
    // SAFETY: `state` stays allocated until `sync_done` takes it back; only `sync_run` touches it in between, on
    // the pool thread, and libuv orders the two.
    let status = unsafe {
        let created = sys::napi_create_async_work(
            env,
            ptr::null_mut(),
            name,
            Some(sync_run),
            Some(sync_done),
            state.cast(),
            &mut (*state).work,
        );
        if created == sys::Status::napi_ok {
            sys::napi_queue_async_work(env, (*state).work)
        } else {
            created
        }
    };
    if status != sys::Status::napi_ok {
        // SAFETY: nothing was queued, so `state` is still ours alone.
        drop(unsafe { Box::from_raw(state) });
        return Err(argument("cannot queue the sync"));
    }
    Ok(promise)
}

unsafe extern "C" fn sync_run(_env: sys::napi_env, data: *mut std::ffi::c_void) {
    // SAFETY: `data` is the `Syncing` of `start_sync`, which nobody else touches while this runs.
    let state = unsafe { &mut *data.cast::<Syncing>() };
    state.result = Some(state.job.run());
}

unsafe extern "C" fn sync_done(env: sys::napi_env, _status: sys::napi_status, data: *mut std::ffi::c_void) {
    // SAFETY: made by `start_sync`, and the work that used it is over.
    let state = unsafe { Box::from_raw(data.cast::<Syncing>()) };
    // SAFETY: runs on the environment's thread; `deferred` is settled exactly once.
    unsafe {
        settle(env, &state);
        sys::napi_delete_async_work(env, state.work);
    }
}

/// # Safety
/// Runs on the thread of `env`, once for each `deferred`.
unsafe fn settle(env: sys::napi_env, state: &Syncing) {
    // SAFETY: as the caller promises.
    unsafe {
        match &state.result {
            Some(Ok(size)) => {
                let mut value = ptr::null_mut();
                sys::napi_create_double(env, *size as f64, &mut value);
                sys::napi_resolve_deferred(env, state.deferred, value);
            }
            Some(Err(error)) => {
                sys::napi_reject_deferred(env, state.deferred, error_value(env, error));
            }
            None => {
                let error = segment::Error::new("ERR_MILLRACE_CANCELLED", "the sync was cancelled: the thread is ending");
                sys::napi_reject_deferred(env, state.deferred, error_value(env, &error));
            }
        }
    }
}
