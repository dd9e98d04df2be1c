//! Locks on the file that vanish with the process that holds them.
//!
//! On Linux these are open-file-description locks on single bytes far beyond the end of any file: one byte for the
//! writer, one for each generation that readers use. Elsewhere the whole file is locked by every handle, so that one
//! handle at a time has it open.

#[cfg(all(any(target_os = "linux", target_os = "android"), target_pointer_width = "64"))]
mod platform {
    use nix::errno::Errno;
    use nix::fcntl::FcntlArg;
    use nix::fcntl::fcntl;
    use nix::libc;
    use std::fs::File;
    use std::io;

    /// The byte of generation 0; generation `g` has byte `GENERATIONS + g`.
    const GENERATIONS: u64 = 1 << 62;
    /// The writer's byte.
    const WRITER: u64 = GENERATIONS - 1;

    /// A request about `len` bytes at `start`.
    fn request(kind: libc::c_int, start: u64, len: u64) -> io::Result<libc::flock> {
        let number =
            |value: u64| i64::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
        Ok(libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: number(start)?,
            l_len: number(len)?,
            l_pid: 0,
        })
    }

    /// Sets a lock without waiting; `false` where another handle is in the way.
    fn set(file: &File, kind: libc::c_int, start: u64) -> io::Result<bool> {
        match fcntl(file, FcntlArg::F_OFD_SETLK(&request(kind, start, 1)?)) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Nothing: opening takes no lock here.
    pub(crate) fn opened(_file: &File) -> io::Result<bool> {
        Ok(true)
    }

    /// Takes the writer's lock; `false` where another handle has it.
    pub(crate) fn lock_writer(file: &File) -> io::Result<bool> {
        set(file, libc::F_WRLCK, WRITER)
    }

    /// Gives the writer's lock back.
    pub(crate) fn unlock_writer(file: &File) -> io::Result<()> {
        set(file, libc::F_UNLCK, WRITER).map(drop)
    }

    /// The byte of a generation.
    fn byte_of(generation: u64) -> io::Result<u64> {
        match generation < GENERATIONS {
            true => Ok(GENERATIONS + generation),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Takes a shared lock on the byte of `generation`.
    pub(crate) fn pin(file: &File, generation: u64) -> io::Result<()> {
        match set(file, libc::F_RDLCK, byte_of(generation)?)? {
            true => Ok(()),
            false => {
                Err(io::Error::new(io::ErrorKind::WouldBlock, "a reader's lock byte is held exclusively"))
            }
        }
    }

    /// Gives the lock on the byte of `generation` back.
    pub(crate) fn unpin(file: &File, generation: u64) -> io::Result<()> {
        set(file, libc::F_UNLCK, byte_of(generation)?).map(drop)
    }

    /// Whether another handle holds the byte of a generation below `generation`.
    pub(crate) fn pinned_before(file: &File, generation: u64) -> io::Result<bool> {
        if generation == 0 {
            return Ok(false);
        }
        let mut probe = request(libc::F_WRLCK, GENERATIONS, generation.min(GENERATIONS - 1))?;
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut probe))?;
        Ok(probe.l_type != libc::F_UNLCK as libc::c_short)
    }
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), target_pointer_width = "64")))]
mod platform {
    use std::fs::File;
    use std::fs::TryLockError;
    use std::io;

    /// Locks the whole file for this handle; `false` where another has it.
    pub(crate) fn opened(file: &File) -> io::Result<bool> {
        match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Holds since opening.
    pub(crate) fn lock_writer(_file: &File) -> io::Result<bool> {
        Ok(true)
    }

    /// Ends when the file is closed.
    pub(crate) fn unlock_writer(_file: &File) -> io::Result<()> {
        Ok(())
    }

    /// Nobody else has the file open.
    pub(crate) fn pin(_file: &File, _generation: u64) -> io::Result<()> {
        Ok(())
    }

    /// Nobody else has the file open.
    pub(crate) fn unpin(_file: &File, _generation: u64) -> io::Result<()> {
        Ok(())
    }

    /// Nobody else has the file open.
    pub(crate) fn pinned_before(_file: &File, _generation: u64) -> io::Result<bool> {
        Ok(false)
    }
}

pub(crate) use platform::lock_writer;
pub(crate) use platform::opened;
pub(crate) use platform::pin;
pub(crate) use platform::pinned_before;
pub(crate) use platform::unlock_writer;
pub(crate) use platform::unpin;
