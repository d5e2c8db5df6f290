# SPDX-License-Identifier: MIT
"""The fields of messages by their full names, from what Envoy publishes and from ours, so that they can be compared."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from service import FOLDER

PROTO = FOLDER / "envoy" / "proto"


def fields_of(message: object) -> dict[str, tuple]:
    """Of a message, and of all that it consists of: number, kind, whether there are many, and the values of an enum."""
    found: dict[str, tuple] = {}
    open_ = [message]
    seen = set()
    while open_:
        each = open_.pop()
        if each.full_name in seen:
            continue
        seen.add(each.full_name)
        for field in each.fields:
            enum = {value.name: value.number for value in field.enum_type.values} if field.enum_type else {}
            is_repeated = field.is_repeated
            made_of = field.message_type.full_name if field.message_type else ""
            found[field.full_name] = (field.number, field.type, is_repeated, made_of, enum)
            if field.message_type:
                open_.append(field.message_type)
    return found


def ours() -> dict[str, tuple]:
    """Of all that our files define."""
    files = [str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto")]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "set"
        command = ["protoc", f"--proto_path={PROTO}", f"--descriptor_set_out={made}", "--include_imports", *files]
        subprocess.run(command, check=True)
        files_ = FileDescriptorSet.FromString(made.read_bytes()).file
    pool = DescriptorPool()
    for file in files_:
        pool.Add(FileDescriptorProto.FromString(file.SerializeToString()))
    service = "envoy.service.ratelimit.v3."
    request, response = (
        pool.FindMessageTypeByName(service + name) for name in ("RateLimitRequest", "RateLimitResponse")
    )
    return fields_of(request) | fields_of(response)
