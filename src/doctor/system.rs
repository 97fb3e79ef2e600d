//! Judgements on the board itself and what runs on it: kernel, profile, config, models, rights, disk, heat, power, service,
//! clock.

use super::Check;
use super::facts::{Board, ConfigFile, Disk, Heat, Kernel, Models, Power, Service, StoreNews, User};

/// The oldest kernel whose GPIO interface is spoken: JetPack 4's.
const OLDEST_KERNEL: (u32, u32) = (4, 9);
/// Less than so much free and an update or a log may fail.
const LITTLE_DISK: u64 = 64 << 20;
/// This near to the point where the kernel slows down, degrees Celsius.
const NEAR_THROTTLING: f32 = 5.0;
/// Where the kernel doesn't say, Raspberry Pi firmware begins to slow down at 80 °C.
const USUAL_LIMIT: f32 = 80.0;
/// 2026-01-01: this program is younger. 2038-01-01: 32-bit seconds end some days later.
const YOUNGEST: i64 = 1_767_225_600;
const OLDEST: i64 = 2_145_916_800;

pub fn kernel(kernel: &Kernel) -> Check {
    let found = format!("Linux {} on {}", kernel.release, kernel.machine);
    let mut numbers = kernel.release.split(['.', '-']).map(|n| n.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < OLDEST_KERNEL {
        let (major, minor) = OLDEST_KERNEL;
        return Check::fail(
            "kernel",
            found,
            format!("too old for its GPIO interface: {major}.{minor} or newer is needed"),
        );
    }
    Check::ok("kernel", found)
}

pub fn board(board: &Board, config: &ConfigFile) -> Check {
    let machine = board.model.as_deref().unwrap_or("a machine without a device tree");
    let found = format!("{machine}; profile: {}", board.profile);
    match (&board.recognised, board.is_real, &board.model) {
        (None, false, Some(_)) => Check::warn(
            "board",
            found,
            "no profile knows this board: write one into /usr/share/moodlight/boards, or choose the nearest \
             there is, and name it with board = \"…\" in the config",
        ),
        (Some(name), false, _) => {
            let known = format!("this is a board that moodlight knows ({name}), but lights are simulated");
            match config {
                ConfigFile::None => Check::warn(
                    "board",
                    found,
                    format!("{known}: without a config it plays the demo"),
                )
                .fix("sudo cp /usr/share/doc/moodlight/moodlight.example.toml /etc/moodlight/moodlight.toml"),
                // The owner's own file is not written over.
                _ => Check::warn(
                    "board",
                    found,
                    format!("{known}: take board = \"sim\" out of the config, or --board away"),
                ),
            }
        }
        _ => Check::ok("board", found),
    }
}

pub fn config(config: &ConfigFile) -> Check {
    match config {
        ConfigFile::None => Check::ok("config", "none: everything is at its default"),
        ConfigFile::Read(file) => Check::ok("config", file.display().to_string()),
        ConfigFile::Broken { file, why } => {
            let advice = "mend the line; the service reads the file again by itself";
            let check = Check::fail("config", why.clone(), advice);
            file.iter().fold(check, |check, file| check.fix(format!("sudoedit {}", file.display())))
        }
    }
}

pub fn models(models: &Models) -> Check {
    let folder = match &models.folder {
        Err(why) => {
            return Check::fail("models", why.clone(), "copy the package to the board and install it again")
                .fix(REINSTALL);
        }
        Ok(folder) => folder.display(),
    };
    let bad: Vec<&str> = models.files.iter().filter_map(|(_, error)| error.as_deref()).collect();
    if !bad.is_empty() {
        let advice = "the file is not the one that was measured; copy the package to the board and install it again (a card made by \
                      board/image: write it anew); if it happens twice, the card is worn out";
        return Check::fail("models", bad.join("; "), advice).fix(REINSTALL);
    }
    let names: Vec<&str> = models.files.iter().map(|(name, _)| name.as_str()).collect();
    let found = format!("{folder}: {} as in the manifest", names.join(", "));
    match &models.store {
        StoreNews::None => Check::ok("models", found),
        StoreNews::OnTrial => {
            Check::ok("models", format!("{found}; newly installed, on trial until it has run for a minute"))
        }
        StoreNews::RolledBack(why) => Check::warn(
            "models",
            format!("{found}; an installed model was rolled back: {why}"),
            "the model before it is in use; install another, or leave it so",
        ),
        StoreNews::Broken(why) => Check::warn(
            "models",
            format!("{found}; {why}"),
            "install the model again: moodlight model install FILE",
        ),
    }
}

/// From the package's own file: no repository has it.
const REINSTALL: &str = "sudo apt-get install --reinstall ./moodlight_*.deb";

pub fn self_test(models: &Models) -> Check {
    match &models.self_test {
        Ok(Some(patches)) => Check::ok("self_test", format!("{patches} known patches give the known logits")),
        Ok(None) => Check::warn(
            "self_test",
            "the classifier has no goldens",
            "a model of your own: `make -C models goldens` writes what it must give beside it",
        ),
        Err(why) => Check::fail(
            "self_test",
            why.clone(),
            "file, memory or processor is faulty: install the model again, try another supply, then another board",
        )
        .fix(REINSTALL),
    }
}

pub fn permissions(user: &User, is_real: bool) -> Check {
    let User { name, is_root, refused, tried } = user;
    if refused.is_empty() {
        let as_root = if *is_root { " (root: the service's own user may have less)" } else { "" };
        return match (tried, is_real) {
            (0, _) => Check::skip("permissions", "there is no device to open"),
            _ => Check::ok("permissions", format!("{name} may open all {tried} device files{as_root}")),
        };
    }
    let list: Vec<String> =
        refused.iter().map(|(path, group)| format!("{} (group {group})", path.display())).collect();
    let mut groups: Vec<&str> =
        refused.iter().map(|(_, group)| group.as_str()).filter(|g| *g != "root").collect();
    groups.sort_unstable();
    groups.dedup();
    let found = format!("{name} may not open {}", list.join(", "));
    match groups.as_slice() {
        [] => Check::warn(
            "permissions",
            found,
            "these belong to root alone: install moodlight's udev rules (they come with the package)",
        )
        .fix("sudo udevadm control --reload && sudo udevadm trigger"),
        groups => Check::warn(
            "permissions",
            found,
            format!(
                "let {name} into the groups {}, then log in again; the service has them already",
                groups.join(", ")
            ),
        )
        .fix(format!("sudo usermod -aG {} {name}", groups.join(","))),
    }
}

pub fn disks(disks: &[Disk]) -> Check {
    let told = |d: &Disk| {
        let state = if d.read_only { "read-only" } else { "writable" };
        format!("{} ({}): {state}, {} MiB free", d.path.display(), d.purpose, d.free_bytes >> 20)
    };
    let list = disks.iter().map(told).collect::<Vec<_>>().join("; ");
    if let Some(d) = disks.iter().find(|d| d.is_written && d.read_only) {
        return Check::fail(
            "disk",
            list,
            format!("{} became read-only: the card or its file system is damaged; the light works on, but nothing can be updated", d.path.display()),
        )
        .fix(format!("sudo mount -o remount,rw {}", d.path.display()))
        .fix("sudo dmesg --level=err,warn | tail");
    }
    match disks.iter().find(|d| d.is_written && d.free_bytes < LITTLE_DISK) {
        Some(d) => {
            Check::warn("disk", list, format!("{} is nearly full: an update would fail", d.path.display()))
                .fix("sudo journalctl --vacuum-size=16M")
                .fix("sudo apt-get clean")
        }
        None if disks.is_empty() => Check::skip("disk", "not asked"),
        None => Check::ok("disk", list),
    }
}

pub fn temperature(heat: Option<&Heat>) -> Check {
    let Some(Heat { zone, celsius, throttles_at }) = heat else {
        return Check::skip("temperature", "the kernel shows no thermal zone");
    };
    let limit = throttles_at.unwrap_or(USUAL_LIMIT);
    let says = if throttles_at.is_some() { "the kernel slows down" } else { "boards usually slow down" };
    let found = format!("{zone} {celsius:.1} °C; {says} at {limit:.0} °C");
    match *celsius {
        c if c >= limit => Check::fail(
            "temperature",
            found,
            "too hot: give the board air or a heat sink, and keep it out of the sun",
        ),
        c if c >= limit - NEAR_THROTTLING => Check::warn(
            "temperature",
            found,
            "nearly too hot: a heat sink helps; moodlight lowers its frame rate by itself",
        ),
        _ => Check::ok("temperature", found),
    }
}

/// Bits of the Raspberry Pi's firmware: now in 0 to 3, since the start in 16 to 19.
pub fn supply(power: Power) -> Check {
    const LOW: u32 = 1;
    const SLOWED: u32 = 0b1110;
    let advice = "use the maker's own power supply (5.1 V, 3 A; 5 A on a Pi 5) and a short cable";
    let bits = power.throttled.unwrap_or(0);
    let raw = power.throttled.map_or_else(String::new, |b| format!(" (firmware says {b:#x})"));
    match (power.is_low, power.throttled) {
        (None, None) => Check::skip("supply", "this board does not measure its supply"),
        (Some(true), _) => Check::fail("supply", format!("the voltage is too low{raw}"), advice),
        (_, Some(_)) if bits & LOW != 0 => {
            Check::fail("supply", format!("the voltage is too low{raw}"), advice)
        }
        (_, Some(_)) if bits & SLOWED != 0 => Check::warn(
            "supply",
            format!("the processor is being slowed down{raw}"),
            "see temperature and power supply",
        ),
        (_, Some(_)) if bits & (LOW << 16) != 0 => {
            Check::warn("supply", format!("the voltage was too low since the start{raw}"), advice)
        }
        (_, Some(_)) if bits & (SLOWED << 16) != 0 => Check::warn(
            "supply",
            format!("the processor was slowed down since the start{raw}"),
            "see temperature and power supply",
        ),
        _ => Check::ok("supply", format!("good{raw}")),
    }
}

pub fn service(service: &Service) -> Check {
    let (active, sub, is_enabled, restarts, says) = match service {
        Service::NoManager => return Check::skip("service", "no systemd here"),
        Service::NotInstalled => {
            return Check::skip(
                "service",
                "moodlight.service is not installed; moodlight is started by hand",
            );
        }
        Service::State { active, sub, is_enabled, restarts, says } => {
            (active.as_str(), sub, *is_enabled, *restarts, says)
        }
    };
    let said = if says.is_empty() { String::new() } else { format!(", says \"{says}\"") };
    let found = format!("{active} ({sub}), {restarts} restarts{said}");
    let log = "journalctl -u moodlight -b --no-pager | tail -n 30";
    match (active, is_enabled) {
        ("active", true) if says.contains(": ") => {
            Check::warn("service", found, "it runs and shows a fault; the line above says which")
        }
        ("active", true) if restarts > 2 => {
            Check::warn("service", found, "it was restarted several times; its log says why").fix(log)
        }
        ("active", true) => Check::ok("service", found),
        ("active", false) => {
            Check::warn("service", format!("{found}, not enabled"), "it will not start with the board")
                .fix("sudo systemctl enable moodlight")
        }
        ("failed", _) => {
            Check::fail("service", found, "its log says why").fix(log).fix("sudo systemctl restart moodlight")
        }
        ("activating" | "reloading", _) => {
            Check::warn("service", found, "it is starting, or starting again and again; its log says why")
                .fix(log)
        }
        _ => Check::fail("service", found, "it is installed but does not run")
            .fix("sudo systemctl enable --now moodlight"),
    }
}

pub fn clock(seconds: i64) -> Check {
    let found = format!("{} UTC", date(seconds));
    let advice = "the light needs no clock, but logs and updates do: join a network for the time, or fit a clock module";
    match seconds {
        YOUNGEST..=OLDEST => Check::ok("clock", found),
        s if s < YOUNGEST => Check::warn("clock", format!("{found}, which is in the past"), advice)
            .fix("sudo timedatectl set-ntp true"),
        _ => Check::warn("clock", format!("{found}, which is too far ahead"), advice)
            .fix("sudo timedatectl set-ntp true"),
    }
}

/// Seconds since 1970 → "2026-11-24 18:30" (days to date as in Howard Hinnant's `civil_from_days`).
fn date(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_of_year = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_of_year + 2) / 5 + 1;
    let month = if month_of_year < 10 { month_of_year + 3 } else { month_of_year - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", rest / 3600, rest / 60 % 60)
}
