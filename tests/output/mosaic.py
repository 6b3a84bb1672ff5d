"""MosaicML's `streaming`, imported without torchvision.

`import streaming` brings its vision datasets along, which take two names from torchvision. No build of that on the
public package index fits a torch for CPUs, and nothing here uses it, so stand-ins take its place while it is imported.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

STAND_INS: dict[str, dict[str, Any]] = {
    "torchvision": {},
    "torchvision.datasets": {"VisionDataset": object},
    "torchvision.transforms": {},
    "torchvision.transforms.functional": {"to_tensor": None},
}


def import_streaming() -> Any:
    """The package. Raises ImportError where it is not installed."""
    for name in ("transformers.feature_extraction_utils", "transformers.tokenization_utils_base"):
        importlib.import_module(name)  # before the stand-ins: it asks which version of torchvision there is
    for name, members in STAND_INS.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(members)
    try:
        return importlib.import_module("streaming")
    finally:
        for name in STAND_INS:
            del sys.modules[name]
