"""Compiles the kernels of the fast engine when netsim is built or installed; without a C compiler, netsim goes without.

What is compiled lies beside its source under a name with the source's digest (netsim/engine/fast/kernels/__init__.py),
so that an editable install finds it too, and what is there already is not compiled again.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Sums are to come out alike on every machine, compiled or not: no fused multiply-add.
FLAGS = ["/O2"] if sys.platform == "win32" else ["-O3", "-ffp-contract=off"]


class Kernels(BuildHookInterface):  # type: ignore[type-arg]
    """The build hook; a wheel holds what was compiled for this Python, or is a pure one."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        folder = Path(self.root, "netsim", "engine", "fast", "kernels")
        kernels = _kernels(folder)
        suffix = f"_{kernels.digest(folder)}{sysconfig.get_config_var('EXT_SUFFIX')}"
        built = [folder / f"{name}{suffix}" for name in kernels.NAMES]
        if not all(file.exists() for file in built):
            try:
                _compile(folder, kernels.NAMES, suffix)
            except Exception as error:  # whatever a compiler may do: netsim runs without
                self.app.display_warning(f"netsim's kernels are not compiled, and its fast engine is slow: {error}")
                return
        build_data["pure_python"], build_data["infer_tag"] = False, True
        build_data["force_include"].update({str(file): str(file.relative_to(self.root)) for file in built})


def _kernels(folder: Path) -> ModuleType:
    """netsim/engine/fast/kernels, without importing netsim."""
    spec = importlib.util.spec_from_file_location("kernels", folder / "__init__.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _compile(folder: Path, names: tuple[str, ...], suffix: str) -> None:
    """Compile sources under the names that they shall bear, elsewhere, and put what comes out beside them."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    mark, package = suffix.partition(".")[0], "netsim.engine.fast.kernels"
    with tempfile.TemporaryDirectory() as temporary:
        room = Path(temporary, *package.split("."))
        room.mkdir(parents=True)
        for each in (room, *room.parents[:3]):
            (each / "__init__.py").touch()
        for name in names:
            for ending in ("py", "pxd"):
                text = (folder / f"{name}.{ending}").read_text(encoding="utf-8")
                for other in names:  # as one calls another
                    text = text.replace(f"{package}.{other} ", f"{package}.{other}{mark} ")
                (room / f"{name}{mark}.{ending}").write_text(text, encoding="utf-8")
        extensions = [
            Extension(f"{package}.{name}{mark}", [str(room / f"{name}{mark}.py")], extra_compile_args=FLAGS)
            for name in names
        ]
        made = cythonize(
            extensions, quiet=True, nthreads=os.cpu_count() or 1, build_dir=temporary, include_path=[temporary]
        )
        command = build_ext(Distribution({"ext_modules": made}))
        command.build_lib = command.build_temp = temporary
        command.parallel = os.cpu_count()
        command.ensure_finalized()
        command.run()
        for old in [
            file for name in names for file in folder.glob(f"{name}_*{sysconfig.get_config_var('EXT_SUFFIX')}")
        ]:
            old.unlink()
        for name in names:
            shutil.copy(room / f"{name}{suffix}", folder)
