//! How hot the processor is, and whether the supply suffices: what the kernel shows in /sys.
//!
//! Nothing is decided here; a number or nothing. `root` is /sys, another folder in tests.

use std::fs;
use std::path::{Path, PathBuf};

/// A thermal zone, found once and read again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Its type: "cpu-thermal".
    pub name: String,
    folder: PathBuf,
}

impl Zone {
    /// All zones that give a temperature, by number.
    pub fn all(root: &Path) -> Vec<Zone> {
        let mut zones: Vec<(u32, Zone)> = entries(&root.join("class/thermal"))
            .into_iter()
            .filter_map(|folder| {
                let number = folder.file_name()?.to_str()?.strip_prefix("thermal_zone")?.parse().ok()?;
                Some((number, Zone { name: word(&folder.join("type"))?, folder }))
            })
            .filter(|(_, zone)| zone.celsius().is_some())
            .collect();
        zones.sort_by_key(|(n, _)| *n);
        zones.into_iter().map(|(_, z)| z).collect()
    }

    /// The zone called `name`, else the first one of a processor, else the first.
    pub fn find(root: &Path, name: Option<&str>) -> Option<Zone> {
        let zones = Self::all(root);
        let is_named = |z: &&Zone| name.is_some_and(|n| z.name.eq_ignore_ascii_case(n));
        let is_processor = |z: &&Zone| z.name.to_ascii_lowercase().contains("cpu");
        zones.iter().find(is_named).or_else(|| zones.iter().find(is_processor)).or(zones.first()).cloned()
    }

    /// Degrees Celsius; `None` while the sensor doesn't answer.
    pub fn celsius(&self) -> Option<f32> {
        let millidegrees: i32 = word(&self.folder.join("temp"))?.parse().ok()?;
        // What lies outside is a sensor that is off or broken.
        (-40_000..=150_000).contains(&millidegrees).then_some(millidegrees as f32 / 1000.0)
    }

    /// The temperature at which the kernel slows the processor down, where it says. A point at or below 0 is one that is switched off.
    pub fn throttles_at(&self) -> Option<f32> {
        let points = entries(&self.folder).into_iter().filter_map(|file| {
            let name = file.file_name()?.to_str()?.to_owned();
            let stem = name.strip_suffix("_type").filter(|s| s.starts_with("trip_point_"))?;
            (word(&file)? == "passive").then_some(())?;
            word(&self.folder.join(format!("{stem}_temp")))?.parse::<i32>().ok()
        });
        points.filter(|m| *m > 0).min().map(|m| m as f32 / 1000.0)
    }
}

/// What the board says about its supply voltage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supply {
    Good,
    /// Too low now.
    Low,
}

/// The Raspberry Pi's voltage alarm (kernel driver raspberrypi-hwmon); `None` on boards without one.
pub fn supply(root: &Path) -> Option<Supply> {
    let folder = entries(&root.join("class/hwmon"))
        .into_iter()
        .find(|f| word(&f.join("name")).as_deref() == Some("rpi_volt"))?;
    match word(&folder.join("in0_lcrit_alarm"))?.as_str() {
        "0" => Some(Supply::Good),
        _ => Some(Supply::Low),
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    all.sort();
    all
}

fn word(file: &Path) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// Files as "path=content path=content", spaces in contents as `_`.
    fn sys(files: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files.split_whitespace().map(|f| f.split_once('=').unwrap()) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{content}\n")).unwrap();
        }
        root
    }

    const Z: &str = "class/thermal/thermal_zone";

    #[rstest]
    #[case::pi(&format!("{Z}0/type=cpu-thermal {Z}0/temp=48250"), Some("cpu-thermal"), Some(48.25))]
    #[case::jetson(&format!("{Z}0/type=AO-therm {Z}0/temp=41000 {Z}1/type=CPU-therm {Z}1/temp=39500"), Some("CPU-therm"), Some(39.5))]
    #[case::a_processor_by_itself(&format!("{Z}0/type=gpu {Z}0/temp=1000 {Z}1/type=cpu-0 {Z}1/temp=2000"), None, Some(2.0))]
    #[case::other_name_than_told(&format!("{Z}0/type=soc {Z}0/temp=30000"), Some("cpu-thermal"), Some(30.0))]
    #[case::dead_sensor(&format!("{Z}0/type=cpu {Z}0/temp=-256000 {Z}1/type=soc {Z}1/temp=20000"), Some("cpu"), Some(20.0))]
    #[case::by_number(&format!("{Z}10/type=b {Z}10/temp=10000 {Z}2/type=a {Z}2/temp=2000"), None, Some(2.0))]
    #[case::nonsense(&format!("{Z}0/type=cpu {Z}0/temp=hot"), Some("cpu"), None)]
    #[case::none("class/other=1", Some("cpu"), None)]
    fn temperature(#[case] files: &str, #[case] name: Option<&str>, #[case] expect: Option<f32>) {
        let root = sys(files);
        assert_eq!(Zone::find(root.path(), name).and_then(|z| z.celsius()), expect);
    }

    #[test]
    fn the_lowest_passive_trip_point_throttles() {
        let trips = "trip_point_0_type=critical t/trip_point_0_temp=110000 t/trip_point_1_type=passive \
                     t/trip_point_1_temp=85000 t/trip_point_2_type=passive t/trip_point_2_temp=80000";
        let files = format!("{Z}0/type=cpu {Z}0/temp=40000 t/{trips}").replace("t/", &format!("{Z}0/"));
        let root = sys(&files);
        assert_eq!(Zone::find(root.path(), None).and_then(|z| z.throttles_at()), Some(80.0));
    }

    #[rstest]
    #[case("class/hwmon/hwmon1/name=rpi_volt class/hwmon/hwmon1/in0_lcrit_alarm=0", Some(Supply::Good))]
    #[case("class/hwmon/hwmon1/name=rpi_volt class/hwmon/hwmon1/in0_lcrit_alarm=1", Some(Supply::Low))]
    #[case("class/hwmon/hwmon0/name=cpu_thermal class/hwmon/hwmon0/temp1_input=1", None)]
    fn voltage(#[case] files: &str, #[case] expect: Option<Supply>) {
        assert_eq!(supply(sys(files).path()), expect);
    }
}
