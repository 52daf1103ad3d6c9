"""HTTP and WebSocket around live streams (`diar/online`) and around the batch pipeline (`diar/api`)."""
