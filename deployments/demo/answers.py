"""The last act of the demo: the answers leave the system."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import fsspec
import pandas as pd

from deployments.demo.stage import DemoFailedError, Stage, line, show_frame
from tasks_lib.operations.results.export import ExportRequest, export_results
from tasks_lib.python.read_results import results

_BUCKET: Final = "lake"
_COLUMNS: Final = ["review_id", "sentiment", "contributor", "finished_at"]


def export_answers(stage: Stage, pipeline: str) -> None:
    """Read the answers as a DataFrame, export them to S3 twice, and read them there."""
    answers = results(pipeline)
    line(f"results({pipeline!r}) is a DataFrame:")
    show_frame(answers[_COLUMNS])
    with _stand_in_for_s3():
        request = ExportRequest(pipeline=pipeline, destination=f"s3://{_BUCKET}/labels")
        line(export_results(stage.workspace, request).sentence)
        line(export_results(stage.workspace, request).sentence)
        there = pd.read_parquet(f"{request.destination}/") if len(answers) else answers
        if there["task_id"].tolist() != answers["task_id"].tolist():
            raise DemoFailedError("the Parquet file on S3 has other tasks than the DataFrame")
        line(f"pd.read_parquet('{request.destination}/') has the same {len(there)} tasks.")


@contextmanager
def _stand_in_for_s3() -> Iterator[None]:
    """Serve S3 on a thread of this process, with a bucket, to the programs that it starts."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - only tests and the demo have it

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # it would print each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    before = dict(os.environ)
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir(_BUCKET)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.stop()
