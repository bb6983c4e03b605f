"""Every mutant of a source file: one small change each, made in the text, so that all other lines stay as they are."""

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass

OPERATORS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mod,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.LShift: (ast.RShift,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
SYMMETRIC = {"max", "min"}
"""Functions whose arguments may be swapped."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    line: int
    kind: str
    before: str
    """The lines that change, as one."""
    after: str
    source: str
    """The whole file with the change."""


def mutants(source: str) -> list[Mutant]:
    """All mutants of a file, in the order of its lines.

    Left alone are imports, types, docstrings, decorators, assertions, the wording of errors and f-strings: a
    change there is seen by a type checker, by nobody, or has no position that Python 3.11 reports correctly. So are
    devices, of which a machine without an accelerator has one.
    """
    text, result = source.encode(), []
    starts = [0, *(match.end() for match in re.finditer(b"\n", text))]
    for node, replacement, kind in _changes(ast.parse(source)):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        begin, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        after = ast.unparse(replacement)
        new = f"({after})" if isinstance(node, ast.expr) and not isinstance(node, ast.Constant) else after
        head, tail = text[:begin].decode(), text[end:].decode()
        before_line, after_line = head.rpartition("\n")[2], tail.partition("\n")[0]
        lines = (before_line + middle + after_line for middle in (text[begin:end].decode(), new))
        result.append(Mutant(node.lineno, kind, *(" ".join(line.split()) for line in lines), head + new + tail))
    return sorted(result, key=lambda mutant: mutant.line)


def _changes(tree: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, ast.AST, str]]:
    """(node, what stands in its place, kind) of a node and of all below it."""
    if isinstance(tree, (ast.Import, ast.ImportFrom, ast.Assert, ast.JoinedStr, ast.arg)):
        return
    if isinstance(tree, (ast.expr, ast.stmt)):
        for replacement, kind in _replacements(tree):
            yield tree, replacement, kind
    if isinstance(tree, ast.Assign) and isinstance(tree.value, ast.BinOp) and isinstance(tree.value.op, ast.BitOr):
        return  # a union of types
    if isinstance(tree, (ast.If, ast.While)):
        yield tree.test, ast.UnaryOp(ast.Not(), tree.test), "condition negated"
    if isinstance(tree, ast.comprehension):
        for condition in tree.ifs:
            yield condition, ast.Constant(True), "condition dropped"
    if isinstance(tree, ast.Raise):
        return
    skipped: list[object] = [getattr(tree, name, None) for name in ("annotation", "returns")]
    skipped += getattr(tree, "decorator_list", [])
    for child in ast.iter_child_nodes(tree):
        if not any(child is other for other in skipped):
            yield from _changes(child)


def _replacements(node: ast.expr | ast.stmt) -> Iterator[tuple[ast.AST, str]]:
    match node:
        case ast.Compare():
            for index, operator in enumerate(node.ops):
                for other in OPERATORS[type(operator)]:
                    yield _with(node, ops=[*node.ops[:index], other(), *node.ops[index + 1 :]]), "comparison"
        case ast.BinOp(op=operator) if type(operator) in OPERATORS:
            for other in OPERATORS[type(operator)]:
                yield _with(node, op=other()), "arithmetic"
        case ast.AugAssign(op=operator) if type(operator) in OPERATORS:
            yield _with(node, op=OPERATORS[type(operator)][0]()), "arithmetic"
        case ast.BoolOp(op=operator):
            yield _with(node, op=OPERATORS[type(operator)][0]()), "and or"
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand, "sign or not dropped"
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value), "constant"
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value + 1), "constant"
            yield ast.Constant(value - 1), "constant"
        case ast.IfExp():
            yield _with(node, test=ast.UnaryOp(ast.Not(), node.test)), "condition negated"
        case ast.Call():
            yield from _calls(node)
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.Continue() | ast.Break() | ast.AugAssign():
            yield ast.Pass(), "statement dropped"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass(), "statement dropped"
        case ast.Return(value=value) if value is not None and not _is_none(value):
            yield ast.Return(ast.Constant(None)), "None returned"


def _calls(node: ast.Call) -> Iterator[tuple[ast.AST, str]]:
    symmetric = isinstance(node.func, ast.Name) and node.func.id in SYMMETRIC
    first = node.args[:2]
    starred = any(isinstance(argument, ast.Starred) for argument in first)
    if len(first) == 2 and ast.dump(first[0]) != ast.dump(first[1]) and not (symmetric or starred):
        yield _with(node, args=[first[1], first[0], *node.args[2:]]), "arguments swapped"
    for index, keyword in enumerate(node.keywords):
        if keyword.arg not in (None, "device"):
            yield _with(node, keywords=node.keywords[:index] + node.keywords[index + 1 :]), "argument dropped"


def _with(node: ast.AST, **fields: object) -> ast.AST:
    """A copy with other fields."""
    result = copy.copy(node)
    for name, value in fields.items():
        setattr(result, name, value)
    return result


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
