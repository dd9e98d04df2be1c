//! Recall, merging, determinism and hostile bytes on generated data.
