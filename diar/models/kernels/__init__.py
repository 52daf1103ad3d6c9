"""Kernels of our own for NVIDIA GPUs, in Triton, which comes with PyTorch there (decision 067).

Each does in one pass over memory what torch does in several. The layers that use them ask `available` first,
and otherwise compute the same with torch.
"""
