"""Imported first by the server of workers: while it imports, it does not look for garbage. There is none.

Python looks through all objects again and again as they become more, 0.1 s in all. `frozen` ends it.
"""

import gc

gc.disable()
