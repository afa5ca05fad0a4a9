"""What schemathesis is told of the service beside its configuration."""

from typing import Any

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData, ServerError
from schemathesis.core.parameters import ParameterLocation

from convserve_wire import paths
from convserve_wire.envelope import HEADER_LENGTH

TAKING = ("delete", "unload", "delete_dataset")
VICTIM = "victim"
CHECKED = (ParameterLocation.PATH, ParameterLocation.BODY)  # headers and queries may say more than is documented
COVERED = (paths.V1_PREDICT, paths.ALL_STATISTICS)  # other methods of these are those of a path with a name in it
OF_METHODS = ("unsupported_method", "allow_header_conformance")


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
    """Whether it is one: not 503 for an unloaded model in V1, nor a body that the header says is one raw row of x."""
    if isinstance(failure, ServerError):
        return not (response.status_code == 503 and case.operation.definition.raw["operationId"] == "v1_ready")
    if isinstance(failure, AcceptedNegativeData):
        raw = (case.headers or {}).get(HEADER_LENGTH) == "0"  # any bytes of the right number are
        return not raw and any(map(case.meta.is_negative_at, CHECKED))
    return not (case.operation.path in COVERED and set(failure.checks) & set(OF_METHODS))
