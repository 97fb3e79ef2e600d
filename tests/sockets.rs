//! `moodlight run` has no network: a run under strace opens no socket but the service manager's, which is a local one.
//!
//! Says so and passes where strace is missing or may not trace (some containers).

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

/// Every network call of a short run, one a line; `None` where it cannot be told.
fn network_calls(notify: Option<&Path>) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let calls = folder.path().join("calls");
    let mut run = Command::new("strace");
    run.args(["-f", "-qq", "-e", "trace=%network", "-e", "signal=none", "-o"]).arg(&calls);
    run.arg(env!("CARGO_BIN_EXE_moodlight")).args(["run", "--board", "sim", "--duration", "2s"]);
    run.args(["--source", "synthetic:", "--trace", "-"]);
    run.env_remove("NOTIFY_SOCKET").env_remove("MOODLIGHT_CONFIG");
    if let Some(socket) = notify {
        run.env("NOTIFY_SOCKET", socket);
    }
    let done = match run.output() {
        Ok(done) => done,
        Err(e) => {
            eprintln!("skipped: strace cannot be started ({e}): apt-get install strace");
            return None;
        }
    };
    let said = String::from_utf8_lossy(&done.stderr);
    if said.contains("ptrace") || said.contains("Operation not permitted") {
        eprintln!("skipped: strace may not trace here: {said}");
        return None;
    }
    assert!(done.status.success(), "{said}");
    assert!(String::from_utf8_lossy(&done.stdout).contains("\"event\":\"end\""), "the run was whole");
    let text = std::fs::read_to_string(&calls).unwrap();
    Some(text.lines().map(|l| l.split_once(' ').map_or(l, |(_, call)| call.trim()).to_owned()).collect())
}

#[test]
fn a_run_opens_no_socket() {
    let Some(calls) = network_calls(None) else { return };
    assert_eq!(calls, [] as [String; 0]);
}

#[test]
fn a_service_speaks_to_its_manager_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let Some(calls) = network_calls(Some(&path)) else { return };
    let opened: Vec<&String> = calls.iter().filter(|c| c.starts_with("socket(")).collect();
    assert!(
        matches!(opened.as_slice(), [one] if one.starts_with("socket(AF_UNIX, SOCK_DGRAM")),
        "{calls:#?}"
    );
    let expected = |c: &str| c.starts_with("socket(") || (c.starts_with("sendto(") && c.contains("notify"));
    assert_eq!(calls.iter().find(|c| !expected(c)), None, "nothing is sent elsewhere, nothing received");
    let mut buffer = [0; 64];
    let length = manager.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"READY=1");
}
