//! Read-only mappings of ranges that the store never writes while they can be seen.

use crate::storage::Advice;
use memmap2::Mmap;
use memmap2::MmapOptions;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

/// A mapped range of a file.
pub(crate) struct Mapping {
    map: Mmap,
}

impl Mapping {
    /// Maps `len` bytes at `offset`; the caller has checked that they are inside the file.
    #[allow(unsafe_code, reason = "mapping a file is what this file is for")]
    pub(crate) fn new(file: &File, offset: u64, len: usize) -> io::Result<Self> {
        let mut options = MmapOptions::new();
        options.offset(offset).len(len);
        // SAFETY: the bytes must not change while they are mapped. The store writes an extent before it is published
        // and never again until no pin of a generation that lists it is left; other processes of this program keep to
        // the same rule through the locks. A program that ignores the locks and overwrites or cuts the file is outside
        // the contract, which the documentation of `FileBackend` states.
        let map = unsafe { options.map(file) }?;
        Ok(Self { map })
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

/// Tells the operating system how `bytes` will be read; it may do what it likes.
#[cfg(unix)]
#[allow(unsafe_code, reason = "advice is given by address")]
pub(crate) fn advise(bytes: &[u8], advice: Advice) {
    use nix::sys::mman::MmapAdvise;
    use std::ptr::NonNull;
    const PAGE: usize = 4096;
    let advice = match advice {
        #[cfg(target_os = "linux")]
        Advice::Dense => MmapAdvise::MADV_HUGEPAGE,
        #[cfg(not(target_os = "linux"))]
        Advice::Dense => MmapAdvise::MADV_NORMAL,
        Advice::Sparse => MmapAdvise::MADV_RANDOM,
        Advice::Needed => MmapAdvise::MADV_WILLNEED,
    };
    let before = bytes.as_ptr().addr() % PAGE;
    let Some(start) = NonNull::new(bytes.as_ptr().wrapping_sub(before).cast_mut()) else { return };
    // SAFETY: these three kinds of advice change no byte and no right of access; the range begins in the page of the first
    // byte of a live slice and ends with it. Where pages are larger than supposed, the call fails, which does no harm.
    let _ = unsafe { nix::sys::mman::madvise(start.cast(), before + bytes.len(), advice) };
}

/// Advice is taken on Unix only.
#[cfg(not(unix))]
pub(crate) fn advise(_bytes: &[u8], _advice: Advice) {}

/// Bytes of memory that this process can have, as far as that can be told: those of the machine, or of the control group
/// that it is in.
pub(crate) fn memory_limit() -> Option<u64> {
    static LIMIT: OnceLock<Option<u64>> = OnceLock::new();
    *LIMIT.get_or_init(|| {
        let group = std::fs::read_to_string("/proc/self/cgroup").ok();
        let group = group.iter().flat_map(|text| text.lines()).find_map(|line| line.strip_prefix("0::"));
        let limits = group.into_iter().flat_map(|group| {
            let folder = Path::new("/sys/fs/cgroup").join(group.trim_start_matches('/'));
            ["memory.max", "memory.high"].map(|file| folder.join(file))
        });
        let limits = limits.filter_map(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok());
        limits.chain(machine_memory()).min()
    })
}

/// Bytes of memory of the machine.
fn machine_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kilobytes = text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.strip_suffix("kB"))?;
    kilobytes.trim().parse::<u64>().ok()?.checked_mul(1024)
}
