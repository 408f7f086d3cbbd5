//! The code of the console stays mapped once a thread of ours runs in it.

/// Keeps the shared object that holds this code from being unloaded; whether that was needed
/// and done.
///
/// Only a `cdylib` that the host may `dlclose` needs it: in the main program and under musl
/// (whose `dlclose` unloads nothing) there is nothing to pin. Takes the loader's lock, so it is
/// called by the thread that installs, never by one of ours.
#[cfg(all(target_env = "gnu", not(target_feature = "crt-static")))]
pub(crate) fn pin_object() -> bool {
    use nix::libc;
    use std::mem::MaybeUninit;

    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    let here = pin_object as *const libc::c_void;
    // SAFETY: dladdr(3) reads the address as a number and writes the structure it is given; zeroed
    // is a valid Dl_info (four pointers). `dli_fname` then points to the loader's own copy of the
    // name, which lives as long as the object, in which we are executing: dlopen(3) may read it.
    // RTLD_NOLOAD maps nothing and runs no constructor; the handle is dropped on purpose, since
    // the reference it counts is what keeps the object.
    unsafe {
        if libc::dladdr(here, info.as_mut_ptr()) == 0 {
            return false;
        }
        let name = info.assume_init().dli_fname;
        let flags = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
        !name.is_null() && !libc::dlopen(name, flags).is_null()
    }
}

/// Nothing can be unloaded here.
#[cfg(not(all(target_env = "gnu", not(target_feature = "crt-static"))))]
pub(crate) fn pin_object() -> bool {
    false
}

#[cfg(test)]
mod tests {
    #[test]
    fn pinning_twice_or_in_a_program_does_no_harm() {
        assert_eq!(super::pin_object(), super::pin_object());
    }
}
