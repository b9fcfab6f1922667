"""The gate of the API: whose key a request carries, and what it may do. One for every route, whoever mounts it."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Depends, Request

from services.intake.ports import Keys, Principal
from services.intake.problems import Problem


def gate(keys: Keys) -> Callable[..., Callable[[Principal], Principal]]:
    """may(scope, …): a dependency that gives the Principal when his key has one of the scopes. Raises Problem 401, 403."""

    async def principal(request: Request) -> Principal:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        found = await keys.check(token.strip()) if scheme.lower() == "bearer" and token else None
        if found is None:
            detail = "Gửi tiêu đề Authorization: Bearer hoso_<id>_<secret> với một khoá còn hiệu lực."
            raise Problem(401, "unauthorized", "Khoá API không hợp lệ", detail)
        return found

    known = Depends(principal)

    def may(*scopes: str) -> Callable[[Principal], Principal]:
        def check(who: Principal = known) -> Principal:
            if not who.scopes & set(scopes):
                detail = f"Khoá này không có quyền “{scopes[0]}”; tạo khoá khác bằng `hoso key add`."
                raise Problem(403, "forbidden", "Không đủ quyền", detail)
            return who

        return check

    return may
