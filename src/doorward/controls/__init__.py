"""The nine protections, one folder each. Their order stands in `doorward.pipeline.order`."""
