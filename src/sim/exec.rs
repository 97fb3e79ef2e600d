//! Raw I420 from a child process: how CSI cameras under libcamera come in (`rpicam-vid --codec yuv420 -o -`).
//!
//! The child runs in a process group of its own and does not outlive this source: the group is asked to end, then
//! killed, then reaped. What it says on stderr goes to the log. When it ends although it should not, the source is lost
//! and whoever supervises opens a new one; this file neither waits nor counts attempts.
//!
//! rpicam-vid pads rows to 64 bytes: choose a width that is a multiple of 64, or the picture shears.

use super::intake::{Bytes, Got, Intake, ready, retry_later};
use super::unavailable;
use crate::frame::{Frame, LumaRange, PixelFormat};
use crate::source::{Delivery, FrameRate, FrameSource, Restart, SourceError, SourceSpec, layout};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A running child and the frames it writes.
pub struct Exec {
    name: String,
    intake: Intake,
    group: Group,
    words: Arc<Mutex<Words>>,
    width: usize,
    height: usize,
    range: LumaRange,
    rate: FrameRate,
    restart: Restart,
    sequence: u64,
    over: bool,
}

impl Exec {
    /// Starts the child. `spec` is an `exec:` source.
    pub fn start(spec: &SourceSpec, name: String) -> Result<Self, SourceError> {
        let SourceSpec::Exec { command, width, height, fps, restart, range } = spec else {
            return Err(unavailable(&name, "is no command"));
        };
        let failed = |e: io::Error| unavailable(&name, &format!("cannot be started: {e}"));
        let mut child = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let group = Group::new(child);
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
            return Err(unavailable(&name, "has no output"));
        };
        let words = Arc::new(Mutex::new(Words::new(&name)));
        let pipes = Pipes { stdout, stderr: Some(stderr), words: words.clone() };
        Ok(Self {
            intake: Intake::new(Box::new(pipes)),
            group,
            words,
            width: *width,
            height: *height,
            range: *range,
            rate: *fps,
            restart: *restart,
            sequence: 0,
            over: false,
            name,
        })
    }

    fn frame_bytes(&self) -> usize {
        self.width * self.height + 2 * self.width.div_ceil(2) * self.height.div_ceil(2)
    }

    /// The child has closed its output.
    fn ended(&mut self) -> Result<Delivery, SourceError> {
        self.over = true;
        let left_over = self.intake.buffered().len();
        let status = self.group.end();
        let clean = left_over == 0 && status.as_ref().is_some_and(ExitStatus::success);
        if clean && self.restart != Restart::Always {
            return Ok(Delivery::End);
        }
        let reason = self.obituary(status, left_over);
        let source_name = self.name.clone();
        Err(match self.restart {
            Restart::Always | Restart::OnFailure => SourceError::Lost { source_name, reason },
            Restart::Never => SourceError::Truncated { source_name, reason },
        })
    }

    fn obituary(&self, status: Option<ExitStatus>, left_over: usize) -> String {
        let mut reason = match status {
            Some(s) => format!("the command ended ({s}) after {} frames", self.sequence),
            None => {
                format!("the command closed its output after {} frames and had to be killed", self.sequence)
            }
        };
        if left_over > 0 {
            let (bytes, layout) = (self.frame_bytes(), layout(self.width, self.height, PixelFormat::I420));
            reason +=
                &format!("; {left_over} of {bytes} bytes of a frame were left over: does it write {layout}?");
        }
        match self.words.lock().map(|w| w.last.clone()) {
            Ok(last) if !last.is_empty() => reason + &format!("; it last said: {last}"),
            _ => reason,
        }
    }
}

impl FrameSource for Exec {
    fn next_frame(&mut self, frame: &mut Frame, timeout: Duration) -> Result<Delivery, SourceError> {
        if self.over {
            return Ok(Delivery::End);
        }
        let bytes = self.frame_bytes();
        match self.intake.want(bytes, timeout) {
            Ok(Got::Enough) => {}
            Ok(Got::Idle) => return Ok(Delivery::Idle),
            Ok(Got::Ended) => return self.ended(),
            Err(e) => {
                self.over = true;
                return Err(SourceError::Lost {
                    source_name: self.name.clone(),
                    reason: format!("cannot be read: {e}"),
                });
            }
        }
        frame.data.clear();
        frame.data.extend_from_slice(&self.intake.buffered()[..bytes]);
        self.intake.consume(bytes);
        (frame.width, frame.height, frame.stride) = (self.width, self.height, self.width);
        (frame.format, frame.range) = (PixelFormat::I420, self.range);
        (frame.timestamp, frame.sequence) = (self.rate.timestamp(self.sequence), self.sequence);
        self.sequence += 1;
        Ok(Delivery::Frame)
    }

    fn describe(&self) -> String {
        format!("{} {} {}", self.name, layout(self.width, self.height, PixelFormat::I420), self.rate)
    }

    fn is_live(&self) -> bool {
        true
    }
}

/// The child with all that it has started.
struct Group {
    child: Child,
    /// Readable once the child has ended; `None` on kernels before 5.3.
    pidfd: Option<OwnedFd>,
}

/// How long a child may take to close its camera after SIGTERM.
const GRACE: Duration = Duration::from_millis(500);

impl Group {
    fn new(child: Child) -> Self {
        let pidfd = Self::pid(&child).and_then(|p| pidfd_open(p, PidfdFlags::empty()).ok());
        Self { child, pidfd }
    }

    fn pid(child: &Child) -> Option<Pid> {
        Pid::from_raw(i32::try_from(child.id()).ok()?)
    }

    /// Waits a moment for the child to end by itself, then sees to it that the whole group is gone. `None` if it had to
    /// be killed.
    fn end(&mut self) -> Option<ExitStatus> {
        let by_itself = self.ends_within(GRACE);
        self.kill();
        let status = self.child.wait().ok();
        status.filter(|_| by_itself)
    }

    fn ends_within(&self, time: Duration) -> bool {
        self.pidfd.as_ref().is_some_and(|fd| ready(&[fd.as_fd()], time).is_ok_and(|r| r[0]))
    }

    fn signal(&self, signal: Signal) {
        // The group is there until its leader has been reaped, which happens only after this.
        if let Some(pid) = Self::pid(&self.child) {
            let _ = kill_process_group(pid, signal);
        }
    }

    fn kill(&self) {
        self.signal(Signal::KILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.child.try_wait() {
            return; // reaped by `end`, which has killed the rest of the group
        }
        self.signal(Signal::TERM);
        self.ends_within(GRACE);
        self.kill();
        let _ = self.child.wait();
    }
}

/// Both outputs of the child: stderr is read along, so that a talkative child does not block.
struct Pipes {
    stdout: ChildStdout,
    stderr: Option<ChildStderr>,
    words: Arc<Mutex<Words>>,
}

impl Bytes for Pipes {
    fn read(&mut self, buf: &mut [u8], timeout: Duration) -> io::Result<Option<usize>> {
        // A child that only talks must not hold up the caller: a few words, then back.
        for _ in 0..4 {
            let [frames, words] = match &self.stderr {
                Some(e) => ready(&[self.stdout.as_fd(), e.as_fd()], timeout)?,
                None => [ready(&[self.stdout.as_fd()], timeout)?[0], false],
            };
            if words {
                self.listen();
            }
            match (frames, words) {
                (true, _) => return retry_later(self.stdout.read(buf)),
                (false, true) => {}
                (false, false) => break,
            }
        }
        Ok(None)
    }
}

impl Pipes {
    fn listen(&mut self) {
        let mut buf = [0; 1024];
        match self.stderr.as_mut().map(|e| e.read(&mut buf)) {
            Some(Ok(n)) if n > 0 => {
                if let Ok(mut words) = self.words.lock() {
                    words.hear(&buf[..n]);
                }
            }
            _ => self.stderr = None,
        }
    }
}

/// What the child says, line by line.
struct Words {
    name: String,
    line: Vec<u8>,
    last: String,
}

/// Longer lines are cut into several.
const MAX_LINE: usize = 512;

impl Words {
    fn new(name: &str) -> Self {
        Self { name: name.to_string(), line: Vec::new(), last: String::new() }
    }

    fn hear(&mut self, bytes: &[u8]) {
        for &b in bytes {
            match b {
                b'\n' | b'\r' => self.flush(),
                b => self.line.push(b),
            }
            if self.line.len() >= MAX_LINE {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        let line = String::from_utf8_lossy(&self.line).trim().to_string();
        self.line.clear();
        if !line.is_empty() {
            log::info!("{}: {line}", self.name);
            self.last = line;
        }
    }
}
