# SPDX-License-Identifier: ISC
"""The tarball and the Debian packages, as somebody has them who has nothing else. `make ci` runs these.

The packages are installed in a Debian that holds only what is essential and what they depend on, and work there.
"""

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

import mocksrv
from mocksrv.world import sandbox
from testsuite.test_install import ROOT, make, make_environment

NAME = f"qremote-{mocksrv.__version__}"
TOOLS = ("dpkg-buildpackage", "dh", "lintian", "mmdebstrap")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is not a clone, so there is no commit to pack"),
]


def unpacked(directory: Path) -> Path:
    """What `make dist` packs, unpacked."""
    make(f"BUILD={directory}", "dist")
    with tarfile.open(directory / f"{NAME}.tar.gz") as tarball:
        assert {name.partition("/")[0] for name in tarball.getnames()} == {NAME}
        tarball.extractall(directory)
    return directory / NAME


def test_the_tarball_builds_without_git(tmp_path: Path) -> None:
    """It has what is committed and the changelog of the packages, and a plain make works in it."""
    sources = unpacked(tmp_path)
    committed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    packed = {str(path.relative_to(sources)) for path in sources.rglob("*") if not path.is_dir() or path.is_symlink()}
    assert packed - {"debian/changelog"} == set(committed.split("\0")) - {""}
    environment = make_environment() | {"GIT_DIR": "/nowhere"}
    subprocess.run(["make", "-s"], cwd=sources, env=environment, check=True, stdin=subprocess.DEVNULL)
    told = subprocess.run([sources / "build/Qremote", "--version"], capture_output=True, text=True, check=True).stdout
    assert told == f"Qremote {mocksrv.__version__}\n"


def test_what_the_packages_are_built_with() -> None:
    """Each library that ci/install-deps installs for the program is in Build-Depends, too."""
    [build] = re.findall(r"^build='(.*)'", (ROOT / "ci/install-deps").read_text(), re.M)
    [needed] = re.findall(r"^Build-Depends: (.*)", (ROOT / "debian/control").read_text(), re.M)
    libraries = {name for name in build.split() if re.fullmatch(r"lib.*-dev", name)} - {"libc6-dev"}
    assert libraries and libraries <= set(needed.split(", "))


def run(*words: str | Path) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def clean_debian(root: Path, packages: list[Path]) -> None:
    """Makes a Debian like this one at `root`: what is essential, and what the packages depend on."""
    fields = "".join(run("dpkg-deb", "-f", package, "Depends") for package in packages)
    needed = ",".join(re.findall(r"(?:^|, )([^ ,:\n]+)", fields, re.M))
    sources = sorted(Path("/etc/apt").glob("sources.list.d/*.sources")) or [Path("/etc/apt/sources.list")]
    command = ["mmdebstrap", "--quiet", "--variant=essential", f"--include={needed}", "", root, *sources]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert not re.search("Unable to locate|unmet dependencies", done.stderr), done.stderr
    if done.returncode:
        pytest.skip(f"mmdebstrap cannot make a Debian here: {done.stderr.strip()[-300:]}")


# What is printed last is what the test looks at; all else must only succeed.
WITHIN = r"""
exec 3>&1 >&2
dpkg -i /packages/*.deb
for module in /usr/lib/*/qremote/qremote-*.so; do
    ldd "$module" | grep 'not found' && exit 1
done
mocksrv run demo/a-mail-finds-its-way tls/a-common-name -- /usr/bin/Qremote
mocksrv test /usr/bin/Qremote --only demo
qremote-try --help
echo "$(Qremote --version), $(mocksrv --version)" >&3

# qmail uses it, in one way and in the other.
mkdir -p /var/qmail/bin
cd /var/qmail/bin
cp /bin/true qmail-remote
printf 'control/timeoutremote\0' >>qmail-remote
cp qmail-remote before
/usr/share/qremote/qmail-remote replace /var/qmail/bin /usr/bin/Qremote
readlink qmail-remote >&3
cp /bin/sleep qmail-rspawn
QMAILREMOTE=/usr/bin/Qremote ./qmail-rspawn 1000 &
until grep -qx qmail-rspawn /proc/$!/comm; do :; done
dpkg -r qremote && exit 1
Qremote --version
readlink qmail-remote >&3
kill $!
wait $! || :
dpkg -r qremote
cmp qmail-remote before && [ ! -L qmail-remote ]
dpkg -P mocksrv
find / -xdev \( -iname '*qremote*' -o -iname '*mocksrv*' \) -not -path '/packages/*' -not -path '/tmp/*' >&3
"""


def in_the_clean_debian(root: str) -> subprocess.CompletedProcess[str]:
    """Plays WITHIN, without the network of this machine."""
    run("mount", "--bind", root, root)
    run("mount", "-t", "proc", "proc", f"{root}/proc")
    for name in ("null", "urandom", "random"):
        (Path(root) / "dev" / name).touch()
        run("mount", "--bind", f"/dev/{name}", f"{root}/dev/{name}")
    return subprocess.run(
        ["chroot", root, "/bin/sh", "-e", "-c", WITHIN], env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}")
@pytest.mark.skipif(sandbox.available(True) is not None, reason=f"sandbox: {sandbox.available(True)}")
def test_the_packages_in_a_clean_debian(tmp_path: Path) -> None:
    """lintian finds nothing. They install, work, stay while qmail needs them, and leave nothing behind."""
    make(f"BUILD={tmp_path}", "-o", "deps-deb", "deb")
    packages = [path for path in (tmp_path / "deb").glob("*.deb") if "-dbgsym" not in path.name]
    assert sorted(path.name.partition("_")[0] for path in packages) == ["mocksrv", "qremote"]
    root = tmp_path / "debian"
    clean_debian(root, packages)
    (root / "packages").mkdir()
    for package in packages:
        shutil.copy(package, root / "packages")
    done = sandbox.run(in_the_clean_debian, str(root), all_users=True, timeout=300)
    version = mocksrv.__version__
    told = f"Qremote {version}, mocksrv {version}\n" + 2 * "/usr/bin/Qremote\n"
    assert (done.returncode, done.stdout) == (0, told), done.stdout + done.stderr
