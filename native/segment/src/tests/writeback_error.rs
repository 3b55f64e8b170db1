//! A disk that fails in write-back: the error must reach the next sync, whoever waited for the pages before.
//!
//! The disk is a file system on a loop device whose file lies on a full tmpfs. That needs root, and is left out without it.

use std::fs;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::storage::{write_all, Disk, Mode, Storage};

const BLOCK: usize = 1 << 20;

struct FailingDisk {
    root: PathBuf,
    device: String,
}

fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl FailingDisk {
    /// `None`: not allowed here.
    fn new() -> Option<FailingDisk> {
        let root = std::env::temp_dir().join(format!("millrace-failing-disk-{}", std::process::id()));
        let mut disk = FailingDisk { root, device: String::new() };
        fs::create_dir_all(disk.backing()).ok()?;
        fs::create_dir_all(disk.mounted()).ok()?;
        run("mount", &["-t", "tmpfs", "-o", "size=4m", "tmpfs", path(&disk.backing())])?;
        let image = disk.backing().join("image");
        fs::File::create(&image).and_then(|file| file.set_len(64 << 20)).ok()?;
        run("mkfs.ext4", &["-q", "-O", "^has_journal", path(&image)])?;
        disk.device = run("losetup", &["--find", "--show", path(&image)])?;
        run("mount", &[&disk.device, path(&disk.mounted())])?;
        Some(disk)
    }

    fn backing(&self) -> PathBuf {
        self.root.join("backing")
    }

    fn mounted(&self) -> PathBuf {
        self.root.join("mounted")
    }

    fn ballast(&self) -> PathBuf {
        self.backing().join("ballast")
    }

    fn fill(&self) {
        // Ends with ENOSPC: that is the point.
        let _ = fs::write(self.ballast(), vec![1; 8 * BLOCK]);
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for FailingDisk {
    fn drop(&mut self) {
        run("umount", &["-l", path(&self.mounted())]);
        if !self.device.is_empty() {
            run("losetup", &["--detach", &self.device]);
        }
        run("umount", &["-l", path(&self.backing())]);
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a temporary directory")
}

/// Until a block is not under way any more. By a description of its own, which is told of errors by itself.
fn wait_for(log: &Path, position: u64) {
    let own = fs::File::open(log).unwrap();
    // SAFETY: plain system call on a descriptor that `own` keeps open.
    let waited = unsafe {
        libc::sync_file_range(
            own.as_raw_fd(),
            position as libc::off64_t,
            BLOCK as libc::off64_t,
            libc::SYNC_FILE_RANGE_WAIT_BEFORE,
        )
    };
    assert_eq!(waited, -1, "the disk took what it had no room for");
}

#[test]
fn what_the_disk_did_not_take_in_write_back_fails_the_next_sync_once() {
    let Some(disk) = FailingDisk::new() else {
        return;
    };
    let log = disk.mounted().join("log");
    let file = Disk.open(&log, Mode::Write).unwrap();
    let block = vec![7; BLOCK];
    let mut end = 0;
    let mut append = || {
        write_all(file.as_ref(), &[&block], end).unwrap();
        end += BLOCK as u64;
        end - BLOCK as u64
    };
    disk.fill();
    // The device takes part of a write, and says that it took all, before it takes none.
    let failed = (0..8).any(|_| {
        append();
        file.sync().is_err()
    });
    assert!(failed, "the disk does not fail");
    let position = append();
    file.start_writeback(position, BLOCK as u64);
    wait_for(&log, position);
    // Nothing is wrong with the disk any more, and the pages that were lost are clean: only what is remembered can tell.
    disk.free();
    assert!(file.sync().is_err(), "the error of write-back was lost");
    append();
    file.sync().unwrap();
}
