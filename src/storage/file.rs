//! A database in one file of the operating system.

use crate::storage::backend::Backend;
use crate::storage::backend::MappedBytes;
use crate::storage::lock;
use crate::storage::mmap::Mapping;
use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

/// A database in one regular file.
///
/// Each open database needs a `FileBackend` of its own, because the locks that keep processes apart belong to the
/// opened file. On Linux any number of processes read beside one that writes; on other systems one handle at a time
/// has the file open, reading or writing.
///
/// While a database is open its file must only be changed by this library: parts of it are mapped into memory, and a
/// program that ignores the locks and cuts the file can end every process that reads it.
///
/// ```
/// use lodedb::Backend;
/// use lodedb::FileBackend;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("notes.lode");
/// let file = FileBackend::create(&path)?;
/// file.write(0, b"quartz")?;
/// file.sync()?;
/// assert_eq!(FileBackend::open_read_only(&path)?.len()?, 6);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct FileBackend {
    file: File,
    path: PathBuf,
}

impl FileBackend {
    /// Opens a file that exists, to read and to write it.
    ///
    /// # Errors
    /// `NotFound`, `InvalidInput` where it is no regular file, `WouldBlock` where the system has only whole-file locks
    /// and another handle has it open; else what the operating system reports.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::with_options(path.as_ref(), options().read(true).write(true))
    }

    /// Opens a file that exists, to read it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_read_only(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::with_options(path.as_ref(), options().read(true))
    }

    /// Makes a new, empty file that only its owner may read and write, and its entry in the folder durable.
    ///
    /// # Errors
    /// `AlreadyExists` where there is one; else what the operating system reports.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let backend = Self::with_options(path, options().read(true).write(true).create_new(true))?;
        sync_folder_of(path)?;
        Ok(backend)
    }

    fn with_options(path: &Path, options: &OpenOptions) -> io::Result<Self> {
        let file = options.open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        if !lock::opened(&file)? {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "another handle has the file open"));
        }
        // Absolute, so that a later change of the working directory does not make the file look gone.
        Ok(Self { file, path: fs::canonicalize(path)? })
    }
}

/// Options that create with mode 0600 and never wait, as opening a pipe would.
#[cfg(unix)]
fn options() -> OpenOptions {
    use nix::libc::O_NOCTTY;
    use nix::libc::O_NONBLOCK;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(O_NONBLOCK | O_NOCTTY);
    options
}

/// Plain options.
#[cfg(not(unix))]
fn options() -> OpenOptions {
    OpenOptions::new()
}

/// Makes the entries of the folder that holds `path` durable.
#[cfg(unix)]
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Nothing: folders can't be opened as files here.
#[cfg(not(unix))]
pub(crate) fn sync_folder_of(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn read_all(file: &File, offset: u64, buf: &mut [u8]) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    file.read_exact_at(buf, offset)
}

#[cfg(unix)]
fn write_all(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    file.write_all_at(bytes, offset)
}

#[cfg(windows)]
fn read_all(file: &File, offset: u64, buf: &mut [u8]) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    let mut done = 0;
    while done < buf.len() {
        match file.seek_read(&mut buf[done..], offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(windows)]
fn write_all(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    let mut done = 0;
    while done < bytes.len() {
        match file.seek_write(&bytes[done..], offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => done += written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reserves blocks; where the file system can't, the file only grows.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn reserve(file: &File, offset: u64, len: u64) -> io::Result<()> {
    use nix::errno::Errno;
    use nix::fcntl::posix_fallocate;
    let number = |value: u64| value.try_into().map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
    loop {
        match posix_fallocate(file, number(offset)?, number(len)?) {
            Ok(()) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ENOSYS) => return grow(file, offset, len),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Grows the file: there is no portable call that reserves blocks.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn reserve(file: &File, offset: u64, len: u64) -> io::Result<()> {
    grow(file, offset, len)
}

/// Makes the file reach `offset + len`.
fn grow(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let end = offset.checked_add(len).ok_or(io::ErrorKind::FileTooLarge)?;
    if end > file.metadata()?.len() { file.set_len(end) } else { Ok(()) }
}

/// Whether `path` still names `file`.
#[cfg(unix)]
fn same_file(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let opened = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok(named.dev() == opened.dev() && named.ino() == opened.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether `path` still names a file: an open one can't be replaced here.
#[cfg(not(unix))]
fn same_file(_file: &File, path: &Path) -> io::Result<bool> {
    fs::exists(path)
}

impl Backend for FileBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        read_all(&self.file, offset, buf)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        write_all(&self.file, offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        reserve(&self.file, offset, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn map(&self, offset: u64, len: usize) -> io::Result<Option<MappedBytes>> {
        Ok(Some(Arc::new(Mapping::new(&self.file, offset, len)?)))
    }

    fn lock_writer(&self) -> io::Result<bool> {
        lock::lock_writer(&self.file)
    }

    fn unlock_writer(&self) -> io::Result<()> {
        lock::unlock_writer(&self.file)
    }

    fn pin(&self, generation: u64) -> io::Result<()> {
        lock::pin(&self.file, generation)
    }

    fn unpin(&self, generation: u64) -> io::Result<()> {
        lock::unpin(&self.file, generation)
    }

    fn pinned_before(&self, generation: u64) -> io::Result<bool> {
        lock::pinned_before(&self.file, generation)
    }

    fn still_there(&self) -> io::Result<bool> {
        same_file(&self.file, &self.path)
    }
}
