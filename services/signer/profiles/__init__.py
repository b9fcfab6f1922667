"""Shapes of an XML signature. The unit's signing profile names one; a new shape is one file and one row here."""

from __future__ import annotations

from collections.abc import Mapping

from services.signer.profiles.agency import AgencyProfile
from services.signer.profiles.port import SignatureProfile
from services.signer.profiles.xades import XadesProfile

SHAPES: Mapping[str, SignatureProfile] = {shape.name: shape for shape in (AgencyProfile(), XadesProfile())}
