"""`diar status --report`: the page of an extraction."""
