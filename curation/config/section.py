"""What the parts of a job file have in common. The docstring under a key is its description in `curation schema`."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, field_validator

#: No control characters: tables, messages and pages show these names.
PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
#: The largest integer that float64 and JSON readers hold exactly.
MOST = 2**53
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=MOST)]


class Section(BaseModel):
    """A part of the job file. Unknown keys are errors; values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_booleans_as_numbers(cls, value: Any, info: Any) -> Any:
        if isinstance(value, bool) and not _takes_booleans(cls.model_fields[info.field_name].annotation):
            raise ValueError(f"{str(value).lower()} is not a value for this key")
        return value


def _takes_booleans(annotation: Any) -> bool:
    is_union = get_origin(annotation) in (Union, UnionType)
    return annotation is bool or (is_union and bool in get_args(annotation))
