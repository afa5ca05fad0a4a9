"""The OpenAPI document of the service, made of the declarations that route, validate and answer."""

from convserve_service.openapi.document import document

__all__ = ["document"]
