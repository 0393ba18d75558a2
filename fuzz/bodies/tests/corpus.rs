//! Each function over its stored corpus and over seeded changes of it, within limited memory.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use qbb_fuzz_bodies::{BODIES, Body};

/// Most bytes that an input of less than a megabyte may make the program hold at a time.
const MEMORY: usize = 512 << 20;
/// Beyond this an allocation is refused, so that a mistake cannot take the machine down.
const REFUSED: usize = 3 << 30;

/// The system's memory, counted.
struct Counted;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator, or refused by a null pointer, which
// callers must expect; counting does not touch the memory.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(held, Ordering::Relaxed);
        if held > REFUSED {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller keeps the rules of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from `alloc` above, hence from the system.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The stored inputs of a target, by name; graph files of the project's tests among them.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders = vec![fuzz.join("corpus").join(target)];
    let ending = match target {
        "native_graph" => Some("qbb"),
        "exchange_graph" => Some("qg"),
        _ => None,
    };
    if ending.is_some() {
        folders.push(fuzz.join("../graph/tests/data"));
    }
    let mut seeds = Vec::new();
    for entry in folders.iter().flat_map(|folder| fs_err::read_dir(folder).into_iter().flatten()) {
        let path = entry.unwrap().path();
        let is_graph = path.extension().and_then(|extension| extension.to_str());
        if ending.is_none() || is_graph == ending || is_graph.is_none() {
            seeds.push((path.display().to_string(), fs_err::read(&path).unwrap()));
        }
    }
    seeds.sort();
    seeds
}

/// Some changes of an input: flipped bits, other bytes, wrong lengths, cuts, and pieces of others.
fn change(input: &mut Vec<u8>, others: &[(String, Vec<u8>)], random: &mut fastrand::Rng) {
    for _ in 0..random.usize(1..5) {
        if input.is_empty() {
            input.push(random.u8(..));
            continue;
        }
        let at = random.usize(..input.len());
        match random.u8(..9) {
            0 => input[at] ^= 1 << random.u8(..8),
            1 => input[at] = random.u8(..),
            2 => input[at] = *random.choice(b"\0\x01\x7f\x80\xff\"[]{},:0-9eE()").unwrap(),
            3 => {
                // What may be a length becomes another one.
                let width = *random.choice(&[2, 4, 8]).unwrap();
                let value = match random.u8(..4) {
                    0 => u64::MAX,
                    1 => random.u64(..),
                    2 => random.u64(..1 << 33),
                    _ => random.u64(..1 << 10),
                };
                let bytes = if random.bool() { value.to_le_bytes() } else { value.to_be_bytes() };
                input[at..].iter_mut().zip(&bytes[..width]).for_each(|(to, from)| *to = *from);
            }
            4 => input.truncate(at),
            5 => {
                let end = random.usize(at..=input.len().min(at + 64));
                input.drain(at..end);
            }
            6 => {
                let end = random.usize(at..=input.len().min(at + 64));
                let piece = input[at..end].to_vec();
                let to = random.usize(..=input.len());
                input.splice(to..to, piece);
            }
            7 => {
                let other = &random.choice(others).unwrap().1;
                let begin = random.usize(..=other.len());
                let end = random.usize(begin..=other.len().min(begin + 256));
                let over = input.len().min(at + random.usize(..=end - begin));
                input.splice(at..over, other[begin..end].iter().copied());
            }
            _ => {
                let value = random.u8(..);
                let end = input.len().min(at + random.usize(..32));
                input[at..end].fill(value);
            }
        }
    }
}

/// Runs a function on bytes; if it panics or takes too much memory, the bytes are kept.
fn run(target: &str, body: Body, what: &str, bytes: &[u8]) {
    let before = HELD.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let result = std::panic::catch_unwind(|| body(bytes));
    let taken = MOST.load(Ordering::Relaxed).saturating_sub(before);
    if result.is_err() || taken > MEMORY {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{target}.crash"));
        fs_err::write(&kept, bytes).unwrap();
        panic!("{target}, {what}: panicked or took {taken} bytes; kept as {}", kept.display());
    }
}

/// A target's corpus, and as many changes of it as are asked for.
fn try_target(target: &str, body: Body) {
    let rounds = number("QBB_FUZZ_ROUNDS", 0);
    let first = number("QBB_FUZZ_SEED", 0);
    let seeds = seeds(target);
    assert!(!seeds.is_empty(), "no corpus for {target}");
    // Thousands for each target, in about the same time.
    let rounds = match (rounds, target) {
        (0, "native_graph" | "exchange_graph" | "exchange_member") => 2_000,
        (0, "provenance_graph") => 1_000,
        (0, _) => 20_000,
        (rounds, _) => rounds * seeds.len() as u64,
    };
    for (name, bytes) in &seeds {
        run(target, body, name, bytes);
    }
    for round in first..first + rounds {
        let mut random = fastrand::Rng::with_seed(round);
        let (name, bytes) = random.choice(&seeds).unwrap();
        let mut bytes = bytes.clone();
        change(&mut bytes, &seeds, &mut random);
        run(target, body, &format!("{name}, change {round}"), &bytes);
    }
}

/// Names the target in processes that this test starts for each of them.
const TARGET: &str = "QBB_FUZZ_TARGET";

/// One test, as memory is counted for the whole process; each target has one of its own, so that
/// there are as many at a time as there are processors.
#[test]
fn hostile_bytes_end_with_an_error_in_little_memory() {
    if let Ok(wanted) = std::env::var(TARGET) {
        let (target, body) = BODIES.iter().find(|(target, _)| *target == wanted).unwrap();
        return try_target(target, *body);
    }
    let program = std::env::current_exe().unwrap();
    let (waiting, wrong) = (Mutex::new(BODIES.iter()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let next = waiting.lock().unwrap().next();
            let Some((target, _)) = next else { return };
            let output = Command::new(&program)
                .args(["--exact", "hostile_bytes_end_with_an_error_in_little_memory"])
                .env(TARGET, target)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            if !output.status.success() || !said.contains("1 passed") {
                let text = String::from_utf8_lossy(&output.stderr);
                wrong.lock().unwrap().push(format!("{target}: {}\n{said}\n{text}", output.status));
            }
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(work);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
