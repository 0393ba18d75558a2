//! Whole-program tests: the built command against the real middleware.
//!
//! The first test to need it installs the pinned middleware under `target/`; see `tests/kit`.
#![allow(clippy::unwrap_used, reason = "tests and their helpers")]

mod agreement;
mod book;
mod building;
mod collections;
mod containment;
mod creating;
mod debugging;
mod demo;
mod execution;
mod execution_agreement;
mod explaining;
mod exports;
mod expressions;
mod faults;
mod fixtures;
mod graphs;
mod hooks;
mod inputs;
mod interruption;
mod kit;
#[path = "../kit/object_server.rs"]
mod object_server;
mod object_store;
mod postgres;
#[path = "../kit/postgres_server.rs"]
mod postgres_server;
mod postgres_writing;
mod programs;
mod provenance;
mod provenance_transfer;
mod python;
mod queries;
mod referencing;
mod renaming;
mod repository;
mod resuming;
mod scheduling;
mod sizes;
mod sky;
mod storage_classes;
mod universes;
mod views;
mod warm_scripts;
mod wrong_input;
