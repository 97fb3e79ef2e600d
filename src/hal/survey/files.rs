//! Kernel, device tree, rights and disks: what files and their owners say.

use crate::doctor::facts::{Disk, Kernel, User};
use rustix::fs::{Access, StatVfsMountFlags};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// `root` is /proc.
pub fn kernel(root: &Path) -> Kernel {
    let release = fs::read_to_string(root.join("sys/kernel/osrelease")).unwrap_or_default();
    Kernel { release: release.trim().to_owned(), machine: std::env::consts::ARCH.into() }
}

/// "Raspberry Pi 4 Model B Rev 1.4"; `None` without a device tree. `root` is /sys/firmware/devicetree/base.
pub fn device_tree_model(root: &Path) -> Option<String> {
    let text = fs::read(root.join("model")).ok()?;
    let name = String::from_utf8_lossy(&text).trim_end_matches('\0').trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// Who asks, and which of `devices` that exist may not be opened for reading and writing.
pub fn user(devices: &[PathBuf]) -> User {
    let id = rustix::process::geteuid();
    let name = name_of(Path::new("/etc/passwd"), id.as_raw());
    let there: Vec<&PathBuf> = devices.iter().filter(|d| d.exists()).collect();
    let may_not =
        |d: &&&PathBuf| rustix::fs::access(d.as_path(), Access::READ_OK | Access::WRITE_OK).is_err();
    let group =
        |d: &Path| fs::metadata(d).map(|m| name_of(Path::new("/etc/group"), m.gid())).unwrap_or_default();
    User {
        name,
        is_root: id.is_root(),
        refused: there.iter().filter(may_not).map(|d| ((*d).clone(), group(d))).collect(),
        tried: there.len(),
    }
}

/// The name that a file like /etc/passwd or /etc/group gives to a number; the number itself where it gives none.
fn name_of(file: &Path, id: u32) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse::<u32>().ok()? == id).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| id.to_string())
}

/// The file system that `path` is on, or will be; `None` where it can't be asked.
pub fn disk(purpose: &'static str, path: &Path, is_written: bool) -> Option<Disk> {
    let there = path.ancestors().find(|p| p.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    Some(Disk {
        purpose,
        path: path.into(),
        read_only: stat.f_flag.contains(StatVfsMountFlags::RDONLY),
        is_written,
        free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, "root")]
    #[case(44, "video")]
    #[case(997, "997")]
    fn names(#[case] id: u32, #[case] expect: &str) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("group");
        fs::write(&file, "root:x:0:\nvideo:x:44:pi,moodlight\nbroken\nodd:x:many:\n").unwrap();
        assert_eq!(name_of(&file, id), expect);
    }

    #[test]
    fn a_folder_that_is_yet_to_be_made_is_on_its_parents_disk() {
        let dir = tempfile::tempdir().unwrap();
        let found = disk("test", &dir.path().join("not/yet"), true).unwrap();
        assert!(!found.read_only && found.free_bytes > 0);
    }

    #[test]
    fn the_model_is_without_its_zero_byte() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("model"), b"Raspberry Pi 4 Model B Rev 1.4\0").unwrap();
        assert_eq!(device_tree_model(dir.path()).as_deref(), Some("Raspberry Pi 4 Model B Rev 1.4"));
        assert_eq!(device_tree_model(Path::new("/no/such")), None);
    }
}
