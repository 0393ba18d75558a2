//! Whole processes, measured; ours and the middleware's by the same code.

use std::io::{Read as _, Seek as _};
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use super::Result;
use super::samples::Samples;

/// A process, or an operation inside of this one, that has ended well.
#[derive(Debug)]
pub struct Measured {
    /// Wall-clock time, seconds.
    pub wall: f64,
    /// User and system time of the process and the children that it waited for, seconds.
    pub cpu: f64,
    /// Largest resident memory of the process or of one such child, MiB. Never less than the
    /// benchmark's own at the moment when it started the process, which is a few MiB.
    pub peak: f64,
    /// Standard output.
    pub output: String,
}

impl Measured {
    /// The JSON object that the output is, or that its last line is.
    pub fn json(&self) -> Result<serde_json::Value> {
        let last = || self.output.trim_end().lines().last().unwrap_or_default();
        Ok(serde_json::from_str(&self.output).or_else(|_| serde_json::from_str(last()))?)
    }

    /// A number in that JSON object.
    pub fn number(&self, key: &str) -> Result<f64> {
        let json = self.json()?;
        json[key].as_f64().ok_or_else(|| format!("no number `{key}` in {json}").into())
    }
}

/// Runs a command to its end, which must be a good one.
pub fn measure(command: &mut Command) -> Result<Measured> {
    let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(err.try_clone()?);
    // A process inherits the peak of the one that starts it (Linux, `exec`): bring ours down to
    // what is resident now. Where that cannot be done, figures are too high, never too low.
    let _ = fs_err::write("/proc/self/clear_refs", "5");
    let start = Instant::now();
    let child = command.spawn()?;
    let (status, usage) = wait(child.id())?;
    let wall = start.elapsed().as_secs_f64();
    let text = |file: &mut std::fs::File| {
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    if !status.success() {
        return Err(format!("{command:?}: {status}\n{}", text(&mut err)?).into());
    }
    Ok(Measured {
        wall,
        cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        peak: usage.ru_maxrss as f64 / 1024.0,
        output: text(&mut out)?,
    })
}

/// Measures an operation inside of this process, as far as that can be done: without its memory.
pub fn measure_inside(operation: impl FnOnce() -> Result<()>) -> Result<Measured> {
    let (start, before) = (Instant::now(), own_cpu()?);
    operation()?;
    let (wall, cpu) = (start.elapsed().as_secs_f64(), own_cpu()? - before);
    Ok(Measured { wall, cpu, peak: f64::NAN, output: String::new() })
}

/// User and system time of all threads of this process, seconds.
fn own_cpu() -> Result<f64> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is valid for writes of its type during the call.
    if unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) } < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    // SAFETY: all-zero bytes are a valid `rusage`.
    let usage = unsafe { usage.assume_init() };
    Ok(seconds(usage.ru_utime) + seconds(usage.ru_stime))
}

/// Waits for a child and returns what it used.
fn wait(child: u32) -> Result<(ExitStatus, libc::rusage)> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are valid for writes of their types during the call.
    let ended = unsafe { libc::wait4(child.try_into()?, &mut status, 0, usage.as_mut_ptr()) };
    if ended < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    // SAFETY: all-zero bytes are a valid `rusage`.
    Ok((ExitStatus::from_raw(status), unsafe { usage.assume_init() }))
}

fn seconds(time: libc::timeval) -> f64 {
    time.tv_sec as f64 + time.tv_usec as f64 * 1e-6
}

/// The same process several times.
#[derive(Debug, Default)]
pub struct Runs(pub Vec<Measured>);

impl Runs {
    /// Wall-clock times, seconds.
    pub fn wall(&self) -> Samples {
        self.0.iter().map(|run| run.wall).collect()
    }

    /// CPU times, seconds.
    pub fn cpu(&self) -> Samples {
        self.0.iter().map(|run| run.cpu).collect()
    }

    /// Peak memory, MiB.
    pub fn peak(&self) -> Samples {
        self.0.iter().map(|run| run.peak).collect()
    }

    /// A number that the processes printed.
    pub fn numbers(&self, key: &str) -> Result<Samples> {
        self.0.iter().map(|run| run.number(key)).collect()
    }
}

/// Measures competitors in turn, round after round, so that whatever else the machine does meets
/// all of them alike.
pub fn alternate<const N: usize>(
    rounds: usize,
    competitors: [&mut dyn FnMut() -> Result<Measured>; N],
) -> Result<[Runs; N]> {
    let mut runs = [const { Runs(Vec::new()) }; N];
    for _ in 0..rounds {
        // Arrays cannot be iterated by value here: the competitors are needed again.
        for (index, runs) in runs.iter_mut().enumerate() {
            runs.0.push(competitors[index]()?);
        }
    }
    Ok(runs)
}
