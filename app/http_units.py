"""Unit code look-up over HTTP: what `hoso unit lookup` does, for whoever may read.

GET /v1/unit-codes?tax_code=&name=      scope read or submit
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends

from hoso.domain.identifiers import BadValue, read_tax_code
from hoso.settings import Settings
from services.intake.gate import gate
from services.intake.ports import Keys, Principal
from services.intake.problems import Problem
from services.submitter.directory import DirectoryAway, HttpUnitDirectory


def router(settings: Settings, keys: Keys) -> APIRouter:
    """The route, to be mounted into intake's application."""
    made = APIRouter(prefix="/v1")
    reader = Depends(gate(keys)("read", "submit"))

    @made.get("/unit-codes")
    async def get_unit_codes(tax_code: str, name: str = "", who: Principal = reader) -> dict[str, Any]:
        """Units of a tax code, as the directory knows them: hints to compare, at most 50."""
        if not settings.unit_directory:
            raise Problem(
                404,
                "no-directory",
                "Không có nơi tra cứu mã đơn vị",
                "Máy chủ này chưa đặt HOSO_UNIT_DIRECTORY; tra mã trên Cổng thông tin BHXH Việt Nam.",
            )
        try:
            asked = read_tax_code(tax_code).value
        except BadValue as error:
            raise Problem(422, "bad-tax-code", "Mã số thuế không đúng", str(error)) from error
        try:
            found = await HttpUnitDirectory(settings.unit_directory).look_up(asked, name[:200])
        except DirectoryAway as error:
            raise Problem(502, "directory-away", "Chưa tra cứu được mã đơn vị", str(error)) from error
        return {"units": [asdict(unit) for unit in found]}

    return made
