"""Products of few rows with large matrices, at the speed of reading the matrix once.

A program owns a block of outputs and a share of the inputs. Shares of one block meet in memory, and the last program
to arrive adds them up in their order, so the result does not depend on who was last. Packed matrices are unpacked in
registers on the way.

Shapes: R rows, N outputs, K inputs.
"""

from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from falcon.packed_matrices import NF4_BLOCK, NF4_VALUES, Int8Matrix, Nf4Matrix

PLAIN, INT8, NF4 = 0, 1, 2
UNPACKED_AT_ONCE = 1024
MAX_SHARES = 32


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a product is cut; `shares` is in how many parts the inputs of a block are read."""

    rows: int
    outputs: int
    inputs: int
    shares: int
    warps: int
    stages: int


def choose_tiling(num_rows: int, num_outputs: int, num_inputs: int, kind: int, shared_bytes: int = 232448) -> Tiling:
    """Return a tiling that keeps some 132 multiprocessors busy with reads of the matrix.

    `shared_bytes` is what a program may use of a multiprocessor's shared memory: smaller GPUs get fewer stages.
    """
    rows = max(16, min(64, triton.next_power_of_2(num_rows)))
    is_wide = num_outputs >= 16384
    if num_outputs < 1024:  # an adapter's: a few outputs of many inputs
        shares = min(MAX_SHARES, max(1, 264 // triton.cdiv(num_outputs, 16)), triton.cdiv(num_inputs, 128))
        return Tiling(rows, 16, 128, shares, 4, 3)
    if kind == NF4:
        outputs, inputs, stages = 64, 128, 3 if rows == 16 else 2
    elif num_outputs >= 32768:
        outputs, inputs, stages = 32, 256, 4
    else:
        outputs, inputs, stages = (64, 256, 4) if is_wide else (32, 128, 3)
    blocks = triton.cdiv(num_outputs, outputs) * triton.cdiv(num_rows, rows)
    shares = 1 if is_wide else max(1, min(8, 568 // blocks))
    while stages > 2 and 2 * stages * inputs * (rows + outputs) > shared_bytes:
        stages -= 1
    if 2 * stages * inputs * (rows + outputs) > shared_bytes:
        inputs //= 2
    return Tiling(rows, outputs, inputs, shares, 4, stages)


class Products:
    """Products on one device, with the scratch memory they need."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._partials = torch.empty(0, dtype=torch.float32, device=device)
        self._unpacked: dict[tuple[int, torch.dtype], Tensor] = {}
        self._shared_bytes = _shared_bytes(device)
        self._arrived = torch.zeros(65536, dtype=torch.int32, device=device)

    def reserve(self, num_floats: int) -> None:
        """Make the scratch memory large enough; not while a graph that uses it may still be replayed."""
        if self._partials.numel() < num_floats:
            self._partials = torch.empty(num_floats, dtype=torch.float32, device=self._device)

    def product(
        self,
        x: Tensor,
        matrix: Any,
        onto: Tensor | None = None,
        tiling: Tiling | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return x (R, K) times matrix^T, times `mask` (R, N) and added to `onto` (R, N) in place where given."""
        (num_rows, num_inputs), num_outputs = x.shape, matrix.shape[0]
        kind = INT8 if isinstance(matrix, Int8Matrix) else NF4 if isinstance(matrix, Nf4Matrix) else PLAIN
        tiling = tiling or choose_tiling(num_rows, num_outputs, num_inputs, kind, self._shared_bytes)
        codes, scales = _parts(matrix)
        out = torch.empty(num_rows, num_outputs, dtype=x.dtype, device=x.device) if onto is None else onto
        blocks = (triton.cdiv(num_outputs, tiling.outputs), triton.cdiv(num_rows, tiling.rows), tiling.shares)
        if tiling.shares > 1:
            self.reserve(blocks[0] * blocks[1] * blocks[2] * tiling.rows * tiling.outputs)
        _product[blocks](
            *(x, codes, scales, out if mask is None else mask, out, self._partials, self._arrived),
            *(num_rows, num_outputs, num_inputs, x.stride(0), out.stride(0)),
            triton.cdiv(triton.cdiv(num_inputs, tiling.inputs), tiling.shares) * tiling.inputs,
            ROWS=tiling.rows,
            OUTPUTS=tiling.outputs,
            INPUTS=tiling.inputs,
            SHARES=tiling.shares,
            KIND=kind,
            IS_ADDED=onto is not None,
            IS_MASKED=mask is not None,
            IS_TURNED=kind == NF4 and tiling.rows > 16,
            BLOCK=NF4_BLOCK,
            num_warps=tiling.warps,
            num_stages=tiling.stages,
        )
        return out

    def unpack(self, matrix: Int8Matrix | Nf4Matrix, dtype: torch.dtype) -> Tensor:
        """Return the matrix (N, K) in `dtype`, in scratch memory that the next one of its size overwrites."""
        num_outputs, num_inputs = matrix.shape
        out = self._unpacked.get((matrix.numel(), dtype))
        if out is None:
            out = self._unpacked[matrix.numel(), dtype] = torch.empty(matrix.numel(), dtype=dtype, device=self._device)
        is_nf4 = isinstance(matrix, Nf4Matrix)
        _unpack[(num_outputs, triton.cdiv(num_inputs, UNPACKED_AT_ONCE))](
            *_parts(matrix),
            out,
            num_inputs,
            INPUTS=UNPACKED_AT_ONCE,
            IS_NF4=is_nf4,
            BLOCK=NF4_BLOCK,
            num_warps=4,
        )
        return out.view(num_outputs, num_inputs)


def _shared_bytes(device: torch.device) -> int:
    if device.type != "cuda":
        return 232448  # an H100's, where kernels are interpreted
    properties = torch.cuda.get_device_properties(device)
    return int(getattr(properties, "shared_memory_per_block_optin", 101376))


@triton.jit
def _unpack(codes, scales, out, num_inputs, INPUTS: tl.constexpr, IS_NF4: tl.constexpr, BLOCK: tl.constexpr):
    row, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    if IS_NF4:
        words = part * (INPUTS // 8) + tl.arange(0, INPUTS // 8)
        is_word = words < num_inputs // 8
        packed = tl.load(codes + row * (num_inputs // 8) + words, mask=is_word, other=0)
        scale = tl.load(scales + row * (num_inputs // BLOCK) + words // 8, mask=is_word, other=0.0).to(tl.float32)
        at = out + row * num_inputs + (words // 8) * BLOCK + words % 8
        v0, v1, v2, v3, v4, v5, v6, v7 = _unpack_nf4(packed)
        tl.store(at, (v0.to(tl.float32) * scale).to(out.dtype.element_ty), mask=is_word)
        tl.store(at + 8, (v1.to(tl.float32) * scale).to(out.dtype.element_ty), mask=is_word)
        tl.store(at + 16, (v2.to(tl.float32) * scale).to(out.dtype.element_ty), mask=is_word)
        tl.store(at + 24, (v3.to(tl.float32) * scale).to(out.dtype.element_ty), mask=is_word)
        tl.store(at + 32, (v4.to(tl.float32) * scale).to(out.dtype.element_ty), mask=is_word)
        tl.store(at + 40, (v5.to(tl.float32) * scale).to(out.dtype.element_ty), mask=is_word)
        tl.store(at + 48, (v6.to(tl.float32) * scale).to(out.dtype.element_ty), mask=is_word)
        tl.store(at + 56, (v7.to(tl.float32) * scale).to(out.dtype.element_ty), mask=is_word)
    else:
        inputs = part * INPUTS + tl.arange(0, INPUTS)
        is_input = inputs < num_inputs
        values = tl.load(codes + row * num_inputs + inputs, mask=is_input, other=0).to(tl.float32) * tl.load(
            scales + row
        )
        tl.store(out + row * num_inputs + inputs, values.to(out.dtype.element_ty), mask=is_input)


def _parts(matrix: Any) -> tuple[Tensor, Tensor]:
    """Return what a kernel reads of a matrix: its elements or codes, and its scales where it has some."""
    if isinstance(matrix, Nf4Matrix):
        return matrix.words, matrix.scales
    if isinstance(matrix, Int8Matrix):
        return matrix.codes, matrix.scales
    return matrix, matrix


def _byte_tables() -> list[int]:
    """Return NF4's values in bf16 as two tables of 16 bytes, the low bytes and then the high ones, 4 a word."""
    bits = [word & 0xFFFF for word in torch.tensor(NF4_VALUES).bfloat16().view(torch.int16).tolist()]
    planes = [[word & 0xFF for word in bits], [word >> 8 for word in bits]]
    return [
        sum(byte << (8 * place) for place, byte in enumerate(plane[start : start + 4]))
        for plane in planes
        for start in range(0, 16, 4)
    ]


def _unpacking_code() -> str:
    """Return PTX that turns a word of eight codes into eight bf16 values by looking bytes up in registers.

    `prmt` picks four bytes at once from eight, by four codes of three bits each; the fourth bit chooses between the
    results for the lower and the upper half of the table.
    """
    low, high = _byte_tables()[:4], _byte_tables()[4:]
    lines = ["{", ".reg .b32 s, q, a, b, l, h, p0, p1;"]
    for half in range(2):
        source = "$8" if half == 0 else "s"
        if half == 1:
            lines += ["shr.b32 s, $8, 16;"]
        lines += [f"and.b32 q, {source}, 0x8888;", "shr.b32 q, q, 1;", "or.b32 q, q, 0x3210;"]
        lines += [f"and.b32 s, {source}, 0x7777;"]
        for name, table in (("l", low), ("h", high)):
            lines += [f"prmt.b32 a, {table[0]:#x}, {table[1]:#x}, s;", f"prmt.b32 b, {table[2]:#x}, {table[3]:#x}, s;"]
            lines += [f"prmt.b32 {name}, a, b, q;"]
        lines += ["prmt.b32 p0, l, h, 0x5140;", "prmt.b32 p1, l, h, 0x7362;"]
        first = 4 * half
        lines += [f"mov.b32 {{${first}, ${first + 1}}}, p0;", f"mov.b32 {{${first + 2}, ${first + 3}}}, p1;"]
    return "\n".join([*lines, "}"])


UNPACKING = tl.constexpr(_unpacking_code())


@triton.jit
def _unpack_nf4(packed):
    return tl.inline_asm_elementwise(
        UNPACKING,
        "=h,=h,=h,=h,=h,=h,=h,=h,r",
        [packed],
        dtype=(tl.bfloat16, tl.bfloat16, tl.bfloat16, tl.bfloat16, tl.bfloat16, tl.bfloat16, tl.bfloat16, tl.bfloat16),
        is_pure=True,
        pack=1,
    )


@triton.jit
def _add_place(sums, x_at, x_mask, values, scale, IS_TURNED: tl.constexpr):
    weight = (values.to(tl.float32) * scale).to(x_at.dtype.element_ty)
    given = tl.load(x_at, mask=x_mask, other=0.0)
    return tl.dot(weight, given, sums) if IS_TURNED else tl.dot(given, weight, sums)


@triton.jit
def _product(
    x,
    codes,
    scales,
    mask_of_sums,
    out,
    partials,
    arrived,
    num_rows,
    num_outputs,
    num_inputs,
    x_stride,
    out_stride,
    share_size,
    ROWS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    INPUTS: tl.constexpr,
    SHARES: tl.constexpr,
    KIND: tl.constexpr,
    IS_ADDED: tl.constexpr,
    IS_MASKED: tl.constexpr,
    IS_TURNED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    block, row_block, share = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    outputs = block * OUTPUTS + tl.arange(0, OUTPUTS)
    rows = row_block * ROWS + tl.arange(0, ROWS)
    is_output, is_row = outputs < num_outputs, rows < num_rows
    sums = tl.zeros((OUTPUTS, ROWS) if IS_TURNED else (ROWS, OUTPUTS), tl.float32)
    begin = share * share_size
    end = tl.minimum(begin + share_size, num_inputs)
    wide = outputs.to(tl.int64)
    for start in range(begin, end, INPUTS):
        if KIND == 2:
            # Codes of one place in sixteen words are two runs of eight columns, and meet those of x. With many rows the
            # matrix is the left factor, so that what was unpacked stays in registers on its way to the tensor cores.
            words = start // 8 + tl.arange(0, INPUTS // 8)
            is_word = words < end // 8
            columns = (words // 8) * BLOCK + words % 8
            if IS_TURNED:
                mask = is_output[:, None] & is_word[None, :]
                packed = tl.load(codes + wide[:, None] * (num_inputs // 8) + words[None, :], mask=mask, other=0)
                at = wide[:, None] * (num_inputs // BLOCK) + words[None, :] // 8
                x_at = x + rows[None, :] * x_stride + columns[:, None]
                x_mask = is_row[None, :] & is_word[:, None]
            else:
                mask = is_output[None, :] & is_word[:, None]
                packed = tl.load(codes + wide[None, :] * (num_inputs // 8) + words[:, None], mask=mask, other=0)
                at = wide[None, :] * (num_inputs // BLOCK) + words[:, None] // 8
                x_at = x + rows[:, None] * x_stride + columns[None, :]
                x_mask = is_row[:, None] & is_word[None, :]
            scale = tl.load(scales + at, mask=mask, other=0.0).to(tl.float32)
            v0, v1, v2, v3, v4, v5, v6, v7 = _unpack_nf4(packed)
            sums = _add_place(sums, x_at + 0, x_mask, v0, scale, IS_TURNED)
            sums = _add_place(sums, x_at + 8, x_mask, v1, scale, IS_TURNED)
            sums = _add_place(sums, x_at + 16, x_mask, v2, scale, IS_TURNED)
            sums = _add_place(sums, x_at + 24, x_mask, v3, scale, IS_TURNED)
            sums = _add_place(sums, x_at + 32, x_mask, v4, scale, IS_TURNED)
            sums = _add_place(sums, x_at + 40, x_mask, v5, scale, IS_TURNED)
            sums = _add_place(sums, x_at + 48, x_mask, v6, scale, IS_TURNED)
            sums = _add_place(sums, x_at + 56, x_mask, v7, scale, IS_TURNED)
        else:
            inputs = start + tl.arange(0, INPUTS)
            is_input = inputs < end
            mask = is_output[None, :] & is_input[:, None]
            weight = tl.load(codes + wide[None, :] * num_inputs + inputs[:, None], mask=mask, other=0)
            x_mask = is_row[:, None] & is_input[None, :]
            given = tl.load(x + rows[:, None] * x_stride + inputs[None, :], mask=x_mask, other=0.0)
            sums = tl.dot(given, weight.to(x.dtype.element_ty), sums)
    total = tl.trans(sums) if IS_TURNED else sums
    is_last = True
    tile = row_block * tl.num_programs(0) + block
    inner = tl.arange(0, ROWS)[:, None] * OUTPUTS + tl.arange(0, OUTPUTS)[None, :]
    if SHARES > 1:
        tl.store(partials + (tile * SHARES + share) * (ROWS * OUTPUTS) + inner, total)
        tl.debug_barrier()
        is_last = tl.atomic_add(arrived + tile, 1, sem="acq_rel") == SHARES - 1
    if is_last:
        if SHARES > 1:
            total = tl.zeros((ROWS, OUTPUTS), tl.float32)
            for number in range(SHARES):
                total += tl.load(partials + (tile * SHARES + number) * (ROWS * OUTPUTS) + inner)
            tl.store(arrived + tile, 0)
        if KIND == 1:
            total = total * tl.load(scales + outputs, mask=is_output, other=0.0)[None, :]
        target = out + rows[:, None] * out_stride + outputs[None, :]
        is_there = is_row[:, None] & is_output[None, :]
        if IS_MASKED:
            at = mask_of_sums + rows[:, None] * num_outputs + outputs[None, :]
            total *= tl.load(at, mask=is_there, other=0.0).to(tl.float32)
        if IS_ADDED:
            total += tl.load(target, mask=is_there, other=0.0).to(tl.float32)
        tl.store(target, total.to(out.dtype.element_ty), mask=is_there)
