"""Enrolment of nodes and access of people; for administrators."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from starlette.requests import Request

from coordinator.access.roles import Role
from coordinator.api.access import COOKIE, AdminDep, CentreDep, ViewerDep
from coordinator.api.strict import Strict

router = APIRouter(tags=["access"], route_class=Strict)
MAX_EXPIRY_S = 366 * 86_400.0
Seconds = Annotated[float, Field(gt=0, le=MAX_EXPIRY_S, allow_inf_nan=False)]


class EnrolmentRequest(BaseModel):
    """How many nodes a token admits, for how long, and which; no names: any."""

    uses: Annotated[int, Field(ge=1, le=100_000)] = 1
    expires_s: Seconds = 86_400.0
    names: Annotated[list[str], Field(max_length=10_000)] = []
    label: Annotated[str, Field(max_length=200)] = ""


class AccessRequest(BaseModel):
    """Who gets access, in which role, and for how long; without `expires_s` for good."""

    name: Annotated[str, Field(max_length=63)]
    role: Role
    expires_s: Seconds | None = None


class Login(BaseModel):
    """An access token, to be kept in a cookie of the browser."""

    token: Annotated[str, Field(max_length=200)]


@router.post("/enrolments")
async def enrol(request: EnrolmentRequest, caller: AdminDep, centre: CentreDep) -> dict[str, Any]:
    """Make an enrolment token. It is in this answer and nowhere else: only its hash is kept."""
    enrolment, token = await centre.access.enrol(
        caller, request.uses, request.expires_s, request.names, request.label
    )
    return {"id": enrolment.id, "token": token, "expires_at": enrolment.expires_at}


@router.get("/enrolments")
async def list_enrolments(_caller: AdminDep, centre: CentreDep) -> list[dict[str, Any]]:
    """All enrolment tokens with their state: valid, used up, expired or revoked."""
    return centre.access.enrolments()


@router.delete("/enrolments/{enrolment_id}")
async def revoke(enrolment_id: str, _caller: AdminDep, centre: CentreDep) -> dict[str, str]:
    """Let nobody else in with this token; nodes that it admitted stay."""
    enrolment = await centre.access.revoke(enrolment_id)
    return {"revoked": enrolment.id}


@router.post("/access")
async def give_access(
    request: AccessRequest, caller: AdminDep, centre: CentreDep
) -> dict[str, str]:
    """Give a person or a script access. The token is in this answer and nowhere else."""
    token = await centre.access.add(caller, request.name, request.role, request.expires_s)
    return {"name": request.name, "role": request.role, "token": token}


@router.get("/access")
async def list_access(_caller: AdminDep, centre: CentreDep) -> list[dict[str, Any]]:
    """All who have access."""
    return centre.access.people()


@router.delete("/access/{name}")
async def take_access(name: str, _caller: AdminDep, centre: CentreDep) -> dict[str, str]:
    """Take access away; the token is void at once."""
    await centre.access.remove(name)
    centre.live.changed()  # who waits for news hears that there is none for them
    return {"removed": name}


@router.get("/session")
async def who_am_i(caller: ViewerDep, centre: CentreDep) -> dict[str, Any]:
    """Who asks, in which role, and whether this coordinator asks anybody at all."""
    return {"name": caller.name, "role": caller.role, "enrolled": centre.access.enrolled}


@router.post("/session")
async def log_in(
    login: Login, request: Request, response: Response, centre: CentreDep
) -> dict[str, str]:
    """Keep an access token in a cookie of the browser, which its pages and links then send."""
    caller = centre.access.caller(login.token)
    response.set_cookie(
        COOKIE,
        login.token,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return {"name": caller.name, "role": caller.role}


@router.delete("/session")
async def log_out(response: Response) -> dict[str, bool]:
    """Forget the browser's access token."""
    response.delete_cookie(COOKIE, samesite="strict", httponly=True)
    return {"out": True}
