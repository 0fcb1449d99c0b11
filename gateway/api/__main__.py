"""Print the OpenAPI document: `python -m gateway.api > schemas/openapi.json`."""

from __future__ import annotations

import sys

from gateway.api import openapi
from gateway.api.app import outline

sys.stdout.write(openapi.text(openapi.document(outline())))
