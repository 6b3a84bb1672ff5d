"""Reading the shards while a model trains: in order, on many ranks and workers, resumed exactly; no Ray."""
