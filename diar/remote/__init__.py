"""Files in object stores and on servers: the only user of fsspec. `diar.storage` is the face for all URLs."""
