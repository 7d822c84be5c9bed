//! Checks that enough memory is available before a dataset is loaded.
//!
//! If a reload used more memory than is available, the kernel would kill the service, which could
//! then no longer serve the loaded datasets. A dataset that would not fit into memory is therefore
//! rejected before it is loaded.

use std::fs;
use std::path::Path;

/// The peak memory in bytes for each byte of a dataset's files, while the dataset is being loaded.
/// The measured values are 4.2 for the whole country (93 MB of files) and 4.5 for the embedded
/// dataset. Less memory is used after loading.
const MEMORY_PER_FILE_BYTE: u64 = 5;
/// The peak memory in bytes for each position of a polygon, regardless of the length of the
/// position's text. The measured values are 280 for an area of a million vertices, and 390 for a
/// comb-shaped area.
const MEMORY_PER_POSITION: u64 = 400;
/// The maximum memory in bytes for each row of a table of names. A row of a dozen bytes can become
/// several strings.
const MEMORY_PER_ROW: u64 = 600;

/// Estimates the peak memory in bytes of loading a file. The estimate is based on the file's size,
/// the number of positions of its polygons and, if the file is a table of names, its number of
/// rows.
pub(crate) fn needed_bytes(size_bytes: u64, positions: u64, rows: u64) -> u64 {
    let for_positions = positions.saturating_mul(MEMORY_PER_POSITION);
    let for_rows = rows.saturating_mul(MEMORY_PER_ROW);
    let for_size = size_bytes.saturating_mul(MEMORY_PER_FILE_BYTE);
    for_size.max(for_positions).max(for_rows)
}

/// The error for a dataset that does not fit into the available memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "with the datasets already loaded, this dataset needs about {} MB of memory, but only {} MB are available",
    needed_bytes / 1_000_000,
    available_bytes / 1_000_000
)]
pub struct InsufficientMemory {
    needed_bytes: u64,
    available_bytes: u64,
}

/// Checks that a new dataset fits into memory in addition to the loaded datasets. Both sizes are
/// estimates by [`needed_bytes`].
///
/// # Errors
/// If the new dataset does not fit into memory. The check succeeds if the available memory is not
/// known.
pub(crate) fn ensure_fits(new_bytes: u64, loaded_bytes: u64) -> Result<(), InsufficientMemory> {
    available_memory_bytes(Path::new("/")).map_or(Ok(()), |available| {
        ensure_fits_in(available, new_bytes, loaded_bytes)
    })
}

fn ensure_fits_in(
    available_bytes: u64,
    new_bytes: u64,
    loaded_bytes: u64,
) -> Result<(), InsufficientMemory> {
    let needed_bytes = new_bytes.saturating_add(loaded_bytes);
    if needed_bytes <= available_bytes {
        Ok(())
    } else {
        Err(InsufficientMemory {
            needed_bytes,
            available_bytes,
        })
    }
}

/// Returns the memory in bytes that this process can use, or `None` if it is not known. The usable
/// memory is the resident memory of the process, plus the smallest amount that is free on the
/// machine or in any of the control groups of the process (`MemoryMax=` of systemd, `--memory` of a
/// container).
///
/// The resident memory is included because the memory of old datasets is reused.
pub fn available_memory_bytes(root: &Path) -> Option<u64> {
    let own = read_kilobytes(&root.join("proc/self/status"), "VmRSS:").unwrap_or(0);
    let free = read_kilobytes(&root.join("proc/meminfo"), "MemAvailable:");
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let in_cgroups = groups.lines().filter_map(|line| free_in_cgroup(root, line));
    let smallest = in_cgroups.chain(free).min()?;
    Some(smallest + own)
}

/// Returns the value, in bytes, of the line that begins with `name`, such as
/// `MemAvailable:   24000000 kB`.
fn read_kilobytes(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes = rest.trim().strip_suffix("kB")?.trim_end();
    kilobytes.parse::<u64>().ok()?.checked_mul(1_024)
}

/// Returns the smallest amount of memory that is free in a control group or one of its ancestors.
/// `line` is the control group's line in `/proc/self/cgroup`.
fn free_in_cgroup(root: &Path, line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    // cgroup v2 has a single hierarchy, whereas cgroup v1 has a hierarchy for each controller.
    let (tree, limit_file, usage_file, cache_key) = if controllers.is_empty() {
        (
            "sys/fs/cgroup",
            "memory.max",
            "memory.current",
            "inactive_file ",
        )
    } else if controllers
        .split(',')
        .any(|controller| controller == "memory")
    {
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
    let read_number = |file: &Path| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    let free = |group: &Path| {
        let group = root.join(tree).join(group);
        // `max`, which means no limit, is not a number.
        let limit = read_number(&group.join(limit_file))?;
        let used = read_number(&group.join(usage_file))?;
        // The memory of cached files is available, because the kernel evicts cached files when
        // memory is needed.
        let statistics = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
        let cache = statistics
            .lines()
            .find_map(|line| line.strip_prefix(cache_key));
        let cache = cache.and_then(|number| number.trim().parse::<u64>().ok());
        Some((limit + cache.unwrap_or(0)).saturating_sub(used))
    };
    own.ancestors().filter_map(free).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a folder that imitates the root folder of a machine and contains these files.
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
        assert_eq!(available_memory_bytes(machine(files).path()), expected);
    }

    #[test]
    fn available_memory_is_the_tightest_limit_plus_own_memory() {
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
        // The parent slice has less free memory.
        let slice = [
            ("sys/fs/cgroup/system.slice/memory.max", "400000000\n"),
            ("sys/fs/cgroup/system.slice/memory.current", "390000000\n"),
        ];
        check(
            &[&limited[..], &slice].concat(),
            Some(10_000_000 + 1_024_000),
        );
        // A machine with cgroup v1.
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
    fn insufficient_memory_states_needed_and_available() {
        assert_eq!(
            ensure_fits_in(500_000_000, 250_000_000, 250_000_000),
            Ok(())
        );
        let error = ensure_fits_in(500_000_000, 300_000_000, 250_000_000).expect_err("too much");
        assert_eq!(
            error.to_string(),
            "with the datasets already loaded, this dataset needs about 550 MB of memory, but only 500 MB are available"
        );
        assert!(ensure_fits_in(u64::MAX - 1, u64::MAX, u64::MAX).is_err());
    }

    #[test]
    fn estimates_count_positions_of_dense_polygons() {
        assert_eq!(needed_bytes(93_000_000, 500_000, 0), 465_000_000);
        assert_eq!(needed_bytes(7_000_000, 1_000_000, 0), 400_000_000);
        assert_eq!(needed_bytes(u64::MAX, u64::MAX, u64::MAX), u64::MAX);
    }
}
