//! Memory as the operating system gives it: how it will be read, in pages of which size, and how much there is. Fence for the
//! `unsafe` calls that say so.

#[cfg(unix)]
use nix::sys::mman::MmapAdvise;
use std::path::Path;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::OnceLock;

/// How bytes will be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Again and again, all over: in large pages, where there are such.
    Dense,
    /// A little here and there: without reading ahead.
    Sparse,
    /// Soon.
    Needed,
}

/// Tells the operating system how `bytes` will be read; it may do what it likes.
pub(crate) fn advise(bytes: &[u8], advice: Advice) {
    advise_range(NonNull::from(bytes).cast(), bytes.len(), advice);
}

/// [`advise`] for memory that need not hold values yet.
#[cfg(unix)]
#[allow(unsafe_code, reason = "advice is given by address")]
fn advise_range(start: NonNull<u8>, len: usize, advice: Advice) {
    const PAGE: usize = 4096;
    let advice = match advice {
        #[cfg(target_os = "linux")]
        Advice::Dense => MmapAdvise::MADV_HUGEPAGE,
        #[cfg(not(target_os = "linux"))]
        Advice::Dense => MmapAdvise::MADV_NORMAL,
        Advice::Sparse => MmapAdvise::MADV_RANDOM,
        Advice::Needed => MmapAdvise::MADV_WILLNEED,
    };
    let before = start.addr().get() % PAGE;
    let Some(start) = NonNull::new(start.as_ptr().wrapping_sub(before)) else { return };
    // SAFETY: these kinds of advice change no byte and no right of access, whatever the range holds; where it holds nothing
    // or pages are larger than supposed, the call fails, which does no harm.
    let _ = unsafe { nix::sys::mman::madvise(start.cast(), before + len, advice) };
}

/// Advice is taken on Unix only.
#[cfg(not(unix))]
fn advise_range(_start: NonNull<u8>, _len: usize, _advice: Advice) {}

/// `len` times `value`, in large pages where there are such: for arrays that are read all over.
pub(crate) fn filled<T: Copy>(len: usize, value: T) -> Vec<T> {
    let mut values: Vec<T> = Vec::with_capacity(len);
    let spare = values.spare_capacity_mut();
    let start = NonNull::from(&mut *spare).cast::<u8>();
    advise_range(start, size_of_val(spare), Advice::Dense);
    values.resize(len, value);
    values
}

/// Bytes of memory that this process can have, as far as that can be told: those of the machine, or of the control group
/// that it is in.
pub(crate) fn limit() -> Option<u64> {
    static LIMIT: OnceLock<Option<u64>> = OnceLock::new();
    *LIMIT.get_or_init(|| {
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let files = groups.lines().flat_map(limit_files);
        let limits = files.filter_map(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok());
        limits.chain(machine_memory()).min()
    })
}

/// Where the limits of a control group stand, given as a line of `/proc/self/cgroup`: number, controllers, path. Those of
/// version 2 have no controllers.
fn limit_files(line: &str) -> Vec<PathBuf> {
    let mut words = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(group)) = (words.next(), words.next()) else { return Vec::new() };
    let group = group.trim_start_matches('/');
    match controllers {
        "" => ["memory.max", "memory.high"]
            .map(|file| Path::new("/sys/fs/cgroup").join(group).join(file))
            .into(),
        "memory" => vec![Path::new("/sys/fs/cgroup/memory").join(group).join("memory.limit_in_bytes")],
        _ => Vec::new(),
    }
}

/// Bytes of memory of the machine.
fn machine_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kilobytes = text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.strip_suffix("kB"))?;
    kilobytes.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_holds_what_it_is_filled_with_and_takes_any_advice() {
        for len in [0, 1, 5000, 3 << 20] {
            let values = filled(len, 7u32);
            assert!(values.len() == len && values.iter().all(|value| *value == 7));
            for advice in [Advice::Dense, Advice::Sparse, Advice::Needed] {
                advise(bytemuck::cast_slice(&values), advice);
            }
            assert!(values.iter().all(|value| *value == 7));
        }
        assert!(limit().is_none_or(|limit| limit > 1 << 20));
    }

    #[test]
    fn limits_are_looked_for_where_the_group_is() {
        assert_eq!(limit_files("0::/a/b").len(), 2);
        assert_eq!(limit_files("0::/a/b")[0], Path::new("/sys/fs/cgroup/a/b/memory.max"));
        let old = Path::new("/sys/fs/cgroup/memory/x/memory.limit_in_bytes");
        assert_eq!(limit_files("4:memory:/x"), [old]);
        assert!(["", "7", "3:cpu:/"].into_iter().all(|line| limit_files(line).is_empty()));
    }
}
