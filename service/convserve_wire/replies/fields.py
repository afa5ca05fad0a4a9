"""The fields that replies share."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import ConfigDict, Field

from convserve_wire.datatypes import DATATYPES

CLOSED = ConfigDict(extra="forbid", strict=True)
Finite = Annotated[float, Field(allow_inf_nan=False)]
Number = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,18}$", description="The number of a version.")]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Shape = Sequence[Annotated[int, Field(ge=0)]]
Datatype = Annotated[str, Field(json_schema_extra={"enum": list(DATATYPES)})]
