"""The systems of a portal and how each is spoken. A third one would be one line more."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.irp.dialect import Dialect
from gateway.irp.einvoice import EInvoice
from gateway.irp.endpoints import EINVOICE, EWAYBILL
from gateway.irp.ewayapi import EWayApi

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType({EINVOICE: EInvoice(), EWAYBILL: EWayApi()})
