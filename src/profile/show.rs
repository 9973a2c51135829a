//! A profile as text for people.
