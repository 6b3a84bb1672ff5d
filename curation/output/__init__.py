"""One file a shard format."""
