"""Whether a request fits a model: names, types, shapes."""

from __future__ import annotations

from burnish.backends.bundle import check_inputs
from burnish.core.errors import BadRequest
from burnish.core.signature import Signature
from burnish.serve.protocol.datatypes import datatype_of
from burnish.serve.protocol.messages import Array, InferRequest, ProtocolError


def checked(request: InferRequest, signature: Signature) -> dict[str, Array]:
    """The inputs in the signature's order and types. Raises `ProtocolError`."""
    for spec in signature.inputs:
        found = request.datatypes.get(spec.name)
        wanted = datatype_of(spec.dtype)
        if found is not None and found != wanted:
            raise ProtocolError(400, f"input {spec.name!r} is {found}, the model takes {wanted}")
    try:
        check_inputs(request.inputs, signature)
    except BadRequest as error:
        raise ProtocolError(400, str(error).replace("\n", "; ")) from None
    inputs = {spec.name: request.inputs[spec.name] for spec in signature.inputs}
    if not len(next(iter(inputs.values()))):
        raise ProtocolError(400, "the request has no rows")
    return inputs


def outputs(request: InferRequest, signature: Signature) -> list[str]:
    """The names that are asked for, all without any. Raises `ProtocolError`."""
    known = [spec.name for spec in signature.outputs]
    for wanted in request.outputs:
        if wanted.name not in known:
            raise ProtocolError(400, f"unknown output {wanted.name[:64]!r}; known: {', '.join(known)}")
    return [wanted.name for wanted in request.outputs] or known
