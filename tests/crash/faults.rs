//! The n-th call to the disk fails, once or for ever: an error, never a panic, and nothing lost after reopening.
