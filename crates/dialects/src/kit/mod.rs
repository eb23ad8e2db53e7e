//! What two or more dialects need of HTTP: bodies, strict JSON, file answers.
