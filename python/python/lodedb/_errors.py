"""The exceptions. Each derives from `LodeError`; those of the operating system are `OSError`."""


class LodeError(Exception):
    """What all errors of a database have in common."""


class ArgumentError(LodeError, ValueError):
    """A value that can't be stored or makes no sense, such as a NaN in a vector or `k=0`."""


class CorruptError(LodeError):
    """The file's content is not what was written; the message names the part."""


class LockedError(LodeError):
    """Another handle, in this process or another, is writing to the file."""


class ReadOnlyError(LodeError):
    """A write through a handle that was opened with `read_only=True`."""


class ClosedError(LodeError):
    """The database was closed, or opened by the process that this one was forked from."""


class PoisonedError(LodeError):
    """An earlier write failed; reading goes on, writing needs a reopening."""


class NotFoundError(LodeError, LookupError):
    """No collection has this name, or no record this id."""


class AlreadyExistsError(LodeError, ValueError):
    """`insert` met an id that exists."""


class SchemaError(LodeError, ValueError):
    """The collection's schema does not allow this."""


class DimensionError(LodeError, ValueError):
    """A vector has the wrong number of dimensions."""


class FilterError(LodeError, ValueError):
    """A filter that can't be read, or names what does not exist."""


class LimitError(LodeError, ValueError):
    """Something exceeds one of the limits; the message names both sizes."""


for _class in list(globals().values()):
    if isinstance(_class, type):
        _class.__module__ = "lodedb"
del _class
