//! Node-API calls by hand: reading arguments, making errors. Used where a generated wrapper costs too much.

use std::ptr;

use napi::sys;
use segment::Error;

/// What every function here returns on failure; the caller throws it.
pub type Outcome<T> = std::result::Result<T, Error>;

pub fn argument(text: &str) -> Error {
    Error::new("ERR_MILLRACE_ARGUMENT", text)
}

/// The arguments of one call. Missing ones are `undefined`.
pub struct Arguments<const N: usize> {
    env: sys::napi_env,
    values: [sys::napi_value; N],
}

impl<const N: usize> Arguments<N> {
    /// # Safety
    /// `env` and `info` are those of the callback that runs now.
    pub unsafe fn read(env: sys::napi_env, info: sys::napi_callback_info) -> Self {
        let mut values = [ptr::null_mut(); N];
        let mut count = N;
        // SAFETY: `values` has room for `count` entries; the other out pointers may be null.
        unsafe {
            sys::napi_get_cb_info(env, info, &mut count, values.as_mut_ptr(), ptr::null_mut(), ptr::null_mut());
        }
        Arguments { env, values }
    }

    pub fn number(&self, at: usize) -> Outcome<f64> {
        let mut value = 0.0;
        // SAFETY: `values[at]` is a value of the running callback.
        let status = unsafe { sys::napi_get_value_double(self.env, self.values[at], &mut value) };
        if status == sys::Status::napi_ok {
            Ok(value)
        } else {
            Err(argument(&format!("argument {at} must be a number")))
        }
    }

    pub fn integer(&self, at: usize) -> Outcome<i64> {
        Ok(self.number(at)? as i64)
    }

    pub fn size(&self, at: usize) -> Outcome<usize> {
        let value = self.number(at)?;
        if value >= 0.0 {
            Ok(value as usize)
        } else {
            Err(argument(&format!("argument {at} must not be negative")))
        }
    }

    pub fn boolean(&self, at: usize) -> Outcome<bool> {
        let mut value = false;
        // SAFETY: `values[at]` is a value of the running callback.
        let status = unsafe { sys::napi_get_value_bool(self.env, self.values[at], &mut value) };
        if status == sys::Status::napi_ok {
            Ok(value)
        } else {
            Err(argument(&format!("argument {at} must be a boolean")))
        }
    }

    /// # Safety
    /// The slice lives only until the callback returns, no other slice of the same memory may be alive, and no
    /// JavaScript may run meanwhile.
    unsafe fn typed<'a, T>(&self, at: usize, kind: i32, name: &str) -> Outcome<&'a mut [T]> {
        let mut actual = 0;
        let mut length = 0;
        let mut data = ptr::null_mut();
        // SAFETY: all out pointers are valid or null; the value belongs to the running callback.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                self.env,
                self.values[at],
                &mut actual,
                &mut length,
                &mut data,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        if status != sys::Status::napi_ok || actual != kind {
            return Err(argument(&format!("argument {at} must be a {name}")));
        }
        if length == 0 || data.is_null() {
            return Ok(&mut []);
        }
        // SAFETY: V8 gives the address and element count of live, aligned memory of this element type; the
        // caller promises exclusiveness and that it ends with the callback.
        Ok(unsafe { std::slice::from_raw_parts_mut(data.cast::<T>(), length) })
    }

    /// A range of a `Uint8Array`.
    ///
    /// # Safety
    /// As `typed`.
    pub unsafe fn bytes<'a>(&self, at: usize, offset: usize, length: usize) -> Outcome<&'a mut [u8]> {
        // SAFETY: passed on to the caller.
        let all = unsafe { self.typed::<u8>(at, sys::TypedarrayType::uint8_array, "Uint8Array") }?;
        let size = all.len();
        match offset.checked_add(length) {
            Some(end) if end <= size => Ok(&mut all[offset..end]),
            _ => Err(argument(&format!("range [{offset}, +{length}) is outside of argument {at} ({size} bytes)"))),
        }
    }

    /// A `Float64Array` of at least `slots` elements.
    ///
    /// # Safety
    /// As `typed`.
    pub unsafe fn doubles<'a>(&self, at: usize, slots: usize) -> Outcome<&'a mut [f64]> {
        // SAFETY: passed on to the caller.
        let all = unsafe { self.typed::<f64>(at, sys::TypedarrayType::float64_array, "Float64Array") }?;
        if all.len() < slots {
            return Err(argument(&format!("argument {at} needs {slots} slots, has {}", all.len())));
        }
        Ok(all)
    }

    /// An `Int32Array`.
    ///
    /// # Safety
    /// As `typed`.
    pub unsafe fn integers<'a>(&self, at: usize) -> Outcome<&'a mut [i32]> {
        // SAFETY: passed on to the caller.
        unsafe { self.typed::<i32>(at, sys::TypedarrayType::int32_array, "Int32Array") }
    }

    /// A whole `Uint8Array`.
    ///
    /// # Safety
    /// As `typed`.
    pub unsafe fn all_bytes<'a>(&self, at: usize) -> Outcome<&'a mut [u8]> {
        // SAFETY: passed on to the caller.
        unsafe { self.typed::<u8>(at, sys::TypedarrayType::uint8_array, "Uint8Array") }
    }

    /// The result as a JavaScript number, or the error thrown.
    pub fn finish(&self, outcome: Outcome<f64>) -> sys::napi_value {
        match outcome {
            Ok(value) => {
                let mut result = ptr::null_mut();
                // SAFETY: `env` is that of the running callback.
                unsafe { sys::napi_create_double(self.env, value, &mut result) };
                result
            }
            Err(error) => {
                // SAFETY: as above.
                unsafe { sys::napi_throw(self.env, error_value(self.env, &error)) };
                ptr::null_mut()
            }
        }
    }
}

/// A JavaScript `Error` with `code` and `message`.
///
/// # Safety
/// `env` is usable on this thread now.
pub unsafe fn error_value(env: sys::napi_env, error: &Error) -> sys::napi_value {
    let text = |s: &str| {
        let mut value = ptr::null_mut();
        // SAFETY: pointer and length describe `s`.
        unsafe { sys::napi_create_string_utf8(env, s.as_ptr().cast(), s.len() as isize, &mut value) };
        value
    };
    let mut value = ptr::null_mut();
    // SAFETY: both arguments are strings of this environment.
    unsafe { sys::napi_create_error(env, text(&error.code), text(&error.message), &mut value) };
    value
}
