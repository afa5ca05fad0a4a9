"""Datasets for jobs: safetensors files, kept byte for byte."""

from flask import Response, request

from convserve_service import replies, verbs
from convserve_service.body import Body, refuse_if_match
from convserve_service.routes import Routes
from convserve_service.service import Service
from convserve_service.store.records import DatasetRow, Key, Reply
from convserve_service.writes import writing
from convserve_wire.names import check_name
from convserve_wire.replies import Dataset, DatasetDeleted, Datasets


def register(routes: Routes, service: Service) -> None:
    datasets = service.datasets

    def put(body: Body, key: Key | None, dataset: str) -> Reply:
        refuse_if_match(request)
        return datasets.put(
            check_name(dataset, "dataset"),
            body.data,
            key=key,
            reply=lambda row, new: replies.plain(_describe(row), 201 if new else 200),
        )

    def get(dataset: str) -> Response:
        row = datasets.find(check_name(dataset, "dataset"))
        return replies.file(request, bytes(datasets.file(row)), row.digest)

    def delete(body: Body, key: Key | None, dataset: str) -> Reply:
        refuse_if_match(request)
        reply = replies.plain(DatasetDeleted(name=dataset, deleted=True))
        return datasets.delete(check_name(dataset, "dataset"), key=key, reply=reply)

    def index() -> Response:
        return replies.json(Datasets(datasets=[_describe(row) for row in datasets.all()]))

    routes.add(verbs.PUT_DATASET, writing(service, put))
    routes.add(verbs.GET_DATASET, get)
    routes.add(verbs.DELETE_DATASET, writing(service, delete))
    routes.add(verbs.DATASETS, index)


def _describe(row: DatasetRow) -> Dataset:
    return {"name": row.name, "digest": row.digest, "rows": row.rows, "bytes": row.size, "created": row.created}
