//! What the machine is called and how much memory this process has had.

/// The processor's name, as /proc/cpuinfo or the device tree have it; the architecture where neither says.
pub fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let board = std::fs::read("/proc/device-tree/model").unwrap_or_default();
    name_of(&info, &board)
}

/// x86 names the model; ARM kernels give numbers only, but the device tree names the board and Arm's cores are known.
fn name_of(cpuinfo: &str, board: &[u8]) -> String {
    let field = |key: &str| {
        cpuinfo
            .lines()
            .filter_map(|l| l.split_once(':'))
            .find(|(k, _)| k.trim() == key)
            .map(|(_, v)| v.trim().to_string())
    };
    if let Some(model) = field("model name").filter(|m| !m.is_empty()) {
        return model;
    }
    let board = String::from_utf8_lossy(board).trim_end_matches('\0').to_string();
    let core = field("CPU part").map(|part| arm_core(&part));
    match (board.is_empty(), core) {
        (false, Some(core)) => format!("{board}, {core}"),
        (false, None) => board,
        (true, Some(core)) => core,
        (true, None) => std::env::consts::ARCH.into(),
    }
}

/// Arm's part numbers (MIDR_EL1) of the cores in Raspberry Pi and Jetson boards.
fn arm_core(part: &str) -> String {
    let name = match part {
        "0xd03" => "Cortex-A53",
        "0xd07" => "Cortex-A57",
        "0xd08" => "Cortex-A72",
        "0xd0b" => "Cortex-A76",
        "0xd42" => "Cortex-A78AE",
        other => return format!("Arm part {other}"),
    };
    name.into()
}

/// The most memory that this process has had resident, MiB. `None` where the kernel doesn't say.
pub fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some((kib / 1024.0 * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::pc("vendor_id\t: x\nmodel name\t: Some CPU @ 3 GHz\n", b"", "Some CPU @ 3 GHz")]
    #[case::pi(
        "CPU part\t: 0xd0b\n",
        b"Raspberry Pi 5 Model B Rev 1.0\0",
        "Raspberry Pi 5 Model B Rev 1.0, Cortex-A76"
    )]
    #[case::unknown_core("CPU part\t: 0xfff\n", b"", "Arm part 0xfff")]
    #[case::nothing("", b"", std::env::consts::ARCH)]
    fn names(#[case] cpuinfo: &str, #[case] board: &[u8], #[case] expect: &str) {
        assert_eq!(name_of(cpuinfo, board), expect);
    }

    #[test]
    fn this_process_has_some_memory() {
        assert!(peak_rss_mib().is_some_and(|m| m > 1.0));
    }
}
