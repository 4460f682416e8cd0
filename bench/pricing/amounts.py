"""Amounts of money as text."""

from __future__ import annotations

import math


def dollars(usd: float) -> str:
    """An amount as people read it: cents, below a dollar three significant digits, below a hundredth of a cent an exponent.

    >>> [dollars(x) for x in (12.3456, 0.5, 0.0412, 0.0000453, 0.0, float("nan"))]
    ['12.35', '0.50', '0.0412', '4.53e-5', '0', 'unknown']
    """
    if math.isnan(usd):
        return "unknown"
    if not usd:
        return "0"
    if abs(usd) < 1e-4:
        mantissa, exponent = f"{usd:.2e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    digits = max(2, 2 - math.floor(math.log10(abs(usd))))
    whole, _, cents = f"{usd:.{digits}f}".partition(".")
    return f"{whole}.{cents.rstrip('0'):0<2}"
