"""Side by side with peers: CPU, throughput, latency and memory of one core."""
