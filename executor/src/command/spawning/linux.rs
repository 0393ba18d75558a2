//! Starting a program with `clone`, as `vfork` does it but on a stack of its own.

use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use libc::c_int;

use super::{Program, Spawned};

/// Bytes of the stack. The child calls a dozen functions of the C library, none of which needs a
/// hundredth of that.
const STACK: usize = 64 << 10;

/// Highest number of a signal.
const SIGNALS: c_int = 64;

/// Why there is no program.
pub(super) enum Failure {
    /// The system makes no processes this way.
    NoProcess,
    /// There was a process, but it could not become the program.
    NotStarted(io::Error),
}

/// The stack of children, of which there is but one at a time before it has become a program.
#[repr(align(16))]
struct Stack(#[expect(dead_code, reason = "only its address is used")] [MaybeUninit<u8>; STACK]);

/// Starts programs, one at a time.
pub(super) struct LinuxSpawner {
    stack: Box<Stack>,
    /// Signals whose handlers must not run in a child.
    handled: Vec<c_int>,
}

impl std::fmt::Debug for LinuxSpawner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinuxSpawner").field("handled", &self.handled).finish_non_exhaustive()
    }
}

/// What the child is told, and tells.
struct Order<'o> {
    program: &'o Program<'o>,
    handled: &'o [c_int],
    /// Why it could not become the program, as the number of an error; 0 if it could.
    error: AtomicI32,
}

impl LinuxSpawner {
    pub fn new() -> Self {
        Self { stack: Box::new(Stack([MaybeUninit::uninit(); STACK])), handled: handled_signals() }
    }

    pub fn spawn(&mut self, program: &Program<'_>) -> Result<Spawned, Failure> {
        let order = Order { program, handled: &self.handled, error: AtomicI32::new(0) };
        let mut life: c_int = -1;
        let blocked = AllBlocked::new();
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
        // SAFETY: the child runs on a stack that nobody else uses, since `self` is borrowed mutably and
        // this thread does not go on before the child has become a program or has ended; for the
        // same reason all that `order` refers to outlives its use. The address is the end of the
        // stack and aligned, as stacks grow downwards on all processors that Linux runs on and Rust
        // is built for. The child does only what is allowed beside threads of the process whose
        // memory it shares, see `become_program`. `life` is valid for a write.
        let pid = unsafe {
            libc::clone(
                become_program,
                ptr::from_mut(&mut *self.stack).add(1).cast(),
                flags,
                ptr::from_ref(&order).cast_mut().cast::<c_void>(),
                ptr::from_mut(&mut life),
            )
        };
        drop(blocked);
        let Ok(pid) = u32::try_from(pid) else { return Err(Failure::NoProcess) };
        // SAFETY: if the system has filled it, it is a descriptor that belongs to nobody else.
        let life = (life >= 0).then(|| unsafe { OwnedFd::from_raw_fd(life) });
        match order.error.load(Ordering::Relaxed) {
            0 => Ok(Spawned { pid, life }),
            error => {
                // It has ended, and nobody else knows of it.
                let _ = crate::products::children_usage(pid);
                Err(Failure::NotStarted(io::Error::from_raw_os_error(error)))
            }
        }
    }
}

/// The child, until it is the program.
///
/// It shares memory with a process whose other threads go on, so it takes no locks, allocates nothing,
/// and does not panic; what it calls is safe in a handler of signals.
extern "C" fn become_program(order: *mut c_void) -> c_int {
    // SAFETY: it was made of a reference to an order that outlives this function.
    let order = unsafe { &*order.cast_const().cast::<Order<'_>>() };
    // SAFETY: all pointers are to objects that live during the calls, or null where that is allowed; the
    // lists end with null. Signals are blocked until no handler of ours is left.
    unsafe {
        let mut usual: libc::sigaction = std::mem::zeroed();
        usual.sa_sigaction = libc::SIG_DFL;
        for &signal in order.handled {
            libc::sigaction(signal, &usual, ptr::null_mut());
        }
        let mut went = libc::setpgid(0, 0) == 0;
        let mut target = 0;
        while went && target < 3 {
            went = libc::dup2(order.program.descriptors[target], target as c_int) >= 0;
            target += 1;
        }
        let mut none = MaybeUninit::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
        if went {
            let Program { file, arguments, environment, .. } = order.program;
            libc::execve(file.as_ptr(), arguments.as_ptr().cast(), environment.as_ptr().cast());
        }
        order.error.store(*libc::__errno_location(), Ordering::Relaxed);
        libc::_exit(127)
    }
}

/// Signals that have handlers, and the one that Rust programs ignore: what is ignored stays so in
/// children. A handler that is installed later may run in a child in the moment before that becomes the
/// program, as if it ran in the thread that waits for it.
fn handled_signals() -> Vec<c_int> {
    let is_handled = |&signal: &c_int| {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: the pointer is valid for a write; numbers that are no signals are an error.
        let asked = unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
        // SAFETY: it was zeroed, which is an action, and then perhaps filled.
        let action = unsafe { action.assume_init() }.sa_sigaction;
        signal == libc::SIGPIPE || asked == 0 && action != libc::SIG_DFL && action != libc::SIG_IGN
    };
    (1..=SIGNALS).filter(is_handled).collect()
}

/// Blocks all signals of this thread while it lives.
struct AllBlocked(libc::sigset_t);

impl AllBlocked {
    fn new() -> Self {
        let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::zeroed());
        // SAFETY: both are valid for writes, and the first is filled before it is read. An empty set is
        // all zeros.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            Self(before.assume_init())
        }
    }
}

impl Drop for AllBlocked {
    fn drop(&mut self) {
        // SAFETY: the set was filled by the system.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut()) };
    }
}
