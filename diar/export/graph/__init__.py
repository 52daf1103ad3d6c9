"""Networks that exporters can follow: twins of fast layers, the front end, parts with named inputs."""
