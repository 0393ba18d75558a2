//! Starting a program with `posix_spawn`, which every system has.

use std::io;
use std::mem::MaybeUninit;

use libc::{c_int, c_short};

use super::Program;

/// Starts a program as the C library does it.
pub(super) fn spawn(program: &Program<'_>) -> io::Result<u32> {
    let (mut attributes, mut actions) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: the function makes the object that it is given room for.
    checked(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) })?;
    // SAFETY: it was made above.
    let attributes = Attributes(unsafe { attributes.assume_init_mut() });
    // SAFETY: as above.
    checked(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
    // SAFETY: as above.
    let actions = Actions(unsafe { actions.assume_init_mut() });
    for (target, descriptor) in program.descriptors.into_iter().enumerate() {
        // SAFETY: the object was made, and the numbers are only kept.
        checked(unsafe {
            libc::posix_spawn_file_actions_adddup2(actions.0, descriptor, target as c_int)
        })?;
    }
    let mut signals = MaybeUninit::uninit();
    // SAFETY: both functions fill the set that they are given, which the others then read; the
    // attributes were made above.
    unsafe {
        libc::sigemptyset(signals.as_mut_ptr());
        checked(libc::posix_spawnattr_setsigmask(attributes.0, signals.as_ptr()))?;
        // Rust programs ignore it, and what is ignored stays so in children.
        libc::sigaddset(signals.as_mut_ptr(), libc::SIGPIPE);
        checked(libc::posix_spawnattr_setsigdefault(attributes.0, signals.as_ptr()))?;
        checked(libc::posix_spawnattr_setpgroup(attributes.0, 0))?;
        let flags = libc::POSIX_SPAWN_SETPGROUP
            | libc::POSIX_SPAWN_SETSIGDEF
            | libc::POSIX_SPAWN_SETSIGMASK;
        checked(libc::posix_spawnattr_setflags(attributes.0, flags as c_short))?;
    }
    let mut pid = 0;
    // SAFETY: both lists end with null, and what they point to outlives the call, which does not
    // change it; the other objects were made above.
    checked(unsafe {
        libc::posix_spawn(
            &mut pid,
            program.file.as_ptr(),
            actions.0,
            attributes.0,
            program.arguments.as_ptr(),
            program.environment.as_ptr(),
        )
    })?;
    u32::try_from(pid).map_err(io::Error::other)
}

/// These functions return the number of an error.
fn checked(error: c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

struct Attributes<'o>(&'o mut libc::posix_spawnattr_t);

impl Drop for Attributes<'_> {
    fn drop(&mut self) {
        // SAFETY: it was made, and is destroyed only here.
        unsafe { libc::posix_spawnattr_destroy(self.0) };
    }
}

struct Actions<'o>(&'o mut libc::posix_spawn_file_actions_t);

impl Drop for Actions<'_> {
    fn drop(&mut self) {
        // SAFETY: it was made, and is destroyed only here.
        unsafe { libc::posix_spawn_file_actions_destroy(self.0) };
    }
}
