"""What schemathesis is told of the service beside its configuration."""

from typing import Any

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.core.parameters import ParameterLocation

from convserve_wire.envelope import HEADER_LENGTH

TAKING = ("delete", "unload", "delete_dataset")
VICTIM = "victim"


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """What takes a model or dataset away takes one that the other operations do not need."""
    if case.operation.definition.raw["operationId"] in TAKING:
        keep = {"tiny", "other", "rows"}
        case.path_parameters = {
            name: VICTIM if value in keep else value for name, value in case.path_parameters.items()
        }


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether it is one. HTTP lets headers and queries say more than is documented; a header length of 0 makes any
    bytes of the right number a row of x."""
    if not isinstance(failure, AcceptedNegativeData):
        return True
    raw = (case.headers or {}).get(HEADER_LENGTH) == "0"
    return not raw and any(map(case.meta.is_negative_at, (ParameterLocation.PATH, ParameterLocation.BODY)))
