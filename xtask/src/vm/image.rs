//! The image of a pinned kernel: downloaded once, its hash checked on every run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::apt::{self, Apt, Offer};
use super::folders;
use super::matrix::Kernel;
use crate::failure::Failure;
use crate::{process, terminal};

/// Name of the unpacked image.
const IMAGE: &str = "vmlinuz";

/// The image of a kernel, downloaded if need be.
pub fn of(kernel: &Kernel) -> Result<PathBuf> {
    let folder = folders::kernel(&kernel.package, &kernel.version);
    let (package, image) = (folder.join("package.deb"), folder.join(IMAGE));
    if !package.exists() {
        download(kernel, &folder, &package)?;
    }
    let hash = sha256(&package)?;
    if hash != kernel.sha256 {
        return Err(Failure::new(format!("{} has SHA-256 {hash}, and {} is pinned", package.display(), kernel.sha256))
            .hint("remove the file and run again: a broken download is repaired by that")
            .hint(format!("if the archive has replaced it: cargo xtask vm --repin {}", kernel.name))
            .into());
    }
    if !image.exists() {
        unpack(&package, &folder, &image)?;
    }
    Ok(image)
}

fn download(kernel: &Kernel, folder: &Path, package: &Path) -> Result<()> {
    let apt = Apt::fetch_lists(&kernel.suite)?;
    let wanted = Offer { package: kernel.package.clone(), version: kernel.version.clone() };
    let offers = apt.offers(&kernel.series)?;
    if !offers.contains(&wanted) {
        return Err(gone(kernel, &offers).into());
    }
    folders::fresh(folder)?;
    let _timed = terminal::timed(&format!("downloading {} {}", kernel.package, kernel.version));
    let downloaded = apt.download(&kernel.package, &kernel.version, folder)?;
    fs::rename(&downloaded, package).with_context(|| format!("cannot rename {}", downloaded.display()))
}

/// The error for a version that the archive no longer has.
fn gone(kernel: &Kernel, offers: &[Offer]) -> Failure {
    let Kernel { name, suite, package, version, .. } = kernel;
    let offered: Vec<_> = offers.iter().rev().take(3).map(|offer| format!("{} {}", offer.package, offer.version)).collect();
    let failure = Failure::new(format!("kernel {name}: {suite} no longer offers {package} {version}"));
    if offered.is_empty() {
        return failure
            .hint(format!("it offers nothing that matches {:?}: correct suite or series in tests/vm/matrix.toml", kernel.series));
    }
    failure.hint(format!("it offers: {}", offered.join(", "))).hint(format!("to take the newest of them: cargo xtask vm --repin {name}"))
}

fn unpack(package: &Path, folder: &Path, image: &Path) -> Result<()> {
    let unpacked = folder.join("unpacked");
    apt::unpack(&[package.to_owned()], &unpacked)?;
    let found = find_image(&unpacked).ok_or_else(|| Failure::new(format!("there is no kernel image in {}", package.display())))?;
    fs::rename(&found, image).with_context(|| format!("cannot rename {}", found.display()))?;
    fs::remove_dir_all(&unpacked).with_context(|| format!("cannot remove {}", unpacked.display()))
}

/// `boot/vmlinuz-RELEASE`, or since 6.19 `usr/lib/modules/RELEASE/vmlinuz`.
fn find_image(unpacked: &Path) -> Option<PathBuf> {
    let below = |folder: &str| fs::read_dir(unpacked.join(folder)).into_iter().flatten().flatten().map(|entry| entry.path());
    let of_modules = below("usr/lib/modules").map(|release| release.join(IMAGE));
    let mut images = below("boot").chain(of_modules);
    images.find(|path| path.is_file() && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(IMAGE)))
}

fn sha256(path: &Path) -> Result<String> {
    let output = process::output(Command::new("sha256sum").arg("-b").arg(path))?;
    Ok(output.split_whitespace().next().unwrap_or_default().trim_start_matches('\\').to_owned())
}

#[cfg(test)]
mod tests {
    use super::{find_image, gone, sha256};
    use crate::vm::apt::Offer;
    use crate::vm::matrix::Matrix;
    use std::fs;

    #[test]
    fn the_hash_is_that_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a b");
        fs::write(&path, "abc").unwrap();
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&path).unwrap(), hash);
    }

    #[test]
    fn the_image_is_found_where_old_and_new_packages_have_it() {
        for path in ["boot/vmlinuz-6.1.0-1-cloud-amd64", "usr/lib/modules/7.3.4/vmlinuz"] {
            let directory = tempfile::tempdir().unwrap();
            let image = directory.path().join(path);
            fs::create_dir_all(image.parent().unwrap()).unwrap();
            fs::write(image.with_file_name("config-6.1"), "").unwrap();
            assert_eq!(find_image(directory.path()), None);
            fs::write(&image, "").unwrap();
            assert_eq!(find_image(directory.path()), Some(image));
        }
    }

    #[test]
    fn a_version_that_is_gone_is_named_with_what_there_is_instead() {
        let matrix = Matrix::read().unwrap();
        let offers = ["1", "2", "3", "4"].map(|version| Offer { package: "linux-image-x".to_owned(), version: version.to_owned() });
        let failure = gone(&matrix.kernels[0], &offers);
        assert!(failure.to_string().contains(&matrix.kernels[0].version), "{failure}");
        assert!(failure.hints[0].contains("linux-image-x 4, linux-image-x 3") && !failure.hints[0].contains("x 1"), "{:?}", failure.hints);
        assert!(failure.hints[1].contains("--repin"), "{:?}", failure.hints);
    }
}
