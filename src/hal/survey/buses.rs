//! What answers on an I²C bus, and which displays the kernel sees.

use embedded_hal::i2c::I2c;
use linux_embedded_hal::I2cdev;
use std::fs;
use std::path::Path;

/// Addresses that answer a read of one byte, with the kernel driver that owns them. Reading is what `i2cdetect -r` does;
/// nothing is written. Addresses that a driver owns are not touched: it may be in the middle of something.
///
/// # Errors
/// The bus is absent or may not be opened.
pub fn scan(bus: &Path, sys: &Path) -> Result<Vec<(u8, Option<String>)>, String> {
    let mut device = I2cdev::new(bus).map_err(|e| e.to_string())?;
    let number = bus.to_string_lossy().rsplit('-').next().unwrap_or_default().to_owned();
    // Below and above, I²C reserves addresses.
    let found = (0x08u8..=0x77).filter_map(|address| {
        let owner = driver(sys, &number, address);
        let answers = owner.is_some() || device.read(address, &mut [0]).is_ok();
        answers.then_some((address, owner))
    });
    Ok(found.collect())
}

fn driver(sys: &Path, bus: &str, address: u8) -> Option<String> {
    let link = sys.join(format!("bus/i2c/devices/{bus}-{address:04x}/driver"));
    Some(fs::read_link(link).ok()?.file_name()?.to_string_lossy().into_owned())
}

/// Each display connector with its status, in order of names: ("card0-HDMI-A-1", "connected").
pub fn connectors(sys: &Path) -> Vec<(String, String)> {
    let folder = sys.join("class/drm");
    let mut found: Vec<(String, String)> = names(&folder)
        .iter()
        .filter_map(|name| {
            let status = fs::read_to_string(folder.join(name).join("status")).ok()?;
            Some((name.clone(), status.trim().to_owned()))
        })
        .collect();
    found.sort();
    found
}

/// The framebuffers that are screens of their own, "fb0" first: all but those that a KMS card keeps as shadows of its sockets,
/// where nobody sees what is drawn. The device of such a shadow is the card's, which has a folder `drm`.
pub fn framebuffers(sys: &Path) -> Vec<String> {
    let folder = sys.join("class/graphics");
    let mut numbers: Vec<u32> = names(&folder)
        .iter()
        .filter(|name| !folder.join(name).join("device/drm").exists())
        .filter_map(|name| name.strip_prefix("fb")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers.iter().map(|number| format!("fb{number}")).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_bus_that_is_not_there_is_an_error() {
        assert!(scan(Path::new("/dev/i2c-none"), Path::new("/sys")).is_err());
    }

    #[test]
    fn an_address_with_a_driver_is_named() {
        let sys = tempfile::tempdir().unwrap();
        let device = sys.path().join("bus/i2c/devices/1-0068");
        fs::create_dir_all(&device).unwrap();
        std::os::unix::fs::symlink("../../../../bus/i2c/drivers/rtc-ds1307", device.join("driver")).unwrap();
        assert_eq!(driver(sys.path(), "1", 0x68).as_deref(), Some("rtc-ds1307"));
        assert_eq!(driver(sys.path(), "0", 0x68), None);
    }

    #[test]
    fn connectors_come_by_name_with_their_status() {
        let sys = tempfile::tempdir().unwrap();
        for (name, status) in [("card1-HDMI-A-2", "disconnected\n"), ("card1-HDMI-A-1", "connected\n")] {
            let folder = sys.path().join("class/drm").join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("status"), status).unwrap();
        }
        fs::create_dir_all(sys.path().join("class/drm/card1")).unwrap();
        let expect = [("card1-HDMI-A-1", "connected"), ("card1-HDMI-A-2", "disconnected")];
        assert_eq!(connectors(sys.path()), expect.map(|(n, s)| (n.to_owned(), s.to_owned())));
        assert_eq!(connectors(Path::new("/no/such")), []);
    }

    /// `fbs` with what each is a shadow of, where it is one.
    #[rstest]
    #[case::hdmi(&[("fb0", true)], &[])]
    #[case::tft_beside_hdmi(&[("fb0", true), ("fb1", false)], &["fb1"])]
    #[case::tft_beside_an_empty_socket(&[("fb0", false)], &["fb0"])]
    #[case::by_number(&[("fb10", false), ("fb2", false)], &["fb2", "fb10"])]
    #[case::the_text_console_is_none(&[("fbcon", false)], &[])]
    #[case::nothing(&[], &[])]
    fn framebuffers_that_are_no_shadows(#[case] fbs: &[(&str, bool)], #[case] expect: &[&str]) {
        let sys = tempfile::tempdir().unwrap();
        for (name, is_shadow) in fbs {
            let device = sys.path().join("class/graphics").join(name).join("device");
            fs::create_dir_all(if *is_shadow { device.join("drm") } else { device }).unwrap();
        }
        assert_eq!(framebuffers(sys.path()), expect);
    }
}
