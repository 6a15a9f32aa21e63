"""What numba does with a solve: it calls the function that JAX compiled.

PyTensor imports numba only where a graph is compiled by it, and so do we: see
`pkmodels.fitting.operations`.
"""

from collections.abc import Callable
from typing import Any

import numba
from pytensor.link.numba.dispatch.basic import (
    get_numba_type,
    numba_njit,
    register_funcify_and_cache_key,
)

from pkmodels.fitting.operations import SolvedRows, SolvedRowsAndSlopes


@register_funcify_and_cache_key(SolvedRows)
@register_funcify_and_cache_key(SolvedRowsAndSlopes)
def in_object_mode(op: Any, node: Any, **_: Any) -> tuple[Callable[..., Any], None]:
    """Return what calls an operation's ``perform`` from numba's code.

    Parameters
    ----------
    op : SolvedRows or SolvedRowsAndSlopes
        The operation.
    node : Apply
        Its place in the graph.

    Returns
    -------
    function, None
        Without a key: a function of this process cannot be kept in numba's cache.

    Examples
    --------
    >>> import numpy as np, pytensor, pytensor.tensor as pt
    >>> from pkmodels.fitting.operations import solved_rows
    >>> def decays(times):
    ...     return lambda rate: times * rate[0]
    >>> rate = pt.vector("rate", shape=(1,))
    >>> rows = solved_rows(decays, (np.array([1.0, 2.0]),))(rate)
    >>> pytensor.function([rate], rows, mode="NUMBA")(np.array([3.0]))
    array([3., 6.])
    """
    types = [get_numba_type(output.type) for output in node.outputs]
    returned = types[0] if len(types) == 1 else numba.types.Tuple(types)

    def call(inputs: Any) -> Any:
        places: list[list[Any]] = [[None] for _ in types]
        op.perform(node, inputs, places)
        found = tuple(place[0] for place in places)
        return found[0] if len(found) == 1 else found

    @numba_njit
    def perform(*inputs):
        with numba.objmode(ret=returned):
            ret = call(inputs)
        return ret

    return perform, None
