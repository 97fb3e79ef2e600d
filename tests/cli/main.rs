//! The binary as a user meets it: arguments and files in; exit code, stdout and stderr out. Real models, real pictures.

mod bad_input;
mod bench;
mod classify;
mod doctor;
mod eval;
mod harness;
mod install;
mod model;
mod outputs_off;
mod run;
mod service;
mod usage;
