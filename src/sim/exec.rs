//! Raw I420 from a child process: how CSI cameras under libcamera come in (`rpicam-vid --codec yuv420 -o -`).
//!
//! The child runs in a process group of its own and does not outlive this source: the group is asked to end, then
//! killed, then reaped. What it says on stderr goes to the log, the first lines to everybody's, the rest to `debug`: some say a line
//! for each frame. When it ends although it should not, the source is lost
//! and whoever supervises opens a new one; this file neither waits nor counts attempts.
//!
//! rpicam-vid pads rows to 64 bytes: choose a width that is a multiple of 64, or the picture shears.

use super::intake::{Bytes, Got, Intake, ready, retry_later};
use super::unavailable;
use crate::frame::{Frame, LumaRange, PixelFormat};
use crate::source::{Delivery, FrameRate, FrameSource, Restart, SourceError, SourceSpec, layout};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

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

    fn longest_silence(&self, before_the_first: bool) -> Duration {
        let three_frames = self.rate.timestamp(3).as_duration();
        if before_the_first { three_frames.max(FIRST_FRAME) } else { three_frames }
    }
}

/// A camera program may take so long to its first picture: rpicam-vid's exposure settles over several frames of the rate that is asked
/// for, 7 s at one a second (reported in rpicam-apps' issue 406).
const FIRST_FRAME: Duration = Duration::from_secs(10);

/// The child with all that it has started.
struct Group {
    child: Child,
    /// Readable once the child has ended; `None` on kernels before 5.3.
    pidfd: Option<OwnedFd>,
    /// [`end`](Self::end) has seen to it that nobody is left.
    is_over: bool,
}

/// How long a child may take to close its camera after SIGTERM.
const GRACE: Duration = Duration::from_millis(500);

impl Group {
    fn new(child: Child) -> Self {
        let pidfd = Self::pid(&child).and_then(|p| pidfd_open(p, PidfdFlags::empty()).ok());
        Self { child, pidfd, is_over: false }
    }

    fn pid(child: &Child) -> Option<Pid> {
        Pid::from_raw(i32::try_from(child.id()).ok()?)
    }

    /// Waits a moment for the child to end by itself, then sees to it that the whole group is gone. `None` if it had to
    /// be killed.
    fn end(&mut self) -> Option<ExitStatus> {
        let by_itself = self.ends_within(GRACE);
        self.kill();
        self.is_over = true;
        let status = self.child.wait().ok();
        status.filter(|_| by_itself)
    }

    fn ends_within(&self, time: Duration) -> bool {
        match &self.pidfd {
            Some(fd) => ready(&[fd.as_fd()], time).is_ok_and(|r| r[0]),
            None => Self::pid(&self.child).is_some_and(|pid| ends_by_polling(pid, time)),
        }
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

/// Looks again and again whether a child of ours has ended, and leaves it to be reaped, so that its group can still be signalled.
fn ends_by_polling(pid: Pid, time: Duration) -> bool {
    let (begin, options) =
        (Instant::now(), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT);
    loop {
        if !matches!(waitid(WaitId::Pid(pid), options), Ok(None)) {
            return true;
        }
        if begin.elapsed() >= time {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // Before the child is reaped, even one that has ended: others of its group may still hold the camera.
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
                (true, _) => {
                    let read = retry_later(self.stdout.read(buf));
                    if matches!(read, Ok(Some(0))) {
                        self.hear_out();
                    }
                    return read;
                }
                (false, true) => {}
                (false, false) => break,
            }
        }
        Ok(None)
    }
}

impl Pipes {
    /// The output is closed: what the child says last is why, with or without a line's end.
    fn hear_out(&mut self) {
        for _ in 0..LAST_READS {
            let says = self
                .stderr
                .as_ref()
                .is_some_and(|e| ready(&[e.as_fd()], LAST_WORDS).is_ok_and(|[said, _]| said));
            if !says {
                break;
            }
            self.listen();
        }
        if let Ok(mut words) = self.words.lock() {
            words.flush();
        }
    }

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
    told: usize,
}

/// How long a child that has closed its output may take to say why, and in how many reads: it may as well talk on for ever.
const LAST_WORDS: Duration = Duration::from_millis(300);
const LAST_READS: usize = 64;
/// Longer lines are cut into several.
const MAX_LINE: usize = 512;
/// So many lines of each child are for everybody's log. What a camera program says of itself at its start is within 20.
const MOST_TOLD: usize = 40;

impl Words {
    fn new(name: &str) -> Self {
        Self { name: name.to_string(), line: Vec::new(), last: String::new(), told: 0 }
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
            if self.told == MOST_TOLD {
                log::info!("{}: goes on talking; log level debug shows it", self.name);
            }
            let level = if self.told < MOST_TOLD { log::Level::Info } else { log::Level::Debug };
            log::log!(level, "{}: {line}", self.name);
            self.told += 1;
            self.last = line;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(query: &str) -> Exec {
        let spec: SourceSpec = format!("exec:sleep 1000?width=4&height=4{query}").parse().unwrap();
        Exec::start(&spec, "test".into()).unwrap()
    }

    #[test]
    fn a_slow_rate_and_a_slow_start_are_no_silence() {
        for (query, first, between) in [("&fps=30", 10_000, 100), ("&fps=0.25", 12_000, 12_000)] {
            let exec = started(query);
            let silence = [true, false].map(|first| exec.longest_silence(first).as_millis());
            assert_eq!(silence, [first, between], "{query}");
        }
    }

    /// Kernels before 5.3, JetPack 4's among them, have no pidfd.
    #[test]
    fn a_childs_end_is_noticed_without_a_pidfd() {
        let mut exec = started("");
        exec.group.pidfd = None;
        assert!(!exec.group.ends_within(Duration::ZERO));
        exec.group.kill();
        assert!(exec.group.ends_within(Duration::from_secs(10)));
        assert!(exec.group.end().is_some_and(|status| !status.success()), "it is still there to be reaped");
    }

    /// The shell ends and leaves a worker behind, which holds the output.
    #[test]
    fn what_a_shell_left_behind_is_ended_too() {
        let spec: SourceSpec = "exec:sleep 1000 & echo $! >&2?width=4&height=4".parse().unwrap();
        let mut exec = Exec::start(&spec, "test".into()).unwrap();
        let (mut frame, begin) = (Frame::default(), Instant::now());
        let said = |exec: &Exec| exec.words.lock().unwrap().last.clone();
        while said(&exec).is_empty() && begin.elapsed() < Duration::from_secs(10) {
            let _ = exec.next_frame(&mut frame, Duration::from_millis(10));
        }
        let worker: i32 = said(&exec).parse().expect("the worker's number");
        assert!(exec.group.ends_within(Duration::from_secs(10)), "the shell");
        drop(exec);
        let gone =
            || std::fs::read_to_string(format!("/proc/{worker}/stat")).map_or(true, |s| s.contains(") Z"));
        let begin = Instant::now();
        while !gone() && begin.elapsed() < Duration::from_secs(10) {
            std::thread::yield_now();
        }
        assert!(gone(), "process {worker} is still there");
    }
}
