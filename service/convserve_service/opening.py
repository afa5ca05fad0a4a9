"""The store as the settings want it: for every process that writes."""

from convserve_service.settings import Settings
from convserve_service.store.store import Store


def opened(settings: Settings) -> Store:
    """The store of their data directory, within their bounds."""
    return Store.open(
        settings.data_dir,
        reply_hours=settings.idempotency_hours,
        most_bytes=settings.max_store,
        most_catalog=settings.max_catalog,
    )
