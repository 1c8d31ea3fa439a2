#!/usr/bin/env python3
"""What a packager and a reader rely on: `make install` puts a working program and library where it
is told, pkg-config finds the library, a program links with it either way, and `make uninstall`
leaves nothing behind; the man page is well-formed, the documents link to what exists, and the
examples of README.md print what it says.

    tests/package/run.py --build DIR [--update]     --update: rewrite what README.md says they print
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
EMBEDDER = """\
#include <lastack/lastack.h>
#include <stdio.h>
int main(void) {
    return puts(la_version()) < 0;
}
"""


class Skip(Exception):
    pass


def call(*command, **options):
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{shlex.join(command)}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


class Stage:
    """An installation under a directory of its own."""

    def __init__(self, build, directory):
        self.build = build
        self.top = directory / "root"
        self.prefix = self.top / "opt/lastack"
        # The make that runs this test has its own idea of jobs and variables.
        self.environment = {k: v for k, v in os.environ.items()
                            if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
        flags = (build / "flags").read_text()
        self.sanitized = "-fsanitize" in flags
        self.compiler = shlex.split(flags)[0]

    def make(self, target):
        # What was built is installed, whatever the flags it was built with.
        return call("make", target, "KEEP=1", f"BUILD={self.build}", f"DESTDIR={self.top}",
                    "PREFIX=/opt/lastack", env=self.environment)

    def files(self):
        return sorted(str(p.relative_to(self.prefix)) for p in self.prefix.rglob("*")
                      if not p.is_dir())

    def pkg_config(self, *arguments):
        environment = {**self.environment, "PKG_CONFIG_PATH": str(self.prefix / "lib/pkgconfig")}
        # The staged file speaks of where it will be in the end.
        return call("pkg-config", f"--define-variable=prefix={self.prefix}", *arguments, "lastack",
                    env=environment).split()

    def embedder(self, directory, *libraries):
        source = directory / "embedder.c"
        source.write_text(EMBEDDER)
        program = directory / "embedder"
        call(self.compiler, "-std=c11", "-Wall", "-Wextra", "-Wstrict-prototypes", "-Werror", "-o",
             str(program), str(source), *self.pkg_config("--cflags"), *libraries)
        return call(str(program), env={**self.environment,
                                       "LD_LIBRARY_PATH": str(self.prefix / "lib")}).strip()


def test_install(stage, directory):
    stage.make("install")
    files = stage.files()
    for wanted in ("bin/lastack", "lib/liblastack.a", "lib/liblastack.so",
                   "lib/pkgconfig/lastack.pc", "include/lastack/lastack.h",
                   "share/man/man1/lastack.1"):
        assert wanted in files, f"{wanted} was not installed, only {files}"


def test_installed_program_runs(stage, directory):
    version = stage.pkg_config("--modversion")[0]
    told = call(str(stage.prefix / "bin/lastack"), "--version")
    assert version in told, f"pkg-config says {version}, the program {told!r}"


def test_shared_library(stage, directory):
    if stage.sanitized:
        raise Skip("built with sanitizers")
    version = stage.pkg_config("--modversion")[0]
    assert stage.embedder(directory, *stage.pkg_config("--libs")) == version


def test_static_library(stage, directory):
    if stage.sanitized:
        raise Skip("built with sanitizers")
    libraries = [str(stage.prefix / "lib/liblastack.a") if word == "-llastack" else word
                 for word in stage.pkg_config("--libs", "--static")]
    assert stage.embedder(directory, *libraries) == stage.pkg_config("--modversion")[0]


def test_exports_only_the_header(stage, directory):
    names = [line.split()[-1].split("@")[0] for line in
             call("nm", "-D", "--defined-only", str(stage.prefix / "lib/liblastack.so")).splitlines()
             if " T " in line or " D " in line or " B " in line]
    header = (stage.prefix / "include/lastack/lastack.h").read_text()
    assert names, "nothing is exported"
    stray = [name for name in names if f"{name}(" not in header]
    if stage.sanitized:
        stray = [name for name in stray if name.startswith("la_")]
    assert not stray, f"exported, though the header does not declare it: {stray}"


def test_schemas_are_installed(stage, directory):
    for source in sorted((ROOT / "docs/schema").glob("*.json")):
        copy = stage.prefix / "share/lastack/schema" / source.name
        assert copy.read_bytes() == source.read_bytes(), source.name


def test_man_page(stage, directory):
    if not shutil.which("mandoc"):
        raise Skip("mandoc is not installed")
    call("mandoc", "-T", "lint", "-W", "warning", str(stage.prefix / "share/man/man1/lastack.1"))


def test_links(stage, directory):
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/**/*.md"),
                 *ROOT.glob("testdata/**/*.md")]
    dead = [f"{document.relative_to(ROOT)}: {target}" for document in documents
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
            if not (document.parent / target).exists()]
    assert not dead, f"links to what does not exist: {dead}"


# A command that README.md shows, and what it says that this prints. A command goes on as long as
# its lines are indented by six.
EXAMPLE = re.compile(r"^```\n\$ (lastack .*\n(?: {6}.*\n)*)((?:.*\n)*?)```$", re.MULTILINE)


def run_example(stage, command):
    environment = {**stage.environment, "PATH": f"{stage.prefix / 'bin'}:{os.environ['PATH']}"}
    return call("sh", "-c", command, env=environment)


def test_readme_examples(stage, directory):
    if not shutil.which("jq"):
        raise Skip("jq is not installed")
    found = EXAMPLE.findall((ROOT / "README.md").read_text())
    assert found, "README.md has no example"
    for command, wanted in found:
        printed = run_example(stage, command)
        assert printed == wanted, f"README.md: {command}prints\n{printed}"


def update_readme(stage):
    """Writes what the examples print now into README.md."""
    readme = ROOT / "README.md"
    readme.write_text(EXAMPLE.sub(
        lambda match: f"```\n$ {match[1]}{run_example(stage, match[1])}```", readme.read_text()))


def test_uninstall(stage, directory):
    stage.make("uninstall")
    assert stage.files() == [], f"left behind: {stage.files()}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=Path)
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    count = {"passed": 0, "failed": 0, "skipped": 0}
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        stage = Stage(options.build.resolve(), directory)
        if options.update:
            stage.make("install")
            update_readme(stage)
            return 0
        for name, test in list(globals().items()):
            if not name.startswith("test_"):
                continue
            try:
                test(stage, directory)
                count["passed"] += 1
            except Skip as why:
                count["skipped"] += 1
                print(f"skipped {name}: {why}")
            except (AssertionError, OSError) as why:
                count["failed"] += 1
                print(f"FAILED {name}: {why}")
    print(", ".join(f"{number} {what}" for what, number in count.items()))
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
