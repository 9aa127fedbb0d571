"""Programs of classic BPF, which say in the kernel what a packet socket hears.

Source: Documentation/networking/filter.rst of Linux.
"""

from __future__ import annotations

import socket
import struct
from array import array
from collections.abc import Mapping, Sequence
from typing import NamedTuple

SO_ATTACH_FILTER, SO_LOCK_FILTER = 26, 44  # asm-generic/socket.h; Python has no names for them


class Instruction(NamedTuple):
    """``struct sock_filter``; a jump skips as many instructions as it says."""

    code: int
    operand: int = 0
    if_true: int = 0
    if_false: int = 0


class Step(NamedTuple):
    """An instruction of a filter in blocks: it jumps to a block, or goes on with the next step."""

    code: int
    operand: int = 0
    if_true: str = ""
    if_false: str = ""


# linux/bpf_common.h: A is the accumulator, X the index register.
LOAD = 0x30  # A = frame[operand]
LOAD_HALF = 0x28  # the same, of two octets, big-endian
LOAD_AT_X = 0x50  # A = frame[X + operand]
LOAD_HALF_AT_X, LOAD_WORD_AT_X = 0x48, 0x40  # the same, of two octets and of four
SHIFT_LEFT = 0x64  # A <<= operand
OR_X = 0x4C  # A |= X
COPY_TO_X = 0x07  # X = A
IF_EQUAL = 0x15  # A == operand
IF_GREATER = 0x25  # A > operand
IF_GREATER_EQUAL = 0x35  # A >= operand
IF_ANY_BIT = 0x45  # A & operand
RETURN = 0x06  # keep this many bytes of the frame; a load beyond its end keeps none


def assemble(blocks: Mapping[str, Sequence[Step]]) -> tuple[Instruction, ...]:
    """A program of these blocks, one behind the other, with jumps counted out."""
    begins, end = {}, 0
    for name, steps in blocks.items():
        begins[name] = end
        end += len(steps)
    steps = [step for block in blocks.values() for step in block]
    return tuple(
        Instruction(
            step.code,
            step.operand,
            *(begins[to] - place - 1 if to else 0 for to in (step.if_true, step.if_false)),
        )
        for place, step in enumerate(steps)
    )


def attach_filter(opened: socket.socket, instructions: Sequence[Instruction]) -> None:
    """Let only wanted frames in, for as long as the socket lives."""
    program = array(
        "B",
        b"".join(
            struct.pack("=HBBI", code, if_true, if_false, operand)
            for code, operand, if_true, if_false in instructions
        ),
    )
    address, _ = program.buffer_info()
    described = struct.pack("HP", len(instructions), address)  # struct sock_fprog
    opened.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, described)
    opened.setsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER, 1)
