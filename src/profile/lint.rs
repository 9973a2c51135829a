//! What a reader of a profile should know before relying on it.
