"""`/v1/enrolments`: a person records prompts or phrases one by one, and a model of them is learned."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from lipscribe.server.bodies import JsonRoute
from lipscribe.server.enrolment_folder import RECORD, EnrolmentFolder, Kind
from lipscribe.server.errors import ApiError
from lipscribe.server.learning import Learner, check
from lipscribe.server.schemas import ERRORS
from lipscribe.server.service import Service
from lipscribe.server.told import checking, read_lines
from lipscribe.server.uploads import receive_upload

MAX_BYTES = 50_000_000  # of a recording: 20 s at 20 Mbit/s
_MAGIC = {b"\x1aE\xdf\xa3": ".webm", b"ftyp": ".mp4", b"RIFF": ".avi"}  # what browsers and cameras record
_SHORT = ("name", "kind", "base", "state", "recorded", "wanted")


class NewEnrolment(BaseModel):
    """What `POST /v1/enrolments` takes; see `EnrolmentFolder.create`."""

    name: str
    kind: Kind = "person"
    base: str | None = None
    prompts: Annotated[list[str], Field(fail_fast=True)] | None = None


def enrolment_router(root: Path) -> APIRouter:
    """The routes.

    Args:
        root: The folder of all enrolments; made when the first one is.
    """
    # This function is long on purpose: it is seven short routes, which share the folder and who is learned.
    router = APIRouter(prefix="/v1/enrolments", tags=["enrolments"], responses=ERRORS, route_class=JsonRoute)
    learner = Learner()

    def found(name: str) -> EnrolmentFolder:
        folder = EnrolmentFolder(root, name)
        if not folder.exists:
            raise ApiError(404, f"there is no enrolment {name!r}: create it, or choose another", "name")
        return folder

    def resting(name: str) -> EnrolmentFolder:
        if learner.job is not None and learner.job.name == name:
            raise ApiError(409, f"{name} is being learned: wait until it is finished", "name")
        return found(name)

    @router.get("")
    def list_enrolments() -> dict[str, Any]:
        """All enrolments, in short."""
        names = sorted(path.parent.name for path in root.glob(f"*/{RECORD}"))
        described = [_describe(EnrolmentFolder(root, name), learner) for name in names]
        return {"object": "list", "data": [{key: each[key] for key in _SHORT} for each in described]}

    @router.post("", status_code=201)
    def create_enrolment(new: NewEnrolment) -> dict[str, Any]:
        """Starts an enrolment."""
        folder = EnrolmentFolder(root, new.name)
        folder.create(new.kind, new.base, new.prompts)
        return _describe(folder, learner)

    @router.get("/{name}")
    def get_enrolment(name: str) -> dict[str, Any]:
        """Prompts, recordings, and how far learning is."""
        return _describe(found(name), learner)

    @router.delete("/{name}", status_code=204, response_class=Response)
    def delete_enrolment(name: str) -> None:
        """Deletes the recordings; a model that was learned stays."""
        resting(name).delete()

    @router.put("/{name}/recordings/{number}", openapi_extra=_VIDEO)
    async def put_recording(name: str, number: int, request: Request, text: str | None = None) -> dict[str, Any]:
        """Checks a recording, and keeps it if it can be used. The body is the video."""
        service: Service = request.app.state.service
        folder = resting(name)
        said = folder.check_place(number, text)
        async with receive_upload(request, service) as upload:
            suffix = _suffix(upload.file)
            told = await service.child(check, str(upload.file), said, folder.load()["base"])
            with checking():
                verdict = {key: read_lines(told[key]) for key in ("faults", "notes")}
            if not verdict["faults"]:
                await service.small(lambda: folder.keep(number, said, upload.file, suffix, verdict["notes"]))
        return {"number": number, "text": said, "kept": not verdict["faults"], **verdict}

    @router.delete("/{name}/recordings/{number}", status_code=204, response_class=Response)
    def delete_recording(name: str, number: int) -> None:
        """Deletes a recording, to make it again."""
        resting(name).remove_recording(number)

    @router.post("/{name}/adapt", status_code=202)
    def adapt(name: str, insist: bool = False) -> dict[str, Any]:
        """Starts to learn, or resumes; `GET /v1/enrolments/{name}` tells how far it is.

        `insist` learns even if the recordings seem to be of several people, or the texts of others.
        """
        folder = resting(name)
        learner.start(folder, insist)
        return _describe(folder, learner)

    return router


_VIDEO = {"requestBody": {"required": True, "content": {"video/*": {"schema": {"type": "string", "format": "binary"}}}}}


def _suffix(path: Path) -> str:
    """How a recording's name ends, by what it is.

    Raises:
        ApiError: It is no video that a browser or a camera records, or too large.
    """
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ApiError(413, f"the recording has {size / 1e6:.0f} MB (at most {MAX_BYTES / 1e6:.0f}): record a sentence")
    with path.open("rb") as file:
        begin = file.read(8)
    suffix = next((end for magic, end in _MAGIC.items() if magic in begin), None)
    if suffix is None:
        raise ApiError(422, "the recording is no WebM, MP4 or AVI video: send what the camera recorded")
    return suffix


def _describe(folder: EnrolmentFolder, learner: Learner) -> dict[str, Any]:
    """An enrolment for the page."""
    record, job = folder.load(), learner.job
    job = job if job is not None and job.name == folder.name else None
    result = record.get("result") or {}
    recordings = [
        {
            "number": number,
            "text": text,
            "recorded": str(number) in record["recordings"],
            "notes": record["recordings"].get(str(number), {}).get("notes", []),
        }
        for number, text in enumerate(record["prompts"], 1)
    ]
    if job is not None:
        state = "learning"
    elif record.get("learning"):
        state = "interrupted"
    elif record.get("failed"):
        state = "failed"
    else:
        state = "learned" if result else "recording"
    return {
        "name": folder.name,
        "kind": record["kind"],
        "base": record["base"],
        "state": state,
        "recorded": len(record["recordings"]),
        "wanted": len(record["prompts"]),
        "recordings": recordings,
        "obstacle": folder.obstacle(),
        "task": job.task if job else None,
        "done": job.done if job else 0,
        "total": job.total if job else None,
        "message": job.message if job else record.get("failed", ""),
        "may_insist": state == "failed"
        and any(flag in record["failed"] for flag in ("--same-person", "--trust-texts")),
        "lines": result.get("lines", []),
        "estimate": result.get("estimate"),
        "learned_from": result.get("recordings", 0),
        "folder": str(folder.path),
        "command": folder.command,
    }
