//! A few threads that share one inference: made once at load, asleep between frames.
//!
//! Terms. *Item*: an index of a piece of work; pieces don't depend on each other. *Worker*: who does it; worker 0 is
//! the caller. Workers spin shortly between the layers of one inference, then sleep. The caller never waits for a worker
//! that hasn't begun: it does the items itself. Nothing is allocated per run.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

type Work<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// See the file's head.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Job {
    work: *const Work<'static>,
    items: usize,
}

struct Shared {
    /// Generation (upper 32 bits), whether workers may still join ([`OPEN`]), and how many have.
    state: AtomicU64,
    next: AtomicUsize,
    job: UnsafeCell<Job>,
    stop: AtomicBool,
    failed: AtomicBool,
    sleeping: AtomicUsize,
    gate: Mutex<()>,
    wake: Condvar,
}

// SAFETY: `job` is written only while no worker has joined, and read only by workers that have.
unsafe impl Sync for Shared {}
// SAFETY: the pointer in `job` is only followed during `Pool::run`, which outlives every joined worker.
unsafe impl Send for Shared {}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

const OPEN: u64 = 1 << 31;
const JOINED: u64 = OPEN - 1;
/// Rounds of spinning before a worker sleeps: some tens of microseconds, more than the gap between two layers.
const SPINS: u32 = 4_000;

impl Pool {
    /// A pool of `threads` workers, the caller included; 0 means one per core.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            given => given,
        };
        fn idle(_: usize, _: usize) {}
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            next: AtomicUsize::new(0),
            job: UnsafeCell::new(Job { work: &idle as *const Work<'static>, items: 0 }),
            stop: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            sleeping: AtomicUsize::new(0),
            gate: Mutex::new(()),
            wake: Condvar::new(),
        });
        let spawn = |worker: usize| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name(format!("infer-{worker}")).spawn(move || shared.serve(worker))
        };
        let workers = (1..threads).map(spawn).collect::<Result<_, _>>()?;
        Ok(Self { shared, workers })
    }

    /// Workers, the caller included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `work(worker, item)` once for every item below `items`, on all workers, and returns when all are done.
    /// Panics if a worker panicked. One run at a time.
    pub fn run(&self, items: usize, work: &Work<'_>) {
        if self.workers.is_empty() || items < 2 {
            (0..items).for_each(|item| work(0, item));
            return;
        }
        let s = &*self.shared;
        // SAFETY: the previous run closed and drained the job, so no worker reads it now. The lifetime is forgotten, but
        // this function doesn't return before every worker that joined has left.
        unsafe {
            *s.job.get() =
                Job { work: std::mem::transmute::<*const Work<'_>, *const Work<'static>>(work), items }
        };
        s.next.store(0, Ordering::Relaxed);
        let generation = (s.state.load(Ordering::Relaxed) >> 32).wrapping_add(1) & 0xffff_ffff;
        s.state.store(generation << 32 | OPEN, Ordering::SeqCst);
        if s.sleeping.load(Ordering::SeqCst) > 0 {
            let _gate = s.gate.lock().unwrap_or_else(PoisonError::into_inner);
            s.wake.notify_all();
        }
        let guard = Drain(s);
        s.take(0, items, work);
        drop(guard);
        assert!(!s.failed.load(Ordering::Relaxed), "a worker of the inference pool panicked");
    }
}

/// Closes the job and waits for those who joined, also while unwinding.
struct Drain<'a>(&'a Shared);

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.fetch_and(!OPEN, Ordering::SeqCst);
        let mut spins = 0u32;
        while state & JOINED != 0 {
            spins += 1;
            if spins.is_multiple_of(SPINS) {
                std::thread::yield_now()
            } else {
                std::hint::spin_loop()
            }
            state = self.0.state.load(Ordering::Acquire);
        }
    }
}

impl Shared {
    fn take(&self, worker: usize, items: usize, work: &Work<'_>) {
        loop {
            let item = self.next.fetch_add(1, Ordering::Relaxed);
            if item >= items {
                return;
            }
            work(worker, item);
        }
    }

    fn serve(&self, worker: usize) {
        let mut seen = 0;
        loop {
            let Some(generation) = self.wait(seen) else { return };
            seen = generation;
            if !self.join(generation) {
                continue;
            }
            // SAFETY: joined, so the job is this generation's and stays until this worker leaves.
            let Job { work, items } = unsafe { &*self.job.get() };
            // SAFETY: as above: the caller of `run` keeps the closure alive until all have left.
            let work = unsafe { &**work };
            let done =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.take(worker, *items, work)));
            if done.is_err() {
                self.failed.store(true, Ordering::Relaxed);
            }
            self.state.fetch_sub(1, Ordering::Release);
        }
    }

    /// Waits for a generation other than `seen`: spins, then sleeps. `None` when the pool is dropped.
    fn wait(&self, seen: u64) -> Option<u64> {
        let fresh = || {
            let generation = self.state.load(Ordering::SeqCst) >> 32;
            (generation != seen).then_some(generation)
        };
        for _ in 0..SPINS {
            if let Some(generation) = fresh() {
                return Some(generation);
            }
            std::hint::spin_loop();
        }
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleeping.fetch_add(1, Ordering::SeqCst);
        let found = loop {
            if self.stop.load(Ordering::Relaxed) {
                break None;
            }
            if let Some(generation) = fresh() {
                break Some(generation);
            }
            gate = self.wake.wait(gate).unwrap_or_else(PoisonError::into_inner);
        };
        self.sleeping.fetch_sub(1, Ordering::SeqCst);
        found
    }

    /// Counts this worker in, if the generation is still open.
    fn join(&self, generation: u64) -> bool {
        let mut state = self.state.load(Ordering::Acquire);
        while state >> 32 == generation && state & OPEN != 0 {
            match self.state.compare_exchange_weak(state, state + 1, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        drop(self.shared.gate.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            let _ = worker.join(); // a panicked worker has been reported by `run`
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::sync::atomic::AtomicU32;

    #[rstest]
    #[case::caller_alone(1)]
    #[case::two(2)]
    #[case::more_than_cores(5)]
    fn every_item_is_done_once(#[case] threads: usize) {
        let pool = Pool::new(threads).unwrap();
        assert_eq!(pool.threads(), threads);
        for items in [0, 1, 2, 7, 100].into_iter().cycle().take(300) {
            let counts: Vec<AtomicU32> = (0..items).map(|_| AtomicU32::new(0)).collect();
            pool.run(items, &|worker, item| {
                assert!(worker < threads);
                counts[item].fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
        }
    }

    #[test]
    fn a_panic_in_the_callers_part_leaves_the_pool_usable() {
        let pool = Pool::new(2).unwrap();
        let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pool.run(8, &|worker, _| assert!(worker != 0, "on purpose"));
        }));
        let done = AtomicUsize::new(0);
        pool.run(4, &|_, _| {
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.into_inner(), 4);
        drop(broken); // whether the caller got an item at all is up to the scheduler
    }
}
