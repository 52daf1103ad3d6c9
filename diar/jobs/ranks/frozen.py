"""Imported last by the server of workers: what it has made is left alone by garbage collection from then on.

Otherwise each worker would look through it, and copy the memory by that; and so would the server at its end,
for half a second, in which it holds the terminal.
"""

import gc

gc.freeze()
gc.enable()
