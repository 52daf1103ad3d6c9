"""Live audio by messages: each stream goes through `diar.online`, and survives its worker."""
