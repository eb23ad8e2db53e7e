//! The dialect through its door.
