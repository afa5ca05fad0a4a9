"""Settings: every option of `convserve serve`, from the environment as CONVSERVE_<NAME>."""

import ipaddress
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from convserve_service.logs import Form


class Settings(BaseModel):
    """Sizes in bytes, times in seconds, rates in bytes per second."""

    model_config = ConfigDict(frozen=True)

    host: str = "127.0.0.1"
    insecure: bool = False
    port: int = Field(default=8000, ge=0, le=65535)
    data_dir: Path = Path("convserve-data")
    workers: int = Field(default=1, ge=1, le=64)
    threads: int = Field(default_factory=lambda: len(os.sched_getaffinity(0)), ge=1, le=256)
    request_threads: int = Field(default=16, ge=2, le=256)
    max_body: int = Field(default=64 << 20, ge=1024)
    max_reply: int = Field(default=256 << 20, ge=1024)
    max_memory: int = Field(default=4 << 30, ge=64 << 20)
    max_rows: int = Field(default=65_536, ge=1)
    max_models: int = Field(default=1000, ge=1)
    max_datasets: int = Field(default=100, ge=1)
    max_store: int | None = Field(default=None, ge=1 << 20)
    max_catalog: int = Field(default=8 << 30, ge=1 << 20)
    max_jobs: int = Field(default=1000, ge=1)
    max_pixels: int = Field(default=4_000_000, ge=1)
    client_seconds: float = Field(default=10.0, gt=0)
    client_rate: float = Field(default=16 << 10, gt=0)
    request_seconds: float = Field(default=60.0, gt=0)
    idempotency_hours: float = Field(default=24.0, ge=24)
    keep: int = Field(default=100, ge=1)
    access_log: bool = False
    log_format: Form = "logfmt"
    drain_seconds: float = Field(default=1.0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _from_environment(cls, given: dict[str, Any]) -> dict[str, Any]:
        """What is not given is taken from the environment, where it is there."""
        variables = {name: os.environ.get(f"CONVSERVE_{name.upper()}") for name in cls.model_fields}
        return {name: text for name, text in variables.items() if text is not None} | given

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches the address."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"
