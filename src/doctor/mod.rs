//! What is wrong with a board, and what to do: facts in, advice out.
//!
//! Terms. *Fact*: what was found, without opinion ([`facts`]). *Check*: one line of the answer: a name, a status, what was
//! found, what to do ([`judge`]). *Fix*: commands that would do it; they are printed, never run.
//!
//! Nothing is opened or asked here, so that every judgement can be held by a table of tests. Who gathers the facts:
//! `hal::survey` for the kernel and its devices, `app::doctor` for the rest.

mod devices;
pub mod facts;
mod judge;
mod system;

pub use judge::judge;

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// Not asked, because it does not matter here.
    Skip,
    /// It works, but not well, or not for long.
    Warn,
    Fail,
}

impl Status {
    pub const fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Skip => "skip",
            Status::Warn => "warn",
            Status::Fail => "fail",
        }
    }
}

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub check: &'static str,
    pub status: Status,
    pub found: String,
    /// Empty when there is nothing to do.
    pub advice: String,
    /// Commands that do what the advice says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fix: Vec<String>,
}

impl Check {
    fn new(check: &'static str, status: Status, found: impl Into<String>) -> Self {
        Self { check, status, found: found.into(), advice: String::new(), fix: Vec::new() }
    }

    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, Status::Ok, found)
    }

    fn skip(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, Status::Skip, found)
    }

    fn warn(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { advice: advice.into(), ..Self::new(check, Status::Warn, found) }
    }

    fn fail(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { advice: advice.into(), ..Self::new(check, Status::Fail, found) }
    }

    fn fix(mut self, command: impl Into<String>) -> Self {
        self.fix.push(command.into());
        self
    }
}

/// The worst of them; nothing is as good as `ok`.
pub fn worst(checks: &[Check]) -> Status {
    checks.iter().map(|c| c.status).max().unwrap_or(Status::Ok)
}
