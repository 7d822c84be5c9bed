//! The memory check before a dataset is loaded.
//!
//! If a reload used more memory than there is, the kernel would kill the service along with the
//! datasets that it serves. So a dataset that would not fit is refused before it is loaded.

use std::fs;
use std::path::Path;

/// The peak memory of loading for each byte of a dataset's files. Measured: 4.2 for the whole
/// country (93 MB of files), 4.5 for the embedded dataset, and less after loading.
const BYTES_PER_BYTE: u64 = 5;
/// The peak memory in bytes for each position of a polygon, however short its text. Measured: 280
/// for an area of a million vertices, 390 for a comb-shaped one.
const BYTES_PER_POSITION: u64 = 400;
/// The maximum memory in bytes for each row of a table of names: a dozen bytes can become several
/// strings.
const BYTES_PER_ROW: u64 = 600;

/// Estimates the peak memory in bytes of loading a file, from its size, the number of positions of
/// its polygons, and its number of rows if it is a table of names.
pub(crate) fn needed_bytes(size_bytes: u64, positions: u64, rows: u64) -> u64 {
    let of_positions = positions.saturating_mul(BYTES_PER_POSITION);
    let of_rows = rows.saturating_mul(BYTES_PER_ROW);
    let of_size = size_bytes.saturating_mul(BYTES_PER_BYTE);
    of_size.max(of_positions).max(of_rows)
}

/// There is not enough memory. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "with the datasets already loaded it needs about {} MB of memory, and {} MB are available",
    needed_bytes / 1_000_000,
    room_bytes / 1_000_000
)]
pub(crate) struct Shortage {
    needed_bytes: u64,
    room_bytes: u64,
}

/// Checks that a new dataset fits into memory besides the loaded ones. Both sizes are estimates of
/// [`needed_bytes`].
///
/// # Errors
/// If it does not fit. Succeeds if the available memory is not known.
pub(crate) fn fits(new_bytes: u64, loaded_bytes: u64) -> Result<(), Shortage> {
    room(Path::new("/")).map_or(Ok(()), |room| fits_in(room, new_bytes, loaded_bytes))
}

fn fits_in(room_bytes: u64, new_bytes: u64, loaded_bytes: u64) -> Result<(), Shortage> {
    let needed_bytes = new_bytes.saturating_add(loaded_bytes);
    match needed_bytes <= room_bytes {
        true => Ok(()),
        false => Err(Shortage {
            needed_bytes,
            room_bytes,
        }),
    }
}

/// Returns the memory in bytes that this process can use: its own resident memory, plus the least
/// that is free on the machine or in any of its control groups (`MemoryMax=` of systemd, `--memory`
/// of a container). `None` if it is not known.
///
/// Its own memory counts because the memory of old datasets is reused.
pub(crate) fn room(root: &Path) -> Option<u64> {
    let own = in_kilobytes(&root.join("proc/self/status"), "VmRSS:").unwrap_or(0);
    let free = in_kilobytes(&root.join("proc/meminfo"), "MemAvailable:");
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let in_groups = groups.lines().filter_map(|line| free_in_group(root, line));
    let least = in_groups.chain(free).min()?;
    Some(least + own)
}

/// Returns the bytes of a line such as `MemAvailable:   24000000 kB`.
fn in_kilobytes(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number = rest.trim().strip_suffix("kB")?.trim_end();
    number.parse::<u64>().ok()?.checked_mul(1_024)
}

/// Returns the least memory that is free in the control group of a line of `/proc/self/cgroup` or
/// in one of its ancestors.
fn free_in_group(root: &Path, line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    // cgroup v2 has one hierarchy; v1 has one for each controller.
    let (tree, most, used, cache) = if controllers.is_empty() {
        (
            "sys/fs/cgroup",
            "memory.max",
            "memory.current",
            "inactive_file ",
        )
    } else if controllers.split(',').any(|it| it == "memory") {
        (
            "sys/fs/cgroup/memory",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file ",
        )
    } else {
        return None;
    };
    let own = Path::new(path.trim_start_matches('/'));
    let number = |file: &Path| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    let free = |group: &Path| {
        let group = root.join(tree).join(group);
        // `max`, which is no limit, does not parse.
        let most = number(&group.join(most))?;
        let used = number(&group.join(used))?;
        // The kernel drops cached files when memory is needed.
        let statistics = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
        let cache = statistics.lines().find_map(|line| line.strip_prefix(cache));
        let cache = cache.and_then(|number| number.trim().parse::<u64>().ok());
        Some((most + cache.unwrap_or(0)).saturating_sub(used))
    };
    own.ancestors().filter_map(free).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a root folder with these files of a machine.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        root
    }

    const STATUS: (&str, &str) = ("proc/self/status", "Name:\tcatchment\nVmRSS:\t  1000 kB\n");
    const MEMINFO: (&str, &str) = (
        "proc/meminfo",
        "MemTotal:       24000000 kB\nMemAvailable:   9000000 kB\n",
    );

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: Option<u64>) {
        assert_eq!(room(machine(files).path()), expected);
    }

    #[test]
    fn the_room_is_the_least_that_is_free_and_what_the_program_has() {
        check(&[], None);
        check(&[STATUS], None);
        check(&[MEMINFO], Some(9_000_000 * 1_024));
        check(&[STATUS, MEMINFO], Some(9_001_000 * 1_024));
        let group = ("proc/self/cgroup", "0::/system.slice/catchment.service\n");
        let own = "sys/fs/cgroup/system.slice/catchment.service/";
        let (most, used, statistics) = (
            format!("{own}memory.max"),
            format!("{own}memory.current"),
            format!("{own}memory.stat"),
        );
        let used = (used.as_str(), "300000000\n");
        let limited = [STATUS, MEMINFO, group, (&most, "500000000\n"), used];
        check(&limited, Some(200_000_000 + 1_024_000));
        let cache = (statistics.as_str(), "anon 1\ninactive_file 50000000\n");
        check(
            &[&limited[..], &[cache]].concat(),
            Some(250_000_000 + 1_024_000),
        );
        check(
            &[STATUS, MEMINFO, group, (&most, "max\n"), used],
            Some(9_001_000 * 1_024),
        );
        // The parent slice has less.
        let slice = [
            ("sys/fs/cgroup/system.slice/memory.max", "400000000\n"),
            ("sys/fs/cgroup/system.slice/memory.current", "390000000\n"),
        ];
        check(
            &[&limited[..], &slice].concat(),
            Some(10_000_000 + 1_024_000),
        );
        // cgroup v1.
        let files = [
            STATUS,
            MEMINFO,
            ("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/a\n0::/\n"),
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "70000000\n"),
            ("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "80000000\n"),
            (
                "sys/fs/cgroup/memory/a/memory.stat",
                "total_inactive_file 15000000\n",
            ),
        ];
        check(&files, Some(5_000_000 + 1_024_000));
    }

    #[test]
    fn what_does_not_fit_beside_what_is_loaded_is_told_with_both_figures() {
        assert_eq!(fits_in(500_000_000, 250_000_000, 250_000_000), Ok(()));
        let shortage = fits_in(500_000_000, 300_000_000, 250_000_000).expect_err("too much");
        assert_eq!(
            shortage.to_string(),
            "with the datasets already loaded it needs about 550 MB of memory, and 500 MB are available"
        );
        assert!(fits_in(u64::MAX - 1, u64::MAX, u64::MAX).is_err());
    }

    #[test]
    fn many_positions_in_few_bytes_count_for_what_they_become() {
        assert_eq!(needed_bytes(93_000_000, 500_000, 0), 465_000_000);
        assert_eq!(needed_bytes(7_000_000, 1_000_000, 0), 400_000_000);
        assert_eq!(needed_bytes(u64::MAX, u64::MAX, u64::MAX), u64::MAX);
    }
}
