//! The local time of day, by the C library: it knows the time zone's rules.

/// Minutes after midnight; `None` where the C library can't tell.
pub fn local_minute() -> Option<u16> {
    // SAFETY: a null pointer asks for the result alone; nothing is written.
    let now = unsafe { libc::time(std::ptr::null_mut()) };
    // SAFETY: a `tm` is plain integers and a pointer that may be null; all zero is one.
    let mut broken_down: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both point to values of ours that outlive the call; `_r` keeps nothing of them.
    let told = unsafe { libc::localtime_r(&now, &mut broken_down) };
    let minute = broken_down.tm_hour.checked_mul(60)?.checked_add(broken_down.tm_min)?;
    u16::try_from(minute).ok().filter(|m| !told.is_null() && *m < 24 * 60)
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_some_time_of_day() {
        assert!(super::local_minute().is_some());
    }
}
