"""The API description: an OpenAPI 3.0, 3.1 or 3.2 document as operations. It judges the document, never a request.

`description` reads the whole, `operations` one path, and `parameters`, `content` and `security` what stands in an
operation; all of them read `Part`s, which know their place for whoever made a mistake there.
"""

from doorward.policy.openapi.description import (
    UNDESCRIBED,
    description_from_document,
    in_description,
    load_description,
    undescribed,
)

__all__ = ["UNDESCRIBED", "description_from_document", "in_description", "load_description", "undescribed"]
