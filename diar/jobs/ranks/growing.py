"""Imported first by the server of workers: no look for garbage while it imports: there is none.

Python looks through all objects again and again as they become more, 0.2 s in all. `frozen` ends it.
"""

import gc

gc.disable()
