"""Conditions in a site's rules: ``"Modality in ('CT', 'PT') and SliceThickness < 5"``.

A condition is parsed as a Python expression, and only what is listed here is let through: comparisons, ``and``, ``or``, ``not``,
``in``, constants, the keywords of attributes, and a minus sign. It is compiled once, to closures; nothing of it is ever evaluated
as Python.

Attributes are compared by their VR: numbers with numbers, dates with days (``'2024-12-31'``, ``'today-1d'``), the rest as text.
What is absent, empty or not of its kind has no value: a comparison with it is neither true nor false (None), and so is what hangs
on it.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dicomnode.qa.language.days import day_of
from dicomnode.qa.language.operands import Kind, Operand, Value, operand
from dicomnode.qa.rule import Subject

Condition = Callable[[Subject], bool | None]
"""Whether it is so; None when that cannot be said of an instance."""

MAX_LENGTH: Final = 1000
"""Characters of a condition."""

_Get = Callable[[Subject], Value | None]
_GetAll = Callable[[Subject], Sequence[Value | None]]
_Test = Callable[[Any, Any], bool]

_COMPARISONS: Final[dict[type[ast.cmpop], _Test]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ALLOWED: Final = "allowed are comparisons, and, or, not, in, numbers, texts in quotes and the keywords of attributes"


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition, compiled.

    Attributes:
        text: as it was written.
        operands: the attributes that it looks at, in the order of their first mention.
        holds: whether it is so of an instance.
    """

    text: str
    operands: tuple[Operand, ...]
    holds: Condition


def compile_expression(text: str) -> Expression:
    """The condition that ``text`` says.

    Raises:
        ValueError: it holds anything but what is let through, or compares what cannot be compared.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"a condition has at most {MAX_LENGTH} characters")
    compiler = _Compiler()
    try:
        holds = compiler.condition(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError as error:
        raise ValueError(f"is no condition: {error.msg}") from None
    except (RecursionError, MemoryError):
        raise ValueError("is nested too deep") from None
    if not compiler.operands:
        raise ValueError("a condition must look at an attribute")
    return Expression(text, tuple(compiler.operands), holds)


class _Compiler:
    """Walks the tree once; what it does not know it refuses."""

    def __init__(self) -> None:
        self.operands: dict[Operand, None] = {}

    def condition(self, node: ast.expr) -> Condition:
        match node:
            case ast.BoolOp(op=ast.And()):
                return _combined([self.condition(each) for each in node.values], decisive=False)
            case ast.BoolOp(op=ast.Or()):
                return _combined([self.condition(each) for each in node.values], decisive=True)
            case ast.UnaryOp(op=ast.Not()):
                return _negated(self.condition(node.operand))
            case ast.Compare():
                return self._comparison(node)
            case ast.Name() | ast.Constant():
                raise ValueError(f"{ast.unparse(node)} alone is no condition: compare it with something")
        raise _refused(node)

    def _comparison(self, node: ast.Compare) -> Condition:
        sides = [node.left, *node.comparators]
        parts = [self._pair(*pair) for pair in zip(sides, node.ops, sides[1:], strict=False)]
        return parts[0] if len(parts) == 1 else _combined(parts, decisive=False)

    def _pair(self, left: ast.expr, sign: ast.cmpop, right: ast.expr) -> Condition:
        if isinstance(sign, ast.In | ast.NotIn):
            is_in = self._membership(left, right)
            return is_in if isinstance(sign, ast.In) else _negated(is_in)
        if type(sign) not in _COMPARISONS:
            raise ValueError(f"is and is not are not known here; {_ALLOWED}")
        kind = self._kind(left, right)
        return _compared(self._value(left, kind), _COMPARISONS[type(sign)], self._value(right, kind))

    def _membership(self, left: ast.expr, right: ast.expr) -> Condition:
        if isinstance(right, ast.Tuple | ast.List):
            if not right.elts or any(isinstance(each, ast.Name) for each in right.elts):
                raise ValueError("in asks for a list of constants, or for an attribute")
            kind = self._kind(left, *right.elts)
            members = [self._value(each, kind) for each in right.elts]
            return _is_in(self._value(left, kind), lambda subject: [get(subject) for get in members])
        if isinstance(right, ast.Name):
            return _is_in(self._value(left, self._kind(left, right)), self._operand(right).values)
        raise ValueError("in asks for a list of constants such as ('CT', 'MR'), or for an attribute")

    def _kind(self, *nodes: ast.expr) -> Kind:
        """As what these are compared."""
        named = [self._operand(node) for node in nodes if isinstance(node, ast.Name)]
        kinds = {each.kind for each in named} or {_kind_of_constant(node) for node in nodes}
        if len(kinds) > 1:
            raise ValueError(f"{' and '.join(sorted(kind.value for kind in kinds))} cannot be compared")
        return kinds.pop()

    def _operand(self, node: ast.Name) -> Operand:
        found = operand(node.id)
        self.operands.setdefault(found)
        return found

    def _value(self, node: ast.expr, kind: Kind) -> _Get:
        if isinstance(node, ast.Name):
            return self._operand(node).first
        constant = _constant(node)
        if kind is Kind.DATE and isinstance(constant, str):
            return day_of(constant)
        if isinstance(constant, str) is (kind is Kind.NUMBER) or kind is Kind.DATE:
            raise ValueError(f"{ast.unparse(node)} is compared with {kind.value}")
        return lambda _: constant


def _constant(node: ast.expr) -> float | str:
    match node:
        case ast.Constant(value=bool()):
            raise _refused(node)
        case ast.Constant(value=int() | float() | str() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)) if (
            type(value) is not bool
        ):
            return -value
    raise _refused(node)


def _kind_of_constant(node: ast.expr) -> Kind:
    return Kind.TEXT if isinstance(_constant(node), str) else Kind.NUMBER


def _refused(node: ast.expr) -> ValueError:
    return ValueError(f"{ast.unparse(node)[:60]} is not known here; {_ALLOWED}")


def _compared(left: _Get, test: _Test, right: _Get) -> Condition:
    def holds(subject: Subject) -> bool | None:
        mine, other = left(subject), right(subject)
        return None if mine is None or other is None else test(mine, other)

    return holds


def _is_in(left: _Get, members: _GetAll) -> Condition:
    def holds(subject: Subject) -> bool | None:
        mine, others = left(subject), members(subject)
        return None if mine is None or not others else mine in others

    return holds


def _negated(condition: Condition) -> Condition:
    def holds(subject: Subject) -> bool | None:
        result = condition(subject)
        return None if result is None else not result

    return holds


def _combined(conditions: Sequence[Condition], *, decisive: bool) -> Condition:
    """``or`` (one true decides) and ``and`` (one false decides); without that, what cannot be said leaves all unsaid."""

    def holds(subject: Subject) -> bool | None:
        result: bool | None = not decisive
        for condition in conditions:
            each = condition(subject)
            if each is decisive:
                return decisive
            if each is None:
                result = None
        return result

    return holds
