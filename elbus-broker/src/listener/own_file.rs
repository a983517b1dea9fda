//! A file that stands for a listener, and goes with it.
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// A socket or a FIFO of this broker; its file is removed when this is dropped.
pub(super) struct OwnFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl OwnFile {
    /// The file that was just made at `path`.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let file = fs::symlink_metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            device: file.dev(),
            inode: file.ino(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Removes the file, unless another server has replaced it.
impl Drop for OwnFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|file| file.dev() == self.device && file.ino() == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the listener's file cannot be removed");
        }
    }
}
