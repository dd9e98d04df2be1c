//! [`Latency`]: how long calls took, as a histogram.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Buckets that a doubling of the time is cut into: a bound is at most a fifth above the one before.
const STEPS: u32 = 4;
/// The first bucket ends at this many nanoseconds, as a power of two: about a microsecond.
const FIRST_BITS: u32 = 10;
/// Doublings after the first bucket: the last bucket begins after about 18 minutes.
const DOUBLINGS: u32 = 30;
const BUCKETS: usize = (DOUBLINGS * STEPS) as usize + 1;

/// Counts calls by their time. Recording takes two additions and no lock.
#[derive(Debug)]
pub(crate) struct Recorder {
    buckets: Box<[AtomicU64; BUCKETS]>,
    nanoseconds: AtomicU64,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { buckets: Box::new([const { AtomicU64::new(0) }; BUCKETS]), nanoseconds: AtomicU64::new(0) }
    }
}

impl Recorder {
    /// Counts a call.
    pub(crate) fn record(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket(nanoseconds)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub(crate) fn latency(&self) -> Latency {
        Latency {
            counts: self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect(),
            total: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)),
        }
    }
}

/// The bucket of a time.
fn bucket(nanoseconds: u64) -> usize {
    let Some(doublings) = (nanoseconds >> FIRST_BITS).checked_ilog2() else { return 0 };
    let step = (nanoseconds >> (doublings + FIRST_BITS - STEPS.ilog2())) as u32 % STEPS;
    ((doublings * STEPS + step + 1) as usize).min(BUCKETS - 1)
}

/// Where a bucket ends.
fn bound(bucket: usize) -> Duration {
    let (doublings, steps) = (bucket as u32 / STEPS, bucket as u32 % STEPS);
    Duration::from_nanos(u64::from(STEPS + steps) << (doublings + FIRST_BITS - STEPS.ilog2()))
}

/// How long calls took: how many, on average, and by percentiles, which are known to about a fifth.
///
/// ```
/// use lodedb::{Database, Record, Schema};
///
/// let db = Database::open(":memory:")?;
/// let docs = db.collection("docs", Schema::new(1))?;
/// docs.upsert([Record::new(1).vector([0.5])])?;
/// docs.search().vector([0.5]).run()?;
/// let searches = db.stats()?.search_latency;
/// assert_eq!(searches.count(), 1);
/// assert!(searches.percentile(0.5) <= searches.percentile(0.99));
/// # Ok::<(), lodedb::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Latency {
    counts: Vec<u64>,
    total: Duration,
}

impl Latency {
    /// Number of calls.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Mean time; zero where there was no call.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let nanoseconds = self.total.as_nanos().checked_div(u128::from(self.count())).unwrap_or(0);
        Duration::from_nanos(nanoseconds as u64)
    }

    /// A time that this share of the calls, from 0 to 1, did not exceed; zero where there was no call.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Duration {
        let wanted = (self.count() as f64 * share.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bound, count) in self.buckets() {
            seen += count;
            if seen >= wanted {
                return bound;
            }
        }
        Duration::ZERO
    }

    /// The histogram: times, ascending, with the number of calls that took at most this and more than the time before; times
    /// without a call are left out.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let counts = self.counts.iter().enumerate();
        counts.filter(|(_, count)| **count > 0).map(|(at, count)| (bound(at), *count))
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Latency({self})")
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, most) = (self.percentile(0.5), self.percentile(0.99));
        write!(f, "{} calls, mean {:?}, p50 {median:?}, p99 {most:?}", self.count(), self.mean())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_lies_in_its_bucket() {
        let mut last = 0;
        for nanoseconds in (0..60_000).chain((16..41).flat_map(|bits| [(1 << bits) - 1, 1 << bits])) {
            let at = bucket(nanoseconds);
            let time = Duration::from_nanos(nanoseconds);
            assert!(at >= last && at < BUCKETS, "{nanoseconds}");
            assert!(at == BUCKETS - 1 || time < bound(at), "{nanoseconds}: {:?}", bound(at));
            assert!(at == 0 || time >= bound(at - 1), "{nanoseconds}: {:?}", bound(at - 1));
            last = at;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_those_of_the_times_to_a_quarter() {
        let recorder = Recorder::default();
        (1..=1000).for_each(|n| recorder.record(Duration::from_micros(n * 10)));
        let latency = recorder.latency();
        assert_eq!((latency.count(), latency.mean()), (1000, Duration::from_micros(5005)));
        for share in [0.01, 0.5, 0.9, 0.99, 1.0] {
            let (found, exact) = (latency.percentile(share).as_secs_f64(), share * 0.01);
            assert!(found >= exact && found <= exact * 1.26, "{share}: {found} for {exact}");
        }
        assert_eq!(Latency::default().percentile(0.5), Duration::ZERO);
    }
}
