"""Whatever the server's own schema allows, and much that it does not, is answered without a fault of the server."""

from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("schemathesis", reason="needs schemathesis: make setup")

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from running_server import running

pytestmark = pytest.mark.slow

# The body of a recording may be of any kind of video.
schemathesis.serializer("video/*")(lambda context, value: value if isinstance(value, bytes) else repr(value).encode())

EXAMPLES = 12  # of each operation


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIPSCRIBE_CACHE", str(tmp_path_factory.mktemp("cache")))
        with running(workers=1) as address:
            yield address


def test_no_answer_is_a_fault_of_the_server(server: str):
    schema = schemathesis.openapi.from_url(f"{server}/openapi.json")
    asked = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def check(case) -> None:
            nonlocal asked
            answer = case.call(timeout=60)
            asked += 1
            assert answer.status_code < 500, f"{case.method} {case.path}: {answer.status_code}"
            if answer.status_code >= 400:
                assert answer.json()["error"]["message"]

        check()
    assert asked > 100


def test_the_schema_names_what_there_is(server: str):
    schema = httpx.get(f"{server}/openapi.json").json()
    assert {"/v1/audio/transcriptions", "/v1/video/mouths", "/v1/enrolments", "/v1/models"} <= set(schema["paths"])
    form = schema["paths"]["/v1/video/transcriptions"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert form["schema"]["properties"]["file"]["format"] == "binary"
    docs = httpx.get(f"{server}/docs").text
    assert all(path in docs for path in ("/v1/audio/transcriptions", "/v1/video/inspections"))
    assert "http://" not in docs and "https://" not in docs  # works offline


def test_files_of_the_package_are_not_served(server: str):
    for path in ("/../app.py", "/%2e%2e/app.py", "/..%2fapp.py", "//etc/passwd", "/js/../../app.py"):
        assert httpx.get(server + path).status_code in (404, 405)
