"""Why it moved, and will a rollback help: computed after each firing, never on the way to its rollback.

A firing (``case``) -> a bounded sample of the lake (``sample``) -> arrays (``encode``, ``versions``) -> ``ope`` -> two
sentences and the numbers behind them (``explain``, ``helps``), kept in ``explanations`` by the job (``job``), read by
everybody (``told``).
"""
