//! Whole-server tests, one binary: each starts the built program and drives it from outside.

mod aqua;
mod bad_input;
mod callbacks;
mod clients;
mod clock;
mod cortex;
mod database_types;
mod databases;
mod demo;
mod disks;
mod kills;
mod limits;
mod mail;
mod matrix;
mod moments;
mod object_stores;
mod openapi;
mod openpgp;
mod passwords;
mod queries;
mod restarts;
mod series;
mod sources;
mod userpilot;
mod values;
mod zoho;
