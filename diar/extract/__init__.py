"""Stage 1: audio archive to embeddings, sharded over the ranks of a torchrun job."""
